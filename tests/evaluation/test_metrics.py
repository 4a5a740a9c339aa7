"""Metrics are what their definitions say: against values worked out by hand, and against their own laws."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import (
    Judged,
    compare,
    complete,
    contains,
    estimate,
    estimates,
    judge,
    ndcg,
    normalised,
    recall,
    reciprocal_rank,
    success,
    token_f1,
)

RANKS = st.one_of(st.none(), st.integers(1, 30))
JUDGED = st.lists(st.builds(Judged, st.integers(1, 3), RANKS), min_size=1, max_size=6)
DISTINCT = st.lists(st.integers(1, 3), min_size=1, max_size=6).flatmap(
    lambda grades: st.permutations(range(1, 13)).map(
        lambda ranks: [Judged(grade, rank) for grade, rank in zip(grades, ranks, strict=False)]
    )
)
VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_gold_is_found_at_its_first_rank_or_not_at_all() -> None:
    assert judge({"b": 1, "z": 2}, ["a", "b", "b"]) == (Judged(1, 2), Judged(2, None))


def test_the_metrics_of_one_ranking_by_hand() -> None:
    """Gold at ranks 2 and 4 of three: the third is not found."""
    judged = (Judged(1, 2), Judged(1, 4), Judged(1, None))
    assert [recall(judged, k) for k in (1, 2, 4)] == [0, 1 / 3, 2 / 3]
    assert [success(judged, k) for k in (1, 2, 4)] == [0, 1, 1]
    assert [complete(judged[:2], k) for k in (2, 4)] == [0, 1]
    assert reciprocal_rank(judged) == 0.5
    assert reciprocal_rank(judged, 1) == 0
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(judged) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)


def test_ndcg_of_graded_gold_by_hand() -> None:
    """Grades 3, 2, 3, 0, 1, 2 in the order found: the textbook example with linear gains."""
    grades = [3, 2, 3, 0, 1, 2]
    judged = [Judged(grade, rank) for rank, grade in enumerate(grades, 1) if grade]
    dcg = 3 / 1 + 2 / 1.584963 + 3 / 2 + 1 / 2.584963 + 2 / 2.807355
    idcg = 3 / 1 + 3 / 1.584963 + 2 / 2 + 2 / 2.321928 + 1 / 2.584963
    assert ndcg(judged) == pytest.approx(dcg / idcg, abs=1e-6)
    assert ndcg([Judged(3, None), Judged(1, 1)], 1) == pytest.approx(1 / 3)


@given(JUDGED, st.integers(1, 20))
def test_metrics_lie_between_0_and_1_and_grow_with_k(judged: list[Judged], k: int) -> None:
    for metric in (recall, success, complete, reciprocal_rank):
        assert 0 <= metric(judged, k) <= metric(judged, k + 1) <= 1
    assert 0 <= ndcg(judged, k) <= 1
    assert complete(judged, k) <= recall(judged, k) <= success(judged, k)


@given(DISTINCT)
def test_ndcg_is_1_only_for_the_ideal_order(judged: list[Judged]) -> None:
    ideal = [Judged(one.grade, rank) for rank, one in enumerate(sorted(judged, key=lambda one: -one.grade), 1)]
    assert ndcg(ideal) == pytest.approx(1)
    by_rank = [one.grade for one in sorted(judged, key=lambda one: one.rank or 0)]
    is_ideal = by_rank == sorted(by_rank, reverse=True) and {one.rank for one in judged} == {*range(1, len(judged) + 1)}
    assert (ndcg(judged) > 1 - 1e-9) == is_ideal


@given(DISTINCT, st.integers(0, 5))
def test_a_better_rank_never_lowers_a_metric(judged: list[Judged], which: int) -> None:
    which %= len(judged)
    moved = judged[which]
    taken = {one.rank for one in judged}
    better = [rank for rank in range(1, moved.rank or 1) if rank not in taken]
    for rank in better[:1]:
        raised = [*judged[:which], Judged(moved.grade, rank), *judged[which + 1 :]]
        for metric in (recall, success, complete, reciprocal_rank, ndcg):
            assert metric(raised, 10) >= metric(judged, 10)


def test_words_are_compared_without_case_accents_articles_and_separators() -> None:
    assert normalised("The Póliza of 1,200.50 €!") == ["poliza", "of", "1200_50"]
    assert normalised("La") == ["la"]


@pytest.mark.parametrize(
    ("text", "answers", "found"),
    [
        ("The deposit is 1,200 euros.", ["1200 euros"], True),
        ("The deposit is 1,200 euros.", ["200 euros"], False),
        ("El plazo es de treinta días.", ["Treinta Dias", "30"], True),
        ("It is due on the first.", ["due the first"], False),
        ("Anything.", ["..."], False),
        ("Anything.", [], False),
    ],
)
def test_an_answer_is_contained_by_whole_words_in_order(text: str, answers: list[str], found: bool) -> None:
    assert contains(text, answers) is found


def test_token_f1_by_hand() -> None:
    """Two of three given words are among four expected."""
    assert token_f1("thirty days notice", ["a notice of thirty weeks"]) == pytest.approx(
        2 * (2 / 3 * 2 / 4) / (2 / 3 + 2 / 4)
    )
    assert token_f1("thirty days", ["nothing", "The thirty days."]) == 1
    assert token_f1("", ["x"]) == token_f1("x", []) == 0


def test_an_interval_holds_the_mean_is_the_same_each_time_and_narrows_with_more_questions() -> None:
    few, many = estimate([0.0, 1.0] * 10), estimate([0.0, 1.0] * 1000)
    assert few == estimate([0.0, 1.0] * 10)
    assert few != estimate([0.0, 1.0] * 10, seed=1)
    assert (few.value, few.n, many.n) == (0.5, 20, 2000)
    assert few.low < many.low < 0.5 < many.high < few.high


def test_the_interval_is_the_normal_one_for_many_questions() -> None:
    """For a mean of 2,000 coin throws at .3 the normal approximation is good."""
    found = estimate([1.0] * 600 + [0.0] * 1400, resamples=5000)
    half = 1.959964 * math.sqrt(0.3 * 0.7 / 2000)
    assert found.low == pytest.approx(0.3 - half, abs=0.0015)
    assert found.high == pytest.approx(0.3 + half, abs=0.0015)


def test_intervals_hold_the_true_mean_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    held = [low <= 0.6 <= high for low, high in (
        (found.low, found.high)
        for found in (estimate(list(random.random(80) < 0.6), resamples=400) for _ in range(300))
    )]  # fmt: skip
    assert 0.90 <= sum(held) / len(held) <= 0.99


@given(VALUES)
def test_an_interval_stays_within_what_was_seen(values: list[float]) -> None:
    found = estimate(values, resamples=50)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert found.value == pytest.approx(sum(values) / len(values))


def test_many_metrics_at_once_are_estimated_as_each_alone() -> None:
    columns = {"a": [0.0, 1.0, 1.0], "b": [0.25, 0.5, 0.0, 1.0], "c": [1.0, 0.0, 0.0]}
    assert estimates(columns) == {name: estimate(values) for name, values in columns.items()}
    assert list(estimates(columns)) == ["a", "b", "c"]


def test_resampling_in_blocks_draws_as_many_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from evaluation import metrics

    values = [0.0, 1.0, 0.5] * 20
    whole = estimate(values)
    monkeypatch.setattr(metrics, "_BLOCK", 1000)
    assert estimate(values) == whole


def exact_p(differences: list[float]) -> float:
    """By definition: over all assignments of the two runs' values."""
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in product((1, -1), repeat=len(differences))]  # fmt: skip
    return sum(value >= abs(sum(differences)) - 1e-9 for value in sums) / len(sums)


