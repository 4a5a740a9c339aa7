"""One format family per file, one contract: parse(path) -> Document."""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING

from errors import ParseError, UnsupportedError
from ingest.parse import hidden
from ingest.types import Block, Document, RecognisedPage, Span

if TYPE_CHECKING:
    from ingest.parse.ocr import Recogniser, Recognition

# What the first bytes say a file is, whatever its name says.
_PDF, _ZIP, _OLE = "a PDF", "a ZIP archive", "an Office file of the old kind or with a password"
_RTF = "an RTF document"
_PNG, _JPEG, _GIF, _TIFF = (f"a {kind} picture" for kind in ("PNG", "JPEG", "GIF", "TIFF"))
_PICTURES = (_PNG, _JPEG, _GIF, _TIFF)


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file. `parser` is the module that reads it; `begins` what its first bytes may say it is ("" for
    nothing that is known, as of text); `heavy`: its libraries take seconds to import; `holds_members`: it may hold
    other documents, which the module's read_member() gives; `paged`: its pages can be shown and may be pictures of
    text, so its parse() takes what was recognised on them, picture() gives one to recognise, render_page() shows it;
    `locks`: it may have a password, which these functions take; `pure`: its parser is written in Python alone, but
    for HTML inside it."""

    media_type: str
    parser: str
    suffixes: tuple[str, ...]
    begins: tuple[str, ...] = ("",)
    heavy: bool = False
    holds_members: bool = False
    paged: bool = False
    locks: bool = False
    pure: bool = False


_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_OPEN = "application/vnd.oasis.opendocument"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".heic", ".heif")
_SOURCE_CODE = """
    .py .pyi .js .mjs .cjs .jsx .ts .tsx .vue .svelte .java .kt .kts .scala .groovy .gradle .c .h .cc .cpp .cxx .hh .hpp
    .cs .fs .vb .m .mm .rs .go .swift .dart .zig .rb .php .pl .pm .lua .r .jl .f90 .hs .ml .ex .exs .erl .clj .lisp .el
    .sh .bash .zsh .fish .ps1 .bat .cmd .sql .css .scss .less .proto .graphql .tf .cmake .mk .vim .diff .patch
