"""Pictures -> Document: PNG, JPEG, TIFF (each of its pages), BMP, GIF (its first picture), WebP, HEIC.

A picture has no text of its own: its pages are all unread until ingest/recognise.py hands in what was recognised.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from errors import ParseError, TooLargeError, UsageError
from ingest.parse import ocr
from ingest.parse.highlight import highlight, recognised_boxes
from ingest.parse.layout import blocks
from ingest.types import Document, RecognisedPage, Span

if TYPE_CHECKING:
    from PIL.Image import Image

MEDIA_TYPE = "image"
KINDS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "HEIF")

MAX_PAGES = 1_000
MAX_PIXELS = 200_000_000  # before it is decoded; the largest cameras' pictures
LEAST_SIDE = 16  # pixels; no word is readable in a picture lower or narrower
PAPER = 842.0  # points; a picture counts as a sheet whose longer side this is

_DAMAGED = "Open it with a program for pictures and save it anew."
_DESCRIPTION, _DATE, _ARTIST, _EXIF, _TAKEN = 270, 306, 315, 0x8769, 36867  # EXIF 2.32, table 4
_DATED = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
_TEXTS = {"Title": "title", "Author": "author", "Description": "description"}  # of a PNG


@cache
def parser_version() -> str:
    return f"image/1 pillow {version('pillow')}"


def warm() -> None:
    """Imports the library and its decoders."""
    from PIL import Image, ImageChops, ImageDraw, ImageOps, PngImagePlugin  # noqa: F401

    Image.init()
    _add_heif()


def parse(path: Path, recognised: Sequence[ocr.Recognition] = ()) -> Document:
    """What was recognised on the picture's pages; those that are not among it are its `unread` ones.

    Raises TooLargeError over the limits on pixels and pages, ParseError if it is damaged.
    """
    by_number = ocr.pages(recognised)
    with _open(path) as file:
        count = _page_count(file)
        metadata = _metadata(file)
        unread = [number for number in range(1, count + 1) if number not in by_number and _may_have_text(file, number)]
    found = blocks([by_number[number] for number in sorted(by_number) if number <= count])
    return Document(
        title=metadata.pop("title", ""),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(ocr.with_confidence(found, recognised)),
        pages=count,
        metadata=metadata,
        recognised=tuple(one.page for one in recognised if one.page.words),
        unread=tuple(unread),
    )


def picture(path: Path, page: int, dpi: int) -> tuple["Image", tuple[float, float], float]:  # noqa: ARG001
    """The page (1-based), upright, to be recognised, its width and height, and the points in one of their units.

    Raises UsageError if there is no such page, and what parse() raises.
    """
    shown = _page(path, page)
    return shown, (float(shown.width), float(shown.height)), PAPER / max(shown.size)


def render_page(
    path: Path,
    page: int,
    quotes: Sequence[str] = (),
    spans: Sequence[Span] = (),
    scale: float = 2.0,
    recognised: RecognisedPage | None = None,
) -> bytes:
    """A PNG of the page (1-based) with each quote highlighted where `recognised` says. `scale` 1.0 makes a sheet of
    paper of it, at 72 dots per inch; it is never made larger than it is.

    Raises UsageError if there is no such page, and what parse() raises.
    """
    shown = _page(path, page)
    size = (float(shown.width), float(shown.height))
    boxes = recognised_boxes(recognised, quotes, [span for span in spans if span.page == page]) if recognised else []
    shown.thumbnail((round(PAPER * scale), round(PAPER * scale)))
    return highlight(shown, size, boxes)


@contextlib.contextmanager
def _open(path: Path) -> Iterator["Image"]:
    from PIL import Image, UnidentifiedImageError

    _add_heif()
    Image.MAX_IMAGE_PIXELS = None  # ours is the limit
    try:
        with Image.open(path, formats=KINDS) as file:
            _check_size(file)
            yield file
    except (ParseError, UsageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ParseError("The picture is damaged: its beginning cannot be read.", hint=_DAMAGED) from error
    except Exception as error:  # whatever a decoder raises on a broken file
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise ParseError(f"The picture is damaged: {said or type(error).__name__}.", hint=_DAMAGED) from error


def _check_size(file: "Image") -> None:
    if file.width * file.height > MAX_PIXELS:
        raise TooLargeError(
            f"The picture has {file.width:,} x {file.height:,} pixels; {MAX_PIXELS // 1_000_000} million are allowed.",
            hint="Save a smaller copy.",
        )


def _add_heif() -> None:
    """HEIC, what telephones take, where the library for it is installed."""
    try:
        import pi_heif
    except ImportError:
        return
    pi_heif.register_heif_opener()


def _page_count(file: "Image") -> int:
    """A TIFF's pages; the further pictures of other kinds move, or are a preview."""
    count = int(getattr(file, "n_frames", 1)) if file.format == "TIFF" else 1
    if count > MAX_PAGES:
        raise TooLargeError(f"The file has {count:,} pages; {MAX_PAGES:,} are allowed.", hint="Split it.")
    return count


def _may_have_text(file: "Image", number: int) -> bool:
    if number > 1:
        file.seek(number - 1)
    return min(file.size) >= LEAST_SIDE


def _page(path: Path, number: int) -> "Image":
    """The page upright, in shades of grey or in colours on white."""
    from PIL import ImageOps

    with _open(path) as file:
        count = _page_count(file)
        if not 1 <= number <= count:
            raise UsageError(f"The picture has no page {number}.", hint=f"It has pages 1 to {count}.")
        file.seek(number - 1)
        _check_size(file)
        shown = ImageOps.exif_transpose(file)
        return _on_white(shown)


def _on_white(shown: "Image") -> "Image":
    from PIL import Image

    if shown.mode in ("I", "F") or shown.mode.startswith("I;"):  # more shades than 256
        wide = shown.convert("F")
        low, high = cast(tuple[float, float], wide.getextrema())
        spread = 255 / (high - low) if high > low else 0.0
        return wide.point(lambda shade: shade * spread - low * spread).convert("L")
    if shown.has_transparency_data:
        sheet = Image.new("RGBA", shown.size, "white")
        sheet.alpha_composite(shown.convert("RGBA"))
        return sheet.convert("RGB")
    return shown.convert("L" if shown.mode in ("1", "L") else "RGB")


def _metadata(file: "Image") -> dict[str, str]:
    """What the camera or the program noted: when it was made, by whom, what it shows."""
    try:
        exif = file.getexif()
        noted: dict[str, Any] = {"description": exif.get(_DESCRIPTION), "author": exif.get(_ARTIST)}
        dated = _DATED.match(str(exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_DATE) or ""))
    except Exception:  # noqa: BLE001 - an extra: whatever a broken one raises, the picture has none
        noted, dated = {}, None
    for key, name in _TEXTS.items():
        if isinstance(text := file.info.get(key), str):
            noted.setdefault(name, text)
    metadata = {name: " ".join(str(value).split()) for name, value in noted.items() if value}
    if dated:
        year, month, day, time = dated.groups()
        metadata["created"] = f"{year}-{month}-{day}T{time}"
    return {name: value for name, value in metadata.items() if value.isprintable() and value}
