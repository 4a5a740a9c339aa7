"""The text in a page's picture, word by word with places, by Tesseract. tesserocr brings Tesseract's library; the
data of its languages comes from the system.

The picture is turned upright and straightened first: Tesseract reads lines that rise by three degrees badly, and
writing upside down not at all.
"""

import math
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from errors import NeedsOcrError
from ingest.parse.layout import Cell, Line, Page, clean, split_cells
from ingest.types import Block, RecognisedPage

if TYPE_CHECKING:
    from PIL.Image import Image

    from settings import Ocr

VERSION = 1  # of what is done here: when it changes, what was recognised is recognised anew
MAX_PIXELS = 12_000_000  # of a picture that is read, as of a telephone; a larger one is made smaller
MAX_SKEW = 12.0  # degrees
LEAST_SKEW = 0.4  # degrees; less does no harm
UPENDED = 2.5  # times sharper are lines that stand on their side; 7 for a page of text, up to 1.8 for drawings
LONG_SIDE = 2200  # pixels; smaller is read better enlarged: pages of 842 and 792 pixels 0.90 -> 0.96, 0.63 -> 0.91 sure
ENLARGE = 3.0  # at most
SMALL = 21.0  # pixels of a line's height; the least that Tesseract tells is 20
SURE = 0.85  # mean confidence of what was surely read the right way up
CLEAR = 0.93  # that of a page on which nothing can be read better
# Confidences. Latin letters are seen in photographs and in other scripts too, with 0.3 to 0.65; true words have 0.8.
LEAST_WORD = 0.4
LEAST_ROW = 0.7  # of the surest word of two letters in a row
LEAST_LETTER = 0.9  # of a letter or figure that stands alone
# Sizes between these shares of the usual one are of one font: at 200 dots per inch a pixel is 8 % of small letters.
SMALLER, LARGER = 0.75, 1.12
BULLET_LIKE = frozenset("•*+=©®°¢«»·¤eo")  # what a bullet is taken for
X_TO_SIZE = 2.0  # a font's size over the height of its x
X_OF_INK = 0.65  # of a line's letters the x is no higher, or its height was measured wrong

ORIENTATION = "osd"  # the language data that tells how a page is turned
_DATA = ".traineddata"
_PLACES = (
    *("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata"),
    *("/usr/share/tesseract/tessdata", "/usr/local/share/tessdata", "/opt/homebrew/share/tessdata"),
    *("/opt/local/share/tessdata", "C:/Program Files/Tesseract-OCR/tessdata"),
)
_INSTALL = {
    "linux": "Install the language data (`sudo apt install tesseract-ocr-eng tesseract-ocr-spa tesseract-ocr-osd`).",
    "darwin": "Install it: `brew install tesseract tesseract-lang pkg-config`, then `pip install tesserocr`.",
    "win32": "Install Tesseract with its English and Spanish data (UB Mannheim's installer).",
}
HOW_TO_INSTALL = f"{_INSTALL.get(sys.platform, _INSTALL['linux'])} The next `cita index` reads the file."


@dataclass(frozen=True, slots=True)
class Recogniser:
    """What recognises text here: `languages` as Tesseract writes them (eng+spa), with their data in `tessdata`."""

    tessdata: str
    languages: str
    dpi: int

    @property
    def name(self) -> str:
        """What recognised text depends on besides the document: 'ocr/1 tesseract 5.5.4 eng+spa 200'."""
        return f"ocr/{VERSION} tesseract {tesseract_version()} {self.languages} {self.dpi}"

    @property
    def knows_orientation(self) -> bool:
        return (Path(self.tessdata) / f"{ORIENTATION}{_DATA}").is_file()


@dataclass(frozen=True, slots=True)
class Recognition:
    """A page that was recognised. `lines` and `height` are those of the page turned upright, for layout.blocks(); the
    boxes of `page` those of the page as it is shown. `confidences` has one for each of the page's words."""

    page: RecognisedPage
    height: float
    lines: tuple[Line, ...]
    confidences: tuple[float, ...]


def find_recogniser(settings: "Ocr") -> Recogniser:
    """Tesseract with those of the languages in the settings that are installed.

    Raises NeedsOcrError, which says how to install it, where it is off or missing.
    """
    if not settings.on:
        raise NeedsOcrError("Text recognition (OCR) is switched off.", hint="Set ocr.on to true.")
    try:
        tesseract_version()
    except ImportError as error:
        raise NeedsOcrError(
            f"Text recognition (OCR) cannot be used: {error}.", hint="Install the Python package tesserocr."
        ) from error
    wanted = settings.languages.split("+")
    for folder in _tessdata_folders():
        found = [name for name in wanted if (folder / f"{name}{_DATA}").is_file()]
        if found:
            return Recogniser(str(folder), "+".join(found), settings.dpi)
    raise NeedsOcrError(f"Text recognition (OCR) has no language data for {settings.languages}.", hint=HOW_TO_INSTALL)


