"""Late features: words in one sentence, beside each other and in the very form count more."""

from dataclasses import replace

import pytest

from ingest.fulltext import Term
from rag.rerank import BEST_SENTENCE, EXACT_FORM, NEIGHBOURS, LateFeatures
from tests.fakes import LEASE

NOTICE = Term("notice", ("notic",), 2.0, 1)
PERIOD = Term("period", ("period",), 1.0, 1)


def score(text: str, *question: Term) -> float:
    (found,) = LateFeatures().features(question, [replace(LEASE, text=text)])
    return sum(found.values())


def test_a_perfect_passage_scores_all_there_is() -> None:
    expected = BEST_SENTENCE + NEIGHBOURS * 0.5 + EXACT_FORM
    assert score("The notice period is long.", NOTICE, PERIOD) == pytest.approx(expected)


def test_words_in_one_sentence_beat_words_in_two() -> None:
    assert score("A notice for a period.", NOTICE, PERIOD) > score("A notice. Then a period.", NOTICE, PERIOD)


def test_words_beside_each_other_beat_words_apart() -> None:
    assert score("The notice period ends.", NOTICE, PERIOD) > score("The notice ends a period.", NOTICE, PERIOD)


def test_the_very_form_beats_another_of_the_stem() -> None:
    assert score("A notice.", NOTICE) > score("Some notices.", NOTICE)


def test_words_that_no_document_has_change_nothing() -> None:
    unknown = Term("zebra", ("zebra",), 5.0, 0)
    assert score("A notice.", NOTICE, unknown) == score("A notice.", NOTICE)
    assert score("A notice.", unknown) == 0
