"""PDF -> Document, and a page's picture with quotes highlighted.

PDFium (pypdfium2) gives text with places and renders; pypdf gives outline and metadata, about which it is exact.
PDFium is not thread-safe: one document at a time in a process (see ingest/isolate.py).
Pages without a text layer are named; ingest/recognise.py has their text recognised and hands it in.
"""

import contextlib
import ctypes
import io
import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from errors import EncryptedError, ParseError, TooLargeError, UsageError
from ingest.parse import ocr
from ingest.parse.highlight import highlight, recognised_boxes
from ingest.parse.layout import HYPHEN, Cell, Line, OutlineEntry, Page, blocks, clean, split_cells
from ingest.parse.legible import is_legible
from ingest.parse.locate import Box, PageChars, locate
from ingest.types import Block, Document, RecognisedPage, Span

if TYPE_CHECKING:
    import pypdfium2
    from PIL.Image import Image
    from pypdf import PdfReader

log = logging.getLogger("cita.ingest")

MEDIA_TYPE = "application/pdf"

MAX_PAGES = 5_000
MAX_BOOKMARKS = 20_000
MAX_PIXELS = 40_000_000
FEW_LETTERS = 50  # of a page's text, beside a picture of half the page: a stamp on a scan, say
LEAST_SIDE = 5.0  # points; what is lower or narrower is a line
LEAST_AREA = 300.0  # square points; what is smaller is a mark

_LINES = re.compile(r"[^\r\n\x02]+\x02?")
_WORDS = re.compile(r"[^\s\x02]+\x02?")
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi", re.I)
_MONO_NAME = re.compile(rb"courier|mono|consol|typewriter", re.I)
_FIXED_PITCH = 1  # PDF 32000-1:2008, table 123
_FORCE_BOLD = 1 << 18
_JUNK_TITLE = re.compile(r"untitled|microsoft \w+ - .*|[\W\d_]*|\S*\.(docx?|xlsx?|pptx?|tex|dvi|indd|qxd|pdf)", re.I)
_LETTERHEAD = re.compile(r"united states(?: securities and exchange commission.*)?", re.I)  # tops every 10-K
_METADATA = {
    "/Title": "title",
    "/Author": "author",
    "/Subject": "subject",
    "/Keywords": "keywords",
    "/CreationDate": "created",
    "/ModDate": "modified",
}


@cache
def parser_version() -> str:
    return f"pdf/4 pypdfium2 {version('pypdfium2')} pypdf {version('pypdf')}"


def warm() -> None:
    """Imports the libraries and reads a page once, so that a process forked afterwards starts at once."""
    import pypdf  # noqa: F401
    import pypdfium2
    from PIL import Image, ImageChops, ImageDraw, PngImagePlugin  # noqa: F401

    file = io.BytesIO()
    with contextlib.closing(pypdfium2.PdfDocument.new()) as pdf:
        pdf.new_page(100, 100)
        pdf.save(file)
    with _open(file.getvalue()) as pdf:
        _read_page(pdf, 1)
    _describe(file.getvalue())


def parse(path: Path, recognised: Sequence[ocr.Recognition] = ()) -> Document:
    """Reads a PDF. Pages without a text layer, or with one that is noise, are its `unread` ones, but for those in
    `recognised`.

    Raises EncryptedError if it needs a password, ParseError if it is damaged.
    """
    data = path.read_bytes()
    metadata, outline = _describe(data)
    by_number = ocr.pages(recognised)
    with _open(data) as pdf:
        layer = [_read_page(pdf, number) for number in range(1, len(pdf) + 1)]
        unread = [page.number for page in layer if page.number not in by_number and _needs_recognition(pdf, page)]
    used = {page.number for page in layer if page.number in by_number and _says_more(by_number[page.number], page)}
    found = blocks([by_number[page.number] if page.number in used else page for page in layer], outline)
    of_pictures = [one for one in recognised if one.page.number in used]
    return Document(
        title=_title(metadata, found),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(ocr.with_confidence(found, of_pictures)),
        pages=len(layer),
        metadata=metadata,
        recognised=tuple(one.page for one in of_pictures),
        unread=tuple(unread),
    )


