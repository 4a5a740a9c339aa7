"""A second look at the best candidates: signs that BM25 and the cosine do not see, each with a learned weight."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from ingest.analyse import stem, words
from ingest.fulltext import Term
from ingest.sentences import sentences
from ingest.stopwords import STOPWORDS
from ingest.types import Passage
from rag.fusion import ACROSS, LanguageMatch, Weights, read_weights

MENTIONED = 0.5  # the most that a passage gains by being mentioned (chosen on the tune half of HotpotQA)

_STEP = 1e-6  # between the scores of a passage and of one that it mentions

Features = Mapping[str, float]  # by name, what each adds to a passage's fused score


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage to look at again, with what the search knows of it.

    `lexical` is BM25 over its bound, `cosine` that to the question, `fused` both together; the best of all candidates'
    are beside them. `before` is the end of the passage before it in its source, `beside` the better fused score of its
    two neighbours among the candidates, over the best (0: neither is one), `named` how well the question names its
    source. `mentioned_by` is the number of a candidate, of another source, that has its title in its text.
    """

    passage: Passage
    match: LanguageMatch
    lexical: float
    cosine: float
    fused: float
    best_lexical: float
    best_cosine: float
    title: str = ""
    before: str = ""
    beside: float = 0.0
    named: float = 0.0
    mentioned_by: int | None = None


class Reranker(Protocol):
    def features(self, question: str, terms: Sequence[Term], candidates: Sequence[Candidate]) -> Sequence[Features]:
        """What speaks for or against each candidate, by name: what to add to its fused score."""
        ...


class LateFeatures:
    """Implements Reranker by the signs below and their weights."""

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights or read_weights()

    def features(self, question: str, terms: Sequence[Term], candidates: Sequence[Candidate]) -> list[Features]:  # noqa: ARG002
        asked = Asked(terms)
        found: list[dict[str, float]] = []
        for candidate in candidates:
            weights, values = self._weights.features[candidate.match], signs(asked, candidate)
            found.append({name: weight * values[name] for name, weight in weights.items()})
        add_mentioned(candidates, found)
        return list(found)


def add_mentioned(candidates: Sequence[Candidate], found: Sequence[dict[str, float]]) -> None:
    """Adds to the features found what candidates gain by being mentioned. A question that needs two passages names the
    one and not the other, which the first leads to: that stands right behind the first at best."""
    scores = [one.fused + sum(features.values()) for one, features in zip(candidates, found, strict=True)]
    for number, candidate in enumerate(candidates):
        if candidate.mentioned_by is not None:
            behind = scores[candidate.mentioned_by] - scores[number] - _STEP
            found[number]["mentioned"] = min(MENTIONED, max(0.0, behind))


class Asked:
    """A question as its passages are compared with it: the words that the library has, each with its weight."""

    def __init__(self, terms: Sequence[Term]) -> None:
        known = [term for term in terms if term.frequency]
        self.weights = [term.idf for term in known]
        self.total = sum(self.weights) or 1.0
        self.forms = {term.word: number for number, term in enumerate(known)}
        self._stems = {stem: number for number, term in reversed([*enumerate(known)]) for stem in term.stems}
        self._seen: dict[str, dict[str, int]] = {}

    def find(self, text: str, language: str) -> Iterator[tuple[str, int]]:
        """The words of a text but for stop words, each with the number of the question's word that it is, or -1."""
        stop = STOPWORDS.get(language, frozenset())
        seen = self._seen.setdefault(language, {})
        for word in words(text):
            if word not in stop:
                number = seen.get(word)
                if number is None:
                    number = seen[word] = self._stems.get(stem(word, language), -1)
                yield word, number

    def share(self, found: set[int]) -> float:
        """The weight of these words of the question, over that of all."""
        return sum(self.weights[number] for number in found if number >= 0) / self.total


def signs(asked: Asked, candidate: Candidate) -> dict[str, float]:
    """By name, each about from 0 to 1. Shares are of the weight of the question's terms (inverse document
    frequencies)."""
    passage, language = candidate.passage, candidate.passage.language
    read = _Reading(asked, passage)
    covered = read.here | _found(asked, f"{candidate.title} {passage.section}", language)
    return {
        "bm25": candidate.lexical,
        "bm25 over the best": candidate.lexical / candidate.best_lexical if candidate.best_lexical > 0 else 0.0,
        "cosine": candidate.cosine,
        "cosine over the best": candidate.cosine / candidate.best_cosine if candidate.best_cosine > 0 else 0.0,
        "words with headings": asked.share(covered),
        "words with what stands before": asked.share(covered | _found(asked, candidate.before, language)),
        "best sentence": read.sentence,
        "best two sentences": read.two_sentences,
        "words side by side": read.side_by_side,
        "words near each other": read.near,
        "exact forms": asked.share(read.forms),
        "source in question": candidate.named,
        "neighbours": candidate.beside,
        "another language": float(candidate.match in ACROSS),
    }


class _Reading:
    """A passage read once for the words of a question."""

    def __init__(self, asked: Asked, passage: Passage) -> None:
        self.here: set[int] = set()  # of the question's words, by number
        self.forms: set[int] = set()
        self.sentence = self.two_sentences = 0.0
        self._length = 0
        self._places: dict[int, list[int]] = {}
        before: set[int] = set()
        # A table's rows belong together.
        for start, end in [(0, len(passage.text))] if passage.kind == "table" else sentences(passage.text):
            own = self._read(asked, passage.text[start:end], passage.language)
            if own:
                self.sentence = max(self.sentence, asked.share(own))
                self.two_sentences = max(self.two_sentences, asked.share(own | before))
            self.here |= own
            before = own
        self.side_by_side, self.near = self._together(asked)

    def _read(self, asked: Asked, text: str, language: str) -> set[int]:
        own: set[int] = set()
        for word, number in asked.find(text, language):
            self._length += 1
            if number >= 0:
                own.add(number)
                self._places.setdefault(number, []).append(self._length)
                if word in asked.forms:
                    self.forms.add(asked.forms[word])
        return own

    def _together(self, asked: Asked) -> tuple[float, float]:
        """The weight of words that follow each other in the question and in the passage; the same, less by how far
        they are apart."""
        side_by_side = near = 0.0
        for one, other in pairwise(range(len(asked.weights))):
            if one in self._places and other in self._places:
                weight = (asked.weights[one] + asked.weights[other]) / 2 / asked.total
                gap = min(abs(a - b) for a in self._places[one] for b in self._places[other]) or 1
                near += weight / gap
                side_by_side += weight * (gap == 1)
        return side_by_side, near


def _found(asked: Asked, text: str, language: str) -> set[int]:
    return {number for _, number in asked.find(text, language) if number >= 0} if text else set()
