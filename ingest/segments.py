"""What is derived of a catalogue's passages, kept beside it in files that can always be made again: the inverted index
(Words, here) and the matrix of vectors (ingest.matrix).

Each file holds the sources that some index runs brought, each with its checksum and its rows: what of a file is still
true is seen by holding these against the catalogue, and nothing else of it is ever used. What no file has is made
when it is first searched for. All is therefore right without any file, with an old one, and beside a
restored catalogue. Files are merged as they come (O'Neil et al. 1996, "The Log-Structured Merge-Tree"), so that there
are few of them, and an index run writes little more than what it brought.

Covered: a process killed at any moment, a damaged file (it is removed, and made again). What was deleted is taken out
of the files by scrub().
"""

import hashlib
import json
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Generic, Protocol, TypeVar

import numpy as np

from errors import CitaError
from ingest import postings
from ingest.analyse import compounds, forms, terms
from ingest.arrays import ArraysDamagedError, Documents, Mask, Owner
from ingest.database import Database, damaged
from ingest.facts import revision
from ingest.postings import Postings

AT_ONCE = 3_000  # passages analysed while a search waits: some second
PORTION = 20_000  # passages analysed in the background at once
WORTH_A_FILE = 100  # passages
MOST_IN_MEMORY = 8  # parts
GROWTH = 4  # a file is at least so many times as large as the next

# BM25 with fields (Robertson, Zaragoza and Taylor 2004). The lengths that fields are held against are constants, for
# passages are cut to one size, so that an impact never changes; with the true averages no set was better (docs/LOG.md).
K1 = 1.0
B = 0.75
FIELDS = {"title": (2.0, 5.0), "headings": (1.5, 5.0), "body": (1.0, 70.0)}  # weight, and length in words
FORM = "="  # begins the key of a form


P = TypeVar("P", bound=Documents)
T = TypeVar("T")


class Kind(Protocol[P]):
    """What is made of passages. A part never changes."""

    @property
    def stem(self) -> str:
        """How the files' names begin."""
        ...

    @property
    def at_once(self) -> int:
        """Passages of which it is made while a search waits."""
        ...

    @property
    def largest(self) -> float:
        """Documents of a part that is made of several."""
        ...

    def stamp(self) -> str:
        """What else than the sources it is made of: a part of another stamp is not true."""
        ...

    def build(self, owners: Sequence[Owner]) -> P:
        """Of all passages of these, in order."""
        ...

    def merge(self, parts: Sequence[tuple[P, Mask]]) -> P: ...

    def write(self, part: P, folder: Path) -> P: ...

    def open(self, file: Path) -> P: ...


@dataclass(frozen=True, slots=True)
class View(Generic[P]):
    """All of a kind at one moment: its parts, each with the mask of what of it is true (None: all), and the
    passages."""

    parts: tuple[tuple[P, Mask | None], ...]
    total: int


def frequency(view: View[Postings], key: str) -> int:
    """How many passages have a key."""
    return sum(
        len(docs) if alive is None else int(alive[docs].sum())
        for part, alive in view.parts
        for docs in (part.find(key)[0],)
    )


class Sources:
    """The sources of a catalogue that have passages, as owners of these."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: tuple[tuple[str, ...], list[Owner]] = ((), [])

    def owners(self) -> list[Owner]:
        """As this thread sees the catalogue. A source's passages are stored at once: their rows follow one another."""
        stamp, known = revision(self._db), self._known
        if known[0] == stamp and stamp:
            return known[1]
        checksums = dict(self._db.read("SELECT id, checksum FROM sources"))
        spans = self._db.read("SELECT source, min(row), max(row), count(*) FROM passages GROUP BY source")
        found = [
            Owner(id, str(checksums[id]), range(first, last + 1) if last - first < count else self._rows(id))
            for id, first, last, count in spans
            if id in checksums
        ]
        self._known = stamp, found
        return found

    def _rows(self, source: int) -> tuple[int, ...]:
        """Where they do not, in a file that is damaged."""
        found = self._db.read("SELECT row FROM passages WHERE source = ? ORDER BY row", (source,))
        return tuple(row for (row,) in found)


