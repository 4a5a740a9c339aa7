"""What an XLSX sheet has besides its cells: text boxes, charts (title and values), comments. Left out: pictures."""

import re
import sys
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ingest.parse.drawing import chart_rows, chart_title
from ingest.parse.outline import Outline, noted
from ingest.parse.package import A, C, Package, R, local_name
from ingest.types import Block

_LAST = sys.maxsize  # the row of what names no cell
_CELL = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})$")
_THREAD = "tc="  # begins the author of a comment that programs without threads show in a thread's stead


class SheetObject(NamedTuple):
    """What stands at a cell; its row and column count from 0."""

    row: int
    column: int
    blocks: tuple[Block, ...]


def sheet_objects(book: Package, part: str) -> list[SheetObject]:
    """The objects of the sheet in a part, from the top, those in a row from the left.

    Raises ParseError if one of the parts is damaged.
    """
    found = [*_drawn(book, part), *_comments(book, part)]
    return sorted((one for one in found if one.blocks), key=lambda one: (one.row, one.column))


def _drawn(book: Package, part: str) -> Iterator[SheetObject]:
    for drawing in book.parts(part, "drawing"):
        charts = {key: relation.target for key, relation in book.related(drawing).items() if relation.kind == "chart"}
        for anchor in book.xml(drawing):
            found = Outline()
            for element in _shown(anchor):
                if local_name(element) == "sp":
                    texts = ("".join(run.text or "" for run in line.iter(f"{A}t")) for line in element.iter(f"{A}p"))
                    found.add("paragraph", "\n".join(filter(None, texts)))
                elif element.tag == f"{C}chart" and (name := charts.get(element.get(f"{R}id", ""), "")) in book.names:
                    root = book.xml(name)
                    found.add("caption", chart_title(root))
                    found.table(chart_rows(root))
            yield SheetObject(*_corner(anchor), found.finish())


def _shown(anchor: Element) -> Iterator[Element]:
    """The elements of a drawing, but those for older programs."""
    pending = [anchor]
    while pending:
        element = pending.pop()
        yield element
        pending += [child for child in reversed(element) if local_name(child) != "Fallback"]


def _corner(anchor: Element) -> tuple[int, int]:
    """The row and column of the cell over which a drawing begins."""
    begins = next((element for element in anchor.iter() if local_name(element) == "from"), ())
    found = {local_name(child): child.text or "" for child in begins}
    row, column = (found.get(name, "").strip() for name in ("row", "col"))
    is_cell = row.isdecimal() and column.isdecimal() and len(row + column) < 16
    return (int(row), int(column)) if is_cell else (_LAST, 0)


def _comments(book: Package, part: str) -> Iterator[SheetObject]:
    """Threads with their replies, and the comments of older programs that stand for no thread."""
    people = {person.get("id", ""): person.get("displayName", "") for person in _people(book)}
    threads: set[str] = set()
    for name in book.parts(part, "threadedComment"):
        for comment in book.xml(name):
            threads.add(comment.get("id", ""))
            text = "".join(child.text or "" for child in comment if local_name(child) == "text")
            yield _comment(comment, people.get(comment.get("personId", ""), ""), comment.get("dT", ""), text)
    for name in book.parts(part, "comments"):
        root = book.xml(name)
        authors = [author.text or "" for author in root.iter() if local_name(author) == "author"]
        for comment in root.iter():
            if local_name(comment) == "comment":
                number = comment.get("authorId", "")
                is_known = number.isdecimal() and len(number) < 7 and int(number) < len(authors)
                author = authors[int(number)] if is_known else ""
                if author.removeprefix(_THREAD) not in threads:
                    signed = "" if author.startswith(_THREAD) else author
                    yield _comment(comment, signed, "", "".join(comment.itertext()))


def _comment(comment: Element, author: str, date: str, text: str) -> SheetObject:
    found = Outline()
    found.add("note", noted(author, date, " ".join(text.split())))
    return SheetObject(*_place(comment.get("ref", "")), found.finish())


def _place(reference: str) -> tuple[int, int]:
    """The row and column, from 0, of a cell such as "B12"."""
    cell = _CELL.match(reference)
    if not cell:
        return _LAST, 0
    return int(cell[2]) - 1, column_number(cell[1].encode()) - 1


def column_number(letters: bytes) -> int:
    """A column's number from its letters: 1 for A, 27 for AA."""
    number = 0
    for letter in letters[:8]:
        number = 26 * number + letter - 64
    return number


def _people(book: Package) -> Iterator[Element]:
    for part in book.parts("xl/workbook.xml", "person"):
        yield from book.xml(part)
