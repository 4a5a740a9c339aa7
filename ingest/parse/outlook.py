"""MSG (a message saved by Outlook) -> Document: headers and attachments by python-oxmsg, the body by unstructured.

The one file that imports oxmsg. A body that is kept as RTF only is read by rtf.py. Messages attached in Outlook's own
form are left out: no library here writes them as files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from errors import EncryptedError, ParseError
from ingest.parse import html, rtf, unstructured_reader
from ingest.parse.hidden import Hidden
from ingest.parse.mail import Attachment, Letter, decoded, document_of, paragraphs
from ingest.parse.text import scrub
from ingest.types import Block, Document

if TYPE_CHECKING:
    from oxmsg import Message

MEDIA_TYPE = "application/vnd.ms-outlook"
MAX_RTF = 50_000_000  # bytes of a body once it is unpacked

_RTF_BODY, _RECIPIENT_TYPE = 0x1009, 0x0C15  # property numbers of [MS-OXPROPS]
_TO, _CC = 1, 2
_SEALED_TYPES = ("application/pgp-encrypted", "application/pkcs7-mime", "application/x-microsoft-rpmsg-message")
# What the window of the compression holds at first: [MS-OXRTFCP] 2.1.2.1
_WINDOW = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW_SIZE = 4096
_RESAVE = "Open it with Outlook and save it anew."


@cache
def parser_version() -> str:
    return f"{unstructured_reader.parser_version('outlook')} python-oxmsg {version('python-oxmsg')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    import oxmsg  # noqa: F401

    unstructured_reader.warm()


def parse(path: Path) -> Document:
    """Who wrote to whom and when as a note, then what was written; attachments are members.

    Raises EncryptedError if the message is encrypted, ParseError if the file is damaged.
    """
    data = path.read_bytes()
    letter = _letter(data)
    letter.body = _partly_hidden(data, letter.hidden) or unstructured_reader.msg_blocks(data) or _rest(data, letter)
    return document_of(letter, MEDIA_TYPE, parser_version())


def read_member(path: Path, name: str) -> bytes:
    """An attachment's bytes, by the name that parse() gave it. Raises ParseError if there is none of that name."""
    attachment = next((part for known, part in _letter(path.read_bytes()).named() if known == name), None)
    if attachment is None:
        raise ParseError(f"There is no {name[:100]!r} in the mail.", hint="Index again: the mail has changed.")
    return attachment.data()


def _letter(data: bytes) -> Letter:
    """The message without its body."""
    with _translated():
        message = _opened(data)
        if message.message_class.upper() == "IPM.NOTE.SMIME" or any(
            part.mime_type in _SEALED_TYPES or (part.file_name or "").lower().endswith((".rpmsg", "smime.p7m"))
            for part in message.attachments
        ):
            raise EncryptedError("The message is encrypted.", hint="Open it in Outlook and save it decrypted.")
        attachments = [
            Attachment(part.file_name or "unnamed", partial(bytes, part.file_bytes))
            for part in message.attachments
            if part.attached_by_value and part.file_bytes is not None
        ]
        return Letter(_headers(message), attachments=attachments)


def _headers(message: "Message") -> dict[str, str]:
    people: dict[int, list[str]] = {_TO: [], _CC: []}
    for recipient in message.recipients:
        kind = recipient.properties.int_prop_value(_RECIPIENT_TYPE) or _TO
        name, address = recipient.name or "", recipient.email_address or ""
        both = f"{name} <{address}>" if address and name and name != address else name or address
        people.setdefault(kind, []).append(both)
    date = message.sent_date
    found = {
        "from": message.sender or "",
        "to": ", ".join(people[_TO]),
        "cc": ", ".join(people[_CC]),
        "date": message.message_headers.get("Date") or (date.strftime("%a, %d %b %Y %H:%M:%S %z") if date else ""),
        "subject": message.subject,
    }
    return {name: decoded(text) for name, text in found.items() if text.strip()}


def _partly_hidden(data: bytes, hidden: Hidden) -> list[Block]:
    """The body of a message that is a page with something hidden in it, which unstructured would read as well."""
    with _translated():
        page = _opened(data).html_body or ""
    if not page.strip():
        return []
    blocks = html.blocks_of_html(page, hidden)
    return blocks if hidden.found() else []


def _rest(data: bytes, letter: Letter) -> list[Block]:
    """The body of a message that has neither a page nor, for unstructured, a text."""
    with _translated():
        message = _opened(data)
        plain, packed = message.body or "", message.properties.binary_prop_value(_RTF_BODY)
    if plain.strip():
        return list(paragraphs(scrub(plain.replace("\r\n", "\n"))))
    return list(rtf.read(unpacked_rtf(packed), letter.hidden).blocks) if packed else []


def unpacked_rtf(packed: bytes) -> bytes:
    """An RTF as Outlook packs it ([MS-OXRTFCP]). Raises ParseError if it is damaged or too large."""
    size, form, position = int.from_bytes(packed[4:8], "little"), packed[8:12], 16
    if size > MAX_RTF or form not in (b"MELA", b"LZFu"):
        raise ParseError("The message's body is damaged.", hint=_RESAVE)
    if form == b"MELA":
        return packed[position : position + size]
    found = bytearray(_WINDOW)
    while position < len(packed) and len(found) < len(_WINDOW) + size:
        control = packed[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                found += packed[position : position + 1]
                position += 1
                continue
            reference = int.from_bytes(packed[position : position + 2], "big")
            position += 2
            back = (len(found) - (reference >> 4)) % _WINDOW_SIZE
            if not back:  # the sign of the end
                return bytes(found[len(_WINDOW) :])
            if back > len(found):
                raise ParseError("The message's body is damaged.", hint=_RESAVE)
            for _ in range((reference & 15) + 2):
                found.append(found[-back])
    return bytes(found[len(_WINDOW) : len(_WINDOW) + size])


def _opened(data: bytes) -> "Message":
    from oxmsg import Message

    return Message.load(data)


@contextmanager
def _translated() -> Iterator[None]:
    """Whatever the library lets through of a damaged file, as ParseError."""
    try:
        yield
    except (ParseError, MemoryError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ParseError(f"The file is no readable message: {said or type(error).__name__}.", hint=_RESAVE) from error