"""
FORMATS = (
    Format("application/pdf", "pdf", (".pdf",), (_PDF,), paged=True, locks=True),
    Format("text/markdown", "markdown", (".md", ".markdown", ".mdown", ".mkd"), pure=True),
    Format("text/plain", "text", (".txt", ".text", ".log"), pure=True),
    Format("text/html", "html", (".html", ".htm", ".xhtml")),
    Format("multipart/related", "mhtml", (".mhtml", ".mht")),
    Format("application/jsoncanvas", "canvas", (".canvas",), pure=True),
    Format("application/x-ipynb+json", "notebook", (".ipynb",), pure=True),
    Format("text/vtt", "subtitles", (".vtt", ".srt"), pure=True),
    Format("text/x-rst", "rst", (".rst", ".rest"), pure=True),
    Format("text/org", "org", (".org",), pure=True),
    Format("text/x-tex", "latex", (".tex", ".latex", ".ltx"), pure=True),
    Format("application/xml", "xml", (".xml", ".nxml", ".jats", ".docbook", ".dbk", ".tei", ".dita", ".rss", ".atom")),
    Format("application/json", "data", (".json", ".geojson"), pure=True),
    Format("application/jsonl", "data", (".jsonl", ".ndjson"), pure=True),
    Format("application/yaml", "data", (".yaml", ".yml"), pure=True),
    Format("text/x-source", "code", tuple(_SOURCE_CODE.split()), pure=True),
    Format("text/x-settings", "code", (".toml", ".ini", ".cfg", ".conf", ".properties", ".editorconfig"), pure=True),
    Format("text/asciidoc", "asciidoc", (".adoc", ".asciidoc", ".asc"), pure=True),
    Format(_WORD, "docx", (".docx", ".docm", ".dotx", ".dotm"), (_ZIP, _OLE), locks=True),
    Format(_SHEET, "spreadsheet", (".xlsx", ".xlsm", ".xltx", ".xlsb"), (_ZIP, _OLE), locks=True),
    Format(f"{_OPEN}.spreadsheet", "spreadsheet", (".ods", ".ots"), (_ZIP,)),
    Format(f"{_OPEN}.text", "opendocument", (".odt", ".ott"), (_ZIP,)),
    Format(f"{_OPEN}.presentation", "opendocument", (".odp", ".otp"), (_ZIP,)),
    Format(f"{_OPEN}.graphics", "opendocument", (".odg",), (_ZIP,)),
    Format("application/vnd.ms-excel", "spreadsheet", (".xls", ".xlt"), (_OLE, _ZIP, ""), locks=True),
    Format("text/csv", "spreadsheet", (".csv",)),
    Format("text/tab-separated-values", "spreadsheet", (".tsv", ".tab")),
    Format("application/msword", "legacy", (".doc", ".dot"), (_OLE, _ZIP, _RTF), locks=True),
    Format("application/vnd.ms-powerpoint", "legacy", (".ppt", ".pps", ".pot"), (_OLE, _ZIP), locks=True),
    Format("application/rtf", "rtf", (".rtf",), (_RTF,)),
    Format("application/epub+zip", "epub", (".epub",), (_ZIP,)),
    Format("message/rfc822", "mail", (".eml", ".emlx"), holds_members=True),
    Format("application/vnd.ms-outlook", "outlook", (".msg",), (_OLE,), heavy=True, holds_members=True),
    Format("application/mbox", "mail", (".mbox", ".mbx"), holds_members=True),
    Format(_SLIDES, "slides", (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), (_ZIP, _OLE), locks=True),
    Format("image", "image", _PICTURE_SUFFIXES, ("", *_PICTURES), paged=True),
    Format("application/zip", "zip", (".zip",), (_ZIP,), holds_members=True),
)
SUFFIXES = {suffix: format for format in FORMATS for suffix in format.suffixes}
PARSERS = tuple(dict.fromkeys(format.parser for format in FORMATS))

# What a block may be after parsing, so that whoever chunks and embeds it needs little time and memory for it.
MAX_BLOCK = 50_000  # characters; a longer one is cut into several
MAX_TABLE = 2_000_000  # characters of a block that is a table, whose later parts lack its header row
MAX_LABEL = 500  # characters of a title, of a heading above a block, of a value of the metadata
MAX_DEPTH = 20  # headings above a block
_SEPARATORS = (re.compile("\n"), re.compile(" "))
# No letter or digit, so nothing to find; and thousands of marks on one letter take quadratic time to be put in order.
_WORDLESS = re.compile(r"(?<![\W_])[\W_]{1000,}+")

_SIGNATURES = (
    (b"%PDF-", _PDF),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"\xff\xd8\xff", _JPEG),
    (b"GIF8", _GIF),
    (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF),
    (b"{\\rtf", _RTF),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"GGUF", "a GGUF model"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
)
_READABLE = "Cita reads PDF, office files, mail, web pages, notes, books, pictures and ZIP archives of these."


def identify(path: Path) -> Format:
    """What kind of file it is, by its suffix and its first bytes.

    Raises UnsupportedError with the reason where no parser reads it, ParseError if the file cannot be read.
    """
    named = SUFFIXES.get(path.suffix.lower())
    if named is None:
        raise UnsupportedError(_unknown(path.suffix), hint=_READABLE)
    head = _head(path)
    found = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), "")
    if found == _PDF:
        return SUFFIXES[".pdf"]
    if head and found not in named.begins:
        what = found or "none"
        raise UnsupportedError(f"Its name ends in {path.suffix}, but it is {what}.", hint=_READABLE)
    return named


def _unknown(suffix: str) -> str:
    return f"Files of the kind {suffix} are not supported." if suffix else "Files without a suffix are not supported."


def format_of(path: Path) -> Format | None:
    """identify(), with None for a file that no parser reads."""
    try:
        return identify(path)
    except UnsupportedError:
        return None


def parse(
    path: Path, member: Sequence[str] = (), recognised: Sequence["Recognition"] = (), password: str | None = None
) -> Document:
    """Reads a file, or the document inside it that the names of `member` lead to, with the parser for it. An empty file
    gives a document without blocks. `recognised`: pages of it that were pictures of text; the others are `unread`.

    Raises UnsupportedError with the reason where there is no parser, and the parser's ParseErrors.
    """
    with opened_member(path, member) as file:
        return _parse(file, recognised, password)


def _parse(path: Path, recognised: Sequence["Recognition"], password: str | None) -> Document:
    format = identify(path)
    if not path.stat().st_size:
        return Document("", format.media_type, parser_version(format), ())
    pages = {"recognised": recognised} if format.paged else {}
    document: Document = _module(format.parser).parse(path, **pages, **_key(format, password))
    return bounded(hidden.without_characters(replace(document, parser=parser_version(format))))


def _key(format: Format, password: str | None) -> dict[str, str]:
    return {"password": password} if format.locks and password is not None else {}


def recognise(path: Path, page: int, recogniser: "Recogniser", password: str | None = None) -> "Recognition":
    """The text on a page (1-based) that is a picture. Raises UnsupportedError where the file has no pages to show, and
    the parser's ParseErrors."""
    from ingest.parse import ocr

    format = _paged(path)
    picture, size, points = _module(format.parser).picture(path, page, recogniser.dpi, **_key(format, password))
    return ocr.recognise(picture, page, size, points, recogniser)


