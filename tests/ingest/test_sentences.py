"""Sentence ranges: what is quoted is a whole sentence, and no character is lost."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import sentences


def split(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Vidal came at 9 a.m. on Monday. She left.", ["Dr. Vidal came at 9 a.m. on Monday.", "She left."]),
        ("El Sr. Prats vive en la c. Mayor. ¿Paga? Sí.", ["El Sr. Prats vive en la c. Mayor.", "¿Paga?", "Sí."]),
        ("It costs 3.50 euros. J. Smith pays.", ["It costs 3.50 euros.", "J. Smith pays."]),
        ("- milk\n- eggs\n- bread", ["- milk", "- eggs", "- bread"]),
        ("A wrapped\nline of text. Next.", ["A wrapped\nline of text.", "Next."]),
        ("Room  Price\nBlue  40\nRed  50", ["Room  Price", "Blue  40", "Red  50"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |", "|---|---|", "| 1 | 2 |"]),
        ("start: 2023-09-12\nend: 2023-09-30\nloc:", ["start: 2023-09-12", "end: 2023-09-30", "loc:"]),
        ("1. Sign it.\n2. Send it.", ["1. Sign it.", "2. Send it."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("", []),
    ],
)
def test_a_sentence_ends_where_a_reader_says(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text(alphabet=st.sampled_from("aB1 .!?\n\t-|[]()\"'é…"), max_size=200))
def test_every_visible_character_lies_in_exactly_one_sentence(text: str) -> None:
    ranges = sentences(text)
    assert all(a < b for a, b in ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    assert "".join("".join(text[a:b].split()) for a, b in ranges) == "".join(text.split())


def test_a_long_row_of_stops_takes_no_quadratic_time() -> None:
    started = time.monotonic()
    assert sentences("." * 50_000 + "x") == [(0, 50_001)]
    assert time.monotonic() - started < 2
