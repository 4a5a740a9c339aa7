"""PDF -> Document, and a page's picture with quotes highlighted.

PDFium (pypdfium2) gives text with places and renders; pypdf gives outline and metadata, about which it is exact.
PDFium is not thread-safe: one document at a time in a process (see ingest/isolate.py).
Pages without a text layer are named; ingest/recognise.py has their text recognised and hands it in.
"""

import contextlib
import ctypes
import gc
import io
import logging
import math
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from itertools import compress, groupby, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import EncryptedError, ParseError, TooLargeError, UsageError
from ingest.parse import ocr
from ingest.parse.hidden import TINY, Hidden
from ingest.parse.highlight import highlight, recognised_boxes
from ingest.parse.layout import FORMS, blocks, clean, mend_words
from ingest.parse.legible import is_legible
from ingest.parse.locate import Box, PageChars, locate
from ingest.parse.page import HYPHEN, Extra, Line, OutlineEntry, Page, Ruling
from ingest.parse.words import Floats, Numbers, Words, cells, line_starts, longest
from ingest.types import Block, Document, HiddenKind, RecognisedPage, Span

if TYPE_CHECKING:
    import pypdfium2
    from PIL.Image import Image
    from pypdf import PdfReader

    from ingest.parse.ocr import Recognition

log = logging.getLogger("cita.ingest")

MEDIA_TYPE = "application/pdf"

MAX_PAGES = 5_000
MAX_BOOKMARKS = 20_000
MAX_OBJECTS = 50_000  # of a page, that are looked at for rulings
MAX_AREAS = 2_000  # of a page, whose edges are looked at
MAX_SEGMENTS = 500  # of a path; one with more is a drawing
MAX_ANNOTATIONS = 5_000  # of a page
MAX_ATTACHMENTS = 1_000
MAX_LAYERS = 10_000
MAX_LAYER_NAME = 256  # characters
MOST_ROWS = 1_024  # that PDFium's calls write one after the other
MAX_PIXELS = 40_000_000
FEW_LETTERS = 50  # of a page's text, beside a picture of half the page: a stamp on a scan, say
WHITE = 248  # of 255, of each colour's light; what has as much cannot be told from paper
LEAST_SIDE = 5.0  # points; what is lower or narrower is a line
LEAST_AREA = 300.0  # square points; what is smaller is a mark

_LINES = re.compile(r"[^\r\n\x02]+\x02?")
_SPACED = re.compile(r"(?:(?<!\S)[^\W\d_]\s){4}")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_RIGHT_TO_LEFT_RUN = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]{2,}")
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi|-medi\b|\b(?:cm|sf|ec|la|t1)[a-z]{0,3}bx", re.I)
_MONO_NAME = re.compile(rb"courier|mono|consol|typewriter", re.I)
_FIXED_PITCH = 1  # PDF 32000-1:2008, table 123
_FORCE_BOLD = 1 << 18
_THIN = 2.5  # points: a path no wider is a ruling
_SHORT = 5.0  # points: one no longer is none
_SHORTS = ctypes.POINTER(ctypes.c_ushort)
_WHITE, _ODD = 1, 2  # kinds of characters
_ROW_HEIGHT = 80.0  # points; a coloured area this high is no row of a table
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(Z|[+-]\d\d'?\d\d)?")
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
    return f"pdf/5 pypdfium2 {version('pypdfium2')} pypdf {version('pypdf')}"


def warm() -> None:
    """Imports the libraries and reads a page once, so that a process forked afterwards starts at once."""
    import pypdf  # noqa: F401
    import pypdfium2
    from PIL import Image, ImageChops, ImageDraw, PngImagePlugin  # noqa: F401

    file = io.BytesIO()
    with contextlib.closing(pypdfium2.PdfDocument.new()) as pdf:
        pdf.new_page(100, 100)
        pdf.save(file)
    with _open(file.getvalue(), None) as pdf:
        _read_page(pdf, 1, Hidden(), frozenset())
    _describe(file.getvalue(), None)


def parse(path: Path, recognised: Sequence["Recognition"] = (), password: str | None = None) -> Document:
    """Reads a PDF. Pages without a text layer, or with one that is noise, are its `unread` ones, but for those in
    `recognised`.

    Raises EncryptedError if it needs a password or another one, ParseError if it is damaged.
    """
    with _no_collection():
        return _parse(path.read_bytes(), recognised, password)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for cycles of objects: a document's lines form none, and looking took an eighth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parse(data: bytes, recognised: Sequence["Recognition"], password: str | None) -> Document:
    metadata, outline, switched_off = _describe(data, password)
    by_number, hidden = ocr.pages(recognised), Hidden()
    with _open(data, password) as pdf:
        layer = [_read_page(pdf, number, hidden, switched_off) for number in range(1, len(pdf) + 1)]
        unread = [page.number for page in layer if page.number not in by_number and _needs_recognition(pdf, page)]
        attached = _attached_files(pdf)
    used = {page.number for page in layer if page.number in by_number and _says_more(by_number[page.number], page)}
    shown = [replace(by_number[page.number], extras=page.extras) if page.number in used else page for page in layer]
    found = blocks(shown, outline)
    of_pictures = [one for one in recognised if one.page.number in used]
    return Document(
        title=_title(metadata, found),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=(*ocr.with_confidence(found, of_pictures), *attached),
        pages=len(layer),
        metadata=metadata,
        recognised=tuple(one.page for one in of_pictures),
        unread=tuple(unread),
        hidden=hidden.found(),
    )


def picture(path: Path, page: int, dpi: int, password: str | None = None) -> tuple["Image", tuple[float, float], float]:
    """The page (1-based) to be recognised, its width and height, and the points in one of their units.

    Raises UsageError if there is no such page, and what parse() raises for a file that cannot be opened.
    """
    with _open(path.read_bytes(), password) as pdf:
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
    password: str | None = None,
) -> bytes:
    """A PNG of the page (1-based) with each quote highlighted; `scale` 1.0 is 72 dots per inch.

    Where a quote stands on the page more than once, `spans` say which occurrence is meant. The words of a page that
    was recognised stand where `recognised` says.
    Raises UsageError if there is no such page, and what parse() raises for a file that cannot be opened.
    """
    here = [span for span in spans if span.page == page]
    with _open(path.read_bytes(), password) as pdf:
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
def _open(data: bytes, password: str | None) -> Iterator["pypdfium2.PdfDocument"]:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data, password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            if password is not None:
                raise EncryptedError("The password does not open the file.", hint="Try another one.") from error
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
        if pdf.get_formtype() != pypdfium2.raw.FORMTYPE_NONE:
            pdf.init_forms()  # before any page is loaded
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


