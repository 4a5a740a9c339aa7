"""Lines of a PDF with their places -> blocks: paragraphs, headings, lists, tables, notes. Pure; no library, no file."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from ingest.parse.grid import Grid, find_grids, grid_rows, walls
from ingest.parse.order import in_grids, reading_order
from ingest.parse.page import HYPHEN, Cell, Line, OutlineEntry, Page, Ruling
from ingest.types import Block, BlockKind, Span

__all__ = ["HYPHEN", "Cell", "Line", "OutlineEntry", "Page", "Ruling", "blocks", "clean", "split_cells"]

TABLE_GAP = 1.2  # in font sizes; the spaces of justified text stay below it
HEADING_SCALE = 1.12  # a heading's font size over the body's
HEADING_LETTERS = 80  # of a heading that is told by its font's name alone
HEADING_PITCH = 2.5  # usual steps between lines: no farther below it goes the text on
PITCH_SLACK = 1.25  # a wider step between lines than this, over the usual one, starts a paragraph
ROW_SLACK = 1.15  # a wider step than this, over the least in the table, starts a row
USUAL_PITCH = 1.2  # in font sizes, where the document does not tell
CELL_LINES = 5  # beside more lines than this stands another column of the page, not another cell
SCRIPT_SCALE = 0.75  # smaller letters than this, over the others', are indices
PROSE_WORDS = 8  # where all cells of a row have more, it is text in columns
SPACED_LETTERS = 4  # in a row make a word that is spaced out
MAX_HEAD = 4  # rows of a table's head
NOTE_SCALE = 0.93  # of the body's font size: the largest letters of a footnote
NOTE_ZONE = 0.6  # of the page's height: above it stands no footnote
RUNNING_SHARE = 0.4  # of all pages; a running head that differs on left and right pages is on half of them
RUNNING_ZONE = 0.12  # of the page's height, at its top and bottom

_BULLET = re.compile(r"^(?:[•‣◦▪▫■□●○◆◇►▶➢➤✓✔∙·*–—-]|o(?=\s{1,9}[A-ZÁÉÍÓÚÑ]))\s")
_NUMBER = re.compile(r"^(?:\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})\)|\d{1,3}\.)\s")
_NOTE_MARK = re.compile(r"^(?:\(?\d{1,3}\)?|[*∗†‡§¶]{1,3}|\([a-z]\))\s?(?=[^\W\d_]|[“\"‘'(\[「『«¿¡])")
_CAPTION = re.compile(r"^(?:Figure|Fig\.|Table|Exhibit|Chart|Figura|Tabla|Gráfico|Cuadro)\s?\d+(?:\.\d+)*[.:]\s", re.I)
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’»)\]]*$")
_NUMERALS = re.compile(r"\d+|\b[ivxlc]+\b")
_COMPOUND = re.compile(r"(?<![^\W\d_])[^\W\d_]++(?:-[^\W\d_]++)+")
_NOT_TEXT = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\ufeff\ufffe\uffff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)
# Ligatures, and Arabic and Hebrew letters as they are written rather than meant.
FORMS = re.compile("[\ufb00-\ufb06\ufb1d-\ufdff\ufe70-\ufefc]+")
_AFTER_LATIN = re.compile(r"(?<=[A-Za-z][A-Za-z])(?=[\u0590-\u08ff])")
_AMOUNT = re.compile(r"[^\w]*+\d[\d.,]*+[^\w]*+(?:\w{1,6}\.?)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
CURRENCY = frozenset("$€£¥")
_AMOUNT_END = frozenset("0123456789)%—–-")
_CLOSERS = frozenset((")", "%", ")%", "%)"))


def clean(text: str) -> str:
    """Text without controls, private-use glyphs and lone surrogates; Symbol's bullet becomes a bullet, ligatures and
    letters in their written forms become letters."""
    text = text.replace("\uf0b7", "•").replace("\xa0", " ")
    if not text.isprintable():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
        text = _NOT_TEXT.sub("", text)
    return text if text.isascii() else FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def mend_words(text: str) -> str:
    """Right-to-left text with the space that is missing where it goes on after Latin letters."""
    return _AFTER_LATIN.sub(" ", text)


def join_letters(words: Sequence[Cell]) -> list[Cell]:
    """The words of a line, those made whole that are s p a c e d  o u t."""
    joined: list[Cell] = []
    for single, group in groupby(words, key=lambda word: len(word.text) == 1 and word.text.isalpha()):
        letters = list(group)
        if not single or len(letters) < SPACED_LETTERS:
            joined += letters
            continue
        gaps = [b.x0 - a.x1 for a, b in pairwise(letters)]
        widest = 1.5 * max(0.1, median(gaps))
        joined.append(letters[0])
        for gap, letter in zip(gaps, letters[1:], strict=True):
            if gap > widest:
                joined.append(letter)
            else:
                joined[-1] = Cell(joined[-1].text + letter.text, joined[-1].x0, letter.x1)
    return joined


def split_cells(words: Sequence[Cell], size: float, walls: Sequence[float] = ()) -> tuple[Cell, ...]:
    """Joins the words of a line to cells: a gap wider than TABLE_GAP font sizes starts a new cell, and so does one of
    `walls`, the places of rulings."""
    cells: list[Cell] = []
    texts: list[str] = []
    x0 = x1 = 0.0
    for word in words:
        if texts and _stand_together(texts, x0, x1, word, size) and not (walls and _parted(x1, word, walls)):
            texts.append(word.text)
            x0, x1 = min(x0, word.x0), max(x1, word.x1)
            continue
        if texts:
            cells.append(Cell(" ".join(texts), x0, x1))
        texts, x0, x1 = [word.text], word.x0, word.x1
    if texts:
        cells.append(Cell(" ".join(texts), x0, x1))
    return tuple(sorted(cells, key=lambda cell: cell.x0)) if len(cells) > 1 else tuple(cells)


def _stand_together(texts: Sequence[str], x0: float, x1: float, word: Cell, size: float) -> bool:
    """Whether the word goes on with the cell of those `texts`. A currency sign stands with the number that follows it,
    not with one before, though 5 € may be written so.
    """
    if word.text in CURRENCY:
        last = texts[-1]
        if texts[0][0] in CURRENCY or (word.text != "€" and last[-1] in _AMOUNT_END):
            return False
    gap = word.x0 - x1
    if gap < -size:  # back to the left: a cell that was written later, or words that run the other way
        gap = x0 - word.x1
    return gap <= TABLE_GAP * size or (len(texts) == 1 and texts[0] in CURRENCY) or word.text in _CLOSERS


def _parted(x1: float, word: Cell, walls: Sequence[float]) -> bool:
    return any(x1 - 1 <= wall <= word.x0 + 1 for wall in walls)


def blocks(pages: Sequence[Page], outline: Iterable[OutlineEntry] = ()) -> list[Block]:
    """The document's blocks in reading order, with the heading path carried over pages."""
    grids = [find_grids(page.rulings) for page in pages]
    pages = drop_running_lines(
        [replace(page, lines=_join_baselines(page, found)) for page, found in zip(pages, grids, strict=True)]
    )
    pages = [replace(page, lines=reading_order(page.lines)) for page in pages]
    style = _Style.of(pages, outline)
    pieces = [piece for page, found in zip(pages, grids, strict=True) for piece in _pieces(page, found, style)]
    return list(_with_headings(pieces, style))