class Segments(Generic[P]):
    """All of a kind that there is to the catalogue in a database. Without a `folder` it has no files."""

    def __init__(self, db: Database, folder: Path | None, kind: Kind[P], sources: Sources) -> None:
        self._db = db
        self._folder = folder
        self._kind = kind
        self._all_sources = sources
        self._lock = threading.RLock()  # guards what follows
        self._parts: list[P] | None = None
        self._view: tuple[tuple[str, ...], View[P]] | None = None
        self._worker: threading.Thread | None = None
        self._stopping = threading.Event()

    def view(self) -> View[P] | None:
        """All as this thread sees the catalogue; None where too much must be made first, in the background then."""
        stamp = (*revision(self._db), self._kind.stamp())
        if (known := self._view) and known[0] == stamp:
            return known[1]  # without the lock: it is held for seconds while a large file is written
        with self._lock:
            if self._view is None or self._view[0] != stamp:
                sources = self._sources()
                masks, missing = self._compared(sources)
                if sum(len(owner.rows) for owner in missing) > self._kind.at_once:
                    self._start()
                    return None
                if missing:
                    self._opened().append(self._kind.build(missing))
                    masks.append(None)
                    self._gather(masks)
                shown = tuple(zip(self._opened(), masks, strict=True))
                self._view = stamp, View(shown, sum(len(owner.rows) for owner in sources))
            return self._view[1]

    def ask(self, search: Callable[[View[P]], T], otherwise: Callable[[], T]) -> T:
        """What a search gives of all; where too much must be made first, or files are damaged again and again,
        `otherwise`."""
        for _ in range(2):
            view = self.view()
            if view is None:
                break
            try:
                return search(view)
            except ArraysDamagedError:
                self.discard()
        return otherwise()

    def save(self) -> None:
        """Into files what is in memory only, where it is worth it. Raises OSError where it cannot be written."""
        try:
            self._save()
        except ArraysDamagedError:
            self.discard()
            self._save()

    def keep_up(self) -> None:
        """Analyses what is in no part, in memory, so that save() finds it done."""
        with suppress(ArraysDamagedError):  # save() makes all of it anew
            self._catch_up()

    def _save(self) -> None:
        self._catch_up()
        with self._lock:
            fresh = [part for part in self._opened() if part.file is None]
            if self._folder and sum(map(len, fresh)) >= WORTH_A_FILE:
                self._merge_files(fresh)

    def scrub(self, limit: int) -> None:
        """Takes what is not true any more out of the files of up to `limit` bytes. Raises OSError if it cannot."""
        try:
            self._scrub(limit)
        except ArraysDamagedError:
            self.discard()

    def _scrub(self, limit: int) -> None:
        with self._lock:
            masks, _ = self._compared(self._sources())
            for part, alive in zip(tuple(self._opened()), masks, strict=True):
                if alive is None or not alive.any():
                    if alive is not None:
                        self._replace([part], None)
                elif part.file is None or part.file.stat().st_size <= limit:
                    self._replace([part], self._kind.merge([(part, alive)]))

    def discard(self) -> None:
        """Removes all files; what is needed is made again."""
        with self._lock:
            for part in self._parts or ():
                _remove(part)
            self._parts, self._view = [], None

    def close(self) -> None:
        self._stopping.set()
        if self._worker:
            self._worker.join()

    # --- what there is

    def _sources(self) -> list[Owner]:
        """With what their parts know them by."""
        stamp, owners = self._kind.stamp(), self._all_sources.owners()
        return [replace(owner, checksum=_checksum(stamp + owner.checksum)) for owner in owners] if stamp else owners

    def _opened(self) -> list[P]:
        if self._parts is None:
            self._parts = sorted(self._files(), key=len, reverse=True)
        return self._parts

    def _files(self) -> Iterator[P]:
        for file in self._folder.glob(f"{self._kind.stem}-*") if self._folder else ():
            try:
                if file.suffix:
                    file.unlink()  # left by a process that was killed
                else:
                    yield self._kind.open(file)
            except ArraysDamagedError:
                with suppress(OSError):
                    file.unlink()
            except OSError:
                continue  # it is made again

    def _compared(self, sources: Sequence[Owner]) -> tuple[list[Mask | None], list[Owner]]:
        """For each part what of it is true, and the sources that are in none."""
        wanted = {(owner.id, owner.checksum): owner for owner in sources}
        masks: list[Mask | None] = []
        for part in self._opened():
            alive = np.zeros(len(part), bool)
            firsts = part.rows.tolist()
            for id, checksum, start, end in part.owners():
                owner = wanted.get((id, checksum))
                if owner and owner.rows[0] == firsts[start] and len(owner.rows) == end - start:
                    alive[start:end] = True
                    del wanted[id, checksum]
            masks.append(None if alive.all() else alive)
        return masks, list(wanted.values())

    # --- making it

    def _catch_up(self) -> None:
        """Analyses all that is in no part, a portion at a time. Searches go on meanwhile."""
        while not self._stopping.is_set():
            with self._db.snapshot():
                with self._lock:
                    missing = _first(self._compared(self._sources())[1], PORTION)
                if not missing:
                    return
                made = self._kind.build(missing)
            with self._lock:
                self._opened().append(made)
                fresh = [part for part in self._opened() if part.file is None]
                if self._folder and sum(map(len, fresh)) + PORTION > self._kind.largest:
                    self._merge_files(fresh)

    def _gather(self, masks: list[Mask | None]) -> None:
        """What is in memory as one part, where it is many."""
        parts = self._opened()
        fresh = [place for place, part in enumerate(parts) if part.file is None]
        if len(fresh) > MOST_IN_MEMORY:
            kept = [(parts[place], _mask(parts[place], masks[place])) for place in fresh]
            for place in reversed(fresh):
                del parts[place], masks[place]
            parts.append(self._kind.merge(kept))
            masks.append(None)

    def _merge_files(self, fresh: Sequence[P]) -> None:
        """What is new as one file, with those of the files that are not much larger."""
        assert self._folder is not None
        masks, _ = self._compared(self._sources())
        alive = {id(part): _mask(part, mask) for part, mask in zip(self._opened(), masks, strict=True)}
        files = sorted((part for part in self._opened() if part.file), key=len)
        merged, size = list(fresh), sum(map(len, fresh))
        while files and len(files[0]) < GROWTH * size and size + len(files[0]) <= self._kind.largest:
            merged.append(files.pop(0))
            size += len(merged[-1])
        kept = [(part, alive[id(part)]) for part in merged if alive[id(part)].any()]
        self._replace(merged, self._kind.merge(kept) if kept else None)

    def _replace(self, old: Sequence[P], new: P | None) -> None:
        """The new one is in a file if it can be, and in the place of the others, whose files are gone."""
        parts = self._opened()
        if new is not None:
            parts.append(self._kind.write(new, self._folder) if self._folder else new)
        for part in old:
            parts.remove(part)
            _remove(part)
        self._view = None

    # --- in the background

    def _start(self) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._make, name=f"making {self._kind.stem}", daemon=True)
            self._worker.start()

    def _make(self) -> None:
        """Where it fails the next search starts it again."""
        with suppress(CitaError, OSError):
            self.save()


