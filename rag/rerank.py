"""A second look at the best candidates."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from ingest.analyse import stem, words
from ingest.fulltext import Term
from ingest.sentences import sentences
from ingest.stopwords import STOPWORDS
from ingest.types import Passage

# Weights of the features below, tuned with rag/retrieve.py's on the development sets (docs/LOG.md).
BEST_SENTENCE = 0.25
NEIGHBOURS = 0.1
EXACT_FORM = 0.1


Features = Mapping[str, float]  # by name, what each adds to a passage's fused score


class Reranker(Protocol):
    def features(self, question: Sequence[Term], passages: Sequence[Passage]) -> Sequence[Features]:
        """What speaks for each passage, all of it together in [0, 1]."""
        ...


class LateFeatures:
    """What BM25 cannot see: whether the question's words stand in one sentence, beside each other, in the very form.

    Each feature is a share of the question's weight (the sum of its terms' inverse document frequencies).
    """

    def features(self, question: Sequence[Term], passages: Sequence[Passage]) -> list[Features]:
        known = [term for term in question if term.frequency]
        total = sum(term.idf for term in known)
        return [self._features(known, total, passage) if total else {} for passage in passages]

    def _features(self, question: Sequence[Term], total: float, passage: Passage) -> Features:
        stop = STOPWORDS.get(passage.language, frozenset())
        forms: set[str] = set()
        pairs: set[tuple[str, str]] = set()
        best = 0.0
        for start, end in sentences(passage.text):
            found = [word for word in words(passage.text[start:end]) if word not in stop]
            stems = [stem(word, passage.language) for word in found]
            forms.update(found)
            pairs.update(pairwise(stems))
            best = max(best, covered(question, set(stems)))
        exact = sum(term.idf for term in question if term.word in forms)
        beside = sum(
            a.idf + b.idf for a, b in pairwise(question) if any((x, y) in pairs for x in a.stems for y in b.stems)
        )
        return {
            "best sentence": BEST_SENTENCE * best / total,
            "words side by side": NEIGHBOURS * min(beside / 2, total) / total,
            "exact forms": EXACT_FORM * exact / total,
        }


def covered(question: Sequence[Term], stems: set[str]) -> float:
    """The weight of the question's terms that are among `stems`."""
    return sum(term.idf for term in question if any(s in stems for s in term.stems))
