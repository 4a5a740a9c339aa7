"""AsciiDoc -> Document. Nothing that a text includes is opened.

Blocks are slices of the file, but tables, whose rows need not be lines. https://docs.asciidoctor.org/asciidoc/latest/
"""

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ingest.parse.lines import Lines, Outline, rows_text
from ingest.parse.text import decode
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Document, Span

MEDIA_TYPE = "text/asciidoc"
MAX_DEPTH = 12  # of blocks in blocks; deeper is read as paragraphs
MAX_SPAN = 100  # rows or columns of a cell, and copies of one
MAX_REPEATS = 100_000  # cells of a table that are copies, or stand in rows that another spans

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*$")
_UNDERLINES = "=-~^+"  # of headings, outermost first
_ATTRIBUTE = re.compile(r":!?([\w][\w-]*)!?:(?:[ \t]+(.*))?$")
_BLOCK_ATTRIBUTES = re.compile(r"\[(?:\[[^\[\]]*\]|[^\[\]]*)\][ \t]*$")
_TITLE = re.compile(r"\.(?![.\s])(.+)$")
_DELIMITER = re.compile(r"(-{4,}|={4,}|\.{4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```.*|[|,:!]={3,})[ \t]*$")
_MACRO = re.compile(r"(image|video|audio|include|toc|ifdef|ifndef|ifeval|endif)::(\S*?)\[(.*)\][ \t]*$")
_COMMENT = re.compile(r"//(?!/)")
_BREAK = re.compile(r"(?:'{3,}|<{3,}|-{3}|\*{3})[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:\*{1,6}|-|\.{1,6}|\d{1,9}\.|[A-Za-z]\.|[ivxIVX]+\)|<[\d.]+>)[ \t]+\S")
_TERM = re.compile(r"[ \t]*[^\s:;|](?:[^:;\n]|[:;](?![:;]))*(?::{2,4}|;;)(?:[ \t]|$)")
_AUTHOR = re.compile(r"[^\W\d_][\w.'-]*(?:[ \t]+[^\W\d_][\w.'-]*){1,3}(?:[ \t]+<[^<>\s]+>)?(?:;.*)?$")
_REVISION = re.compile(r"v?[\d.]+,[ \t]*(\d{4}-\d{2}-\d{2})|(\d{4}-\d{2}-\d{2})$")
_LINK = re.compile(r"(?:xref|link):([^\s\[\]]{1,500})\[|<<([^<>,#]{1,500}\.\w+)(?:[#,][^<>]*)?>>")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|#|\{")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# What stands before a cell's bar: copies, columns and rows it spans, where its text stands, and its style.
_CELL = re.compile(
    r"(?:(?<=\s)|^)(?:(?P<copies>\d{1,3})\*)?(?:(?P<columns>\d{1,3})?(?:\.(?P<rows>\d{1,3}))?\+)?"
    r"[<^>]?(?:\.[<^>])?[aehlmsdv]?(?<!\\)\||(?<!\\)\|",
    re.M,
)
_METADATA = {"author": "author", "description": "description", "keywords": "keywords", "lang": "language"}


@cache
def parser_version() -> str:
    return f"asciidoc/1 {text_version()}"


