import time

from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.grid import MAX_RULINGS, find_grids, grid_rows, walls
from ingest.parse.page import Cell, Line, Ruling


def ruled(xs: list[float], ys: list[float]) -> list[Ruling]:
    return [Ruling(xs[0], y, xs[-1], y) for y in ys] + [Ruling(x, ys[-1], x, ys[0]) for x in xs]


def at(text: str, x: float, y: float) -> Line:
    return Line(0, len(text), (Cell(text, x, x + 5 * len(text)),), y, y + 10, 10.0)


def rows(rulings: list[Ruling], *lines: Line) -> list[list[str]]:
    (grid,) = find_grids(rulings)
    return [["/".join(cell.text for cell in cells) for cells in row] for row in grid_rows(grid, lines)]


def test_texts_stand_in_the_cells_that_the_rulings_draw() -> None:
    lines = [
        at("Name", 5, 85),
        at("Sum", 105, 85),
        at("Ann", 5, 65),
        at("3", 105, 65),
        at("Bob", 5, 45),
        at("4", 105, 45),
    ]
    assert rows(ruled([0, 100, 200], [100, 80, 60, 40]), *lines) == [["Name", "Sum"], ["Ann", "3"], ["Bob", "4"]]


def test_lines_of_one_cell_are_one_row() -> None:
    lines = [at("a", 5, 85), at("b", 105, 85), at("long", 5, 65), at("text", 5, 53), at("c", 105, 59)]
    assert rows(ruled([0, 100, 200], [100, 80, 40]), *lines) == [["a", "b"], ["long/text", "c"]]


def test_rows_without_a_ruling_between_them_stay_apart_where_each_is_filled() -> None:
    lines = [at(f"{name}{n}", x, 70 - 12 * n) for n in range(4) for name, x in (("a", 5), ("b", 105))]
    heads = [at("A", 5, 85), at("B", 105, 85)]
    assert rows(ruled([0, 100, 200], [100, 80, 20]), *heads, *lines) == [
        ["A", "B"], ["a0", "b0"], ["a1", "b1"], ["a2", "b2"], ["a3", "b3"],
    ]  # fmt: skip


def test_the_head_s_rows_are_one_and_what_spans_columns_is_said_in_each() -> None:
    rulings = [
        *(Ruling(0, y, 300, y) for y in (100, 60, 40)), Ruling(100, 80, 300, 80),
        *(Ruling(x, 40, x, 100) for x in (0, 100, 300)), Ruling(200, 40, 200, 80),
    ]  # fmt: skip
    lines = [at("Name", 5, 75), at("Year", 180, 85), at("2023", 110, 65), at("2024", 210, 65)]
    body = [at("Rent", 5, 45), at("1", 110, 45), at("2", 210, 45)]
    assert rows(rulings, *lines, *body) == [["Name", "Year/2023", "Year/2024"], ["Rent", "1", "2"]]


def test_a_table_open_at_its_sides_is_one() -> None:
    rulings = [*(Ruling(0, y, 200, y) for y in (100, 80, 60)), Ruling(100, 60, 100, 100)]
    lines = [at("a", 5, 85), at("b", 105, 85), at("c", 5, 65), at("d", 105, 65)]
    assert rows(rulings, *lines) == [["a", "b"], ["c", "d"]]


def test_a_frame_is_no_grid() -> None:
    assert find_grids(ruled([0, 200], [100, 0])) == []


def test_a_grid_with_text_in_one_column_is_no_table() -> None:
    (grid,) = find_grids(ruled([0, 100, 200], [100, 80, 60]))
    assert grid_rows(grid, [at("a", 5, 85), at("b", 5, 65)]) == []


def test_a_grid_that_parts_only_some_of_the_columns_tells_no_rows() -> None:
    (grid,) = find_grids(ruled([0, 100, 200], [100, 80, 60]))
    figures = [at(str(n), x, y) for n, (x, y) in enumerate((x, y) for y in (85, 65) for x in (5, 55, 105, 155))]
    assert grid_rows(grid, figures) == []


def test_tables_apart_are_two() -> None:
    assert len(find_grids(ruled([0, 50, 100], [100, 80, 60]) + ruled([200, 250, 300], [100, 80, 60]))) == 2


def test_a_wall_stands_where_a_ruling_runs_through_the_line() -> None:
    assert walls([Ruling(30, 0, 30, 100), Ruling(60, 0, 60, 10), Ruling(0, 50, 100, 50)], 40, 60) == [30]


places = st.floats(0, 300, allow_nan=False)
drawn = st.tuples(places, places, st.booleans(), places).map(
    lambda p: Ruling(p[0], p[1], p[0] + p[3], p[1]) if p[2] else Ruling(p[0], p[1], p[0], p[1] + p[3])
)


@given(st.lists(drawn, max_size=40), st.lists(st.tuples(places, places), max_size=20))
def test_no_text_in_a_grid_is_lost(rulings: list[Ruling], points: list[tuple[float, float]]) -> None:
    lines = [at(f"w{n}", x, y) for n, (x, y) in enumerate(points)]
    for grid in find_grids(rulings):
        if found := grid_rows(grid, lines):
            assert {cell.text for row in found for cells in row for cell in cells} == {part.text for part in lines}


def test_the_most_rulings_take_no_time() -> None:
    half = MAX_RULINGS // 2
    started = time.monotonic()
    find_grids(ruled([4.0 * n for n in range(half)], [4.0 * n for n in range(half, 0, -1)]))
    assert find_grids([Ruling(0, n, 9, n) for n in range(MAX_RULINGS + 1)]) == []
    assert time.monotonic() - started < 2