@given(st.lists(st.tuples(st.sampled_from([0, 0.5, 1]), st.sampled_from([0, 0.5, 1])), min_size=1, max_size=9))
def test_few_differences_are_tested_exactly(pairs: list[tuple[float, float]]) -> None:
    before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = compare(before, after)
    assert found.p == pytest.approx(exact_p([b - a for a, b in pairs]))
    assert compare(after, before).p == pytest.approx(found.p)
    assert (found.better, found.worse) == (sum(b > a for a, b in pairs), sum(b < a for a, b in pairs))
    assert (found.before, found.after) == (pytest.approx(np.mean(before)), pytest.approx(np.mean(after)))


def test_many_differences_are_tested_by_drawing() -> None:
    """Of 30 questions that differ 21 got better: the sign test says p = 0.0428."""
    before, after = [0.0] * 21 + [1.0] * 9 + [1.0] * 100, [1.0] * 21 + [0.0] * 9 + [1.0] * 100
    found = compare(before, after)
    binomial = 2 * sum(math.comb(30, i) for i in range(21, 31)) / 2**30
    assert found.p == pytest.approx(binomial, abs=0.006)
    assert (found.better, found.worse, found.n) == (21, 9, 130)
    assert compare(before, after) == found


def test_equal_runs_do_not_differ_and_a_clear_gain_does() -> None:
    assert compare([0.0, 1.0], [0.0, 1.0]).p == 1
    assert compare([0.0] * 50, [1.0] * 50).p < 0.001


def test_nothing_cannot_be_estimated_or_compared() -> None:
    with pytest.raises(ValueError, match="nothing to estimate"):
        estimate([])
    with pytest.raises(ValueError, match="Cannot compare 1 values with 2"):
        compare([1.0], [1.0, 2.0])
