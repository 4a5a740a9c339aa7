"""A page's picture with quotes highlighted, and where words recognised on it stand."""

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ingest.parse.locate import Box, PageChars, locate
from ingest.types import RecognisedPage, Span

if TYPE_CHECKING:
    from PIL.Image import Image

MARKER = (255, 238, 110)  # multiplied with the page, so that letters stay black


def highlight(picture: "Image", size: tuple[float, float], boxes: Iterable[Box]) -> bytes:
    """The picture as a PNG with the boxes marked; `size` is the page's width and height in the boxes' units."""
    from PIL import Image, ImageChops, ImageDraw

    across, down = picture.width / size[0], picture.height / size[1]
    marks = Image.new("RGB", picture.size, "white")
    draw = ImageDraw.Draw(marks)
    for box in boxes:
        top, bottom = (size[1] - box.top) * down, (size[1] - box.bottom) * down
        draw.rectangle((box.left * across, top, box.right * across, bottom), fill=MARKER)
    file = io.BytesIO()
    ImageChops.multiply(picture.convert("RGB"), marks).save(file, "PNG", compress_level=3)
    return file.getvalue()


def recognised_boxes(page: RecognisedPage, quotes: Sequence[str], spans: Sequence[Span]) -> list[Box]:
    """The boxes of the words of each quote on a recognised page. Of a quote that stands there more than once, the
    occurrence in one of `spans`."""
    chars = recognised_chars(page)
    return [box for quote in quotes for box in locate(chars, quote, spans)]


def recognised_chars(page: RecognisedPage) -> PageChars:
    """The page's characters, each with the box of its word; white space has none."""
    boxes = [Box(0.0, 0.0, 0.0, 0.0)] * len(page.text)
    for start, end, *box in page.words:
        boxes[start:end] = [Box(*box)] * (end - start)
    return PageChars(page.text, boxes)