def picture(path: Path, page: int, dpi: int) -> tuple["Image", tuple[float, float], float]:
    """The page (1-based) to be recognised, its width and height, and the points in one of their units.

    Raises UsageError if there is no such page, and what parse() raises for a file that cannot be opened.
    """
    with _open(path.read_bytes()) as pdf:
        shown, size = _shown_page(pdf, page)
        scale = min(dpi / 72, (MAX_PIXELS / max(1.0, size[0] * size[1])) ** 0.5)
        return shown.render(scale=scale, grayscale=True).to_pil(), size, 1.0


def render_page(
    path: Path,
    page: int,
    quotes: Sequence[str] = (),
    spans: Sequence[Span] = (),
    scale: float = 2.0,
    recognised: RecognisedPage | None = None,
) -> bytes:
    """A PNG of the page (1-based) with each quote highlighted; `scale` 1.0 is 72 dots per inch.

    Where a quote stands on the page more than once, `spans` say which occurrence is meant. The words of a page that
    was recognised stand where `recognised` says.
    Raises UsageError if there is no such page, and what parse() raises for a file that cannot be opened.
    """
    here = [span for span in spans if span.page == page]
    with _open(path.read_bytes()) as pdf:
        shown, size = _shown_page(pdf, page)
        scale = min(scale, (MAX_PIXELS / max(1.0, size[0] * size[1])) ** 0.5)
        picture = shown.render(scale=scale).to_pil()
        if recognised is not None:
            boxes = recognised_boxes(recognised, quotes, here)
        else:
            chars = _PageReader(shown, as_shown=True).chars() if quotes else PageChars("", ())
            boxes = [box for quote in quotes for box in locate(chars, quote, here)]
        return highlight(picture, size, boxes)


def _shown_page(pdf: "pypdfium2.PdfDocument", page: int) -> tuple["pypdfium2.PdfPage", tuple[float, float]]:
    if not 1 <= page <= len(pdf):
        raise UsageError(f"The file has no page {page}.", hint=f"It has pages 1 to {len(pdf)}.")
    shown = _load_page(pdf, page)
    width, height = shown.get_size()
    return shown, (max(1.0, width), max(1.0, height))


@contextlib.contextmanager
def _open(data: bytes) -> Iterator["pypdfium2.PdfDocument"]:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise EncryptedError(
                "The file is protected by a password.", hint="Save a copy without the password and add that."
            ) from error
        if error.err_code == pypdfium2.raw.FPDF_ERR_SECURITY:
            raise EncryptedError(
                "The file is encrypted in a way that cannot be read.", hint="Save a copy without encryption."
            ) from error
        raise ParseError(
            f"The file is damaged: {_what_is_wrong(data)}", hint="Get the file again, or print it to a new PDF."
        ) from error
    try:
        if not len(pdf):
            raise ParseError("The file has no pages.", hint="Get the file again, or print it to a new PDF.")
        if len(pdf) > MAX_PAGES:
            raise TooLargeError(
                f"The file has {len(pdf):,} pages; {MAX_PAGES:,} are allowed.", hint="Split it into several files."
            )
        yield pdf
    finally:
        pdf.close()


def _what_is_wrong(data: bytes) -> str:
    if b"%PDF-" not in data[:1024]:
        return "it does not begin as a PDF does (%PDF-)."
    if b"%%EOF" not in data[-2048:]:
        return "its end is missing (no %%EOF)."
    return "its table of objects cannot be read."


def _load_page(pdf: "pypdfium2.PdfDocument", number: int) -> "pypdfium2.PdfPage":
    import pypdfium2

    try:
        return pdf[number - 1]
    except pypdfium2.PdfiumError as error:
        raise ParseError(f"Page {number} is damaged and cannot be opened.") from error


def _read_page(pdf: "pypdfium2.PdfDocument", number: int) -> Page:
    """The page's lines. A page that PDFium cannot open has none, as it has no text to lose."""
    try:
        page = _load_page(pdf, number)
    except ParseError:
        return Page(number, 0.0, ())
    reader = _PageReader(page)
    try:
        return Page(number, reader.height, tuple(reader.lines()) if is_legible(reader.text) else ())
    finally:
        reader.close()


