"""Each side of a comparison is searched for; what a question excludes is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.split import sides, without_excluded


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is the difference between a lease and a licence?", ("a lease", "a licence")),
        ("compare the old contract with the new one", ("the old contract", "the new one")),
        ("Postgres vs. SQLite", ("Postgres", "SQLite")),
        ("How does a lease differ from a licence?", ("a lease", "a licence")),
        ("Which is older, Lima or Quito?", ("Which is older Lima", "Which is older Quito")),
        ("Who is younger Ana Ruiz or Jane Roe?", ("Who is younger Ana Ruiz", "Who is younger Jane Roe")),
        (
            "Which band, Letters to Cleo or Screaming Trees, had more members?",
            ("Which band Letters to Cleo had more members", "Which band Screaming Trees had more members"),
        ),
        (
            "Were Scott Derrickson and Ed Wood of the same nationality?",
            ("Scott Derrickson of the same nationality", "Ed Wood of the same nationality"),
        ),
        ("¿Cuál es la diferencia entre la fianza y el aval?", ("la fianza", "el aval")),
        ("¿Qué ciudad es mayor, Lima o Quito?", ("Qué ciudad es mayor Lima", "Qué ciudad es mayor Quito")),
        ("¿En qué se diferencia la fianza del aval?", ("la fianza", "aval")),
        ("¿Son Lima y Quito capitales?", ("Lima capitales", "Quito capitales")),
    ],
)
def test_a_comparison_has_two_sides(question: str, found: tuple[str, str]) -> None:
    assert sides(question) == found


@pytest.mark.parametrize(
    "question",
    [
        "What is the rent?",
        "Who signed the lease and the annex?",
        "What happens in January or February?",
        "Is the deposit paid by cash or by transfer?",
        "Which lakes, rivers and seas border Peru?",
        "¿Qué pasa en enero o febrero?",
        "",
    ],
)
def test_other_questions_have_none(question: str) -> None:
    assert sides(question) == ()


@pytest.mark.parametrize(
    ("question", "positive"),
    [
        ("Which animals except birds lay eggs?", ""),
        ("Which animals lay eggs, except birds?", "Which animals lay eggs?"),
        ("What loans other than the mortgage are there?", "What loans are there?"),
        ("¿Qué animales ponen huevos, excepto las aves?", "¿Qué animales ponen huevos?"),
        ("Who signed apart from Ana?", ""),
        ("Equal to one half except for what values?", ""),
        ("What is not covered?", ""),
    ],
)
def test_what_is_excluded_is_left_out_of_a_search_if_enough_is_left(question: str, positive: str) -> None:
    assert without_excluded(question) == positive


@given(st.text())
def test_any_text_can_be_looked_at(text: str) -> None:
    assert len(sides(text)) in (0, 2)
    assert len(without_excluded(text)) <= len(text)
