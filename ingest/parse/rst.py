"""reStructuredText -> Document. Nothing that a text includes is opened, and no directive is run.

Blocks are slices of the file, but tables, whose rows need not be lines.
https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html
"""

import csv
import io
import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from ingest.parse.lines import Lines, Outline, rows_text
from ingest.parse.text import decode
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Document

MEDIA_TYPE = "text/x-rst"
MAX_DEPTH = 12  # of directives in directives; deeper is read as paragraphs
MAX_COLUMNS = 500

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*\s*")
_FIELD = re.compile(r":(?![: ])((?:[^:\\\n]|\\.|:(?! ))+):(?:[ \t]+|$)(.*)")
_DIRECTIVE = re.compile(r"\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([A-Za-z0-9][\w:.+-]*?)[ \t]?::(?:[ \t]+(.*))?$")
_FOOTNOTE = re.compile(r"\.\.[ \t]+\[[^\]\n]+\][ \t]")
_TARGET = re.compile(r"\.\.[ \t]+_(?:`[^`\n]*`|[^:\n]|\\:)*:[ \t]*(.*)$|__[ \t]+(.*)$")
_ITEM = re.compile(r"(?:[-*+•‣⁃]|\(?(?:\d{1,9}|[A-Za-z]|[ivxlcdmIVXLCDM]{2,8}|#)[.)])(?:[ \t]+|$)")
_GRID = re.compile(r"\+(?:[-=]+\+)+\s*")
_SIMPLE = re.compile(r"=+(?:[ \t]+=+)+\s*")
_LINK = re.compile(r"`[^`<]*<([^>`]+)>`__?|:(?:doc|download|file):`(?:[^`<]*<)?([^`<>]+)>?`")
_ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|#|.*_$")

_CODE = frozenset(("code", "code-block", "sourcecode", "parsed-literal", "math", "literalinclude", "productionlist"))
_LEFT_OUT = frozenset(
    ("include", "raw", "contents", "meta", "image", "index", "highlight", "currentmodule", "module", "target-notes")
)
_METADATA = {
    "author": "author", "authors": "author", "date": "date", "description": "description", "keywords": "keywords",
    "language": "language", "version": "version", "subject": "subject",
}  # fmt: skip


@cache
def parser_version() -> str:
    return f"rst/1 {text_version()}"


