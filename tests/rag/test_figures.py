"""Numbers, dates, times and units mean the same however they are written, and not the same where they differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.figures import carries, figures, other_unit


def carried(claim: str, passage: str, language: str = "en", written: str = "") -> bool:
    found = figures(claim, language).found
    assert found, "the claim has no figure"
    return all(carries(figures(passage, written or language), figure) for figure in found)


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("3 June 2021", "2021-06-03"),
        ("June 3rd, 2021", "on the 3rd of June 2021"),
        ("in June 2021", "signed on 3 June 2021"),
        ("3 June 2021", "In 2021 they met on 3 June."),
        ("5 June", "from 3 to 5 June"),
        ("3 June", "from 3 to 5 June"),
        ("03/06/2021", "3 June 2021"),
        ("in 2021", "3 June 2021"),
        ("thirty days", "30 days"),
        ("a thirty-day period", "30 days"),
        ("$5 million", "$5,000,000"),
        ("5 million dollars", "US$ 5.0 million"),
        ("$5 million", "5.0 (in millions)"),
        ("12.5 %", "12.5 per cent"),
        ("5 km", "5000 m"),
        ("a year of 12 months", "twelve months"),
        ("one hundred and twenty", "120"),
        ("two hundred and fifty thousand", "250,000"),
        ("45 euros", "€45"),
        ("5 million euros", "€5m"),
        ("3 pm", "15:00"),
        ("15:30", "3.30 p.m."),
        ("about 5 million people", "4,987,213 people"),
        ("more than 40 staff", "43 staff"),
        ("until 1918", "1914-18"),
        ("number 1", "number one"),
        ("the 1990s", "in 1990"),
    ],
)
def test_a_figure_is_the_same_however_it_is_written(claim: str, passage: str) -> None:
    assert carried(claim, passage)


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("3 de junio de 2021", "2021-06-03"),
        ("treinta y un días", "31 días"),
        ("mil quinientos veinte euros", "1.520 euros"),
        ("tres mil millones", "3.000 millones"),
        ("dos mil veintiuno", "2021"),
        ("12,5 por ciento", "12,5 %"),
        ("casi 40 personas", "39,8 personas"),
    ],
)
def test_spanish_figures_too(claim: str, passage: str) -> None:
    assert carried(claim, passage, "es")


def test_a_date_is_the_same_in_two_languages() -> None:
    assert carried("3 de junio de 2021", "June 3, 2021", "es", "en")


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("3 June 2021", "4 June 2021"),
        ("3 June 2021", "3 July 2021"),
        ("3 June 2021", "3 June 2020"),
        ("3 June 2021", "June 2021"),
        ("5 km", "5 miles"),
        ("$5 million", "5 million euros"),
        ("$5 million", "$5,000"),
        ("30 days", "30 months"),
        ("54 euros", "45 euros"),
        ("3 pm", "3 am"),
        ("exactly 40 staff", "43 staff"),
        ("about 40 staff", "60 staff"),
        ("1.5", "15"),
        ("twelve", "twenty"),
    ],
)
def test_a_figure_that_differs_is_not_there(claim: str, passage: str) -> None:
    assert not carried(claim, passage)


def test_another_unit_is_told_from_another_number() -> None:
    (five,) = figures("5 miles").found
    assert other_unit(figures("5 km"), five)
    assert not other_unit(figures("6 km"), five)


@pytest.mark.parametrize("text", ["one of them", "You may be right.", "GPT-B", "once more", "", "the second one"])
def test_words_that_count_nothing_are_no_figures(text: str) -> None:
    assert figures(text).found == ()


@given(st.text(max_size=60), st.sampled_from(["en", "es"]))
def test_any_text_carries_its_own_figures(text: str, language: str) -> None:
    found = figures(text, language)
    assert all(carries(found, figure) for figure in found.found)


@given(st.integers(0, 10**12))
def test_thousands_separators_change_nothing(number: int) -> None:
    assert carried(f"{number:,}", str(number))
