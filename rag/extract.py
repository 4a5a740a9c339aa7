"""The extractive generator: the sentences of the best passages that answer, quoted word for word, or an abstention.

Needs no model but the embedder. A sentence is judged by the share of the question's weight it holds (its terms'
inverse document frequencies), its cosine to the question, its passage's rank and score, and whether it holds the
kind of thing that is asked for. The weights and the threshold were fitted on development data (docs/LOG.md).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.analyse import fold, stem, words
from ingest.catalog import Catalog
from ingest.embed import Embedder
from ingest.fulltext import Term, known_by
from ingest.sentences import sentences
from models.types import EXTRACTIVE
from rag.prompt import Prompt
from rag.rerank import covered
from rag.types import ABSTENTION, Hit

PASSAGES = 5  # of which sentences are considered
EMBEDDED = 24  # sentences, the best by their words
MOST = 3  # sentences in an answer

_MARKER = re.compile(r"^(?:[-*+•–>]|\d{1,3}[.)]|#{1,6})\s+")


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of a sentence as an answer; all in [0, 1] but the cosine in [-1, 1]."""

    coverage: float  # the share of the question's weight in the sentence, half for what only the headings have
    cosine: float
    around: float  # the same share in the whole passage
    score: float  # of the passage, against the best passage's
    kind: float  # whether it holds the kind of thing asked for

    def as_row(self) -> tuple[float, ...]:
        return (self.coverage, self.cosine, self.around, self.score, self.kind)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters `start` to `end` of the passage that is number `n` (1-based) of the prompt's."""

    n: int
    start: int
    end: int
    text: str
    features: Features

    @property
    def score(self) -> float:
        """The log-odds that it answers."""
        return BIAS + float(np.dot(WEIGHTS, self.features.as_row()))


# Logistic regression on the development halves of SQuAD, XQuAD and SQuAD-es: does the sentence hold the answer?
# Half of the examples had the question's own article taken out of the library. See docs/LOG.md.
WEIGHTS = (2.09, 4.25, 2.39, 8.57, 0.74)
BIAS = -15.2
ANSWERED = -2.0  # log-odds from which the best sentence is taken for an answer
BESIDE_BEST = 0.5  # how far below the best another sentence of the answer may be


class ExtractiveGenerator:
    """Implements rag.generate.Generator. Thread-safe; nothing to load or close."""

    info = EXTRACTIVE

    def __init__(self, catalog: Catalog, embedder: Embedder) -> None:
        self._catalog = catalog
        self._embedder = embedder

    def count_tokens(self, text: str) -> int:
        return len(self._embedder.offsets(text))

    def generate(self, prompt: Prompt) -> Iterator[str]:
        """Yields one sentence with its citation at a time."""
        chosen = choose(self.judge(prompt.question, prompt.hits))
        if not chosen:
            yield ABSTENTION[prompt.language]
        between = " " if all(sentence.text.endswith((".", "!", "?")) for sentence in chosen) else "\n"
        for number, sentence in enumerate(chosen):
            yield f"{between if number else ''}{sentence.text} [{sentence.n}]"

    def close(self) -> None:
        pass

    def judge(self, question: str, hits: Sequence[Hit]) -> list[Sentence]:
        """The sentences worth a thought, with their features, best first."""
        terms = self._catalog.question_terms(question)
        total = sum(term.idf for term in terms) or 1.0
        drafts = []
        for n, hit in enumerate(hits[:PASSAGES], start=1):
            above = _stems(
                " ".join([known_by(hit.title, hit.passage.path), *hit.passage.headings]), hit.passage.language
            )
            around = covered(terms, above | _stems(hit.passage.text, hit.passage.language)) / total
            for start, end in _answers_in(hit.passage.text):
                text = hit.passage.text[start:end]
                own = _stems(text, hit.passage.language)
                coverage = covered(terms, own) + 0.5 * covered(_missing(terms, own), above)
                drafts.append((coverage / total, n, start, end, text, around))
        drafts = sorted(drafts, key=lambda draft: (-draft[0], draft[1:3]))[:EMBEDDED]
        if not drafts:
            return []
        vectors = self._embedder.embed_passages([_in_context(text, hits[n - 1]) for _, n, _, _, text, _ in drafts])
        cosines = vectors @ self._embedder.embed_query(question)
        best_score = max(hit.score for hit in hits) or 1.0
        asked = kind_asked(question)
        found = [
            Sentence(
                n,
                start,
                end,
                text,
                Features(
                    coverage,
                    float(cosine),
                    around,
                    max(0.0, hits[n - 1].score / best_score),
                    holds_kind(asked, text, question),
                ),
            )
            for (coverage, n, start, end, text, around), cosine in zip(drafts, cosines, strict=True)
        ]
        return sorted(found, key=lambda sentence: (-sentence.score, sentence.n, sentence.start))


