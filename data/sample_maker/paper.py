"""PDFs, and scans: letters drawn as pictures."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from sample_maker.text import HEADING, NEW_PAGE, PARAGRAPH, SUBHEADING, TITLE, WRITTEN, Part, Row, Text

FONTS = Path(reportlab.__file__).parent / "fonts"

DPI = 150
SIZE = (1240, 1754)  # A4 in pixels
MARGIN = 150
LETTERS = 24  # pixels; 11.5 points
PAPER, INK = 226, 40  # of 255
TILT = 0.6  # degrees


def pdf(text: Text) -> bytes:
    """A PDF on A4. With the field "scanned" its pages are pictures without a text layer."""
    return _scanned(text) if "scanned" in text.fields else _printed(text)


def png(text: Text) -> bytes:
    """A scanned letter of one page, in shades of grey."""
    (page,) = _pages(text)
    file = BytesIO()
    page.quantize(4).save(file, "PNG", dpi=(DPI, DPI), optimize=True)
    return file.getvalue()


def _printed(text: Text) -> bytes:
    """With an outline of its headings and the page's number at the foot."""
    rl_config.invariant = 1  # no dates, no random identifiers
    styles = getSampleStyleSheet()
    body = ParagraphStyle("body", parent=styles["BodyText"], fontSize=11, leading=15.5, spaceAfter=9)
    style = {TITLE: styles["Title"], HEADING: styles["Heading2"], SUBHEADING: styles["Heading3"], PARAGRAPH: body}
    levels = {"Title": 0, "Heading2": 1, "Heading3": 2}

    class Template(SimpleDocTemplate):
        def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802  (the library's name)
            if isinstance(flowable, Paragraph) and flowable.style.name in levels:
                heading = flowable.getPlainText()
                key = f"{self.page}-{heading}"
                self.canv.bookmarkPage(key)
                self.canv.addOutlineEntry(heading, key, levels[flowable.style.name])

    def foot(canvas: Canvas, template: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 9)
        canvas.drawCentredString(A4[0] / 2, 1.2 * cm, str(template.page))

    story: list[Flowable] = []
    for part in text.parts:
        if part.kind == NEW_PAGE:
            story.append(PageBreak())
        elif part.rows:
            story += [_table(part.rows, body), Spacer(1, 12)]
        else:
            story.append(Paragraph(escape(part.text), style[part.kind]))
    file = BytesIO()
    template = Template(file, pagesize=A4, margin=2.5 * cm, title=text.title, author="", lang=text.language)
    template.build(story, onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


def _table(rows: tuple[Row, ...], style: ParagraphStyle) -> Table:
    cell = ParagraphStyle("cell", parent=style, spaceAfter=0)
    table = Table([[Paragraph(escape(text), cell) for text in row] for row in rows], repeatRows=1, hAlign="LEFT")
    grid = ("GRID", (0, 0), (-1, -1), 0.5, colors.grey)
    header = ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)
    table.setStyle(TableStyle([grid, header, ("VALIGN", (0, 0), (-1, -1), "TOP")]))
    return table


def _scanned(text: Text) -> bytes:
    """Black and white, as an office copier scans."""
    pages = [page.point(lambda shade: 255 * (shade > (PAPER + INK) // 2), "1") for page in _pages(text)]
    file = BytesIO()
    day = WRITTEN.timetuple()
    pages[0].save(
        file, "PDF", save_all=True, append_images=pages[1:], resolution=DPI, creationDate=day, modDate=day, title=""
    )
    return file.getvalue()


def _pages(text: Text) -> Iterator[Image.Image]:
    """The pages as they lay on the scanner: grey and not quite straight."""
    page: list[Part] = []
    for part in [*text.parts, Part(NEW_PAGE)]:
        if part.kind == NEW_PAGE:
            yield _drawn(page).rotate(TILT, Image.Resampling.BICUBIC, fillcolor=PAPER)
            page = []
        else:
            page.append(part)


def _drawn(parts: list[Part]) -> Image.Image:
    image = Image.new("L", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    height = MARGIN
    for part in parts:
        is_heading = part.kind in (TITLE, HEADING)
        font = _font("VeraBd" if is_heading else "Vera", LETTERS * 3 // 2 if part.kind == TITLE else LETTERS)
        for line in _lines(part.text, font):
            draw.text((MARGIN, height), line, INK, font)
            height += font.size * 3 // 2
        height += LETTERS
    return image


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"{name}.ttf", size, layout_engine=ImageFont.Layout.BASIC)


def _lines(text: str, font: ImageFont.FreeTypeFont) -> Iterator[str]:
    """The text in lines that fit between the margins."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > SIZE[0] - 2 * MARGIN:
            yield line
            longer = word
        line = longer
    yield line
