"""The weights of search are those that put right passages first, and figures are as computed by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.dataset import Dataset
from evaluation.train_fusion import (
    BY_HAND,
    PRIOR,
    SETS,
    SIGNS,
    Collected,
    Fitted,
    TrainingSet,
    as_toml,
    differences,
    fit,
    fit_all,
    quality,
)
from rag.fusion import MATCHES, WEIGHTS_FILE, read_weights

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
    made = collected()
    fitted = fit([(made, 1.0)], 0.001)
    assert fitted.weights[0, HELPFUL] > 1
    assert abs(fitted.weights[0, USELESS]) < 0.2 * fitted.weights[0, HELPFUL]
    prior = Fitted(np.zeros_like(fitted.weights))
    for half in ("tune", "report"):  # what is learned on one half holds for the other
        before, after = (quality(made, by.scores(made), half) for by in (prior, fitted))
        assert after["R@1"] > before["R@1"] + 0.2


def test_without_evidence_weights_stay_as_they_were() -> None:
    fitted = fit([(collected(), 1.0)], 0.001)
    for name, weight in zip(SIGNS, fitted.weights[MATCHES.index("to_known")], strict=True):
        assert weight == pytest.approx(PRIOR.get(name, 0.0))


def test_a_heavy_penalty_keeps_all_weights_as_they_were() -> None:
    fitted = fit([(collected(), 1.0)], 1e6)
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


def nothing(_: object) -> Dataset:
    return Dataset("none", (), ())


KNOWN, TO_KNOWN = TrainingSet(nothing, "known"), TrainingSet(nothing, "to_known")


def test_weights_across_languages_leave_those_in_one_as_they_are() -> None:
    one, two = collected(), collected()
    other = np.tile(np.arange(10) >= 3, 600)  # in each question, passages 3 to 9 are in another language
    mixed = replace(two, match=np.where(other, MATCHES.index("to_known"), two.match))
    fitted = fit_all([(KNOWN, one), (TO_KNOWN, mixed)], 0.001)
    alone = fit([(one, 1.0)], 0.001, BY_HAND, ("known",))
    assert fitted.weights[:2] == pytest.approx(alone.weights[:2])
    assert fitted.weights[MATCHES.index("to_known"), HELPFUL] > 1


def test_a_set_counts_as_much_as_it_is_said_to() -> None:
    made = collected()
    against = replace(made, signs=-made.signs)
    weights = [fit([(made, 1.0), (against, counts)], 0.001).weights[0, HELPFUL] for counts in (0.1, 1.0)]
    assert weights[0] > weights[1] + 0.5


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    sets = [(KNOWN, collected()), (TO_KNOWN, collected())]
    fitted = fit_all(sets, 0.001)
    file = tmp_path / "fusion.toml"
    file.write_text(as_toml(fitted, dict.fromkeys(MATCHES, 0.5), sets, 0.001))
    found = read_weights(file)
    assert all(set(found.features[match]) == set(SIGNS) for match in MATCHES)
    assert differences(fitted, found) == []
    moved = fitted.weights.copy()
    moved[0, HELPFUL] += 0.01
    (different,) = differences(Fitted(moved), found)
    assert different.startswith("known, exact forms: ")


def test_the_weights_shipped_are_of_every_set_by_the_one_command() -> None:
    text = WEIGHTS_FILE.read_text(encoding="utf-8")
    assert "`python -m evaluation.train_fusion` in one go" in text
    assert text.count("| tune |") == text.count("| report |") == len(SETS)
    assert all(set(read_weights().features[match]) == set(SIGNS) for match in MATCHES)
