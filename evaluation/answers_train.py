"""Makes rag/answers.toml: how far each sign of an answer is to be trusted, and how sure an answer must be.

    python -m evaluation.answers_train ../shared/data WORK [--questions 2000]

Three logistic regressions, fitted on a quarter of each set's articles (evaluation.dataset.quarters), of which the
reader learnt nothing: does a piece of a passage hold the answer; do the passages found speak of what is asked, as they
do not where the question's own article is kept out of the library; and do they answer it, as they do not where the set
calls the question unanswerable, though they speak of it? In each set what is answerable counts as much as what is not.
What is for evaluation only (RGB, FinanceBench) is not used.
"""

import argparse
import random
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation import adapters
from evaluation.answers import Asked, Asker, right_pieces
from evaluation.dataset import halves, quarters
from evaluation.library import CachedEmbedder, build_library
from ingest.embed import DEFAULT_MODEL, open_embedder
from rag.abstain import answer_signs, probability, rank
from rag.answer_weights import TABLES, WEIGHTS_FILE, Weights
from rag.types import ABSTAIN, Abstain
from settings import Settings

Array = NDArray[np.float64]

NEAR_ACROSS = ("Spanish question (2.0), English passages", "English question (2.0), Spanish passages")
# Across languages less is known of an answer. How sure one must be is not chosen by these sets: it would be less so in
# one language.
ACROSS = ("Spanish question, English passages", "English question, Spanish passages", *NEAR_ACROSS)
# With questions that passages on the matter do not answer.
NEAR = ("squad-v2.0-en", "squad-es-v2.0-small", "clapnq", *NEAR_ACROSS)
SETS = ("squad-v2.0-en", "squad-v1.1-en", "squad-es-v2.0-small", "xquad-es", "clapnq", *ACROSS)
# Of NEAR. SQuAD 2.0's questions are there in four ways, CLAP NQ's, which people typed, in one.
COUNTS = dict.fromkeys(NEAR, 1.0) | dict.fromkeys(NEAR_ACROSS, 0.5) | {"clapnq": 2.0}
PENALTY = 10.0
AGAINST = (
    "heaviest word missing", "heaviest word missing in the passage", "denial differs", "question",
    "cosine below the best", "unknown words", "denies",
)  # fmt: skip
EITHER = ("length", "begins", "another language", "not read")
WITHOUT = ", without"
UNKNOWN = Weights({"": 0.0}, {"": 0.0}, {"": 0.0}, {}, {})
# Of the answerable questions, the share that is refused at most: by an extractive answer, before a model is asked.
# "balanced" and "strict" are by balanced accuracy instead, see least_by_dial().
LOST_HELPFUL = 0.01
LOST_FOR_MODELS: dict[Abstain, float] = {"strict": 0.1, "balanced": 0.02, "helpful": 0.0}