def render_page(
    path: Path,
    page: int,
    quotes: Sequence[str],
    spans: Sequence[Span],
    scale: float,
    recognised: RecognisedPage | None = None,
    password: str | None = None,
) -> bytes:
    """A PNG of a page (1-based) with the quotes highlighted; of one that was recognised, where `recognised` has them.
    Raises UnsupportedError where the file has no pages to show, UsageError if it has no such page."""
    format = _paged(path)
    key = _key(format, password)
    data: bytes = _module(format.parser).render_page(path, page, quotes, spans, scale, recognised, **key)
    return data


def _paged(path: Path) -> Format:
    format = identify(path)
    if not format.paged:
        raise UnsupportedError(f"{path.name} has no pages to show.", hint="Only PDFs and pictures have.")
    return format


def read_member(path: Path, name: str) -> bytes:
    """The bytes of a document inside the file, by one of the names that its Document.members has.

    Raises ParseError if there is none of that name, TooLargeError over the limits on what may be unpacked.
    """
    format = identify(path)
    if not format.holds_members:
        raise ParseError(f"{path.name} holds no other documents.")
    data: bytes = _module(format.parser).read_member(path, name)
    return data


@contextmanager
def opened_member(path: Path, names: Sequence[str]) -> Iterator[Path]:
    """A file, gone afterwards, with the bytes of the document inside the file `path` that `names` lead to: the name of
    a document in it, of one in that, and so on. Of its name the file has only the suffix.

    Raises as read_member() does, and UnsupportedError for what no parser reads: it is not unpacked.
    """
    if not names:
        yield path
        return
    suffix = PurePosixPath(names[0]).suffix.lower()
    if suffix not in SUFFIXES:
        raise UnsupportedError(_unknown(suffix), hint=_READABLE)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"member{suffix}"
        file.write_bytes(read_member(path, names[0]))
        with opened_member(file, names[1:]) as inner:
            yield inner


def parser_version(format: Format) -> str:
    """What reading such a file depends on besides its bytes: of a file that may hold any other, all parsers."""
    version = f"{PARSER_VERSIONS[format.parser]} {hidden.VERSION}"
    if not format.holds_members:
        return version
    parts = repr([sorted(SUFFIXES), sorted(PARSER_VERSIONS.items())])
    return f"{version} members {hashlib.sha256(parts.encode()).hexdigest()[:8]}"


