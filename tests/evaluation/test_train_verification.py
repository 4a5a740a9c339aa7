"""The weights of verification: what is shipped fits the signs, and fitting finds what is there."""

import numpy as np
import pytest

from evaluation.grounding import Pair, Text
from evaluation.train_verification import evidence, fit, fitted, rates, table, weighed, written
from rag.signs import signs
from rag.verify import read_weights

CITED = Text("The fee is 45 euros. The school is near.", "Lease", "en", "Lease")


def pair(kind: str, carried: bool, set: str = "squad") -> Pair:
    return Pair(set, kind, "The fee is 45 euros.", CITED, carried)


def test_the_shipped_weights_are_of_the_signs_that_there_are() -> None:
    names = signs("The fee is 45 euros.", evidence(pair("sentence", True))).features.keys()
    weights = read_weights()
    assert weights.words.keys() == {*names, "bias"}
    assert weights.with_cosine.keys() == {*names, "bias", "cosine"}


def test_a_missing_figure_or_a_denial_never_speaks_for_a_claim() -> None:
    weights = read_weights()
    for name in ("figures missing", "figures elsewhere", "names missing", "names elsewhere", "denied", "new words"):
        assert weights.words[name] < 0
        assert weights.with_cosine[name] < 0


def test_fitting_finds_the_side_that_a_feature_speaks_for() -> None:
    random = np.random.default_rng(1)
    rows = random.random((500, 2))
    carried = (rows[:, 0] + random.normal(0, 0.1, 500) > 0.5).astype(float)
    weights, bias = fit(rows, carried, np.ones(500), 1.0)
    assert weights[0] > 5 * abs(weights[1])
    assert weights[0] * 0.5 + weights[1] * 0.5 + bias == pytest.approx(0, abs=0.5)


def test_true_and_false_weigh_the_same_and_so_does_each_kind_of_false_claim() -> None:
    pairs = [pair("sentence", True)] * 6 + [pair("negated", False)] * 3 + [pair("name changed", False)]
    weights = weighed(pairs)
    assert weights[6:9].sum() == pytest.approx(weights[9])
    assert weights[:6].sum() == pytest.approx(4 * weights[9])  # half of all, the four kinds the other half
    assert weights.mean() == pytest.approx(1)


def test_rates_are_balanced_whatever_the_numbers() -> None:
    pairs = [pair("sentence", True)] * 2 + [pair("negated", False)] * 4
    got = rates(pairs, [True, False, True, False, False, False])
    assert (got.supported, got.refused, got.balanced) == (0.5, 0.75, 0.625)
    assert got.precision == pytest.approx(0.5 / 0.75)


def test_what_is_written_reads_as_what_was_fitted() -> None:
    half = pair("sentence", True).half
    groups = [group for n in range(40) if Pair("", "", "", Text("", "", "en", group := str(n)), True).half != half]
    other = Text(CITED.text, "", "en", groups[0])
    pairs = [
        Pair(set, kind, "The fee is 45 euros.", cited, carried)
        for cited in (CITED, other)
        for set, kind in (("squad", "sentence"), ("begin-wow-dev", "x"))
        for carried in (True, False)
    ]
    features = [{"words": float(pair.carried)} for pair in pairs]
    weights = fitted(pairs, features, 1.0)
    assert weights.keys() == {"bias", "words"}
    lines = table("All", pairs, [pair.carried for pair in pairs])
    assert lines[-1] == "# | BEGIN | report | 1, 1 | 1.000 | 1.000 | 1.000 |"
    text = written(weights, {**weights, "cosine": 2.0}, lines, 1.0)
    assert f'[words]\n"bias" = {weights["bias"]:.3f}' in text
    assert '"cosine" = 2.000' in text
