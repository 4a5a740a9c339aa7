"""Keeping a dropped file in the library: under a safe name, whole or not at all, over no other file."""

import errno
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from errors import CitaError, FolderError, StorageFullError, TooLargeError

NAME_BYTES = 200  # file systems allow 255; the rest is for " (2)" and the name while it is written
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_BREAKS = {"Zl", "Zp"}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Stored:
    """`name` as dropped, `path` where it lies, `known` if the same file was there already."""

    name: str
    path: Path
    known: bool


def safe_name(name: str) -> str:
    """A file name that stays in its folder, is not hidden and can be written on any system.

    Folders, control and direction-changing characters and what Windows forbids are taken out; the suffix stays.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    visible = "".join(c for c in last if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in _BREAKS)
    stem, suffix = _split(_FORBIDDEN.sub("_", visible).strip(". "))
    stem = stem.strip(". ") or "file"
    if stem.split(".")[0].strip().lower() in _RESERVED:
        stem = f"_{stem}"
    suffix = _cut(suffix.rstrip(". "), 20)
    return (_cut(stem, NAME_BYTES - len(suffix.encode())).strip(". ") or "file") + suffix


def store(library: Path, name: str, content: bytes, max_mb: int) -> Stored:
    """Keeps a dropped file in `library`. Another file of that name is kept: this one becomes "name (2)".

    Raises TooLargeError, StorageFullError, or FolderError where the library cannot be written.
    """
    if len(content) > max_mb * 1_000_000:  # as the parsers count
        raise TooLargeError(
            f"{name!r} has {len(content) / 1_000_000:.1f} MB; the limit is {max_mb} MB.",
            hint="Raise it under Settings, or split the file.",
        )
    try:
        library.mkdir(parents=True, exist_ok=True)
        for candidate in _candidates(library, safe_name(name)):
            if _same(candidate, content):
                return Stored(name, candidate, known=True)
            if _write_new(candidate, content):
                return Stored(name, candidate, known=False)
    except OSError as error:
        raise _translated(error, name, library) from error
    raise AssertionError("count() has no end")


def _candidates(library: Path, name: str) -> Iterator[Path]:
    stem, suffix = _split(name)
    yield library / name
    for number in count(2):
        yield library / f"{stem} ({number}){suffix}"


def _same(path: Path, content: bytes) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and path.stat().st_size == len(content)
        and path.read_bytes() == content
    )


def _write_new(path: Path, content: bytes) -> bool:
    """Writes a file that was not there, whole or not at all. False if the name is taken, be it by a dangling link."""
    handle, partial = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.open("xb").close()
        except FileExistsError:
            return False
        Path(partial).replace(path)
        return True
    finally:
        Path(partial).unlink(missing_ok=True)


def _split(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    return path.stem, path.suffix


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _translated(error: OSError, name: str, library: Path) -> CitaError:
    if error.errno in _NO_SPACE:
        return StorageFullError(f"No space left to keep {name!r}.", hint="Free some space and drop it again.")
    return FolderError(f"{name!r} cannot be kept in {str(library)!r}: {error.strerror}.", hint="Check its permissions.")
