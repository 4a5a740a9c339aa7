"""XLSX, XLS, ODS, CSV and TSV -> Document: each sheet is a page under its name, its tables with their header row first.

Read: values as the sheet has them (dates as ISO 8601), merged cells in each row that they cover, several tables on a
sheet apart; of XLSX also charts, text boxes and comments, each where it stands. Left out: formulas, pictures.
The one file that imports python-calamine.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib.metadata import version
from itertools import groupby, islice, pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from errors import EncryptedError, ParseError, TooLargeError
from ingest.parse import package
from ingest.parse.hidden import Hidden
from ingest.parse.office_password import decrypted, is_encrypted
from ingest.parse.office_password import library_version as password_version
from ingest.parse.outline import Outline
from ingest.parse.package import OLE, RESAVE, Package, R, is_wrapped, local_name
from ingest.parse.sheet_objects import SheetObject, column_number, sheet_objects
from ingest.parse.sheet_unseen import leave_out_unseen, unseen_styles
from ingest.parse.text import decode
from ingest.types import Document

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OLD_TYPE = "application/vnd.ms-excel"
OPEN_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
TEXT_TYPES = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".tab": "text/tab-separated-values"}

MAX_AREA = 20_000_000  # cells of a sheet, used or not, between its first and last
MAX_CLAIMED = 1_000_000  # texts or styles that a part may claim to have, if it is not long enough to have them
MAX_MERGED = 100_000  # places of a sheet that merged cells fill
MAX_DEPTH = 8  # of tables beside or below each other, inside each other
MAX_HEADER = 3  # rows of text over a gap that may be a header of the figures below
MAX_TITLE = 120  # characters of a line above a table that is its heading
PROSE = 60  # characters a cell, on the mean, above which a lone column is text and no table
_REFERENCE = re.compile(rb"""<(?:\w{1,20}:)?c\s[^<>]{0,200}?\br\s*=\s*["']([A-Z]+)(\d+)""")
_STYLED = re.compile(rb'<(?:\w{1,20}:)?c\s+r="([A-Z]+)(\d+)"\s+s="(\d+)"')
_PERCENT = re.compile(r"[0#?](?:\.([0#?]{1,15}))?%")
# What the parts say they have of texts and styles; the texts' "count" is how often cells show one.
_COUNTS = {
    "xl/sharedStrings.xml": re.compile(rb"""\buniqueCount\s*=\s*["']\s*(\d+)"""),
    "xl/styles.xml": re.compile(rb"""\bcount\s*=\s*["']\s*(\d+)"""),
}
_DELIMITERS = ",;\t|:"
_SAMPLE_ROWS = 200
_MAX_LINES = 100  # in one quoted cell; more come of a quotation mark that is none

Grid = list[list[str]]


class _Region(NamedTuple):
    """A part of a sheet, and the sheet's row in which it begins."""

    top: int
    rows: Grid


class Text(str):
    """A cell's text. One object stands in all places that a merged cell covers, so that equal cells are told apart."""

    __slots__ = ()


class Figure(Text):
    """A cell that is a number, a date or a truth value."""

    __slots__ = ()


@cache
def parser_version() -> str:
    return f"spreadsheet/7 python-calamine {version('python-calamine')} {password_version()}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    import python_calamine  # noqa: F401


def parse(path: Path, password: str | None = None) -> Document:
    """The tables of a spreadsheet, or of a text file of cells.

    Raises EncryptedError if it has a password and this is not the one, TooLargeError if it inflates beyond measure,
    ParseError if it is damaged.
    """
    data = path.read_bytes()
    if data.startswith(b"PK") or is_wrapped(data):
        with package.opened(path, "spreadsheet", password) as book:
            return _workbook(book.data, book)
    if data.startswith(OLE):
        return _workbook(decrypted(data, password) if password is not None and is_encrypted(data) else data, None)
    text, encoding = decode(data)
    if text.lstrip()[:1] == "<":  # what web pages offer as XLS is often a page itself
        return _page(text, encoding)
    return _cells_of_text(text, encoding, TEXT_TYPES.get(path.suffix.lower(), "text/csv"))


