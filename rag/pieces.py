"""The pieces of a passage that can answer: a sentence, an item of a list, a row of a table with the table's header, the
fields of a record."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from ingest.sentences import sentences
from rag.tables import Range, Table, is_row, read_tables, table_lines, text_lines

_MARKER = re.compile(r"^(?:[-*+•–>]|\d{1,3}[.)]|[a-z]\)|\.|#{1,6})\s+(?:\[[ xX-]\]\s+)?")
_ITEM = re.compile(r"^\s*(?:[-*+•–]|\d{1,3}[.)]|[a-z]\)|\.)\s+\S")
_FIELD = re.compile(r"((?:[^\W\d][\w .\[\]-]{0,40})):\s+\S.{0,100}(?<!\.)$")
_INDEX = re.compile(r"\[\d+\]")
LONGEST_RECORD = 8  # lines
LONGEST_LIST = 12  # lines of a list that is shown whole


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters `start` to `end` of a passage's text; `header` is that of the row's table."""

    start: int
    end: int
    header: Range | None = None


def pieces(text: str) -> list[Piece]:
    """All pieces in order, without their list marks; headings and header rows are none."""
    records = list(_records(text))
    found = [piece for table in read_tables(text) for piece in _rows(table)] + [Piece(*record) for record in records]
    known = sorted([line for table in table_lines(text) for line in table if is_row(text, line)] + records)
    ends = list(accumulate((end for _, end in known), max))
    for start, end in sentences(text):
        before = bisect_right(known, (start, len(text)))
        if before and start < ends[before - 1]:
            continue
        marker = _MARKER.match(text[start:end])
        begin = start + marker.end() if marker else start
        if any(c.isalnum() for c in text[begin:end]) and not text[start:end].startswith("#"):
            found.append(Piece(begin, end))
    return sorted(found, key=lambda piece: piece.start)


def whole_list(text: str, piece: Piece) -> Range | None:
    """The list that a piece is an item of, or that it introduces, with the line before it where that ends in a colon;
    None if there is none, or it is too long to be shown."""
    lines = list(text_lines(text))
    here = next((n for n, (start, end) in enumerate(lines) if start <= piece.start < end), None)
    if here is None:
        return None
    is_item: list[bool] = []
    for start, end in lines:
        indented = text[:start].rpartition("\n")[2] != ""
        is_item.append(bool(_ITEM.match(text[start:end])) or (indented and bool(is_item) and is_item[-1]))
    first = here if is_item[here] else here + 1
    if first >= len(lines) or not is_item[first] or (not is_item[here] and not text[slice(*lines[here])].endswith(":")):
        return None
    last = first
    while first > 0 and is_item[first - 1]:
        first -= 1
    while last + 1 < len(lines) and is_item[last + 1]:
        last += 1
    if first > 0 and text[slice(*lines[first - 1])].rstrip().endswith(":"):
        first -= 1
    return (lines[first][0], lines[last][1]) if 1 < last - first + 1 <= LONGEST_LIST else None


def _records(text: str) -> Iterator[Range]:
    """Lines of 'name: value' one right below the other, until a name comes again."""
    record: list[Range] = []
    names: set[str] = set()
    for start, end in text_lines(text):
        field = _FIELD.match(text[start:end])
        name = _INDEX.sub("", field[1]) if field else ""
        follows = bool(record) and not text[record[-1][1] : start].count("\n") > 1
        if not field or name in names or not follows or len(record) == LONGEST_RECORD:
            if len(record) > 1:
                yield record[0][0], record[-1][1]
            record, names = [], set()
        if field:
            record.append((start, end))
            names.add(name)
    if len(record) > 1:
        yield record[0][0], record[-1][1]


def _rows(table: Table) -> Iterator[Piece]:
    """The rows that say something beside their label."""
    for row in table.rows:
        yield Piece(row.start, row.end, table.header)
