"""How sure an answer is: the passages must speak of what is asked, and answer it."""

import math

import pytest

from rag.abstain import Ranked, is_enough, probability
from rag.answer_signs import Ask
from rag.answer_weights import Weights, read_weights
from rag.candidates import Candidate
from rag.pieces import Piece
from rag.types import ABSTAIN

ASK = Ask("Where is the mill?", [], "en")


def ranked(**signs: float) -> Ranked:
    return Ranked((Candidate(1, Piece(0, 9), "The mill.", {"cosine": 0.5, "words": 1.0} | signs, ()),), (0.0,))


def logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


@pytest.mark.parametrize("about", [-3.0, 0.0, 3.0])
@pytest.mark.parametrize("answered", [-3.0, 0.0, 3.0])
def test_passages_that_do_not_speak_of_it_or_do_not_answer_it_are_not_enough(about: float, answered: float) -> None:
    weights = Weights({"": 0.0}, {"": about, "cosine": 2.0}, {"": answered, "words": 1.0}, {"strict": 0.5}, {})
    sure = probability(ASK, ranked(), weights)
    assert sure == pytest.approx(logistic(about + 1.0) * logistic(answered + 1.0))
    assert is_enough(sure, "strict", weights) == (sure >= 0.5)


def test_without_a_candidate_there_is_no_answer_however_little_it_takes() -> None:
    sure = probability(ASK, Ranked((), ()), read_weights())
    assert sure == 0.0
    assert not any(is_enough(sure, dial, read_weights()) for dial in ABSTAIN)
