"""A tree of elements, of a web page or of XML read as one -> blocks, in the order and the paragraphs of a browser.

Whoever reads a kind of file says by `tag_of` which of HTML's tags each of its elements stands for. The tree is walked
without recursion, as its depth is the file's to choose, and in one pass.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.parse.text import scrub
from ingest.types import Block, BlockKind

SKIPPED = ""  # what `tag_of` gives for an element that is left out with all in it
APART = "apart"  # for an element inside a line that does not touch what stands beside it
LAYOUT = "div"  # for parts of a table that only places things on the page

MAX_HEADING = 500  # characters; what is longer is a paragraph, most likely of a heading that was never closed
MAX_REPEATED = 200  # characters of a cell that is repeated in each of the rows that it spans
MAX_REPEATS = 100_000  # such cells of a table
MAX_SPAN = 1000  # rows or columns, as in https://html.spec.whatwg.org/multipage/tables.html
MAX_ALIGNED = 100  # columns of a table in which empty cells keep their place

HEADINGS = {f"h{level}": level for level in range(1, 10)}
LISTS = frozenset(("ul", "ol", "menu", "dl", "dir"))
ITEMS = frozenset(("li", "dt", "dd"))
CELLS = frozenset(("td", "th"))
# Elements that begin a new line; those inside a line are all others.
_BLOCK_NAMES = (
    "address article aside blockquote body caption center details dialog div fieldset figure footer form header hgroup"
    " hr html legend main nav noscript optgroup option p search section summary tr tbody thead tfoot table"
)
BLOCKS = frozenset(_BLOCK_NAMES.split())
# What cannot stand in a heading, and so ends one that was not closed.
_NO_HEADING = frozenset(("p", "table", "pre", *LISTS, *HEADINGS))

_BREAK = "\0"  # <br>, in a text whose line ends are white space
_PARAGRAPHS = re.compile(rf"{_BREAK}\s*{_BREAK}[\s{_BREAK}]*")
_INVISIBLE = "\u200b\ufeff"  # marks of possible breaks, that stand around headings for no reason
_PERMALINKS = frozenset(("¶", "#", "§", "🔗", "🔗︎"))  # in headings, as Sphinx and others write them
_ROMAN = ((100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))

TagOf = Callable[[Any], str]


def tag_name(element: Any) -> str:
    """An element's own tag; SKIPPED for comments and the like."""
    return element.tag.lower() if isinstance(element.tag, str) else SKIPPED


def blocks_of_tree(root: Any, tag_of: TagOf = tag_name) -> list[Block]:
    """The blocks of the elements under `root` (an lxml element)."""
    writer = _Writer()
    for step, element, tag in walk(root, tag_of):
        if step == "open":
            writer.open(tag, element)
            writer.add(element.text)
        elif step == "close":
            writer.close(tag)
        else:
            writer.add(element.tail)
    writer.finish()
    return writer.blocks


def walk(root: Any, tag_of: TagOf = tag_name) -> Iterator[tuple[str, Any, str]]:
    """("open" or "close", element, its tag) for each element that is not SKIPPED, and ("after", element, tag) where
    the text that follows an element stands."""
    tag = tag_of(root)
    if tag == SKIPPED:
        return
    yield "open", root, tag
    pending = [(root, tag, iter(root))]
    while pending:
        element, tag, children = pending[-1]
        child = next(children, None)
        if child is None:
            pending.pop()
            yield "close", element, tag
            if pending:
                yield "after", element, tag
        elif (child_tag := tag_of(child)) == SKIPPED:
            yield "after", child, child_tag
        else:
            yield "open", child, child_tag
            pending.append((child, child_tag, iter(child)))


@dataclass
class _List:
    """A list that is open. `marker`: what its next line begins with; `plain`: this item's text is no list any more."""

    style: str
    number: int = 0
    marker: str = ""
    plain: bool = False
    implied: bool = False


