"""conversations.db: a file of its own beside the index, for what was asked and answered, and examples of good answers.

    conversations  id, title                    turns     a question and all that was shown for it, as JSON
    said           full text over the turns     examples  questions with wanted answers, and their vectors
    comparisons    a question that several answered, as JSON

Each turn, example and comparison has a checksum. A file that is damaged is set aside under another name, never deleted;
what can be read of it goes on in a new file, and the error says so. Nothing is made before there is something to keep.
"""

import hashlib
import itertools
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from errors import CatalogDamagedError, CatalogError, HistoryDamagedError, HistoryError, StorageFullError, UsageError
from ingest.database import Database, open_read_only, remove_files, secure_full_text, translated
from ingest.names import printable, to_text

FILE = "conversations.db"
VERSION = 2
SCRUBBED_BYTES = 512 << 20  # a larger file is not written anew when something is deleted

_APPLICATION_ID = 0x43697468  # "Cith"
_ASIDE = "conversations-damaged-{at}.db"
_COMPARISONS = (
    "CREATE TABLE comparisons (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, question TEXT NOT"
    " NULL, value TEXT NOT NULL, better TEXT NOT NULL, checksum TEXT NOT NULL)"
)
_TABLES = (
    "CREATE TABLE conversations (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL,"
    " started_at TEXT NOT NULL, changed_at TEXT NOT NULL)",
    "CREATE TABLE turns (row INTEGER PRIMARY KEY, conversation TEXT NOT NULL, n INTEGER NOT NULL, at TEXT NOT NULL,"
    " question TEXT NOT NULL, value TEXT NOT NULL, rating TEXT NOT NULL, reason TEXT NOT NULL, checksum TEXT NOT NULL,"
    " UNIQUE (conversation, n))",
    "CREATE TABLE examples (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, origin TEXT NOT NULL,"
    " question TEXT NOT NULL, answer TEXT NOT NULL, hits TEXT NOT NULL, checksum TEXT NOT NULL,"
    " embedder TEXT NOT NULL DEFAULT '', vector BLOB)",
    """CREATE VIRTUAL TABLE said USING fts5 (question, answer, tokenize = "unicode61 remove_diacritics 2")""",
    _COMPARISONS,
)
CONVERSATION_COLUMNS = ("id", "title", "started_at", "changed_at")
TURN_COLUMNS = ("conversation", "n", "at", "question", "value", "rating", "reason")
EXAMPLE_COLUMNS = ("id", "at", "origin", "question", "answer", "hits")
COMPARISON_COLUMNS = ("id", "at", "question", "value", "better")

_log = logging.getLogger("cita.history")


