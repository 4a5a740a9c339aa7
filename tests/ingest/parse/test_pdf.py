import contextlib
import gc
import io
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError, TooLargeError, UsageError
from ingest.parse import pdf
from ingest.parse.layout import HYPHEN
from ingest.parse.locate import Box, locate
from ingest.types import Document, Span
from tests import hostile
from tests.conftest import shared_data
from tests.documents import Item, write_pdf, write_picture_pdf

LONG = (
    "The landlord returns the deposit within thirty days after the keys were handed over, unless the flat was "
    "damaged. What is kept back is named in writing, with a bill for every repair."
)
REPORT = [
    [
        Item("h1", "Lease agreement"),
        Item("h2", "Deposit"),
        Item("p", LONG),
        Item("p", "A second paragraph stands on its own and says little more than that."),
        Item("li", "Keep the receipt\nAsk for the interest"),
    ],
    [
        Item("p", "This page goes on about the deposit."),
        Item("h2", "Fees"),
        Item("table", "Service|2023|2024\nLaundry|4.50|4.75\nParking|30.00|31.00"),
        Item("p", "All fees are in euros."),
    ],
    [Item("h2", "End of the lease"), Item("p", "The notice period is ninety days.")],
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pdf") / "lease.pdf"
    return write_pdf(path, REPORT, title="The lease", head="Acme Homes, confidential", numbers=True)


@pytest.fixture(scope="module")
def document(report: Path) -> Document:
    return pdf.parse(report)


def texts(document: Document, kind: str) -> list[str]:
    return [block.text for block in document.blocks if block.kind == kind]


def test_a_wrapped_paragraph_is_one_block_in_the_words_of_the_page(document: Document) -> None:
    assert LONG in texts(document, "paragraph")
    assert "A second paragraph stands on its own and says little more than that." in texts(document, "paragraph")


def test_pages_are_counted_from_one(document: Document) -> None:
    assert document.pages == 3
    page = {block.text: block.page for block in document.blocks}
    assert page[LONG] == 1
    assert page["All fees are in euros."] == 2
    assert page["The notice period is ninety days."] == 3


def test_headings_form_a_path_that_is_kept_over_pages(document: Document) -> None:
    path = {block.text: block.headings for block in document.blocks}
    assert path[LONG] == ("Lease agreement", "Deposit")
    assert path["This page goes on about the deposit."] == ("Lease agreement", "Deposit")
    assert path["All fees are in euros."] == ("Lease agreement", "Fees")
    assert texts(document, "title") == ["Lease agreement"]
    assert texts(document, "heading") == ["Deposit", "Fees", "End of the lease"]


def test_a_table_is_one_block_a_line_per_row(document: Document) -> None:
    assert texts(document, "table") == ["Service  2023  2024\nLaundry  4.50  4.75\nParking  30.00  31.00"]


def write_table(path: Path, rows: Sequence[str], widths: Sequence[float]) -> Path:
    """A PDF with a table set as word processors do: cell by cell, each wrapped to its column's width."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

    style = ParagraphStyle("cell", fontName="Helvetica", fontSize=10, leading=13)
    table = Table([[Paragraph(cell, style) for cell in row.split("|")] for row in rows], colWidths=widths)
    SimpleDocTemplate(str(path)).build(
        [Paragraph(LONG, style), Spacer(1, 20), table, Spacer(1, 20), Paragraph(LONG, style)]
    )
    return path


def write_placed(path: Path, *texts: tuple[float, float, str]) -> Path:
    """A PDF of one page with each text at its x and y, 10 points high."""
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=(600, 800))
    canvas.setFont("Helvetica", 10)
    for x, y, text in texts:
        canvas.drawString(x, y, text)
    canvas.save()
    return path


def test_a_table_row_with_wrapped_cells_is_one_line(tmp_path: Path) -> None:
    rows = [
        "Period|Monthly rent|Condition",
        "March 2025 to February 2026|940 euros|paid by transfer in the first five days",
        "March 2026 to February 2027|958 euros|as before",
        "March 2027 to February 2028|976 euros|still to be confirmed",
    ]
    document = pdf.parse(write_table(tmp_path / "a.pdf", rows, [90, 90, 110]))
    assert texts(document, "table") == ["\n".join(row.replace("|", "  ") for row in rows)]
    assert texts(document, "paragraph") == [LONG, LONG]


def test_a_label_of_two_lines_above_its_figures_is_one_row_and_a_section_s_name_is_none(tmp_path: Path) -> None:
    path = write_placed(
        tmp_path / "a.pdf",
        (50, 700, "Operating activities"),
        (50, 688, "Sales"), (300, 688, "$"), (310, 688, "10,123"), (355, 688, "$"), (390, 688, "9,876"),
        (50, 676, "Changes in assets and liabilities, net of"),
        (50, 664, "acquired assets"), (320, 664, "(207"), (341, 664, ")"), (400, 664, "12"),
        (50, 652, "Investing activities"),
        (50, 640, "Purchases of plant and of equipment, net"), (320, 640, "(93)"), (400, 640, "(5)"),
    )  # fmt: skip
    assert texts(pdf.parse(path), "table") == [
        "Sales  $ 10,123  $ 9,876\n"
        "Changes in assets and liabilities, net of acquired assets  (207 )  12\n"
        "Investing activities\n"
        "Purchases of plant and of equipment, net  (93)  (5)"
    ]


@pytest.mark.parametrize(
    "rows",
    [
        ["Ada Byron|analyst in the first team|London", "Grace Hopper|analyst in the second team|New York"],
        ["north|south", "east|west", "left|right"],
    ],
    ids=["sentences", "words"],
)
def test_rows_of_a_table_in_which_nothing_wraps_stay_apart(tmp_path: Path, rows: list[str]) -> None:
    spots = [
        (50 + 150 * at, 700 - 12 * y, cell) for y, row in enumerate(rows) for at, cell in enumerate(row.split("|"))
    ]
    path = write_placed(tmp_path / "a.pdf", *spots)
    assert texts(pdf.parse(path), "table") == ["\n".join(row.replace("|", "  ") for row in rows)]


def test_names_of_groups_of_columns_are_joined_to_those_of_the_columns(tmp_path: Path) -> None:
    path = write_placed(
        tmp_path / "a.pdf",
        (225, 724, "Three months"), (425, 724, "Six months"),
        (50, 712, "In millions"), (200, 712, "2022"), (290, 712, "2023"), (400, 712, "2022"), (490, 712, "2023"),
        (50, 700, "Sales"), (200, 700, "10.1"), (290, 700, "11.2"), (400, 700, "20.3"), (490, 700, "21.4"),
        (50, 688, "Costs"), (200, 688, "5.1"), (290, 688, "5.2"), (400, 688, "10.3"), (490, 688, "10.4"),
    )  # fmt: skip
    assert texts(pdf.parse(path), "table") == [
        "In millions  Three months 2022  Three months 2023  Six months 2022  Six months 2023\n"
        "Sales  10.1  11.2  20.3  21.4\nCosts  5.1  5.2  10.3  10.4"
    ]


def test_a_line_written_between_the_rows_of_a_table_is_not_lost(tmp_path: Path) -> None:
    path = write_placed(
        tmp_path / "a.pdf",
        (50, 750, "A note"), (50, 700, "north"), (200, 700, "south"),
        (300, 750, "beside it"), (50, 688, "east"), (200, 688, "west"),
    )  # fmt: skip
    read = " ".join(block.text for block in pdf.parse(path).blocks)
    assert sorted(read.split()) == ["A", "beside", "east", "it", "north", "note", "south", "west"]


@pytest.mark.parametrize("order", ["column by column", "line by line"])
def test_text_in_two_columns_is_no_table(tmp_path: Path, order: str) -> None:
    from reportlab.lib.utils import simpleSplit

    lines = simpleSplit(f"{LONG} {LONG} {LONG}", "Helvetica", 10, 220)
    spots = [(50 + 260 * column, 700 - 12 * y, line) for column in (0, 1) for y, line in enumerate(lines)]
    if order == "line by line":
        spots.sort(key=lambda spot: -spot[1])
    document = pdf.parse(write_placed(tmp_path / "a.pdf", *spots))
    assert texts(document, "table") == []
    assert document.blocks


def test_a_list_is_one_block_a_line_per_item(document: Document) -> None:
    assert texts(document, "list") == ["• Keep the receipt\n• Ask for the interest"]


def test_running_heads_and_page_numbers_are_left_out(document: Document) -> None:
    everything = "\n".join(block.text for block in document.blocks)
    assert "confidential" not in everything
    assert not [block for block in document.blocks if block.text.isdigit()]


def test_a_page_that_only_repeats_is_not_emptied(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "same.pdf", [[Item("p", "Background")]] * 5)
    assert texts(pdf.parse(path), "paragraph") == ["Background"] * 5


def test_a_span_points_at_the_block_s_characters_on_its_page(report: Path, document: Document) -> None:
    import pypdfium2

    with contextlib.closing(pypdfium2.PdfDocument(report)) as opened:
        for block in document.blocks:
            assert block.span is not None
            assert block.span.page == block.page
            page = opened[block.span.page - 1].get_textpage()
            raw = page.get_text_range(block.span.start, block.span.end - block.span.start)
            assert raw.split() == block.text.split()


def test_the_title_is_the_file_s_own_unless_a_program_left_it_there(tmp_path: Path, document: Document) -> None:
    assert document.title == "The lease"
    pages = [[Item("h1", "Real title"), Item("p", LONG)]]
    assert pdf.parse(write_pdf(tmp_path / "a.pdf", pages, title="Microsoft Word - a.doc")).title == "Real title"
    assert pdf.parse(write_pdf(tmp_path / "notes.pdf", [[Item("p", LONG)]], title="untitled")).title == ""
    filed = [[Item("h1", "UNITED STATES SECURITIES AND EXCHANGE COMMISSION"), Item("p", LONG)]]
    assert pdf.parse(write_pdf(tmp_path / "ACME_2022_10K.pdf", filed, title="0001018724-18-000005")).title == ""


def test_an_outline_makes_headings_of_plain_lines_and_gives_their_levels(tmp_path: Path) -> None:
    pages = [
        [Item("p", "Part one"), Item("p", "Chapter A"), Item("p", LONG)],
        [Item("p", "Chapter B"), Item("p", "Short and plain."), Item("p", LONG)],
    ]
    outline = [(0, "Part one", 1), (1, "Chapter A", 1), (1, "Chapter B", 2)]
    document = pdf.parse(write_pdf(tmp_path / "a.pdf", pages, outline=outline))
    assert texts(document, "heading") == ["Part one", "Chapter A", "Chapter B"]
    assert document.blocks[-1].headings == ("Part one", "Chapter B")


def test_fixed_pitch_lines_among_prose_are_code_with_their_line_breaks(tmp_path: Path) -> None:
    pages = [[Item("p", LONG), Item("mono", "def f():\nreturn 1"), Item("p", LONG)]]
    assert texts(pdf.parse(write_pdf(tmp_path / "a.pdf", pages)), "code") == ["def f():\nreturn 1"]


def test_a_word_hyphenated_at_the_line_end_is_mended(tmp_path: Path) -> None:
    lines = "The contract was con-\ncluded in spring, and the long-\nterm lease, the well-known long-term lease, ends."
    path = write_pdf(tmp_path / "a.pdf", [[Item("p", lines)]])
    document = pdf.parse(path)
    assert texts(document, "paragraph") == [
        "The contract was concluded in spring, and the long-term lease, the well-known long-term lease, ends."
    ]
    assert HYPHEN not in document.blocks[0].text


def test_a_password_protected_pdf_says_so(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", REPORT, user_password="secret")
    with pytest.raises(EncryptedError, match="password"):
        pdf.parse(path)


def test_a_pdf_encrypted_with_an_empty_password_opens(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", REPORT, user_password="", title="Open")
    document = pdf.parse(path)
    assert LONG in texts(document, "paragraph")
    assert document.title == "Open"


def test_pages_that_are_pictures_are_named(tmp_path: Path) -> None:
    document = pdf.parse(write_picture_pdf(tmp_path / "scan.pdf"))
    assert (document.blocks, document.unread) == ((), (1, 2))


def test_a_blank_page_gives_a_document_without_blocks(tmp_path: Path) -> None:
    document = pdf.parse(write_pdf(tmp_path / "blank.pdf", [[]]))
    assert (document.blocks, document.pages) == ((), 1)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:400], "end is missing"),
        (lambda data: b"just text", "does not begin"),
        (lambda data: b"%PDF-1.7\nrubbish\n%%EOF", "table of objects"),
    ],
    ids=["cut", "not-a-pdf", "rubbish"],
)
def test_a_damaged_pdf_names_what_is_wrong(tmp_path: Path, report: Path, damage, reason: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "bad.pdf"
    path.write_bytes(damage(report.read_bytes()))
    with pytest.raises(ParseError, match=reason):
        pdf.parse(path)


def _yellow(png: bytes) -> tuple[int, int, int, int] | None:
    """The rectangle around all highlighted pixels."""
    from PIL import Image, ImageChops

    red, _, blue = Image.open(io.BytesIO(png)).convert("RGB").split()
    return ImageChops.subtract(red, blue).point(lambda value: 255 if value > 60 else 0).getbbox()


def test_a_rendered_page_shows_nothing_marked_without_a_quote(report: Path) -> None:
    assert _yellow(pdf.render_page(report, 1)) is None


def test_a_rendered_page_marks_the_quote_where_it_stands(report: Path) -> None:
    import pypdfium2

    quote = "The notice period is ninety days."
    marked = _yellow(pdf.render_page(report, 3, [quote], scale=2.0))
    assert marked is not None
    with contextlib.closing(pypdfium2.PdfDocument(report)) as opened:
        page = opened[2]
        text_page = page.get_textpage()
        start = text_page.get_text_range().index(quote)
        boxes = [text_page.get_charbox(index, loose=True) for index in range(start, start + len(quote))]
        height = page.get_height()
    wanted = (
        2 * min(box[0] for box in boxes), 2 * (height - max(box[3] for box in boxes)),
        2 * max(box[2] for box in boxes), 2 * (height - min(box[1] for box in boxes)),
    )  # fmt: skip
    assert marked == pytest.approx(wanted, abs=3)


def test_letters_stay_black_under_the_marker(report: Path) -> None:
    from PIL import Image

    quote = "The notice period is ninety days."
    plain = Image.open(io.BytesIO(pdf.render_page(report, 3)))
    marked = Image.open(io.BytesIO(pdf.render_page(report, 3, [quote])))
    box = _yellow(pdf.render_page(report, 3, [quote]))
    assert plain.crop(box).convert("L").getextrema() == (0, 255)
    darkest, lightest = marked.crop(box).convert("L").getextrema()
    assert darkest == 0
    assert 200 < lightest < 255


def test_a_quote_over_two_lines_is_marked_in_both(report: Path) -> None:
    one_line = _yellow(pdf.render_page(report, 1, ["The landlord returns the deposit"]))
    two_lines = _yellow(pdf.render_page(report, 1, [LONG[:100]]))
    assert one_line is not None
    assert two_lines is not None
    assert two_lines[3] - two_lines[1] > 1.5 * (one_line[3] - one_line[1])


def test_of_a_repeated_quote_the_one_in_the_span_is_marked(tmp_path: Path) -> None:
    path = write_pdf(
        tmp_path / "a.pdf", [[Item("p", "Same words here."), Item("p", LONG), Item("p", "Same words here.")]]
    )
    last = pdf.parse(path).blocks[-1].span
    assert last is not None
    first = _yellow(pdf.render_page(path, 1, ["Same words here."]))
    second = _yellow(pdf.render_page(path, 1, ["Same words here."], [last]))
    elsewhere = _yellow(pdf.render_page(path, 1, ["Same words here."], [Span(2, last.start, last.end)]))
    assert first is not None
    assert second is not None
    assert second[1] > first[3]
    assert elsewhere == first


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_drawn_sideways_and_turned_is_read_and_marked_like_an_upright_one(
    tmp_path: Path, report: Path, document: Document, degrees: int
) -> None:
    turned = tmp_path / "turned.pdf"
    _turn(report, turned, degrees, -degrees)
    assert [block.text for block in pdf.parse(turned).blocks] == [block.text for block in document.blocks]
    quote = ["The notice period"]
    assert _yellow(pdf.render_page(turned, 3, quote)) == pytest.approx(
        _yellow(pdf.render_page(report, 3, quote)), abs=2
    )


def test_text_that_runs_up_the_page_keeps_its_tables(tmp_path: Path, report: Path, document: Document) -> None:
    sideways = tmp_path / "sideways.pdf"
    _turn(report, sideways, 270, 0)
    assert texts(pdf.parse(sideways), "table") == texts(document, "table")


def _turn(source: Path, target: Path, drawn: int, shown: int) -> None:
    """Draws the pages' content turned by `drawn` degrees, and lets the viewer turn the pages by `shown`."""
    import pypdf

    writer = pypdf.PdfWriter(clone_from=source)
    for page in writer.pages:
        page.rotate(drawn)
        page.transfer_rotation_to_content()
        page.rotate(shown)
    writer.write(target)


def test_a_page_that_is_not_there_is_named(report: Path) -> None:
    for page in (0, 4):
        with pytest.raises(UsageError, match=f"no page {page}"):
            pdf.render_page(report, page)


def test_a_huge_page_is_rendered_smaller(tmp_path: Path) -> None:
    from PIL import Image
    from reportlab.pdfgen.canvas import Canvas

    path = tmp_path / "poster.pdf"
    canvas = Canvas(str(path), pagesize=(14_000, 14_000))
    canvas.drawString(100, 100, "Poster")
    canvas.save()
    width, height = Image.open(io.BytesIO(pdf.render_page(path, 1))).size
    assert width * height <= pdf.MAX_PIXELS + 20_000


def test_an_unknown_encryption_is_said_to_be_one(tmp_path: Path) -> None:
    for name in ("crypt-unknown.pdf", "crypt-v99.pdf"):
        (tmp_path / "a.pdf").write_bytes(hostile.pdfs()[name]())
        with pytest.raises(EncryptedError, match=r"encrypted|password"):
            pdf.parse(tmp_path / "a.pdf")


def test_too_many_pages_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(hostile.pdfs()["pages-100000.pdf"]())
    with pytest.raises(TooLargeError, match="100,000 pages; 5,000 are allowed"):
        pdf.parse(tmp_path / "a.pdf")


def test_a_letter_that_stands_for_half_a_million_is_read_in_linear_time(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(hostile.pdfs()["cmap-long.pdf"]())
    started = time.monotonic()
    assert sum(len(block.text) for block in pdf.parse(tmp_path / "a.pdf").blocks) > 400_000
    assert time.monotonic() - started < 10


def write_form(path: Path) -> Path:
    """A page with a form: two fields filled in, one of them named in the text before it, one empty, two boxes."""
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=(600, 800))
    canvas.drawString(50, 700, "Tenant:")
    canvas.drawString(220, 640, "I keep a dog")
    form = canvas.acroForm
    form.textfield(name="f1", value="Ada Byron", x=120, y=695, width=150, height=20)
    form.textfield(name="f2", tooltip="Monthly rent", value="940 euros", x=120, y=665, width=150, height=20)
    form.textfield(name="f3", tooltip="Deposit", value="", x=320, y=665, width=150, height=20)
    form.checkbox(name="c1", checked=True, x=200, y=638, size=14)
    form.checkbox(name="c2", tooltip="I smoke", checked=False, x=200, y=600, size=14)
    canvas.save()
    return path


def test_what_is_filled_in_a_form_is_read_with_its_label(tmp_path: Path) -> None:
    blocks = pdf.parse(write_form(tmp_path / "a.pdf")).blocks
    assert blocks[-1].text == "Tenant: Ada Byron\nMonthly rent: 940 euros\n☒ I keep a dog"
    assert blocks[-1].page == 1


def test_attached_files_and_comments_are_notes(tmp_path: Path, report: Path) -> None:
    import pypdf
    from pypdf.annotations import Text

    writer = pypdf.PdfWriter(clone_from=report)
    writer.add_attachment("budget.csv", b"1;2")
    writer.add_attachment("plan.pdf", b"%PDF-")
    writer.add_annotation(1, Text(text="Ask Ada\nabout this", rect=(50, 550, 200, 650)))
    writer.write(tmp_path / "a.pdf")
    notes = [(block.page, block.text) for block in pdf.parse(tmp_path / "a.pdf").blocks if block.kind == "note"]
    assert notes == [(2, "Ask Ada about this"), (None, "Attached files: budget.csv, plan.pdf")]


def test_a_protected_pdf_opens_with_its_password_only(tmp_path: Path, document: Document) -> None:
    path = write_pdf(
        tmp_path / "a.pdf", REPORT, title="The lease", head="Acme Homes, confidential", numbers=True,
        user_password="secret",
    )  # fmt: skip
    assert pdf.parse(path, password="secret").blocks == document.blocks
    assert pdf.parse(path, password="secret").title == "The lease"
    assert pdf.render_page(path, 1, password="secret").startswith(b"\x89PNG")
    with pytest.raises(EncryptedError, match="password does not open"):
        pdf.parse(path, password="Secret")


def test_dates_are_those_of_the_calendar(document: Document) -> None:
    from datetime import datetime

    assert datetime.fromisoformat(document.metadata["created"]).year >= 2020
    assert pdf._iso("D:20201002001208Z") == "2020-10-02T00:12:08+00:00"
    assert pdf._iso("D:199812231952-08'00'") == "1998-12-23T19:52:00-08:00"
    assert (pdf._iso("D:2001"), pdf._iso("in May")) == ("2001", "in May")


def write_fonts(path: Path, *lines: tuple[float, str, float, str]) -> Path:
    """A PDF of one page with each text at its height in its font and size."""
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=(600, 800))
    for y, font, size, text in lines:
        canvas.setFont(font, size)
        canvas.drawString(50, y, text)
    canvas.save()
    return path


