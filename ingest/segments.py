"""The inverted index of a catalogue's passages, kept beside it in files that can always be made again.

Each file holds the sources that some index runs brought, each with its checksum and its rows: what of a file is still
true is seen by holding these against the catalogue, and nothing else of it is ever used. What no file has is analysed
when it is first searched for. The index is therefore right without any file, with an old one, and beside a
restored catalogue. Files are merged as they come (O'Neil et al. 1996, "The Log-Structured Merge-Tree"), so that there
are few of them, and an index run writes little more than what it brought.

Covered: a process killed at any moment, a damaged file (it is removed, and made again). What was deleted is taken out
of the files by scrub().
"""

import json
import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from errors import CitaError
from ingest.analyse import compounds, forms, terms
from ingest.database import Database, damaged
from ingest.facts import revision
from ingest.postings import Mask, Owner, Postings, PostingsDamagedError, build, merge, open_file, write

STEM = "postings"  # how the files' names begin
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


@dataclass(frozen=True, slots=True)
class View:
    """The index at one moment: its parts, each with the mask of what of it is true (None: all), and the passages."""

    parts: tuple[tuple[Postings, Mask | None], ...]
    total: int

    def frequency(self, key: str) -> int:
        """How many passages have a key."""
        return sum(
            len(docs) if alive is None else int(alive[docs].sum())
            for part, alive in self.parts
            for docs in (part.find(key)[0],)
        )


class Segments:
    """The inverted index of the catalogue in a database. Without a `folder` it has no files."""

    def __init__(self, db: Database, folder: Path | None) -> None:
        self._db = db
        self._folder = folder
        self._lock = threading.RLock()  # guards what follows
        self._parts: list[Postings] | None = None
        self._view: tuple[tuple[str, ...], View] | None = None
        self._worker: threading.Thread | None = None
        self._stopping = threading.Event()

    def view(self) -> View | None:
        """The index as this thread sees the catalogue; None where too much of it must be made first, in the background
        then."""
        stamp = revision(self._db)
        if (known := self._view) and known[0] == stamp:
            return known[1]  # without the lock: it is held for seconds while a large file is written
        with self._lock:
            if self._view is None or self._view[0] != stamp:
                sources = self._sources()
                masks, missing = self._compared(sources)
                if sum(len(owner.rows) for owner in missing) > AT_ONCE:
                    self._start()
                    return None
                if missing:
                    self._opened().append(build(missing, self._documents(missing)))
                    masks.append(None)
                    self._gather(masks)
                shown = tuple(zip(self._opened(), masks, strict=True))
                self._view = stamp, View(shown, sum(len(owner.rows) for owner in sources))
            return self._view[1]

    def save(self) -> None:
        """Into files what is in memory only, where it is worth it. Raises OSError where it cannot be written."""
        self._catch_up()
        with self._lock:
            fresh = [part for part in self._opened() if part.file is None]
            if self._folder and sum(map(len, fresh)) >= WORTH_A_FILE:
                self._merge_files(fresh)

    def scrub(self, limit: int) -> None:
        """Takes what is not true any more out of the files of up to `limit` bytes. Raises OSError if it cannot."""
        with self._lock:
            masks, _ = self._compared(self._sources())
            for part, alive in zip(tuple(self._opened()), masks, strict=True):
                if alive is None or not alive.any():
                    if alive is not None:
                        self._replace([part], None)
                elif part.file is None or part.file.stat().st_size <= limit:
                    self._replace([part], merge([(part, alive)]))

    def discard(self) -> None:
        """Removes all files; what is needed of the index is made again."""
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
        """Those that have passages. A source's passages are stored at once: their rows follow one another."""
        checksums = dict(self._db.read("SELECT id, checksum FROM sources"))
        spans = self._db.read("SELECT source, min(row), max(row), count(*) FROM passages GROUP BY source")
        return [
            Owner(id, str(checksums[id]), range(first, last + 1) if last - first < count else self._rows(id))
            for id, first, last, count in spans
            if id in checksums
        ]

    def _rows(self, source: int) -> tuple[int, ...]:
        """Where they do not, in a file that is damaged."""
        found = self._db.read("SELECT row FROM passages WHERE source = ? ORDER BY row", (source,))
        return tuple(row for (row,) in found)

    def _opened(self) -> list[Postings]:
        if self._parts is None:
            self._parts = sorted(self._files(), key=len, reverse=True)
        return self._parts

    def _files(self) -> Iterator[Postings]:
        for file in self._folder.glob(f"{STEM}-*") if self._folder else ():
            try:
                if file.suffix:
                    file.unlink()  # left by a process that was killed
                else:
                    yield open_file(file)
            except PostingsDamagedError:
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
                made = build(missing, self._documents(missing))
            with self._lock:
                self._opened().append(made)

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

    def _gather(self, masks: list[Mask | None]) -> None:
        """What is in memory as one part, where it is many."""
        parts = self._opened()
        fresh = [place for place, part in enumerate(parts) if part.file is None]
        if len(fresh) > MOST_IN_MEMORY:
            kept = [(parts[place], _mask(parts[place], masks[place])) for place in fresh]
            for place in reversed(fresh):
                del parts[place], masks[place]
            parts.append(merge(kept))
            masks.append(None)

    def _merge_files(self, fresh: Sequence[Postings]) -> None:
        """What is new as one file, with those of the files that are not much larger."""
        assert self._folder is not None
        masks, _ = self._compared(self._sources())
        alive = {id(part): _mask(part, mask) for part, mask in zip(self._opened(), masks, strict=True)}
        files = sorted((part for part in self._opened() if part.file), key=len)
        merged, size = list(fresh), sum(map(len, fresh))
        while files and len(files[0]) < GROWTH * size:
            merged.append(files.pop(0))
            size += len(merged[-1])
        kept = [(part, alive[id(part)]) for part in merged if alive[id(part)].any()]
        self._replace(merged, merge(kept) if kept else None)

    def _replace(self, old: Sequence[Postings], new: Postings | None) -> None:
        """The new one is in a file if it can be, and in the place of the others, whose files are gone."""
        parts = self._opened()
        if new is not None:
            parts.append(write(new, self._folder, STEM) if self._folder else new)
        for part in old:
            parts.remove(part)
            _remove(part)
        self._view = None

    # --- in the background

    def _start(self) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._make, name="full-text", daemon=True)
            self._worker.start()

    def _make(self) -> None:
        """Where it fails the next search starts it again."""
        with suppress(CitaError, OSError, PostingsDamagedError):
            self.save()


_NAMED = "SELECT id, title, path FROM sources WHERE id IN"
_TEXTS = "SELECT source, row, text, headings, language FROM passages WHERE source IN"


def _first(owners: Sequence[Owner], passages: int) -> list[Owner]:
    """As many as have so many passages; one at least."""
    found, count = [], 0
    for owner in owners:
        found.append(owner)
        count += len(owner.rows)
        if count >= passages:
            break
    return found


def _mask(part: Postings, alive: Mask | None) -> Mask:
    return np.ones(len(part), bool) if alive is None else alive


def _remove(part: Postings) -> None:
    if part.file:
        with suppress(OSError):  # while it is mapped, on Windows: nothing of it is used any more, and it goes later
            part.file.unlink()


# --- impacts


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