def parse(path: Path) -> Document:
    """Sections by their underlines, paragraphs, lists, literal blocks, tables, footnotes; directives by what is in
    them. Metadata is the field list at the top; the title is the first heading. Comments are left out.

    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    reader = _Reader(Lines.of(text))
    reader.read(0, len(reader.lines), 0)
    headings = (block.text for block in reader.outline.blocks if block.kind == "heading")
    return Document(
        title=reader.metadata.pop("title", "") or next(headings, ""),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(reader.outline.blocks),
        metadata={"encoding": encoding} | reader.metadata,
        links=tuple(dict.fromkeys(reader.links)),
    )


class _Reader:
    """Reads lines into an outline. Each step takes the first line of something and gives the first after it."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.outline = Outline(lines)
        self.metadata: dict[str, str] = {}
        self.links: list[str] = []
        self._styles: list[tuple[str, bool]] = []  # of headings, outermost first: the sign, and whether it is above too

    def read(self, at: int, end: int, depth: int) -> None:
        while (at := self.lines.next_text(at, end)) < end:
            line = self.lines.line(at)
            indent = self.lines.indent(at)
            after = (
                (self._heading(at, end) if not indent and not depth else 0)
                or self._table(at, end)
                or (self._explicit(at, end, depth) if line.lstrip().startswith(("..", "__ ")) else 0)
                or self._fields(at, end)
                or self._list(at, end)
                or self._paragraph(at, end)
            )
            at = max(after, at + 1)

    # sections

    def _heading(self, at: int, end: int) -> int:
        line = self.lines.line(at)
        over = _ADORNMENT.fullmatch(line)
        if over and at + 2 < end and (under := self.lines.line(at + 2).rstrip()) == line.rstrip():
            title = self.lines.line(at + 1).strip()
            if title and len(title) <= len(under):
                self._add_heading((under[0], True), title, at + 1)
                return at + 3
        under = self.lines.line(at + 1).rstrip() if at + 1 < end else ""
        title = line.strip()
        if under and not over and _ADORNMENT.fullmatch(under) and len(under) >= min(len(title), 4):
            self._add_heading((under[0], False), title, at)
            return at + 2
        # A line between paragraphs is a transition and says nothing.
        return at + 1 if over and len(line.rstrip()) >= 4 and not under else 0

    def _add_heading(self, style: tuple[str, bool], title: str, number: int) -> None:
        if style not in self._styles:
            self._styles.append(style)
        self.outline.heading(self._styles.index(style), title, number)

    # what begins with two dots

    def _explicit(self, at: int, end: int, depth: int) -> int:
        indent = self.lines.indent(at)
        line = self.lines.line(at).strip()
        after = max(self.lines.indented_end(at + 1, end, indent), at + 1)
        if directive := _DIRECTIVE.match(line):
            self._directive(directive[1].lower(), (directive[2] or "").strip(), at, after, depth)
        elif _FOOTNOTE.match(line):
            self.outline.add("note", at, after)
        elif target := _TARGET.match(line):
            self._link(target[1] or target[2] or "")
        elif line != ".." and not line.startswith(".. "):
            return 0
        return after

    def _directive(self, name: str, argument: str, at: int, after: int, depth: int) -> None:
        body = at + 1
        while body < after and _FIELD.match(self.lines.line(body).strip()):
            body += 1
        body = self.lines.next_text(body, after)
        if name in _LEFT_OUT:
            return
        if name == "toctree":
            self.links += [line for n in range(body, after) if (line := self.lines.line(n).strip())]
        elif name in _CODE:
            self.outline.add("code", body if body < after else at, after)
        elif name in ("list-table", "csv-table", "table", "figure"):
            self._titled(name, argument, at, body, after, depth)
        elif depth >= MAX_DEPTH or (not argument and body >= after):
            self.outline.add("paragraph", at, after)
        else:
            if argument:
                self.outline.add("paragraph", at, self._argument_end(at, body, after))
            self.read(self._argument_end(at, body, after) if argument else body, after, depth + 1)

    def _argument_end(self, at: int, body: int, after: int) -> int:
        """An argument may go on until an empty line or the options."""
        number = at + 1
        while number < after and not self.lines.is_blank(number) and not _FIELD.match(self.lines.line(number).strip()):
            number += 1
        return number if number == after or self.lines.is_blank(number) else body

    def _titled(self, name: str, argument: str, at: int, body: int, after: int, depth: int) -> None:
        if name == "figure":
            self.outline.add("caption", body, after)
            return
        if argument:
            self.outline.add_text("caption", argument, at, at + 1)
        if name == "table":
            self.read(body, after, depth + 1)
            return
        rows = self._csv_rows(at, body, after) if name == "csv-table" else self._listed_rows(body, after)
        self.outline.add_text("table", rows_text(rows), body, after)

    def _csv_rows(self, at: int, body: int, after: int) -> list[list[str]]:
        options = [_FIELD.match(self.lines.line(n).strip()) for n in range(at + 1, body)]
        header = [field[2] for field in options if field and field[1].strip() == "header"]
        text = "\n".join([*header, *(self.lines.line(n).strip() for n in range(body, after))])
        try:
            return list(csv.reader(io.StringIO(text), skipinitialspace=True))
        except csv.Error:
            return [[line] for line in text.split("\n")]

    def _listed_rows(self, body: int, after: int) -> list[list[str]]:
        """A table written as a list of lists: '* - cell' begins a row, '- cell' the next cell."""
        rows: list[list[str]] = []
        for n in range(body, after):
            line = self.lines.line(n).strip()
            if line.startswith("* ") or line == "*":
                rows.append([])
                line = line[1:].strip()
            if not rows:
                continue
            if line.startswith("- ") or line == "-":
                rows[-1].append(line[1:].strip())
            elif line:
                rows[-1] = [*rows[-1][:-1], f"{rows[-1][-1]} {line}"] if rows[-1] else [line]
        return rows

    # tables

    def _table(self, at: int, end: int) -> int:
        line = self.lines.line(at).strip()
        if _GRID.fullmatch(line):
            after = self.lines.next_blank(at, end)
            self.outline.add_text(
                "table", rows_text(_grid_rows([self.lines.line(n) for n in range(at, after)])), at, after
            )
            return after
        if _SIMPLE.fullmatch(line):
            rules = [at]
            for n in range(at + 1, end):
                if _SIMPLE.fullmatch(self.lines.line(n).strip()):
                    rules.append(n)
                    if len(rules) > 2 or n + 1 == end or self.lines.is_blank(n + 1):
                        break
                elif self.lines.is_blank(n) and len(rules) > 2:
                    break
            if len(rules) > 1:
                content = [self.lines.line(n) for n in range(at, rules[-1])]
                self.outline.add_text("table", rows_text(_simple_rows(content)), at, rules[-1] + 1)
                return rules[-1] + 1
        return 0

    # text

    def _fields(self, at: int, end: int) -> int:
        """A field list; that before all text is the document's metadata."""
        if not _FIELD.match(self.lines.line(at).strip()):
            return 0
        after = at
        indent = self.lines.indent(at)
        is_top = all(block.kind == "heading" for block in self.outline.blocks) and len(self.outline.blocks) < 2
        while after < end and (field := _FIELD.match(self.lines.line(after).strip())):
            if is_top and (key := _METADATA.get(field[1].lower())) and field[2].strip():
                self.metadata.setdefault(key, field[2].strip())
            after = max(self.lines.indented_end(after + 1, end, indent), after + 1)
        self.outline.add("note" if is_top else "paragraph", at, after)
        return after

    def _list(self, at: int, end: int) -> int:
        """A list with all in its items: a slice, but literal blocks in it stay in it too."""
        indent = self.lines.indent(at)
        if not _ITEM.match(self.lines.line(at).lstrip()):
            return 0
        following = self.lines.line(at + 1) if at + 1 < end else ""
        if following.strip() and self.lines.indent(at + 1) <= indent and not _ITEM.match(following.lstrip()):
            return 0  # a paragraph that happens to begin so
        after = at + 1
        while after < end:
            text = self.lines.next_text(after, end)
            is_item = text < end and self.lines.indent(text) == indent and _ITEM.match(self.lines.line(text).lstrip())
            if text >= end or (self.lines.indent(text) <= indent and not is_item):
                break
            after = text + 1
        self._note_links(at, after)
        self.outline.add("list", at, after)
        return after

    def _paragraph(self, at: int, end: int) -> int:
        after = self.lines.next_blank(at, end)
        indent = self.lines.indent(at)
        text = self.lines.line(at).lstrip()
        if text.startswith(">>>"):
            self.outline.add("code", at, after)
            return after
        last = self.lines.line(after - 1).rstrip()
        self._note_links(at, after)
        if last.strip() != "::":
            self.outline.add("paragraph", at, after)
        elif after - at > 1:
            self.outline.add("paragraph", at, after - 1)
        if last.endswith("::"):
            code = self.lines.next_text(after, end)
            literal_end = self.lines.indented_end(code, end, indent) if code < end else code
            self.outline.add("code", code, literal_end)
            return max(after, literal_end)
        return after

    def _note_links(self, at: int, after: int) -> None:
        span = self.lines.span(at, after)
        for match in _LINK.finditer(self.lines.slice(span)):
            self._link(match[1] or match[2])

    def _link(self, target: str) -> None:
        target = target.strip().split("#")[0]
        if target and not _ELSEWHERE.match(target):
            self.links.append(target)


