"""An inverted index of documents: for each key those that have it, each with its impact (what it adds to a score, but
for the key's weight). It never changes once it is made; it is made in memory, merged, and kept in a file.

Everything in a file has a checksum (ingest.arrays): that of its keys and documents is looked at when it is opened, that
of a key's postings when they are first used. A file that is not as it was written raises ArraysDamagedError, at once or
then; nothing else is ever thrown about its content.
"""

import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest import arrays
from ingest.arrays import DOCUMENTS, Arrays, ArraysDamagedError, Docs, Documents, Format, Mask, Owner

STEM = "postings"  # how the files' names begin
_PORTION = 1 << 20  # postings merged at once

Impacts = NDArray[np.float16]
Scores = NDArray[np.float32]

# The version is also that of what is analysed (ingest.segments.impacts).
_FORMAT = Format(
    b"CitaPost",
    2,
    {
        **DOCUMENTS,
        "keys": np.uint8,  # all keys, one after the other, in UTF-8 and sorted
        "key_ends": np.int64,  # (keys,) in bytes
        "ends": np.int64,  # (keys,) in postings
        "sums": np.uint32,  # (keys,) checksums of their postings
        "docs": np.int32,  # (postings,) of each key ascending
        "impacts": np.float16,  # (postings,)
    },
    later=("docs", "impacts"),
)


class Postings(Documents):
    """The arrays above."""

    def __init__(self, arrays: Arrays, file: Path | None = None) -> None:
        super().__init__(arrays, file)
        self.docs: Docs = arrays["docs"]
        self.impacts: Impacts = arrays["impacts"]
        self._keys = arrays["keys"].tobytes()
        self._key_ends = arrays["key_ends"]
        self._ends = arrays["ends"]
        self._checked: set[int] | None = None if file is None else set()

    @property
    def key_count(self) -> int:
        return len(self._ends)

    def key(self, place: int) -> bytes:
        return self._keys[int(self._key_ends[place - 1]) if place else 0 : int(self._key_ends[place])]

    def place(self, key: bytes) -> int:
        """Where a key is, or would be, among all in their order."""
        low, high = 0, self.key_count
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def keys(self, first: int, last: int) -> list[bytes]:
        return [self.key(place) for place in range(first, last)]

    def frequencies(self, first: int, last: int) -> NDArray[np.int64]:
        """How many documents have each of these keys."""
        return np.diff(self._ends[first:last], prepend=self._ends[first - 1] if first else 0)

    def find(self, key: str) -> tuple[Docs, Impacts]:
        """The documents that have a key and its impacts on them; empty for one that none has."""
        wanted = key.encode()
        place = self.place(wanted)
        if place == self.key_count or self.key(place) != wanted:
            return self.docs[:0], self.impacts[:0]
        return self.at(place)

    def at(self, place: int) -> tuple[Docs, Impacts]:
        start, end = int(self._ends[place - 1]) if place else 0, int(self._ends[place])
        docs, impacts = self.docs[start:end], self.impacts[start:end]
        if self._checked is not None and place not in self._checked:
            if _sum(docs, impacts) != self.arrays["sums"][place]:
                raise ArraysDamagedError(f"the postings of key {place} are not what was written")
            self._checked.add(place)
        return docs, impacts

    def check(self) -> None:
        """Raises ArraysDamagedError unless all of a file is as it was written."""
        for place in range(self.key_count) if self._checked is not None else ():
            self.at(place)


def build(owners: Sequence[Owner], documents: Iterable[Mapping[str, float]]) -> Postings:
    """Of documents given by the impacts of their keys, in the order of their owners' rows."""
    numbers: dict[str, int] = {}
    keys, docs, impacts = array("i"), array("i"), array("f")
    for doc, document in enumerate(documents):
        for key, impact in document.items():
            keys.append(numbers.setdefault(key, len(numbers)))
            docs.append(doc)
            impacts.append(impact)
    names = sorted(key.encode() for key in numbers)
    place_of = np.empty(len(numbers), np.int64)
    place_of[[numbers[name.decode()] for name in names]] = np.arange(len(numbers))
    places = place_of[np.frombuffer(keys, np.int32)]
    order = np.argsort(places, kind="stable")
    found = np.frombuffer(docs, np.int32)[order], np.frombuffer(impacts, np.float32)[order].astype(np.float16)
    return Postings(_arrays(owners, names, np.cumsum(np.bincount(places, minlength=len(names))), *found))


