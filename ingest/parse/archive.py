"""ZIP archives (Office files are such) made safe to hand on: counted while they inflate, as their headers may lie."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from errors import EncryptedError, ParseError, TooLargeError

MAX_ENTRIES = 10_000
MAX_ENTRY = 200_000_000  # bytes inflated, as the two below
MAX_INFLATED = 500_000_000
RATIO_FROM = 1_000_000  # small files compress well without harm
MAX_RATIO = 100

_LOCAL_HEADER = 30  # bytes, before the name
_RESAVE = "Open it with a word processor and save it anew."
_BOMB = "It looks like a file made to exhaust memory; it was not opened."
# ECMA-376 part 2 forbids document types in a package's XML; entities, which exhaust memory or open files, need one.
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_LONGEST_DOCTYPE = max(map(len, _DOCTYPES))


def check(data: bytes, *, doctypes: bool = False) -> None:
    """Inflates every entry, keeping nothing. `doctypes`: its XML may have document types, as it is no Office file.

    Raises TooLargeError over a limit, EncryptedError if it has a password, ParseError if it is no archive, a damaged
    one, one whose entries overlap, or one with a document type in its XML where there may be none.
    """
    with opened(data) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise TooLargeError(f"The archive has {len(entries)} entries; {MAX_ENTRIES} are allowed.", hint=_RESAVE)
        if any(entry.flag_bits & 1 for entry in entries):
            raise EncryptedError("The archive is protected by a password.", hint="Save a copy without it.")
        _check_apart(entries)
        _check_inflated(archive, entries, len(data), doctypes)


@contextmanager
def opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    """The archive, for what check() has passed. Raises ParseError if it is no archive, or a damaged one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise ParseError(f"The archive is damaged: {str(error).rstrip('.')}.", hint=_RESAVE) from error


def read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """An entry's bytes, counted while they inflate. Raises TooLargeError over the limit, and what opened() raises."""
    with archive.open(entry) as file:
        data = file.read(MAX_ENTRY + 1)
    if len(data) > MAX_ENTRY:
        raise TooLargeError(f"{entry.filename[:100]!r} inflates to more than {MAX_ENTRY:,} bytes.", hint=_BOMB)
    return data


def _check_apart(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share their bytes make bombs that no ratio of one entry shows
    (https://www.bamsoftware.com/hacks/zipbomb/)."""
    places = sorted((entry.header_offset, _LOCAL_HEADER + entry.compress_size) for entry in entries)
    if any(start + length > following for (start, length), (following, _) in pairwise(places)):
        raise ParseError("The archive's entries overlap.", hint=_BOMB)


def _check_inflated(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], packed: int, doctypes: bool) -> None:
    total = 0
    for entry in entries:
        is_xml = not doctypes and entry.filename.lower().endswith((".xml", ".rels"))
        size, before = 0, b""
        with archive.open(entry) as file:
            while piece := file.read(1 << 16):
                size += len(piece)
                total += len(piece)
                if size > MAX_ENTRY or total > MAX_INFLATED or (total > RATIO_FROM and total > MAX_RATIO * packed):
                    raise TooLargeError(f"The archive of {packed:,} bytes inflates to more than {total:,}.", hint=_BOMB)
                if is_xml and any(doctype in before + piece for doctype in _DOCTYPES):
                    raise ParseError(
                        f"{entry.filename[:100]!r} in the archive declares a document type, as no Word document does.",
                        hint=_RESAVE,
                    )
                before = piece[1 - _LONGEST_DOCTYPE :]