@dataclass
class _Table:
    """A table that is open. Cells by column, each with its text and its width in columns."""

    rows: list[dict[int, str]] = field(default_factory=list)
    row: dict[int, str] = field(default_factory=dict)
    widths: dict[int, int] = field(default_factory=dict)  # of the row's cells
    reaching: dict[int, tuple[str, int, int]] = field(default_factory=dict)  # into the next row: text, width, rows left
    column: int = 0
    lasting: bool = True  # whether all of the row's cells reach into the next one, which then says it all
    repeats: int = 0
    depth: int = 0  # of the tables inside
    lists: list[_List] = field(default_factory=list)  # that are open in the cell
    spans: tuple[int, int] = (1, 1)
    in_cell: bool = False

    def begin_row(self) -> None:
        self.end_row()
        self.repeats += len(self.reaching)
        if self.repeats > MAX_REPEATS:
            self.reaching.clear()
        self.row = {column: text for column, (text, _, _) in self.reaching.items()}
        self.widths = {column: width for column, (_, width, _) in self.reaching.items()}
        self.reaching = {
            column: (text, width, left - 1) for column, (text, width, left) in self.reaching.items() if left > 1
        }
        self.column, self.lasting = 0, True

    def end_row(self) -> None:
        if self.row and not (self.lasting and self.reaching):
            self.rows.append(self.row)
        self.row, self.widths, self.column = {}, {}, 0

    def add_cell(self, text: str) -> None:
        while self.column in self.row:
            self.column += self.widths[self.column]
        columns, rows = self.spans
        self.row[self.column], self.widths[self.column] = text, columns
        if rows > 1:
            repeated = text if len(text) <= MAX_REPEATED else ""
            self.reaching[self.column] = (repeated, columns, rows - 1)
        self.column += columns
        self.lasting = self.lasting and rows > 1

    def text(self) -> str:
        """A line for each row, two spaces between cells. A cell that is empty keeps its place, so that what follows
        stays under its header; a column that is empty all the way does not."""
        self.end_row()
        columns = sorted({column for row in self.rows for column, text in row.items() if text})
        if len(columns) > MAX_ALIGNED:
            lines = ["  ".join(text for _, text in sorted(row.items()) if text) for row in self.rows]
        else:
            lines = ["  ".join(row.get(column, "") for column in columns).rstrip() for row in self.rows]
        return "\n".join(line for line in lines if line)


