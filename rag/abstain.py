"""Whether the documents hold an answer: what the best piece lacks, and what the passages found are like.

Two logistic regressions over signs (rag/answers.toml): do the passages speak of what is asked, and if so, do they
answer it? How sure it must be of both is a setting, from strict to helpful.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.analyse import words
from rag.answer_signs import Ask, Signs
from rag.answer_weights import Weights, weigh
from rag.candidates import Candidate
from rag.types import Abstain, Hit

MOST_MISSING = 5


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates by how likely each holds the answer, best first, with their log-odds."""

    candidates: tuple[Candidate, ...]
    scores: tuple[float, ...]


def rank(candidates: Sequence[Candidate], weights: Weights) -> Ranked:
    """The candidates, best first; ties as they are read."""
    scored = [(weigh(weights.piece, candidate.signs), candidate) for candidate in candidates]
    scored.sort(key=lambda pair: (-pair[0], pair[1].n, pair[1].piece.start))
    return Ranked(tuple(candidate for _, candidate in scored), tuple(score for score, _ in scored))


def answer_signs(ask: Ask, ranked: Ranked) -> Signs:
    """What speaks for the documents' holding the answer, by name. There is a candidate."""
    best, scores = ranked.candidates[0], ranked.scores
    elsewhere = [score for score, one in zip(scores, ranked.candidates, strict=True) if one.n != best.n]
    return {
        **{name: value for name, value in best.signs.items() if name not in OF_PIECES_ONLY},
        "log-odds": scores[0],
        "above the next": min(scores[0] - scores[1], 4.0) if len(scores) > 1 else 4.0,
        "above other passages": min(scores[0] - max(elsewhere), 4.0) if elsewhere else 4.0,
        "best cosine": max(one.signs["cosine"] for one in ranked.candidates),
        "best window": max((one.read.answers for one in ranked.candidates if one.read), default=0.0),
        "unknown words": ask.unknown(),
        "denies": float(ask.negates),
    }


# What a question of one collection is like, and how its passages compare, says little of those of another.
OF_PIECES_ONLY = ("length", "begins", "passage's score", "passage's rank")


def probability(ask: Ask, ranked: Ranked, weights: Weights) -> float:
    """How likely the documents hold the answer: that they speak of what is asked, times that they then answer it; 0
    without a candidate."""
    if not ranked.candidates:
        return 0.0
    signs = answer_signs(ask, ranked)
    return math.prod(1 / (1 + math.exp(-weigh(own, signs))) for own in (weights.about, weights.answered))


def is_enough(probability: float, dial: Abstain, weights: Weights, *, for_model: bool = False) -> bool:
    """Whether that is enough to answer, or with `for_model` to ask a model."""
    least = weights.least_for_models if for_model else weights.least
    return probability >= least[dial]


def missing_words(ask: Ask, hits: Sequence[Hit]) -> tuple[str, ...]:
    """The question's words, as it writes them, that none of the passages found has: the rarest first."""
    there: set[int] = set()
    for hit in hits:
        text = " ".join([hit.title, *hit.passage.headings, hit.passage.text])
        there |= set(ask.places(text, hit.passage.language))
    lacking = sorted((term for n, term in enumerate(ask.terms) if n not in there), key=lambda term: -term.idf)
    written = {word: form for form in ask.question.split() for word in words(form)}
    said = (written.get(term.word, term.word).strip(".,;:!?¿¡\"'“”«»()") for term in lacking)
    return tuple(dict.fromkeys(said))[:MOST_MISSING]
