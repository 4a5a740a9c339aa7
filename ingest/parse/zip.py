"""ZIP archives of documents: each file in one is a source of its own."""

import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from errors import ParseError
from ingest.parse import archive
from ingest.parse.members import unique_names
from ingest.types import Document

MEDIA_TYPE = "application/zip"

# What systems put into archives beside the files, and what discover() leaves out of folders.
_NOT_CONTENT = ("__MACOSX", "Thumbs.db", "desktop.ini")


@cache
def parser_version() -> str:
    return "zip/1"


def warm() -> None:
    """Nothing to import."""


def parse(path: Path) -> Document:
    """The names of the files in the archive; it has no text of its own. Hidden files are left out, as in a folder.

    Raises TooLargeError if it inflates beyond measure, EncryptedError if it has a password, ParseError if it is
    damaged.
    """
    data = path.read_bytes()
    archive.check(data, doctypes=True)
    with archive.opened(data) as file:
        members = tuple(name for name, _ in _named(file))
    return Document("", MEDIA_TYPE, parser_version(), (), members=members)


def read_member(path: Path, name: str) -> bytes:
    """One file's bytes, by the name that parse() gave it.

    Raises ParseError if there is none, or a damaged one, TooLargeError if it inflates beyond measure.
    """
    data = path.read_bytes()
    with archive.opened(data) as file:
        entry = next((entry for known, entry in _named(file) if known == name), None)
        if entry is None:
            raise ParseError(
                f"There is no {name[:100]!r} in the archive.", hint="Index again: the archive has changed."
            )
        return archive.read(file, entry)


def _named(file: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    entries = [entry for entry in file.infolist() if not entry.is_dir() and _is_content(entry.filename)]
    yield from zip(unique_names(_decoded(entry) for entry in entries), entries, strict=True)


def _is_content(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return not any(part in _NOT_CONTENT or (part.startswith(".") and part.strip(".")) for part in parts)


def _decoded(entry: zipfile.ZipInfo) -> str:
    """A name without the mark of UTF-8 may be UTF-8 all the same; Python reads it as code page 437."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename
