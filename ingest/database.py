"""One SQLite file: one connection that writes, others that read, and what keeps the file sound.

Python's SQLite may be older than 3.51.3, whose write-ahead log could be damaged by a checkpoint beside another
connection's write; so only the writer ever checkpoints. What is deleted is overwritten: rows at once (secure_delete),
the full-text index and the log by scrub().

Covered: a process killed at any moment, a full disk, a file that is damaged (found, said, never a crash), readers
beside a restore. Not covered: a power cut may take the last transactions with it (the file stays sound).
"""

import errno
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from errors import CatalogDamagedError, CatalogError, StorageFullError
from ingest.names import printable, to_text

_LEFTOVERS = ("-wal", "-shm", "-journal")


class Database:
    """The file at `path`, made if it does not exist; `prepare` makes or migrates its tables on the writer.

    Raises CatalogDamagedError if the file is damaged, StorageFullError if the disk is full, CatalogError otherwise.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self.path = path
        self._prepare = prepare
        self._lock = threading.RLock()  # guards the writer
        self._idle: deque[sqlite3.Connection] = deque()  # for reading; as many as threads ever read at once
        self._snapshot = threading.local()
        self._opened = 0  # a reader of an earlier opening is not used again
        self._writer = self._open_writer()

    def _open_writer(self) -> sqlite3.Connection:
        with translated(self.path):
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            writer = _connect(self.path)
            try:
                writer.execute("PRAGMA journal_mode = WAL")
                writer.execute("PRAGMA synchronous = NORMAL")
                writer.execute("PRAGMA secure_delete = ON")
                self._prepare(writer)
                _empty_log(writer)  # a process that was killed left in it what was never stored
            except BaseException:
                writer.close()
                raise
            return writer

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. What was written is undone when it fails. Within, what this thread reads is what it wrote; a
        transaction within is part of the outer one."""
        with self._lock, translated(self.path):
            if self._writer.in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                with self._read_by(self._writer):
                    yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.rollback()
                with suppress(sqlite3.Error):
                    _empty_log(self._writer)
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that this thread reads within is of one moment, whatever others write meanwhile."""
        if getattr(self._snapshot, "connection", None) is not None:
            yield
            return
        with self._reader() as connection:
            with translated(self.path):
                connection.execute("BEGIN")
            try:
                with self._read_by(connection):
                    yield
            finally:
                if connection.in_transaction:
                    connection.rollback()

    @contextmanager
    def _read_by(self, connection: sqlite3.Connection) -> Iterator[None]:
        """This thread reads by that connection."""
        before = getattr(self._snapshot, "connection", None)
        self._snapshot.connection = connection
        try:
            yield
        finally:
            self._snapshot.connection = before

    def read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with translated(self.path):
            if connection := getattr(self._snapshot, "connection", None):
                return list(connection.execute(query, values))
            with self._reader() as connection:
                return connection.execute(query, values).fetchall()

    def read_many(self, query: str, values: Sequence[Any], before: Sequence[Any] = ()) -> Iterator[Any]:
        """`query` ends in IN; the values are bound in portions, since SQLite limits how many there may be."""
        for start in range(0, len(values), 10_000):
            portion = values[start : start + 10_000]
            yield from self.read(f"{query} ({', '.join('?' * len(portion))})", (*before, *portion))

    def scrub(self, full_text: str, *, limit: int) -> bool:
        """Takes what was deleted out of the file's bytes: out of the full-text table and the write-ahead log, and, in
        a file of up to `limit` bytes, out of the gaps within pages, where `secure_delete` leaves copies of rows that
        SQLite moved (the file is written anew for it).

        False where a reader was in the way, so that the log still has its bytes.
        """
        with self._lock, translated(self.path):
            if sqlite3.sqlite_version_info < (3, 42):  # later ones delete securely at once (see secure_full_text)
                self._writer.execute(f"INSERT INTO {full_text} ({full_text}) VALUES ('optimize')")
            if self.path.stat().st_size <= limit:
                self._writer.execute("VACUUM")
            return _empty_log(self._writer)

    def problems(self, full_text: str, *, thorough: bool) -> list[str]:
        """What SQLite finds wrong with the file; `thorough` also holds every index against its table."""
        check = "integrity_check" if thorough else "quick_check"
        found = [str(row[0]) for row in self.read(f"PRAGMA {check}") if row[0] != "ok"]
        if thorough:
            try:
                with self._lock, translated(self.path):
                    self._writer.execute(f"INSERT INTO {full_text} ({full_text}) VALUES ('integrity-check')")
            except CatalogDamagedError as error:
                found.append(f"the full text does not fit the passages ({error.message})")
        return found

    def copy_to(self, file: Path) -> None:
        """Writes a sound copy of one moment, readable by its owner only, while others read and write."""
        with translated(file):
            file.unlink(missing_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with self._reader() as connection:
                connection.execute("VACUUM INTO ?", (str(file),))

    def take_over(self, file: Path) -> None:
        """Puts that database's content in place of this one's, in one transaction: others read on, then see it."""
        with self._lock, translated(self.path):
            source = _connect(file)
            try:
                source.backup(self._writer)
            finally:
                source.close()
            _empty_log(self._writer)

    def replace_by(self, file: Path) -> None:
        """take_over() where this file is too damaged to be written: `file` (closed) takes its place and its name."""
        with self._lock, translated(self.path):
            self.close()
            rename_over(file, self.path)
            self._writer = self._open_writer()

    def connection(self) -> AbstractContextManager[sqlite3.Connection]:
        """For reading row by row; within snapshot(), that moment's."""
        current = getattr(self._snapshot, "connection", None)
        return nullcontext(current) if current is not None else self._reader()

    def close(self) -> None:
        with self._lock:
            self._opened += 1
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        opened = self._opened
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connect(self.path)
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        try:
            yield connection
        finally:
            if opened == self._opened:
                self._idle.append(connection)
            else:
                connection.close()