def _grid_rows(lines: Sequence[str]) -> list[list[str]]:
    """A table drawn with + - and |. A cell that spans rows stands in the first of them."""
    places = sorted({place for line in lines if line.lstrip().startswith("+") for place in _places(line, "+")})
    if len(places) < 2 or len(places) > MAX_COLUMNS:
        return [[line] for line in lines]
    rows: list[list[str]] = []
    row = [""] * (len(places) - 1)
    for line in lines:
        begins = 0  # the column in which the cell began, as it may span several
        is_rule = line.lstrip().startswith("+") or "+-" in line or "-+" in line
        if is_rule and any(row):
            rows.append(row)
            row = [""] * (len(places) - 1)
        for column, (left, right) in enumerate(pairwise(places)):
            if line[left : left + 1] in ("|", "+"):
                begins = column
            text = line[left + 1 : right] + (
                line[right : right + 1] if line[right : right + 1] not in ("|", "+") else ""
            )
            if not (text.strip() and set(text.strip()) <= set("-=+")):
                separator = "" if begins < column else "\n"
                row[begins] += f"{separator}{text}"
    return [*rows, row] if any(cell.strip() for cell in row) else rows


def _simple_rows(lines: Sequence[str]) -> list[list[str]]:
    """A table under rules of ===. A line with an empty first cell goes on with the row above."""
    starts = [match.start() for match in re.finditer(r"=+", lines[0])][:MAX_COLUMNS]
    rows: list[list[str]] = []
    for line in lines[1:]:
        if set(line.strip()) <= set("=- "):
            continue
        cells = [line[left:right].strip() for left, right in pairwise([*starts, max(len(line), starts[-1])])]
        cells[0] = f"{line[: starts[0]].strip()} {cells[0]}".strip()
        if rows and not cells[0]:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    return rows


def _places(line: str, sign: str) -> list[int]:
    return [place for place, char in enumerate(line) if char == sign]
