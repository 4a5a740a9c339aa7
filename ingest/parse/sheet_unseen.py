"""What of an XLSX sheet is not seen: hidden rows and columns; cells in the colour of paper or that show no value."""

import re
from collections.abc import Iterable
from itertools import islice
from xml.etree.ElementTree import Element

from ingest.parse.hidden import Hidden, is_white
from ingest.parse.package import Package, local_name
from ingest.parse.sheet_objects import column_number
from ingest.types import HiddenKind

MAX_CELLS = 200_000  # of styles that are not seen

_STYLES = "xl/styles.xml"
_HIDDEN = re.compile(rb"""<(?:\w{1,20}:)?(row|col)\s[^<>]{0,1000}?\bhidden\s*=\s*["'](?:1|true)["'][^<>]{0,1000}""")
_ATTRIBUTE = re.compile(rb"""\b(r|min|max)\s*=\s*["'](\d{1,7})["']""")
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})(\d{1,7})["']""")
# Colours that such cells may be given later, by a rule or as part of a table.
_PAINTED = re.compile(rb"<(?:\w{1,20}:)?(?:conditionalFormatting|tablePart)\b")
_EMPTY_FORMAT = re.compile(r";;;.*")
_WHITE_THEME = "0"  # the first colour of a theme is that of paper


def unseen_styles(book: Package) -> dict[bytes, HiddenKind]:
    """The numbers of the cell styles that show no text, and how."""
    if _STYLES not in book.names:
        return {}
    parts = {local_name(part): list(part) for part in book.xml(_STYLES)}
    white = [_is_white(font) for font in parts.get("fonts", [])]
    plain = [_is_plain(fill) for fill in parts.get("fills", [])]
    codes = {code.get("numFmtId", ""): code.get("formatCode", "") for code in parts.get("numFmts", [])}
    found: dict[bytes, HiddenKind] = {}
    for number, style in enumerate(parts.get("cellXfs", [])):
        if _EMPTY_FORMAT.fullmatch(codes.get(style.get("numFmtId", ""), "").strip()):
            found[str(number).encode()] = "invisible"
        elif _at(white, style.get("fontId", "")) and _at(plain, style.get("fillId", "0")):
            found[str(number).encode()] = "colour"
    return found


def _at(values: list[bool], number: str) -> bool:
    return number.isdecimal() and len(number) < 8 and int(number) < len(values) and values[int(number)]


def _is_white(font: Element) -> bool:
    colour = next((child for child in font if local_name(child) == "color"), None)
    if colour is None:
        return False
    if theme := colour.get("theme"):
        return theme == _WHITE_THEME and abs(_number(colour.get("tint", "0"))) < 0.03
    return is_white(colour.get("rgb", "")[-6:])


def _is_plain(fill: Element) -> bool:
    """Whether nothing, or white, is behind the text."""
    pattern = next(iter(fill), None)
    if pattern is None or local_name(pattern) != "patternFill":
        return False
    kind = pattern.get("patternType", "none")
    if kind == "none":
        return True
    front = next((child for child in pattern if local_name(child) == "fgColor"), None)
    rgb = front.get("rgb", "") if front is not None else ""
    return kind == "solid" and front is not None and (is_white(rgb[-6:]) or front.get("theme") == _WHITE_THEME)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def leave_out_unseen(
    grid: list[list[str]], start: tuple[int, int], sheet: bytes, styles: dict[bytes, HiddenKind], hidden: Hidden
) -> None:
    """Empties the cells of `grid`, which begins in row and column `start` (from 0), whose style is not seen, and tells
    of them, and of hidden rows and columns, which stay."""
    if b"hidden" not in sheet and not styles:
        return
    top, left = start
    if styles and not _PAINTED.search(sheet):
        for match in islice(_cells_of(styles).finditer(sheet), MAX_CELLS):
            place, style = _PLACE.search(match[0]), match[1]
            if place:
                _empty(grid, int(place[2]) - 1 - top, column_number(place[1]) - 1 - left, styles[style], hidden)
    rows, columns = _hidden_places(sheet, top, left, max(map(len, grid), default=0))
    for number, row in enumerate(grid) if rows or columns else ():
        cells = row if number in rows else [cell for column, cell in enumerate(row) if column in columns]
        if text := "  ".join(filter(None, cells)):
            hidden.add("part", text)


def _hidden_places(sheet: bytes, top: int, left: int, width: int) -> tuple[set[int], set[int]]:
    """The hidden rows and columns of a grid that begins in row `top` and column `left`."""
    rows: set[int] = set()
    columns: set[int] = set()
    for match in _HIDDEN.finditer(sheet):
        values = {name: int(value) - 1 for name, value in _ATTRIBUTE.findall(match[0])}
        if match[1] == b"row":
            rows.add(values.get(b"r", -1) - top)
        elif len(columns) < width:
            columns.update(range(max(0, values.get(b"min", 0) - left), min(width, values.get(b"max", -1) - left + 1)))
    return rows, columns


def _cells_of(styles: Iterable[bytes]) -> re.Pattern[bytes]:
    numbers = b"|".join(map(re.escape, styles))
    return re.compile(rb"""<(?:\w{1,20}:)?c\s[^<>]{0,200}?\bs\s*=\s*["'](%b)["'][^<>]{0,200}""" % numbers)


def _empty(grid: list[list[str]], row: int, column: int, kind: HiddenKind, hidden: Hidden) -> None:
    if 0 <= row < len(grid) and 0 <= column < len(grid[row]) and any(map(str.isalpha, grid[row][column])):
        hidden.add(kind, grid[row][column])
        grid[row][column] = ""
