"""What is exchanged in a question, and questions made by rule."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.reader.changes import Span, a_span, changed, cloze, names, spans

SEEDS = st.integers(0, 10_000)
SENTENCES = {
    "en": "In March 2019 the office of Ortega Foods was moved from Madrid to Seville for 1,200 euros a month.",
    "es": "En marzo de 2019 la oficina de Ortega Foods se trasladó de Madrid a Sevilla por 1.200 euros al mes.",
}

ASKING = {
    "who", "what", "which", "where", "whom", "when", "how", "many", "year", "number", "much",
    "qué", "quién", "cuál", "dónde", "cuándo", "en", "año", "cuántos", "cuántas", "número", "cuánto",
}  # fmt: skip


def test_years_figures_and_names_are_told_apart_and_first_words_are_no_names() -> None:
    text = SENTENCES["en"]
    found = {(text[span.start : span.end], span.kind) for span in spans(text, "en")}
    assert ("2019", "year") in found
    assert ("1,200", "number") in found
    assert {("Ortega Foods", "name"), ("Madrid", "name"), ("Seville", "name")} <= found
    assert not any(value.startswith("In") for value, _ in found)


@given(SEEDS)
@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("When was the first office moved to Madrid?", "en"),
        ("What did Ortega Foods pay in March 2019?", "en"),
        ("Who was there?", "en"),
        ("¿Cuándo se trasladó la primera oficina a Madrid?", "es"),
        ("¿Quién fue?", "es"),
    ],
)
def test_a_changed_question_asks_something_else(question: str, language: str, seed: int) -> None:
    found = changed(random.Random(seed), question, language, ["Ortega Foods", "Lisbon"])
    assert found is None or found != question


def test_each_way_of_changing_is_taken() -> None:
    chance = random.Random(0)
    found = {changed(chance, "Who moved the first office to Madrid in May 2019?", "en", ["Lisbon"]) for _ in range(300)}
    assert "Who moved the last office to Madrid in May 2019?" in found
    assert "Who moved the first office to Lisbon in May 2019?" in found
    assert any(one and "2019" not in one for one in found)
    assert any(one and "Madrid in June 2019" in one for one in found)
    assert changed(chance, "Who was there?", "en", []) == "Who was not there?"
    assert changed(chance, "¿Quién fue?", "es", []) == "¿Quién no fue?"
    assert changed(chance, "Who came?", "en", []) is None


@given(SEEDS)
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_question_made_of_a_sentence_lacks_its_answer_and_says_nothing_else(language: str, seed: int) -> None:
    chance, text = random.Random(seed), SENTENCES[language]
    span = a_span(chance, text, language)
    assert span is not None
    question = cloze(chance, text, span, language, {})
    assert question is not None
    assert text[span.start : span.end] not in question
    said = {word.strip(".,").lower() for word in text.split()} | ASKING
    assert {word.strip("?., ").lower() for word in question.split()} <= said


def test_synonyms_take_the_place_of_words() -> None:
    span = Span(0, 5, "name")
    found = {
        cloze(random.Random(seed), "Smith bought the large house there.", span, "en", {"house": ["dwelling"]})
        for seed in range(60)
    }
    assert any("dwelling" in (one or "") for one in found)


def test_a_sentence_of_two_words_makes_no_question() -> None:
    assert cloze(random.Random(0), "Smith left", Span(0, 5, "name"), "en", {}) is None


def test_a_sentence_without_names_is_asked_about_a_word() -> None:
    span = a_span(random.Random(0), "they bought houses there", "en")
    assert span is not None
    assert "they bought houses there"[span.start : span.end] in ("bought", "houses", "there")
    assert a_span(random.Random(0), "to be", "en") is None


def test_names_are_listed() -> None:
    assert names("Then Mrs. Ortega met John Smith.", "en")[-1] == "John Smith"
