"""A page of text with places, as layout.py and its helpers take it. Lengths are points, y grows upwards."""

from dataclasses import dataclass
from typing import NamedTuple

from ingest.types import BlockKind

HYPHEN = "\x02"  # how PDFium writes a hyphen at the end of a line


class Cell(NamedTuple):
    """Words of a line that stand close together."""

    text: str
    x0: float
    x1: float


class Ruling(NamedTuple):
    """A straight line drawn on the page, along one axis."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def horizontal(self) -> bool:
        return self.x1 - self.x0 >= self.y1 - self.y0


class Line(NamedTuple):
    """A line of a page; `start` to `end` are its characters in PDFium's numbering. `text` may end in HYPHEN.

    `face` names the font where the whole line is in one. `column` numbers the columns of the page, `grid` the tables
    with rulings on it (-1: in none); order.py tells both.
    """

    start: int
    end: int
    cells: tuple[Cell, ...]
    bottom: float
    top: float
    size: float
    bold: bool = False
    mono: bool = False
    face: str = ""
    column: int = 0
    grid: int = -1

    @property
    def text(self) -> str:
        return self.cells[0].text if len(self.cells) == 1 else " ".join([cell.text for cell in self.cells])

    @property
    def x0(self) -> float:
        return self.cells[0].x0

    @property
    def x1(self) -> float:
        return self.cells[-1].x1


class Extra(NamedTuple):
    """What is on a page beside its text: a comment, a form's values."""

    kind: BlockKind
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """`number` is 1-based. The lines are in the file's order, those of text from right to left mirrored: their x
    grows to the left, as they are read.
    """

    number: int
    height: float
    lines: tuple[Line, ...]
    rulings: tuple[Ruling, ...] = ()
    extras: tuple[Extra, ...] = ()


class OutlineEntry(NamedTuple):
    """A bookmark; `level` counts from 1, `page` is 1-based."""

    level: int
    title: str
    page: int
