"""EML and MBOX -> Document: who wrote to whom and when as a note, then what was written; attachments are members.

The body is the message's plain text, or its page (HTML) where that says much more; quoted replies stay. A message
inside a message is a member, as an attachment is. Of an MBOX each message is a section.
"""

import codecs
import email
import email.errors
import email.header
import email.utils
import mimetypes
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from importlib.metadata import version
from pathlib import Path

from errors import EncryptedError, ParseError
from ingest.parse.hidden import Hidden
from ingest.parse.members import unique_names
from ingest.parse.outline import Outline
from ingest.parse.text import decode, scrub
from ingest.parse.text import warm as warm_text
from ingest.types import Block, Document

MEDIA_TYPE = "message/rfc822"
MBOX_TYPE = "application/mbox"

HEADERS = ("from", "to", "cc", "date", "subject")
MAX_HEADER = 20_000  # characters of a header that are read
MAX_SUBJECT = 60  # characters of a subject in the name of an attachment
_MUCH_MORE = 3  # times the words of the plain text that make the page the body
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_SEALED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_ESCAPING = ("iso-2022", "iso2022", "hz", "utf-7")  # charsets that look like ASCII
_PARAGRAPH = re.compile(r"^[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", re.M)
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\d[^\r\n]*\r?\n")
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.M)
_COUNTED = re.compile(rb"(\d{1,12})[ \t]*\r?\n")  # how Apple's mail begins
_NO_MAIL = "It has neither headers nor text."


@cache
def parser_version() -> str:
    return f"mail/1 lxml {version('lxml')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    from ingest.parse import html

    warm_text()
    html.warm()


def parse(path: Path) -> Document:
    """A message, or the messages of a mailbox.

    Raises EncryptedError if the message is encrypted, ParseError if the file is no mail.
    """
    data = _wide_to_utf8(path.read_bytes())
    return _mailbox(data) if _is_mailbox(path, data) else _single(_read(data))


def read_member(path: Path, name: str) -> bytes:
    """An attachment's bytes, by the name that parse() gave it. Raises ParseError if there is none of that name."""
    data = _wide_to_utf8(path.read_bytes())
    rest = name
    if _is_mailbox(path, data):
        number, _, rest = name.partition("/")
        place = int(number[:4]) - 1 if number[:4].isdecimal() else -1
        messages = list(_split(data))
        letter = _read(messages[place]) if 0 <= place < len(messages) else None
        if letter and number != _folder(place + 1, letter):
            letter = None
    else:
        letter = _read(data)
    attachment = next((part for known, part in letter.named() if known == rest), None) if letter else None
    if attachment is None:
        raise ParseError(f"There is no {name[:100]!r} in the mail.", hint="Index again: the mail has changed.")
    return attachment.data()


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    data: Callable[[], bytes]


@dataclass
class Letter:
    """A message taken apart: headers by their names in lower case, the body in blocks, what is attached, what of it is
    hidden."""

    headers: dict[str, str] = field(default_factory=dict)
    body: list[Block] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    is_blank: bool = False
    hidden: Hidden = field(default_factory=Hidden)

    def named(self) -> list[tuple[str, Attachment]]:
        """The attachments with the names by which they are known."""
        names = unique_names(attachment.name for attachment in self.attachments)
        return list(zip(names, self.attachments, strict=True))

    def metadata(self) -> dict[str, str]:
        """The headers as metadata has them: the date as ISO 8601."""
        found = {name: self.headers[name] for name in HEADERS if self.headers.get(name)}
        if date := _iso(found.pop("date", "")):
            found["date"] = date
        return found

    def add_to(self, outline: Outline) -> None:
        lines = (f"{name.capitalize()}: {self.headers[name]}" for name in HEADERS if self.headers.get(name))
        outline.add("note", "\n".join(lines))
        outline.extend(self.body)


