"""Sources that give different values for the same: what a person must see side by side, not averaged.

Found by rules: two pieces of different sources conflict where both are likely answers, say nearly the same, and give
values of the kind asked for that differ. Not found: contradictions that are no date, figure or name, and those in other
words altogether.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.analyse import stem, words
from ingest.stopwords import STOPWORDS
from rag.answer_type import Value
from rag.candidates import Candidate
from rag.types import Hit

ALIKE = 0.5  # the share of the smaller one's words that two pieces must have in common, their values aside
FEWEST = 3  # words in common


@dataclass(frozen=True, slots=True)
class Claim:
    """A value and the piece that gives it."""

    value: Value
    candidate: Candidate


def find_conflict(likely: Sequence[Candidate], hits: Sequence[Hit]) -> list[Claim]:
    """What the likely candidates (best first) give as different answers, each with its best piece; nothing if they
    agree, or but one source speaks."""
    if not likely or not likely[0].values:
        return []
    best = likely[0]
    claims = [Claim(best.values[0].value, best)]
    for other in likely[1:]:
        path = hits[other.n - 1].passage.path
        if not other.values or path == hits[best.n - 1].passage.path:
            continue
        value = _counterpart(best, other, hits)
        if value and not any(_same(value, claim.value) for claim in claims):
            claims.append(Claim(value, other))
    return claims if len(claims) > 1 else []


def _counterpart(best: Candidate, other: Candidate, hits: Sequence[Hit]) -> Value | None:
    """What the other piece has in the place of the best one's value; None where it says the same or something else."""
    known = {value.value.key for value in best.values}
    theirs = [one.value for one in other.values]
    first = best.values[0].value
    if any(_same(first, value) for value in theirs):
        return None
    language = hits[best.n - 1].passage.language
    said = _content(best.text, language) - _content(first.text, language)
    for value in theirs:
        if value.key in known:  # both speak of it
            continue
        also = _content(other.text, language) - _content(value.text, language)
        common = said & also
        fewer = min(len(said), len(also))
        if len(common) >= min(FEWEST, fewer) and fewer and len(common) / fewer >= ALIKE:
            return value
    return None


def _same(one: Value, other: Value) -> bool:
    """Whether the values are the same, or one is a part of the other: 'Smith' of 'John Smith'."""
    return one.key <= other.key or other.key <= one.key


def _content(text: str, language: str) -> set[str]:
    stop = STOPWORDS.get(language, STOPWORDS["en"])
    return {stem(word, language) for word in words(_MARKS.sub(" ", text)) if word not in stop}


_MARKS = re.compile(r"[*_`|]")