def _read_page(pdf: "pypdfium2.PdfDocument", number: int, hidden: Hidden, switched_off: frozenset[str]) -> Page:
    """The page's lines; `hidden` is told of those that are not seen, as in the layers that are `switched_off`. A page
    that PDFium cannot open has none, as it has no text to lose."""
    try:
        page = _load_page(pdf, number)
    except ParseError:
        return Page(number, 0.0, ())
    reader = _PageReader(page, switched_off=switched_off)
    try:
        with np.errstate(all="ignore"):  # a place may be as far off as no number can say
            rulings = reader.rulings()
            lines = tuple(reader.lines(rulings)) if is_legible(reader.text) else ()
        hidden.page = number
        for kind, text in reader.hidden.items():
            hidden.add(kind, text)
        return Page(number, reader.height, lines, rulings, tuple(_extras(pdf, page, reader, lines)))
    finally:
        reader.close()


class _PageReader:
    """A page's text and places through PDFium's raw calls, as few as will do: one call costs 1 to 2 microseconds."""

    def __init__(
        self, page: "pypdfium2.PdfPage", *, as_shown: bool = False, switched_off: frozenset[str] = frozenset()
    ) -> None:
        """Boxes are upright for the eye that reads the text or, `as_shown`, for the one that looks at the page."""
        import pypdfium2.raw as raw

        self._raw: Any = raw
        self._page = page
        self._text_page = page.get_textpage()
        self._handle = self._text_page.raw
        self._left, self._bottom, self._right, self._top = page.get_bbox()
        self._rect, self._matrix = raw.FS_RECTF(), raw.FS_MATRIX()
        self._calls = _fast_calls()
        self._page_at = ctypes.cast(self._handle, _Handle)
        self._rect_at = ctypes.c_void_p(ctypes.addressof(self._rect))
        self._fonts: dict[int | None, _Font] = {}
        self._codes = self._read_codes()
        self.text = self._codes.tobytes().decode("utf-32-le", "surrogatepass")
        self._rotation = page.get_rotation() if as_shown else self._text_rotation()
        self._face = ""  # of the line before
        self._switched_off = switched_off
        self.hidden: dict[HiddenKind, str] = {}  # the words that lines() left out
        letters = len(_RIGHT_TO_LEFT.findall(self.text))
        self._both_ways = letters > 0
        self._mirrored = 2 * letters > sum(map(str.isalpha, self.text)) if letters else False
        if letters:
            self._mend_ligatures()

    @property
    def height(self) -> float:
        """Of the page, upright."""
        return float(self._top - self._bottom if self._rotation in (0, 180) else self._right - self._left)

    @property
    def width(self) -> float:
        """Of the page, upright."""
        return float(self._right - self._left if self._rotation in (0, 180) else self._top - self._bottom)

    def close(self) -> None:
        self._text_page.close()
        self._page.close()

    def _read_codes(self) -> NDArray[np.uint32]:
        """The page's characters, one for each of PDFium's, so that an index into them is PDFium's."""
        raw = self._raw
        count = max(0, raw.FPDFText_CountChars(self._handle))
        buffer = np.zeros(count + 1, np.uint16)
        written = raw.FPDFText_GetText(self._handle, 0, count, buffer.ctypes.data_as(_SHORTS)) - 1 if count else 0
        # Characters without a Unicode value are left out by GetText, which would shift all that follow.
        units: Any = buffer if written == count else [raw.FPDFText_GetUnicode(self._handle, i) for i in range(count)]
        codes = np.array(units, dtype="<u4")[:count]
        codes[codes == 0xFFFE] = ord(HYPHEN)
        return codes

    def _mend_ligatures(self) -> None:
        """Turns round what PDFium turned once too often: letters that one glyph of right-to-left text stands for."""
        letters = list(self.text)
        for match in _RIGHT_TO_LEFT_RUN.finditer(self.text):
            places = range(match.start(), match.end())
            for _, same in groupby(places, key=self.box):
                members = list(same)
                letters[members[0] : members[-1] + 1] = reversed(letters[members[0] : members[-1] + 1])
        self.text = "".join(letters)

    def _text_rotation(self) -> int:
        """By how many degrees, clockwise, most of the text must be turned to be read."""
        indexes = range(0, len(self.text), max(1, len(self.text) // 32))
        written = [index for index in indexes if not self.text[index].isspace()]
        a, b, *_ = self._matrices(written).T
        turns = Counter(np.nan_to_num(np.round(np.degrees(np.arctan2(b, a)) / 90) % 4).tolist())
        return 90 * int(turns.most_common(1)[0][0]) if turns else 0

    def lines(self, rulings: Sequence[Ruling] = ()) -> Iterator[Line]:
        """The page's lines in the file's order; `rulings` part the cells of tables."""
        words = self._seen(self._words())
        if not words.texts:
            return
        starts = line_starts(words)
        lasts = np.append(starts[1:], len(words.texts)) - 1
        mains = longest(words, starts)
        sizes = self._sizes(words.start[mains])
        upright = [ruling for ruling in rulings if not ruling.horizontal]
        first, main, last = (words.start[which].tolist() for which in (starts, mains, lasts))
        yield from map(
            Line,
            first,
            words.end[lasts].tolist(),
            cells(words, starts, mains, sizes, upright, self._spaced_lines(words)),
            words.bottom[mains].tolist(),
            words.top[mains].tolist(),
            sizes.tolist(),
            *zip(*map(self._line_font, first, main, last), strict=True),
        )

    def _words(self) -> Words:
        """The page's words, cleaned. A hyphen at a line's end belongs to its word, though not to its place."""
        kinds = _kinds()[np.minimum(self._codes, 0xFFFF)]
        edges = np.diff(np.concatenate(([False], kinds != _WHITE, [False])).astype(np.int8))
        start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        texts = [self.text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
        odd = np.append(0, np.cumsum(kinds == _ODD))
        for at in np.flatnonzero(odd[end] > odd[start]).tolist():
            texts[at] = clean(texts[at])
        if self._both_ways:
            texts = list(map(mend_words, texts))
        kept = np.fromiter(map(bool, texts), bool, len(texts))
        if not kept.all():
            texts, start, end = list(compress(texts, kept)), start[kept], end[kept]
        hyphenated = np.append(self._codes, 0)[end] == ord(HYPHEN)
        for at in np.flatnonzero(hyphenated).tolist():
            texts[at] += HYPHEN
        left, bottom, right, top = self._boxes(start)
        other_left, _, other_right, _ = self._boxes(end - 1)
        x0, x1 = np.minimum(left, other_left), np.maximum(right, other_right)
        if self._mirrored:
            x0, x1 = self.width - x1, self.width - x0
        return Words(texts, start, end + hyphenated, self._line_numbers()[start], x0, x1, bottom, top)

    def _seen(self, words: Words) -> Words:
        """Without the words that nobody sees: drawn without ink, in white on nothing, too small, beside the page."""
        if not words.texts:
            return words
        raw, calls = self._raw, self._calls
        things = list(map(calls.text_object, repeat(self._page_at), words.start.tolist()))
        places = {thing.value: at for at, thing in enumerate(things)}
        distinct = [things[at] for at in places.values()]
        numbers = {value: at for at, value in enumerate(places)}
        of_word = np.fromiter((numbers[thing.value] for thing in things), np.intp, len(things))
        inks = _written(calls.fill_colour, distinct, 4, kind=np.uint32)[of_word]
        modes = np.fromiter(map(calls.render_mode, distinct), int, len(distinct))[of_word]
        without_ink = (modes == raw.FPDF_TEXTRENDERMODE_INVISIBLE) | (modes == raw.FPDF_TEXTRENDERMODE_CLIP)
        without_ink |= (modes == raw.FPDF_TEXTRENDERMODE_FILL) & (inks[:, 3] == 0)
        white = (modes == raw.FPDF_TEXTRENDERMODE_FILL) & (inks[:, :3] >= WHITE).all(axis=1) & ~without_ink
        if (without_ink | white).any():
            asked = np.flatnonzero(without_ink | white)
            seen_there = asked[self._drawn_on(words, asked)]
            without_ink[seen_there] = white[seen_there] = False
        if self._switched_off:
            without_ink |= np.fromiter(map(self._is_off, distinct), bool, len(distinct))[of_word]
        tiny = words.top - words.bottom < TINY
        if tiny.any():
            tiny[tiny] = self._sizes(words.start[tiny]) < TINY
        width, height = self.width, self.height
        outside = (words.x1 < 0) | (words.x0 > width) | (words.top < 0) | (words.bottom > height)
        kinds: dict[HiddenKind, NDArray[np.bool]] = {
            "invisible": without_ink, "colour": white, "tiny": tiny, "outside": outside
        }  # fmt: skip
        seen = np.ones(len(things), bool)
        for kind, which in kinds.items():
            if (here := which & seen).any():
                self.hidden[kind] = " ".join(compress(words.texts, here))
                seen &= ~which
        if seen.all():
            return words
        arrays = {name: value[seen] for name, value in words._asdict().items() if name != "texts"}
        return Words(texts=list(compress(words.texts, seen)), **arrays)

    def _is_off(self, thing: Any) -> bool:
        """Whether a thing is in a layer that is switched off."""
        raw = self._raw
        thing = ctypes.cast(thing, raw.FPDF_PAGEOBJECT)
        for at in range(max(0, raw.FPDFPageObj_CountMarks(thing))):
            mark = raw.FPDFPageObj_GetMark(thing, at)
            if _mark_text(raw.FPDFPageObjMark_GetName, mark) == "OC":
                return _plain(_mark_text(raw.FPDFPageObjMark_GetParamStringValue, mark, b"Name")) in self._switched_off
        return False

    def _drawn_on(self, words: Words, asked: Numbers) -> NDArray[np.bool]:
        """Which of the words `asked` stand on something that is not white, as a picture or a coloured area, or may be
        drawn as one."""
        raw, calls, page = self._raw, self._calls, self._page.raw
        count = min(raw.FPDFPage_CountObjects(page), MAX_OBJECTS)
        things = list(map(calls.object_at, repeat(ctypes.cast(page, _Handle)), range(count)))
        kinds = np.fromiter(map(calls.kind_of, things), int, count)
        is_path = kinds == raw.FPDF_PAGEOBJ_PATH
        behind = ~is_path & (kinds != raw.FPDF_PAGEOBJ_TEXT)
        paths = list(compress(things, is_path))
        inks = _written(calls.fill_colour, paths, 4, kind=np.uint32)
        filled, stroked = _written(calls.draw_mode, paths, 2, kind=np.int32).T != 0
        behind[is_path] = filled & ~(inks[:, :3] >= WHITE).all(axis=1) & (inks[:, 3] > 0)
        marker = np.fromiter((calls.segments(path) == 2 for path in paths), bool, len(paths))  # a broad line, as a bar
        behind[is_path] |= stroked & marker
        boxes = np.array(self._turned(*_written(calls.bounds, list(compress(things, behind)), 4).T)).T
        x, y = ((words.x0 + words.x1) / 2)[asked], ((words.bottom + words.top) / 2)[asked]
        if self._mirrored:
            x = self.width - x
        found = np.zeros(len(x), bool)
        for left, bottom, right, top in np.unique(boxes, axis=0).tolist():
            found |= (left <= x) & (x <= right) & (bottom <= y) & (y <= top)
        return found

    def _line_numbers(self) -> Numbers:
        """Of each character the number of its line."""
        codes = self._codes
        return np.cumsum((codes == ord("\r")) | (codes == ord("\n")) | (codes == ord(HYPHEN)))

    def _spaced_lines(self, words: Words) -> set[int]:
        """The numbers of the lines with words that are s p a c e d  o u t."""
        single = words.end - words.start == 1
        if not (single[3:] & single[2:-1] & single[1:-2] & single[:-3]).any():  # seen at once
            return set()
        numbers = self._line_numbers()
        return {int(numbers[line.start()]) for line in _LINES.finditer(self.text) if _SPACED.search(line[0])}

    def _line_font(self, first: int, main: int, last: int) -> "_Font":
        """The font of a line that has these characters: of its first word, its longest and its last."""
        font = bold, mono, face = self._font(main)
        if bold or mono or face != self._face:  # a long word may stand out; the line does if its ends do as well
            ends = [self._font(first), self._font(last)]
            bold, mono = bold and all(end.bold for end in ends), mono and all(end.mono for end in ends)
            font = _Font(bold, mono, face if all(end.face == face for end in ends) else "")
        self._face = font.face or self._face
        return font

    def _font(self, index: int) -> "_Font":
        thing = self._calls.text_object(self._page_at, index)
        font = self._calls.font_of(thing) if thing else None
        known = self._fonts.get(font)
        if known is None:
            known = self._look(index)
            if font is not None:
                self._fonts[font] = known
        return known

    def _look(self, index: int) -> "_Font":
        raw, handle, flags = self._raw, self._handle, ctypes.c_int()
        name = ctypes.create_string_buffer(128)
        raw.FPDFText_GetFontInfo(handle, index, name, len(name), ctypes.byref(flags))
        bold = flags.value & _FORCE_BOLD or _BOLD_NAME.search(name.value)
        bold = bool(bold or raw.FPDFText_GetFontWeight(handle, index) >= 600)
        mono = bool(flags.value & _FIXED_PITCH or _MONO_NAME.search(name.value))
        return _Font(bold, mono, name.value.decode("latin-1"))

    def _sizes(self, indexes: Numbers) -> Floats:
        """The characters' sizes in points, as shown."""
        sizes = np.fromiter(map(self._calls.font_size, repeat(self._page_at), indexes.tolist()), float, len(indexes))
        _, _, c, d, _, _ = self._matrices(indexes.tolist()).T
        shown: Floats = sizes * np.hypot(c, d)
        return shown

    def _matrices(self, indexes: Sequence[int]) -> Floats:
        """The characters' matrices: a row each of a, b, c, d, e and f."""
        return _written(self._calls.matrix, indexes, 6, self._page_at)

    def _boxes(self, indexes: Numbers) -> tuple[Floats, Floats, Floats, Floats]:
        """The left, bottom, right and top sides of the characters' boxes, upright as box() gives them."""
        left, top, right, bottom = _written(self._calls.loose_box, indexes.tolist(), 4, self._page_at).T
        return self._turned(left, bottom, right, top)

    def box(self, index: int) -> Box:
        """The character's box, upright as the page is shown, from its lower left corner."""
        self._calls.loose_box(self._page_at, index, self._rect_at)
        return Box(*self._turned(self._rect.left, self._rect.bottom, self._rect.right, self._rect.top))

    def _turned(self, left: Any, bottom: Any, right: Any, top: Any) -> tuple[Any, Any, Any, Any]:
        """A box, or arrays of them, upright and from the page's lower left corner."""
        left, right = left - self._left, right - self._left
        bottom, top = bottom - self._bottom, top - self._bottom
        width, height = self._right - self._left, self._top - self._bottom
        match self._rotation:
            case 90:
                return bottom, width - right, top, width - left
            case 180:
                return width - right, height - top, width - left, height - bottom
            case 270:
                return height - top, left, height - bottom, right
        return left, bottom, right, top

    def rulings(self) -> tuple[Ruling, ...]:
        """The straight lines drawn on the page, as text is placed on it."""
        raw, calls, page = self._raw, self._calls, self._page.raw
        count = min(raw.FPDFPage_CountObjects(page), MAX_OBJECTS)
        things = list(map(calls.object_at, repeat(ctypes.cast(page, _Handle)), range(count)))
        kinds = map(calls.kind_of, things)
        paths = [thing for thing, kind in zip(things, kinds, strict=True) if kind == raw.FPDF_PAGEOBJ_PATH]
        if not paths:
            return ()
        places = np.array(self._turned(*_written(calls.bounds, paths, 4).T)).T
        across, up = places[:, 2] - places[:, 0], places[:, 3] - places[:, 1]
        wide = np.minimum(across, up) > _THIN
        boxes = places[~wide & (np.maximum(across, up) > _SHORT)].tolist()
        areas = np.flatnonzero(wide)[:MAX_AREAS]
        stroked = _written(calls.draw_mode, [paths[at] for at in areas.tolist()], 2, kind=np.int32)[:, 1] != 0
        for at in areas[stroked].tolist():
            boxes += self._strokes(paths[at])
        if all(right - left > top - bottom for left, bottom, right, top in boxes):
            return ()  # no table's
        for at in areas[~stroked & (up[areas] < _ROW_HEIGHT)].tolist():  # a coloured row has no other rulings, often
            if calls.segments(paths[at]) <= 5:
                left, bottom, right, top = places[at].tolist()
                boxes += [[left, bottom, right, bottom], [left, top, right, top]]
        found = dict.fromkeys(Ruling(*box) for box in boxes)
        if not self._mirrored:
            return tuple(found)
        width = self.width
        return tuple(Ruling(width - line.x1, line.y0, width - line.x0, line.y1) for line in found)

    def _strokes(self, path: Any) -> Iterator[tuple[float, float, float, float]]:
        """The straight parts of a path."""
        for (x0, y0), (x1, y1) in self._segments(path):
            if (abs(x1 - x0) <= _THIN) != (abs(y1 - y0) <= _THIN) and abs(x1 - x0) + abs(y1 - y0) > _SHORT:
                yield self._turned(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

    def _segments(self, path: Any) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        """The straight segments of a path, on the page."""
        raw, calls, matrix = self._raw, self._calls, self._matrix
        count = calls.segments(path)
        if count > MAX_SEGMENTS or not calls.matrix_of(path, ctypes.byref(matrix)):
            return
        a, b, c, d, e, f = matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f
        x, y = ctypes.c_float(), ctypes.c_float()
        x_at, y_at = ctypes.byref(x), ctypes.byref(y)
        start = here = (0.0, 0.0)
        for at in range(count):
            segment = calls.segment_at(path, at)
            calls.point(segment, x_at, y_at)
            there = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
            kind = calls.segment_kind(segment)
            if kind == raw.FPDF_SEGMENT_MOVETO:
                start = there
            elif kind == raw.FPDF_SEGMENT_LINETO:
                yield here, there
            if calls.closes(segment):
                yield there, start
                there = start
            here = there

    def label(self, rect: Any, lines: Sequence[Line], after: bool) -> str:
        """The text that names a form field: what stands beside it, before or `after` it as the page is read."""
        box = Box(*self._turned(rect.left, rect.bottom, rect.right, rect.top))
        x0, x1 = (self.width - box.right, self.width - box.left) if self._mirrored else (box.left, box.right)
        middle = (box.bottom + box.top) / 2
        beside = [
            cell
            for line in lines
            if line.bottom - 2 <= middle <= line.top + 2 or box.bottom <= (line.bottom + line.top) / 2 <= box.top
            for cell in line.cells
        ]
        before = max((cell for cell in beside if cell.x1 <= x0 + 3), key=lambda cell: cell.x1, default=None)
        behind = min((cell for cell in beside if cell.x0 >= x1 - 3), key=lambda cell: cell.x0, default=None)
        found = behind or before if after else before
        return found.text.replace(HYPHEN, "-") if found else ""

    def chars(self) -> PageChars:
        return PageChars(self.text, [self.box(index) for index in range(len(self.text))])


class _Calls(NamedTuple):
    """PDFium's functions that are called for each word or thing on a page. What they are given is neither checked nor
    converted, handles are _Handles: one call takes 0.25 instead of 0.9 microseconds.
    """

    loose_box: Any
    matrix: Any
    font_size: Any
    text_object: Any
    font_of: Any
    object_at: Any
    kind_of: Any
    bounds: Any
    draw_mode: Any
    segments: Any
    matrix_of: Any
    segment_at: Any
    point: Any
    segment_kind: Any
    closes: Any
    fill_colour: Any
    render_mode: Any


class _Handle(ctypes.c_void_p):
    """A page or a thing on it."""


@cache
def _fast_calls() -> _Calls:
    import pypdfium2.raw as raw

    number = ctypes.c_int
    return _Calls(
        ctypes.cast(raw.FPDFText_GetLooseCharBox, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFText_GetMatrix, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFText_GetFontSize, ctypes.PYFUNCTYPE(ctypes.c_double)),
        ctypes.cast(raw.FPDFText_GetTextObject, ctypes.PYFUNCTYPE(_Handle)),
        ctypes.cast(raw.FPDFTextObj_GetFont, ctypes.PYFUNCTYPE(ctypes.c_void_p)),
        ctypes.cast(raw.FPDFPage_GetObject, ctypes.PYFUNCTYPE(_Handle)),
        ctypes.cast(raw.FPDFPageObj_GetType, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPageObj_GetBounds, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPath_GetDrawMode, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPath_CountSegments, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPageObj_GetMatrix, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPath_GetPathSegment, ctypes.PYFUNCTYPE(_Handle)),
        ctypes.cast(raw.FPDFPathSegment_GetPoint, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPathSegment_GetType, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPathSegment_GetClose, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFPageObj_GetFillColor, ctypes.PYFUNCTYPE(number)),
        ctypes.cast(raw.FPDFTextObj_GetTextRenderMode, ctypes.PYFUNCTYPE(number)),
    )


def _written(
    call: Any, things: Sequence[Any], width: int, page: _Handle | None = None, kind: type = np.float32
) -> Floats:
    """What `call` writes for each of some things, a row of `width` numbers each: of a page's characters, named by their
    index, as one structure, of other things to as many places."""
    rows, places = _rows(width, kind)
    found = np.zeros((len(things), width))
    for start in range(0, len(things), MOST_ROWS):
        part = things[start : start + MOST_ROWS]
        rows[: len(part)] = 0  # what PDFium cannot tell it leaves as it is
        deque(map(call, part, *places) if page is None else map(call, repeat(page), part, places[0]), 0)
        found[start : start + len(part)] = rows[: len(part)]
    return found


@cache
def _rows(width: int, kind: type) -> tuple[NDArray[Any], list[list[Any]]]:
    """Memory for rows of numbers of 4 bytes, and the pointers to it: of each column those to its rows."""
    count = MOST_ROWS * width
    memory = (ctypes.c_float * count)()
    rows: NDArray[Any] = np.ctypeslib.as_array(memory).view(kind).reshape(MOST_ROWS, width)
    return rows, [[ctypes.byref(memory, 4 * at) for at in range(column, count, width)] for column in range(width)]


@cache
def _kinds() -> NDArray[np.uint8]:
    """Of each UTF-16 unit: whether it parts words (_WHITE), may have to be cleaned (_ODD), or is plain (0)."""
    signs = list(map(chr, range(0x10000)))
    white = [sign.isspace() or sign == HYPHEN for sign in signs]
    odd = [not sign.isprintable() or bool(FORMS.match(sign)) for sign in signs]
    return np.where(white, _WHITE, np.where(odd, _ODD, 0)).astype(np.uint8)


class _Font(NamedTuple):
    """Of a character: whether it is bold and of fixed pitch, and its font's name."""

    bold: bool
    mono: bool
    face: str


def _extras(
    pdf: "pypdfium2.PdfDocument", page: "pypdfium2.PdfPage", reader: _PageReader, lines: Sequence[Line]
) -> Iterator[Extra]:
    """What is on the page beside its text: the values of form fields, and comments."""
    import pypdfium2.raw as raw

    values: dict[str, None] = {}
    for at in range(min(raw.FPDFPage_GetAnnotCount(page.raw), MAX_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page.raw, at)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if kind == raw.FPDF_ANNOT_WIDGET and pdf.formenv is not None:
            if value := _field(pdf.formenv.raw, annotation, reader, lines):
                values[value] = None
        elif kind not in (raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP, raw.FPDF_ANNOT_WIDGET):
            comment = _wide(raw.FPDFAnnot_GetStringValue, annotation, b"Contents")
            if comment:
                yield Extra("note", comment)
        raw.FPDFPage_CloseAnnot(annotation)
    if values:
        yield Extra("paragraph", "\n".join(values))


def _field(form: Any, annotation: Any, reader: _PageReader, lines: Sequence[Line]) -> str:
    """A form field as "label: value", of a box to tick as "☒ label"; '' where it is not filled in."""
    import pypdfium2.raw as raw

    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    ticked = kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON)
    if ticked and not raw.FPDFAnnot_IsChecked(form, annotation):
        return ""
    if kind in (raw.FPDF_FORMFIELD_PUSHBUTTON, raw.FPDF_FORMFIELD_SIGNATURE):
        return ""
    value = "" if ticked else _wide(raw.FPDFAnnot_GetFormFieldValue, form, annotation)
    if not (value or ticked):
        return ""
    label = _wide(raw.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
    rect = raw.FS_RECTF()
    if not label and raw.FPDFAnnot_GetRect(annotation, ctypes.byref(rect)):
        label = reader.label(rect, lines, after=ticked)
    label = label or _wide(raw.FPDFAnnot_GetFormFieldName, form, annotation)
    if kind == raw.FPDF_FORMFIELD_RADIOBUTTON:
        value = _wide(raw.FPDFAnnot_GetFormFieldExportValue, form, annotation)
        return f"☒ {label}: {value}" if value else f"☒ {label}"
    return f"☒ {label}" if ticked else f"{label.rstrip(': ')}: {value}"


def _wide(call: Any, *arguments: Any) -> str:
    """The text that one of PDFium's calls gives, in one line."""
    length = call(*arguments, None, 0)
    if length <= 2:
        return ""
    buffer = (ctypes.c_ushort * (length // 2))()
    call(*arguments, buffer, length)
    return " ".join(clean("".join(map(chr, buffer[:-1]))).split())


def _mark_text(call: Any, *arguments: Any) -> str:
    """The name, or a value, of the mark of a thing on a page; '' where it is longer than that of any layer is taken to
    be."""
    buffer, length = (ctypes.c_ushort * MAX_LAYER_NAME)(), ctypes.c_ulong()
    if not call(*arguments, buffer, ctypes.sizeof(buffer), ctypes.byref(length)) or length.value > ctypes.sizeof(
        buffer
    ):
        return ""
    return bytes(buffer)[: max(0, length.value - 2)].decode("utf-16-le", "replace")


def _attached_files(pdf: "pypdfium2.PdfDocument") -> list[Block]:
    """A note that names the files inside the PDF, if there are any."""
    import pypdfium2.raw as raw

    count = min(raw.FPDFDoc_GetAttachmentCount(pdf.raw), MAX_ATTACHMENTS)
    names = [_wide(raw.FPDFAttachment_GetName, raw.FPDFDoc_GetAttachment(pdf.raw, at)) for at in range(count)]
    named = ", ".join(dict.fromkeys(filter(None, names)))
    return [Block("note", f"Attached files: {named}")] if named else []


def _needs_recognition(pdf: "pypdfium2.PdfDocument", page: Page) -> bool:
    """Whether something is drawn on the page and its text layer has none of it: no letters, some signs without sense,
    or no more than a stamp on a picture."""
    letters = _letters(page, FEW_LETTERS)
    if letters >= FEW_LETTERS:
        return False
    try:
        shown = _load_page(pdf, page.number)
    except ParseError:
        return False
    try:
        mostly_letters = 2 * letters > sum(len("".join(line.text.split())) for line in page.lines)
        return _is_a_picture(shown) if mostly_letters else _is_drawn_on(shown)
    finally:
        shown.close()


def _letters(page: Page, enough: float = math.inf) -> int:
    """How many letters and figures the page has, counted until there are `enough`."""
    letters = 0
    for line in page.lines:
        if letters >= enough:
            break
        letters += sum(map(str.isalnum, line.text))
    return letters


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


def _describe(data: bytes, password: str | None) -> tuple[dict[str, str], list[OutlineEntry], frozenset[str]]:
    """Metadata, outline and the names of the layers that are switched off. All are extras: where pypdf cannot read
    them, there are none."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of every oddity it has already mended
    metadata: dict[str, str] = {}
    outline: list[OutlineEntry] = []
    switched_off: frozenset[str] = frozenset()
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            reader.decrypt(password or "")
        switched_off = _switched_off(reader)
        for name, value in (reader.metadata or {}).items():
            key = _METADATA.get(str(name))
            text = " ".join(clean(str(value)).split())
            if key and text:
                metadata[key] = _iso(text) if key in ("created", "modified") else text
        outline.extend(islice(_outline(reader, reader.outline, 1), MAX_BOOKMARKS))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - pypdf raises whatever a broken or hostile file makes it stumble over
        log.debug("No outline or metadata: %s", error)
    return metadata, outline, switched_off


def _switched_off(reader: "PdfReader") -> frozenset[str]:
    """The names of layers (optional content groups) that are not shown when the file is opened."""
    layers: Any = reader.root_object.get("/OCProperties")
    if layers is None:
        return frozenset()
    layers = layers.get_object()
    default: Any = layers.get("/D", {}).get_object() if "/D" in layers else {}
    off = {id(one.get_object()): one.get_object() for one in islice(default.get("/OFF", ()), MAX_LAYERS)}
    shown = (one.get_object() for one in islice(layers.get("/OCGs", ()), MAX_LAYERS))
    seen = {_plain(str(one.get("/Name", ""))) for one in shown if id(one) not in off}
    return frozenset(_plain(str(one.get("/Name", ""))) for one in off.values()) - seen - {""}


def _plain(name: str) -> str:
    """A layer's name without the signs that PDFium, which takes it for UTF-8, gives wrongly."""
    return "".join(sign for sign in name if " " <= sign <= "~")


def _iso(date: str) -> str:
    """A PDF's date as ISO 8601; as it is where it is none."""
    match = _DATE.match(date)
    if not match:
        return date
    year, month, day, hour, minute, second, zone = match.groups()
    found = "-".join(filter(None, (year, month, day)))
    if hour:
        zone = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[-2:]}" if zone else ""
        found += f"T{hour}:{minute or '00'}:{second or '00'}{zone}"
    return found


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
