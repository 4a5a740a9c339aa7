import contextlib
import random
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError
from ingest.parse import opendocument as parser
from tests.documents import write_zip
from tests.ingest.parse.test_docx import zip_entries
from tests.office_files import write_opendocument


def read(tmp_path: Path, text: str, styles: str = "") -> list[tuple[str, str]]:
    """The blocks of a text document."""
    path = write_opendocument(tmp_path / "a.odt", f"<office:text>{text}</office:text>", styles)
    return [(block.kind, block.text) for block in parser.parse(path).blocks]


def test_a_document_is_its_headings_and_paragraphs(tmp_path: Path) -> None:
    text = (
        '<text:p text:style-name="P1">House rules</text:p><text:h text:outline-level="1">Rent</text:h>'
        "<text:p>Due on  the<text:s/>first<text:line-break/>of May.</text:p>"
        '<text:section><text:h text:outline-level="2">Deposit</text:h><text:p>1,200 <text:span>euros</text:span>.'
        "</text:p></text:section>"
    )
    styles = '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>'
    styles += '<style:style style:name="Title" style:family="paragraph"/>'
    meta = (
        "<office:meta><meta:initial-creator>Ada</meta:initial-creator><meta:keyword>rent</meta:keyword></office:meta>"
    )
    body = f"<office:text>{text}</office:text>"
    document = parser.parse(write_opendocument(tmp_path / "a.odt", body, styles, meta=meta))
    assert document.title == "House rules"
    assert document.metadata == {"author": "Ada", "keywords": "rent"}
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "House rules", ()),
        ("heading", "Rent", ("House rules",)),
        ("paragraph", "Due on the first\nof May.", ("House rules", "Rent")),
        ("heading", "Deposit", ("House rules", "Rent")),
        ("paragraph", "1,200 euros.", ("House rules", "Rent", "Deposit")),
    ]


NUMBERS = (
    '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")" '
    'text:display-levels="2"/></text:list-style><text:list-style style:name="B">'
    '<text:list-level-style-bullet text:level="1"/></text:list-style>'
)


def test_items_have_their_numbers_or_bullets(tmp_path: Path) -> None:
    inner = "<text:list><text:list-item><text:p>Below</text:p></text:list-item></text:list>"
    item = "<text:list-item><text:p>{}</text:p>{}</text:list-item>"
    first = f'<text:list text:style-name="L">{item.format("One", inner)}{item.format("Two", "")}</text:list>'
    bullets = f'<text:list text:style-name="B">{item.format("Dot", "<text:p>More.</text:p>")}</text:list>'
    again = f'<text:list text:style-name="L">{item.format("Anew", "")}</text:list>'
    goes_on = again.replace("<text:list ", '<text:list text:continue-numbering="true" ').replace("Anew", "On")
    gap = "<text:p>Gap.</text:p>"
    assert read(tmp_path, gap.join([first, bullets, again, goes_on]), NUMBERS)[::2] == [
        ("list", "1. One\n  1.a) Below\n2. Two"),
        ("list", "- Dot\n  More."),
        ("list", "1. Anew"),
        ("list", "2. On"),
    ]


def test_tables_fill_merged_cells_and_count_repeated_ones(tmp_path: Path) -> None:
    def cell(text: str, kind: str = "", count: int = 1) -> str:
        attribute = f'table:number-{kind}="{count}"' if kind else ""
        return f"<table:table-cell {attribute}><text:p>{text}</text:p></table:table-cell>"

    def row(*cells: str) -> str:
        return f"<table:table-row>{''.join(cells)}</table:table-row>"

    covered = "<table:covered-table-cell/>"
    header = row(cell("Floor"), cell("Rooms", "columns-spanned", 2), covered)
    rows = [
        f"<table:table-header-rows>{header}</table:table-header-rows>",
        row(cell("First", "rows-spanned", 2), cell("a"), cell("1")),
        row(covered, cell("b", "columns-repeated", 2)),
    ]
    assert read(tmp_path, f"<table:table>{''.join(rows)}</table:table>") == [
        ("table", "Floor  Rooms  Rooms\nFirst  a  1\nFirst  b  b")
    ]


