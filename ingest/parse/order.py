"""The order in which a page's lines are read: its columns and tables, from places. Pure; no library, no file.

The page is cut along white space, into columns where lines stand side by side and else into what is above and below.
What cannot be cut is read in the file's own order.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from statistics import median
from typing import NamedTuple

from ingest.parse.grid import Grid
from ingest.parse.page import Line

GUTTER = 0.8  # in font sizes: the least white between columns
COLUMN_LINES = 2  # the least lines of a column
PROSE_WORDS = 4  # lines of text in columns have more than cells of a table
SIDE_BY_SIDE = 0.5  # of the lower column's height: so far the other must stand beside it
HEAD_BANDS = 5  # lines above columns that do not run over all of them
SPLIT_LINES = 5  # lines of two columns that the file writes across
CELL_LINES = 5  # of a cell that the file writes before the next cell of its row
MAX_LINES = 600  # of a page; with more, the file's order is taken
MAX_DEPTH = 10  # columns in columns


@dataclass(slots=True)
class _Unit:
    """Lines that stay together, by their numbers in the file's order, and the rectangle around them."""

    members: list[int]
    x0: float
    x1: float
    bottom: float
    top: float
    words: float = 0.0

    def add(self, other: "_Unit") -> None:
        self.members += other.members
        self.x0, self.x1 = min(self.x0, other.x0), max(self.x1, other.x1)
        self.bottom, self.top = min(self.bottom, other.bottom), max(self.top, other.top)


def in_grids(lines: Iterable[Line], grids: Sequence[Grid]) -> tuple[Line, ...]:
    """The lines, each with the number of the grid it stands in; one that stands in more than one place is cut."""
    return tuple(part for line in lines for part in _by_grid(line, grids)) if grids else tuple(lines)


