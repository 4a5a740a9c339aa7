"""What of a passage can answer: sentences, items, rows with their header, records; and lists that are shown whole."""

import random

import pytest

from rag.pieces import pieces, whole_list

TEXT = """Intro text here. Another one.

| Exercise | Sets |
|---|---|
| Wall sit | 4 |

To pack:
- Two litres of water
- A whistle
  and a blanket
- The map

Room  Price
Blue room  40 euros
Red room  65 euros

name: Ana
floor: 3
name: Bob
floor: 4
"""


def texts(text: str) -> list[str]:
    return [text[piece.start : piece.end] for piece in pieces(text)]


def test_every_sentence_item_row_and_record_is_a_piece() -> None:
    assert texts(TEXT) == [
        "Intro text here.", "Another one.", "| Wall sit | 4 |", "To pack:", "Two litres of water",
        "A whistle\n  and a blanket", "The map", "Blue room  40 euros", "Red room  65 euros", "name: Ana\nfloor: 3",
        "name: Bob\nfloor: 4",
    ]  # fmt: skip


def test_a_row_knows_its_header() -> None:
    headers = {TEXT[p.start : p.end]: p.header and TEXT[slice(*p.header)] for p in pieces(TEXT)}
    assert headers["| Wall sit | 4 |"] == "| Exercise | Sets |"
    assert headers["Red room  65 euros"] == "Room  Price"
    assert headers["The map"] is None


def test_headings_and_rules_are_no_pieces() -> None:
    assert texts("# Title\n\nText.\n\n---\n") == ["Text."]
    assert texts("") == []


@pytest.mark.parametrize("start", ["To pack:", "A whistle", "The map"])
def test_a_list_is_found_whole_from_its_lead_and_from_any_item(start: str) -> None:
    piece = next(piece for piece in pieces(TEXT) if TEXT[piece.start :].startswith(start))
    place = whole_list(TEXT, piece)
    assert place is not None
    assert TEXT[slice(*place)] == "To pack:\n- Two litres of water\n- A whistle\n  and a blanket\n- The map"


def test_a_sentence_is_in_no_list_and_a_long_list_is_not_shown_whole() -> None:
    assert whole_list(TEXT, pieces(TEXT)[0]) is None
    long = "\n".join(f"- item {n}" for n in range(30))
    assert whole_list(long, pieces(long)[3]) is None


def test_a_table_goes_on_below_a_line_that_names_its_next_rows() -> None:
    text = "Item  2018  2019\nNet sales  10  12\nNorth America\nNet sales  7  8"
    headers = {text[p.start : p.end]: p.header and text[slice(*p.header)] for p in pieces(text)}
    assert headers["Net sales  7  8"] == "Item  2018  2019"
    assert headers["North America"] is None


def test_the_first_row_of_a_table_without_a_header_is_a_piece() -> None:
    assert texts("Rent  400 euros\nWater  30 euros") == ["Rent  400 euros", "Water  30 euros"]


def test_a_long_table_is_taken_apart_in_time_that_grows_with_it() -> None:
    assert len(pieces("Item  2018\n" + "Rent  400\n" * 20_000)) == 20_000


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_text_is_like_its_pieces_lie_in_it(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choices("ab1 9\t|\n  -—$(),.%:#*", k=400))
    assert all(0 <= piece.start < piece.end <= len(text) for piece in pieces(text))