def test_a_line_in_another_font_than_the_text_below_it_is_a_heading(tmp_path: Path) -> None:
    words = LONG.split()
    text, italic = "Times-Roman", "Times-Italic"
    path = write_fonts(
        tmp_path / "a.pdf",
        (700, text, 10, " ".join(words[:12])), (688, text, 10, " ".join(words[12:18]) + "."),
        (670, italic, 10, "What is kept back"),
        (658, text, 10, "What " + " ".join(words[5:16])), (646, text, 10, " ".join(words[16:])),
        (634, italic, 10, "and this goes on in italics"), (622, text, 10, "to the end of the sentence."),
    )  # fmt: skip
    assert texts(pdf.parse(path), "heading") == ["What is kept back"]


def test_small_print_with_a_mark_at_the_foot_is_a_note(tmp_path: Path) -> None:
    path = write_fonts(
        tmp_path / "a.pdf",
        *((700 - 12 * n, "Times-Roman", 10, LONG[:80]) for n in range(5)),
        (90, "Times-Roman", 8, "1 The first of the notes, which needs more than one line"),
        (80, "Times-Roman", 8, "of small print."),
        (70, "Times-Roman", 8, "2 The second."),
    )
    assert texts(pdf.parse(path), "note") == [
        "1 The first of the notes, which needs more than one line of small print.", "2 The second.",
    ]  # fmt: skip


