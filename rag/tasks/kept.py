"""The finished parts of tasks, kept by what they were made of, so that a task that was stopped goes on where it was.

A part's key is a digest of what was asked, of whom, and of the text that was read (rag/tasks/run.py): what has changed
has another key and is made anew. A part goes with the first of the passages it was made from: what is deleted from the
library is not quoted here. Nothing here is needed for anything else: a damaged file is put away and begun anew.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from errors import EngineError
from rag.tasks.types import Said

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FILE = "tasks.db"
DAYS = 30  # after which a part is forgotten that nothing asked for
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Kept:
    """One home's parts. Methods may be called from several threads. All raise EngineError if the disk fails."""

    def __init__(self, folder: Path) -> None:
        """Nothing is opened before its first use."""
        self._file = folder / FILE
        self._sound = False

    def get(self, key: str) -> tuple[Said, ...] | None:
        """The part of that key; None if there is none."""
        with self._open() as db:
            found = db.execute("SELECT said FROM parts WHERE key = ?", (key,)).fetchone()
            if found is None:
                return None
            db.execute("UPDATE parts SET at = ? WHERE key = ?", (time.time(), key))
        try:
            return _adapter().validate_json(found[0])
        except ValueError:  # of another version
            return None

    def put(self, key: str, said: Sequence[Said], read: Sequence[str]) -> None:
        """`read`: the ids of the passages that it was made from."""
        with self._open() as db:
            part = (key, _adapter().dump_json(tuple(said)).decode(), json.dumps(read), time.time())
            db.execute("REPLACE INTO parts (key, said, read, at) VALUES (?, ?, ?, ?)", part)
            db.execute("DELETE FROM parts WHERE at < ?", (time.time() - DAYS * 86400,))

    def forget_gone(self, present: Callable[[Sequence[str]], set[str]]) -> None:
        """Forgets the parts that were made from a passage that is no more. `present`: which of some ids there are."""
        if not self._file.exists():
            return
        with self._open() as db:
            made_from = {key: json.loads(read) for key, read in db.execute("SELECT key, read FROM parts")}
            there = present(list({id for read in made_from.values() for id in read}))
            gone = [(key,) for key, read in made_from.items() if not there.issuperset(read)]
            db.executemany("DELETE FROM parts WHERE key = ?", gone)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self._sound:
                self._make_sound()
            with closing(self._connected()) as db, db:
                yield db
        except sqlite3.Error as error:
            raise EngineError(
                f"The finished parts of tasks cannot be kept in {str(self._file)!r}: {error}.",
                hint="See that the disk has space; that file may be deleted.",
            ) from error

    def _make_sound(self) -> None:
        try:
            self._make()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            for name in (FILE, f"{FILE}-journal"):
                self._file.with_name(name).unlink(missing_ok=True)
            self._make()
        self._sound = True

    def _make(self) -> None:
        self._file.touch(mode=0o600)
        with closing(self._connected()) as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS parts"
                " (key TEXT PRIMARY KEY, said TEXT NOT NULL, read TEXT NOT NULL, at REAL NOT NULL)"
            )
            db.execute("CREATE INDEX IF NOT EXISTS parts_at ON parts (at)")

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, timeout=10)
        db.execute("PRAGMA secure_delete = ON")
        return db


def _adapter() -> "TypeAdapter[tuple[Said, ...]]":
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[Said, ...])
