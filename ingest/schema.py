"""The catalogue's tables, and how the tables of an earlier Cita become today's."""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from errors import CatalogError
from ingest import fulltext
from ingest.database import secure_full_text
from ingest.types import Source

VERSION = 5
APPLICATION_ID = 0x43697461  # "Cita": by this a backup is known
FOLDERS = "folders"  # the fact that is the checksum of the list of folders
UNSCRUBBED = "unscrubbed"  # the fact that something was deleted since the last scrub(), and what
EDITED, REMOVED = "edited", "removed"

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, media_type TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,
    pages INTEGER, passages INTEGER NOT NULL, parser TEXT NOT NULL, indexed_at TEXT NOT NULL,
    changed_ns INTEGER NOT NULL DEFAULT 0, checksum TEXT NOT NULL DEFAULT '',
    container TEXT NOT NULL DEFAULT '', metadata TEXT NOT NULL DEFAULT '{}', tags TEXT NOT NULL DEFAULT '[]',
    links TEXT NOT NULL DEFAULT '[]', hidden TEXT NOT NULL DEFAULT '[]',
    UNIQUE (folder, path)
);
CREATE INDEX sources_by_content ON sources (sha256);
CREATE INDEX sources_by_container ON sources (folder, container);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES sources (id), position INTEGER NOT NULL,
    text TEXT NOT NULL, headings TEXT NOT NULL, kind TEXT NOT NULL, page INTEGER, page_to INTEGER, spans TEXT NOT NULL,
    tokens INTEGER NOT NULL, language TEXT NOT NULL, vector TEXT NOT NULL REFERENCES vectors (key), confidence REAL,
    UNIQUE (source, position)
);
CREATE INDEX passages_by_vector ON passages (vector);
CREATE TABLE recognised (
    source INTEGER NOT NULL REFERENCES sources (id), page INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (source, page)
) WITHOUT ROWID;
CREATE TABLE vectors (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, number INTEGER NOT NULL DEFAULT 0, checksum TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX vectors_by_number ON vectors (number);
CREATE VIRTUAL TABLE terms USING fts5 (title, headings, body,
    tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab ('terms', 'row');
"""

PASSAGE_COLUMNS = (
    "id", "position", "text", "headings", "kind", "page", "page_to", "spans", "tokens", "language", "vector",
    "confidence",
)  # fmt: skip
SOURCE_COLUMNS = tuple(Source.__dataclass_fields__)
_UNCHECKED = ("size", "mtime_ns", "changed_ns")  # a change of these only makes the file's bytes be compared


def prepare(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file, or brings those of an earlier version up to date, in one transaction.

    Raises CatalogError if the file is of a later version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version > VERSION:
        raise CatalogError(
            f"The index has schema version {version}; this Cita knows {VERSION}.",
            hint="Use the Cita that made it, or move the index folder away and index again.",
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version == 0:
            _make(connection)
        for earlier in range(version or VERSION, VERSION):
            _MIGRATIONS[earlier](connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def _make(connection: sqlite3.Connection) -> None:
    for statement in _statements(_TABLES):
        connection.execute(statement)
    secure_full_text(connection, "terms")
    note_folders(connection)
    renew(connection)


def renew(connection: sqlite3.Connection) -> None:
    """Gives the catalogue a new name: nothing that was derived from it before is taken for its own."""
    for key in ("lineage", "generation"):
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, secrets.token_hex(8)))


def note_folders(connection: sqlite3.Connection) -> None:
    """The list of folders has changed: without it an index run would take their documents for unwanted."""
    paths = [path for (path,) in connection.execute("SELECT path FROM folders ORDER BY path")]
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (FOLDERS, folders_checksum(paths)))


def folders_checksum(paths: Sequence[str]) -> str:
    return _checksum([paths])


def note_deletion(connection: sqlite3.Connection, kind: str = EDITED) -> None:
    """Some text was deleted that may still be in the bytes of the file and of its log: `kind` is EDITED or REMOVED."""
    verb = "INSERT OR REPLACE" if kind == REMOVED else "INSERT OR IGNORE"
    connection.execute(f"{verb} INTO meta VALUES (?, ?)", (UNSCRUBBED, kind))


def _from_1(connection: sqlite3.Connection) -> None:
    """Version 1 had neither checksums nor the files' change times, and its vectors were not numbered."""
    for column in ("changed_ns INTEGER NOT NULL DEFAULT 0", "checksum TEXT NOT NULL DEFAULT ''"):
        connection.execute(f"ALTER TABLE sources ADD COLUMN {column}")
    for column in ("number INTEGER NOT NULL DEFAULT 0", "checksum TEXT NOT NULL DEFAULT ''"):
        connection.execute(f"ALTER TABLE vectors ADD COLUMN {column}")
    connection.execute("CREATE INDEX vectors_by_number ON vectors (number)")
    numbered = 0
    for numbered, (key, value) in enumerate(connection.execute("SELECT key, value FROM vectors").fetchall(), start=1):
        connection.execute(
            "UPDATE vectors SET number = ?, checksum = ? WHERE key = ?", (numbered, vector_checksum(key, value), key)
        )
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('numbered', ?)", (str(numbered),))
    secure_full_text(connection, "terms")
    note_folders(connection)
    note_deletion(connection)  # version 1 forgot it when it was killed
    renew(connection)


def _from_2(connection: sqlite3.Connection) -> None:
    """Version 2 knew no documents inside documents, nothing of what documents say of themselves, no recognised text."""
    sound = _sound(connection, lambda row: _checksum(_rows_of(connection, row, _SOURCE_COLUMNS_2, _PASSAGE_COLUMNS_2)))
    for column in ("container TEXT NOT NULL DEFAULT ''", "metadata TEXT NOT NULL DEFAULT '{}'"):
        connection.execute(f"ALTER TABLE sources ADD COLUMN {column}")
    for column in ("tags", "links"):
        connection.execute(f"ALTER TABLE sources ADD COLUMN {column} TEXT NOT NULL DEFAULT '[]'")
    connection.execute("ALTER TABLE passages ADD COLUMN confidence REAL")
    for statement in _statements(_TABLES):
        if "sources_by_container" in statement or "TABLE recognised" in statement:
            connection.execute(statement)
    for id in sound:  # the others are damaged, and stay so until the file is read again
        _set_checksum(connection, id, _checksum_of(connection, id, _SOURCE_COLUMNS_4))


def _from_3(connection: sqlite3.Connection) -> None:
    """Version 3 took the words of a text for others: numbers, names in capitals."""
    for table in ("vocabulary", "terms"):
        connection.execute(f"DROP TABLE {table}")
    for statement in _statements(_TABLES):
        if "VIRTUAL TABLE" in statement:
            connection.execute(statement)
    secure_full_text(connection, "terms")
    fulltext.insert_all(connection)


def _from_4(connection: sqlite3.Connection) -> None:
    """Version 4 knew nothing of hidden text."""
    sound = _sound(connection, lambda row: _checksum_of(connection, row, _SOURCE_COLUMNS_4))
    connection.execute("ALTER TABLE sources ADD COLUMN hidden TEXT NOT NULL DEFAULT '[]'")
    note_sources(connection, sound)


def _sound(connection: sqlite3.Connection, checksum_of: Callable[[int], str]) -> list[int]:
    """The sources that are as they were written."""
    rows = connection.execute("SELECT id, checksum FROM sources").fetchall()
    return [id for id, checksum in rows if checksum in ("", checksum_of(id))]


_SOURCE_COLUMNS_4 = (
    "folder", "path", "sha256", "status", "reason", "media_type", "title", "language", "pages", "passages", "parser",
    "indexed_at", "container", "metadata", "tags", "links",
)  # fmt: skip
_SOURCE_COLUMNS_2 = (
    "folder", "path", "sha256", "status", "reason", "media_type", "title", "language", "pages", "passages", "parser",
    "indexed_at",
)  # fmt: skip
_PASSAGE_COLUMNS_2 = PASSAGE_COLUMNS[: PASSAGE_COLUMNS.index("confidence")]
_MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1, 2: _from_2, 3: _from_3, 4: _from_4}


def vector_checksum(key: str, value: bytes) -> str:
    return hashlib.blake2b(key.encode() + value, digest_size=8).hexdigest()


def vector_fits(key: Any, value: Any, checksum: Any) -> bool:
    """Whether a row of vectors is what was written."""
    return isinstance(key, str) and isinstance(value, bytes) and vector_checksum(key, value) == checksum


def source_checksum(connection: sqlite3.Connection, id: int) -> str:
    """Over a source, its passages, its recognised pages, and the paths of those inside it, as the tables have them."""
    return _checksum_of(connection, id, [column for column in SOURCE_COLUMNS if column not in _UNCHECKED])


def _checksum_of(connection: sqlite3.Connection, id: int, columns: Sequence[str]) -> str:
    recognised = connection.execute("SELECT page, hex(value) FROM recognised WHERE source = ? ORDER BY page", (id,))
    return _checksum([*_rows_of(connection, id, columns, PASSAGE_COLUMNS), *recognised, members(connection, id)])


def members(connection: sqlite3.Connection, id: int) -> list[str]:
    """The paths of the sources inside a source, sorted."""
    query = (
        "SELECT m.path FROM sources s JOIN sources m ON m.folder = s.folder AND m.container = s.path"
        " WHERE s.id = ? AND s.container = '' AND m.container != ''"  # to order it, SQLite would read the whole folder
    )
    return sorted(path for (path,) in connection.execute(query, (id,)))


def note_sources(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Sources, and all that belongs to them, are as they are to be: their checksums are made."""
    for id in ids:
        _set_checksum(connection, id, source_checksum(connection, id))


def _set_checksum(connection: sqlite3.Connection, id: int, checksum: str) -> None:
    connection.execute("UPDATE sources SET checksum = ? WHERE id = ?", (checksum, id))


def _rows_of(
    connection: sqlite3.Connection, id: int, source_columns: Sequence[str], passage_columns: Sequence[str]
) -> Iterator[Sequence[Any]]:
    yield connection.execute(f"SELECT {', '.join(source_columns)} FROM sources WHERE id = ?", (id,)).fetchone()
    columns = ", ".join(passage_columns)
    yield from connection.execute(f"SELECT {columns} FROM passages WHERE source = ? ORDER BY position", (id,))


_AS_JSON = json.JSONEncoder(ensure_ascii=True, default=repr).encode


def _checksum(rows: Iterable[Sequence[Any]]) -> str:
    state = hashlib.blake2b(digest_size=8)
    for row in rows:
        state.update(_AS_JSON(list(row)).encode())
    return state.hexdigest()


def _statements(script: str) -> list[str]:
    return [statement.strip() for statement in script.split(";\n") if statement.strip()]