class _Writer:
    """Takes the elements as they open and close, and the text between them."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._path: list[tuple[int, str]] = []
        self._pieces: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._level = 0  # of the heading that is open; 0: none is
        self._pre = 0
        self._lists: list[_List] = []
        self._lines: list[str] = []  # of the outermost list that is open
        self._table: _Table | None = None
        self._pictures: list[tuple[int, str]] = []  # the links that are open: where each begins, what its picture says
        self._picture = ""  # what the last picture says, as long as no text stands beside it
        self._superscript: list[int] = []

    def open(self, tag: str, element: Any) -> None:
        if tag == APART:
            self._pieces.append(" ")
        elif tag == "br":
            self._pieces.append("\n" if self._pre else _BREAK)
        elif tag in ("a", "img", "sup"):
            self._open_inline(tag, element)
        elif self._table is not None:
            self._open_in_table(tag, element)
        elif self._level and tag not in _NO_HEADING:
            self._space(tag)
        elif tag in HEADINGS:
            self._flush()
            self._level = HEADINGS[tag]
        elif tag in LISTS:
            self._flush()
            self._lists.append(_List(_style(tag, element), _number(element.get("start"), 1) - 1))
        elif tag in ITEMS:
            self._open_item(tag, element)
        elif tag == "table":
            self._flush()
            self._table = _Table()
        elif tag == "pre":
            self._flush()
            self._pre += 1
        elif tag in ("figcaption", "caption"):
            self._flush()
            self._kind = "caption"
        elif tag in BLOCKS or tag in CELLS:
            self._flush()

    def close(self, tag: str) -> None:
        if tag == APART:
            self._pieces.append(" ")
        elif tag in ("a", "sup"):
            self._close_inline(tag)
        elif self._table is not None:
            self._close_in_table(tag)
        elif self._level:
            if tag in HEADINGS:
                self._flush()
            else:
                self._space(tag)
        elif tag in LISTS:
            self._flush()
            self._close_list()
        elif tag == "pre":
            self._flush()
            self._pre = max(0, self._pre - 1)
        elif tag in ITEMS:
            self._flush()
            if self._lists and self._lists[-1].implied:
                self._close_list()
        elif tag in BLOCKS or tag in CELLS or tag == "figcaption":
            self._flush()

    def add(self, text: str | None) -> None:
        if text:
            self._pieces.append(text)

    def finish(self) -> None:
        if self._table is not None:
            self._emit_table()
        self._flush()
        self._lists.clear()
        self._emit_list()

    # what stands in a line

    def _open_inline(self, tag: str, element: Any) -> None:
        if tag == "a":
            self._pictures.append((len(self._pieces), ""))
        elif tag == "sup":
            self._superscript.append(len(self._pieces))
        elif alternative := (element.get("alt") or "").strip():
            if self._pictures:
                self._pictures[-1] = (self._pictures[-1][0], alternative)
            self._picture = alternative

    def _close_inline(self, tag: str) -> None:
        if tag == "sup" and self._superscript:
            self._close_superscript(self._superscript.pop())
        elif tag == "a" and self._pictures:
            begins, picture = self._pictures.pop()
            text = "".join(self._pieces[begins:]).strip()
            if not text and picture:  # a link that shows only a picture is called what the picture is
                self._pieces.append(picture)
            elif self._level and text in _PERMALINKS:
                del self._pieces[begins:]

    def _close_superscript(self, begins: int) -> None:
        """10⁶ must not become 106."""
        exponent = "".join(self._pieces[begins:]).strip()
        base = self._pieces[begins - 1][-1:] if 0 < begins <= len(self._pieces) else ""
        if base.isdigit() and re.fullmatch(r"[-+−–]?\d+", exponent):
            self._pieces.insert(begins, "^")

    def _space(self, tag: str) -> None:
        if tag in BLOCKS or tag in CELLS or tag in ITEMS or tag in LISTS:
            self._pieces.append(" ")

    # lists

    def _open_item(self, tag: str, element: Any) -> None:
        self._flush()
        if not self._lists:
            self._lists.append(_List("-", implied=True))
        current = self._lists[-1]
        current.plain = False
        current.number = _number(element.get("value"), current.number + 1)
        current.marker = "  - " if tag == "dd" else _marker(current.style, current.number) if tag == "li" else "- "

    def _close_list(self) -> None:
        if self._lists:
            self._lists.pop()
        if not self._lists:
            self._emit_list()

    def _add_line(self, text: str) -> None:
        current = self._lists[-1]
        marker, current.marker = current.marker, " " * len(current.marker)
        indent = "  " * (len(self._lists) - 1)
        self._lines += [
            indent + (" " * len(marker) if number else marker) + line for number, line in enumerate(text.split("\n"))
        ]

    def _emit_list(self) -> None:
        if self._lines:
            self._emit("list", "\n".join(self._lines))
            self._lines.clear()

    # tables

    def _open_in_table(self, tag: str, element: Any) -> None:
        assert self._table is not None
        if tag == "table":
            self._table.depth += 1
        if self._table.depth:
            self._space(tag)
        elif tag in CELLS:
            self._end_cell()
            self._table.in_cell = True
            self._table.spans = (_span(element.get("colspan")), _span(element.get("rowspan")))
        elif tag == "tr":
            self._end_cell()
            self._table.begin_row()
        elif tag == "caption":
            self._pieces.clear()
        else:
            self._space(tag)
            self._pieces.append(_marker_in_cell(self._table.lists, tag, element))

    def _close_in_table(self, tag: str) -> None:
        assert self._table is not None
        if self._table.depth:
            self._space(tag)
            self._table.depth -= tag == "table"
        elif tag in CELLS:
            self._end_cell()
        elif tag == "tr":
            self._end_cell()
            self._table.end_row()
        elif tag == "caption":
            if caption := self._line():
                self._emit("caption", caption)
        elif tag == "table":
            self._end_cell()
            self._emit_table()
        else:
            self._space(tag)
            if tag in LISTS and self._table.lists:
                self._table.lists.pop()

    def _end_cell(self) -> None:
        assert self._table is not None
        text = self._line()
        if self._table.in_cell or text:
            self._table.add_cell(text)
        self._table.in_cell = False
        self._table.spans = (1, 1)

    def _emit_table(self) -> None:
        assert self._table is not None
        text = self._table.text()
        self._table = None
        if text:
            self._emit("table", text)

    # what comes out

    def _line(self) -> str:
        text = _lines("".join(self._pieces).replace(_BREAK, " "))
        self._pieces.clear()
        self._picture = ""
        return text

    def _flush(self) -> None:
        """Ends the paragraph, or what else the text since the last end is."""
        kind, self._kind = self._kind, "paragraph"
        level, self._level = self._level, 0
        if level:
            self._emit_heading(level, self._line())
            return
        raw, picture = "".join(self._pieces), self._picture
        self._pieces.clear()
        self._picture = ""
        self._pictures = [(0, picture) for _, picture in self._pictures]
        self._superscript.clear()
        if self._pre:
            if raw.strip():
                self._emit("code", scrub(raw.replace("\r", "")).strip("\n").rstrip())
            return
        paragraphs = filter(None, map(_lines, _PARAGRAPHS.split(raw)))
        for text in paragraphs:
            if self._lists and not self._lists[-1].plain and kind == "paragraph":
                self._add_line(text)
            else:
                self._emit(kind, text)
        if picture and not self._lists and not raw.strip():
            self._emit("caption", " ".join(scrub(picture).split()))

    def _emit_heading(self, level: int, title: str) -> None:
        if len(title) > MAX_HEADING:
            self._emit("paragraph", title)
        elif title:
            self._path = [entry for entry in self._path if entry[0] < level]
            self._emit("heading", title)
            self._path.append((level, title))

    def _emit(self, kind: BlockKind, text: str) -> None:
        if kind != "list":
            self._emit_list()
            if self._lists:
                self._lists[-1].plain = True
        if text.strip():
            self.blocks.append(Block(kind, text, headings=tuple(title for _, title in self._path)))


def _lines(raw: str) -> str:
    """Text as it is shown: white space is one space, a new line only where the page asks for one."""
    lines = (" ".join(line.split()).strip(_INVISIBLE) for line in map(scrub, raw.split(_BREAK)))
    return "\n".join(filter(None, lines))


def _span(value: str | None) -> int:
    return max(1, min(_number(value, 1), MAX_SPAN))


def _number(value: str | None, default: int) -> int:
    return int(value) if value and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value) else default


def _style(tag: str, element: Any) -> str:
    """The `type` of a numbered list; "-" for others."""
    return (element.get("type") or "1").strip()[:1] if tag == "ol" else "-"


def _marker_in_cell(lists: list[_List], tag: str, element: Any) -> str:
    """What the item of a list that opens in a cell begins with; "" for other elements."""
    if tag in LISTS:
        lists.append(_List(_style(tag, element), _number(element.get("start"), 1) - 1))
    if tag != "li" or not lists:
        return ""
    lists[-1].number = _number(element.get("value"), lists[-1].number + 1)
    return _marker(lists[-1].style, lists[-1].number)


def _marker(style: str, number: int) -> str:
    if style == "-":
        return "- "
    if style.lower() == "a" and 0 < number <= 26:
        letter = chr(ord("a") + number - 1)
    elif style.lower() == "i" and 0 < number < 200:
        letter, left = "", number
        for value, sign in _ROMAN:
            letter, left = letter + sign * (left // value), left % value
    else:
        letter = str(number)
    return f"{letter.upper() if style.isupper() else letter}. "
