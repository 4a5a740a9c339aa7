from collections.abc import Sequence

import numpy as np
import pytest

from ingest.parse.layout import split_cells
from ingest.parse.page import Cell, Ruling
from ingest.parse.words import Words, cells, line_starts, longest

Placed = tuple[str, float, float]  # text, x, y; letters are 5 wide and 10 high


def words(*placed: Placed, numbers: Sequence[int] | None = None, heights: Sequence[float] | None = None) -> Words:
    texts = [text for text, _, _ in placed]
    lengths = np.array([len(text) for text in texts])
    x0, bottom = np.array([(x, y) for _, x, y in placed], float).T
    start = np.cumsum(lengths + 1) - lengths - 1
    tops = bottom + np.array(heights or [10.0] * len(texts))
    lines = np.array(numbers or [0] * len(texts))
    return Words(texts, start, start + lengths, lines, x0, x0 + 5.0 * lengths, bottom, tops)


def texts_of(page: Words, rulings: Sequence[Ruling] = (), spaced: Sequence[int] = ()) -> list[list[str]]:
    starts = line_starts(page)
    found = cells(page, starts, longest(page, starts), np.full(len(starts), 10.0), rulings, spaced)
    return [[cell.text for cell in line] for line in found]


def test_cells_below_each_other_are_lines_of_their_own_though_pdfium_takes_them_for_one() -> None:
    page = words(
        ("Balance", 50, 700), ("Granted", 50, 688), ("28", 200, 700), ("5", 213, 705), heights=[10, 10, 10, 6]
    )  # fmt: skip
    assert line_starts(page).tolist() == [0, 1, 2]


def test_a_line_of_the_file_is_a_line() -> None:
    page = words(("One", 50, 700), ("line", 70, 700), ("another", 100, 700), numbers=[1, 1, 2])
    assert texts_of(page) == [["One line"], ["another"]]


def test_the_first_of_the_longest_words_says_how_high_the_line_is() -> None:
    page = words(("a", 0, 0), ("long", 10, 0), ("word", 40, 0), ("b", 0, 50), numbers=[0, 0, 0, 1])
    assert longest(page, line_starts(page)).tolist() == [1, 3]


def test_a_ruling_parts_words_that_stand_close_in_the_lines_that_it_runs_through() -> None:
    page = words(("Name", 50, 700), ("Age", 75, 700), ("Both", 50, 600), ("sides", 75, 600), numbers=[0, 0, 1, 1])
    assert texts_of(page, [Ruling(72, 650, 72, 750)]) == [["Name", "Age"], ["Both sides"]]


def test_only_in_lines_told_to_be_spaced_out_letters_are_joined() -> None:
    letters: list[Placed] = [(letter, 50 + 8 * at, 700) for at, letter in enumerate("NEWS")]
    page = words(*letters, *[(text, x, 600) for text, x, _ in letters], numbers=[0] * 4 + [1] * 4)
    assert texts_of(page, spaced=[1]) == [["N E W S"], ["NEWS"]]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param([("All", 0), ("close", 18), ("together", 46)], id="words"),
        pytest.param([("A", 0), ("wide", 30), ("gap", 53)], id="gap"),
        pytest.param([("Cost", 0), ("$", 23), ("5", 60), ("$", 68), ("6", 99)], id="currency"),
        pytest.param([("right", 100), ("left", 20), ("end", 43)], id="back to the left"),
        pytest.param([("overprinted", 0), ("over", 10), ("after", 70)], id="on top of each other"),
        pytest.param([("(5", 0), (")", 40), ("%", 80)], id="closers"),
    ],
)
def test_lines_seen_at_once_have_the_cells_of_lines_taken_word_by_word(line: list[tuple[str, float]]) -> None:
    page = words(*[(text, x, 700.0) for text, x in line])
    wanted = split_cells([Cell(text, x, x + 5.0 * len(text)) for text, x in line], 10.0)
    starts = line_starts(page)
    assert list(cells(page, starts, starts, np.array([10.0]))) == [wanted]
