"""Near-duplicate passages: the same page header in 300 letters, a file and its mirror. One of them is shown, with the
places of the others.

Two passages are near-duplicates if they have the same numbers, in any order, and share most of their runs of four words
(Broder 1997, "On the Resemblance and Containment of Documents"). A letter that differs in an amount or a date is no
duplicate: that is what somebody will ask for.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest.types import Passage

SHINGLE = 4  # words
RESEMBLANCE = 0.8  # shared shingles over all of both

_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")

Numbers = frozenset[tuple[str, int]]
Shingles = frozenset[int]


@dataclass(slots=True)
class Group:
    """A passage and, in the order in which they came, those that say the same. `row` and `score` are the first's."""

    row: int
    score: float
    passage: Passage
    copies: list[Passage] = field(default_factory=list)


def collapse(ranked: Iterable[tuple[int, float, Passage]], enough: int) -> Iterator[Group]:
    """Groups of near-duplicates among (row, score, passage), in order, until there are `enough` of them."""
    groups: list[Group] = []
    alike: defaultdict[Numbers, list[tuple[Group, Shingles]]] = defaultdict(list)  # those with the same numbers
    for row, score, passage in ranked:
        numbers, shingles = _sketch(passage.text)
        same = next((group for group, other in alike[numbers] if _resemble(shingles, other)), None)
        if same is not None:
            same.copies.append(passage)
        elif len(groups) < enough:
            groups.append(Group(row, score, passage))
            alike[numbers].append((groups[-1], shingles))
        else:
            break
    yield from groups


def _sketch(text: str) -> tuple[Numbers, Shingles]:
    folded = text.casefold()
    words = _WORD.findall(folded)
    runs = zip(*(words[at:] for at in range(SHINGLE)), strict=False) if len(words) >= SHINGLE else [tuple(words)]
    # And words with digits in them. Most words are letters only, which is seen at once.
    numbers = (word for word in words if not word.isalpha() and _DIGIT.search(word))
    return frozenset(Counter(numbers).items()), frozenset(map(hash, runs))


def _resemble(one: Shingles, other: Shingles) -> bool:
    few, many = sorted((len(one), len(other)))
    return few >= RESEMBLANCE * many and len(one & other) >= RESEMBLANCE * len(one | other)