def reading_order(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines as they are read, each with its column's number."""
    if not 1 < len(lines) <= MAX_LINES:
        return tuple(lines)
    size = median(line.size for line in lines)
    lines = _split_columns(lines, size)
    numbers = count()
    order = _cut(_units(lines), GUTTER * size, next(numbers), numbers)
    return tuple(lines[at]._replace(column=column) if column else lines[at] for column, at in order)


def _by_grid(line: Line, grids: Sequence[Grid]) -> list[Line]:
    """The line, or its parts inside and outside of grids."""
    middle = (line.bottom + line.top) / 2
    places = [
        next((at for at, grid in enumerate(grids) if grid.holds((cell.x0 + cell.x1) / 2, middle)), -1)
        for cell in line.cells
    ]
    if len(set(places)) == 1:
        return [line._replace(grid=places[0]) if places[0] >= 0 else line]
    return [
        line._replace(cells=tuple(c for c, p in zip(line.cells, places, strict=True) if p == place), grid=place)
        for place in dict.fromkeys(places)
    ]


def _split_columns(lines: Sequence[Line], size: float) -> list[Line]:
    """The lines, cut in two where the file writes two columns of text across."""
    gutter = _gutter(lines, size)
    if gutter is None:
        return list(lines)
    parts = []
    for line in lines:
        left = tuple(cell for cell in line.cells if cell.x1 <= gutter)
        right = tuple(cell for cell in line.cells if cell.x0 >= gutter)
        if line.grid < 0 and left and right and len(left) + len(right) == len(line.cells):
            parts += [line._replace(cells=left), line._replace(cells=right)]
        else:
            parts.append(line)
    return parts


def _gutter(lines: Sequence[Line], size: float) -> float | None:
    """Where the white between two columns of text lies that stand in the same lines; None if nowhere."""
    pairs = [
        (a.x1, b.x0)
        for line in lines
        if line.grid < 0
        for a, b in pairwise(line.cells)
        if min(a.text.count(" "), b.text.count(" ")) >= PROSE_WORDS
    ]
    if len(pairs) < SPLIT_LINES:
        return None
    left, right = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    fitting = [pair for pair in pairs if pair[1] > left and pair[0] < right]
    if len(fitting) < SPLIT_LINES:
        return None
    left, right = max(pair[0] for pair in fitting), min(pair[1] for pair in fitting)
    crossing = sum(any(cell.x0 < left and cell.x1 > right for cell in line.cells) for line in lines)
    ragged = right - left < GUTTER * size / 2
    return None if ragged or crossing > len(fitting) else (left + right) / 2


def _units(lines: Sequence[Line]) -> list[_Unit]:
    """The lines, those together that stand at one height in a row of a table, or in one grid."""
    units: list[_Unit] = []
    grids: dict[int, _Unit] = {}
    for at, line in enumerate(lines):
        x0, x1 = min([cell.x0 for cell in line.cells]), max([cell.x1 for cell in line.cells])
        unit = _Unit([at], x0, x1, line.bottom, line.top, line.text.count(" ") + 1)
        if line.grid >= 0:
            if line.grid in grids:
                grids[line.grid].add(unit)
            else:
                grids[line.grid] = unit
                units.append(unit)
        elif home := _home(units, unit):
            for other in (*units[len(units) - home + 1 :], unit):  # a row that the file writes cell by cell
                units[-home].add(other)
            del units[len(units) - home + 1 :]
        else:
            units.append(unit)
    return units


def _home(units: Sequence[_Unit], unit: _Unit) -> int:
    """How many units back the one is that stands in one row with `unit`; 0 where none does."""
    for back, other in enumerate(reversed(units[-CELL_LINES:]), 1):
        if unit.x0 >= other.x1 and _one_row(other, unit):
            return back
    return 0


def _one_row(left: _Unit, right: _Unit) -> bool:
    overlap = min(left.top, right.top) - max(left.bottom, right.bottom)
    height = min(left.top - left.bottom, right.top - right.bottom)
    prose = min(left.words, right.words) > PROSE_WORDS
    return overlap > 0.5 * height and not prose


_Stretch = tuple[float, float]  # from left to right


class _Band(NamedTuple):
    """Units between which no white runs across, and what they cover from left to right."""

    units: list[_Unit]
    strips: list[_Stretch]


def _cut(
    units: Sequence[_Unit], gutter: float, column: int, numbers: Iterator[int], depth: int = 0
) -> Iterator[tuple[int, int]]:
    """The units' lines as they are read, each after its column: `column`, or another for units side by side."""
    bands = [_Band(members, _covered(members, gutter)) for members in _bands(units)]
    at = 0
    while at < len(bands):
        parts, end = _side_by_side(bands, at, gutter) if depth < MAX_DEPTH else ([units], len(bands))
        if len(parts) > 1:
            for part in parts:
                yield from _cut(part, gutter, next(numbers), numbers, depth + 1)
        else:
            yield from ((column, line) for line in sorted(line for unit in parts[0] for line in unit.members))
        at = end


def _bands(units: Iterable[_Unit]) -> list[list[_Unit]]:
    """The units in groups, top to bottom, between which white runs across."""
    bands: list[list[_Unit]] = []
    floor = math.inf
    for unit in sorted(units, key=lambda unit: -unit.top):
        # Lines set tight touch: what is above is what ends in the upper half of what follows.
        if bands and floor < (unit.top + unit.bottom) / 2:
            bands[-1].append(unit)
        else:
            bands.append([unit])
            floor = math.inf
        floor = min(floor, unit.bottom)
    return bands


def _side_by_side(bands: Sequence[_Band], at: int, gutter: float) -> tuple[Sequence[Sequence[_Unit]], int]:
    """The columns that begin with the band `at`, and the band after them; one column where none begin: of the lines
    that stand side by side in another way, or are only the first of what does.
    """
    end = _group_end(bands, at, gutter)
    if end == at + 1 and len(bands[at].strips) == 1:
        return [bands[at].units], end
    for start in range(at, min(end, at + HEAD_BANDS)):
        last = end if start == at else _group_end(bands, start, gutter)
        if _are_columns(columns := _columns(_joined(bands[start:last]), gutter)):
            return (columns, last) if start == at else ([_joined(bands[at:start])], start)
    if all(len(band.strips) == 1 for band in bands[at:end]):
        end = at + 1  # one below the other, if not in one column
    return [_joined(bands[at:end])], end


def _group_end(bands: Sequence[_Band], at: int, gutter: float) -> int:
    """The band before which no white runs down any more from the band `at`."""
    strips, end = bands[at].strips, at + 1
    while end < len(bands) and len(longer := _strips([*strips, *bands[end].strips], gutter)) > 1:
        strips, end = longer, end + 1
    return end


def _joined(bands: Iterable[_Band]) -> list[_Unit]:
    return [unit for band in bands for unit in band.units]


def _covered(units: Iterable[_Unit], gutter: float) -> list[_Stretch]:
    return _strips([(unit.x0, unit.x1) for unit in units], gutter)


def _strips(stretches: list[_Stretch], gutter: float) -> list[_Stretch]:
    """What the stretches cover from left to right, narrow gaps closed."""
    if len(stretches) == 1:
        return stretches
    stretches.sort()
    covered: list[_Stretch] = []
    left, right = stretches[0]
    for x0, x1 in stretches[1:]:
        if x0 - right >= gutter:
            covered.append((left, right))
            left, right = x0, x1
        elif x1 > right:
            right = x1
    return [*covered, (left, right)]


def _columns(units: Sequence[_Unit], gutter: float) -> list[list[_Unit]]:
    """The units by the strips they stand in, left to right."""
    strips = _covered(units, gutter)
    columns: list[list[_Unit]] = [[] for _ in strips]
    for unit in units:
        columns[next(at for at, (x0, x1) in enumerate(strips) if x0 <= unit.x0 and unit.x1 <= x1)].append(unit)
    return columns


def _are_columns(columns: Sequence[Sequence[_Unit]]) -> bool:
    """Whether they are columns of the page: beside each other for long enough, and written one after the other or each
    of lines long enough for text. A single line may stand beside columns, as a stamp does.
    """
    columns = [column for column in columns if len(column) >= COLUMN_LINES]
    if len(columns) < 2:
        return False
    extents = [(min(u.bottom for u in column), max(u.top for u in column)) for column in columns]
    for (bottom, top), (other_bottom, other_top) in pairwise(extents):
        beside = min(top, other_top) - max(bottom, other_bottom)
        if beside < SIDE_BY_SIDE * min(top - bottom, other_top - other_bottom):
            return False
    orders = [[at for unit in column for at in unit.members] for column in columns]
    if all(max(a) < min(b) for a, b in pairwise(orders)):
        return True
    return all(median(unit.words for unit in column) >= PROSE_WORDS for column in columns)