def document_of(letter: Letter, media_type: str, version: str) -> Document:
    """A letter as a Document."""
    outline = Outline()
    letter.add_to(outline)
    return Document(
        title=letter.headers.get("subject", ""),
        media_type=media_type,
        parser=version,
        blocks=outline.finish(),
        metadata=letter.metadata(),
        members=tuple(name for name, _ in letter.named()),
        hidden=letter.hidden.found(),
    )


def paragraphs(text: str) -> Iterator[Block]:
    """A message's plain text, by its empty lines."""
    for match in _PARAGRAPH.finditer(text):
        yield Block("paragraph", match[0].strip("\n").rstrip())


def _single(letter: Letter) -> Document:
    if not letter.headers and not letter.body and not letter.attachments and not letter.is_blank:
        raise ParseError("The file is no mail.", hint=_NO_MAIL)
    return document_of(letter, MEDIA_TYPE, parser_version())


def _mailbox(data: bytes) -> Document:
    outline, hidden = Outline(), Hidden()
    members = []
    for number, message in enumerate(_split(data), 1):
        try:
            letter = _read(message, hidden)
        except EncryptedError as error:
            outline.heading(1, f"Message {number}")
            outline.add("note", error.message)
            continue
        outline.heading(1, letter.headers.get("subject") or f"Message {number}")
        letter.add_to(outline)
        members += [f"{_folder(number, letter)}/{name}" for name, _ in letter.named()]
    return Document("", MBOX_TYPE, parser_version(), outline.finish(), members=tuple(members), hidden=hidden.found())


def _folder(number: int, letter: Letter) -> str:
    """Under what the attachments of a mailbox's message are named: its number and subject."""
    subject = re.sub(r"[\\/]", " ", letter.headers.get("subject", ""))[:MAX_SUBJECT]
    return unique_names([f"{number:04} {subject}"])[0]


def _is_mailbox(path: Path, data: bytes) -> bool:
    return path.suffix.lower() in (".mbox", ".mbx") or bool(_FROM_LINE.match(data))


def _split(data: bytes) -> Iterator[bytes]:
    """The messages of a mailbox; each begins with a line "From " after an empty one. A file without any is one."""
    starts = [match.span() for match in _FROM_LINE.finditer(data)] or [(0, 0)]
    ends = [start for start, _ in starts[1:]] + [len(data)]
    for (_, start), end in zip(starts, ends, strict=True):
        yield _ESCAPED_FROM.sub(rb"\1", data[start:end])


def _wide_to_utf8(data: bytes) -> bytes:
    return decode(data)[0].encode() if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else data


