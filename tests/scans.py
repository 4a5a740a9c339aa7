"""Pictures of text, as a scanner or a camera makes them."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1240, 1754  # A4 at 150 dots per inch


def draw_page(text: str, *, angle: float = 0.0, size: int = 32) -> Image.Image:
    """A sheet of paper with the text, turned anticlockwise by `angle` degrees."""
    import reportlab

    page = Image.new("L", (WIDTH, HEIGHT), 255)
    font = ImageFont.truetype(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf", size)
    ImageDraw.Draw(page).multiline_text((150, 150), text, fill=0, font=font, spacing=size // 2)
    return page.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255) if angle else page


def draw_photo() -> Image.Image:
    """A picture without a word on it: a sky, a hill and a sun."""
    photo = Image.radial_gradient("L").resize((600, 400)).convert("RGB")
    draw = ImageDraw.Draw(photo)
    draw.polygon([(0, 400), (250, 180), (600, 400)], fill=(60, 90, 50))
    draw.ellipse((420, 40, 480, 100), fill=(250, 220, 90))
    return photo


def write_scan(path: Path, pages: Sequence[Image.Image | str]) -> Path:
    """A PDF whose pages are pictures; a text instead of a picture makes a page with a text layer."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    for page in pages:
        if isinstance(page, str):
            canvas.setPageSize((595, 842))
            for number, line in enumerate(page.splitlines()):
                canvas.drawString(72, 760 - 14 * number, line)
        else:
            width, height = page.width * 72 / 150, page.height * 72 / 150
            canvas.setPageSize((width, height))
            canvas.drawImage(ImageReader(page), 0, 0, width, height)
        canvas.showPage()
    canvas.save()
    return path


def needs_tesseract() -> None:
    """Skips the test, saying so, where text recognition is not installed."""
    import pytest

    from errors import NeedsOcrError
    from ingest.parse.ocr import find_recogniser
    from settings import Ocr

    try:
        found = find_recogniser(Ocr())
    except NeedsOcrError as error:
        pytest.skip(f"TEXT RECOGNITION ABSENT: {error}")
    if found.languages != "eng+spa":
        pytest.skip(f"LANGUAGE DATA ABSENT: there is only {found.languages}")
