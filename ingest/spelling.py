"""Which words of a vocabulary a word that is in none may have been meant to be."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ingest.analyse import fold
from ingest.postings import Postings

SHORTEST, LONGEST = 4, 32  # letters
LONG = 8  # letters from which on two slips are forgiven
MOST = 3  # words
_LETTERS = np.uint64(1) << (np.arange(256, dtype=np.uint64) & np.uint64(63))
_ASCII = 0x80

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


def nearest(word: str, parts: Sequence[Postings], prefix: str) -> list[tuple[str, int]]:
    """The likeliest words and how many documents have each: those that one slip of the finger makes of a folded word
    (two from LONG letters on; Damerau 1964), those of the fewest slips and then the commonest first; after these the
    words that begin so. Accents are no slips.

    Keys of words begin with `prefix`. Words with digits, and those below SHORTEST letters, are like no other.
    """
    if not SHORTEST <= len(word) <= LONGEST or not word.isalpha():
        return []
    most = 2 if len(word) >= LONG else 1
    found: Counter[tuple[int, str]] = Counter()
    for part in parts:
        for near, slips, frequency in _like(part, word, prefix.encode(), most):
            found[slips, near] += frequency
    best = sorted(found.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [(near, frequency) for (_, near), frequency in best[:MOST]]


def _like(part: Postings, word: str, prefix: bytes, most: int) -> list[tuple[str, int, int]]:
    """Words of one part with their slips (most + 1 for those that begin with the word) and frequencies."""
    vocabulary = _vocabulary(part, prefix)
    begin, end = (part.place(prefix + word.encode() + last) - vocabulary.first for last in (b"", b"\xff"))
    found = dict.fromkeys(range(begin, end), most + 1)
    for words, places in ((vocabulary.plain, vocabulary.plain_places), (vocabulary.foreign, vocabulary.foreign_places)):
        close, slips = words.close(word.encode(), most)
        found |= dict(zip(places[close].tolist(), slips.tolist(), strict=True))
    return [
        (part.key(vocabulary.first + place)[len(prefix) :].decode(), slips, int(vocabulary.frequencies[place]))
        for place, slips in found.items()
    ]


class _Words:
    """Folded words in one run of bytes: where they start, their lengths, and which letters each has."""

    def __init__(self, run: Bytes, starts: Numbers, lengths: Numbers) -> None:
        self._run, self._starts, self._lengths = run, starts, lengths
        # Between a word and the next may stand what is of neither: every other slice is a word.
        bounds = np.stack([starts, starts + lengths], axis=1).ravel()
        bits = np.append(_LETTERS[run], np.uint64(0))
        self._letters = np.bitwise_or.reduceat(bits, bounds)[::2] if len(starts) else np.zeros(0, np.uint64)

    def close(self, word: bytes, most: int) -> tuple[Numbers, Numbers]:
        """Numbers of the words within so many slips, and their slips."""
        letters = np.bitwise_or.reduce(_LETTERS[np.frombuffer(word, np.uint8)])
        # A slip takes one letter away and brings one, at most, and changes the length by one.
        likely = np.abs(self._lengths - len(word)) <= most
        likely &= np.bitwise_count(letters & ~self._letters) <= most
        likely &= np.bitwise_count(self._letters & ~letters) <= most
        some = np.flatnonzero(likely)
        at = self._starts[some][:, None] + np.arange(int(self._lengths[some].max(initial=0)))
        slips = _slips(word, self._run[np.minimum(at, max(len(self._run) - 1, 0))], self._lengths[some], most)
        return some[slips <= most], slips[slips <= most]


class _Vocabulary:
    """The words among a part's keys: those in ASCII as they stand there, and the others folded."""

    def __init__(self, part: Postings, prefix: bytes) -> None:
        self.first, last = part.place(prefix), part.place(prefix + b"\xff")
        self.frequencies = part.frequencies(self.first, last)
        ends: Numbers = part.arrays["key_ends"][self.first : last]
        run: Bytes = part.arrays["keys"]
        starts = np.concatenate([part.arrays["key_ends"][self.first - 1 : self.first] if self.first else [0], ends])[
            :-1
        ]
        foreign = np.zeros(len(ends), bool)
        if len(ends):
            foreign = np.maximum.reduceat(run[: ends[-1]], starts) >= _ASCII
        self.plain_places, self.foreign_places = np.flatnonzero(~foreign), np.flatnonzero(foreign)
        begins = starts + len(prefix)
        self.plain = _Words(run, begins[~foreign], (ends - begins)[~foreign])
        others = self.foreign_places.tolist()
        folded = [fold(part.key(self.first + place)[len(prefix) :].decode()).encode() for place in others]
        lengths = np.array([len(word) for word in folded], np.int64)
        self.foreign = _Words(np.frombuffer(b"".join(folded), np.uint8), np.cumsum(lengths) - lengths, lengths)


@lru_cache(maxsize=8)
def _vocabulary(part: Postings, prefix: bytes) -> _Vocabulary:
    return _Vocabulary(part, prefix)


def _slips(word: bytes, others: Bytes, lengths: Numbers, most: int) -> Numbers:
    """For each of the others (n, letters), of these lengths: how many letters are put in, left out, changed or swapped
    with the next to make it of the word; most + 1 for more."""
    width = others.shape[1]
    columns = np.ascontiguousarray(others.T)
    above: list[NDArray[np.uint8]] = []
    row = [np.full(len(others), j, np.uint8) for j in range(width + 1)]
    for i, letter in enumerate(word, start=1):
        earlier, above = above, row
        row = [np.full(len(others), i, np.uint8)]
        for j in range(1, width + 1):
            least = np.minimum(above[j], row[j - 1]) + np.uint8(1)
            np.minimum(least, above[j - 1] + (columns[j - 1] != letter), out=least)
            if i > 1 and j > 1:
                swapped = (columns[j - 2] == letter) & (columns[j - 1] == word[i - 2])
                np.minimum(least, np.where(swapped, earlier[j - 2] + np.uint8(1), least), out=least)
            row.append(least)
    found = np.stack(row)[lengths, np.arange(len(others))] if len(others) else np.zeros(0, np.uint8)
    return np.minimum(found, most + 1).astype(np.int64)