PIECE_SIGNS = (
    "words", "words with the piece before", "words of the passage", "side by side", "names", "names nearby",
    "heaviest word missing", "numbers", "denial differs", "extremes", "length", "kind", "nearness", "begins",
    "question", "cosine", "cosine below the best", "passage's score", "passage's rank", "agreement",
    "another language", "cosine in another language", "read as the answer", "its window answers", "not read",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """The questions of a set that were asked in one way: with their articles in the library, or without."""

    name: str
    asked: tuple[Asked, ...]
    tune: frozenset[str]  # ids

    @property
    def set(self) -> str:
        return self.name.removesuffix(WITHOUT)

    @property
    def is_without(self) -> bool:
        return self.name.endswith(WITHOUT)


def collect(name: str, data: Path, embedder: CachedEmbedder, work: Path, settings: Settings, most: int) -> list[Part]:
    """At most so many questions of the set, asked with their articles and (where they are answerable) without."""
    dataset = adapters.load(name, data)
    fit, _ = quarters(dataset)
    chosen = list(halves(dataset)[1].questions)
    if len(chosen) > most:
        chosen = random.Random(0).sample(chosen, most)
    tune = frozenset(question.id for question in fit.questions)
    folder = work / "answers" / re.sub(r"\W+", "-", name)
    shutil.rmtree(folder, ignore_errors=True)
    library = build_library(replace(dataset, questions=tuple(chosen)), folder, embedder)
    asker = Asker(library, embedder, settings.retrieve, UNKNOWN)
    answerable = [question for question in chosen if not question.unanswerable]
    parts = [
        Part(name, tuple(map(asker.ask, chosen)), tune),
        Part(f"{name}{WITHOUT}", tuple(asker.ask(one, without_source=True) for one in answerable[::2]), tune),
    ]
    library.catalog.close()
    return parts


def fit_pieces(parts: Sequence[Part]) -> dict[str, float]:
    """Does a piece hold the answer? Of answerable questions with their articles."""
    rows, right, weight = [], [], []
    for part in _each_once(parts):
        own = [(one, right_pieces(one)) for one in part.asked if one.question.id in part.tune and not one.unanswerable]
        own = [(one, found) for one, found in own if any(found)]
        for one, found in own:
            rows += [[candidate.signs[name] for name in PIECE_SIGNS] for candidate in one.judged.ranked.candidates]
            right += found
            weight += [1 / len(own)] * len(found)
    return _fitted(PIECE_SIGNS, np.array(rows), np.array(right, float), np.array(weight))


def fit_about(parts: Sequence[Part], pieces: dict[str, float]) -> dict[str, float]:
    """Do the passages found speak of what is asked? `pieces` are the weights that the best piece is found by."""
    return _fit_asked(
        [
            replace(part, asked=tuple(one for one in part.asked if part.is_without or not one.unanswerable))
            for part in _each_once(parts)
        ],
        pieces,
    )


def fit_answered(parts: Sequence[Part], pieces: dict[str, float]) -> dict[str, float]:
    """If they do, do they answer it?"""
    return _fit_asked([part for part in parts if part.name in NEAR], pieces, COUNTS, leave_out="not read")


def _each_once(parts: Sequence[Part]) -> list[Part]:
    """Without the questions that are there in their own language."""
    return [part for part in parts if part.set not in NEAR_ACROSS]


def _fit_asked(
    parts: Sequence[Part], pieces: dict[str, float], counts: Mapping[str, float] | None = None, leave_out: str = ""
) -> dict[str, float]:
    names: tuple[str, ...] = ()
    rows, right, weight = [], [], []
    for part in parts:
        own = [one for one in part.asked if one.question.id in part.tune and one.judged.ranked.candidates]
        refused = sum(one.unanswerable for one in own)
        for one in own:
            signs = _signs(one, pieces)
            names = names or tuple(name for name in signs if name != leave_out)
            rows.append([signs[name] for name in names])
            right.append(not one.unanswerable)
            among = refused if one.unanswerable else len(own) - refused
            weight.append((counts or {}).get(part.name, 1.0) / among)
    return _fitted(names, np.array(rows), np.array(right, float), np.array(weight))


def _signs(asked: Asked, pieces: dict[str, float]) -> dict[str, float]:
    weights = Weights(pieces, {}, {}, {}, {})
    ranked = rank(asked.judged.ranked.candidates, weights)
    return dict(answer_signs(asked.judged.ask, ranked))


def _fitted(names: Sequence[str], rows: Array, right: Array, weight: Array) -> dict[str, float]:
    """Logistic regression. A sign whose weight comes out against its sense is left out, the worst first: it would be
    wrong where questions and documents are unlike these."""
    kept = list(range(len(names)))
    while True:
        bias, own, scaled = _regressed(rows[:, kept], right, weight)
        wrong = [value * _sense(names[n]) for n, value in zip(kept, scaled, strict=True)]
        if min(wrong) >= 0:
            return {"": bias, **{names[n]: float(value) for n, value in zip(kept, own, strict=True) if value}}
        del kept[int(np.argmin(wrong))]


def _sense(name: str) -> int:
    """1 for a sign that speaks for an answer, -1 for one against it, 0 for one that may do either."""
    return 0 if name in EITHER else -1 if name in AGAINST else 1


def _regressed(rows: Array, right: Array, weight: Array) -> tuple[float, Array, Array]:
    """By Newton's method, with a penalty on the weights of signs scaled to one deviation: the bias, the weights, and
    these as scaled."""
    spread = rows.std(axis=0)
    scale = np.where(spread > 1e-9, spread, np.inf)  # a sign that says nothing gets no weight
    mean = rows.mean(axis=0)
    matrix = np.column_stack([np.ones(len(rows)), (rows - mean) / scale])
    weight = weight / weight.sum() * len(rows)
    penalty = np.full(matrix.shape[1], PENALTY)
    penalty[0] = 0
    found = np.zeros(matrix.shape[1])
    for _ in range(30):
        guess = 1 / (1 + np.exp(-np.clip(matrix @ found, -30, 30)))
        gradient = matrix.T @ (weight * (guess - right)) + penalty * found
        curvature = (matrix * (weight * np.maximum(guess * (1 - guess), 1e-6))[:, np.newaxis]).T @ matrix
        step = np.linalg.solve(curvature + np.diag(penalty), gradient)
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    own = found[1:] / scale
    return float(found[0] - own @ mean), own, found[1:]


@dataclass(frozen=True, slots=True)
class Guess:
    """How sure it is of a question's having an answer, and whether it has none. `part` is the name of its Part."""

    probability: float
    unanswerable: bool
    tune: bool
    part: str

    @property
    def set(self) -> str:
        return self.part.removesuffix(WITHOUT)

    @property
    def decides(self) -> bool:
        """How sure an answer must be is chosen by such."""
        return self.tune and self.set not in ACROSS


def guesses(parts: Sequence[Part], weights: Weights) -> list[Guess]:
    found = []
    for part in parts:
        for one in part.asked:
            ranked = rank(one.judged.ranked.candidates, weights)
            sure = probability(one.judged.ask, ranked, weights)
            found.append(Guess(sure, one.unanswerable, one.question.id in part.tune, part.name))
    return found


def least_by_dial(found: Sequence[Guess]) -> dict[Abstain, float]:
    """strict: the best balanced accuracy on sets with questions that passages on the matter do not answer; balanced: on
    these together, and on questions whose article is there or not, which count twice as much; helpful: refuses hardly
    any that can be answered."""
    tuned = [one for one in found if one.decides]
    by_set = {name: [one for one in tuned if one.part == name] for name in NEAR}
    near = [own for name, own in by_set.items() for _ in range(int(COUNTS[name])) if own]
    plain = [one for one in tuned if one.part.endswith(WITHOUT) or not one.unanswerable]
    return {
        "strict": _best(*near),
        "balanced": _best(*near, *[plain] * (2 * len(near))),
        "helpful": _losing(plain, LOST_HELPFUL),
    }


def _best(*kinds: Sequence[Guess]) -> float:
    """How sure it must be for the best balanced accuracy, the mean of the kinds'."""
    return max((round(n / 200, 3) for n in range(1, 200)), key=lambda least: sum(balanced(one, least) for one in kinds))


def balanced(found: Sequence[Guess], least: float) -> float:
    there = [one.probability >= least for one in found if not one.unanswerable]
    gone = [one.probability < least for one in found if one.unanswerable]
    return float(np.mean(there) + np.mean(gone)) / 2


def _losing(found: Sequence[Guess], share: float) -> float:
    """How sure it must be where that share of the answerable questions is refused."""
    return round(float(np.quantile([one.probability for one in found if not one.unanswerable], share)), 3)


def as_toml(found: Sequence[Guess], weights: Weights) -> str:
    """The text of rag/answers.toml: the weights, and how they were made."""
    lines = [
        "# The weights of extractive answers (rag/answer_weights.py), made by `python -m evaluation.answers_train`",
        f"# on {date.today()}, embedder {DEFAULT_MODEL}, on a quarter of the articles of {'; '.join(SETS)}.",
        "# Answered where the answer is there / refused where it is not, by how strict it is (another quarter):",
        *(f"# {line}" for line in report(found, weights)),
        "# These sets are CC BY-SA (SQuAD, XQuAD), CC BY (SQuAD-es) and Apache-2.0 (CLAP NQ).",
    ]
    for name in TABLES:
        table: Mapping[str, float] = getattr(weights, name)
        lines += ["", f"[{name}]", *(f'"{sign}" = {value:.4f}' for sign, value in table.items())]
    for name, least in (("least", weights.least), ("least_for_models", weights.least_for_models)):
        lines += ["", f"[{name}]", *(f"{dial} = {least[dial]}" for dial in ABSTAIN)]
    return "\n".join([*lines, ""])


def report(found: Sequence[Guess], weights: Weights) -> list[str]:
    lines = []
    for name in dict.fromkeys(one.set for one in found):
        own = [one for one in found if one.set == name and not one.tune]
        there = [one.probability for one in own if not one.unanswerable]
        near = [one.probability for one in own if one.unanswerable and one.part == name]
        gone = [one.probability for one in own if one.unanswerable and one.part != name]
        cells = []
        for dial in ABSTAIN:
            least = weights.least[dial]
            kept = np.mean(np.array(there) >= least)
            out = "/".join(f"{np.mean(np.array(some) < least):.2f}" for some in (near, gone) if some)
            cells.append(f"{dial} {kept:.2f} / {out}")
        lines.append(f"{name}: {'; '.join(cells)}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the public sets")
    parser.add_argument("work", type=Path, help="folder for vectors and catalogues")
    parser.add_argument("--questions", type=int, default=2000, help="at most so many of each set")
    options = parser.parse_args()
    settings = Settings.load(options.work / "home")
    embedder = CachedEmbedder(open_embedder(settings), options.work / "vectors")
    parts: list[Part] = []
    for name in SETS:
        parts += collect(name, options.data, embedder, options.work, settings, options.questions)
        print(f"{name}: {len(parts[-2].asked)} questions", file=sys.stderr, flush=True)
    found, weights = fitted(parts)
    WEIGHTS_FILE.write_text(as_toml(found, weights), encoding="utf-8")
    print("\n".join(report(found, weights)))
    return 0


def fitted(parts: Sequence[Part]) -> tuple[list[Guess], Weights]:
    """The weights, and what they make of the questions."""
    pieces = fit_pieces(parts)
    weights = Weights(pieces, fit_about(parts, pieces), fit_answered(parts, pieces), {}, {})
    found = guesses(parts, weights)
    plain = [one for one in found if one.decides and not one.unanswerable]
    models = {dial: _losing(plain, share) if share else 0.0 for dial, share in LOST_FOR_MODELS.items()}
    return found, replace(weights, least=least_by_dial(found), least_for_models=models)


if __name__ == "__main__":
    sys.exit(main())