def _read(data: bytes, hidden: Hidden | None = None) -> Letter:
    if counted := _COUNTED.match(data):
        data = data[counted.end() : counted.end() + int(counted[1])]
    try:
        message = email.message_from_bytes(data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n"))
        headers = {name: text for name in HEADERS if (text := _header(message, name))}
        letter = Letter(headers, is_blank=not data.strip(), hidden=hidden or Hidden())
        _take(message, letter)
    except RecursionError as error:
        raise ParseError("The mail is nested too deeply.", hint="Open it and save it anew.") from error
    return letter


# what a message is made of


def _take(part: Message, letter: Letter) -> None:
    kind = part.get_content_type()
    if kind in _SEALED and "signed" not in str(part.get_param("smime-type") or ""):
        raise EncryptedError("The message is encrypted.", hint="Open it in your mail program and save it decrypted.")
    if kind in _SIGNATURES:
        return
    if kind == "message/rfc822":
        letter.attachments.append(_enclosed(part))
    elif kind == "multipart/alternative":
        _take_alternative(part, letter)
    elif part.is_multipart() and kind.startswith("multipart/"):
        for inner in _parts(part):
            _take(inner, letter)
    elif part.is_multipart():  # message/delivery-status: groups of headers
        text = "\n\n".join("\n".join(f"{key}: {value}" for key, value in inner.items()) for inner in _parts(part))
        letter.body += paragraphs(scrub(text))
    elif kind.startswith("text/") and not _is_attached(part):
        letter.body += _blocks(part, letter.hidden)
    elif not _is_picture_of_page(part):
        letter.attachments.append(Attachment(_file_name(part), lambda: _payload(part)))


def _take_alternative(part: Message, letter: Letter) -> None:
    """Of several forms of one text the plain one, unless a page says much more; what is no text is attached."""
    forms: list[Letter] = []
    for inner in _parts(part):
        forms.append(Letter(hidden=letter.hidden))
        _take(inner, forms[-1])
    texts = [form.body for form in forms if form.body]
    plain = next(iter(texts), [])
    longest = max(texts, key=_words, default=[])
    letter.body += longest if _words(longest) > _MUCH_MORE * _words(plain) else plain
    letter.attachments += [attachment for form in forms for attachment in form.attachments]


def _words(blocks: list[Block]) -> int:
    return sum(len(block.text.split()) for block in blocks)


def _parts(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(part.get_filename())


def _is_picture_of_page(part: Message) -> bool:
    """Whether the part is a picture in the message's page, as a logo."""
    named = part.get_content_disposition() == "attachment" or "content-id" not in part
    return part.get_content_maintype() == "image" and not named


def _enclosed(part: Message) -> Attachment:
    inner = next(iter(_parts(part)), None)
    subject = re.sub(r"[\\/]", " ", _header(inner, "subject"))[:MAX_SUBJECT] if inner is not None else ""
    name = decoded(part.get_filename() or "") or f"{subject.strip() or 'message'}.eml"
    name = name if name.lower().endswith(".eml") else f"{name}.eml"
    return Attachment(name, lambda: _serialised(inner))


def _serialised(message: Message | None) -> bytes:
    try:
        return message.as_bytes() if message is not None else b""
    except Exception as error:  # the library's writer fails on some of what its reader takes
        raise ParseError(f"The enclosed message is damaged: {error}.", hint="Save it as a file of its own.") from error


def _file_name(part: Message) -> str:
    if name := decoded(part.get_filename() or ""):
        return name
    return f"unnamed{mimetypes.guess_extension(part.get_content_type()) or ''}"


def _blocks(part: Message, hidden: Hidden) -> list[Block]:
    text = _guessed(_payload(part), part.get_content_charset("") or "")
    if part.get_content_type() != "text/html":
        return list(paragraphs(text))
    from ingest.parse.html import blocks_of_html

    try:
        return blocks_of_html(text, hidden)
    except ParseError:
        return list(paragraphs(re.sub(r"<[^<>]{0,2000}>", " ", text)))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


# headers


def _header(message: Message, name: str) -> str:
    """A header's text, decoded; of repeated ones all."""
    values = (str(value)[:MAX_HEADER] for key, value in message.raw_items() if key.lower() == name)
    return ", ".join(filter(None, map(decoded, values)))


def decoded(raw: str) -> str:
    """Words that are encoded in a header (RFC 2047), as text; bytes that are not as they should be, by a guess."""
    if not raw.isascii():
        raw = _guessed(raw.encode("utf-8", "surrogateescape"), "")
    try:
        pieces = email.header.decode_header(raw)
    except (ValueError, LookupError, email.errors.MessageError):
        pieces = [(raw, None)]
    return " ".join(scrub("".join(_piece(*piece) for piece in pieces)).split())


def _piece(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    if charset is None:  # beside encoded words, the library hands on what stands there so
        return piece.decode("raw-unicode-escape", "replace")
    return _guessed(piece, charset)


def _guessed(data: bytes, charset: str) -> str:
    """Text in the declared charset, unless it is plainly another one; "" for binary data."""
    if charset.lower().startswith(_ESCAPING):
        try:
            return scrub(data.decode(charset, "replace").replace("\r\n", "\n"))
        except LookupError:
            pass
    try:
        return decode(data, charset)[0]
    except ParseError:
        return ""


def _iso(date: str) -> str:
    """A header's date as ISO 8601, "" if it is none."""
    try:
        return email.utils.parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        return date if re.match(r"\d{4}-\d\d-\d\d", date) else ""
