"""Tables as a passage's text has them: their header, what it calls their columns, and their rows.

Cells stand apart by bars, tabs or two spaces and more. A header may have several rows, or be left behind where a table
goes on: `read_tables` gives what a text says itself, `with_columns` what another does.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from ingest.analyse import fold

Range = tuple[int, int]

LONGEST_SECTION = 80  # characters of a line between rows that names those below it
ABOVE = 200  # characters before a table that may say what it is counted in
LONGEST_AMOUNT = 40  # characters of a cell that is a number

_CELLS = re.compile(r"\t|\s{2,}")
_RULE = re.compile(r"^[\s|:=+-]+$")
_MONTH = "jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec|ene|abr|ago|dic"
PERIOD = re.compile(
    rf"\b(?:(?:19|20)\d\d|fy ?\d\d|[qh][1-4]|(?:{_MONTH})[a-z]*\.? \d{{1,2}}\b|(?:year|quarter|month|week|period)s?\b"
    r"|fiscal|ended|as (?:of|at)|ano|trimestre|ejercicio)"
)
_UNIT = re.compile(
    r"(?:\b(?:in|en)\s(?:us\s?)?[$€£]?\s?|[$€£]\s?(?:in\s)?)(?P<unit>thousands?|millions?|billions?|miles|millon(?:es)?)\b"
)
_COUNTED_IN = {
    "thousand": "in thousands", "thousands": "in thousands", "million": "in millions", "millions": "in millions",
    "billion": "in billions", "billions": "in billions", "miles": "en miles", "millon": "en millones",
    "millones": "en millones",
}  # fmt: skip
_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMBER = re.compile(
    r"[^\w(]*\(?(?:us|[a-z]{1,2})?[-–$€£¥ ]*\(?(?P<digits>\d[\d.,]*)\s?\)?\s?(?:%|pts?|bps|x|\w{1,12})?\)?\*?"
)
_EMPTY = frozenset(["", "-", "–", "—", "*", "n/a", "na"])
_SIGN = re.compile(r"[$€£¥]|US\$")


@dataclass(frozen=True, slots=True)
class Row:
    """Characters `start` to `end` of a text: a line with a label and values. `section` is the line above that names
    the rows below it, '' if there is none."""

    start: int
    end: int
    label: str
    values: tuple[str, ...]
    section: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`header` are the lines above the rows, `columns` what they call each value ('' for one that they do not), none
    where they and the rows do not go together. `unit` is what amounts are counted in ('in millions')."""

    header: Range | None
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unit: str = ""


def cells(line: str) -> list[str]:
    """The cells of a table's row, whether set apart by bars, tabs or two spaces and more; a line of text is one."""
    if line.strip().startswith("|"):
        return [cell.strip() for cell in line.strip().strip("|").split("|")]
    return [cell.strip() for cell in _CELLS.split(line.strip())]


def is_rule(line: str) -> bool:
    """Whether a line only parts a table's header from its rows."""
    return bool(_RULE.match(line))


def read_tables(text: str) -> list[Table]:
    """The tables of a text, in order. One that says nothing of its columns has those of the one before it, if that has
    as many."""
    found: list[Table] = []
    for lines in table_lines(text):
        table = _table(text, lines)
        if found and not table.columns:
            table = with_columns(table, found[-1])
        found.append(table)
    return found


def with_columns(table: Table, before: Table) -> Table:
    """The table with the columns and the unit of the one that it goes on from; as it is, if that has other columns."""
    if not before.columns or (table.columns or before.columns) != before.columns:
        return table
    if not table.columns and width(table.rows) != len(before.columns):
        return table
    return replace(table, columns=before.columns, unit=table.unit or before.unit)


def width(rows: Sequence[Row]) -> int:
    """How many values most of the rows have; 0 without rows."""
    counts = Counter(len(row.values) for row in rows if row.values)
    return counts.most_common(1)[0][0] if counts else 0


def table_lines(text: str) -> Iterator[list[Range]]:
    """The lines of each table: two and more of several cells each, and short ones of a single cell between them."""
    run: list[Range] = []
    between: list[Range] = []

    def finished() -> Iterator[list[Range]]:
        if sum(is_row(text, line) for line in run) > 1:
            yield list(run)
        run.clear()
        between.clear()

    before = 0
    for start, end in text_lines(text):
        if run and text[before:start].count("\n") > 1:
            yield from finished()
        before = end
        if is_row(text, (start, end)):
            run += [*between, (start, end)]
            between.clear()
        elif run and not between and end - start <= LONGEST_SECTION and text[end - 1] not in ".!?;":
            between.append((start, end))
        else:
            yield from finished()
    yield from finished()


def text_lines(text: str) -> Iterator[Range]:
    """The lines that are not empty, without white space around them."""
    start = 0
    for line in text.splitlines(keepends=True):
        if line.strip():
            yield start + len(line) - len(line.lstrip()), start + len(line.rstrip())
        start += len(line)