def _tessdata_folders() -> Iterator[Path]:
    """Where language data may lie; Tesseract's own variable first."""
    if named := os.environ.get("TESSDATA_PREFIX"):
        yield from (Path(named), Path(named) / "tessdata")
    yield from map(Path, _PLACES)


@cache
def tesseract_version() -> str:
    """Raises ImportError where tesserocr is not installed or does not load."""
    import tesserocr

    return str(tesserocr.tesseract_version()).split()[1]


def warm(recogniser: Recogniser) -> None:
    """Loads the language data, so that a process forked afterwards need not, nor have the right to."""
    import numpy  # noqa: F401

    _engine(recogniser.tessdata, recogniser.languages)
    if recogniser.knows_orientation:
        _engine(recogniser.tessdata, ORIENTATION)


@cache
def _engine(tessdata: str, languages: str) -> Any:
    import tesserocr

    only_orientation = languages == ORIENTATION
    try:
        return tesserocr.PyTessBaseAPI(
            path=tessdata,
            lang=languages,
            psm=tesserocr.PSM.OSD_ONLY if only_orientation else tesserocr.PSM.AUTO,
            oem=tesserocr.OEM.DEFAULT if only_orientation else tesserocr.OEM.LSTM_ONLY,
        )
    except RuntimeError as error:
        raise NeedsOcrError(
            f"Tesseract cannot read its language data for {languages} in {tessdata!r}.", hint=HOW_TO_INSTALL
        ) from error


def recognise(
    picture: "Image", number: int, size: tuple[float, float], points: float, recogniser: Recogniser
) -> Recognition:
    """The text on a page's picture. `number` is the page's (1-based), `size` its width and height in its own units,
    one of which is so many `points`. A picture without text gives a Recognition without words.
    """
    grey = _fitting(picture.convert("L"))
    reading = _best_reading(grey, recogniser)
    return _as_page(reading, grey.size, number, size, points)


def pages(recognitions: Iterable[Recognition]) -> dict[int, Page]:
    """The recognised pages by number, for layout.blocks(): letters of about the usual size have that very size."""
    recognised = list(recognitions)
    sizes = [line.size for one in recognised for line in one.lines for _ in range(line.end - line.start)]
    usual = median(sizes) if sizes else 0.0

    def evened(line: Line) -> Line:
        return line._replace(size=usual) if SMALLER * usual <= line.size <= LARGER * usual else line

    return {one.page.number: Page(one.page.number, one.height, tuple(map(evened, one.lines))) for one in recognised}


def with_confidence(blocks: Iterable[Block], recognitions: Iterable[Recognition]) -> Iterator[Block]:
    """The blocks, those of recognised pages with the mean confidence of their words' letters."""
    by_number = {one.page.number: one for one in recognitions}
    for block in blocks:
        one = by_number.get(block.page or 0)
        if one is None or block.span is None:
            yield block
            continue
        inside = [
            (word[1] - word[0], confidence)
            for word, confidence in zip(one.page.words, one.confidences, strict=True)
            if block.span.start <= word[0] and word[1] <= block.span.end
        ]
        letters = sum(count for count, _ in inside)
        mean = sum(count * confidence for count, confidence in inside) / letters if letters else 0.0
        yield replace(block, confidence=round(mean, 3))


class _Word(NamedTuple):
    """A word and its box in the pixels of the upright picture, y downwards."""

    text: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