class _PageReader:
    """A page's text and places through PDFium's raw calls, as few as will do: one call costs 1 to 2 microseconds."""

    def __init__(self, page: "pypdfium2.PdfPage", *, as_shown: bool = False) -> None:
        """Boxes are upright for the eye that reads the text or, `as_shown`, for the one that looks at the page."""
        import pypdfium2.raw as raw

        self._raw: Any = raw
        self._page = page
        self._text_page = page.get_textpage()
        self._handle = self._text_page.raw
        self._left, self._bottom, self._right, self._top = page.get_bbox()
        self._rect, self._matrix, self._flags = raw.FS_RECTF(), raw.FS_MATRIX(), ctypes.c_int()
        self._rect_ref, self._loose_box = ctypes.byref(self._rect), raw.FPDFText_GetLooseCharBox
        self._name = ctypes.create_string_buffer(128)
        self.text = self._read_text()
        self._rotation = page.get_rotation() if as_shown else self._text_rotation()

    @property
    def height(self) -> float:
        """Of the page, upright."""
        return float(self._top - self._bottom if self._rotation in (0, 180) else self._right - self._left)

    def close(self) -> None:
        self._text_page.close()
        self._page.close()

    def _read_text(self) -> str:
        """The page's characters, one for each of PDFium's, so that an index into it is PDFium's."""
        raw = self._raw
        count = raw.FPDFText_CountChars(self._handle)
        if count <= 0:
            return ""
        buffer = (ctypes.c_ushort * (count + 1))()
        written = raw.FPDFText_GetText(self._handle, 0, count, buffer) - 1
        # Characters without a Unicode value are left out by GetText, which would shift all that follow.
        units = buffer[:count] if written == count else [raw.FPDFText_GetUnicode(self._handle, i) for i in range(count)]
        return "".join(map(chr, units)).replace("\ufffe", HYPHEN)

    def _text_rotation(self) -> int:
        """By how many degrees, clockwise, most of the text must be turned to be read."""
        turns: Counter[int] = Counter()
        for index in range(0, len(self.text), max(1, len(self.text) // 32)):
            if not self.text[index].isspace():
                self._raw.FPDFText_GetMatrix(self._handle, index, ctypes.byref(self._matrix))
                turns[round(math.degrees(math.atan2(self._matrix.b, self._matrix.a)) / 90) % 4] += 1
        return 90 * turns.most_common(1)[0][0] if turns else 0

    def lines(self) -> Iterator[Line]:
        for match in _LINES.finditer(self.text):
            words = self._words(match.start(), match[0])
            if words:
                yield self._line(words)

    def _words(self, offset: int, line: str) -> list["_Word"]:
        words = []
        for match in _WORDS.finditer(line):
            text = match[0]
            start, end = offset + match.start(), offset + match.end()
            if text.isprintable():
                words.append(_Word(text, start, end, self._side(start, 0), self._side(end - 1, 1)))
            elif cleaned := clean(text):
                hyphenated = text.endswith(HYPHEN)
                right = self._side(end - 1 - hyphenated, 1)
                words.append(_Word(cleaned + HYPHEN * hyphenated, start, end, self._side(start, 0), right))
        return words

    def _side(self, index: int, right: int) -> float:
        """Where the character begins or ends, as box() tells: the one call that is made for every word."""
        if self._rotation:
            return self.box(index)[2 if right else 0]
        self._loose_box(self._handle, index, self._rect_ref)
        return (self._rect.right if right else self._rect.left) - self._left  # type: ignore[no-any-return]

    def _line(self, words: Sequence["_Word"]) -> Line:
        main = max(words, key=lambda word: word.end - word.start)
        box = self.box(main.start)
        size, bold, mono = self._font(main.start)
        if bold or mono:  # a long word may stand out in a line; the line does if its ends do as well
            ends = [self._font(word.start) for word in (words[0], words[-1])]
            bold, mono = bold and all(end[1] for end in ends), mono and all(end[2] for end in ends)
        cells = [Cell(word.text, word.x0, word.x1) for word in words]
        return Line(words[0].start, words[-1].end, split_cells(cells, size), box.bottom, box.top, size, bold, mono)

    def _font(self, index: int) -> tuple[float, bool, bool]:
        """Size in points as shown, and whether the font is bold and of fixed pitch."""
        raw, handle = self._raw, self._handle
        raw.FPDFText_GetMatrix(handle, index, ctypes.byref(self._matrix))
        size = raw.FPDFText_GetFontSize(handle, index) * math.hypot(self._matrix.c, self._matrix.d)
        raw.FPDFText_GetFontInfo(handle, index, self._name, len(self._name), ctypes.byref(self._flags))
        flags = self._flags.value
        bold = bool(
            flags & _FORCE_BOLD
            or _BOLD_NAME.search(self._name.value)
            or raw.FPDFText_GetFontWeight(handle, index) >= 600
        )
        return size, bold, bool(flags & _FIXED_PITCH or _MONO_NAME.search(self._name.value))

    def box(self, index: int) -> Box:
        """The character's box, upright as the page is shown, from its lower left corner."""
        rect = self._rect
        self._loose_box(self._handle, index, self._rect_ref)
        left, right = rect.left - self._left, rect.right - self._left
        bottom, top = rect.bottom - self._bottom, rect.top - self._bottom
        width, height = self._right - self._left, self._top - self._bottom
        match self._rotation:
            case 90:
                return Box(bottom, width - right, top, width - left)
            case 180:
                return Box(width - right, height - top, width - left, height - bottom)
            case 270:
                return Box(height - top, left, height - bottom, right)
        return Box(left, bottom, right, top)

    def chars(self) -> PageChars:
        return PageChars(self.text, [self.box(index) for index in range(len(self.text))])


class _Word(NamedTuple):
    text: str
    start: int
    end: int
    x0: float
    x1: float


def _needs_recognition(pdf: "pypdfium2.PdfDocument", page: Page) -> bool:
    """Whether something is drawn on the page and its text layer has none of it, or no more than a stamp on it."""
    letters = _letters(page)
    if letters >= FEW_LETTERS:
        return False
    try:
        shown = _load_page(pdf, page.number)
    except ParseError:
        return False
    try:
        return _is_a_picture(shown) if letters else _is_drawn_on(shown)
    finally:
        shown.close()


def _letters(page: Page) -> int:
    return sum(sum(map(str.isalnum, line.text)) for line in page.lines)


def _says_more(recognised: Page, layer: Page) -> bool:
    """Recognised text makes up for its mistakes where it is much more than the text layer's."""
    return _letters(recognised) > 2 * _letters(layer)


def _is_a_picture(page: "pypdfium2.PdfPage") -> bool:
    """Whether one picture covers half the page."""
    import pypdfium2

    width, height = page.get_size()
    try:
        bounds = [image.get_bounds() for image in page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)]
    except pypdfium2.PdfiumError:  # one whose place cannot be told
        return False
    return any(abs(right - left) * abs(top - bottom) > width * height / 2 for left, bottom, right, top in bounds)


def _is_drawn_on(page: "pypdfium2.PdfPage") -> bool:
    """Whether more is seen on the page than a line or a small mark."""
    width, height = page.get_size()
    scale = min(0.5, 500 / max(1.0, width, height))
    seen = page.render(scale=scale, grayscale=True).to_pil().point(lambda shade: 255 * (shade < 250)).getbbox()
    if seen is None:
        return False
    across, down = (seen[2] - seen[0]) / scale, (seen[3] - seen[1]) / scale
    return bool(min(across, down) >= LEAST_SIDE and across * down >= LEAST_AREA)


def _describe(data: bytes) -> tuple[dict[str, str], list[OutlineEntry]]:
    """Metadata and outline. Both are extras: where pypdf cannot read them, there are none."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of every oddity it has already mended
    metadata: dict[str, str] = {}
    outline: list[OutlineEntry] = []
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            reader.decrypt("")
        for name, value in (reader.metadata or {}).items():
            key = _METADATA.get(str(name))
            text = " ".join(clean(str(value)).split())
            if key and text:
                metadata[key] = text
        outline.extend(islice(_outline(reader, reader.outline, 1), MAX_BOOKMARKS))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - pypdf raises whatever a broken or hostile file makes it stumble over
        log.debug("No outline or metadata: %s", error)
    return metadata, outline


def _outline(reader: "PdfReader", entries: Sequence[Any], level: int) -> Iterator[OutlineEntry]:
    for entry in entries:
        if isinstance(entry, list):
            yield from _outline(reader, entry, level + 1)
        else:
            number = reader.get_destination_page_number(entry)
            if number is not None and number >= 0:
                yield OutlineEntry(level, clean(str(entry.title)), number + 1)


def _title(metadata: dict[str, str], found: Sequence[Block]) -> str:
    """The file's own title unless it is a program's filler, else the title on page 1, else ''."""
    title = metadata.get("title", "")
    if title and not _JUNK_TITLE.fullmatch(title):
        return title
    titles = (block.text for block in found if block.kind == "title")
    return next((text for text in titles if not _LETTERHEAD.fullmatch(text)), "")