def bounded(document: Document) -> Document:
    """The document with long blocks cut, long runs of wordless characters left out, and long titles, headings and
    metadata shortened."""
    metadata = {key: value[:MAX_LABEL] for key, value in document.metadata.items()}
    blocks = tuple(_bounded_blocks(document.blocks))
    return replace(document, title=document.title[:MAX_LABEL], metadata=metadata, blocks=blocks)


def _bounded_blocks(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if len(block.headings) > MAX_DEPTH or any(len(heading) > MAX_LABEL for heading in block.headings):
            headings = tuple(heading[:MAX_LABEL] for heading in block.headings[:MAX_DEPTH])
            block = replace(block, headings=headings)
        limit = MAX_TABLE if block.kind == "table" else MAX_BLOCK
        runs = [match.span() for match in _WORDLESS.finditer(block.text)]
        if not runs and len(block.text) <= limit:
            yield block
        else:
            words = pairwise([0, *(place for run in runs for place in run), len(block.text)])
            for start, end in islice(words, 0, None, 2):
                yield from (_part(block, *cut) for cut in _cuts(block.text, start, end, limit))


def _cuts(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most `limit` characters that end at a line's end or between words, where there is one in their
    second half: of these where what follows has the smallest hash, so that an edit seldom moves any cut."""

    def rank(place: int) -> bytes:
        return hashlib.blake2b(text[place : place + 64].encode("utf-8", "surrogatepass"), digest_size=8).digest()

    while end - start > limit:
        second_half = (start + limit // 2, start + limit)
        breaks = ([match.end() for match in separator.finditer(text, *second_half)] for separator in _SEPARATORS)
        stop = next((min(places, key=rank) for places in breaks if places), start + limit)
        yield start, stop
        start = stop
    if start < end:
        yield start, end


def _part(block: Block, start: int, end: int) -> Block:
    span = block.span
    if span is not None and span.page is None and span.end - span.start == len(block.text):
        span = Span(None, span.start + start, span.start + end)
    return replace(block, text=block.text[start:end], span=span)


def warm(path: Path) -> None:
    """Imports what the parser for such a file needs, going by the name alone: the file is not opened."""
    if format := SUFFIXES.get(path.suffix.lower()):
        _module(format.parser).warm()
        _module(format.parser).parser_version()


def is_heavy(path: Path) -> bool:
    """Whether the parser for such a file, going by the name alone, has libraries that take seconds to import."""
    format = SUFFIXES.get(path.suffix.lower())
    return format is not None and format.heavy


def is_pure(path: Path) -> bool:
    """Whether the parser for such a file, going by the name alone, is written in Python alone."""
    format = SUFFIXES.get(path.suffix.lower())
    return format is not None and format.pure


def is_archive(path: str) -> bool:
    """Whether it is an archive of files, going by its name."""
    format = SUFFIXES.get(PurePosixPath(path).suffix.lower())
    return format is not None and format.parser == "zip"


def _module(name: str) -> ModuleType:
    return import_module(f"ingest.parse.{name}")


def _head(path: Path) -> bytes:
    """The file's first bytes. A FIFO or device is refused unopened, as reading it might never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ParseError("This is not a regular file.", hint="Only files can be added, no pipes or devices.")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            return file.read(32)
    except OSError as error:
        raise ParseError(
            f"The file cannot be read: {error.strerror}.", hint="Check that it exists and its rights."
        ) from error


class _Versions(Mapping[str, str]):
    """Looked up when asked for, as that reads the installed packages' metadata."""

    def __getitem__(self, name: str) -> str:
        if name not in PARSERS:
            raise KeyError(name)
        version: str = _module(name).parser_version()
        return version

    def __iter__(self) -> Iterator[str]:
        return iter(PARSERS)

    def __len__(self) -> int:
        return len(PARSERS)


PARSER_VERSIONS: Mapping[str, str] = _Versions()