def _workbook(data: bytes, book: Package | None) -> Document:
    if book is not None:
        _check_area(book)
        _check_counts(book)
    outline, hidden = Outline(), Hidden()
    with _translated():
        workbook = _opened(data)
        names = workbook.sheet_names
    percentages = _percentages(book, len(names))
    unseen = unseen_styles(book) if book is not None else {}
    for number, name in enumerate(names, 1):
        outline.start_page(number)
        outline.heading(1, name)
        hidden.page = number
        with _translated():
            sheet = _sheet(workbook, number - 1)
            grid = _grid(sheet, percentages[number - 1]) if sheet is not None else []
            top = sheet.start[0] if sheet is not None and sheet.start else 0
        part = _sheet_part(book, number - 1)
        if not _is_shown(workbook, number - 1):
            hidden.add("part", "\n".join("  ".join(filter(None, row)) for row in grid))
        elif book is not None and part:
            start = sheet.start or (0, 0) if sheet is not None else (0, 0)
            leave_out_unseen(grid, start, book.read(part), unseen, hidden)
        _add_tables(outline, grid, top, sheet_objects(book, part) if book is not None and part else [])
    metadata = book.properties() if book is not None and "xl/workbook.xml" in book.names else {}
    return Document(
        title=metadata.get("title", ""),
        media_type=OLD_TYPE if book is None else OPEN_TYPE if "content.xml" in book.names else MEDIA_TYPE,
        parser=parser_version(),
        blocks=outline.finish(),
        pages=len(names),
        metadata=metadata,
        hidden=hidden.found(),
    )


def _is_shown(workbook: "CalamineWorkbook", place: int) -> bool:
    from python_calamine import SheetVisibleEnum

    return bool(workbook.sheets_metadata[place].visible == SheetVisibleEnum.Visible)


def _check_area(book: Package) -> None:
    """calamine keeps a place for each cell from the first to the last, however few there are."""
    for name in book.names:
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            columns, rows = 1, 1
            for column, row in set(_REFERENCE.findall(book.read(name))):
                columns, rows = max(columns, column_number(column)), max(rows, int(row[:12]))
            if columns * rows > MAX_AREA:
                raise TooLargeError(
                    f"A sheet's cells reach over {rows:,} rows and {columns:,} columns.",
                    hint="Delete what stands far from the rest, or split the sheet.",
                )


def _check_counts(book: Package) -> None:
    """calamine makes room for as many texts and styles as a part claims to have."""
    for name, pattern in _COUNTS.items():
        if name in book.names:
            data = book.read(name)
            if any(int(count[:12]) > max(len(data), MAX_CLAIMED) for count in pattern.findall(data)):
                raise ParseError(f"The file is damaged: {name} claims more than it has.", hint=RESAVE)


def _opened(data: bytes) -> "CalamineWorkbook":
    from python_calamine import CalamineWorkbook

    return CalamineWorkbook.from_filelike(io.BytesIO(data))


def _sheet(workbook: "CalamineWorkbook", place: int) -> "CalamineSheet | None":
    """None for what is no table, as a sheet that is one chart."""
    from python_calamine import SheetTypeEnum, WorksheetNotFound

    if workbook.sheets_metadata[place].typ not in (SheetTypeEnum.WorkSheet, SheetTypeEnum.MacroSheet):
        return None
    try:
        return workbook.get_sheet_by_index(place)
    except WorksheetNotFound:
        return None


@contextmanager
def _translated() -> Iterator[None]:
    """calamine's errors as ours; a panic of its Rust code is no Exception."""
    from python_calamine import PasswordError

    try:
        yield
    except (ParseError, MemoryError):
        raise
    except PasswordError as error:
        raise EncryptedError(
            "The file is protected by a password.", hint="Save a copy without the password and add that."
        ) from error
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            said = " ".join(str(error).split())[:200]
            raise ParseError(f"The file is no readable spreadsheet: {said}.", hint=RESAVE) from error
        raise


# --- a sheet's cells


