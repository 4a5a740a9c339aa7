"""How good rankings and answers are, how sure that is, and whether two runs differ.

A ranking is judged by where its gold stands: one Judged for each passage, page or source that answers the question.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ingest.analyse import words

RESAMPLES = 2_000
PERMUTATIONS = 10_000
LEVEL = 0.95
_BLOCK = 2_000_000  # numbers drawn at once
_ARTICLES = frozenset(["a", "an", "the", "el", "la", "los", "las", "lo", "un", "una", "unos", "unas"])


@dataclass(frozen=True, slots=True)
class Judged:
    """One thing that answers a question: how well (above 0), and its rank, 1-based; None where it was not found."""

    grade: int
    rank: int | None


def judge(gold: Mapping[str, int], ranking: Sequence[str]) -> tuple[Judged, ...]:
    """Where the gold (ids with grades) stands in a ranking of ids, best first."""
    ranks = {id: rank for rank, id in reversed(list(enumerate(ranking, 1)))}
    return tuple(Judged(grade, ranks.get(id)) for id, grade in gold.items())


def recall(judged: Sequence[Judged], k: int) -> float:
    """The share of the gold among the first k."""
    return sum(_within(one, k) for one in judged) / len(judged)


def success(judged: Sequence[Judged], k: int) -> float:
    """1 if any gold is among the first k, else 0."""
    return float(any(_within(one, k) for one in judged))


def complete(judged: Sequence[Judged], k: int) -> float:
    """1 if all gold is among the first k, else 0: for questions that need several passages."""
    return float(all(_within(one, k) for one in judged))


def reciprocal_rank(judged: Sequence[Judged], k: int = 10) -> float:
    """1 over the rank of the first gold, 0 if it is not among the first k. Its mean is MRR@k."""
    return 1 / min((one.rank for one in judged if one.rank and one.rank <= k), default=math.inf)


def ndcg(judged: Sequence[Judged], k: int = 10) -> float:
    """Normalised discounted cumulated gain (Järvelin and Kekäläinen 2002) with the discount 1 / log2(rank + 1), as
    trec_eval and BEIR compute it. At most 1, also where one passage holds several things that answer."""
    gained = sum(one.grade / math.log2(one.rank + 1) for one in judged if one.rank and one.rank <= k)
    ideal = sorted((one.grade for one in judged), reverse=True)[:k]
    return min(gained / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(ideal, 1)), 1.0)


def _within(one: Judged, k: int) -> bool:
    return one.rank is not None and one.rank <= k


# Answers


def normalised(text: str) -> list[str]:
    """The words of a text for comparison (Rajpurkar et al. 2016, for English and Spanish): lower case, no accents, no
    punctuation, no articles, '1,200' as '1200'. A text of articles only keeps them."""
    found = words(text)
    return [word for word in found if word not in _ARTICLES] or found


def contains(text: str, answers: Sequence[str]) -> bool:
    """Whether the words of any of the answers stand in the text, one after the other."""
    haystack = f" {' '.join(normalised(text))} "
    return any(f" {' '.join(normalised(answer))} " in haystack for answer in answers if normalised(answer))


def token_f1(text: str, answers: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of words, for the answer it is highest for (Rajpurkar et al. 2016)."""
    return max((_f1(Counter(normalised(text)), Counter(normalised(answer))) for answer in answers), default=0.0)


def _f1(given: Counter[str], expected: Counter[str]) -> float:
    common = (given & expected).total()
    return 2 * common / (given.total() + expected.total()) if common else 0.0


# How sure


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` questions, and the interval that holds it with 95 % confidence."""

    value: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The mean with its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13), over resampled questions.

    Where all values are equal the interval is that one point: of 30 questions that all succeeded it does not say that
    no 31st could fail. Raises ValueError if there are no values.
    """
    return estimates({"": values}, seed, resamples)[""]


def estimates(columns: Mapping[str, Sequence[float]], seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Estimate]:
    """estimate() of each column; those of one length share their resamples, which is what takes time."""
    lengths = {len(values) for values in columns.values()}
    if 0 in lengths:
        raise ValueError("There is nothing to estimate from.")
    found = {}
    for n in lengths:
        names = [name for name, values in columns.items() if len(values) == n]
        sample = np.column_stack([np.asarray(columns[name], np.float64) for name in names])  # (n, metrics)
        means = _resampled_means(sample, seed, resamples)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        for name, mean, *bounds in zip(names, sample.mean(axis=0), low, high, strict=True):
            found[name] = Estimate(float(mean), float(bounds[0]), float(bounds[1]), n)
    return {name: found[name] for name in columns}


def _resampled_means(sample: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Means of as many questions as there are, drawn with replacement: (resamples, metrics)."""
    n = len(sample)
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // n)
    means = []
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = random.integers(0, n, (rows, n)) + n * np.arange(rows)[:, np.newaxis]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)  # how often each was drawn
        means.append(times @ sample / n)
    return np.concatenate(means)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside an earlier one, on the `n` questions of both: the means, how many questions did better or worse,
    and `p`, how likely a difference of means that large is if the two runs do not differ."""

    before: float
    after: float
    p: float
    n: int
    better: int
    worse: int


def compare(before: Sequence[float], after: Sequence[float], seed: int = 0) -> Comparison:
    """Two runs' values question by question, by the paired randomisation test (Smucker, Allan and Carterette 2007),
    two-sided; exact where few questions differ.

    Raises ValueError if there are no values, or not as many of each.
    """
    if len(before) != len(after) or not before:
        raise ValueError(f"Cannot compare {len(before)} values with {len(after)}.")
    differences = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    return Comparison(
        before=float(np.mean(before)),
        after=float(np.mean(after)),
        p=_randomisation(differences[differences != 0], seed),
        n=len(before),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
    )


def _randomisation(differences: NDArray[np.float64], seed: int) -> float:
    """The share of sign changes with a sum as far from 0. What does not differ changes no sum."""
    if not len(differences):
        return 1.0
    observed = abs(differences.sum()) - 1e-9
    if 2 ** len(differences) <= PERMUTATIONS:
        signs = np.array(list(product((1.0, -1.0), repeat=len(differences))))
        return float((np.abs(signs @ differences) >= observed).mean())
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(differences))
    as_far = 0
    for start in range(0, PERMUTATIONS, block):
        signs = random.integers(0, 2, (min(block, PERMUTATIONS - start), len(differences))) * 2.0 - 1.0
        as_far += int((np.abs(signs @ differences) >= observed).sum())
    return (as_far + 1) / (PERMUTATIONS + 1)  # the observed signs are one of the possible ones
