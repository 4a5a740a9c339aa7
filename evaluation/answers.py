"""Questions of a set put to the extractive generator over all of the set's passages.

What it would say is kept beside how sure it is, so that every setting of abstention can be measured from one pass.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evaluation import metrics
from evaluation.dataset import Question
from evaluation.library import CachedEmbedder, Library
from ingest.analyse import detect_language
from ingest.vectors import ExactIndex
from models.types import EXTRACTIVE
from rag.answer_weights import Weights
from rag.extract import Extract, ExtractiveGenerator, Judged
from rag.prompt import Prompt
from rag.rerank import LateFeatures
from rag.retrieve import RERANKED, Retriever
from rag.types import Hit
from settings import Retrieve


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what was found for it, and whether its answer is not to be found: the set says so, or the sources of
    its gold passages were kept from it."""

    question: Question
    judged: Judged
    gold: tuple[bool, ...]  # of the hits, in their order
    unanswerable: bool


class Asker:
    """Asks the questions of a set's library."""

    def __init__(
        self, library: Library, embedder: CachedEmbedder, settings: Retrieve, weights: Weights | None = None
    ) -> None:
        exact = ExactIndex(library.catalog)
        self._library = library
        self._retriever = Retriever(library.catalog, embedder, lambda: exact, LateFeatures(), settings)
        self._k = settings.k
        self.generator = ExtractiveGenerator(library.catalog, embedder, weights=weights)

    def ask(self, question: Question, *, without_source: bool = False) -> Asked:
        """With `without_source` nothing is found in the sources of the gold passages, as if they were not there."""
        if without_source:
            found = self._retriever.retrieve(question.text, RERANKED)
            kept_out = {hit.passage.path for hit in found if self._library.given[hit.passage.id] in question.gold}
            left = [hit for hit in found if hit.passage.path not in kept_out][: self._k]
            hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(left, start=1))
        else:
            hits = self._retriever.retrieve(question.text)
        judged = self.generator.judge(_prompt(question.text, hits))
        gold = tuple(self._library.given[hit.passage.id] in question.gold for hit in judged.hits)
        return Asked(question, judged, gold, question.unanswerable or without_source)

    def prompt(self, question: str) -> Prompt:
        """What the generator is given for a question."""
        return _prompt(question, self._retriever.retrieve(question))


def _prompt(question: str, hits: tuple[Hit, ...]) -> Prompt:
    language = "es" if detect_language(question) == "es" else "en"
    return Prompt(question, language, hits, "", (), EXTRACTIVE.name)  # type: ignore[arg-type]


def right_pieces(asked: Asked) -> list[bool]:
    """Of the candidates, best first: whether each holds an answer, in a passage that is known to answer."""
    return [
        not asked.unanswerable and asked.gold[one.n - 1] and metrics.contains(one.text, asked.question.answers)
        for one in asked.judged.ranked.candidates
    ]


# What an answer is worth


@dataclass(frozen=True, slots=True)
class Graded:
    """An answer that would be given: how sure it is, whether it `holds` an expected answer, its F1 against it, its
    words, whether one of its quotes holds an expected answer, whether one is of a gold passage, whether what it puts
    first is right (None where it puts nothing first)."""

    probability: float
    unanswerable: bool
    holds: bool
    f1: float
    words: int
    quote_holds: bool
    cites_gold: bool
    first: bool | None
    conflict: bool


_FIRST = re.compile(r"^([^\n]{1,80}?) – ")


def grade(asked: Asked, extract: Extract) -> Graded:
    """The answer `extract`, given to the question whether it should be or not."""
    answers, parts = asked.question.answers, extract.quoted
    said = "\n".join(part.text for part in parts)
    gold = {hit.passage.id for hit, right in zip(asked.judged.hits, asked.gold, strict=True) if right}
    put_first = _FIRST.match(said) if said and not said.startswith(parts[0].citation.quote) else None
    return Graded(
        asked.judged.probability,
        asked.unanswerable,
        metrics.contains(said, answers),
        metrics.token_f1(said, answers),
        len(said.split()),
        any(metrics.contains(part.citation.quote, answers) for part in parts),
        any(part.citation.id in gold for part in parts),
        _agrees(put_first[1], answers) if put_first else None,
        bool(extract.conflict),
    )


def _agrees(value: str, answers: Sequence[str]) -> bool:
    """Whether a value is an answer, or one is a part of the other."""
    return metrics.contains(value, answers) or any(metrics.contains(answer, [value]) for answer in answers)


def graded(asker: Asker, questions: Sequence[Question], *, without_source: bool = False) -> Iterator[Graded]:
    """Each question's answer, however unsure."""
    for question in questions:
        asked = asker.ask(question, without_source=without_source)
        if asked.judged.ranked.candidates:
            yield grade(asked, asker.generator.quote(asked.judged))
        else:
            yield Graded(0.0, asked.unanswerable, False, 0.0, 0, False, False, None, False)


def balanced_accuracy(found: Sequence[Graded], least: float) -> float:
    """The mean of the share of answerable questions that are answered and of unanswerable ones that are not."""
    return (answered(found, least) + refused(found, least)) / 2


def answered(found: Sequence[Graded], least: float) -> float:
    """The share of the answerable questions that are answered, where it has to be that sure."""
    return _mean([one.probability >= least for one in found if not one.unanswerable])


def refused(found: Sequence[Graded], least: float) -> float:
    """The share of the unanswerable questions that are not answered."""
    return _mean([one.probability < least for one in found if one.unanswerable])


def abstention_f1(found: Sequence[Graded], least: float) -> float:
    """Of abstaining: the harmonic mean of its precision and its recall."""
    abstained = [one for one in found if one.probability < least]
    right, wanted = sum(one.unanswerable for one in abstained), sum(one.unanswerable for one in found)
    return 2 * right / (len(abstained) + wanted) if right else 0.0


def coverage_curve(found: Sequence[Graded], shares: Sequence[float]) -> list[tuple[float, float, float]]:
    """Where that share of all questions is answered, the surest first: the share, how sure the last one is, and the
    share of the answers given that hold the expected answer."""
    ordered = sorted(found, key=lambda one: -one.probability)
    curve = []
    for share in shares:
        first = ordered[: max(1, round(share * len(ordered)))]
        curve.append((share, first[-1].probability, _mean([one.holds for one in first])))
    return curve


def _mean(values: Sequence[float | bool]) -> float:
    return sum(values) / len(values) if values else float("nan")
