"""Near-duplicate passages: the same page header in 300 letters, a file and its mirror. One of them is shown, with the
places of the others.

Two passages are near-duplicates if they have the same numbers, in any order, and share most of their runs of four words
(Broder 1997, "On the Resemblance and Containment of Documents"). A letter that differs in an amount or a date is no
duplicate: that is what somebody will ask for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest.types import Passage

SHINGLE = 4  # words
RESEMBLANCE = 0.8  # shared shingles over all of both

_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Group:
    """A passage and, in the order in which they came, those that say the same. `row` and `score` are the first's."""

    row: int
    score: float
    passage: Passage
    copies: list[Passage] = field(default_factory=list)


def collapse(ranked: Iterable[tuple[int, float, Passage]], enough: int) -> Iterator[Group]:
    """Groups of near-duplicates among (row, score, passage), in order, until there are `enough` of them."""
    groups: list[tuple[Group, _Sketch]] = []
    for row, score, passage in ranked:
        sketch = _Sketch.of(passage.text)
        same = next((group for group, other in groups if sketch.resembles(other)), None)
        if same is not None:
            same.copies.append(passage)
        elif len(groups) < enough:
            groups.append((Group(row, score, passage), sketch))
        else:
            break
    yield from (group for group, _ in groups)


@dataclass(frozen=True, slots=True)
class _Sketch:
    numbers: frozenset[tuple[str, int]]
    shingles: frozenset[int]

    @classmethod
    def of(cls, text: str) -> "_Sketch":
        words = _WORD.findall(text.casefold())
        numbers = Counter(word for word in words if any(map(str.isdigit, word)))
        runs = zip(*(words[at:] for at in range(SHINGLE)), strict=False) if len(words) >= SHINGLE else [tuple(words)]
        return cls(frozenset(numbers.items()), frozenset(map(hash, runs)))

    def resembles(self, other: "_Sketch") -> bool:
        few, many = sorted((len(self.shingles), len(other.shingles)))
        if few < RESEMBLANCE * many or self.numbers != other.numbers:
            return False
        shared = len(self.shingles & other.shingles)
        return shared >= RESEMBLANCE * (few + many - shared)
