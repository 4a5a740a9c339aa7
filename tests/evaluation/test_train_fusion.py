"""The weights of search are those that put right passages first, and figures are as computed by hand."""

import tomllib

import numpy as np
import pytest

from evaluation.train_fusion import PRIOR, SIGNS, Collected, Fitted, as_toml, fit, quality
from rag.fusion import MATCHES

HELPFUL, USELESS = SIGNS.index("exact forms"), SIGNS.index("neighbours")


def collected(questions: int = 600) -> Collected:
    """Ten candidates for each question, all of one match; the right one has more of a helpful sign, not always the
    better fused score, and one sign is noise. Every other question is for tuning."""
    random = np.random.default_rng(0)
    right = np.tile(np.arange(10) == 4, questions)
    signs = np.zeros((10 * questions, len(SIGNS)))
    signs[:, HELPFUL] = random.normal(size=10 * questions) + 3 * right
    signs[:, USELESS] = random.normal(size=10 * questions)
    return Collected(
        "made", np.repeat(np.arange(questions), 10), random.normal(size=10 * questions) + right,
        np.zeros(10 * questions, np.int64), signs, right, np.ones(questions, np.int64), np.arange(questions) % 2 == 0,
    )  # fmt: skip


def test_a_sign_of_right_passages_gets_weight_and_noise_gets_little() -> None:
    sets = [collected()]
    fitted = fit(sets, 0.001)
    assert fitted.weights[0, HELPFUL] > 1
    assert abs(fitted.weights[0, USELESS]) < 0.2 * fitted.weights[0, HELPFUL]
    prior = Fitted(np.zeros_like(fitted.weights))
    for half in ("tune", "report"):  # what is learned on one half holds for the other
        before, after = (quality(sets[0], by.scores(sets[0]), half) for by in (prior, fitted))
        assert after["R@1"] > before["R@1"] + 0.2


def test_without_evidence_weights_stay_as_they_were() -> None:
    fitted = fit([collected()], 0.001)
    for name, weight in zip(SIGNS, fitted.weights[MATCHES.index("across")], strict=True):
        assert weight == pytest.approx(PRIOR.get(name, 0.0))


def test_a_heavy_penalty_keeps_all_weights_as_they_were() -> None:
    fitted = fit([collected()], 1e6)
    assert fitted.weights[0] == pytest.approx([PRIOR.get(name, 0.0) for name in SIGNS], abs=1e-3)


def test_figures_are_those_computed_by_hand() -> None:
    made = Collected(
        "made", np.array([0, 0, 0, 1, 1]), np.zeros(5), np.zeros(5, np.int64), np.zeros((5, len(SIGNS))),
        np.array([False, True, True, True, False]), np.array([2, 2]), np.array([True, True]),
    )  # fmt: skip
    found = quality(made, np.array([3.0, 2.0, 1.0, 2.0, 1.0]), "tune")
    both = 1 + 1 / np.log2(3)
    assert found["R@1"] == 0.5  # the second question's first is right
    assert found["all@5"] == 0.5  # the second question lacks one
    assert found["nDCG@10"] == pytest.approx(((1 / np.log2(3) + 1 / 2) / both + 1 / both) / 2)


def test_what_is_written_can_be_read() -> None:
    sets = [collected()]
    text = as_toml(fit(sets, 0.001), dict.fromkeys(MATCHES, 0.5), sets, 0.001)
    found = tomllib.loads(text)
    assert set(found["features"]) == set(found["cosine"]) == set(MATCHES)
    assert all(set(found["features"][match]) == set(SIGNS) for match in MATCHES)
