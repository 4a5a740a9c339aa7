"""Fits the weights of search (rag/fusion.toml) on question sets whose right passages are known.

    python -m evaluation.train_fusion DATA WORK [--questions 900] [--penalty .001] [--check]

DATA is the folder of public sets (evaluation/adapters.py); vectors are kept in WORK (with them it takes some ten
minutes). With --check nothing is written: it exits with 1 if the weights shipped are not those that it finds.

For each question the 50 passages that are reranked are collected with their signs (rag/rerank.py). The weights are
those of a linear model that gives the right passages the most of a softmax over the 50 (Cao et al. 2007, "Learning to
Rank: From Pairwise Approach to Listwise Approach"), each set counting by the square root of its questions, with a
penalty on weights. It is fitted on one half of each set's articles (evaluation.dataset.halves) and shown on both. First
come the weights in one language, on libraries of one language; then, with these as they are, those across languages, on
sets across languages and on libraries of both, in which the answer is in the question's language or in the other: to
find more of the one is to lose of the other, and SETS says how much the other counts. The embedder for English and
Spanish shows what one is worth that knows the languages, the English one what one is that does not. Sets that are for
evaluation only (SciFact's test claims, FinanceBench) are not used.
"""

import argparse
import csv
import random
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation import adapters
from evaluation.dataset import Dataset, Question, halves
from evaluation.library import CachedEmbedder, build_library
from ingest.embed import BILINGUAL, ENGLISH, open_embedder
from ingest.fulltext import Term
from ingest.vectors import ExactIndex
from rag.fusion import MATCHES, WEIGHTS_FILE, LanguageMatch, Weights, read_weights
from rag.rerank import Asked, Candidate, Features, signs
from rag.retrieve import RERANKED, Retriever
from settings import Embed, Settings

Array = NDArray[np.float64]

AS_WRITTEN = 0.0015  # weights are written to three places

SIGNS = (
    "bm25", "bm25 over the best", "cosine", "cosine over the best", "words with headings",
    "words with what stands before", "best sentence", "best two sentences", "words side by side",
    "words near each other", "exact forms", "source in question", "neighbours", "another language",
)  # fmt: skip