def _grid(sheet: "CalamineSheet", percentages: dict[tuple[int, int], int]) -> Grid:
    """The sheet from its first used cell on, as text; merged cells are filled. `percentages` are the cells (row and
    column from 0) that are shown as such, with their decimals."""
    grid = [[_shown(value) for value in row] for row in sheet.to_python(skip_empty_area=True)]
    top, left = sheet.start or (0, 0)
    for (row, column), decimals in percentages.items():
        if 0 <= row - top < len(grid) and 0 <= column - left < len(grid[row - top]):
            cell = grid[row - top][column - left]
            grid[row - top][column - left] = _percentage(cell, decimals)
    filled = 0
    for (first, begin), (last, end) in sheet.merged_cell_ranges or ():
        row, column = first - top, begin - left
        filled += (last - first + 1) * (end - begin + 1)
        if not (0 <= row < len(grid) and 0 <= column < len(grid[row])) or filled > MAX_MERGED:
            continue
        for below in grid[row : last - top + 1]:
            for place in range(column, min(end - left + 1, len(below))):
                below[place] = below[place] or grid[row][column]
    return grid


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return Text(" ".join(value.split())) if value else ""
    if isinstance(value, bool):
        return Figure("TRUE" if value else "FALSE")
    if isinstance(value, float):
        return Figure(int(value) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g"))
    if isinstance(value, datetime):
        moment = value.replace(microsecond=0)
        return Figure(moment.date().isoformat() if moment.time() == time() else moment.isoformat(" "))
    if isinstance(value, date | time):
        return Figure(value.isoformat())
    if isinstance(value, timedelta):
        return Figure(str(value - timedelta(microseconds=value.microseconds)))
    return Figure(value)


def _percentage(cell: str, decimals: int) -> str:
    try:
        return Figure(f"{100 * float(cell):.{decimals}f}%")
    except ValueError:
        return cell


def _percentages(book: Package | None, sheets: int) -> list[dict[tuple[int, int], int]]:
    """For each sheet of an XLSX its cells that are shown as percentages, with how many decimals."""
    found: list[dict[tuple[int, int], int]] = [{} for _ in range(sheets)]
    decimals = _percent_styles(book) if book is not None else {}
    if book is None or not decimals:
        return found
    for place, cells in enumerate(found):
        part = _sheet_part(book, place)
        for column, row, style in _STYLED.findall(book.read(part)) if part else ():
            if style in decimals:
                cells[int(row[:12]) - 1, column_number(column) - 1] = decimals[style]
    return found


def _percent_styles(book: Package) -> dict[bytes, int]:
    """The numbers of the styles that show percentages, and their decimals."""
    if "xl/styles.xml" not in book.names:
        return {}
    root = book.xml("xl/styles.xml")
    codes = {"9": "0%", "10": "0.00%"}  # ECMA-376 part 1, 18.8.30
    codes |= {one.get("numFmtId", ""): one.get("formatCode", "") for one in root.iter() if local_name(one) == "numFmt"}
    styles = next((list(one) for one in root if local_name(one) == "cellXfs"), [])
    formats = (codes.get(style.get("numFmtId", ""), "") for style in styles)
    return {str(n).encode(): len(match[1] or "") for n, code in enumerate(formats) if (match := _PERCENT.search(code))}


def _sheet_part(book: Package | None, place: int) -> str:
    """The name of a sheet's part, "" if it is no XLSX or has none."""
    main = "xl/workbook.xml"
    if book is None or main not in book.names:
        return ""
    relations = book.related(main)
    sheets = [sheet for sheet in book.xml(main).iter() if local_name(sheet) == "sheet"]
    relation = relations.get(sheets[place].get(f"{R}id", "")) if place < len(sheets) else None
    return relation.target if relation and relation.target in book.names else ""


# --- the tables in a grid of cells


def _add_tables(outline: Outline, grid: Grid, top: int, objects: Sequence[SheetObject]) -> None:
    """The tables of a grid that begins in the sheet's row `top`; after each, the objects that begin beside it or
    below, but above the next."""
    regions = list(_regions(grid, 0, top))
    waiting = deque(objects)
    for place, (row, region) in enumerate(regions):
        while waiting and waiting[0].row < row:
            outline.extend(waiting.popleft().blocks)
        before_table = place + 1 < len(regions) and len(regions[place + 1].rows) > 1
        _add_region(outline, region, before_table)
    for one in waiting:
        outline.extend(one.blocks)


def _add_region(outline: Outline, rows: Grid, before_table: bool) -> None:
    """A table with its header row first. Lines of one cell above it are its headings."""
    titles = list(takewhile(_is_title, rows))
    table = rows[len(titles) :]
    lines = [line for line, _ in groupby(next(filter(None, row)) for row in titles)]  # a merged cell has several rows
    if not table and (len(lines) > MAX_HEADER or not before_table):
        outline.add("paragraph", lines[0]) if len(lines) == 1 else _add_column(outline, lines)
        return
    for line in lines:
        if len(line) <= MAX_TITLE and not isinstance(line, Figure) and not line.endswith((".", ":")):
            outline.heading(2, line)
        else:
            outline.add("paragraph", line)
    outline.table(_with_one_header(table))


def _add_column(outline: Outline, lines: list[str]) -> None:
    """Cells of a single column: text where they are sentences, else a table."""
    if sum(map(len, lines)) > PROSE * len(lines):
        outline.add("paragraph", "\n".join(lines))
    else:
        outline.table([line] for line in lines)


def _is_title(row: Sequence[str]) -> bool:
    """Whether one cell is all that stands in the row, be it a merged one."""
    return len({id(cell) for cell in row if cell}) == 1


def _with_one_header(table: Grid) -> Grid:
    """Where the header has two rows, the upper with cells over several columns, they become one."""
    if len(table) < 3:
        return table
    upper, lower = table[0], table[1]
    spans = any(left and left == right for left, right in pairwise(upper))
    if not spans or any(isinstance(cell, Figure) for cell in (*upper, *lower)) or not any(lower):
        return table
    return [[" ".join(dict.fromkeys(filter(None, pair))) for pair in zip(upper, lower, strict=False)], *table[2:]]


def _regions(grid: Grid, depth: int, top: int) -> Iterator[_Region]:
    """The parts of a grid that begins in row `top`, between empty rows and columns, from the top and left. What only
    continues a table over an empty row, and a column that belongs to its rows, stays with it."""
    top, rows = _trimmed(grid, top)
    if not rows:
        return
    bands = list(_with_headers(_bands(rows, top)))
    if depth >= MAX_DEPTH:
        bands = [_Region(top, rows)]
    if len(bands) > 1:
        for band in bands:
            yield from _regions(band.rows, depth + 1, band.top)
        return
    rows = bands[0].rows
    parts = _side_by_side(rows) if depth < MAX_DEPTH else [rows]
    if len(parts) > 1:
        for part in parts:
            yield from _regions(part, depth + 1, top)
        return
    yield _Region(top, [row for row in rows if any(row)])


def _trimmed(grid: Grid, top: int) -> _Region:
    """Without the empty rows and columns around it."""
    used = [number for number, row in enumerate(grid) if any(row)]
    if not used:
        return _Region(top, [])
    rows = grid[used[0] : used[-1] + 1]
    filled = [[place for place, cell in enumerate(row) if cell] for row in rows]
    left = min(places[0] for places in filled if places)
    right = max(places[-1] for places in filled if places)
    return _Region(top + used[0], [[*row[left : right + 1], *[""] * (right + 1 - len(row))] for row in rows])


def _bands(rows: Grid, top: int) -> list[_Region]:
    """The rows, parted where an empty one is followed by another table."""
    found = [_Region(top, [])]
    for number, row in enumerate(rows, top):
        band = found[-1].rows
        if any(row) and band and not any(band[-1]) and not _continues(band, row):
            found.append(_Region(number, [row]))
        else:
            band.append(row)
    return found


def _with_headers(bands: list[_Region]) -> Iterator[_Region]:
    """The bands; rows of text that stand over figures, gaps between them, become one header row of these."""
    waiting: list[_Region] = []
    for band in bands:
        rows = [row for row in band.rows if any(row)]
        first = next((row for row in rows if not _is_title(row)), [])
        if len(rows) <= MAX_HEADER and not any(isinstance(cell, Figure) for row in rows for cell in row):
            waiting.append(band)
            continue
        headers = [row for above in waiting for row in above.rows if any(row)]
        columns = [row for row in headers if not _is_title(row)]
        figures = sum(isinstance(cell, Figure) for cell in first)
        if columns and 3 * figures >= sum(map(bool, first)) > 1:
            header = [" ".join(dict.fromkeys(filter(None, cells))) for cells in zip(*columns, strict=True)]
            yield _Region(waiting[0].top, [*filter(_is_title, headers), header, *band.rows])
        else:
            yield from [*waiting, band]
        waiting = []
    yield from waiting


def _continues(band: Grid, row: Sequence[str]) -> bool:
    """Whether a row after a gap belongs to the table above: it has figures in a column that has some there, or text
    in just the columns in which a table without any figures has it."""
    table = [above for above in band if any(above)]
    if len(table) < 2 or _is_title(row):
        return False
    body = table[1:]
    if any(isinstance(cell, Figure) for above in body for cell in above):
        return any(
            isinstance(cell, Figure) and any(isinstance(above[place], Figure) for above in body[-20:])
            for place, cell in enumerate(row)
        )
    if any(isinstance(cell, Figure) for cell in row):
        return False
    return [bool(cell) for cell in row] == [bool(cell) for cell in table[0]]


def _side_by_side(rows: Grid) -> list[Grid]:
    """The columns, parted at empty ones where both sides have a table of their own: of several columns, and of other
    rows than the other's."""
    width = len(rows[0])
    used = [any(row[place] for row in rows) for place in range(width)]
    edges: list[tuple[int, int]] = []
    for place in range(width):
        if used[place] and (not place or not used[place - 1]):
            edges.append((place, place + 1))
        elif used[place]:
            edges[-1] = (edges[-1][0], place + 1)
    joined = edges[:1]
    for start, end in edges[1:]:
        before, _ = joined[-1]
        left, right = _extent(rows, before, joined[-1][1]), _extent(rows, start, end)
        if end - start > 1 and joined[-1][1] - before > 1 and left != right:
            joined.append((start, end))
        else:
            joined[-1] = (before, end)
    return [[row[start:end] for row in rows] for start, end in joined]


def _extent(rows: Grid, start: int, end: int) -> tuple[int, int]:
    used = [number for number, row in enumerate(rows) if any(row[start:end])]
    return used[0], used[-1]


# --- text files


def _page(text: str, encoding: str) -> Document:
    from ingest.parse.html import blocks_of_html

    hidden = Hidden()
    blocks = tuple(blocks_of_html(text, hidden))
    return Document("", "text/html", parser_version(), blocks, metadata={"encoding": encoding}, hidden=hidden.found())


def _cells_of_text(text: str, encoding: str, media_type: str) -> Document:
    outline = Outline()
    delimiter = "\t" if media_type == TEXT_TYPES[".tsv"] and "\t" in text else _delimiter(text)
    rows = [row for row in _rows(text, delimiter) if any(row)]
    width = max(map(len, rows), default=0)
    body = 0
    while body + 1 < len(rows) and width > 1 and _is_title(rows[body]) and len(rows[body + 1]) == width:
        body += 1
        outline.add("paragraph", next(filter(None, rows[body - 1])))
    outline.table(rows[body:])
    return Document("", media_type, parser_version(), outline.finish(), metadata={"encoding": encoding})


def _delimiter(text: str) -> str:
    """The one that parts most of the first rows into the same number of cells, more than one."""
    sample = text[:200_000]

    def share(delimiter: str) -> tuple[float, int]:
        rows = [row for row in _rows(sample, delimiter, _SAMPLE_ROWS) if any(row)]
        counts = [len(row) for row in rows]
        usual = max(set(counts), key=counts.count) if counts else 1
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0), usual

    return max(_DELIMITERS, key=share)


def _rows(text: str, delimiter: str, limit: int | None = None) -> Grid:
    """The cells. Quotation marks that enclose hundreds of lines are taken for text."""
    rows = _split(text, delimiter, csv.QUOTE_MINIMAL, limit)
    if any(cell.count("\n") > _MAX_LINES for row in rows for cell in row):
        rows = _split(text, delimiter, csv.QUOTE_NONE, limit)
    return [[" ".join(cell.split()) for cell in row] for row in rows]


def _split(text: str, delimiter: str, quoting: Literal[0, 3], limit: int | None) -> Grid:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    usual = csv.field_size_limit(len(text) + 1)  # of the whole process
    try:
        return list(islice(reader, limit))
    except csv.Error as error:
        raise ParseError(f"The file is no readable table: {error}.", hint="Save it as CSV anew.") from error
    finally:
        csv.field_size_limit(usual)