def _first(owners: Sequence[Owner], passages: int) -> list[Owner]:
    """As many as have so many passages; one at least."""
    found, count = [], 0
    for owner in owners:
        found.append(owner)
        count += len(owner.rows)
        if count >= passages:
            break
    return found


def _mask(part: Documents, alive: Mask | None) -> Mask:
    return np.ones(len(part), bool) if alive is None else alive


def _remove(part: Documents) -> None:
    if part.file:
        with suppress(OSError):  # while it is mapped, on Windows: nothing of it is used any more, and it goes later
            part.file.unlink()


def _checksum(of: str) -> str:
    return hashlib.blake2b(of.encode(), digest_size=8).hexdigest()


# --- the inverted index

_NAMED = "SELECT id, title, path FROM sources WHERE id IN"
_TEXTS = "SELECT source, row, text, headings, language FROM passages WHERE source IN"


class Words:
    """Implements Kind by inverted indexes."""

    stem = postings.STEM
    largest = math.inf

    def __init__(self, db: Database) -> None:
        self._db = db

    @property
    def at_once(self) -> int:
        return AT_ONCE

    def stamp(self) -> str:
        return ""

    def build(self, owners: Sequence[Owner]) -> Postings:
        return postings.build(owners, self._documents(owners))

    def merge(self, parts: Sequence[tuple[Postings, Mask]]) -> Postings:
        return postings.merge(parts)

    def write(self, part: Postings, folder: Path) -> Postings:
        return postings.write(part, folder)

    def open(self, file: Path) -> Postings:
        return postings.open_file(file)

    def _documents(self, owners: Sequence[Owner]) -> Iterator[Mapping[str, float]]:
        """Impacts of the passages of sources, in order."""
        for start in range(0, len(owners), 500):
            portion = owners[start : start + 500]
            ids = [owner.id for owner in portion]
            named = {id: (title, path) for id, title, path in self._db.read_many(_NAMED, ids)}
            passages = defaultdict(list)
            for id, row, *rest in self._db.read_many(_TEXTS, ids):
                passages[id].append((row, *rest))
            for owner in portion:
                found = {row: rest for row, *rest in passages[owner.id]}
                for row in owner.rows:
                    text, headings, language = found.get(row, ("", "[]", "en"))
                    yield self._impacts(*named.get(owner.id, ("", "")), headings, text, language)

    def _impacts(self, title: str, path: str, headings: str, text: str, language: str) -> Mapping[str, float]:
        try:
            return impacts(title, path, tuple(map(str, json.loads(headings))), text, language)
        except (ValueError, TypeError, AttributeError) as error:
            raise damaged(self._db.path, f"a passage is not what was written ({error})") from error