def test_notes_and_comments_follow_their_paragraph_and_deletions_are_left_out(tmp_path: Path) -> None:
    text = (
        "<text:tracked-changes><text:deletion><text:p>Gone.</text:p></text:deletion></text:tracked-changes>"
        "<text:p>Due in May<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Or June."
        "</text:p></text:note-body></text:note>.<office:annotation><dc:creator>Ada</dc:creator>"
        "<dc:date>2024-05-01T10:00:00</dc:date><text:p>Which year?</text:p></office:annotation></text:p>"
    )
    assert read(tmp_path, text) == [
        ("paragraph", "Due in May."),
        ("note", "Or June."),
        ("note", "Ada, 2024-05-01: Which year?"),
    ]


def test_text_boxes_and_forms_are_read(tmp_path: Path) -> None:
    text = (
        '<office:forms><form:form><form:text form:id="c1" form:label="Name" form:current-value="Alice"/></form:form>'
        "</office:forms><text:p>Beside.<draw:frame><draw:text-box><text:p>In the box.</text:p></draw:text-box>"
        '</draw:frame></text:p><text:p><draw:control draw:control="c1"/></text:p>'
    )
    assert read(tmp_path, text) == [("paragraph", "Beside."), ("paragraph", "In the box."), ("paragraph", "Name Alice")]


def test_a_slide_is_a_page_under_its_title_with_its_notes(tmp_path: Path) -> None:
    def frame(text: str, top: int, kind: str = "outline") -> str:
        return (
            f'<draw:frame presentation:class="{kind}" svg:x="1cm" svg:y="{top}cm" svg:width="9cm" svg:height="2cm">'
            f"<draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
        )

    notes = f"<presentation:notes>{frame('Slowly.', 1, 'notes')}</presentation:notes>"
    page = f"<draw:page>{frame('Below', 9)}{frame('Above', 5)}{frame('Budget', 1, 'title')}{notes}</draw:page>"
    path = write_opendocument(tmp_path / "a.odp", f"<office:presentation>{page}{page}</office:presentation>")
    document = parser.parse(path)
    assert (document.title, document.pages, document.media_type) == ("Budget", 2, parser.SLIDES_TYPE)
    assert [(block.kind, block.text, block.page) for block in document.blocks][4:] == [
        ("heading", "Budget", 2),
        ("paragraph", "Above", 2),
        ("paragraph", "Below", 2),
        ("note", "Slowly.", 2),
    ]


def test_a_password_protected_document_says_so(tmp_path: Path) -> None:
    entries = zip_entries(write_opendocument(tmp_path / "a.odt", "<office:text/>"))
    manifest = b'<manifest:manifest xmlns:manifest="m"><manifest:encryption-data/></manifest:manifest>'
    with pytest.raises(EncryptedError, match="password"):
        parser.parse(write_zip(tmp_path / "b.odt", entries | {"META-INF/manifest.xml": manifest}))


def test_a_file_without_content_or_nested_without_end_says_so(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="lacks its part"):
        parser.parse(write_zip(tmp_path / "a.odt", {"hello.txt": b"hello"}))
    with pytest.raises(ParseError, match="nested too deeply"):
        read(tmp_path, "<text:section>" * 5000 + "<text:p>Deep.</text:p>" + "</text:section>" * 5000)


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_part_ends_in_a_document_or_a_reason(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    text = (
        '<office:text><text:list text:style-name="L"><text:list-item><text:p>One</text:p></text:list-item></text:list>'
    )
    entries = zip_entries(write_opendocument(tmp_path / "a.odt", f"{text}</office:text>", NUMBERS))
    data = bytearray(entries["content.xml"])
    for _ in range(4):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(ParseError):
        parser.parse(write_zip(tmp_path / "b.odt", {"content.xml": bytes(data)}))