def test_a_table_with_rulings_is_read_cell_by_cell(tmp_path: Path) -> None:
    from reportlab.lib import colors
    from reportlab.platypus import SimpleDocTemplate, Table

    rows = [["Item", "Cost", ""], ["", "2023", "2024"], ["Rent\nand heating", "940", "958"], ["Water", "31", "33"]]
    style = [("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("SPAN", (1, 0), (2, 0)), ("SPAN", (0, 0), (0, 1))]
    SimpleDocTemplate(str(tmp_path / "a.pdf")).build([Table(rows, colWidths=[80, 40, 40], style=style)])
    assert texts(pdf.parse(tmp_path / "a.pdf"), "table") == [
        "Item  Cost 2023  Cost 2024\nRent and heating  940  958\nWater  31  33"
    ]


def test_glyphs_without_a_meaning_are_left_out_and_ligatures_spelled_out(tmp_path: Path) -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))  # reportlab's own
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.setFont("Vera", 12)
    canvas.drawString(50, 700, "The \ue000 office\ue001 opens\xa0at")
    canvas.drawString(50, 686, "nine and is \ufb01nally closed at five.")
    canvas.save()
    text = " ".join(block.text for block in pdf.parse(tmp_path / "a.pdf").blocks)
    assert text == "The office opens at nine and is finally closed at five."