def parse(path: Path) -> Document:
    """Headings in either form, paragraphs, lists, blocks of code, tables, captions. The settings at the top are
    metadata and a block of kind "note"; comments are left out.

    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    reader = _Reader(Lines.of(text))
    reader.read(reader.header(), len(reader.lines), 0)
    headings = (block.text for block in reader.outline.blocks if block.kind == "heading")
    return Document(
        title=next(headings, ""),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(reader.outline.blocks),
        metadata={"encoding": encoding} | reader.metadata,
        links=_links(text),
    )


class _Reader:
    """Reads lines into an outline. Each step takes the first line of something and gives the first after it; 0 if it
    is something else."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.outline = Outline(lines)
        self.metadata: dict[str, str] = {}
        self._columns = ""  # what the attributes above a table say of its columns
        self._delimiters: dict[str, list[int]] = {}
        for n in range(len(lines)):
            if _DELIMITER.match(lines.line(n)):
                self._delimiters.setdefault(_closing(lines.line(n)), []).append(n)

    def header(self) -> int:
        """Reads title, author, revision and settings at the top; gives the first line after them."""
        at = self.lines.next_text(0, len(self.lines))
        begins = at
        while at < len(self.lines) and (self._setting(at) or _COMMENT.match(self.lines.line(at))):
            at += 1
        self.outline.add("note", begins, at)
        under = self.lines.line(at + 1).rstrip() if at + 1 < len(self.lines) else ""
        is_title = at < len(self.lines) and (
            re.match(r"[=#][ \t]", self.lines.line(at)) or re.fullmatch("={3,}", under)
        )
        after_title = self._heading(at, len(self.lines)) if is_title else 0
        if not after_title:
            return at
        at = after_title
        begins = at
        if at < len(self.lines) and _AUTHOR.match(self.lines.line(at)):
            self.metadata["author"] = re.sub(r"\s*<[^<>]*>", "", self.lines.line(at)).strip()
            at += 1
            if at < len(self.lines) and (revision := _REVISION.match(self.lines.line(at))):
                self.metadata["date"] = revision[1] or revision[2]
                at += 1
        while at < len(self.lines) and self._setting(at):
            at += 1
        self.outline.add("note", begins, at)
        return at

    def _setting(self, at: int) -> bool:
        found = _ATTRIBUTE.match(self.lines.line(at))
        if found and (value := (found[2] or "").strip()):
            name = found[1].lower()
            if name in _METADATA:
                self.metadata[_METADATA[name]] = value
            elif name in ("revdate", "date") and _DATE.match(value):
                self.metadata["date"] = value[:10]
        return found is not None

    def read(self, at: int, end: int, depth: int) -> None:
        while (at := self.lines.next_text(at, end)) < end:
            after = (
                self._delimited(at, end, depth)
                or self._heading(at, end)
                or self._line(at)
                or self._table_without_frame(at, end)
                or self._list(at, end)
                or self._paragraph(at, end)
            )
            at = max(after, at + 1)

    def _heading(self, at: int, end: int) -> int:
        if at >= end:
            return 0
        line = self.lines.line(at)
        if found := _HEADING.match(line):
            self.outline.heading(len(found[1]), found[2], at)
            return at + 1
        title = line.strip()
        under = self.lines.line(at + 1).rstrip() if at + 1 < end else ""
        is_rule = len(under) > 2 and under[0] in _UNDERLINES and not under.strip(under[0])
        if is_rule and abs(len(under) - len(title)) < 2 and re.match(r"\w", title):
            self.outline.heading(1 + _UNDERLINES.index(under[0]), title, at)
            return at + 2
        return 0

    def _line(self, at: int) -> int:
        """A line that says something of what follows, or a macro of a line."""
        line = self.lines.line(at)
        if _BLOCK_ATTRIBUTES.match(line):
            self._columns = line if "cols" in line or "format" in line else self._columns
        elif macro := _MACRO.match(line):
            if macro[1] == "image":
                begins = self.lines.starts[at] + macro.start(3)
                text = re.split(r"[,=]", macro[3])[0]
                self.outline.add_span("caption", Span(None, begins, begins + len(text)))
        elif title := _TITLE.match(line):
            begins = self.lines.starts[at] + title.start(1)
            self.outline.add_span("caption", Span(None, begins, begins + len(title[1].rstrip())))
        elif not (line.startswith("//") or line.strip() == "+" or _BREAK.match(line) or self._setting(at)):
            return 0
        return at + 1

    # blocks between two lines that are alike

    def _delimited(self, at: int, end: int, depth: int) -> int:
        line = self.lines.line(at)
        if not _DELIMITER.match(line):
            return 0
        close = self._close(at, end)
        if not close:  # it never ends, so what follows is no block
            return at + 1
        sign = line[0]
        if sign in "|,:!" and "=" in line:
            self._table(at + 1, close, line)
        elif sign in "./`+" or line.startswith("----"):
            if sign != "/":
                self.outline.add("code", at + 1, close)
        elif depth < MAX_DEPTH:
            self.read(at + 1, close, depth + 1)
        else:
            self.outline.add("paragraph", at + 1, close)
        return close + 1

    def _close(self, at: int, end: int) -> int:
        places = self._delimiters[_closing(self.lines.line(at))]
        following = bisect_right(places, at)
        return places[following] if following < len(places) and places[following] < end else 0

    # tables

    def _table(self, at: int, close: int, frame: str) -> None:
        attributes, self._columns = self._columns, ""
        content = [self.lines.line(n) for n in range(at, close)]
        if frame[0] in ",:" or "format=" in attributes:
            sign = ":" if frame[0] == ":" or "dsv" in attributes else "\t" if "tsv" in attributes else ","
            rows = _separated(content, sign)
        else:
            rows = _rows(content, _column_count(attributes))
        self.outline.add_text("table", rows_text(rows), at, close)

    def _table_without_frame(self, at: int, end: int) -> int:
        after = at
        while after < end and re.match(r"\|.*\|", self.lines.line(after)):
            after += 1
        if after > at:
            self.outline.add("table", at, after)
        return after if after > at else 0

    # text

    def _list(self, at: int, end: int) -> int:
        if not self._is_item(at):
            return 0
        after = at + 1
        while after < end:
            text = self.lines.next_text(after, end)
            attached = self.lines.line(text - 1).strip() == "+"
            if text >= end or (text > after and not (self._is_item(text) or attached)):
                break
            if _HEADING.match(self.lines.line(text)) and not attached:
                break
            close = self._close(text, end) if _DELIMITER.match(self.lines.line(text)) else 0
            if close and not attached:
                break
            after = max(close, text) + 1
        self.outline.add("list", at, after)
        return after

    def _is_item(self, at: int) -> bool:
        line = self.lines.line(at)
        return bool(_ITEM.match(line) or _TERM.match(line)) and not _BREAK.match(line)

    def _paragraph(self, at: int, end: int) -> int:
        after = at + 1
        while after < end and not self.lines.is_blank(after):
            line = self.lines.line(after)
            if (
                _BLOCK_ATTRIBUTES.match(line)
                or line.startswith("//")
                or (_DELIMITER.match(line) and self._close(after, end))
            ):
                break
            after += 1
        is_literal = self.lines.line(at)[:1] in (" ", "\t")
        self.outline.add("code" if is_literal else "paragraph", at, after)
        return after