class HistoryFile:
    """The file at `path`, made when something is first written. Any thread may use it.

    Raises HistoryDamagedError once when it was found damaged (the next call works on what could be read of it),
    StorageFullError if the disk is full, HistoryError if it cannot be used otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()  # guards which database is open
        self._database: Database | None = None

    def read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Nothing where there is no file yet."""
        if self._database is None and not self.path.exists():
            return []
        with self._opened() as database:
            return database.read(query, values)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as database, database.transaction() as connection:
            yield connection

    def scrub(self) -> None:
        """What was deleted is gone from the file's bytes too."""
        with self._opened() as database:
            database.scrub("said", limit=SCRUBBED_BYTES)

    def check(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
        """Rows of `columns` and a checksum, by name. Raises HistoryDamagedError where one is not what was written."""
        found = []
        for *values, sum in rows:
            if checksum(values) != sum:
                with self._lock:
                    raise self._set_aside(self._database, "a row is not what was written")
            found.append(dict(zip(columns, values, strict=True)))
        return found

    def lines(self) -> Iterator[str]:
        """All that is kept, of one moment, a line for a row: for a backup. Nothing where there is no file yet."""
        if self._database is None and not self.path.exists():
            return
        bad: Database | None = None
        with self._opened() as database, translated(self.path), database.snapshot(), database.connection() as read:
            yield json.dumps(["version", VERSION])
            for table, columns in _KEPT.items():
                for row in read.execute(f"SELECT row, {columns} FROM {table} ORDER BY row"):
                    if table != "conversations" and not _fits(row):
                        bad = database
                        break
                    yield json.dumps([table, *row[1:]])
        if bad:
            raise self._set_aside(bad, "a row is not what was written")

    def check_lines(self, lines: Iterable[str]) -> None:
        """Raises UsageError if merge() would, and what the file here has to raise: before anything is changed."""
        self.read("SELECT 1 FROM turns LIMIT 1")
        for _ in _rows(lines):
            pass

    def merge(self, lines: Iterable[str]) -> None:
        """Adds what lines() gave and is not there yet, all or nothing; what is there stays as it is.

        Raises UsageError if a later Cita wrote the lines.
        """
        rows = _rows(lines)
        if (first := next(rows, None)) is None:
            return
        with self.transaction() as write:
            for table, values in itertools.chain([first], rows):
                _merge_row(write, table, values)

    def set_aside(self) -> list[Path]:
        """The damaged files that were set aside."""
        return sorted(self.path.parent.glob(_ASIDE.format(at="*")))

    def forget_set_aside(self) -> None:
        for file in self.set_aside():
            remove_files(file)

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        database: Database | None = None
        try:
            database = self._open()
            yield database
        except CatalogDamagedError as error:
            raise self._set_aside(database, _reason(error)) from error
        except StorageFullError as error:
            raise StorageFullError(error.message, hint="Free some disk space; what was kept is kept.") from error
        except CatalogError as error:
            raise HistoryError(error.message, hint=error.hint) from error

    def _open(self) -> Database:
        with self._lock:
            if self._database is None:
                self._database = _checked(self.path)
            return self._database

    def _set_aside(self, found_in: Database | None, reason: str) -> HistoryDamagedError:
        """Gives the damaged file another name and goes on with what can be read of it. Of several threads that find
        the damage one does."""
        with self._lock:
            name = printable(to_text(str(self.path)))
            again = HistoryDamagedError(f"{name!r} was damaged: {reason}.", hint="Try again.")
            if self._database is not found_in:
                return again
            self.close()
            aside = _free_name(self.path)
            try:
                _rename(self.path, aside)
                turns, examples = self._salvage(aside)
            except (OSError, CatalogError) as error:
                return HistoryDamagedError(
                    f"{name!r} is damaged ({reason}), and cannot be set aside: {error}.",
                    hint="Move it away; questions are answered without it.",
                )
        damaged = HistoryDamagedError(
            f"{name!r} was damaged: {reason}. It was set aside as {aside.name!r}; {turns} of its questions and"
            f" {examples} of its examples could be read and are kept.",
            hint="Do again what you wanted to do.",
        )
        _log.warning("%s", damaged.message)
        return damaged

    def _salvage(self, aside: Path) -> tuple[int, int]:
        """How many turns and examples of the damaged file are in the new one."""
        self._database = _checked(self.path)
        with closing(open_read_only(aside)) as old, self._database.transaction() as write:
            titles = {row[1]: row for row in _readable(old, "conversations", "*")}
            turns = [row for row in _readable(old, "turns", _listed(TURN_COLUMNS)) if _fits(row)]
            examples = [row for row in _readable(old, "examples", _listed(EXAMPLE_COLUMNS)) if _fits(row)]
            compared = [row for row in _readable(old, "comparisons", _listed(COMPARISON_COLUMNS)) if _fits(row)]
            for _, *values in turns:
                insert_turn(write, *values)
            for _, *values, sum in examples:
                write.execute(f"INSERT INTO examples ({_listed(EXAMPLE_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                              (*values, sum))  # fmt: skip
            for _, *values in compared:
                _merge_row(write, "comparisons", values)
            for id, first, at, last in write.execute(
                "SELECT conversation, question, min(at), max(at) FROM turns GROUP BY conversation ORDER BY max(row)"
            ).fetchall():
                _, _, title, *_ = titles.get(id, (0, id, first))
                write.execute(
                    "INSERT INTO conversations (id, title, started_at, changed_at) VALUES (?, ?, ?, ?)",
                    (id, title if isinstance(title, str) and title else first, at, last),
                )
        return len(turns), len(examples)


def insert_turn(write: sqlite3.Connection, *values: Any) -> int:
    """Writes TURN_COLUMNS (a checksum behind them is made anew) with their full text; the row."""
    turn = values[: len(TURN_COLUMNS)]
    cursor = write.execute(
        f"INSERT INTO turns ({_listed(TURN_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*turn, checksum(turn))
    )
    row = cursor.lastrowid
    assert row is not None
    said = (row, turn[3], said_text(turn[4]))
    write.execute("INSERT INTO said (rowid, question, answer) VALUES (?, ?, ?)", said)
    return row


def _rows(lines: Iterable[str]) -> Iterator[tuple[str, list[Any]]]:
    """The table of each line, and the row's values."""
    for line in lines:
        table, *values = json.loads(line)
        if table in _KEPT:
            yield table, values
        elif table != "version" or values[0] > VERSION:
            raise UsageError(
                "The backup has conversations of a later Cita.", hint="Restore it with the Cita that made it."
            )


def _merge_row(write: sqlite3.Connection, table: str, values: Sequence[Any]) -> None:
    known = "SELECT 1 FROM turns WHERE conversation = ? AND n = ?"
    if table == "turns" and not write.execute(known, values[:2]).fetchone():
        insert_turn(write, *values)
    elif table != "turns":
        marks = ", ".join("?" * len(values))
        write.execute(f"INSERT OR IGNORE INTO {table} ({_KEPT[table]}) VALUES ({marks})", values)


def said_text(value: str) -> str:
    """What full-text search finds of a turn's value: its answer, else what was written of it."""
    kept = json.loads(value)
    return str((kept.get("answer") or {}).get("answer") or kept.get("draft") or "")


def checksum(values: Sequence[Any]) -> str:
    return hashlib.blake2b(json.dumps(list(values), default=repr).encode(), digest_size=8).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _listed(columns: Sequence[str]) -> str:
    return ", ".join((*columns, "checksum"))


_KEPT = {
    "conversations": ", ".join(CONVERSATION_COLUMNS),
    "turns": _listed(TURN_COLUMNS),
    "examples": _listed(EXAMPLE_COLUMNS),
    "comparisons": _listed(COMPARISON_COLUMNS),
}


def _checked(path: Path) -> Database:
    database = Database(path, _prepare)
    try:
        if found := [row[0] for row in database.read("PRAGMA quick_check (1)") if row[0] != "ok"]:
            raise CatalogDamagedError(f"{path.name!r} is damaged: {found[0]}.")
    except BaseException:
        database.close()
        raise
    return database


def _prepare(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file, and what is new since the version of an earlier one. Raises HistoryError if the
    file is of a later version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise HistoryError(
            f"{FILE} has schema version {version}; this Cita knows {VERSION}.",
            hint="Use the Cita that made it, or move the file away.",
        )
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version == 0:
            for statement in _TABLES:
                connection.execute(statement)
            secure_full_text(connection, "said")
        else:  # the first version had no comparisons
            connection.execute(_COMPARISONS)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def _reason(error: CatalogDamagedError) -> str:
    """What is wrong, without the file's name before it."""
    return error.message.partition(" is damaged: ")[2].rstrip(".") or error.message.rstrip(".")


def _free_name(path: Path) -> Path:
    at = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names: Iterable[str] = (at, *(f"{at}-{again}" for again in range(2, 1000)))
    return next(free for name in names if not (free := path.with_name(_ASIDE.format(at=name))).exists())


def _rename(path: Path, aside: Path) -> None:
    """With what SQLite keeps beside it; the log has what was last written."""
    for end in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    path.rename(aside)


def _readable(old: sqlite3.Connection, table: str, columns: str) -> list[tuple[Any, ...]]:
    """The rows (`row` first) that can be read from either end up to a damaged place, and one by one between."""
    wanted = "*" if columns == "*" else f"row, {columns}"
    found: dict[int, tuple[Any, ...]] = {}
    ends = []
    for order in ("ASC", "DESC"):
        last = None
        for row in _until_damaged(old, f"SELECT {wanted} FROM {table} ORDER BY row {order}"):
            if row[0] in found:
                break
            found[row[0]] = row
            last = row[0]
        ends.append(last)
    first, last = ends
    if first is not None and last is not None:
        for number in range(first + 1, min(last, first + 1_000_000)):
            if number not in found:
                for row in _until_damaged(old, f"SELECT {wanted} FROM {table} WHERE row = {number}"):
                    found[number] = row
    return [found[number] for number in sorted(found)]


def _until_damaged(old: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from old.execute(query)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):  # SQLite quotes in its messages what it found
        return


def _fits(row: Sequence[Any]) -> bool:
    """Whether a row (its number, the columns, the checksum) is what was written."""
    _, *values, sum = row
    return bool(checksum(values) == sum)
