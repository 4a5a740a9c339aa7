"""catalog.db: the system of record. Sources, passages, vectors and full text change together, in one transaction
per source; whatever else Cita keeps (Chroma) is derived from it.

Vectors are kept by content: one for each distinct embedded text, shared by every passage that has it, so that a
copied or moved file embeds nothing. One connection writes, under a lock; others read, each by one thread at a time.
"""

import hashlib
import json
import math
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import CatalogError, StorageFullError, UsageError
from ingest.analyse import LANGUAGES, content_words, stem, terms, words
from ingest.types import Passage, Source, Span

SCHEMA_VERSION = 1
FIELD_WEIGHTS = (2.0, 1.5, 1.0)  # title, headings, body in BM25
K1 = 1.2  # FTS5's own, for the bound on its scores

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, media_type TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,
    pages INTEGER, passages INTEGER NOT NULL, parser TEXT NOT NULL, indexed_at TEXT NOT NULL,
    UNIQUE (folder, path)
);
CREATE INDEX sources_by_content ON sources (sha256);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES sources (id), position INTEGER NOT NULL,
    text TEXT NOT NULL, headings TEXT NOT NULL, kind TEXT NOT NULL, page INTEGER, page_to INTEGER, spans TEXT NOT NULL,
    tokens INTEGER NOT NULL, language TEXT NOT NULL, vector TEXT NOT NULL REFERENCES vectors (key),
    UNIQUE (source, position)
);
CREATE INDEX passages_by_vector ON passages (vector);
CREATE TABLE vectors (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE terms USING fts5 (title, headings, body,
    tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab ('terms', 'row');
PRAGMA user_version = {SCHEMA_VERSION};
"""


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage about to be stored, with the text that is embedded for it and that text's key."""

    passage: Passage
    embedded_text: str

    @property
    def vector_key(self) -> str:
        return vector_key(self.embedded_text)


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question: its stems in every language, for a passage is stemmed in its own; its inverse document
    frequency (always above 0, of the commonest stem); the number of passages that have it; `bound`, the most that
    FTS5's BM25 can give for it (its idf is floored, and 0 for what no passage has)."""

    word: str
    stems: tuple[str, ...]
    idf: float
    frequency: int
    bound: float = 0.0


def known_by(title: str, path: str) -> str:
    """The words that a source is found by besides its text: those of its title, its folders and its name."""
    named = PurePosixPath(path).with_suffix("").as_posix()
    return " ".join(dict.fromkeys(words(f"{title} {named}")))


def vector_key(embedded_text: str) -> str:
    return hashlib.sha256(embedded_text.encode()).hexdigest()[:32]


class Catalog:
    """Opened on `folder`/catalog.db, which is made if it does not exist.

    Raises CatalogError if the file is damaged or of a later version, StorageFullError when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / "catalog.db"
        self._lock = threading.RLock()
        self._idle: deque[sqlite3.Connection] = deque()  # for reading; as many as threads ever read at once
        with _translated(self.path):
            self._writer = self._connect()
            self._prepare()

    # --- folders and facts

    def folders(self) -> list[Path]:
        return [Path(path) for (path,) in self._read("SELECT path FROM folders ORDER BY path")]

    def set_folders(self, folders: Iterable[Path]) -> None:
        with self.transaction() as write:
            write.execute("DELETE FROM folders")
            write.executemany("INSERT INTO folders VALUES (?)", [(str(folder),) for folder in folders])

    def fact(self, key: str) -> str:
        """A fact about the index (the embedder's fingerprint, ...), '' if it was never set."""
        rows = self._read("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    def set_fact(self, key: str, value: str) -> None:
        with self.transaction() as write:
            write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """Counts the changes of the set of vectors. A derived index of the same generation is up to date."""
        return int(self.fact("generation") or 0)

    # --- sources

    def sources(self) -> list[Source]:
        return [_source(row) for row in self._read(f"SELECT {_SOURCE} FROM sources ORDER BY folder, path")]

    def store(self, source: Source, passages: Sequence[NewPassage], vectors: Mapping[str, Any]) -> None:
        """Puts a source and all its passages in place of what was known of it, in one transaction.

        `vectors` holds the new vectors by key; the keys of all other passages must be in the catalogue.
        """
        with self.transaction() as write:
            replaced = self._remove(write, source.folder, source.path)
            write.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [(key, np.asarray(vector, np.float32).tobytes()) for key, vector in vectors.items()],
            )
            columns = len(_SOURCE_COLUMNS)
            cursor = write.execute(
                f"INSERT INTO sources ({_SOURCE}) VALUES ({', '.join('?' * columns)})", _source_row(source)
            )
            for new in passages:
                self._insert_passage(write, int(cursor.lastrowid or 0), source, new)
            self._collect_vectors(write, replaced)
            self._next_generation(write)

    def move(self, old: Source, new: Source, ids: Sequence[str]) -> None:
        """Renames a source whose content is the same. `ids` are its passages' new ids, by position."""
        with self.transaction() as write:
            self._collect_vectors(write, self._remove(write, new.folder, new.path))
            write.execute(
                "UPDATE sources SET folder = ?, path = ?, mtime_ns = ?, title = ? WHERE folder = ? AND path = ?",
                (new.folder, new.path, new.mtime_ns, new.title, old.folder, old.path),
            )
            (source,) = write.execute(
                "SELECT id FROM sources WHERE folder = ? AND path = ?", (new.folder, new.path)
            ).fetchone()
            for position, id in enumerate(ids):
                row, language = write.execute(
                    "UPDATE passages SET id = ? WHERE source = ? AND position = ? RETURNING row, language",
                    (id, source, position),
                ).fetchone()
                title = " ".join(terms(known_by(new.title, new.path), language))
                write.execute("UPDATE terms SET title = ? WHERE rowid = ?", (title, row))

    def touch(self, source: Source) -> None:
        """Notes a new modification time of an unchanged file."""
        with self.transaction() as write:
            write.execute(
                "UPDATE sources SET mtime_ns = ? WHERE folder = ? AND path = ?",
                (source.mtime_ns, source.folder, source.path),
            )

    def remove(self, folder: str, path: str) -> None:
        with self.transaction() as write:
            self._collect_vectors(write, self._remove(write, folder, path))
            self._next_generation(write)

    def remove_folder(self, folder: str) -> None:
        """Removes all sources of a library folder, in one transaction."""
        with self.transaction() as write:
            paths = write.execute("SELECT path FROM sources WHERE folder = ?", (folder,)).fetchall()
            for (path,) in paths:
                self._collect_vectors(write, self._remove(write, folder, path))
            self._next_generation(write)

    def forget_vectors(self) -> None:
        """Removes all sources, passages and vectors: another embedder makes all of them anew."""
        with self.transaction() as write:
            for table in ("passages", "terms", "sources", "vectors"):
                write.execute(f"DELETE FROM {table}")
            self._next_generation(write)

    # --- passages

    def passage(self, id: str) -> Passage:
        """Raises UsageError if there is none of that id."""
        rows = self._read(f"{_PASSAGES} WHERE p.id = ?", (id,))
        if not rows:
            raise UsageError(f"There is no passage {id!r}.", hint="The document may have changed: ask again.")
        return _passage(rows[0])

    def passages(self, rows: Sequence[int]) -> dict[int, Passage]:
        return {row[0]: _passage(row) for row in self._read_many(f"{_PASSAGES} WHERE p.row IN", rows)}

    def passages_of(self, folder: str, path: str) -> list[Passage]:
        return [
            _passage(row)
            for row in self._read(f"{_PASSAGES} WHERE s.folder = ? AND s.path = ? ORDER BY p.position", (folder, path))
        ]

    def titles(self, rows: Sequence[int]) -> dict[int, str]:
        """The titles of the sources that passages are from, by row."""
        query = "SELECT p.row, s.title FROM passages p JOIN sources s ON s.id = p.source WHERE p.row IN"
        return dict(self._read_many(query, rows))

    def languages(self, rows: Sequence[int]) -> dict[int, str]:
        return dict(self._read_many("SELECT row, language FROM passages WHERE row IN", rows))

    def rows_within(self, within: Sequence[str]) -> set[int] | None:
        """Rows of the passages in these sources or folders of sources; None if `within` is empty (all of them)."""
        if not within:
            return None
        rows: set[int] = set()
        for path in within:
            clean = path.strip("/")
            pattern = clean.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "/%"
            found = self._read(
                "SELECT p.row FROM passages p JOIN sources s ON s.id = p.source "
                "WHERE s.path = ? OR s.path LIKE ? ESCAPE '\\'",
                (clean, pattern),
            )
            rows.update(row for (row,) in found)
        return rows

    def count_passages(self) -> int:
        return int(self._read("SELECT count(*) FROM passages")[0][0])

    # --- vectors

    def vector_keys(self) -> set[str]:
        return {key for (key,) in self._read("SELECT key FROM vectors")}

    def known_vectors(self, keys: Iterable[str]) -> set[str]:
        return {key for (key,) in self._read_many("SELECT key FROM vectors WHERE key IN", list(keys))}

    def vectors(self, keys: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for key, value in self._read_many("SELECT key, value FROM vectors WHERE key IN", keys):
            yield key, np.frombuffer(value, np.float32)

    def all_vectors(self) -> tuple[list[str], NDArray[np.float32]]:
        """Keys and the matrix of their vectors, (n, dimensions)."""
        rows = self._read("SELECT key, value FROM vectors ORDER BY key")
        if not rows:
            return [], np.empty((0, 0), np.float32)
        matrix = np.frombuffer(b"".join(value for _, value in rows), np.float32).reshape(len(rows), -1)
        return [key for key, _ in rows], matrix

    def rows_of_vectors(self, keys: Sequence[str]) -> list[tuple[int, str]]:
        """(row, key) of every passage that has one of these vectors."""
        return list(self._read_many("SELECT row, vector FROM passages WHERE vector IN", keys))

    def vectors_of_rows(self, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        query = "SELECT p.row, v.value FROM passages p JOIN vectors v ON v.key = p.vector WHERE p.row IN"
        return {row: np.frombuffer(value, np.float32) for row, value in self._read_many(query, rows)}

    # --- full text

    def question_terms(self, question: str) -> tuple[Term, ...]:
        """The question's content words with their weights in this library, in order and without repeats."""
        total = self.count_passages()
        return tuple(self._term(word, total) for word in content_words(question))

    def _term(self, word: str, total: int) -> Term:
        stems = tuple(sorted({stem(word, language) for language in LANGUAGES}))
        counts = [row[0] for row in self._read_many("SELECT doc FROM vocabulary WHERE term IN", stems)]
        frequency = min(max(counts, default=0), total)
        seen = min(max(frequency, 1), total)  # a word of no passage tells as much as one of a single passage
        odds = (total - seen + 0.5) / (seen + 0.5)
        bound = max(math.log(odds), 1e-6) * (K1 + 1) if frequency else 0.0
        return Term(word, stems, math.log1p(odds), frequency, bound)

    def search_terms(self, question: Sequence[Term], limit: int, rows: Iterable[int] | None = None) -> dict[int, float]:
        """Row and BM25 score (Robertson and Zaragoza 2009) of the best `limit` passages.

        With `rows`, of all of those that match any term, however many.
        """
        # FTS5 would look up each of the others, passage by passage.
        known = [term for term in question if term.frequency]
        if not known:
            return {}
        match = " OR ".join(f'"{stem}"' for term in known for stem in term.stems)
        weights = ", ".join(map(str, FIELD_WEIGHTS))
        select = f"SELECT rowid, -bm25(terms, {weights}) AS score FROM terms WHERE terms MATCH ?"
        if rows is None:
            found = self._read(f"{select} ORDER BY score DESC, rowid LIMIT ?", (match, limit))
        else:
            found = list(self._read_many(f"{select} AND rowid IN", list(rows), (match,)))
        return {int(row): float(score) for row, score in found}

    # --- health

    def problems(self) -> list[str]:
        """What is wrong inside the file, in words; empty when all is well."""
        found = [str(row[0]) for row in self._read("PRAGMA quick_check") if row[0] != "ok"]
        checks = {
            "passages without a source": "SELECT count(*) FROM passages WHERE source NOT IN (SELECT id FROM sources)",
            "passages without a vector": "SELECT count(*) FROM passages WHERE vector NOT IN (SELECT key FROM vectors)",
            "vectors without a passage": "SELECT count(*) FROM vectors WHERE key NOT IN (SELECT vector FROM passages)",
            "passages without full text": "SELECT count(*) FROM passages WHERE row NOT IN (SELECT rowid FROM terms)",
            "full text without a passage": "SELECT count(*) FROM terms WHERE rowid NOT IN (SELECT row FROM passages)",
            "sources whose passages do not add up": (
                "SELECT count(*) FROM sources s WHERE passages != (SELECT count(*) FROM passages WHERE source = s.id)"
            ),
        }
        for what, query in checks.items():
            number = self._read(query)[0][0]
            if number:
                found.append(f"catalog.db: {number} {what}")
        return found

    def close(self) -> None:
        with self._lock:
            for connection in (*self._idle, self._writer):
                connection.close()

    # --- how it is done

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises StorageFullError or CatalogError after undoing what was written."""
        with self._lock, _translated(self.path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            self._writer.commit()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _prepare(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._writer.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            self.path.chmod(0o600)
        elif version != SCHEMA_VERSION:
            raise CatalogError(
                f"{str(self.path)!r} has schema version {version}; this Cita knows {SCHEMA_VERSION}.",
                hint="Use the Cita that made it, or move the index folder away and index again.",
            )

    def _insert_passage(self, write: sqlite3.Connection, id: int, source: Source, new: NewPassage) -> None:
        passage = new.passage
        spans = json.dumps([(span.page, span.start, span.end) for span in passage.spans])
        cursor = write.execute(
            "INSERT INTO passages (id, source, position, text, headings, kind, page, page_to, spans, tokens, language,"
            " vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                passage.id, id, passage.position, passage.text, json.dumps(passage.headings, ensure_ascii=False),
                passage.kind, passage.page, passage.page_to, spans, passage.tokens, passage.language, new.vector_key,
            ),
        )  # fmt: skip
        fields = (known_by(source.title, source.path), " ".join(passage.headings), passage.text)
        write.execute(
            "INSERT INTO terms (rowid, title, headings, body) VALUES (?, ?, ?, ?)",
            (cursor.lastrowid, *(" ".join(terms(field, passage.language)) for field in fields)),
        )

    def _remove(self, write: sqlite3.Connection, folder: str, path: str) -> list[tuple[str]]:
        """The keys of the vectors that its passages had."""
        known = write.execute("SELECT id FROM sources WHERE folder = ? AND path = ?", (folder, path)).fetchone()
        if known is None:
            return []
        keys: list[tuple[str]] = write.execute(
            "SELECT DISTINCT vector FROM passages WHERE source = ?", known
        ).fetchall()
        write.execute("DELETE FROM terms WHERE rowid IN (SELECT row FROM passages WHERE source = ?)", known)
        write.execute("DELETE FROM passages WHERE source = ?", known)
        write.execute("DELETE FROM sources WHERE id = ?", known)
        return keys

    def _collect_vectors(self, write: sqlite3.Connection, keys: list[tuple[str]]) -> None:
        """Drops those of the vectors that no passage has any more."""
        write.executemany(
            "DELETE FROM vectors WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM passages WHERE vector = ?1)", keys
        )

    def _next_generation(self, write: sqlite3.Connection) -> None:
        write.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", (str(self.generation + 1),))

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with _translated(self.path), self._reader() as connection:
            return connection.execute(query, values).fetchall()

    def _read_many(self, query: str, values: Sequence[Any], before: Sequence[Any] = ()) -> Iterator[Any]:
        """`query` ends in IN; the values are bound in portions, since SQLite limits how many there may be."""
        for start in range(0, len(values), 10_000):
            portion = values[start : start + 10_000]
            yield from self._read(f"{query} ({', '.join('?' * len(portion))})", (*before, *portion))

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


_SOURCE_COLUMNS = tuple(Source.__dataclass_fields__)
_SOURCE = ", ".join(_SOURCE_COLUMNS)
_PASSAGES = (
    "SELECT p.row, p.id, s.path, p.position, p.text, p.headings, p.kind, p.page, p.page_to, p.spans, p.tokens,"
    " p.language FROM passages p JOIN sources s ON s.id = p.source"
)


def _source(row: Sequence[Any]) -> Source:
    return Source(**dict(zip(_SOURCE_COLUMNS, row, strict=True)))


def _source_row(source: Source) -> tuple[Any, ...]:
    return tuple(getattr(source, name) for name in _SOURCE_COLUMNS)


def _passage(row: Sequence[Any]) -> Passage:
    _, id, path, position, text, headings, kind, page, page_to, spans, tokens, language = row
    return Passage(
        id=id,
        path=path,
        position=position,
        text=text,
        headings=tuple(json.loads(headings)),
        kind=kind,
        page=page,
        page_to=page_to,
        spans=tuple(Span(*span) for span in json.loads(spans)),
        tokens=tokens,
        language=language,
    )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "disk is full" in text or "disk I/O error" in text:
            raise StorageFullError(
                f"No space left to write {str(path)!r} ({text}).", hint="Free some disk space and run it again."
            ) from error
        if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
            raise CatalogError(
                f"{str(path)!r} is damaged: {text}.",
                hint="Move the index folder away and run `cita index`: your documents are untouched.",
            ) from error
        raise CatalogError(f"{str(path)!r} cannot be used: {text}.", hint="Run `cita doctor`.") from error