class _Row(NamedTuple):
    """A line of words; `height` is from its descenders to its ascenders, `x_height` that of its x, in pixels."""

    words: tuple[_Word, ...]
    top: float
    height: float
    x_height: float


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read of the picture after it was turned by `angle` degrees anticlockwise and enlarged by `scale`."""

    rows: tuple[_Row, ...]
    size: tuple[int, int]
    angle: float
    scale: float

    @property
    def letters(self) -> int:
        return sum(len(word.text) for row in self.rows for word in row.words)

    @property
    def weight(self) -> float:
        """The more letters were read the surer, the greater."""
        return sum(len(word.text) * word.confidence for row in self.rows for word in row.words)

    @property
    def confidence(self) -> float:
        return self.weight / self.letters if self.letters else 0.0


def _fitting(picture: "Image") -> "Image":
    pixels = picture.width * picture.height
    if pixels <= MAX_PIXELS:
        return picture
    shrink = (MAX_PIXELS / pixels) ** 0.5
    return picture.resize((max(1, int(picture.width * shrink)), max(1, int(picture.height * shrink))))


def _best_reading(picture: "Image", recogniser: Recogniser) -> _Reading:
    angle = _lines_angle(picture)
    scale = min(ENLARGE, max(1.0, LONG_SIDE / max(picture.size)))
    best = _read(picture, angle, scale, recogniser)
    if best.confidence < SURE:
        for other in _other_angles(picture, angle, recogniser):
            best = max(best, _read(picture, other, scale, recogniser), key=lambda reading: reading.weight)
            if best.confidence >= SURE:
                break
    if best.rows and scale < 2 and best.confidence < CLEAR and median(row.height for row in best.rows) <= SMALL:
        finer = min(2 * scale, (MAX_PIXELS / (picture.width * picture.height)) ** 0.5)
        best = max(best, _read(picture, best.angle, finer, recogniser), key=lambda reading: reading.weight)
    return best


def _lines_angle(picture: "Image") -> float:
    """By how many degrees, anticlockwise, the picture is to be turned for its lines to be level: a little, or a
    quarter more or less, as the lines stand."""
    import numpy as np

    small = picture.copy()
    small.thumbnail((1000, 1000))
    shades = np.asarray(small)
    dark = shades < (int(shades.min()) + int(shades.max())) / 2
    if dark.mean() > 0.5:
        dark = ~dark
    ys, xs = np.nonzero(dark)
    if not len(ys):
        return 0.0

    def sharpness(angle: float) -> float:
        """How much rows full of ink alternate with empty ones, at this slope."""
        slope = math.radians(angle)
        rows = np.round(ys * math.cos(slope) + xs * math.sin(slope)).astype(int)
        counts = np.bincount(rows - rows.min()).astype(float)
        return float(np.square(np.diff(counts)).sum())

    def best(around: float, reach: float, step: float) -> float:
        angles = np.arange(around - reach, around + reach + step / 2, step)
        return float(max(angles, key=lambda angle: (sharpness(angle), -abs(angle - around))))

    level, upended = best(0.0, MAX_SKEW, 1.0), best(90.0, MAX_SKEW, 1.0)
    rough = upended if sharpness(upended) > UPENDED * sharpness(level) else level
    angle = -best(best(rough, 0.8, 0.2), 0.15, 0.05)
    nearest = 90.0 * round(angle / 90)
    return nearest if abs(angle - nearest) < LEAST_SKEW else angle


def _other_angles(picture: "Image", angle: float, recogniser: Recogniser) -> list[float]:
    """How the picture may have to be turned instead: as Tesseract finds, or, without the data for it, all ways."""
    turns: Sequence[int] = (180, 90, 270)
    if recogniser.knows_orientation:
        engine = _engine(recogniser.tessdata, ORIENTATION)
        _show(engine, _turned(picture, angle, 1.0), recogniser.dpi)
        try:
            found = engine.DetectOrientationScript()
        finally:
            engine.Clear()
        if found:  # else there are too few letters to tell
            turns = [found["orient_deg"]] if found["orient_deg"] else []
    return [angle + turn for turn in turns]


def _turned(picture: "Image", angle: float, scale: float) -> "Image":
    from PIL.Image import Resampling

    if scale != 1.0:
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Resampling.LANCZOS)
    if angle % 360 == 0.0:
        return picture
    return picture.rotate(angle, resample=Resampling.BICUBIC, expand=True, fillcolor=255)


def _show(engine: Any, picture: "Image", dpi: int) -> None:
    engine.SetImageBytes(picture.tobytes(), picture.width, picture.height, 1, picture.width)
    engine.SetSourceResolution(dpi)


def _read(picture: "Image", angle: float, scale: float, recogniser: Recogniser) -> _Reading:
    engine = _engine(recogniser.tessdata, recogniser.languages)
    turned = _turned(picture, angle, scale)
    _show(engine, turned, recogniser.dpi)
    try:
        rows = list(_rows(engine)) if engine.Recognize() else []
    finally:
        engine.Clear()
    return _Reading(tuple(_with_bullets(rows)), turned.size, angle, scale)


def _with_bullets(rows: Sequence[_Row]) -> Iterator[_Row]:
    """The lines with the bullets of lists, for which Tesseract sees letters and signs of their form, put right."""

    def edge(row: _Row) -> int:
        return round(row.words[0].left / row.height / 2)

    marked = [row for row in rows if len(row.words) > 1 and row.words[0].text in BULLET_LIKE]
    marks: dict[int, list[str]] = defaultdict(list)
    for row in marked:
        marks[edge(row)].append(row.words[0].text)
    lists = {edge for edge, found in marks.items() if len(found) >= 3 and not all(map(str.isalpha, found))}
    for row in rows:
        if row in marked and edge(row) in lists:
            row = row._replace(words=(row.words[0]._replace(text="•"), *row.words[1:]))
        yield row


def _rows(engine: Any) -> Iterator[_Row]:
    """The lines in Tesseract's order, without those in which no word is sure."""
    from tesserocr import RIL, iterate_level

    iterator = engine.GetIterator()
    if iterator is None:
        return
    rows: list[tuple[list[_Word], float, float, float]] = []
    begins = True
    for at in iterate_level(iterator, RIL.WORD):
        begins = begins or at.IsAtBeginningOf(RIL.TEXTLINE)
        word = _word(at)
        if word is None:  # of a picture or a ruled line, which have no height either: asking for it would crash
            continue
        if begins:
            rows.append(([], *_height(at)))
            begins = False
        if word.confidence >= LEAST_WORD:
            rows[-1][0].append(word)
    for words, *heights in rows:
        if any(map(_is_sure, words)):
            yield _Row(tuple(words), *heights)