def _arrays(
    owners: Sequence[Owner], names: Sequence[bytes], ends: NDArray[np.int64], docs: Docs, impacts: Impacts
) -> dict[str, NDArray[Any]]:
    bounds = pairwise([0, *ends.tolist()])
    return {
        **arrays.documents(owners),
        "keys": np.frombuffer(b"".join(names), np.uint8),
        "key_ends": np.cumsum(np.array([len(name) for name in names], np.int64)),
        "ends": ends.astype(np.int64),
        "sums": np.array([_sum(docs[start:end], impacts[start:end]) for start, end in bounds], np.uint32),
        "docs": docs,
        "impacts": impacts,
    }


def _sum(docs: Docs, impacts: Impacts) -> int:
    return zlib.crc32(impacts.tobytes(), zlib.crc32(docs.tobytes()))


def merge(parts: Sequence[tuple[Postings, Mask]]) -> Postings:
    """One of several, with those of the documents that their masks keep: of each owner all or none. Keys that no
    document has any more are gone.

    Raises ArraysDamagedError if a file among them is damaged.
    """
    owners, shifts, kept = [], [], 0
    for part, alive in parts:
        part.check()
        owners += part.kept_owners(alive)
        shifts.append((np.cumsum(alive) - 1 + kept).astype(np.int32))
        kept += int(alive.sum())
    names, counts = _merged_keys(parts)
    totals: NDArray[np.int64] = np.sum(counts, axis=0)
    some = totals > 0
    names = [name for name, any_has in zip(names, some.tolist(), strict=True) if any_has]
    ends = np.cumsum(totals[some])
    docs, impacts = np.empty(int(totals.sum()), np.int32), np.empty(int(totals.sum()), np.float16)
    starts = np.concatenate([[0], np.cumsum(totals)[:-1]]) if len(totals) else totals
    for (part, alive), shift, count in zip(parts, shifts, counts, strict=True):
        _copy(part, alive, shift, starts[count > 0], docs, impacts)
        starts = starts + count
    return Postings(_arrays(owners, names, ends, docs, impacts))


def _merged_keys(parts: Sequence[tuple[Postings, Mask]]) -> tuple[list[bytes], list[NDArray[np.int64]]]:
    """All keys in order, and for each part how many of its kept documents have each of them."""
    all_keys = [part.keys(0, part.key_count) for part, _ in parts]
    names = sorted(set().union(*all_keys))
    place_of = {name: place for place, name in enumerate(names)}
    counts = []
    for (part, alive), keys in zip(parts, all_keys, strict=True):
        count = np.zeros(len(names), np.int64)
        count[[place_of[key] for key in keys]] = _kept_per_key(part, alive)
        counts.append(count)
    return names, counts


def _kept_per_key(part: Postings, alive: Mask) -> NDArray[np.int64]:
    if alive.all():
        return part.frequencies(0, part.key_count)
    before = np.concatenate([[0], np.cumsum(alive[part.docs], dtype=np.int64)])
    kept: NDArray[np.int64] = np.diff(before[part.arrays["ends"]], prepend=0)
    return kept


def _copy(part: Postings, alive: Mask, shift: Docs, starts: NDArray[np.int64], docs: Docs, impacts: Impacts) -> None:
    """A part's kept postings to where those of each of its keys start, in portions of whole keys."""
    ends = part.arrays["ends"]
    counts = _kept_per_key(part, alive)
    target = np.zeros(part.key_count, np.int64)
    target[counts > 0] = starts
    first = 0
    while first < part.key_count:
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + _PORTION)))
        own = part.docs[begin : int(ends[last - 1])]
        keep = alive[own]
        count = counts[first:last]
        within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        to = np.repeat(target[first:last], count) + within
        docs[to] = shift[own[keep]]
        impacts[to] = part.impacts[begin : int(ends[last - 1])][keep]
        first = last


# --- files


def write(postings: Postings, folder: Path) -> Postings:
    """Writes it into a new file of the folder, whole or not at all (OSError), and opens that."""
    return open_file(arrays.write(postings.arrays, _FORMAT, folder, STEM))


def open_file(file: Path) -> Postings:
    """Raises ArraysDamagedError if it is not a whole file of this version, OSError if it cannot be read."""
    return Postings(arrays.read(file, _FORMAT), file)
