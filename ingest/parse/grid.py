"""Tables with rulings: lines drawn on a page -> grids, and the texts in a grid -> rows. Pure; no library, no file."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ingest.parse.page import Cell, Line, Ruling

TOUCH = 3.0  # points between lines that count as one, or as meeting
MAX_RULINGS = 1_000  # of a page; more are a drawing
REPEATED = 40  # letters: a shorter text in the head is said in each column that its cell spans
MAX_HEAD = 3  # rows
MOST_DOUBLE = 0.2  # of the cells may hold texts side by side
SPLIT_LINES = 3  # lines between two rulings that may be rows of their own
SPLIT_FILL = 0.8  # where so many of their cells are filled

_Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """Rulings that cross. `xs` grow, `ys` fall; `columns` and `rows` say how far each of them is drawn."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    columns: tuple[tuple[_Stretch, ...], ...]
    rows: tuple[tuple[_Stretch, ...], ...]

    def holds(self, x: float, y: float) -> bool:
        return self.xs[0] - TOUCH <= x <= self.xs[-1] + TOUCH and self.ys[-1] - TOUCH <= y <= self.ys[0] + TOUCH

    def cell(self, x: float, y: float) -> tuple[int, int, int, int]:
        """The cell around a point: its first row and column, and the row and column after its last."""
        right, bottom = len(self.xs) - 1, len(self.ys) - 1
        left = max((at for at in range(right) if self.xs[at] <= x and self._wall(at, y)), default=0)
        top = max((at for at in range(bottom) if self.ys[at] >= y and self._floor(at, x)), default=0)
        right = next((at for at in range(left + 1, right) if self.xs[at] > x and self._wall(at, y)), right)
        bottom = next((at for at in range(top + 1, bottom) if self.ys[at] < y and self._floor(at, x)), bottom)
        return top, left, bottom, right

    def _wall(self, at: int, y: float) -> bool:
        return at in (0, len(self.xs) - 1) or _drawn(self.columns[at], y)

    def _floor(self, at: int, x: float) -> bool:
        return at in (0, len(self.ys) - 1) or _drawn(self.rows[at], x)


def _drawn(stretches: Iterable[_Stretch], at: float) -> bool:
    return any(start - TOUCH <= at <= end + TOUCH for start, end in stretches)


def find_grids(rulings: Sequence[Ruling]) -> list[Grid]:
    """The grids of two or more rows and columns that the rulings form. Open sides are closed."""
    if not 4 <= len(rulings) <= MAX_RULINGS:
        return []
    across = _merged((r.y0 + r.y1) / 2 for r in rulings if r.horizontal), [r for r in rulings if r.horizontal]
    down = _merged((r.x0 + r.x1) / 2 for r in rulings if not r.horizontal), [r for r in rulings if not r.horizontal]
    rows = _stretches(across[0], (((r.y0 + r.y1) / 2, r.x0, r.x1) for r in across[1]))
    columns = _stretches(down[0], (((r.x0 + r.x1) / 2, r.y0, r.y1) for r in down[1]))
    grids = (_grid(*part) for part in _connected(rows, columns))
    return [grid for grid in grids if grid is not None]


def _merged(places: Iterable[float]) -> list[float]:
    """The places in order, of those that nearly coincide the first."""
    merged: list[float] = []
    for place in sorted(places):
        if not merged or place - merged[-1] > TOUCH:
            merged.append(place)
    return merged


def _stretches(places: Sequence[float], pieces: Iterable[tuple[float, float, float]]) -> list[tuple[float, _Stretch]]:
    """Each place with the stretches drawn there, those that touch as one."""
    by_place: dict[float, list[_Stretch]] = defaultdict(list)
    for place, start, end in pieces:
        by_place[places[bisect_right(places, place + 0.001) - 1]].append((start, end))
    found: list[tuple[float, _Stretch]] = []
    for place, stretches in sorted(by_place.items()):
        joined: list[_Stretch] = []
        for start, end in sorted(stretches):
            if joined and start <= joined[-1][1] + TOUCH:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((start, end))
        found.extend((place, stretch) for stretch in joined)
    return found


_Placed = list[tuple[float, _Stretch]]


def _connected(rows: _Placed, columns: _Placed) -> list[tuple[_Placed, _Placed]]:
    """The rulings in groups, each of which hangs together."""
    meets: dict[int, list[int]] = defaultdict(list)
    for row, (y, (x0, x1)) in enumerate(rows):
        for column, (x, (y0, y1)) in enumerate(columns, len(rows)):
            if x0 - TOUCH <= x <= x1 + TOUCH and y0 - TOUCH <= y <= y1 + TOUCH:
                meets[row].append(column)
                meets[column].append(row)
    groups: list[tuple[_Placed, _Placed]] = []
    seen: set[int] = set()
    for first in list(meets):
        if first in seen:
            continue
        group, todo = [], [first]
        seen.add(first)
        while todo:
            at = todo.pop()
            group.append(at)
            todo.extend(other for other in meets[at] if other not in seen)
            seen.update(meets[at])
        group.sort()
        groups.append(
            ([rows[at] for at in group if at < len(rows)], [columns[at - len(rows)] for at in group if at >= len(rows)])
        )
    return groups