def is_row(text: str, line: Range) -> bool:
    """Whether a line of the text has several cells, or is a table's rule."""
    said = text[slice(*line)]
    return len(cells(said)) > 1 or is_rule(said)


def _table(text: str, found: Sequence[Range]) -> Table:
    said = [(line, _joined(cells(text[slice(*line)]))) for line in found]
    size = _header_size(text, said)
    above = [line for line in found[:size] if not is_rule(text[slice(*line)])]
    header = (above[0][0], above[-1][1]) if above else None
    rows: list[Row] = []
    section = ""
    for (start, end), own in said[size:]:
        if is_rule(text[start:end]):
            continue
        if len(own) == 1 or all(fold(cell) in _EMPTY for cell in own[1:]):
            section = own[0].rstrip(":")
            continue
        rows.append(Row(start, end, own[0], tuple(own[1:]), section))
    named = [
        ["" if unit_in(cell) and not _YEAR.search(cell) else cell for cell in own]
        for line, own in said[:size]
        if not is_rule(text[slice(*line)])
    ]
    columns = _columns(named, width(rows) or max(map(len, named), default=0))
    unit = unit_in(text[slice(*header)] if header else "") or unit_in(text[: found[0][0]][-ABOVE:])
    return Table(header, columns, tuple(rows), unit)


def unit_in(text: str) -> str:
    """What a text says that its amounts are counted in: 'in millions', 'en miles'; '' if it does not."""
    found = [match["unit"] for match in _UNIT.finditer(fold(text))]
    return _COUNTED_IN.get(found[-1], "") if found else ""


def _joined(found: list[str]) -> list[str]:
    """Cells, a sign of currency together with the amount behind it."""
    joined: list[str] = []
    for cell in found:
        if len(joined) > 1 and _SIGN.fullmatch(joined[-1]) and _NUMBER.fullmatch(fold(cell)):
            joined[-1] += cell
        else:
            joined.append(cell)
    return joined


def _header_size(text: str, said: Sequence[tuple[Range, list[str]]]) -> int:
    """How many lines stand above the rows: up to the rule; the first, unless it has amounts; those of periods and units
    below it."""
    rule = next((n for n, (line, _) in enumerate(said[:4]) if is_rule(text[slice(*line)])), 0)
    if rule:
        return rule + 1
    if any(amount(cell) is not None for cell in said[0][1][1:]):
        return 0
    size = 1
    while size < len(said) and _is_header(said[size][1]):
        size += 1
    return size


def _is_header(own: Sequence[str]) -> bool:
    kept = [cell for cell in own if fold(cell) not in _EMPTY]
    if not kept or any(amount(cell) is not None for cell in own):
        return False
    if len(own) > 1 and fold(own[0]) in _EMPTY:
        return True
    return all(PERIOD.search(fold(cell)) or unit_in(cell) for cell in kept)


def _columns(header: Sequence[Sequence[str]], count: int) -> tuple[str, ...]:
    """What the rows of a header call each of `count` values; none where no row of it goes together with so many."""
    names = [""] * count
    fits = False
    for own in header:
        spread = _spread(own, count)
        fits = fits or bool(spread)
        names = [f"{name} {more}".strip() for name, more in zip(names, spread or [""] * count, strict=True)]
    return tuple(names) if fits else ()


def _spread(own: Sequence[str], count: int) -> list[str]:
    """A row of a header over the values: those left blank belong to the one before; none where it does not fit."""
    if len(own) == count + 1:
        named = ["" if fold(cell) in _EMPTY else cell for cell in own[1:]]
        if sum(map(bool, named)) == 1 and PERIOD.search(fold(max(named))):
            return [max(named)] * count
        if sum(map(bool, named)) > 1 and not named[-1]:
            for n in range(1, count):
                named[n] = named[n] or named[n - 1]
        return named
    kept = [cell for cell in own if fold(cell) not in _EMPTY]
    periods = [cell for cell in kept if PERIOD.search(fold(cell))]
    if len(periods) == len(kept) and kept and count % len(kept) == 0:
        return [cell for cell in kept for _ in range(count // len(kept))]
    if len(kept) == count + 1 or (len(kept) == count and not periods):
        return list(kept[-count:])
    return []


def amount(cell: str) -> Decimal | None:
    """The number that a cell is, negative in brackets; None for other text, for a year, for nothing."""
    found = _NUMBER.fullmatch(fold(cell).strip()) if len(cell) <= LONGEST_AMOUNT else None
    if not found or _YEAR.fullmatch(found[0].strip()):
        return None
    digits = found["digits"].rstrip(".,")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})*(?:\.\d+)?|\d+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    else:
        digits = digits.replace(".", "").replace(",", ".")
    try:
        return Decimal(digits) * (-1 if re.match(r"\W*\(|\W*[-–]", cell.strip()) else 1)
    except InvalidOperation:
        return None