def drop_running_lines(pages: Sequence[Page]) -> list[Page]:
    """Pages without running heads and feet: lines near the top or bottom that repeat on most pages, digits aside,
    or that begin or end with the page's number. A document that is nothing else is left as it is.
    """
    if len(pages) < 3:
        return list(pages)
    enough = max(3, RUNNING_SHARE * len(pages))
    edges = [_edge_lines(page) for page in pages]
    repeats = Counter(text for edge in edges for text in {_NUMERALS.sub("#", line) for line in edge.values()})
    offsets = Counter(
        offset
        for page, edge in zip(pages, edges, strict=True)
        for offset in {number - page.number for line in edge.values() for number in _page_numbers(line)}
    )
    numbering = {offset for offset, count in offsets.most_common(1) if count >= enough}

    def runs(page: Page, line: str) -> bool:
        numbered = any(number - page.number in numbering for number in _page_numbers(line))
        return numbered or repeats[_NUMERALS.sub("#", line)] >= enough

    kept = [
        replace(
            page, lines=tuple(line for at, line in enumerate(page.lines) if not (at in edge and runs(page, edge[at])))
        )
        for page, edge in zip(pages, edges, strict=True)
    ]
    return kept if any(page.lines for page in kept) else list(pages)


def _edge_lines(page: Page) -> dict[int, str]:
    """The texts, by position, of the two highest and two lowest lines and of the page's outermost zones."""
    lines = page.lines
    order = sorted(range(len(lines)), key=lambda at: lines[at].bottom)
    zone = RUNNING_ZONE * page.height
    near = {at for at in order if lines[at].top < zone or lines[at].bottom > page.height - zone}
    return {at: lines[at].text.strip() for at in near.union(order[:2], order[-2:])}


def _page_numbers(line: str) -> list[int]:
    """What could be a page's number: a short number at either end of a short line."""
    words = line.split()
    return [int(word) for word in {*words[:1], *words[-1:]} if len(line) <= 80 and word.isdecimal() and len(word) <= 4]


