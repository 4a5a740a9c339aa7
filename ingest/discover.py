"""Which files the library folders hold. Reads names, sizes and times, and `.citaignore` files; nothing else."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from errors import FolderError
from ingest.names import absolute, to_text
from ingest.types import PathReason

IGNORE_FILE = ".citaignore"
MAX_IGNORE_FILE = 1_000_000  # bytes
YOUNG = 2_000_000_000  # nanoseconds: the coarsest clock of a file system (FAT) ticks every two seconds

_LEFT_OUT_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
)
_LEFT_OUT_FILES = frozenset({"Thumbs.db", "desktop.ini", "Icon\r"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file to index: `path` is relative to `folder`, with '/', as the text that names.to_text() gives.

    `size` in bytes. `changed_ns` is as in Source: 0 for a file so young that its times do not tell a later change.
    """

    folder: Path
    path: str
    size: int
    mtime_ns: int
    changed_ns: int = 0

    @property
    def absolute(self) -> Path:
        return absolute(self.folder, self.path)

    @property
    def key(self) -> tuple[str, str]:
        return to_text(str(self.folder)), self.path


@dataclass(frozen=True, slots=True)
class Listing:
    """What a scan of one folder saw. Folders that were left out as a whole are one entry of `skipped`.

    `unseen` are the files and folders that could not be looked at: what is below them may or may not be there.
    `device` tells one file system from another: a disk that is not mounted leaves a folder on another device.
    """

    found: tuple[Found, ...]
    skipped: tuple[PathReason, ...]
    unseen: tuple[str, ...] = ()
    device: int = 0


def discover(folder: Path, leave_out: Collection[Path] = ()) -> Listing:
    """All regular files below a folder, in the order of their paths.

    Hidden files and folders, links, devices, `leave_out` (absolute paths) and what a `.citaignore` names (gitignore's
    syntax, in any folder, for all below it) are skipped with a reason. Raises FolderError if the folder is missing or
    cannot be read; a subfolder that cannot be read is skipped.
    """
    try:
        device = folder.stat().st_dev
        entries = _entries(folder)
    except OSError as error:
        raise FolderError(
            f"Folder {to_text(str(folder))!r} is not there or cannot be read: {error.strerror}.",
            hint="Connect its disk, or run `cita remove` to take it out of the library.",
        ) from error
    scan = _Scan(folder, {str(path) for path in leave_out})
    scan.look(entries)
    found = sorted(scan.found, key=lambda file: file.path)
    return Listing(tuple(found), tuple(scan.skipped), tuple(scan.unseen), device)


def as_found(folder: Path, path: str, status: os.stat_result) -> Found:
    """A file in the state that was seen."""
    changed = status.st_ctime_ns if os.name == "posix" else status.st_mtime_ns  # elsewhere ctime is the file's birth
    young = changed > time.time_ns() - YOUNG
    return Found(folder, path, status.st_size, status.st_mtime_ns, 0 if young else changed)


def why_unreadable(folder: Path) -> str:
    """Why a library folder cannot be read; '' if it can."""
    try:
        with os.scandir(folder):
            return ""
    except OSError as error:
        return str(error.strerror)


def stat_of(file: Found) -> os.stat_result:
    """The file's state now. Raises OSError if it is gone, or no regular file any more."""
    status = file.absolute.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "No regular file any more")
    return status