def _closing(line: str) -> str:
    """What the line that ends a block is, of the line that begins it."""
    return "```" if line.startswith("```") else line.rstrip()


def _column_count(attributes: str) -> int:
    """Of cols="1,2*" and the like; 0 where nothing is said."""
    found = re.search(r"cols\s*=\s*(?:\"([^\"]*)\"|([\w*]+))", attributes)
    if not found:
        return 0
    parts = re.split(r"[,;]", found[1] or found[2])
    copies = (re.match(r"\s*(\d{1,3})\*", part) for part in parts)
    number = sum(int(copy[1]) if copy else 1 for copy in copies)
    return int(parts[0]) if len(parts) == 1 and parts[0].strip().isdigit() and len(parts[0]) < 4 else number


def _separated(lines: Sequence[str], sign: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=sign, skipinitialspace=True))
    except csv.Error:
        return [[line] for line in lines]


def _rows(lines: Sequence[str], columns: int) -> list[list[str]]:
    """The cells in rows of as many as there are columns: as the attributes say, else as the first row has."""
    by_line = [_cells(line) for line in lines if line.strip()]
    columns = columns or next((sum(columns for _, columns, _ in cells) for cells in by_line if cells), 1)
    # Where each line is a row, one that is too long or short does not put the others out of place.
    if all(line.startswith("|") for line in lines if line.strip()) and all(len(cells) >= columns for cells in by_line):
        return [[text for text, _, _ in cells] for cells in by_line]
    rows: list[list[str]] = []
    row: list[str] = []
    reaching: dict[int, tuple[str, int]] = {}  # into the rows below, by column: the text, and how many
    repeats = 0
    for text, width, height in _cells("\n".join(lines)):
        while len(row) >= columns or len(row) in reaching:
            if len(row) >= columns:
                rows.append(row)
                row = []
                continue
            above, left = reaching.pop(len(row))
            if left > 1 and repeats < MAX_REPEATS:
                reaching[len(row)] = (above, left - 1)
            repeats += 1
            row.append(above)
        width = max(1, min(width, columns - len(row)))
        if height > 1:
            reaching |= {len(row) + n: ("" if n else text, height - 1) for n in range(width)}
        row += [text, *[""] * (width - 1)]
    return [*rows, row]


def _cells(text: str) -> list[tuple[str, int, int]]:
    """The cells in a text: what is in each, how many columns and rows it spans."""
    bars = list(_CELL.finditer(text))
    cells: list[tuple[str, int, int]] = []
    for number, bar in enumerate(bars):
        until = bars[number + 1].start() if number + 1 < len(bars) else len(text)
        content = " ".join(text[bar.end() : until].replace("\\|", "|").split())
        columns, rows = (min(int(bar[name] or 1) or 1, MAX_SPAN) for name in ("columns", "rows"))
        copies = min(int(bar["copies"] or 1) or 1, MAX_SPAN) if len(cells) < MAX_REPEATS else 1
        cells += [(content, columns, rows)] * copies
    return cells


def _links(text: str) -> tuple[str, ...]:
    """The files that it refers to."""
    targets = ((match[1] or match[2]).split("#")[0] for match in _LINK.finditer(text))
    return tuple(dict.fromkeys(target for target in targets if "." in target and not _SCHEME.match(target)))
