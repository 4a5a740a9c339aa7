"""Full-text terms: what a reader takes for the same word is found by the same term."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.analyse import content_words, detect_language, fold, identify_language, stem, terms, words


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("contracts", "contract", "en"),
        ("The landlord's keys", "landlord key", "en"),
        ("pólizas", "POLIZA", "es"),
        ("habitaciones", "habitación", "es"),
        ("1,200 euros", "1200 euro", "en"),
        ("1.200 euros", "1200 euro", "es"),
        ("ﬁle", "file", "en"),
    ],
)
def test_inflection_accents_case_and_separators_do_not_hide_a_word(one: str, other: str, language: str) -> None:
    assert terms(one, language) == terms(other, language)


def test_a_decimal_number_is_one_term() -> None:
    assert words("3.5 or 3,5") == ["3_5", "or", "3_5"]


def test_a_question_of_stop_words_alone_is_still_searched() -> None:
    assert terms("to be or not to be", "en")


def test_stop_words_are_not_searched() -> None:
    assert terms("What is the rent of the flat?", "en") == ["rent", "flat"]
    assert terms("¿Cuál es la renta del piso?", "es") == ["rent", "pis"]


def test_what_is_asked_for_is_not_searched_for() -> None:
    assert content_words("How long does the eco programme take?") == ["eco", "programme", "take"]
    assert content_words("¿Cuánto cuesta la póliza?") == ["cuesta", "poliza"]
    assert content_words("How much?") == ["how", "much"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the notice period?", "en"),
        ("¿Cuál es el plazo de preaviso?", "es"),
        ("Rent due Friday morning before noon", "en"),
        ("Contrato firmado ayer tarde Madrid", "es"),
    ],
)
def test_english_and_spanish_are_told_apart(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_too_little_text_takes_the_default_language() -> None:
    assert detect_language("2021", "es") == "es"


@given(st.text())
def test_folding_is_idempotent(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_any_text_has_terms_without_white_space(text: str) -> None:
    assert all(term and not any(c.isspace() for c in term) for term in terms(text, "es"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The rent is due on Monday.", "en"),
        ("El alquiler se paga el lunes.", "es"),
        ("Die Miete ist am Montag fällig und muss überwiesen werden.", "de"),
        ("Le loyer doit être payé lundi à la banque, avant midi.", "fr"),
        ("家賃は月曜日に支払われます。契約は一年間です。今月の家賃", "ja"),
        ("Revenue  1,200  3,400\nNet sales  5,600  7,100", "en"),
        ("555 014 220", "en"),
    ],
)
def test_a_passage_s_language_is_identified_and_in_doubt_it_is_one_of_ours(text: str, language: str) -> None:
    assert identify_language(text) == language


def test_a_passage_in_another_language_is_found_across_its_own_inflections() -> None:
    stored = terms("Die Häuser sind verkauft.", "de")
    assert stem("haus", "de") in stored
    assert stem("haus", "en") not in terms("Die Häuser sind verkauft.", "en")
