"""What an extractive answer is worth, how its weights are made, and the sets that ask for answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from errors import SettingsError
from evaluation import answers_train
from evaluation.answers import Graded, abstention_f1, answered, balanced_accuracy, coverage_curve, refused
from evaluation.answers_sets import SETS, false_answers, load
from rag.answer_weights import WEIGHTS_FILE, Weights, read_weights, weigh
from rag.types import ABSTAIN
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"
GIVEN = Graded(0.9, False, True, 0.5, 10, True, True, None, False)
FOUND = [
    GIVEN,
    replace(GIVEN, probability=0.2, holds=False),
    replace(GIVEN, probability=0.6, unanswerable=True, holds=False),
    replace(GIVEN, probability=0.1, unanswerable=True, holds=False),
]


def test_answering_and_refusing_are_counted_apart() -> None:
    assert (answered(FOUND, 0.5), refused(FOUND, 0.5), balanced_accuracy(FOUND, 0.5)) == (0.5, 0.5, 0.5)
    assert (answered(FOUND, 0.0), refused(FOUND, 0.0)) == (1.0, 0.0)
    assert (answered(FOUND, 1.0), refused(FOUND, 1.0)) == (0.0, 1.0)


def test_the_f1_of_abstaining() -> None:
    assert abstention_f1(FOUND, 0.5) == pytest.approx(0.5)
    assert abstention_f1(FOUND, 0.15) == pytest.approx(2 / 3)
    assert abstention_f1(FOUND, 0.0) == 0.0


def test_the_surest_answers_are_the_first_of_the_curve() -> None:
    assert coverage_curve(FOUND, (0.25, 0.5, 1.0)) == [(0.25, 0.9, 1.0), (0.5, 0.6, 0.5), (1.0, 0.1, 0.25)]


def test_a_sign_that_comes_out_against_its_sense_is_left_out() -> None:
    random = np.random.default_rng(0)
    right = random.integers(0, 2, 400).astype(float)
    rows = np.column_stack([right + random.normal(0, 0.5, 400), -right + random.normal(0, 0.5, 400)])
    weights = answers_train._fitted(("words", "names"), rows, right, np.ones(400))
    assert weights["words"] > 0
    assert "names" not in weights


def test_what_speaks_against_an_answer_has_a_weight_below_zero_and_the_rest_above() -> None:
    weights = read_weights()
    for table in (weights.piece, weights.about, weights.answered):
        assert {name for name, value in table.items() if name and value * answers_train._sense(name) < 0} == set()


def test_the_shipped_weights_are_complete_and_strict_is_stricter() -> None:
    weights = read_weights()
    assert weights.piece.keys() <= {"", *answers_train.PIECE_SIGNS}
    for least in (weights.least, weights.least_for_models):
        assert list(least) == list(ABSTAIN)
        assert least["strict"] > least["balanced"] > least["helpful"] >= 0
    assert all(weights.least_for_models[dial] <= weights.least[dial] for dial in ABSTAIN)


def test_weights_add_up_with_their_bias() -> None:
    assert weigh({"": -1.0, "words": 2.0}, {"words": 0.75, "names": 9.0}) == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[piece]\n'' = 1",
        WEIGHTS_FILE.read_text("utf-8").replace("[about]", "[above]"),
        WEIGHTS_FILE.read_text("utf-8").replace("strict", "severe"),
    ],
)
def test_a_weights_file_that_lacks_something_is_a_message(tmp_path: Path, text: str) -> None:
    file = tmp_path / "weights.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_weights(file)


def test_the_text_of_the_weights_is_read_as_it_was_written(tmp_path: Path) -> None:
    least = dict.fromkeys(ABSTAIN, 0.5)
    weights = Weights({"": 1.0, "words": 0.25}, {"": -2.0}, {"": 3.0}, least, least)
    guesses = [answers_train.Guess(0.7, False, False, "a"), answers_train.Guess(0.1, True, False, "a, without")]
    file = tmp_path / "weights.toml"
    file.write_text(answers_train.as_toml(guesses, weights), encoding="utf-8")
    assert read_weights(file) == weights
    assert "# a: strict 1.00 / 1.00; balanced 1.00 / 1.00" in file.read_text("utf-8")


def test_how_sure_an_answer_must_be_is_not_chosen_across_languages() -> None:
    def asked(part: str, sure: float) -> list[answers_train.Guess]:
        """What has an answer is `sure`, what has none a little less."""
        parts = ((part, sure, False), (f"{part}{answers_train.WITHOUT}", sure - 0.1, True))
        return [answers_train.Guess(probability, gone, True, name) for name, probability, gone in parts]

    sets = answers_train.NEAR[::2]
    one = [guess for name in sets for guess in (*asked(name, 0.8), answers_train.Guess(0.7, True, True, name))]
    across = [guess for name in answers_train.ACROSS for guess in asked(name, 0.3)]
    least = answers_train.least_by_dial([*one, *across])
    assert least == answers_train.least_by_dial(one)
    assert least["balanced"] > 0.7


needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data at {DATA}")


@needs_shared
@pytest.mark.parametrize("name", SETS)
def test_the_sets_hold_their_gold(name: str) -> None:
    dataset = load(name, DATA)
    texts = {passage.id: passage.text for passage in dataset.passages}
    assert len(texts) == len(dataset.passages) > 100
    assert len(dataset.questions) >= 100
    assert all(bool(question.gold) != question.unanswerable for question in dataset.questions)
    assert all(id in texts for question in dataset.questions for id in question.gold)


@needs_shared
def test_every_false_source_has_a_question() -> None:
    asked = {question.text for question in load("rgb, counterfactual", DATA).questions}
    assert asked == set(false_answers(DATA))