def choose(judged: Sequence[Sentence]) -> list[Sentence]:
    """The sentences of the answer: the best, then others nearly as good as they are read; none if the best of them is
    no answer."""
    if not judged or judged[0].score < ANSWERED:
        return []
    best = judged[0]
    others = [sentence for sentence in judged[1:MOST] if sentence.score >= max(ANSWERED, best.score - BESIDE_BEST)]
    said = {" ".join(words(best.text)): best}
    for sentence in sorted(others, key=lambda sentence: (sentence.n, sentence.start)):
        said.setdefault(" ".join(words(sentence.text)), sentence)
    return list(said.values())


_NUMBER = re.compile(r"\d")
_TIME = re.compile(r"\d|\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|"
    r"june|july|august|september|october|november|december|lunes|martes|miercoles|jueves|viernes|sabado|domingo|enero|"
    r"febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)\b")  # fmt: skip
_ASKS = {
    "number": re.compile(
        r"\bhow (?:many|much|long|old|far|often|big|tall|large)\b|\bcuant[oa]s?\b"
        r"|\b(?:price|cost|amount|number|phone|precio|importe|numero|telefono)\b"
    ),
    "time": re.compile(r"\bwhen\b|\bwhat (?:year|date|day|time|month)\b|\bcuando\b|\bque (?:ano|fecha|dia|hora|mes)\b"),
    "name": re.compile(r"\bwho(?:m|se)?\b|\bquien(?:es)?\b|\bwhere\b|\b(?:a|de|en)?donde\b"),
}


def kind_asked(question: str) -> str:
    """'number', 'time', 'name' or '' for anything else."""
    folded = fold(question)
    return next((kind for kind, asks in _ASKS.items() if asks.search(folded)), "")


def holds_kind(kind: str, text: str, question: str) -> float:
    """1 if the text holds something of that kind which the question does not, 0.5 for no particular kind."""
    if not kind:
        return 0.5
    known = set(words(question))
    if kind == "name":
        names = {fold(word) for word in re.findall(r"(?<=\S\s)[A-ZÁÉÍÓÚÑ][\w'’-]+", text)}
        return 1.0 if names - known else 0.0
    new = " ".join(word for word in words(text) if word not in known)
    return 1.0 if (_TIME if kind == "time" else _NUMBER).search(new) else 0.0


def _answers_in(text: str) -> Iterator[tuple[int, int]]:
    """Ranges of the sentences without their list marks; questions and headings do not answer."""
    for start, end in sentences(text):
        marker = _MARKER.match(text[start:end])
        begin = start + marker.end() if marker else start
        if any(c.isalnum() for c in text[begin:end]) and not text[start:end].startswith("#"):
            yield begin, end


def _in_context(text: str, hit: Hit) -> str:
    above = hit.passage.headings[-1] if hit.passage.headings else hit.title
    return f"{above}\n{text}" if above else text


def _stems(text: str, language: str) -> set[str]:
    return {stem(word, language) for word in words(text)}


def _missing(question: Sequence[Term], stems: set[str]) -> list[Term]:
    return [term for term in question if not any(s in stems for s in term.stems)]
