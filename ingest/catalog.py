"""catalog.db: the system of record. Sources, passages, vectors and full text change together, in one transaction
per source; whatever else Cita keeps (Chroma) is derived from it.

Vectors are kept by content: one for each distinct embedded text, shared by every passage that has it, so that a
copied or moved file embeds nothing. They are numbered as they come, so that what is derived from them can ask for
those that it does not have yet.

One connection writes, under a lock; others read, each by one thread at a time. Python's SQLite may be older than
3.51.3, whose write-ahead log could be damaged by a checkpoint beside a write of another connection: here only the
writer ever checkpoints. Sources (with their passages) and vectors carry checksums: problems(read_data=True) finds any
bit that changed. What is deleted is overwritten (scrub()).
"""

import hashlib
import json
import secrets
import shutil
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import CatalogDamagedError, UsageError, VectorIndexError
from ingest import facts, fulltext, matrix, schema
from ingest.database import Database, damaged, open_read_only, remove_files, rename_over, sync, translated
from ingest.enclosed import enclose, enclosed, not_sound, take_out
from ingest.filters import Rows, Selector
from ingest.fulltext import FullText, Term
from ingest.matrix import Matrices
from ingest.names import printable, to_name, to_text
from ingest.segments import Segments
from ingest.types import Filters, HiddenText, Passage, RecognisedPage, Source, Span


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage about to be stored, with the text that is embedded for it and that text's key."""

    passage: Passage
    embedded_text: str

    @property
    def vector_key(self) -> str:
        return vector_key(self.embedded_text)


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source about to be stored."""

    source: Source
    passages: Sequence[NewPassage] = ()
    recognised: Sequence[RecognisedPage] = ()


def vector_key(embedded_text: str) -> str:
    return hashlib.sha256(embedded_text.encode()).hexdigest()[:32]


FILE = "catalog.db"
LARGE, VERY_LARGE = 32_000_000, 512_000_000  # bytes; written anew in some 0.3 and 5 seconds
DRAFT = "rebuild.db"
_PORTION = 10_000  # vectors read at once
_MIRROR = "folders.json"


class Catalog:
    """Opened on `folder`/catalog.db, which is made if it does not exist.

    Raises CatalogDamagedError if the file is damaged, StorageFullError when the disk is full, CatalogError if it is
    of a later version or cannot be used. Sources name their library folder by the text of its path (names.to_text()).
    """

    def __init__(self, folder: Path, name: str = FILE) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.path = folder / name
        is_new = not self.path.exists() or not self.path.stat().st_size
        self._db = Database(self.path, schema.prepare)
        self._selector = Selector(self._db)
        files = folder if name == FILE else None
        self.full_text = FullText(self._db, files)
        self.matrix = Segments(self._db, files, Matrices(self._db), self.full_text.sources)
        if name == FILE:
            with translated(self.path):
                remove_files(folder / DRAFT)  # left by a rebuild that was killed
            if is_new:
                self.set_folders(_mirrored(folder))
            elif not self._folders_fit():
                self.close()
                raise damaged(self.path, "its list of folders is not what was written")

    # --- folders and facts

    def folders(self) -> list[Path]:
        return [Path(to_name(path)) for (path,) in self._db.read("SELECT path FROM folders ORDER BY path")]

    def set_folders(self, folders: Iterable[Path]) -> None:
        """A copy of the list lies beside the catalogue, for nothing else could tell it again."""
        paths = sorted(to_text(str(folder)) for folder in folders)
        with self.transaction() as write:
            write.execute("DELETE FROM folders")
            write.executemany("INSERT INTO folders VALUES (?)", [(path,) for path in paths])
            schema.note_folders(write)
        if self.path.name == FILE:
            with translated(self.folder / _MIRROR):
                draft = self.folder / f"{_MIRROR}.new"
                draft.write_text(json.dumps(paths), encoding="utf-8")
                draft.chmod(0o600)
                draft.replace(self.folder / _MIRROR)

    def _folders_fit(self) -> bool:
        paths = [path for (path,) in self._db.read("SELECT path FROM folders ORDER BY path")]
        return self.fact(schema.FOLDERS) in ("", schema.folders_checksum(paths))

    def fact(self, key: str) -> str:
        """A fact about the index (the embedder's fingerprint, ...), '' if it was never set."""
        return facts.fact(self._db, key)

    def set_fact(self, key: str, value: str) -> None:
        with self.transaction() as write:
            write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def devices(self) -> dict[str, int]:
        """The file system that each library folder was on when it was last looked at."""
        with self._as_written():
            known = json.loads(self.fact("devices") or "{}")
            return {str(folder): int(device) for folder, device in known.items()}

    def set_devices(self, devices: Mapping[str, int]) -> None:
        if self.devices() != devices:
            self.set_fact("devices", json.dumps(dict(devices)))

    def held(self) -> dict[str, str]:
        """Folders that suddenly lacked most of their files at the last run, and what was said of it."""
        with self._as_written():
            return {str(folder): str(reason) for folder, reason in json.loads(self.fact("held") or "{}").items()}

    def note_run(self, held: Mapping[str, str]) -> None:
        """An index run has ended. Vectors that salvage() kept for it and that it had no use for are dropped."""
        with self.transaction() as write:
            unused = "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM passages WHERE vector = vectors.key)"
            if write.execute(unused).rowcount:
                self._next_generation(write)
            noted = [("held", json.dumps(dict(held))), ("indexed_at", now())]
            write.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", noted)
        with suppress(OSError):  # what is not in its files is made when it is needed; the next run tries again
            self.full_text.save()
        with suppress(OSError, VectorIndexError):
            self.matrix.save()

    def keep_up(self) -> None:
        """Does some of the work of note_run() while the run goes on."""
        self.full_text.keep_up()

    @property
    def lineage(self) -> str:
        """Names this catalogue. A restored or rebuilt one has a new name: nothing derived from the old one fits it."""
        return self.fact("lineage")

    @property
    def generation(self) -> str:
        """Changes with every change of the set of vectors."""
        return self.fact("generation")

    @property
    def revision(self) -> tuple[str, ...]:
        """Changes with every change of the sources."""
        return facts.revision(self._db)

    def snapshot(self) -> AbstractContextManager[None]:
        """All that this thread reads within is of one moment, whatever is indexed meanwhile."""
        return self._db.snapshot()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All or nothing. Raises StorageFullError or CatalogError after undoing what was written."""
        return self._db.transaction()

    # --- sources

    def sources(self) -> list[Source]:
        with self._as_written():
            return [_source(row) for row in self._db.read(f"SELECT {_SOURCE} FROM sources ORDER BY folder, path")]

    def source_folders(self) -> set[str]:
        """The library folders that have any source."""
        return {folder for (folder,) in self._db.read("SELECT DISTINCT folder FROM sources")}

    def sources_at(self, path: str) -> list[Source]:
        """Those of that path, in any of the library folders."""
        rows = self._db.read(f"SELECT {_SOURCE} FROM sources WHERE path = ? ORDER BY folder", (path,))
        return [_source(row) for row in rows]

    def paths_with(self, sha256: str) -> list[str]:
        """Where files of that content are, sorted."""
        rows = self._db.read("SELECT path FROM sources WHERE sha256 = ? AND container = '' ORDER BY path", (sha256,))
        return [path for (path,) in rows]

    def sources_of(self, sha256: str) -> list[Source]:
        """The files of that content, and the documents inside them."""
        return [_source(row) for row in self._db.read(f"SELECT {_SOURCE} FROM sources WHERE sha256 = ?", (sha256,))]

    def names_inside(self, source: Source) -> list[str]:
        """The names that lead to a document inside a file (ingest.parse.opened_member()); none for a file itself."""
        if not source.container:
            return []
        query = "SELECT path FROM sources WHERE folder = ? AND container = ?"
        inside = {path for (path,) in self._db.read(query, (source.folder, source.container))}
        names, rest = [], source.path.removeprefix(f"{source.container}/")
        above = source.container
        while rest:
            parts = rest.split("/")
            ends = range(1, len(parts) + 1)  # a name may have '/' itself: the shortest that is a document leads on
            end = next((end for end in ends if f"{above}/{'/'.join(parts[:end])}" in inside), len(parts))
            names.append("/".join(parts[:end]))
            above, rest = f"{above}/{names[-1]}", "/".join(parts[end:])
        return names

    def store(self, source: Source, passages: Sequence[NewPassage], vectors: Mapping[str, Any]) -> None:
        """Puts a source and all its passages in place of what was known of it, in one transaction: store_all()."""
        self.store_all([NewSource(source, passages)], vectors)

    def store_all(self, new: Sequence["NewSource"], vectors: Mapping[str, Any]) -> None:
        """Puts a source, and those inside it after it, in place of all that was known of it, in one transaction.

        `vectors` holds the new vectors by key; the keys of all other passages must be in the catalogue.
        """
        with self.transaction() as write:
            replaced = self._remove(write, [(new[0].source.folder, new[0].source.path)])
            self._insert_vectors(write, vectors)
            rows = []
            for one in new:
                passages = [(each.passage, each.vector_key) for each in one.passages]
                recognised = [(page.number, _packed(page)) for page in one.recognised]
                rows.append(self._insert(write, one.source, passages, recognised))
            schema.note_sources(write, rows)
            self._collect_vectors(write, replaced)
            self._next_revision(write)
            if replaced or any(one.passages for one in new):
                self._next_generation(write)

    def recognised_page(self, folder: str, path: str, page: int) -> RecognisedPage | None:
        """The text that was recognised on a page, with its words' boxes; None where none was."""
        rows = self._db.read(
            "SELECT r.value FROM recognised r JOIN sources s ON s.id = r.source"
            " WHERE s.folder = ? AND s.path = ? AND r.page = ?",
            (folder, path, page),
        )
        with self._as_written():
            return _unpacked(rows[0][0]) if rows else None

    def recognised_pages(self, source: Source) -> list[RecognisedPage]:
        """All pages of a document whose text was recognised."""
        rows = self._db.read(
            "SELECT r.value FROM recognised r JOIN sources s ON s.id = r.source WHERE s.folder = ? AND s.path = ?",
            (source.folder, source.path),
        )
        with self._as_written():
            return [_unpacked(value) for (value,) in rows]

    def settle(
        self,
        moves: Sequence[tuple[Source, Source, Sequence[str]]] = (),
        touches: Sequence[Source] = (),
        removals: Sequence[Source] = (),
    ) -> None:
        """What needs no reading, in one transaction.

        A move is a source, the source that it becomes (same content) and the new ids of its passages, by position; so
        is each of those inside it. Moves may swap places, or take the place of a source that is left behind, which then
        is gone. Touched sources, and those inside them, get the times that are given. Of a removed source, and of those
        inside it, nothing is left.
        """
        with self.transaction() as write:
            rows = [self._row(write, old) for old, _, _ in moves]  # 0: removed meanwhile, with its folder
            for row in rows:  # out of each other's way first
                write.execute("UPDATE sources SET path = char(0) || id, container = '' WHERE id = ?", (row,))
                write.execute("UPDATE passages SET id = char(0) || row WHERE source = ?", (row,))
            left = [(source.folder, source.path) for source in (*removals, *(new for _, new, _ in moves))]
            dropped = self._remove(write, left)
            if removals:
                schema.note_deletion(write, schema.REMOVED)
            for row, (_, new, ids) in zip(rows, moves, strict=True):
                if row:
                    self._move(write, row, new, ids)
            schema.note_sources(write, filter(None, rows))
            write.executemany(
                f"UPDATE sources SET size = ?3, mtime_ns = ?4, changed_ns = ?5 WHERE id IN ({_WITH_THOSE_INSIDE})",
                [(source.folder, source.path, source.size, source.mtime_ns, source.changed_ns) for source in touches],
            )
            self._collect_vectors(write, dropped)
            self._next_revision(write)
            if dropped:
                self._next_generation(write)

    def remove_folder(self, folder: str) -> None:
        """Removes all sources of a library folder, in one transaction."""
        self.settle(removals=[source for source in self.sources() if source.folder == folder])

    def forget_vectors(self) -> None:
        """Removes all sources, passages and vectors: another embedder makes all of them anew."""
        with self.transaction() as write:
            for table in ("passages", "terms", "recognised", "sources", "vectors"):
                write.execute(f"DELETE FROM {table}")
            schema.note_deletion(write, schema.REMOVED)
            self._next_revision(write)
            self._next_generation(write)

    # --- passages

    def passage(self, id: str) -> Passage:
        """Raises UsageError if there is none of that id."""
        rows = self._db.read(f"{_PASSAGES} WHERE p.id = ?", (id,))
        if not rows:
            raise UsageError(f"There is no passage {id!r}.", hint="The document may have changed: ask again.")
        with self._as_written():
            return _passage(rows[0])

    def present(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids passages have."""
        return {id for (id,) in self._db.read_many("SELECT id FROM passages WHERE id IN", ids)}

    def passages(self, rows: Sequence[int]) -> dict[int, Passage]:
        with self._as_written():
            return {row[0]: _passage(row) for row in self._db.read_many(f"{_PASSAGES} WHERE p.row IN", rows)}

    def passages_of(self, folder: str, path: str) -> list[Passage]:
        query = f"{_PASSAGES} WHERE s.folder = ? AND s.path = ? ORDER BY p.position"
        with self._as_written():
            return [_passage(row) for row in self._db.read(query, (folder, path))]

    def neighbours(self, ids: Sequence[str]) -> dict[str, list[Passage]]:
        """The passages right before and after each of these in its source, in that order; none under an id that is
        gone."""
        query = (
            f"SELECT {_PASSAGE}, asked.id FROM passages asked JOIN passages p ON p.source = asked.source"
            " AND p.position IN (asked.position - 1, asked.position + 1)"
            " JOIN sources s ON s.id = p.source WHERE asked.id IN"
        )
        found: defaultdict[str, list[Passage]] = defaultdict(list)
        with self._as_written():
            for *row, asked in self._db.read_many(query, ids):
                found[asked].append(_passage(row))
        return {id: sorted(beside, key=lambda passage: passage.position) for id, beside in found.items()}

    def titles(self, rows: Sequence[int]) -> dict[int, str]:
        """What the sources that passages are from are called, by row: their titles, else their files' names."""
        query = "SELECT p.row, s.title, s.path FROM passages p JOIN sources s ON s.id = p.source WHERE p.row IN"
        return {row: title or PurePosixPath(path).stem for row, title, path in self._db.read_many(query, rows)}

    def origins(self, rows: Sequence[int]) -> dict[int, tuple[str, str]]:
        """The path of the source that each passage is from, and the passage's language, by row."""
        query = "SELECT p.row, s.path, p.language FROM passages p JOIN sources s ON s.id = p.source WHERE p.row IN"
        return {row: (path, language) for row, path, language in self._db.read_many(query, rows)}

    def endings_before(self, rows: Sequence[int], length: int) -> dict[int, str]:
        """The last characters, at most `length`, of the passage before each in its source, by row."""
        query = (
            f"SELECT asked.row, substr(p.text, -{int(length)}) FROM passages asked JOIN passages p"
            " ON p.source = asked.source AND p.position = asked.position - 1 WHERE asked.row IN"
        )
        return dict(self._db.read_many(query, rows))

    def source_names(self) -> dict[str, str]:
        """Titles and paths without their endings, by path, of the sources that have several passages: of one that is a
        single passage, full text knows the name as well."""
        found = self._db.read("SELECT path, title FROM sources WHERE passages > 1")
        return {path: f"{title} {PurePosixPath(path).with_suffix('')}" for path, title in found}

    def rows_within(self, filters: Filters) -> Rows | None:
        """Rows of the passages that fit the filters, ascending; None if these are empty (all of them).

        Raises UsageError if a value is no such thing, names nothing that is indexed, or nothing fits all of them.
        """
        with self._as_written():
            return self._selector.rows(filters)

    def languages(self) -> frozenset[str]:
        """Those of all passages. All of these are looked at."""
        return frozenset(str(language) for (language,) in self._db.read("SELECT DISTINCT language FROM passages"))

    def count_passages(self) -> int:
        return int(self._db.read("SELECT count(*) FROM passages")[0][0])

    # --- vectors

    def vector_keys(self) -> set[str]:
        return {key for (key,) in self._db.read("SELECT key FROM vectors")}

    def known_vectors(self, keys: Iterable[str]) -> set[str]:
        return {key for (key,) in self._db.read_many("SELECT key FROM vectors WHERE key IN", list(keys))}

    def vectors(self, keys: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for key, value in self._db.read_many("SELECT key, value FROM vectors WHERE key IN", keys):
            with self._as_written():
                vector = np.frombuffer(value, np.float32)
            yield key, vector

    def vectors_after(self, number: int, limit: int = -1) -> tuple[list[str], NDArray[np.float32], int]:
        """Keys of the vectors that came after that number, their matrix (n, dimensions), the last one's number.

        With a `limit` at most so many, the earliest.
        """
        query = "SELECT key, value, number FROM vectors WHERE number > ? ORDER BY number LIMIT ?"
        rows = self._db.read(query, (number, limit))
        if not rows:
            return [], np.empty((0, 0), np.float32), number
        with self._as_written():
            matrix = np.frombuffer(b"".join(value for _, value, _ in rows), np.float32).reshape(len(rows), -1)
        return [key for key, _, _ in rows], matrix, int(rows[-1][2])

    def count_vectors(self, up_to: int | None = None) -> int:
        """How many there are; of those up to a number."""
        where = "" if up_to is None else f" WHERE number <= {int(up_to)}"
        return int(self._db.read(f"SELECT count(*) FROM vectors{where}")[0][0])

    def vector_keys_up_to(self, number: int) -> set[str]:
        return {key for (key,) in self._db.read("SELECT key FROM vectors WHERE number <= ?", (number,))}

    def rows_of_vectors(self, keys: Sequence[str]) -> list[tuple[int, str]]:
        """(row, key) of every passage that has one of these vectors."""
        return list(self._db.read_many("SELECT row, vector FROM passages WHERE vector IN", keys))

    def keys_of_rows(self, rows: Sequence[int]) -> dict[int, str]:
        """Of the passages' vectors, by row."""
        return dict(self._db.read_many("SELECT row, vector FROM passages WHERE row IN", rows))

    def nearest(self, query: NDArray[np.float32], k: int, rows: Rows | None = None) -> dict[int, float]:
        """Row and cosine of the k nearest passages, best first; among `rows` (ascending) if any are given. Of very many
        some are missed (ingest.matrix).

        Raises VectorIndexError if the query is of another length than the vectors, or these are of several.
        """
        return self.matrix.ask(
            lambda view: matrix.nearest(view.parts, query, k, rows), lambda: self._compared(query, k, rows)
        )

    def _compared(self, query: NDArray[np.float32], k: int, rows: Rows | None) -> dict[int, float]:
        """Where the matrix is not made yet. In portions: they may be very many."""
        if rows is None:
            rows = np.array([row for (row,) in self._db.read("SELECT row FROM passages")], np.int64)
        best: dict[int, float] = {}
        for start in range(0, len(rows), _PORTION):
            found = self._vectors_of_rows(rows[start : start + _PORTION].tolist())
            if any(len(vector) != len(query) for vector in found.values()):
                raise matrix.other_length(query, next(iter(found.values())))
            best |= {row: float(vector @ query) for row, vector in found.items()}
            best = dict(sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k])
        return best

    def vectors_of_rows(self, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """By row, of the passages that there are."""
        wanted = np.array(sorted(rows), np.int64)
        return self.matrix.ask(lambda view: matrix.vectors_at(view.parts, wanted), lambda: self._vectors_of_rows(rows))

    def _vectors_of_rows(self, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        keys = self.keys_of_rows(rows)
        vectors = dict(self.vectors(sorted(set(keys.values()))))  # in the order of the file: half the time
        return {row: vectors[key] for row, key in keys.items() if key in vectors}

    # --- full text

    def question_terms(self, question: str) -> tuple[Term, ...]:
        """See FullText.question_terms()."""
        return self.full_text.question_terms(question)

    def taken_apart(self, word: str) -> str:
        """See FullText.taken_apart()."""
        return self.full_text.taken_apart(word)

    def search_terms(self, question: Sequence[Term], limit: int, rows: Iterable[int] | None = None) -> dict[int, float]:
        """See FullText.search_terms()."""
        return self.full_text.search_terms(question, limit, rows)

    # --- health

    def scrub(self) -> None:
        """Takes what was deleted since the last time out of the bytes on disk as well.

        Where somebody reads an earlier moment all the while, or the process is killed, the next time does it. To
        write a large file anew after each edit would take too long: there, copies of edited passages may stay in gaps
        between others until a document is removed, and in a very large one until the index is rebuilt.
        """
        dropped = self.fact(schema.UNSCRUBBED)
        limit = LARGE if dropped == schema.EDITED else VERY_LARGE
        if dropped and self._db.scrub("terms", limit=limit):
            with translated(self.folder):
                self.full_text.scrub(limit)
                self.matrix.scrub(limit)
            with self.transaction() as write:
                write.execute("DELETE FROM meta WHERE key = ?", (schema.UNSCRUBBED,))

    def problems(self, *, read_data: bool = False) -> list[str]:
        """What is wrong inside the file, in words; empty when all is well. `read_data`: also every checksum."""
        try:
            found = self._db.problems("terms", thorough=read_data)
            checks = _CHECKS | (_THOROUGH_CHECKS if read_data else {})
            with self._db.snapshot():
                for what, query in checks.items():
                    if number := self._db.read(query)[0][0]:
                        found.append(f"{number} {what}")
                if read_data:
                    with translated(self.path), self._db.connection() as connection:
                        found += _bad_checksums(connection)
        except CatalogDamagedError as error:
            return [str(error)]
        return [f"{self.path.name}: {problem}" for problem in found]

    # --- kept, restored, made anew

    def backup(self, file: Path, beside: Iterable[str] = ()) -> None:
        """Writes a copy of this moment to `file` (mode 0600), while others read and write; it is there whole or not.
        `beside` are lines that travel with it: enclosed() gives them back.

        Raises UsageError if there is something else of that name, CatalogError or StorageFullError if it cannot be
        written.
        """
        if file.is_dir() or (file.exists() and file.stat().st_size and not is_catalog(file)):
            raise UsageError(f"{str(file)!r} is there already and is no backup.", hint="Choose another name.")
        if not file.parent.is_dir():
            raise UsageError(f"Folder {str(file.parent)!r} does not exist.", hint="Make it, or choose another name.")
        draft = file.with_name(f".{file.name[:200]}.part")
        try:
            self._db.copy_to(draft)
            self._check_copy(draft)
            enclose(draft, beside)
            with translated(file):
                sync(draft)
                draft.replace(file)
                sync(file.parent)
        finally:
            with suppress(OSError):
                remove_files(draft)

    def _check_copy(self, file: Path) -> None:
        with translated(file), closing(open_read_only(file)) as copy:
            problems = [row for (row,) in copy.execute("PRAGMA integrity_check") if row != "ok"]
            problems += _bad_checksums(copy)
        if problems:
            raise damaged(self.path, problems[0])

    def beside(self, file: Path) -> Iterator[str]:
        """The lines that travel with a backup. Raises UsageError if the file is no backup or a damaged one."""
        _check_is_backup(file)
        yield from enclosed(file)

    def restore(self, file: Path) -> None:
        """Puts a backup's content in place of this catalogue's, at once and whole, while others read.

        Raises UsageError if the file is no backup or a damaged one; then nothing has changed.
        """
        _check_is_backup(file)
        draft = self.folder / DRAFT
        try:
            with translated(draft):
                remove_files(draft)
                draft.touch(mode=0o600)
                shutil.copyfile(file, draft)
            take_out(draft)
            with closing(Catalog(self.folder, DRAFT)) as backup:
                if problems := backup.problems(read_data=True):
                    raise not_sound(file, problems[0])
        except CatalogDamagedError as error:
            raise not_sound(file, error.message) from error
        else:
            self.take_over(draft)
        finally:
            with suppress(OSError):
                remove_files(draft)

    def draft(self) -> "Catalog":
        """A new catalogue beside this one with all that is sound of it; the next index run reads every file anew."""
        return _salvaged(self.folder, doubt=True)

    def take_over(self, draft: Path) -> None:
        """Puts the content of that (closed) catalogue in place of this one's, under a new name."""
        with closing(Catalog(draft.parent, draft.name)) as new, new.transaction() as write:
            schema.renew(write)
        try:
            self._db.take_over(draft)
        except CatalogDamagedError:
            self._db.replace_by(draft)
        with suppress(OSError):
            self.full_text.scrub(VERY_LARGE)
            self.matrix.scrub(VERY_LARGE)
        self.set_folders(self.folders())

    def discard(self) -> None:
        """Removes the files of a catalogue that was closed."""
        with translated(self.path):
            remove_files(self.path)

    def close(self) -> None:
        self.full_text.close()
        self.matrix.close()
        self._db.close()

    # --- how it is done

    @contextmanager
    def _as_written(self) -> Iterator[None]:
        """Where rows become values: one that cannot is not what was written."""
        try:
            yield
        except (ValueError, TypeError, AttributeError) as error:
            raise damaged(self.path, f"a row is not what was written ({error})") from error

    @staticmethod
    def _row(write: sqlite3.Connection, source: Source) -> int:
        query = "SELECT id FROM sources WHERE folder = ? AND path = ?"
        found = write.execute(query, (source.folder, source.path)).fetchone()
        return int(found[0]) if found else 0

    @staticmethod
    def _move(write: sqlite3.Connection, row: int, new: Source, ids: Sequence[str]) -> None:
        write.execute(
            "UPDATE sources SET folder = ?, path = ?, container = ?, mtime_ns = ?, changed_ns = ?, title = ?"
            " WHERE id = ?",
            (new.folder, new.path, new.container, new.mtime_ns, new.changed_ns, new.title, row),
        )
        for position, id in enumerate(ids):
            write.execute("UPDATE passages SET id = ? WHERE source = ? AND position = ?", (id, row, position))
        fulltext.rename(write, row, new.title, new.path)
        schema.note_deletion(write)  # of the old name

    @staticmethod
    def _insert_vectors(write: sqlite3.Connection, vectors: Mapping[str, Any]) -> None:
        if not vectors:
            return
        known = write.execute("SELECT value FROM meta WHERE key = 'numbered'").fetchone()
        numbered = int(known[0]) if known else 0
        for number, (key, vector) in enumerate(vectors.items(), start=numbered + 1):
            value = np.asarray(vector, np.float32).tobytes()
            write.execute(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)",
                (key, value, number, schema.vector_checksum(key, value)),
            )
        write.execute("INSERT OR REPLACE INTO meta VALUES ('numbered', ?)", (str(numbered + len(vectors)),))

    @staticmethod
    def _insert(
        write: sqlite3.Connection,
        source: Source,
        passages: Sequence[tuple[Passage, str]],
        recognised: Iterable[tuple[int, bytes]] = (),
    ) -> int:
        """A source with its passages, each with the key of its vector, and its recognised pages, packed. Its id, for
        schema.note_sources() when those inside it are there as well."""
        holes = ", ".join("?" * len(schema.SOURCE_COLUMNS))
        cursor = write.execute(f"INSERT INTO sources ({_SOURCE}) VALUES ({holes})", _source_row(source))
        id = int(cursor.lastrowid or 0)
        for passage, key in passages:
            spans = json.dumps([(span.page, span.start, span.end) for span in passage.spans])
            headings = json.dumps(passage.headings, ensure_ascii=False)
            cursor = write.execute(
                f"INSERT INTO passages (source, {', '.join(schema.PASSAGE_COLUMNS)})"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    id, passage.id, passage.position, passage.text, headings, passage.kind, passage.page,
                    passage.page_to, spans, passage.tokens, passage.language, key, passage.confidence,
                ),
            )  # fmt: skip
            fulltext.insert(write, int(cursor.lastrowid or 0), source, passage)
        write.executemany("INSERT INTO recognised VALUES (?, ?, ?)", [(id, page, value) for page, value in recognised])
        return id

    @staticmethod
    def _remove(write: sqlite3.Connection, keys: Iterable[tuple[str, str]]) -> list[tuple[str]]:
        """Removes sources and what is inside them. The keys of the vectors that their passages had."""
        dropped: list[tuple[str]] = []
        for known in [row for key in keys for row in write.execute(_WITH_THOSE_INSIDE, key).fetchall()]:
            dropped += write.execute("SELECT DISTINCT vector FROM passages WHERE source = ?", known).fetchall()
            fulltext.remove(write, known[0])
            write.execute("DELETE FROM passages WHERE source = ?", known)
            write.execute("DELETE FROM recognised WHERE source = ?", known)
            write.execute("DELETE FROM sources WHERE id = ?", known)
            schema.note_deletion(write)
        return dropped

    @staticmethod
    def _collect_vectors(write: sqlite3.Connection, keys: list[tuple[str]]) -> None:
        """Drops those of the vectors that no passage has any more."""
        write.executemany(
            "DELETE FROM vectors WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM passages WHERE vector = ?1)", keys
        )

    @staticmethod
    def _next_revision(write: sqlite3.Connection) -> None:
        """Of the sources and their passages: what was found out about these is not true any more."""
        write.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (secrets.token_hex(8),))

    @staticmethod
    def _next_generation(write: sqlite3.Connection) -> None:
        write.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", (secrets.token_hex(8),))


# With OR, SQLite would read all sources of the folder.
_WITH_THOSE_INSIDE = (
    "SELECT id FROM sources WHERE folder = ?1 AND path = ?2"
    " UNION SELECT id FROM sources WHERE folder = ?1 AND container = ?2"
)

_CHECKS = {
    "passages without a source": "SELECT count(*) FROM passages WHERE source NOT IN (SELECT id FROM sources)",
    "passages without a vector": "SELECT count(*) FROM passages WHERE vector NOT IN (SELECT key FROM vectors)",
    "vectors without a passage": "SELECT count(*) FROM vectors WHERE key NOT IN (SELECT vector FROM passages)",
    "passages without full text": "SELECT count(*) FROM passages WHERE row NOT IN (SELECT rowid FROM terms)",
    "full text without a passage": "SELECT count(*) FROM terms WHERE rowid NOT IN (SELECT row FROM passages)",
    "documents without the file that they are inside": (
        "SELECT count(*) FROM sources s WHERE container != '' AND NOT EXISTS"
        " (SELECT 1 FROM sources WHERE folder = s.folder AND path = s.container)"
    ),
    "recognised pages without a source": "SELECT count(*) FROM recognised WHERE source NOT IN (SELECT id FROM sources)",
    "sources whose passages do not add up": (
        "SELECT count(*) FROM sources s WHERE passages != (SELECT count(*) FROM passages WHERE source = s.id)"
    ),
}
_THOROUGH_CHECKS = {
    "vectors of another length": (
        "SELECT count(*) FROM vectors WHERE length(value) != (SELECT length(value) FROM vectors LIMIT 1)"
    ),
}


def _bad_checksums(connection: sqlite3.Connection) -> list[str]:
    found = [
        f"what is stored of {printable(path)!r} does not fit its checksum"
        for id, path, checksum in connection.execute("SELECT id, path, checksum FROM sources ORDER BY path")
        if schema.source_checksum(connection, id) != checksum
    ]
    vectors = connection.execute("SELECT key, value, checksum FROM vectors")
    bad = sum(not schema.vector_fits(*row) for row in vectors)
    return [*found, f"{bad} vectors do not fit their checksums"] if bad else found


def is_catalog(file: Path) -> bool:
    """Whether a file is a catalogue, or a backup of one, going by its first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(100)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and int.from_bytes(head[68:72], "big") == schema.APPLICATION_ID


def _check_is_backup(file: Path) -> None:
    if not is_catalog(file):
        raise UsageError(f"{str(file)!r} is no backup of Cita's.", hint="`cita backup FILE` makes one.")


def salvage(folder: Path) -> None:
    """Puts a new catalogue in place of one that is damaged: its folders, and every source and vector that is sound."""
    draft = _salvaged(folder)
    draft.close()
    with translated(folder / FILE):
        rename_over(draft.path, folder / FILE)


def _salvaged(folder: Path, *, doubt: bool = False) -> Catalog:
    """A new catalogue with what is sound of one that is damaged. `doubt`: every file is to be read anew."""
    path = folder / DRAFT
    with translated(path):
        remove_files(path)
    draft = Catalog(folder, DRAFT)
    try:
        with translated(folder / FILE), closing(open_read_only(folder / FILE)) as old:
            _copy_sound(old, draft, doubt=doubt)
    except BaseException:
        draft.close()
        raise
    return draft


def _copy_sound(old: sqlite3.Connection, draft: Catalog, *, doubt: bool) -> None:
    _readable(old, "BEGIN")
    draft.set_folders(_sound_folders(old, draft.folder))
    if _readable(old, "PRAGMA user_version") == [(schema.VERSION,)]:
        for key, value in _readable(old, "SELECT key, value FROM meta WHERE key IN ('embedder', 'devices')"):
            draft.set_fact(key, value)
        try:
            draft.devices()
        except CatalogDamagedError:
            draft.set_fact("devices", "{}")
        _copy_vectors(old, draft)
        _copy_sources(old, draft, doubt=doubt)


def _readable(old: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> list[Any]:
    """Nothing where the file is damaged."""
    try:
        return old.execute(query, values).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):  # SQLite quotes in its messages what it found
        return []


def _sound_folders(old: sqlite3.Connection, folder: Path) -> list[Path]:
    paths = [path for (path,) in _readable(old, "SELECT path FROM folders ORDER BY path")]
    known = dict(_readable(old, "SELECT key, value FROM meta WHERE key = ?", (schema.FOLDERS,)))
    fits = paths and known.get(schema.FOLDERS, "") in ("", schema.folders_checksum(paths))
    return [Path(to_name(path)) for path in paths] if fits else _mirrored(folder)


def _copy_vectors(old: sqlite3.Connection, draft: Catalog) -> None:
    """In portions by the first letters of their keys: an unreadable page costs its portion only."""
    for first in range(0x1000):
        query = "SELECT key, value, checksum FROM vectors WHERE key >= ? AND key < ?"
        rows = _readable(old, query, (f"{first:03x}", f"{first:03x}g"))
        sound = {
            key: np.frombuffer(value, np.float32)
            for key, value, checksum in rows
            if schema.vector_fits(key, value, checksum)
        }
        if sound:
            with draft.transaction() as write:
                draft._insert_vectors(write, sound)


_Rows = tuple[Source, list[tuple[Passage, str]], list[tuple[int, bytes]]]


def _copy_sources(old: sqlite3.Connection, draft: Catalog, *, doubt: bool) -> None:
    """Each sound source with those inside it. One that lost any of these is to be read anew, too."""
    vectors = draft.vector_keys()
    inside: dict[tuple[str, str], list[_Rows]] = defaultdict(list)
    for (id,) in _readable(old, "SELECT id FROM sources WHERE container != '' ORDER BY id"):
        if rows := _sound_rows(old, id, vectors):
            inside[rows[0].folder, rows[0].container].append(rows)
    for (id,) in _readable(old, "SELECT id FROM sources WHERE container = '' ORDER BY id"):
        if rows := _sound_rows(old, id, vectors):
            source = rows[0]
            kept = inside[source.folder, source.path]
            lost = schema.members(old, id) != sorted(member.path for member, _, _ in kept)
            with draft.transaction() as write:
                first = (replace(source, parser="") if doubt or lost else source, *rows[1:])
                schema.note_sources(write, [draft._insert(write, *each) for each in (first, *kept)])


def _sound_rows(old: sqlite3.Connection, id: int, vectors: Container[str]) -> _Rows | None:
    try:
        row = old.execute(f"SELECT {_SOURCE}, checksum FROM sources WHERE id = ?", (id,)).fetchone()
        if row is None or schema.source_checksum(old, id) != row[-1]:
            return None
        query = f"{_PASSAGES_WITH_VECTOR} WHERE p.source = ? ORDER BY p.position"
        passages = [(_passage(rest), key) for *rest, key in old.execute(query, (id,))]
        recognised = old.execute("SELECT page, value FROM recognised WHERE source = ?", (id,)).fetchall()
        return (_source(row[:-1]), passages, recognised) if all(key in vectors for _, key in passages) else None
    except (sqlite3.Error, ValueError, TypeError, AttributeError):
        return None


def _mirrored(folder: Path) -> list[Path]:
    try:
        paths = json.loads((folder / _MIRROR).read_text(encoding="utf-8"))
        return [Path(to_name(str(path))) for path in paths]
    except (OSError, ValueError, TypeError):
        return []


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


_SOURCE = ", ".join(schema.SOURCE_COLUMNS)
_PASSAGE = (
    "p.row, p.id, s.path, p.position, p.text, p.headings, p.kind, p.page, p.page_to, p.spans, p.tokens, p.language,"
    " p.confidence, s.hidden != '[]' AND s.hidden NOT LIKE '[[\"comment\"%'"  # comments are the last of the kinds
)
_PASSAGES = f"SELECT {_PASSAGE} FROM passages p JOIN sources s ON s.id = p.source"
_PASSAGES_WITH_VECTOR = f"SELECT {_PASSAGE}, p.vector FROM passages p JOIN sources s ON s.id = p.source"


_JSON_COLUMNS = ("metadata", "tags", "links", "hidden")


def _source(row: Sequence[Any]) -> Source:
    values = dict(zip(schema.SOURCE_COLUMNS, row, strict=True))
    metadata = {str(key): str(value) for key, value in json.loads(values["metadata"]).items()}
    tags, links = (tuple(map(str, json.loads(values[name]))) for name in ("tags", "links"))
    hidden = tuple(
        HiddenText(kind, int(characters), tuple(map(int, pages)), excerpt)
        for kind, characters, pages, excerpt in json.loads(values["hidden"])
    )
    return Source(**values | {"metadata": metadata, "tags": tags, "links": links, "hidden": hidden})


def _source_row(source: Source) -> tuple[Any, ...]:
    values = {name: getattr(source, name) for name in schema.SOURCE_COLUMNS}
    values["hidden"] = [astuple(hidden) for hidden in source.hidden]
    return tuple(
        json.dumps(value, ensure_ascii=False) if name in _JSON_COLUMNS else value for name, value in values.items()
    )


def _packed(page: RecognisedPage) -> bytes:
    return zlib.compress(json.dumps(astuple(page), ensure_ascii=False).encode())


def _unpacked(value: bytes) -> RecognisedPage:
    try:
        number, width, height, text, words, *reading = json.loads(zlib.decompress(value))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    boxes = tuple((*map(int, word[:2]), *word[2:]) for word in words)
    return RecognisedPage(number, width, height, text, boxes, *reading)  # no reading: of an earlier version


def _passage(row: Sequence[Any]) -> Passage:
    _, id, path, position, text, headings, kind, page, page_to, spans, tokens, language, confidence, hides = row
    return Passage(
        id=id,
        path=path,
        position=int(position),
        text=text,
        headings=tuple(json.loads(headings)),
        kind=kind,
        page=page,
        page_to=page_to,
        spans=tuple(Span(*span) for span in json.loads(spans)),
        tokens=int(tokens),
        language=language,
        confidence=None if confidence is None else float(confidence),
        source_hides=bool(hides),
    )