def _grid(rows: _Placed, columns: _Placed) -> Grid | None:
    ends = [end for _, stretch in rows for end in stretch]
    tips = [tip for _, stretch in columns for tip in stretch]
    across, down = _by_place(rows, (min(tips), max(tips))), _by_place(columns, (min(ends), max(ends)))
    if len(across) < 3 or len(down) < 3:
        return None
    ys, xs = sorted(across, reverse=True), sorted(down)
    return Grid(tuple(xs), tuple(ys), tuple(tuple(down[x]) for x in xs), tuple(tuple(across[y]) for y in ys))


def _by_place(placed: _Placed, borders: tuple[float, float]) -> dict[float, list[_Stretch]]:
    """The stretches by their place, with the borders that are not drawn."""
    by_place: dict[float, list[_Stretch]] = defaultdict(list)
    for place, stretch in placed:
        by_place[place].append(stretch)
    for border in borders:
        if all(abs(border - place) > 2 * TOUCH for place in by_place):
            by_place[border] = []
    return by_place


def grid_rows(grid: Grid, lines: Sequence[Line]) -> list[list[list[Cell]]]:
    """The rows of a table: for each of its columns the cells of the lines there, top to bottom.

    The head's rows are one; what spans several of its columns is said in each if it is short. Rows without a ruling
    between them are told apart where nearly all of their cells are filled. Empty where the lines are no table, or one
    whose columns are not all parted by rulings.
    """
    found: dict[_Place, list[_Entry]] = defaultdict(list)
    for line in lines:
        middle = (line.bottom + line.top) / 2
        for cell in line.cells:
            found[grid.cell((cell.x0 + cell.x1) / 2, middle)].append(_Entry(middle, cell))
    if _more_columns(found.values()):
        return []
    heads = _head_rows(found)
    table: list[_Entries] = [[[] for _ in grid.xs[1:]] for _ in grid.ys[1:]]
    for (top, left, _, right), entries in sorted(found.items()):
        repeated = top < heads and sum(len(entry.cell.text) for entry in entries) <= REPEATED
        for column in range(left, right if repeated else left + 1):
            table[0 if top < heads else top][column] += entries
    rows = [part for row, entries in enumerate(table) for part in (_split(entries) if row else [entries])]
    rows = [[sorted(entries, key=lambda entry: (-entry.y, entry.cell.x0)) for entries in row] for row in rows]
    if sum(sum(map(bool, row)) > 1 for row in rows) < 2:
        return []
    return [[[entry.cell for entry in entries] for entries in row] for row in rows if any(row)]


class _Entry(NamedTuple):
    y: float
    cell: Cell


_Entries = list[list[_Entry]]  # of a row, by column
_Place = tuple[int, int, int, int]


def _more_columns(cells: Iterable[Sequence[_Entry]]) -> bool:
    """Whether many cells hold texts side by side, as columns are that no ruling parts."""
    rows = [Counter(entry.y for entry in entries) for entries in cells]
    return sum(max(row.values()) > 1 for row in rows) > MOST_DOUBLE * len(rows)


def _head_rows(cells: Iterable[_Place]) -> int:
    """How many rows the head has: where a cell of the first spans columns that the next rows part, those too."""
    first = [cell for cell in cells if cell[0] == 0]
    if not any(right - left > 1 for _, left, _, right in first):
        return 1
    deepest = max(bottom for _, _, bottom, _ in first)
    return deepest if deepest <= MAX_HEAD else 1


def _split(row: _Entries) -> list[_Entries]:
    """The row as several where its lines are rows without rulings between them."""
    filled = [entries for entries in row if entries]
    levels: list[list[float]] = []
    for y in sorted({entry.y for entries in filled for entry in entries}, reverse=True):
        if levels and levels[-1][0] - y < TOUCH:
            levels[-1].append(y)
        else:
            levels.append([y])
    if len(levels) < SPLIT_LINES or len(filled) < 2 or not row[0]:
        return [row]
    parts = [[[entry for entry in entries if entry.y in level] for entries in row] for level in levels]
    full = sum(bool(entries) for part in parts for entries in part)
    return parts if full >= SPLIT_FILL * len(filled) * len(levels) else [row]


def walls(rulings: Iterable[Ruling], bottom: float, top: float) -> list[float]:
    """Where rulings run down through a line of text from `bottom` to `top`."""
    middle = (bottom + top) / 2
    return [(r.x0 + r.x1) / 2 for r in rulings if not r.horizontal and r.y0 <= middle <= r.y1]
