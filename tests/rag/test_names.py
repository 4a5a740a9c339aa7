"""Names are told from other capitals, and found in another form, by their initials, or spelled out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.names import known_names, names

PASSAGE = known_names("The World Health Organization (U.N.) met Anna Smith in Argentina. IBM's GPT-4 is there.")


def named(text: str) -> list[str]:
    return [name.text for name in names(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tenants may keep dogs.", []),
        ("The tenant is Anna Smith.", ["Anna", "Smith"]),
        ("Anna Smith signed in June.", ["Anna", "Smith"]),
        ("WHO met on Monday.", ["WHO"]),
        ("It was sold. Nobody knew, I think.", []),
        ("the aircraft is a B52", ["B52"]),
        ("La firma de José en Sevilla", ["José", "Sevilla"]),
    ],
)
def test_names_are_told_from_other_words(text: str, found: list[str]) -> None:
    assert named(text) == found


@pytest.mark.parametrize("text", ["by WHO", "by the UN", "the Argentinian", "by Smith", "by IBM", "in Argentina"])
def test_a_name_is_found_in_another_form(text: str) -> None:
    (name,) = names(text)
    assert PASSAGE.has(name)


def test_an_acronym_is_found_where_it_is_spelled_out() -> None:
    acronym = known_names("the ILO met")
    assert all(acronym.has(name) for name in names("by the International Labour Organization"))


@pytest.mark.parametrize("text", ["by Newton", "by Smithson Jones", "in Argos", "by UNESCO", "the B52"])
def test_another_name_is_not_found(text: str) -> None:
    assert not all(PASSAGE.has(name) for name in names(text))


@given(st.text(max_size=80))
def test_any_text_has_its_own_names(text: str) -> None:
    assert all(known_names(text).has(name) for name in names(text))
