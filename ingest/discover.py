"""Which files the library folders hold. Reads names and sizes only."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import FolderError
from ingest.types import PathReason

_LEFT_OUT_FOLDERS = frozenset({"node_modules", "__pycache__", "__MACOSX"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file to index: `path` is relative to `folder`, with '/'. Size in bytes."""

    folder: Path
    path: str
    size: int
    mtime_ns: int

    @property
    def absolute(self) -> Path:
        return self.folder / self.path


@dataclass(frozen=True, slots=True)
class Listing:
    """What a scan of one folder saw. Folders that were left out as a whole are one entry of `skipped`."""

    found: tuple[Found, ...]
    skipped: tuple[PathReason, ...]


def discover(folder: Path, leave_out: Collection[Path] = ()) -> Listing:
    """All regular files below a folder, in the order of their paths.

    Hidden files and folders, links, devices and `leave_out` (absolute paths) are skipped with a reason. Raises
    FolderError if the folder is missing or cannot be read; a subfolder that cannot be read is skipped.
    """
    if not folder.is_dir():
        raise FolderError(
            f"Folder {str(folder)!r} is not there.",
            hint="Connect its disk, or run `cita remove` to take it out of the library.",
        )
    found: list[Found] = []
    skipped: list[PathReason] = []
    for entry in _walk(folder, folder, set(leave_out)):
        if isinstance(entry, Found):
            found.append(entry)
        else:
            skipped.append(entry)
    return Listing(tuple(found), tuple(skipped))


def without_nested(folders: Sequence[Path]) -> list[Path]:
    """The folders less those that lie inside another: each file is found once."""
    distinct = sorted(set(folders))
    return [folder for folder in distinct if not any(other in folder.parents for other in distinct)]


def _walk(root: Path, folder: Path, leave_out: set[Path]) -> Iterator[Found | PathReason]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if folder == root:
            raise FolderError(f"Folder {str(root)!r} cannot be read: {error.strerror}.") from error
        yield PathReason(_relative(root, folder), f"Folder cannot be read: {error.strerror}.")
        return
    for entry in entries:
        path = Path(entry.path)
        reason = _reason_to_skip(entry)
        if reason:
            yield PathReason(_relative(root, path), reason)
        elif path in leave_out:
            continue
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path, leave_out)
        else:
            yield _file(root, path)


def _reason_to_skip(entry: os.DirEntry[str]) -> str:
    if _printable(entry.name) != entry.name:
        return "Its name is not valid UTF-8: rename it."
    if entry.is_symlink():
        return "Symbolic link: add the folder it points to instead."
    if entry.name.startswith("."):
        return "Hidden."
    if entry.name.startswith("~$"):
        return "Lock file of an open document."
    if entry.name in _LEFT_OUT_FOLDERS and entry.is_dir(follow_symlinks=False):
        return "Folder of program files."
    return ""


def _file(root: Path, path: Path) -> Found | PathReason:
    try:
        status = path.lstat()
    except OSError as error:
        return PathReason(_relative(root, path), f"Cannot be read: {error.strerror}.")
    if not stat.S_ISREG(status.st_mode):
        return PathReason(_relative(root, path), "Not a regular file.")
    return Found(root, _relative(root, path), status.st_size, status.st_mtime_ns)


def _relative(root: Path, path: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _printable(name: str) -> str:
    """The name with the bytes that are not UTF-8 written as \\xNN (such names cannot be stored)."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
