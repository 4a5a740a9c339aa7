"""The words that a misspelt one may have been, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.postings import Owner, Postings, build
from ingest.spelling import _slips, nearest

VOCABULARY = {"mortgage": 5, "mortgages": 2, "house": 9, "mouse": 1, "garden": 3, "jardín": 2, "rent": 4, "renta": 1}


@pytest.fixture
def part() -> Postings:
    documents = [{f"={word}": 1.0 for word, count in VOCABULARY.items() if doc < count} for doc in range(9)]
    return build([Owner(doc, "", (doc,)) for doc in range(9)], [{**document, "stem": 1.0} for document in documents])


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("mortage", ["mortgage"]),
        ("mortgaeg", ["mortgage", "mortgages"]),
        ("hose", ["house"]),
        ("huose", ["house"]),
        ("jardin", ["jardín"]),
        ("mort", ["mortgage", "mortgages"]),
        ("hpuse", ["house"]),
        ("xouse", ["house", "mouse"]),
        ("zebra", []),
        ("hou", []),
        ("h0use", []),
        ("mortgage2", []),
    ],
)
def test_the_likeliest_words_come_first(part: Postings, word: str, meant: list[str]) -> None:
    assert [near for near, _ in nearest(word, [part], "=")] == meant


def test_how_many_passages_have_a_word_is_counted_over_all_parts(part: Postings) -> None:
    assert nearest("mortage", [part, part], "=") == [("mortgage", 10)]


def slips_in_full(one: str, other: str) -> int:
    """Damerau's distance with each pair of letters swapped once, by its definition."""
    if not one or not other:
        return len(one) + len(other)
    least = min(slips_in_full(one[1:], other) + 1, slips_in_full(one, other[1:]) + 1)
    least = min(least, slips_in_full(one[1:], other[1:]) + (one[0] != other[0]))
    if one[:2] == other[1::-1] and len(one) > 1 and len(other) > 1:
        least = min(least, slips_in_full(one[2:], other[2:]) + 1)
    return least


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(1, 2))
def test_slips_are_counted(one: str, other: str, most: int) -> None:
    padded = np.frombuffer((other + "a" * 3).encode(), np.uint8)
    assert _slips(one.encode(), padded[None], np.array([len(other)]), most)[0] == min(
        slips_in_full(one, other), most + 1
    )


def test_an_accent_is_no_slip_and_a_long_word_may_have_two() -> None:
    part = build([Owner(1, "", (1,))], [{"=póliza": 1.0, "=habitación": 1.0, "=polea": 1.0}])
    assert nearest("pliza", [part], "=") == [("póliza", 1)]
    assert nearest("habtacoin", [part], "=") == [("habitación", 1)]


def test_a_vocabulary_without_words_has_none_that_is_like() -> None:
    assert nearest("house", [build([Owner(1, "", (1,))], [{"stem": 1.0}])], "=") == []
    assert nearest("house", [], "=") == []
