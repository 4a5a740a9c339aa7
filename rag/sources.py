"""Which source a question names: '3M_2018_10K.pdf' by "3M's revenue in FY2018", 'FOOTLOCKER.pdf' by "Foot Locker"."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from ingest.analyse import LANGUAGES, content_words, stem, words

_PARTS = re.compile(r"[^\W\d_]{3,}|\d{2,}")
_SHORTEST_JOINED = 6  # letters of two words in one
_COMMON = 1_000  # names; a word of more tells nothing of which is meant


class SourceNames:
    """The names of sources (titles and paths, by a key), looked up by their words. Never changes."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._count = len(names)
        self._by_word: dict[str, list[str]] = defaultdict(list)
        for key, name in names.items():
            for form in {form for word in words(name) for variant in _variants(word) for form in variant}:
                self._by_word[form].append(key)

    def named(self, question: str) -> dict[str, float]:
        """How well the question names each source, of those whose names share a word with it, from 0 to 1: the
        log-odds that a name has those words by chance, over those of the best, or of a single source among all."""
        odds: defaultdict[str, float] = defaultdict(float)
        for forms in _asked(question):
            keys = {key for form in forms for key in self._by_word.get(form, ())}
            weight = math.log1p((self._count - len(keys) + 0.5) / (len(keys) + 0.5))
            for key in keys if len(keys) <= _COMMON else ():
                odds[key] += weight
        most = max([*odds.values(), math.log1p(self._count)])
        return {key: value / most for key, value in odds.items()}


def _asked(question: str) -> Iterator[frozenset[str]]:
    """The words that a question may name a source by, each in all its forms; two words as one, too, for file names
    have no spaces."""
    seen: set[frozenset[str]] = set()
    joined = (one + other for one, other in pairwise(words(question)))
    for word in [*content_words(question), *(word for word in joined if len(word) >= _SHORTEST_JOINED)]:
        for forms in _variants(word):
            if forms not in seen:
                seen.add(forms)
                yield forms


def _variants(word: str) -> list[frozenset[str]]:
    """A word with its stems, and each part of one that has letters and digits ('fy2018': '2018')."""
    own = frozenset([word, *(stem(word, language) for language in LANGUAGES)])
    mixed = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return [own, *(frozenset([part]) for part in _PARTS.findall(word))] if mixed else [own]
