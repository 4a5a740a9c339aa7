"""What travels within a backup beside the catalogue: lines of text in a table that a catalogue does not have.

Each line has a checksum. Before a backup becomes the catalogue they are taken out of it, bytes and all.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from errors import CatalogDamagedError, UsageError
from ingest.database import open_read_only, translated

_TABLE = "enclosed"


def enclose(backup: Path, lines: Iterable[str]) -> None:
    """Adds them to a backup, all or none. Raises StorageFullError or CatalogError, and what making a line raises."""
    with translated(backup), closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute(f"CREATE TABLE {_TABLE} (row INTEGER PRIMARY KEY, line TEXT NOT NULL, checksum BLOB)")
        rows = ((line, _checksum(line)) for line in lines)
        connection.executemany(f"INSERT INTO {_TABLE} (line, checksum) VALUES (?, ?)", rows)


def enclosed(backup: Path) -> Iterator[str]:
    """The lines of a backup, in their order; none where an earlier Cita made it. Raises UsageError if one is not what
    was written."""
    try:
        with translated(backup), closing(open_read_only(backup)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone():
                return
            for line, checksum in connection.execute(f"SELECT line, checksum FROM {_TABLE} ORDER BY row"):
                if not isinstance(line, str) or checksum != _checksum(line):
                    raise not_sound(backup, "a line of its conversations is not what was written")
                yield line
    except CatalogDamagedError as error:
        raise not_sound(backup, error.message) from error


def take_out(backup: Path) -> None:
    """Leaves a catalogue alone in the file. Raises CatalogDamagedError if it is damaged."""
    with translated(backup), closing(sqlite3.connect(backup, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"DROP TABLE IF EXISTS {_TABLE}")


def not_sound(backup: Path, what: str) -> UsageError:
    return UsageError(
        f"The backup {str(backup)!r} is damaged: {what.rstrip('.')}.", hint="Take another; nothing was changed."
    )


def _checksum(line: str) -> bytes:
    return hashlib.blake2b(line.encode(), digest_size=8).digest()