def _is_sure(word: _Word) -> bool:
    letters = sum(map(str.isalnum, word.text))
    return letters > 0 and word.confidence >= (LEAST_ROW if letters > 1 else LEAST_LETTER)


def _height(at: Any) -> tuple[float, float, float]:
    """The line's upper edge, its height, and that of its x. None depends on which letters it has."""
    from tesserocr import RIL

    attributes, baseline, box = at.RowAttributes(), at.Baseline(RIL.TEXTLINE), at.BoundingBox(RIL.TEXTLINE)
    height, below = float(attributes["row_height"]), float(attributes["descenders"])
    middle = (baseline[0][1] + baseline[1][1]) / 2
    x_height = min(height - attributes["ascenders"] + below, X_OF_INK * (box[3] - box[1]))
    return middle - below - height, height, x_height


def _word(at: Any) -> _Word | None:
    from tesserocr import RIL

    try:
        text = "".join(clean(at.GetUTF8Text(RIL.WORD)).split())
    except RuntimeError:  # no text
        return None
    confidence, box = at.Confidence(RIL.WORD) / 100, at.BoundingBox(RIL.WORD)
    return _Word(text, confidence, *box) if text and box else None


def _as_page(
    reading: _Reading, shown: tuple[int, int], number: int, size: tuple[float, float], points: float
) -> Recognition:
    """The reading with its boxes in the page's units and its lines in points, y upwards. `shown` is the picture's size
    as it was given."""
    unit = points * size[0] / shown[0] / reading.scale
    height = reading.size[1] * unit
    back = _way_back(reading, shown)
    texts, words, lines = [], [], []
    confidences, offset = [], 0
    for row in reading.rows:
        start, cells = offset, []
        for word in row.words:
            corners = [back(x, y) for x in (word.left, word.right) for y in (word.top, word.bottom)]
            xs, ys = [x * size[0] for x, _ in corners], [(1 - y) * size[1] for _, y in corners]
            box = (round(min(xs), 1), round(min(ys), 1), round(max(xs), 1), round(max(ys), 1))
            words.append((offset, offset + len(word.text), *box))
            confidences.append(round(word.confidence, 2))
            cells.append(Cell(word.text, word.left * unit, word.right * unit))
            offset += len(word.text) + 1
        texts.append(" ".join(word.text for word in row.words))
        bottom, points_high = height - (row.top + row.height) * unit, row.height * unit
        joined = split_cells(cells, points_high)
        lines.append(Line(start, offset - 1, joined, bottom, bottom + points_high, X_TO_SIZE * row.x_height * unit))
    page = RecognisedPage(number, size[0], size[1], "\n".join(texts), tuple(words))
    return Recognition(page, height, tuple(lines), tuple(confidences))


def _way_back(reading: _Reading, shown: tuple[int, int]) -> Any:
    """From a point of the upright picture to the same in the given one, as shares of its width and height."""
    cos, sin = math.cos(math.radians(reading.angle)), math.sin(math.radians(reading.angle))

    def back(x: float, y: float) -> tuple[float, float]:
        dx, dy = (x - reading.size[0] / 2) / reading.scale, (y - reading.size[1] / 2) / reading.scale
        across, down = dx * cos - dy * sin + shown[0] / 2, dx * sin + dy * cos + shown[1] / 2
        return across / shown[0], down / shown[1]

    return back