def _empty_log(writer: sqlite3.Connection) -> bool:
    """Puts what the write-ahead log holds into the file and empties it; False where a reader is in the way."""
    (busy, *_) = writer.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchone()
    return not busy


def secure_full_text(connection: sqlite3.Connection, table: str) -> None:
    """Full text that is deleted leaves no words behind; older SQLite has to be told each time (scrub())."""
    if sqlite3.sqlite_version_info >= (3, 42):
        connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('secure-delete', 1)")


def open_read_only(file: Path) -> sqlite3.Connection:
    """For looking into a file that is not in use, damaged perhaps."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def remove_files(path: Path) -> None:
    """A database's file and what SQLite keeps beside it."""
    for file in (path, *(path.with_name(path.name + end) for end in _LEFTOVERS)):
        file.unlink(missing_ok=True)


def rename_over(file: Path, path: Path) -> None:
    """Gives a closed database's file the name of another, whose content is gone then; at no time is there neither."""
    for end in _LEFTOVERS:  # the other's log would be taken for its own
        path.with_name(path.name + end).unlink(missing_ok=True)
    file.replace(path)


def sync(path: Path) -> None:
    """What was written to a file, or the names in a folder, is on the disk when this returns."""
    if os.name == "nt" and path.is_dir():
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_DAMAGED = (
    "malformed", "not a database", "corrupt", "unsupported file format", "file is encrypted", "decode to UTF-8",
    "invalid fts5 file format",
)  # fmt: skip


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors, and the system's about its file, as ours."""
    name = to_text(str(path))
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "is full" in text or "disk I/O error" in text:
            raise _full(name, text) from error
        if isinstance(error, sqlite3.DatabaseError) and any(word in text for word in _DAMAGED):
            raise damaged(path, text) from error
        raise _unusable(name, text) from error
    except UnicodeDecodeError as error:  # SQLite's own message quotes what it found
        raise damaged(path, "its tables are not what was written") from error
    except OSError as error:
        reason = str(error.strerror or error)
        raise (_full if error.errno in _NO_SPACE else _unusable)(name, reason) from error


def _full(name: str, reason: str) -> StorageFullError:
    return StorageFullError(
        f"{printable(name)!r} cannot be written ({reason}): the disk is full, or fails.",
        hint="Free some disk space and run it again; what was indexed is kept.",
    )


def _unusable(name: str, reason: str) -> CatalogError:
    return CatalogError(
        f"{printable(name)!r} cannot be used: {reason}.", hint="See that you may write there, and that there is space."
    )


def damaged(path: Path, what: str) -> CatalogDamagedError:
    return CatalogDamagedError(
        f"{printable(to_text(str(path)))!r} is damaged: {what}.",
        hint="Run `cita rebuild`: your documents are untouched, and what is sound of the index is used again.",
    )
