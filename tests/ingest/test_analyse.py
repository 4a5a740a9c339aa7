"""Full-text terms: what a reader takes for the same word is found by the same term."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import analyse
from ingest.analyse import (
    compounds,
    content_words,
    detect_language,
    fold,
    forms,
    identify_language,
    phrase_pattern,
    phrases,
    stem,
    terms,
    words,
)  # fmt: skip


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


ENGLISH = "The tenant has to pay the rent before the fifth day of each month, and it is not to be paid in cash. "


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        ("Der Vermieter haftet nicht, so war es im Vertrag: was in der Wohnung war, will er nicht ersetzen.", "de"),
        ("De huurder moet de huur betalen in de eerste week van de maand; was hij te laat, dan is er een boete.", "nl"),
        ("A renda é paga no primeiro dia de cada mês, e o inquilino não pode ter animais em casa.", "pt"),
        ("El lloguer es paga el primer dia de cada mes, i la casa no es pot compartir amb altres persones.", "ca"),
        ("家賃は月曜日に支払われます。契約は一年間です。" * 3 + ENGLISH, "ja"),
    ],
)
def test_what_is_not_plainly_english_is_shown_to_the_identifier(
    text: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identify_language(text, lambda: pytest.fail("nothing is in doubt")) == language
    monkeypatch.setattr(analyse, "language_identifier", lambda: pytest.fail("it is not needed"))
    if language == "en":
        assert identify_language(text) == "en"
    else:
        with pytest.raises(pytest.fail.Exception):
            identify_language(text)


def test_in_doubt_the_default_is_asked() -> None:
    assert identify_language("2021", lambda: "es") == "es"
    assert identify_language("Rue 4", lambda: "fr") == "fr"


def test_a_passage_in_another_language_is_found_across_its_own_inflections() -> None:
    stored = terms("Die Häuser sind verkauft.", "de")
    assert stem("haus", "de") in stored
    assert stem("haus", "en") not in terms("Die Häuser sind verkauft.", "en")


def wholes(text: str, language: str = "en") -> set[str]:
    return {compound.whole for compound in compounds(text, language)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GPT-4", "gpt4"),
        ("max_seq_length", "maxSeqLength"),
        ("part AB-1234/7", "AB-1234/7."),
        ("FY2018", "FY-2018"),
        ("2021-06-30", "30 June 2021"),
        ("30/06/2021", "June 30th, 2021"),
        ("30.06.2021", "el 30 de junio de 2021"),
        ("§ 12.3", "see section 12.3"),
        ("Art. 5", "artículo 5"),
    ],
)
def test_an_identifier_a_date_and_a_section_are_one_however_written(one: str, other: str) -> None:
    assert wholes(one) & wholes(other)


def test_an_identifier_has_parts() -> None:
    (camel,) = compounds("parseHTML5Doc", "en")
    assert (camel.whole, camel.parts) == ("parsehtml5doc", ("pars", "html", "5", "doc"))


def test_a_date_that_may_be_two_days_is_none() -> None:
    assert not any(whole.startswith("day_") for whole in wholes("05/06/2021"))
    assert "day_2021_06_06" in wholes("06/06/2021")
    assert not any(whole.startswith("day_") for whole in wholes("31 February 2021 or 2021-13-01"))


@pytest.mark.parametrize("amount", ["1,200.50", "1.200,50", "1200.50", "1200,50"])
def test_an_amount_is_one_in_both_languages_spelling(amount: str) -> None:
    assert words(amount) == ["1200_50"]


@pytest.mark.parametrize(
    ("number", "word"), [("900.00", "900"), ("0.125", "0_125"), ("3.10", "3_10"), ("1.2.3", "1_2_3")]
)
def test_a_point_that_divides_no_thousands_stays(number: str, word: str) -> None:
    assert words(number) == [word]


def test_a_name_in_capitals_is_no_stop_word() -> None:
    assert terms("The WHO met.", "en") == ["who", "met"]
    assert content_words("What did the WHO say?") == ["who", "say"]
    assert terms("WHO IS IT AND WHEN", "en") == ["who", "is", "it", "and", "when"]  # all capitals say nothing


def test_forms_keep_accents_but_not_case() -> None:
    assert forms("El AÑO, los ano\u0301s y 12", "es") == ["año", "anós"]


def test_phrases_stand_in_quotes_of_any_kind() -> None:
    assert phrases('the "notice period" of «la casa» and “our lease”') == ["notice period", "la casa", "our lease"]
    pattern = phrase_pattern("Notice  period")
    assert pattern is not None
    assert pattern.search(fold("a notice-period"))
    assert not pattern.search(fold("notices period"))
    assert phrase_pattern("...") is None


@given(st.text())
def test_any_text_has_compounds_and_forms(text: str) -> None:
    for compound in compounds(text, "en"):
        assert compound.whole
    assert all(form == form.casefold() for form in forms(text, "es"))


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_folding_ascii_quickly_changes_nothing(text: str) -> None:
    slowly = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    assert fold(text) == "".join(c for c in slowly if not unicodedata.combining(c))
