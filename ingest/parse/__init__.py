"""One format family per file, one contract: parse(path) -> Document."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path
from types import ModuleType

from errors import ParseError, UnsupportedError
from ingest.types import Block, Document, Span

SUFFIXES = {
    ".pdf": "pdf",
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdown": "markdown",
    ".mkd": "markdown",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".docx": "docx",
}

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "markdown": "text/markdown",
    "text": "text/plain",
    "html": "text/html",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}

# What a block may be after parsing, so that whoever chunks and embeds it needs little time and memory for it.
MAX_BLOCK = 50_000  # characters; a longer one is cut into several
MAX_TABLE = 2_000_000  # characters of a block that is a table, whose later parts lack its header row
MAX_LABEL = 500  # characters of a title, of a heading above a block, of a value of the metadata
MAX_DEPTH = 20  # headings above a block
_SEPARATORS = (re.compile("\n"), re.compile(" "))
# No letter or digit, so nothing to find; and thousands of marks on one letter take quadratic time to be put in order.
_WORDLESS = re.compile(r"(?<![\W_])[\W_]{1000,}+")

# What the first bytes say a file is, whatever its name says.
_ZIP, _OLE = "a ZIP archive", "an Office file of the old kind or with a password"
_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"{\\rtf", "an RTF document"),
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
_READABLE = "Cita reads PDF, Word (.docx), Markdown, HTML and text files."


def identify(path: Path) -> str:
    """The name of the parser for a file, by its suffix and its first bytes.

    Raises UnsupportedError with the reason where there is none, ParseError if the file cannot be read.
    """
    family = SUFFIXES.get(path.suffix.lower())
    if family is None:
        kind = f"Files of the kind {path.suffix} are" if path.suffix else "Files without a suffix are"
        raise UnsupportedError(f"{kind} not supported.", hint=_READABLE)
    head = _head(path)
    found = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), "")
    if found == "a PDF":
        return "pdf"
    if family == "docx" and head and found not in (_ZIP, _OLE):
        raise UnsupportedError(
            f"Its name ends in {path.suffix}, but it is {found or 'no Word document'}.", hint=_READABLE
        )
    if found and family != "docx":
        raise UnsupportedError(f"Its name ends in {path.suffix}, but it is {found}.", hint=_READABLE)
    return family


def parser_for(path: Path) -> str | None:
    """identify(), with None for a file that no parser reads."""
    try:
        return identify(path)
    except UnsupportedError:
        return None


def parse(path: Path) -> Document:
    """Reads a file with the parser for it. An empty file gives a document without blocks.

    Raises UnsupportedError with the reason where there is no parser, and the parser's ParseErrors.
    """
    name = identify(path)
    if not path.stat().st_size:
        return Document("", MEDIA_TYPES[name], PARSER_VERSIONS[name], ())
    document: Document = _module(name).parse(path)
    return bounded(document)


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
    if name := SUFFIXES.get(path.suffix.lower()):
        _module(name).warm()
        _module(name).parser_version()


def is_heavy(path: Path) -> bool:
    """Whether the parser for such a file, going by the name alone, has libraries that take seconds to import."""
    return SUFFIXES.get(path.suffix.lower()) in ("html", "docx")


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
        if name not in MEDIA_TYPES:
            raise KeyError(name)
        version: str = _module(name).parser_version()
        return version

    def __iter__(self) -> Iterator[str]:
        return iter(MEDIA_TYPES)

    def __len__(self) -> int:
        return len(MEDIA_TYPES)


PARSER_VERSIONS: Mapping[str, str] = _Versions()