def impacts(title: str, path: str, headings: tuple[str, ...], text: str, language: str) -> dict[str, float]:
    """What each key of a passage adds to a score, but for the key's weight: at most K1 + 1.

    The keys are stems and compounds as they are, forms after FORM.
    """
    found = dict(_named(title, path, language))
    for keys in (_headed(headings, language), _counted("body", [text], language)):
        for key, frequency in keys.items():
            found[key] = found.get(key, 0.0) + frequency
    return {key: (K1 + 1) * frequency / (K1 + frequency) for key, frequency in found.items()}


@lru_cache(maxsize=64)
def _named(title: str, path: str, language: str) -> Mapping[str, float]:
    """The words that a source is known by, each once: its title, its folders and its name."""
    return _counted("title", [title, PurePosixPath(path).with_suffix("").as_posix()], language, once=True)


@lru_cache(maxsize=64)
def _headed(headings: tuple[str, ...], language: str) -> Mapping[str, float]:
    return _counted("headings", headings, language)


def _counted(field: str, texts: Iterable[str], language: str, *, once: bool = False) -> dict[str, float]:
    """How often a field has each key, made small by its length, times its weight."""
    weight, usual = FIELDS[field]
    found: dict[str, float] = defaultdict(float)
    length = 0
    for text in texts:
        stems = terms(text, language) if text else []
        length += len(stems)
        for key in (*stems, *(FORM + form for form in forms(text, language)), *_identifiers(text, language)):
            found[key] += 1.0
    norm = weight / (1 - B + B * length / usual)
    return {key: norm if once else norm * count for key, count in found.items()}


def _identifiers(text: str, language: str) -> Iterator[str]:
    """Of compounds what terms() does not give."""
    for compound in compounds(text, language):
        yield from compound.parts or (compound.whole,)


def weight(frequency: int, total: int) -> float:
    """Of a key that so many of all passages have: its inverse document frequency, above 0. One that no passage has
    tells as much as one of a single passage."""
    seen = min(max(frequency, 1), total)
    return math.log1p((total - seen + 0.5) / (seen + 0.5))
