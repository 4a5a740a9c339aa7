"""The order in which boxes on a slide or page are read: columns from left to right, else rows from the top."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

MAX_BOXES = 500  # in more, the order of the file is kept
_WIDE = 0.6  # of the whole width: a box that is wider, and alone in its row, lies across
_OVERLAP = 0.2  # of the smaller box's side; two boxes that share less stand beside each other


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """The boxes' places in `boxes`, in reading order. Boxes parted by a line from top to bottom are columns where each
    side has several of them; what lies across is read before or after."""
    places = list(range(len(boxes)))
    return places if len(boxes) > MAX_BOXES else _ordered(boxes, places)


def _ordered(boxes: Sequence[Box], places: list[int]) -> list[int]:
    if len(places) < 2:
        return places
    columns = _groups(places, lambda place: (boxes[place].left, boxes[place].right))
    rows = _groups(places, lambda place: (boxes[place].top, boxes[place].bottom))
    if len(columns) > 1 and (len(rows) == 1 or all(len(column) > 1 for column in columns)):
        return [place for column in columns for place in _ordered(boxes, column)]
    if len(rows) > 1:
        return [place for row in _between_bars(boxes, rows) for place in _ordered(boxes, row)]
    return sorted(places, key=lambda place: (boxes[place].top, boxes[place].left))


def _between_bars(boxes: Sequence[Box], rows: list[list[int]]) -> list[list[int]]:
    """The rows, those between boxes that lie across joined again: they may have columns in common."""
    every = [boxes[place] for row in rows for place in row]
    wide = _WIDE * (max(box.right for box in every) - min(box.left for box in every))
    found: list[list[int]] = []
    joining = False
    for row in rows:
        is_bar = len(row) == 1 and boxes[row[0]].right - boxes[row[0]].left > wide
        if joining and not is_bar:
            found[-1] += row
        else:
            found.append(list(row))
        joining = not is_bar
    return found if len(found) > 1 else rows


def _groups(places: list[int], extent: Callable[[int], tuple[float, float]]) -> list[list[int]]:
    """Runs of boxes that overlap each other along one side."""
    found: list[list[int]] = []
    reach = 0.0
    for place in sorted(places, key=lambda place: extent(place)):
        start, end = extent(place)
        if found and start < reach - _OVERLAP * min(end - start, reach - extent(found[-1][0])[0]):
            found[-1].append(place)
            reach = max(reach, end)
        else:
            found.append([place])
            reach = end
    return found