def test_words_stand_where_their_characters_do_on_a_page_of_thousands(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(2000, 1000))
    for row in range(60):
        for column in range(40):
            canvas.drawString(20 + 48 * column, 980 - 16 * row, f"{row}{column} ")
    canvas.save()
    with pdf._open((tmp_path / "a.pdf").read_bytes(), None) as opened:
        reader = pdf._PageReader(opened[0])
        words = reader._words()
        assert len(words.texts) > 2 * pdf.MOST_ROWS
        for at in range(0, len(words.texts), 100):
            first, last = reader.box(int(words.start[at])), reader.box(int(words.end[at]) - 1)
            found = words.x0[at], words.bottom[at], words.x1[at], words.top[at]
            assert found == (first.left, first.bottom, last.right, first.top)
        reader.close()


def test_garbage_is_collected_again_once_a_pdf_is_read(tmp_path: Path, report: Path) -> None:
    pdf.parse(report)
    assert gc.isenabled()
    (tmp_path / "a.pdf").write_bytes(b"none")
    with pytest.raises(ParseError):
        pdf.parse(tmp_path / "a.pdf")
    assert gc.isenabled()


def test_spaced_out_letters_are_words(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(50, 700, "ANNUAL REPORT", charSpace=6)
    canvas.save()
    assert [block.text for block in pdf.parse(tmp_path / "a.pdf").blocks] == ["ANNUAL REPORT"]


@pytest.mark.needs_shared
def test_arabic_is_read_in_the_order_it_is_spoken() -> None:
    """Letters of a ligature in their order, a space after Latin words, cells from right to left."""
    folder = shared_data("documents", "docling", "pdf", "sources")
    first = pdf.parse(folder / "right_to_left_01.pdf").blocks
    assert first[0].text == "تحسين الإنتاجية وحل المشكلات من خلال البرمجة بلغة R وPython"
    assert "Python من الأدوات القوية" in first[1].text
    third = "\n".join(block.text for block in pdf.parse(folder / "right_to_left_03.pdf").blocks)
    assert third.index("تاريخ ارائه مدارک") < third.index("1403/09/19") < third.index("تاريخ پذيرش")


@pytest.mark.needs_shared
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_copy_ends_in_a_document_or_a_reason(tmp_path: Path, damage: str) -> None:
    import random

    choose = random.Random(damage)
    folder = shared_data("documents", "py-pdf-sample-files")
    for path in sorted(folder.rglob("*.pdf")):
        data = bytearray(path.read_bytes()[:300_000])
        if damage == "cut":
            del data[choose.randrange(len(data)) :]
        else:
            for _ in range(20):
                data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        (tmp_path / "a.pdf").write_bytes(data)
        with contextlib.suppress(ParseError):
            assert pdf.parse(tmp_path / "a.pdf").pages


@pytest.mark.needs_shared
def test_the_boxes_of_a_quote_cover_its_words_and_no_others() -> None:
    """Of 200 blocks of filings; the characters under the boxes are read from the page."""
    import random

    import pypdfium2

    folder = shared_data("qa", "financebench", "pdfs")
    exact = count = 0
    for name in (
        "AMCOR_2022_8K_dated-2022-07-01.pdf",
        "FOOTLOCKER_2022_8K_dated_2022-08-19.pdf",
        "AMCOR_2023Q2_10Q.pdf",
    ):
        quotes = [block for block in pdf.parse(folder / name).blocks if block.span]
        with contextlib.closing(pypdfium2.PdfDocument(folder / name)) as opened:
            for block in random.Random(0).sample(quotes, min(70, len(quotes))):
                assert block.page is not None
                reader = pdf._PageReader(opened[block.page - 1], as_shown=True)
                chars = reader.chars()
                boxes = locate(chars, block.text, [block.span] if block.span else [])
                under = "".join(
                    char for char, box in zip(chars.text, chars.boxes, strict=True)
                    if any(_holds(rectangle, box) for rectangle in boxes)
                )  # fmt: skip
                exact += sorted(_letters(under)) == sorted(_letters(block.text))
                count += 1
    assert count >= 200
    assert exact / count >= 0.97


def _holds(rectangle: Box, box: Box) -> bool:
    x, y = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    inside = rectangle.left <= x <= rectangle.right and rectangle.bottom <= y <= rectangle.top
    return box.right > box.left and inside


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