def sha256_of(path: Path) -> str:
    """Of a regular file's bytes. Raises OSError; a link is not followed, a FIFO not waited for."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_nested(folders: Sequence[Path]) -> list[Path]:
    """The folders less those that lie inside another: each file is found once."""
    distinct = sorted(set(folders))
    return [folder for folder in distinct if not any(other in folder.parents for other in distinct)]


def is_left_out(name: str, *, is_folder: bool) -> str:
    """Why files or folders of this name are never indexed; '' for all others."""
    if name.startswith("."):
        return "Hidden."
    if name.startswith("~$"):
        return "Lock file of an open document."
    if is_folder and name in _LEFT_OUT_FOLDERS:
        return "Folder of program files."
    if not is_folder and name in _LEFT_OUT_FILES:
        return "File of the system."
    return ""


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


@dataclass(frozen=True, slots=True)
class _Ignore:
    """The patterns of one `.citaignore`, for all below its folder; `prefix` is that folder's path with a '/'."""

    prefix: str
    lines: tuple[str, ...]
    spec: GitIgnoreSpec

    def verdict(self, path: str) -> tuple[bool, str] | None:
        """(whether it is ignored, why) of the last pattern that matches; a folder's path ends in '/'."""
        result = self.spec.check_file(path.removeprefix(self.prefix))
        if result.include is None or result.index is None:
            return None
        file = f"{self.prefix}{IGNORE_FILE}"
        return result.include, f"Ignored by {file}: {self.lines[result.index].strip()}"


@dataclass
class _Scan:
    root: Path
    leave_out: set[str]
    found: list[Found] = field(default_factory=list)
    skipped: list[PathReason] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def look(self, entries: list[os.DirEntry[str]]) -> None:
        """A stack instead of recursion: folders may be nested deeper than Python's calls."""
        pending: list[tuple[str, list[os.DirEntry[str]], tuple[_Ignore, ...]]] = [("", entries, ())]
        while pending:
            prefix, entries, ignores = pending.pop()
            ignores += tuple(self._ignores(prefix, entries))
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = prefix + to_text(entry.name)
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.path in self.leave_out or entry.name == IGNORE_FILE:
                    continue
                if reason := self._reason_to_skip(entry, path, is_folder, ignores):
                    self.skipped.append(PathReason(path, reason))
                elif not is_folder:
                    self._look_at(entry, path)
                elif (below := self._open(entry, path)) is not None:
                    pending.append((path + "/", below, ignores))

    def _reason_to_skip(self, entry: os.DirEntry[str], path: str, is_folder: bool, ignores: tuple[_Ignore, ...]) -> str:
        if entry.is_symlink():
            return "Symbolic link: add the folder it points to instead."
        if reason := is_left_out(entry.name, is_folder=is_folder):
            return reason
        for ignore in reversed(ignores):  # the nearest file has the last word, as with git
            if verdict := ignore.verdict(path + "/" if is_folder else path):
                ignored, reason = verdict
                return reason if ignored else ""
        return ""

    def _ignores(self, prefix: str, entries: list[os.DirEntry[str]]) -> Iterator[_Ignore]:
        entry = next((entry for entry in entries if entry.name == IGNORE_FILE), None)
        if entry is None:
            return
        path = prefix + IGNORE_FILE
        try:
            if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                raise OSError(0, "no regular file")
            with open(entry.path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - a DirEntry's path
                lines = tuple(to_text(line) for line in file.read(MAX_IGNORE_FILE).splitlines())
        except OSError as error:
            self.skipped.append(PathReason(path, f"Cannot be read, so it ignores nothing: {error.strerror}."))
            return
        bad = {number for number, line in enumerate(lines) if not _is_pattern(line)}
        for number in sorted(bad):
            self.skipped.append(PathReason(path, f"Line {number + 1} is no pattern: {lines[number]}"))
        good = ("" if number in bad else line for number, line in enumerate(lines))
        yield _Ignore(prefix, lines, GitIgnoreSpec.from_lines(good))

    def _look_at(self, entry: os.DirEntry[str], path: str) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            self._unseen(path, f"Cannot be read: {error.strerror}.")
            return
        if stat.S_ISREG(status.st_mode):
            self.found.append(as_found(self.root, path, status))
        else:
            self.skipped.append(PathReason(path, "Not a regular file."))

    def _open(self, entry: os.DirEntry[str], path: str) -> list[os.DirEntry[str]] | None:
        try:
            return _entries(entry.path)
        except OSError as error:
            self._unseen(path, f"Folder cannot be read: {error.strerror}.")
            return None

    def _unseen(self, path: str, reason: str) -> None:
        self.unseen.append(path)
        self.skipped.append(PathReason(path, reason))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
