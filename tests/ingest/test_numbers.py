"""Numbers: a figure and its words are the same."""

import pytest

from ingest.numbers import numbers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("thirty days", "30 days"),
        ("forty-five", "45"),
        ("treinta y cinco días", "35 días"),
        ("veinticinco", "25"),
        ("1,200 euros", "1.200 euros"),
        ("twelve", "doce"),
        ("twenty, and two", "20 2"),
    ],
)
def test_words_and_digits_say_the_same_number(one: str, other: str) -> None:
    assert numbers(one) == numbers(other)


def test_words_that_only_look_like_numbers_are_none() -> None:
    assert numbers("Once the one tenant leaves, uno se va") == set()


def test_different_numbers_differ() -> None:
    assert numbers("thirty") != numbers("thirteen")
    assert numbers("3.5") != numbers("35")
