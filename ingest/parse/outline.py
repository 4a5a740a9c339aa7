"""How an office document's pieces, met in reading order, become blocks under their headings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ingest.parse.text import scrub
from ingest.types import Block, BlockKind

MAX_HEADING = 250  # characters; what is longer is a paragraph that only looks like a heading
MAX_SPAN = 1000  # columns or rows that a merged cell is taken to cover
MAX_COLUMNS = 16_384  # of a row; more are left out


@dataclass
class Gathered:
    """A paragraph's text as it is gathered, and what is met in it that stands apart."""

    text: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)

    @property
    def words(self) -> str:
        return "".join(self.text)


class Outline:
    """Collects blocks. Items of a list, and lines of code, that follow each other become one block."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._path: list[tuple[int, str]] = []
        self._open: tuple[BlockKind, list[str]] | None = None
        self._page: int | None = None

    def start_page(self, number: int) -> None:
        """What follows stands on this page (slide, sheet), under none of the headings before it."""
        self._close()
        self._path, self._page = [], number

    def start_section(self) -> None:
        """What follows stands under none of the headings before it."""
        self._close()
        self._path = []

    def heading(self, level: int, text: str) -> None:
        """`level` 0 is a document's title; a heading stands under those of smaller levels before it."""
        title = " ".join(scrub(text).split())
        if len(title) > MAX_HEADING:
            self.add("paragraph", text)
        elif title:
            self._close()
            while self._path and self._path[-1][0] >= level:
                self._path.pop()
            self._append("heading", title)
            self._path.append((level, title))

    def add(self, kind: BlockKind, text: str) -> None:
        """Text of white space only is left out; code keeps its indents, and so do the lines of a list or table."""
        text = scrub(text).rstrip() if kind in ("code", "list", "table") else scrub(text).strip()
        text = text.strip("\r\n")
        if not text.strip():
            return
        if kind in ("code", "list"):
            if self._open and self._open[0] == kind:
                self._open[1].append(text)
            else:
                self._close()
                self._open = (kind, [text])
        else:
            self._close()
            self._append(kind, text)

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        self.add("table", table_text(rows))

    def extend(self, blocks: Iterable[Block]) -> None:
        """Blocks of another reader, under the headings that stand now."""
        self._close()
        above = tuple(title for _, title in self._path)
        for block in blocks:
            self._blocks.append(Block(block.kind, block.text, self._page, above + block.headings))

    def finish(self) -> tuple[Block, ...]:
        self._close()
        return tuple(self._blocks)

    def _close(self) -> None:
        if self._open:
            kind, lines = self._open
            self._open = None
            self._append(kind, "\n".join(lines))

    def _append(self, kind: BlockKind, text: str) -> None:
        self._blocks.append(Block(kind, text, self._page, tuple(title for _, title in self._path)))


def noted(author: str, date: str, text: str) -> str:
    """A comment with who wrote it when (ISO 8601), as far as that is known: "Ada, 2024-05-01: Which year?"."""
    signed = ", ".join(filter(None, (author.strip(), date[:10])))
    return f"{signed}: {text}" if signed and text else text


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """A line for each row that is not empty; its cells, each on its place, parted by two spaces."""
    lines = ("  ".join(" ".join(cell.split()) for cell in row).rstrip() for row in rows)
    return "\n".join(line for line in lines if line)


def filled_spans(rows: Iterable[Sequence[tuple[str, int, int]]]) -> list[list[str]]:
    """A table's rows from cells of (text, columns, rows covered): a merged cell's text stands in every place that it
    covers, so that each row is whole; where it is alone in its row, it stands there once."""
    pending: dict[int, tuple[str, int]] = {}  # by column: what a cell of an earlier row has there, in how many rows yet
    found = []
    for cells in rows:
        row: list[str] = []
        alone = len(cells) == 1 and not pending
        for text, columns, covered in cells:
            _take_pending(row, pending)
            for _ in range(1 if alone else min(columns, MAX_SPAN)):
                if covered > 1:
                    pending[len(row)] = (text, min(covered, MAX_SPAN) - 1)
                row.append(text)
        _take_pending(row, pending)
        found.append(row[:MAX_COLUMNS])
    return found


def _take_pending(row: list[str], pending: dict[int, tuple[str, int]]) -> None:
    while len(row) in pending:
        text, left = pending.pop(len(row))
        row.append(text)
        if left > 1:
            pending[len(row) - 1] = (text, left - 1)
