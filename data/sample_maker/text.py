"""The texts that samples are made from.

First lines "key: value" (`language`; some makers know more), an empty line, then the text. There one line is one
block: "# title", "## heading", "### subheading", "- item", "> note", "| a | b |" (a table's first row is its header),
"---" for a new page, anything else a paragraph.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

TITLE, HEADING, SUBHEADING, ITEM, NOTE, TABLE, NEW_PAGE, PARAGRAPH = "#", "##", "###", "-", ">", "|", "---", ""
MARKS = (TITLE, HEADING, SUBHEADING, ITEM, NOTE, NEW_PAGE)
WRITTEN = datetime(2026, 3, 1, 12, tzinfo=UTC)  # the date of every file, whatever the day

Row = list[str]


@dataclass(frozen=True)
class Part:
    """A block: its `kind` is the mark at its line's start; a table has `rows` and no text."""

    kind: str
    text: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Text:
    fields: dict[str, str]
    parts: tuple[Part, ...]

    @property
    def language(self) -> str:
        return self.fields["language"]

    @property
    def title(self) -> str:
        return next(part.text for part in self.parts if part.kind == TITLE)

    def split(self, mark: str) -> list[list[Part]]:
        """The parts in groups, each beginning with a part of the kind `mark`; what stands before the first is no
        group."""
        groups: list[list[Part]] = []
        for part in self.parts:
            if part.kind == mark:
                groups.append([])
            if groups:
                groups[-1].append(part)
        return groups


def read(path: Path) -> Text:
    head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    return Text(dict(line.split(": ", 1) for line in head.splitlines()), tuple(_parts(body)))


def _parts(body: str) -> Iterator[Part]:
    for is_table, lines in groupby(body.splitlines(), lambda line: line.startswith(TABLE)):
        if is_table:
            yield Part(TABLE, rows=tuple([cell.strip() for cell in line.strip("|").split("|")] for line in lines))
        else:
            yield from map(_part, lines)


def _part(line: str) -> Part:
    mark, _, rest = line.partition(" ")
    return Part(mark, rest) if mark in MARKS else Part(PARAGRAPH, line)
