import random
import time

from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.grid import find_grids
from ingest.parse.order import MAX_LINES, in_grids, reading_order
from ingest.parse.page import Cell, Line, Ruling

PROSE = "words that make up a line of text in a column"


def line(text: str, x0: float, x1: float, y: float) -> Line:
    """A line 10 points high at the height y."""
    return Line(0, len(text), (Cell(text, x0, x1),), y, y + 10, 10.0)


def column(name: str, x0: float, x1: float, top: float, count: int) -> list[Line]:
    return [line(f"{name}{n} {PROSE}", x0, x1, top - 12 * n) for n in range(count)]


def names(lines: tuple[Line, ...]) -> list[str]:
    return [part.text.split()[0] for part in lines]


HEAD = [line("Head over both columns of the page", 50, 550, 750)]
LEFT, RIGHT = column("a", 50, 290, 700, 6), column("b", 310, 550, 700, 6)
FOOT = [line("Foot under both columns of the page", 50, 550, 600)]
READ = ["Head", *(f"a{n}" for n in range(6)), *(f"b{n}" for n in range(6)), "Foot"]


def test_columns_are_read_one_after_the_other_whatever_the_order_in_the_file() -> None:
    for seed in range(20):
        lines = [*HEAD, *LEFT, *RIGHT, *FOOT]
        random.Random(seed).shuffle(lines)
        assert names(reading_order(lines)) == READ


def test_columns_that_the_file_writes_across_are_read_one_after_the_other() -> None:
    across = [Line(0, 9, (*a.cells, *b.cells), a.bottom, a.top, 10.0) for a, b in zip(LEFT, RIGHT, strict=True)]
    assert names(reading_order([*HEAD, *across, *FOOT])) == READ


def test_each_column_has_its_number_and_what_runs_over_all_has_one_in_common() -> None:
    read = reading_order([*HEAD, *LEFT, *RIGHT, *FOOT])
    numbers = [part.column for part in read]
    assert numbers[0] == numbers[-1]
    assert len(set(numbers)) == 3
    assert len(set(numbers[1:7])) == len(set(numbers[7:13])) == 1


def test_a_table_is_read_row_by_row() -> None:
    rows = [
        line(text, x, x + 40, 700 - 12 * row) for row in range(5) for text, x in ((f"l{row}", 50), (f"f{row}", 300))
    ]
    assert names(reading_order(rows)) == [name for row in range(5) for name in (f"l{row}", f"f{row}")]


def test_a_head_written_last_is_read_first() -> None:
    assert names(reading_order([*column("a", 50, 550, 700, 4), *HEAD])) == ["Head", "a0", "a1", "a2", "a3"]


def test_a_stamp_beside_columns_and_short_lines_above_them_do_not_mix_them_up() -> None:
    title, author, stamp = line("Title", 180, 420, 750), line("Author", 250, 350, 735), line("Stamp", 10, 30, 650)
    abstract = line("Abstract", 150, 190, 715)
    assert names(reading_order([title, author, abstract, *LEFT, *RIGHT, stamp])) == [
        "Title", "Author", "Stamp", "Abstract", *READ[1:-1],
    ]  # fmt: skip


def test_a_date_beside_the_first_line_is_no_column() -> None:
    date = line("1 May", 500, 550, 750)
    assert names(reading_order([line("Report", 50, 100, 762), date, *column("a", 50, 480, 730, 5)])) == [
        "Report", "1", "a0", "a1", "a2", "a3", "a4",
    ]  # fmt: skip


places = st.floats(0, 600, allow_nan=False)
lines = st.builds(
    lambda x, width, y, text: line(text, x, x + width, y), places, places, places, st.sampled_from(["a", PROSE])
)


@given(st.lists(lines, max_size=30))
def test_no_line_is_lost_or_doubled(given: list[Line]) -> None:
    assert sorted(part.cells for part in reading_order(given)) == sorted(part.cells for part in given)


def test_the_longest_page_takes_no_time() -> None:
    staircase = [line(PROSE, 100 * (n % 3), 100 * (n % 3) + 90, 12.0 * n) for n in range(MAX_LINES)]
    started = time.monotonic()
    assert len(reading_order(staircase)) == MAX_LINES
    assert time.monotonic() - started < 2


def test_a_line_that_runs_into_a_grid_is_cut_at_its_edge() -> None:
    rulings = [Ruling(0, y, 100, y) for y in (0, 20, 40)] + [Ruling(x, 0, x, 40) for x in (0, 50, 100)]
    grids = find_grids(rulings)
    both = Line(0, 9, (Cell("inside", 5, 40), Cell("outside", 120, 160)), 5, 15, 10.0)
    assert [(part.text, part.grid) for part in in_grids([both], grids)] == [("inside", 0), ("outside", -1)]
