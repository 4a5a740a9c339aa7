import contextlib
import random
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError
from ingest.parse import slides as parser
from ingest.parse.package import OLE
from tests.documents import write_zip
from tests.ingest.parse.test_docx import CHART, zip_entries
from tests.office_files import item, shape, write_slides

TITLE = shape("Budget 2025", kind="title")


def texts(path: Path) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in parser.parse(path).blocks]


def test_a_slide_is_a_page_under_its_title(tmp_path: Path) -> None:
    slides = [TITLE + shape("One", "Two", kind="body", index=1), shape("No title here.", at=(0, 0, 5, 5))]
    document = parser.parse(write_slides(tmp_path / "a.pptx", slides))
    assert document.title == "Budget 2025"
    assert document.pages == 2
    assert [(block.kind, block.text, block.page, block.headings) for block in document.blocks] == [
        ("heading", "Budget 2025", 1, ()),
        ("list", "- One\n- Two", 1, ("Budget 2025",)),
        ("paragraph", "No title here.", 2, ()),
    ]


def test_the_speaker_s_notes_and_comments_are_notes(tmp_path: Path) -> None:
    comment = '<p:cm authorId="0" dt="2024-05-01T10:00:00"><p:text>Too dear?</p:text></p:cm>'
    path = write_slides(tmp_path / "a.pptx", [TITLE], notes="Say it slowly.", comments=comment)
    assert texts(path)[1:] == [("note", "Say it slowly."), ("note", "Ada, 2024-05-01: Too dear?")]


def test_shapes_are_read_by_their_place_columns_before_rows_and_groups_together(tmp_path: Path) -> None:
    right = shape("Right head", at=(50, 20, 40, 10)) + shape("Right text", at=(50, 40, 40, 40))
    left = shape("Left text", at=(0, 40, 40, 40)) + shape("Left head", at=(0, 20, 40, 10))
    group = (
        '<p:grpSp><p:nvGrpSpPr/><p:grpSpPr><a:xfrm><a:off x="0" y="90"/><a:ext cx="90" cy="9"/></a:xfrm></p:grpSpPr>'
        f"{shape('Second', at=(9, 5, 3, 3))}{shape('First', at=(1, 5, 3, 3))}</p:grpSp>"
    )
    path = write_slides(tmp_path / "a.pptx", [group + right + TITLE + left])
    assert [text for _, text in texts(path)] == [
        "Budget 2025", "Left head", "Left text", "Right head", "Right text", "First", "Second"
    ]  # fmt: skip


def test_numbers_bullets_and_their_absence_are_what_the_slide_shows(tmp_path: Path) -> None:
    numbered = '<a:buAutoNum type="arabicPeriod"/>'
    body = shape(
        item("Intro", "<a:buNone/>"), item("One", numbered), item("Two", numbered), "Bullet", kind="body", index=1
    )
    assert texts(write_slides(tmp_path / "a.pptx", [body])) == [
        ("paragraph", "Intro"),
        ("list", "1. One\n2. Two\n- Bullet"),
    ]


def test_tables_fill_their_merged_cells_and_charts_are_tables(tmp_path: Path) -> None:
    def cell(text: str, attributes: str = "") -> str:
        return f"<a:tc {attributes}><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>"

    rows = [
        cell("Year", 'rowSpan="2"') + cell("Ducks", 'gridSpan="2"') + cell("", 'hMerge="1"'),
        cell("", 'vMerge="1"') + cell("wild") + cell("tame"),
        cell("2024") + cell("3") + cell("4"),
    ]
    table = "".join(f"<a:tr>{row}</a:tr>" for row in rows)
    frame = f"<p:graphicFrame><a:graphic><a:tbl>{table}</a:tbl><c:chart r:id='rchart'/></a:graphic></p:graphicFrame>"
    assert texts(write_slides(tmp_path / "a.pptx", [frame], chart=CHART)) == [
        ("table", "Year  Ducks  Ducks\nYear  wild  tame\n2024  3  4"),
        ("caption", "Ducks"),
        ("table", "  Fresh\n2019  4.3"),
    ]


def test_slide_numbers_dates_and_feet_are_left_out(tmp_path: Path) -> None:
    frame = shape("7", kind="sldNum") + shape("May 2025", kind="dt") + shape("Confidential", kind="ftr")
    assert texts(write_slides(tmp_path / "a.pptx", [TITLE + frame])) == [("heading", "Budget 2025")]


def test_a_password_protected_presentation_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.pptx").write_bytes(OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600))
    with pytest.raises(EncryptedError, match="password"):
        parser.parse(tmp_path / "a.pptx")


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_part_ends_in_a_document_or_a_reason(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    entries = zip_entries(write_slides(tmp_path / "a.pptx", [TITLE, TITLE], notes="Aloud."))
    name = chance.choice(sorted(name for name in entries if name.endswith(".xml")))
    data = bytearray(entries[name])
    for _ in range(5):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(ParseError):
        parser.parse(write_zip(tmp_path / "b.pptx", entries | {name: bytes(data)}))