def scifact_train(data: Path) -> Dataset:
    """SciFact's training claims, over the same abstracts as the test's."""
    base = adapters.load("scifact", data)
    known = {passage.id for passage in base.passages}
    questions = {}
    with (data / "retrieval" / "scifact" / "claims_train.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            gold = {id: 1 for id in re.findall(r"\d+", row["cited_doc_ids"]) if id in known}
            if gold:
                questions[row["id"]] = Question(row["id"], row["claim"], gold, group=min(gold))
    return replace(base, name="scifact, training claims", questions=tuple(questions.values()))


def among(data: Path, name: str, others: str) -> Dataset:
    """A set with the paragraphs of another, in another language, but for those that say the same as its own."""
    own, other = adapters.load(name, data), adapters.load(others, data)
    asked = {question.id for question in own.questions}
    same = {id for question in other.questions if question.id in asked for id in question.gold}
    more = [
        replace(passage, id=f"other {passage.id}", source=f"other {passage.source}")
        for passage in other.passages
        if passage.id not in same
    ]
    return Dataset(f"{name}, among {others}", own.questions, (*own.passages, *more))


_TO_ENGLISH, _TO_SPANISH = "Spanish question, English passages", "English question, Spanish passages"
_ENGLISH, _SPANISH = "squad-v1.1-en", "squad-es-v1.1-small"
EMBEDDERS: Mapping[LanguageMatch, str] = {
    "known": BILINGUAL, "unknown": ENGLISH, "to_known": BILINGUAL, "to_unknown": ENGLISH,
}  # fmt: skip


@dataclass(frozen=True)
class TrainingSet:
    """`match` is that whose weights are fitted on it, with the vectors of its embedder; `counts` is how much the set
    counts."""

    load: Callable[[Path], Dataset]
    match: LanguageMatch
    counts: float = 1.0


def _public(match: LanguageMatch, *names: str) -> list[TrainingSet]:
    return [TrainingSet(partial(adapters.load, name), match) for name in names]


def _among(match: LanguageMatch, name: str, others: str, counts: float = 1.0) -> TrainingSet:
    return TrainingSet(lambda data: among(data, name, others), match, counts)


def _across(match: LanguageMatch, to_english: float, to_spanish: float) -> list[TrainingSet]:
    """How much those count that look for the other language in a library of both was chosen on the half that is tuned
    on, so that there no direction falls behind what weights by hand found, with a cosine that weighed 1.25, by more
    than a point. With 1 a tenth of one's own language was lost."""
    return [
        *_public(match, _TO_ENGLISH, _TO_SPANISH),
        _among(match, "xquad-en", _SPANISH),
        _among(match, "xquad-es", _ENGLISH),
        _among(match, _TO_ENGLISH, _SPANISH, to_english),
        _among(match, _TO_SPANISH, _ENGLISH, to_spanish),
    ]


SETS = (
    *_public("known", _ENGLISH, _SPANISH, "xquad-en", "xquad-es", f"{_ENGLISH} with titles", "clapnq"),
    *_public("known", "hotpotqa-subset"),
    TrainingSet(scifact_train, "known"),
    *_public("unknown", _SPANISH, "xquad-es"),
    *_across("to_known", 0.5, 0.2),
    *_public("to_known", "tldr-es-en", "tldr-en-es"),  # words that pages on commands share say less than names do
    *_across("to_unknown", 0.6, 0.2),
)


@dataclass(frozen=True)
class Collected:
    """The candidates of a set's questions, in the order of the first stage: for each its question's number, its fused
    score, its language match's number, its signs, whether it is right; for each question the number of right passages
    and whether it is one to tune on."""

    name: str
    question: NDArray[np.int64]
    fused: Array
    match: NDArray[np.int64]
    signs: Array
    right: NDArray[np.bool_]
    golds: NDArray[np.int64]
    tune: NDArray[np.bool_]


class Recorder:
    """A Reranker that changes nothing and remembers what it saw."""

    def features(self, question: str, terms: Sequence[Term], candidates: Sequence[Candidate]) -> list[Features]:  # noqa: ARG002
        asked = Asked(terms)
        self.seen = {candidate.passage.id: candidate for candidate in candidates}
        self.signs = {candidate.passage.id: signs(asked, candidate) for candidate in candidates}
        return [{} for _ in candidates]


def collect(dataset: Dataset, embedder: CachedEmbedder, folder: Path, settings: Settings, most: int) -> Collected:
    """What search knows of the candidates of at most so many of the questions; the catalogue is made in `folder`."""
    questions = [question for question in dataset.questions if question.gold]
    if len(questions) > most:
        questions = random.Random(0).sample(questions, most)
    tune = {question.id for question in halves(dataset)[0].questions}
    library = build_library(dataset, folder, embedder)
    exact, recorder = ExactIndex(library.catalog), Recorder()
    retriever = Retriever(library.catalog, embedder, lambda: exact, recorder, settings.retrieve)
    rows: list[tuple[int, float, int, bool]] = []
    values: list[list[float]] = []
    for number, question in enumerate(questions):
        for hit in retriever.retrieve(question.text, RERANKED):
            id = hit.passage.id
            right = library.given[id] in question.gold
            rows.append((number, hit.score, MATCHES.index(recorder.seen[id].match), right))
            values.append([recorder.signs[id][name] for name in SIGNS])
    library.catalog.close()
    number_of, fused, match, right_ones = (np.array(column) for column in zip(*rows, strict=True))
    return Collected(
        dataset.name, number_of, fused.astype(float), match, np.array(values), right_ones.astype(bool),
        np.array([len(question.gold) for question in questions]),
        np.array([question.id in tune for question in questions]),
    )  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """Weights beside a fused score of weight 1, by language match and sign."""

    weights: Array  # (matches, signs)

    def scores(self, collected: Collected) -> Array:
        found: Array = collected.fused + (self.weights[collected.match] * collected.signs).sum(axis=1)
        return found


# Where nothing speaks against it, a weight stays what was found by hand before weights were fitted.
PRIOR = {"best sentence": 0.25, "words side by side": 0.1, "exact forms": 0.1}
BY_HAND = Fitted(np.tile([PRIOR.get(name, 0.0) for name in SIGNS], (len(MATCHES), 1)))


def fit_all(sets: Sequence[tuple[TrainingSet, Collected]], penalty: float) -> Fitted:
    """The weights in one language, then, with these as they are, those across languages."""
    found = BY_HAND
    for match in MATCHES:
        own = [(collected, training.counts) for training, collected in sets if training.match == match]
        found = fit(own, penalty, found, (match,)) if own else found
    return found


def fit(
    sets: Sequence[tuple[Collected, float]],
    penalty: float,
    start: Fitted = BY_HAND,
    matches: Sequence[LanguageMatch] = MATCHES,
) -> Fitted:
    """The weights of those matches, on the tune halves of sets that count so much each. `penalty` times the squared
    weights (of signs scaled to one deviation, over `start`) is added to the mean loss."""
    parts = [_examples(one, start, matches, counts) for one, counts in sets]
    starts = np.cumsum([0, *(int(part[1].max()) + 1 for part in parts)])
    matrix, right, weight = (np.concatenate([part[n] for part in parts]) for n in (0, 2, 3))
    question = np.concatenate([part[1] + start for part, start in zip(parts, starts[:-1], strict=True)])
    question = np.unique(question, return_inverse=True)[1]
    spread = matrix.std(axis=0)
    scale = np.where(spread > 1e-6, spread, np.inf)  # a sign that says nothing gets no weight
    found = _softmax_regression(matrix / scale, question, right, weight / weight.sum(), penalty) / scale
    return Fitted(start.weights + (found[1:] / found[0]).reshape(start.weights.shape))


def _softmax_regression(
    matrix: Array, question: NDArray[np.int64], right: Array, weight: Array, penalty: float, steps: int = 50
) -> Array:
    """Weights of the columns by Newton's method; the first is not penalised. Rows are sorted by their question, and
    each question has a right row."""
    wanted = right / np.bincount(question, right)[question]
    first = np.flatnonzero(np.diff(question, prepend=-1))
    penalties = np.full(matrix.shape[1], penalty)
    penalties[0] = 1e-9

    def shares(weights: Array) -> tuple[float, Array]:
        scores = matrix @ weights
        scores -= np.maximum.reduceat(scores, first)[question]
        total = np.add.reduceat(np.exp(scores), first)[question]
        loss = -(weight * wanted * (scores - np.log(total))).sum() + (penalties * weights**2).sum() / 2
        return float(loss), np.exp(scores) / total

    weights = np.zeros(matrix.shape[1])
    loss, share = shares(weights)
    for _ in range(steps):
        gradient = matrix.T @ (weight * (share - wanted)) + penalties * weights
        means = np.add.reduceat(matrix * share[:, np.newaxis], first)
        curvature = (matrix * (weight * share)[:, np.newaxis]).T @ matrix
        curvature -= (means * weight[first, np.newaxis]).T @ means
        step = np.linalg.solve(curvature + np.diag(penalties), gradient)
        size = 1.0
        while (tried := shares(weights - size * step))[0] > loss and size > 1e-6:
            size /= 2
        done, (loss, share) = loss - tried[0] < 1e-9, tried
        weights = weights - size * step
        if done:
            break
    return weights


def _examples(
    collected: Collected, start: Fitted, matches: Sequence[LanguageMatch], counts: float
) -> tuple[Array, NDArray[np.int64], Array, Array]:
    """Of the questions to tune on that have a right passage among their candidates: the matrix of scores by `start` and
    of signs by match (0 for other matches than those given), the questions' numbers, what is right, each row's weight.
    """
    usable = collected.tune & (np.bincount(collected.question, collected.right, minlength=len(collected.tune)) > 0)
    rows = usable[collected.question]
    width = collected.signs.shape[1]
    by_match = np.zeros((int(rows.sum()), len(MATCHES) * width))
    for number in map(MATCHES.index, matches):
        own = collected.match[rows] == number
        by_match[own, number * width : (number + 1) * width] = collected.signs[rows][own]
    matrix = np.column_stack([start.scores(collected)[rows], by_match])
    weight = np.full(int(rows.sum()), counts / np.sqrt(max(int(usable.sum()), 1)))
    return matrix, collected.question[rows], collected.right[rows].astype(float), weight


def quality(collected: Collected, scores: Array, half: str) -> dict[str, float]:
    """R@1, R@5, nDCG@10 and the share of questions with all right passages in the first five, over that half."""
    order = np.lexsort((-scores, collected.question))
    question, right = collected.question[order], collected.right[order]
    starts = np.flatnonzero(np.concatenate([[True], question[1:] != question[:-1]]))
    rank = np.arange(len(question)) - np.repeat(starts, np.diff(np.append(starts, len(question)))) + 1
    count = len(collected.tune)

    def found(k: int) -> Array:
        return np.bincount(question[right & (rank <= k)], minlength=count).astype(float)

    near = right & (rank <= 10)
    gain = np.bincount(question[near], 1 / np.log2(rank[near] + 1), minlength=count)
    ideal = np.array([sum(1 / np.log2(place + 1) for place in range(1, min(n, 10) + 1)) for n in collected.golds])
    per_question = {
        "R@1": found(1) > 0,
        "R@5": found(5) > 0,
        "nDCG@10": gain / ideal,
        "all@5": found(5) >= collected.golds,
    }
    chosen = collected.tune if half == "tune" else ~collected.tune
    return {name: float(np.mean(values[chosen])) for name, values in per_question.items()}


def report(sets: Sequence[Collected], fitted: Fitted) -> list[str]:
    """Lines of a table: each set's figures by hand and fitted, on the half it was fitted on and on the other."""
    lines = ["| set | half | R@1 before, after | R@5 | nDCG@10 |", "|---|---|---|---|---|"]
    for one in sets:
        for half in ("tune", "report"):
            before, after = (quality(one, by.scores(one), half) for by in (BY_HAND, fitted))
            cells = " | ".join(f"{before[name]:.3f}, {after[name]:.3f}" for name in ("R@1", "R@5", "nDCG@10"))
            lines.append(f"| {one.name} | {half} | {cells} |")
    return lines


def as_toml(
    fitted: Fitted,
    cosine: Mapping[LanguageMatch, float],
    sets: Sequence[tuple[TrainingSet, Collected]],
    penalty: float,
) -> str:
    """The text of rag/fusion.toml: the weights, and how they were made."""
    less = [f"{one.name} counts {training.counts}" for training, one in sets if training.counts != 1]
    lines = [
        "# The weights of search (rag/fusion.py), made by `python -m evaluation.train_fusion` in one go",
        f"# on {date.today()}, penalty {penalty}; known, to_known with embedder {BILINGUAL}, unknown, to_unknown with",
        f"# {ENGLISH} (its sets named so). `cosine` was swept by hand (docs/LOG.md).",
        "# Before is what was weighed by hand, after is fitted on the tune half; `report` is the other half.",
        "# The penalty, the signs and the sets were chosen with both halves in view, in earlier steps.",
        *(f"# {line}." for line in less),
        "#",
        *(f"# {line}" for line in report([one for _, one in sets], fitted)),
        "",
        "[cosine]",
        *(f"{match} = {cosine[match]}" for match in MATCHES),
    ]
    for number, match in enumerate(MATCHES):
        weights = zip(SIGNS, fitted.weights[number], strict=True)
        lines += ["", f"[features.{match}]", *(f'"{name}" = {weight:.3f}' for name, weight in weights)]
    return "\n".join([*lines, ""])


def differences(fitted: Fitted, shipped: Weights) -> list[str]:
    """The weights shipped that are not those fitted, as these are written."""
    return [
        f"{match}, {name}: {shipped.features[match].get(name, 0.0)}, fitted {weight:.3f}"
        for number, match in enumerate(MATCHES)
        for name, weight in zip(SIGNS, fitted.weights[number], strict=True)
        if abs(shipped.features[match].get(name, 0.0) - weight) > AS_WRITTEN
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the public sets")
    parser.add_argument("work", type=Path, help="folder for vectors and catalogues, emptied of these")
    parser.add_argument("--questions", type=int, default=900, help="at most so many of each set")
    parser.add_argument("--penalty", type=float, default=0.001)
    parser.add_argument("--check", action="store_true", help="compare with the weights shipped, write nothing")
    options = parser.parse_args()
    settings = Settings.load(options.work / "home")
    opened = {
        name: CachedEmbedder(
            open_embedder(settings.model_copy(update={"embed": Embed(model=name)})), options.work / "vectors"
        )
        for name in (BILINGUAL, ENGLISH)
    }
    sets = []
    for training in SETS:
        dataset, model = training.load(options.data), EMBEDDERS[training.match]
        if model == ENGLISH:
            dataset = replace(dataset, name=f"{dataset.name}, by {ENGLISH}")
        folder = options.work / "libraries" / re.sub(r"\W+", "-", dataset.name)
        shutil.rmtree(folder, ignore_errors=True)
        sets.append((training, collect(dataset, opened[model], folder, settings, options.questions)))
        print(f"{dataset.name}: {len(sets[-1][1].golds)} questions", file=sys.stderr, flush=True)
    fitted = fit_all(sets, options.penalty)
    print("\n".join(report([one for _, one in sets], fitted)))
    if options.check:
        different = differences(fitted, read_weights())
        print("\n".join(different) or "The weights shipped are these.")
        return 1 if different else 0
    WEIGHTS_FILE.write_text(as_toml(fitted, read_weights().cosine, sets, options.penalty), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