def _join_baselines(page: Page, grids: Sequence[Grid]) -> tuple[Line, ...]:
    """The page's lines; those that PDFium split though they stand side by side (cells, superscripts) as one, but for
    those in a grid, whose cells are told apart by it.
    """
    joined: list[Line] = []
    upright = [ruling for ruling in page.rulings if not ruling.horizontal]
    for line in in_grids(page.lines, grids):
        last = joined[-1] if joined else None
        if last is not None and _beside(last, line):
            bigger = max(last, line, key=lambda part: part.top - part.bottom)
            cells = split_cells(
                last.cells + line.cells, max(last.size, line.size), walls(upright, line.bottom, line.top)
            )
            bold = last.bold and line.bold
            joined[-1] = bigger._replace(start=last.start, end=line.end, cells=cells, bold=bold)
        else:
            joined.append(line)
    return tuple(joined)


def _beside(left: Line, right: Line) -> bool:
    if right.x0 < left.x1 - 0.3 * left.size:
        return False
    overlap = min(left.top, right.top) - max(left.bottom, right.bottom)
    height = min(left.top - left.bottom, right.top - right.bottom)
    apart = left.text.endswith(HYPHEN) or max(left.grid, right.grid) >= 0
    return not apart and overlap > 0.5 * height


@dataclass(frozen=True)
class _Style:
    """What is usual in this document, so that the unusual can be seen."""

    size: float
    bold: bool
    mono: bool
    face: str
    pitch: float
    compounds: frozenset[str]
    outline: Mapping[int, Mapping[str, int]]

    @classmethod
    def of(cls, pages: Sequence[Page], outline: Iterable[OutlineEntry]) -> "_Style":
        sizes: Counter[float] = Counter()
        bold: Counter[bool] = Counter()
        mono: Counter[bool] = Counter()
        faces: Counter[str] = Counter()
        pitches: Counter[float] = Counter()
        for page in pages:
            for line in page.lines:
                weight = line.end - line.start
                sizes[round(line.size * 2) / 2] += weight
                bold[line.bold] += weight
                mono[line.mono] += weight
                faces[line.face] += weight
            for above, line in pairwise(page.lines):
                if above.size > 0 and 0 < above.bottom - line.bottom < 3 * above.size:
                    pitches[round((above.bottom - line.bottom) / above.size, 1)] += 1
        entries: dict[int, dict[str, int]] = defaultdict(dict)
        for entry in outline:
            if key := _letters(entry.title):
                entries[entry.page].setdefault(key, entry.level)
        texts = (line.text for page in pages for line in page.lines)
        compounds = {found.lower() for text in texts if "-" in text for found in _COMPOUND.findall(text)}
        return cls(
            size=sizes.most_common(1)[0][0] if sizes else 0.0,
            bold=bold[True] > bold[False],
            mono=mono[True] > mono[False],
            face=faces.most_common(1)[0][0] if faces else "",
            pitch=pitches.most_common(1)[0][0] if pitches else USUAL_PITCH,
            compounds=frozenset(compounds),
            outline=entries,
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block in the making. `level` is the outline's, where the outline names this heading."""

    kind: BlockKind
    text: str
    page: int
    lines: Sequence[Line]
    level: int | None = None

    @property
    def span(self) -> Span | None:
        """The page's characters from the first to the last of the piece."""
        if not self.lines:
            return None
        return Span(self.page, min(line.start for line in self.lines), max(line.end for line in self.lines))

    @property
    def look(self) -> tuple[float, bool]:
        """What tells headings of different levels apart."""
        return (round(max(line.size for line in self.lines) * 2) / 2, self.lines[0].bold)


def _pieces(page: Page, grids: Sequence[Grid], style: _Style) -> Iterator[_Piece]:
    lines = page.lines
    edges = _right_edges(lines)
    named = style.outline.get(page.number, {})
    tables = {table.first: table for table in _all_tables(lines, grids, style, named)}
    notes = _note_lines(lines, page.height, style)
    apart = {at for at in range(len(lines)) if at not in notes and _stands_apart(lines, at, style)}
    stops = notes | apart | {at for at in range(len(lines)) if at in tables or _outline_heading(lines, at, named)}
    at = 0
    while at < len(lines):
        if found := _outline_heading(lines, at, named):
            end, level = found
            yield _Piece("heading", _flow(lines[at:end], style), page.number, lines[at:end], level)
        elif at in tables:
            end = tables[at].end
            yield _Piece("table", tables[at].text, page.number, lines[at:end])
        elif at in apart:
            end = at + 1
            yield _Piece("heading", _flow(lines[at:end], style), page.number, lines[at:end])
        elif at in notes:
            end = _note_end(lines, at, stops)
            yield _Piece("note", _flow(lines[at:end], style), page.number, lines[at:end])
        elif _is_item(lines[at]):
            end = _list_end(lines, at, style, edges, stops)
            yield _Piece("list", _list_text(lines[at:end], style), page.number, lines[at:end])
        else:
            end = _paragraph_end(lines, at, style, edges, stops)
            yield _paragraph(page.number, lines[at:end], lines[end] if end < len(lines) else None, style)
        at = end
    for extra in page.extras:
        yield _Piece(extra.kind, extra.text, page.number, ())


def _note_lines(lines: Sequence[Line], height: float, style: _Style) -> set[int]:
    """The lines that begin a footnote: a mark, in small letters, at the foot of a column with nothing else below."""
    found: set[int] = set()
    columns: dict[int, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        columns[line.column].append(at)
    for members in columns.values():
        small: list[int] = []
        for at in reversed(members):
            if lines[at].size > NOTE_SCALE * style.size or lines[at].top > NOTE_ZONE * height or lines[at].grid >= 0:
                break
            small.append(at)
        marked = [at for at in small if _NOTE_MARK.match(lines[at].text)]
        found.update(marked)
    return found


def _note_end(lines: Sequence[Line], at: int, stops: Container[int]) -> int:
    end = at + 1
    while end < len(lines) and end not in stops and lines[end].column == lines[at].column:
        end += 1
    return end


class _Table(NamedTuple):
    """Lines `first` to `end` (excluded) of a page; `text` has a line per row, two spaces between cells."""

    first: int
    end: int
    text: str


def _all_tables(
    lines: Sequence[Line], grids: Sequence[Grid], style: _Style, named: Mapping[str, int]
) -> Iterator[_Table]:
    """The tables with rulings, and those that are seen by their cells alone."""
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and (lines[end].grid, lines[end].column) == (lines[at].grid, lines[at].column):
            end += 1
        part = lines[at:end]
        table = _ruled_table(part, grids[part[0].grid], at, style) if part[0].grid >= 0 else None
        if table is not None:
            yield table
        else:
            for found in _tables(part, style, named):
                yield found._replace(first=found.first + at, end=found.end + at)
        at = end


def _ruled_table(lines: Sequence[Line], grid: Grid, at: int, style: _Style) -> _Table | None:
    rows = ["  ".join(_stacked(cells, style) for cells in row if cells) for row in grid_rows(grid, lines)]
    return _Table(at, at + len(lines), "\n".join(rows)) if rows else None


def _stacked(cells: Sequence[Cell], style: _Style) -> str:
    text = cells[0].text
    for cell in cells[1:]:
        text = _mend(text, cell.text, style)
    return text.replace(HYPHEN, "-")


def _paragraph(page: int, lines: Sequence[Line], below: Line | None, style: _Style) -> _Piece:
    text = _flow(lines, style)
    kind: BlockKind = "paragraph"
    if _CAPTION.match(text):
        kind = "caption"
    elif _looks_like_heading(lines, text, below, style):
        kind = "heading"
    elif all(line.mono for line in lines) and not style.mono:
        kind, text = "code", "\n".join(line.text.replace(HYPHEN, "-") for line in lines)
    return _Piece(kind, text, page, lines)


def _looks_like_heading(lines: Sequence[Line], text: str, below: Line | None, style: _Style) -> bool:
    if len(lines) > 3 or len(text) > 200 or sum(map(str.isalpha, text)) < 3 or any(map(_runs_up, lines)):
        return False
    if min(line.size for line in lines) >= HEADING_SCALE * style.size:
        return not (len(text) > 80 and text.endswith((".", ",", ";")))
    runs_on = below is not None and below.text[:1].islower()
    bold = all(line.bold for line in lines) and not style.bold
    return bold and len(text) <= 120 and not text.endswith((".", ",", ";")) and not runs_on


def _runs_up(line: Line) -> bool:
    """Whether the line runs up or down the page, as a stamp in the margin does."""
    return line.x1 - line.x0 < 0.15 * line.size * (line.end - line.start)


def _stands_apart(lines: Sequence[Line], at: int, style: _Style) -> bool:
    """Whether the line is a heading by its font alone: one line in another than the text's, which goes on below it."""
    line, text = lines[at], lines[at].text
    if not line.face or line.face == style.face or line.mono or line.grid >= 0 or len(line.cells) > 1:
        return False
    if len(text) > HEADING_LETTERS or text[:1].islower() or text.endswith((".", ",", ";", ":", HYPHEN)):
        return False
    if line.size < 0.97 * style.size or sum(map(str.isalpha, text)) < 3 or _CAPTION.match(text) or at + 1 >= len(lines):
        return False
    below, above = lines[at + 1], lines[at - 1] if at else None
    if below.face != style.face or below.column != line.column or below.text[:1].islower():
        return False
    if (
        not 0 < line.bottom - below.bottom < HEADING_PITCH * style.pitch * line.size
        or abs(below.size - style.size) > 0.6
    ):
        return False
    return above is None or above.column != line.column or bool(_SENTENCE_END.search(above.text))


def _outline_heading(lines: Sequence[Line], at: int, named: Mapping[str, int]) -> tuple[int, int] | None:
    """The end and level of the heading at `at`, where one to three lines spell out a bookmark of this page."""
    if not named:
        return None
    letters = ""
    for end in range(at + 1, min(at + 3, len(lines)) + 1):
        letters += _letters(lines[end - 1].text)
        if letters in named:
            return end, named[letters]
    return None


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


_Margin = tuple[int, int]  # a column of the page and a place in it


def _right_edges(lines: Sequence[Line]) -> dict[_Margin, float]:
    """How far to the right lines of a column with about the same left margin reach."""
    edges: dict[_Margin, float] = defaultdict(float)
    for line in lines:
        margin = _margin(line)
        edges[margin] = max(edges[margin], line.x1)
    return edges


def _margin(line: Line) -> _Margin:
    return line.column, round(line.x0 / 6)


def _paragraph_end(
    lines: Sequence[Line], at: int, style: _Style, edges: Mapping[_Margin, float], stops: Container[int]
) -> int:
    """Before which line the paragraph ends. `stops` are the lines that begin something else: a table, a heading."""
    end = at + 1
    while (
        end < len(lines)
        and not _starts_paragraph(lines[end - 1], lines[end], style, edges)
        and not _is_item(lines[end])
        and end not in stops
    ):
        end += 1
    return end


def _starts_paragraph(above: Line, line: Line, style: _Style, edges: Mapping[_Margin, float]) -> bool:
    if above.text.endswith(HYPHEN):
        return False
    ended = bool(_SENTENCE_END.search(above.text))
    pitch = above.bottom - line.bottom
    if pitch < -0.5 * above.size:  # the top of the next column
        return ended or not line.text[:1].islower()
    if abs(line.size - above.size) > 0.08 * above.size or line.bold != above.bold or line.mono != above.mono:
        return True
    if pitch > PITCH_SLACK * style.pitch * above.size:
        return True
    if ended and line.x0 > above.x0 + 0.8 * line.size:
        return True
    if above.mono and line.mono:  # code breaks where it likes
        return False
    # A line is broken early on purpose where the next word would still have fitted.
    return above.x1 + _first_word_width(line.cells[0]) + 1.5 * line.size < edges[_margin(above)]


def _first_word_width(cell: Cell) -> float:
    return len(cell.text.split(" ", 1)[0]) * (cell.x1 - cell.x0) / max(1, len(cell.text))


def _is_item(line: Line) -> bool:
    text = line.text + " "
    return bool(_BULLET.match(text) or (_NUMBER.match(text) and not line.bold))


def _list_end(
    lines: Sequence[Line], at: int, style: _Style, edges: Mapping[_Margin, float], stops: Container[int]
) -> int:
    end = _paragraph_end(lines, at, style, edges, stops)
    while end < len(lines) and _is_item(lines[end]) and abs(lines[end].size - lines[at].size) < 1:
        if end in stops:
            break
        end = _paragraph_end(lines, end, style, edges, stops)
    return end


def _list_text(lines: Sequence[Line], style: _Style) -> str:
    items: list[list[Line]] = []
    for line in lines:
        if _is_item(line) or not items:
            items.append([])
        items[-1].append(line)
    return "\n".join(_flow(item, style) for item in items)


@dataclass(slots=True)
class _Row:
    """Cells side by side, from the page's lines `first` to `last` and perhaps others between them."""

    cells: tuple[Cell, ...]
    bottom: float
    top: float
    size: float
    bold: bool
    first: int
    last: int

    @property
    def x0(self) -> float:
        return self.cells[0].x0

    @property
    def x1(self) -> float:
        return self.cells[-1].x1


def _tables(lines: Sequence[Line], style: _Style, named: Mapping[str, int]) -> Iterator[_Table]:
    rows = _side_by_side(lines)
    if sum(len(row.cells) > 1 for row in rows) < 2:
        return
    at, reached = 0, -1
    while at < len(rows):
        own = rows[at].first > reached  # a row above that is in no table may go on among these lines
        end = _table_end(rows, at, style) if own and not _outline_heading(lines, rows[at].first, named) else at
        table = _table(rows[at:end], style) if end > at else None
        if table:
            yield table
        else:
            end = at + 1
        reached = max(reached, *(row.last for row in rows[at:end]))
        at = end


def _side_by_side(lines: Sequence[Line]) -> list[_Row]:
    """The lines as the eye sees them: of a table written cell by cell, what stands at one height is one row."""
    rows: list[_Row] = []
    for index, line in enumerate(lines):
        home = _home(rows, line) if rows and (line.bottom + line.top) / 2 > rows[-1].bottom else None
        if home is None:
            rows.append(_Row(line.cells, line.bottom, line.top, line.size, line.bold, index, index))
        else:
            home.cells, home.last = home.cells + line.cells, index
    return rows


def _home(rows: Sequence[_Row], line: Line) -> _Row | None:
    """The row that the line goes on with to the right. A row written in one go, but for the last, ends the search:
    what is above it is complete, and a line beside that is the top of another column of the page.
    """
    for row in reversed(rows[-CELL_LINES:]):
        if _level(row, line):
            return row if line.x0 >= row.x1 - 0.3 * line.size and abs(line.size - row.size) < 0.1 * row.size else None
        if len(row.cells) > 1 and row.first == row.last and row is not rows[-1]:
            return None
    return None


def _table_end(rows: Sequence[_Row], at: int, style: _Style) -> int:
    """The end of the table that starts at `at`, or `at` where none does.

    A table is two or more rows of aligned cells; a single cell belongs to it where it goes on with the one above,
    or is a label or a column's head, that is, where it does not reach over the row above it.
    """
    if not _is_row(rows[at]) and not _heads_columns(rows, at):
        return at
    end, count, row = at, 0, None
    for index in range(at, len(rows)):
        line = rows[index]
        if index > at and rows[index - 1].bottom - line.bottom > 3.5 * line.size:
            break
        if _is_row(line):
            if row is not None and not _aligned(row, line) and index - end > 1:
                break
            row, count, end = line, count + 1, index + 1
        elif row is not None and index == end and _goes_on(rows[index - 1], line, rows[at:index], style):
            end = index + 1
        elif row is not None and (index - end >= 2 or line.x1 > row.cells[-1].x0):
            break
    while end > at and end < len(rows) and max(row.last for row in rows[at:end]) > rows[end].first:
        end -= 1  # a block is one run of the page's lines
    table = rows[at:end]
    aligned = any(_aligned(a, b) for a, b in pairwise(row for row in table if _is_row(row)))
    return end if count >= 2 and aligned else at


def _level(row: _Row, line: Line) -> bool:
    """Whether the two stand at one height."""
    overlap = min(row.top, line.top) - max(row.bottom, line.bottom)
    return overlap > 0.5 * min(row.top - row.bottom, line.top - line.bottom)


def _is_row(row: _Row) -> bool:
    if len(row.cells) < 2:
        return False
    marker = _BULLET.match(row.cells[0].text + " ") or _NUMBER.match(row.cells[0].text + " ")
    return not (marker and len(row.cells) == 2 and " " not in row.cells[0].text)


def _heads_columns(rows: Sequence[_Row], at: int) -> bool:
    """Whether the row is a head over the columns right below, or a line of one, away from the left margin."""
    if at + 1 >= len(rows):
        return False
    head, below = rows[at], rows[at + 1]
    if len(head.cells[0].text) >= 60 or head.cells[0].text[:1].islower():
        return False
    pitch = head.bottom - below.bottom
    if pitch < 1.3 * below.size:  # lines of one head
        left = min(row.x0 for row in rows[at + 1 : at + 6])
        return head.x0 > left + 2 * below.size and (_is_row(below) or _heads_columns(rows, at + 1))
    return pitch < 2 * below.size and head.x0 > below.x0 + 2 * below.size and _is_row(below)


def _aligned(above: _Row, below: _Row) -> bool:
    return any(_on_one_edge(a, b, below.size) for a in above.cells[1:] for b in below.cells[1:])


def _on_one_edge(a: Cell, b: Cell, size: float) -> bool:
    """Whether both start, end or are centred at one place."""
    slack = 0.7 * size
    return abs(a.x0 - b.x0) < slack or abs(a.x1 - b.x1) < slack or abs((a.x0 + a.x1) - (b.x0 + b.x1)) < 2 * slack


def _table(rows: Sequence[_Row], style: _Style) -> _Table | None:
    """The rows with wrapped cells made whole; None where that leaves no table, but text in columns."""
    groups = _wrapped_rows(rows, style)
    cells = [_cells(group, style) for group in groups]
    table = [[cell.text for cell in row] for row in cells]
    smallest = SCRIPT_SCALE * max(row.size for row in rows)
    full = [row for group, row in zip(groups, table, strict=True) if len(row) > 1 and group[0].size > smallest]
    prose = sum(min(len(cell.split()) for cell in row) > PROSE_WORDS for row in full)
    if len(full) < 2 or 2 * prose >= len(full):
        return None
    margin = min(row.x0 for row in rows) + 2 * rows[0].size
    heads = _head_rows(cells, margin)
    if heads > 1:
        table[:heads] = [[cell.text for cell in _one_head(cells[:heads], margin)]]
    text = "\n".join("  ".join(row) for row in table)
    return _Table(rows[0].first, max(row.last for row in rows) + 1, text)


def _head_rows(table: Sequence[Sequence[Cell]], margin: float) -> int:
    """How many of the first rows are the head: names of groups of columns, right of the margin, above those of the
    columns, before rows with figures."""
    for at, row in enumerate(table[: MAX_HEAD + 1]):
        if any(_is_figure(cell.text) for cell in row):
            return 0
        if row[0].x0 <= margin or at + 1 == len(table):
            # a label: of the columns' names where these stand beside it, else of the rows below
            heads = at + 1 if len(row) > 1 else at
            body = table[heads : heads + 3]
            told = heads > 1 and len(table[heads - 1]) > 1 and any(_is_figure(c.text) for row in body for c in row[1:])
            return heads if told else 0
    return 0


def _is_figure(text: str) -> bool:
    return bool(_AMOUNT.fullmatch(text.replace(" ", ""))) and not _YEAR.fullmatch(text)


def _one_head(rows: Sequence[Sequence[Cell]], margin: float) -> list[Cell]:
    """The head's rows as one: each column's name after that of the group that stands nearest above it."""
    names = list(rows[-1])
    for row in reversed(rows[:-1]):
        for at in range(names[0].x0 <= margin, len(names)):
            name = names[at]
            above = min(row, key=lambda cell: abs((cell.x0 + cell.x1) - (name.x0 + name.x1)))
            names[at] = name._replace(text=f"{above.text} {name.text}")
    return names


def _wrapped_rows(rows: Sequence[_Row], style: _Style) -> list[list[_Row]]:
    """The rows in groups, each of which is one row of the table with cells of several lines."""
    pitches = [above.bottom - below.bottom for above, below in pairwise(rows)]
    usual = [pitch for pitch, row in zip(pitches, rows[1:], strict=True) if pitch > 0.8 * row.size]
    leading = min(usual, default=0.0)
    spaced = 4 * sum(pitch > ROW_SLACK * leading for pitch in usual) >= len(usual)
    left = min(row.x0 for row in rows)

    def belongs(above: _Row, below: _Row, pitch: float) -> bool:
        if abs(pitch) <= 0.8 * below.size:  # at about one height, as figures are beside a label of two lines
            return not any(_over(above, cell) for cell in below.cells)
        if pitch >= ROW_SLACK * leading:
            return False
        if _completes(above, below, left):
            return True
        if spaced:
            return (_wraps if len(above.cells) == 1 else _goes_on)(above, below, rows, style)
        return not _looks_like_rows(above, below, left) and _goes_on(above, below, rows, style)

    groups = [[rows[0]]]
    for pitch, row in zip(pitches, rows[1:], strict=True):
        if belongs(groups[-1][-1], row, pitch):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _completes(above: _Row, below: _Row, left: float) -> bool:
    """Whether `below` has nothing but figures of the columns that `above` leaves empty: figures set a line lower."""
    if above.x0 > left + 2 * below.size or below.x0 < above.cells[0].x1 or above.cells[-1].text.endswith(":"):
        return False
    return not any(_over(above, cell) or any(map(str.isalpha, cell.text)) for cell in below.cells)


def _looks_like_rows(above: _Row, below: _Row, left: float) -> bool:
    """Whether both have a label and more, and no cell starts in the middle of a sentence."""
    labels = max(above.x0, below.x0) < left + 2 * below.size and len(above.cells) > 1 < len(below.cells)
    sentence = any(" " in cell.text for cell in above.cells[1:])
    return labels and not (sentence and any(cell.text[:1].islower() for cell in below.cells[1:]))


def _goes_on(above: _Row, below: _Row, table: Sequence[_Row], style: _Style) -> bool:
    """_wraps(), borne out by more: `below` has no label, or one in the middle of a sentence, or it was written
    before `above` was complete.
    """
    left = min(row.x0 for row in table)
    told = below.x0 > left + 2 * below.size or below.cells[0].text[:1].islower() or below.first < above.last
    return told and _wraps(above, below, table, style)


def _wraps(above: _Row, below: _Row, table: Sequence[_Row], style: _Style) -> bool:
    """Whether the cells of `below` go on with those of `above`: close by, in their columns, and each where the next
    word had no room or one in the middle of a sentence. Cells may begin in `below` only where its label goes on too.
    """
    if above.bold != below.bold:
        return False
    if above.bottom - below.bottom > PITCH_SLACK * max(style.pitch, USUAL_PITCH) * below.size:
        return False
    over = [_over(above, cell) for cell in below.cells]
    label = over[0][:1] == [above.cells[0]]
    if any(len(cells) > 1 or not (cells or label) for cells in over):
        return False
    pairs = [(cells[0], cell) for cells, cell in zip(over, below.cells, strict=True) if cells]
    if not pairs or not all(_may_go_on(a, b, below.size, below.first < above.last) for a, b in pairs):
        return False
    in_sentence = any(a.text.count(" ") > 2 and b.text[:1].islower() for a, b in pairs)
    return in_sentence or not any(_had_room(a, b, table, below.size) for a, b in pairs)


def _over(above: _Row, cell: Cell) -> list[Cell]:
    return [other for other in above.cells if other.x0 < cell.x1 and cell.x0 < other.x1]


def _may_go_on(above: Cell, below: Cell, size: float, unfinished: bool) -> bool:
    amounts = _AMOUNT.fullmatch(below.text) and (below.text[0] in CURRENCY or _AMOUNT.fullmatch(above.text))
    hangs = (unfinished or below.text[:1].islower()) and 0 < below.x0 - above.x0 < 5 * size
    return not amounts and not above.text.endswith(":") and (hangs or _on_one_edge(above, below, size))


def _had_room(above: Cell, below: Cell, table: Sequence[_Row], size: float) -> bool:
    """Whether the first word of `below` would have fitted beside `above`, going by the rows that start at its edge."""
    peers = (cell for row in table if len(row.cells) > 1 for cell in row.cells)
    edge = max((cell.x1 for cell in peers if abs(cell.x0 - above.x0) < 0.5 * size), default=above.x1)
    return above.x1 + _first_word_width(below) + 0.2 * size <= edge


def _cells(group: Sequence[_Row], style: _Style) -> list[Cell]:
    """One row's cells, left to right, what stands one below the other joined."""
    columns: list[Cell] = []
    for cell in (cell for row in sorted(group, key=lambda row: -row.bottom) for cell in row.cells):
        at = next((at for at, over in enumerate(columns) if over.x0 < cell.x1 and cell.x0 < over.x1), None)
        if at is None:
            columns.append(cell)
        else:
            over = columns[at]
            text = _mend(over.text, cell.text, style)
            columns[at] = Cell(text, min(over.x0, cell.x0), max(over.x1, cell.x1))
    columns = [cell._replace(text=cell.text.replace(HYPHEN, "-")) for cell in columns]
    return sorted(columns, key=lambda column: column.x0)


def _flow(lines: Sequence[Line], style: _Style) -> str:
    """The lines as one text: a space at each line's end, hyphenated words mended."""
    text = ""
    for line in lines:
        text = _mend(text, line.text, style) if text else line.text
    return text.removesuffix(HYPHEN).rstrip("\xad") + ("-" if text.endswith(HYPHEN) else "")


def _mend(text: str, after: str, style: _Style) -> str:
    if text.endswith("\xad"):
        return text[:-1] + after
    if not text.endswith((HYPHEN, "-")) or text.endswith((" -", "--")):
        return f"{text} {after}"
    head, tail = text[:-1], after
    compound = f"{head.rsplit(' ', 1)[-1]}-{tail.split(' ', 1)[0]}"
    known = _COMPOUND.search(compound)
    hyphen_stays = not tail[:1].islower() or not head[-1:].isalpha() or (known and known[0].lower() in style.compounds)
    return f"{head}-{tail}" if hyphen_stays else head + tail


def _with_headings(pieces: Sequence[_Piece], style: _Style) -> Iterator[Block]:
    levels = _levels(pieces)
    title = next((piece for piece in pieces if piece.kind == "heading"), None)
    if title is not None and not (title.page == 1 and title.look[0] > style.size and levels[id(title)] == 1):
        title = None
    lasting = {piece.look for piece in pieces if piece.kind == "heading" and (piece.page > 1 or piece.level)}
    path: list[tuple[int, _Piece]] = []
    for piece in pieces:
        if not piece.text.strip():
            continue
        kind: BlockKind = "title" if piece is title else piece.kind
        # What only page 1 shows is a cover's lettering: it heads nothing beyond, but for the title.
        path = [(at, head) for at, head in path if head.page == piece.page or at == 0 or head.look in lasting]
        level = 0 if piece is title else levels.get(id(piece), 0)
        if piece.kind == "heading":
            path = [entry for entry in path if entry[0] < level]
        span = piece.span
        yield Block(kind, piece.text, piece.page, tuple(above.text for _, above in path), span)
        if piece.kind == "heading":
            path.append((level, piece))


def _levels(pieces: Sequence[_Piece]) -> dict[int, int]:
    """Each heading's level by id(): the outline's where it names it, else by its look, largest first.

    A look that the outline names somewhere has that level everywhere; other looks rank below the outline's
    levels where the document has an outline, as an outline rarely leaves out the greater headings.
    """
    headings = [piece for piece in pieces if piece.kind == "heading"]
    named: dict[tuple[float, bool], Counter[int]] = defaultdict(Counter)
    for heading in headings:
        if heading.level is not None:
            named[heading.look][heading.level] += 1
    by_look = {look: counts.most_common(1)[0][0] for look, counts in named.items()}
    deepest = max(by_look.values(), default=0)
    rest = sorted({heading.look for heading in headings} - by_look.keys(), reverse=True)
    by_look |= {look: deepest + rank for rank, look in enumerate(rest, 1)}
    return {id(heading): heading.level if heading.level is not None else by_look[heading.look] for heading in headings}
