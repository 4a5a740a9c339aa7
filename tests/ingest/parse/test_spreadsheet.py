import contextlib
import csv
import random
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError, TooLargeError
from ingest.parse import spreadsheet as parser
from ingest.parse.package import OLE
from ingest.types import Document
from tests.documents import write_zip
from tests.ingest.parse.test_docx import CHART, zip_entries
from tests.office_files import anchor, write_workbook


def texts(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


def read(tmp_path: Path, *rows: list[str | float | None], **options: str) -> list[tuple[str, str]]:
    """The blocks of a workbook with one sheet, after the sheet's name."""
    return texts(parser.parse(write_workbook(tmp_path / "a.xlsx", {"Sheet": list(rows)}, **options)))[1:]


def read_text(tmp_path: Path, text: str | bytes, name: str = "a.csv") -> list[tuple[str, str]]:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return texts(parser.parse(tmp_path / name))


def text_box(text: str) -> str:
    return f"<sp><txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></txBody></sp>"


def test_a_sheet_is_a_page_under_its_name(tmp_path: Path) -> None:
    sheets = {"Rent": [["Month", "Euros"], ["May", 900.0]], "Empty": [], "Notes": [["Paid late."]]}
    document = parser.parse(write_workbook(tmp_path / "a.xlsx", sheets))
    assert document.pages == 3
    assert [(block.kind, block.text, block.page, block.headings) for block in document.blocks] == [
        ("heading", "Rent", 1, ()),
        ("table", "Month  Euros\nMay  900", 1, ("Rent",)),
        ("heading", "Empty", 2, ()),
        ("heading", "Notes", 3, ()),
        ("paragraph", "Paid late.", 3, ("Notes",)),
    ]


def test_each_kind_is_called_what_its_bytes_are(tmp_path: Path) -> None:
    assert parser.parse(write_workbook(tmp_path / "a.xlsx", {"A": [["a"]]})).media_type == parser.MEDIA_TYPE
    (tmp_path / "a.tsv").write_text("a\tb\n1\t2\n", encoding="utf-8")
    assert parser.parse(tmp_path / "a.tsv").media_type == "text/tab-separated-values"


def test_values_are_written_as_a_sheet_shows_them(tmp_path: Path) -> None:
    row = ["@2024-05-01", "@2024-05-01T10:30:00", 0.1 + 0.2, 1200.0, True, "two\nlines"]
    assert read(tmp_path, ["day", "time", "sum", "whole", "paid", "text"], row)[0][1].splitlines()[1] == (
        "2024-05-01  2024-05-01 10:30:00  0.3  1200  TRUE  two lines"
    )


@pytest.mark.parametrize(("code", "shown"), [("0%", "13%"), ("0.0%", "12.5%"), ("0.00", "0.1251")])
def test_percentages_are_shown_as_such(tmp_path: Path, code: str, shown: str) -> None:
    styles = (
        f'<numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs>'
    )
    assert read(tmp_path, ["Year", "Growth"], ["2024", "%0.1251"], styles=styles) == [
        ("table", f"Year  Growth\n2024  {shown}")
    ]


def test_a_line_over_a_table_is_its_heading_with_or_without_a_gap(tmp_path: Path) -> None:
    table: list[list[str | float | None]] = [["Year", "Ducks"], ["2019", 120.0], ["2020", 130.0]]
    for gap in ([], [[None]]):
        assert read(tmp_path, ["Ducks seen"], *gap, *table) == [
            ("heading", "Ducks seen"),
            ("table", "Year  Ducks\n2019  120\n2020  130"),
        ]


def test_merged_cells_stand_in_each_row_they_cover_and_two_header_rows_become_one(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [
        ["Floor", "Rooms", None], [None, "small", "large"], ["First", 1.0, 2.0], [None, 3.0, 4.0]
    ]  # fmt: skip
    assert read(tmp_path, *rows, merged="A1:A2 B1:C1 A3:A4") == [
        ("table", "Floor  Rooms small  Rooms large\nFirst  1  2\nFirst  3  4")
    ]


def test_a_row_of_equal_cells_is_no_title_but_a_merged_one_is(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [["Ada", "Bo"], ["x", "x"], ["yes", "yes"]]
    assert read(tmp_path, ["x", "x"], ["no", 1.0], *rows) == [("table", "x  x\nno  1\nAda  Bo\nx  x\nyes  yes")]
    assert read(tmp_path, ["Guests", None], *rows, merged="A1:B1") == [
        ("heading", "Guests"),
        ("table", "Ada  Bo\nx  x\nyes  yes"),
    ]


def test_tables_below_and_beside_each_other_are_apart(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [
        ["a", "b", None, None, None], ["1", 2.0, None, "c", "d"], ["3", 4.0, None, "5", 6.0], [None],
        [None, None, None, "7", 8.0], [None], ["e", "f", "g"], ["x", "y", 9.0]
    ]  # fmt: skip
    assert read(tmp_path, *rows) == [
        ("table", "a  b\n1  2\n3  4"),
        ("table", "c  d\n5  6\n7  8"),
        ("table", "e  f  g\nx  y  9"),
    ]


def test_rows_after_a_gap_keep_the_header_above_it(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [["Month", "Euros"], ["May", 1.0], ["June", 2.0], [None], ["Sum", 3.0]]
    assert read(tmp_path, *rows) == [("table", "Month  Euros\nMay  1\nJune  2\nSum  3")]


def test_a_header_over_a_gap_belongs_to_the_figures_below(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [
        ["In millions", "2023", "2022"], [None, "restated", "audited"], [None], ["Sales", 5.0, 4.0],
        ["Profit", 2.0, 1.0]
    ]  # fmt: skip
    assert read(tmp_path, *rows) == [("table", "In millions  2023 restated  2022 audited\nSales  5  4\nProfit  2  1")]


def test_a_column_of_labels_stays_with_its_rows(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [["Voltage", None, "kV", 130.0], ["Frequency", None, "Hz", 50.0]]
    assert read(tmp_path, *rows) == [("table", "Voltage    kV  130\nFrequency    Hz  50")]


def test_a_text_box_on_a_sheet_is_read(tmp_path: Path) -> None:
    box = text_box("As of </a:t></a:r><a:r><a:t>May.")
    older = f"<mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    for drawing in (anchor(0, box), f"<absoluteAnchor>{box}</absoluteAnchor>", anchor(0, older)):
        assert read(tmp_path, ["a", "b"], ["c", "d"], drawing=drawing) == [
            ("table", "a  b\nc  d"),
            ("paragraph", "As of May."),
        ]


def test_what_stands_on_a_sheet_is_read_under_the_heading_above_it(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [
        ["Income"], ["Month", "Euros"], ["May", 1.0], [None], ["Spending"], ["Month", "Euros"], ["May", 2.0]
    ]  # fmt: skip
    comments = (
        "<authors/><commentList><comment ref='B3'><text><t>Low.</t></text></comment>"
        "<comment ref='B7'><text><t>High.</t></text></comment></commentList>"
    )
    drawing = anchor(5, text_box("Below")) + anchor(2, text_box("Beside")) + anchor(0, '<c:chart r:id="c"/>')
    path = write_workbook(tmp_path / "a.xlsx", {"S": rows}, comments=comments, drawing=drawing, chart=CHART)
    assert [(block.text, block.headings[1:]) for block in parser.parse(path).blocks[1:]] == [
        ("Income", ()),
        ("Month  Euros\nMay  1", ("Income",)),
        ("Ducks", ("Income",)),
        ("  Fresh\n2019  4.3", ("Income",)),
        ("Beside", ("Income",)),
        ("Low.", ("Income",)),
        ("Spending", ()),
        ("Month  Euros\nMay  2", ("Spending",)),
        ("Below", ("Spending",)),
        ("High.", ("Spending",)),
    ]


def test_comments_of_newer_and_older_programs_are_each_read_once(tmp_path: Path) -> None:
    threads = "<c ref='A2' dT='2026-05-01T10:00' personId='p' id='{1}'><text>Sure?</text></c>"
    threads += "<c ref='A2' personId='q' id='{2}' parentId='{1}'><text>Yes.</text></c>"
    comments = (
        "<authors><author>Ada</author><author>tc={1}</author></authors><commentList>"
        "<comment ref='A2' authorId='1'><text><t>Your version of Excel ... Sure?</t></text></comment>"
        "<comment ref='B2' authorId='0'><text><t>Too low.</t></text></comment></commentList>"
    )
    people = "<person displayName='Bo' id='p'/><person displayName='Cy' id='q'/>"
    found = read(tmp_path, ["a", "b"], ["c", 1.0], comments=comments, threads=threads, people=people)
    assert found[1:] == [("note", "Bo, 2026-05-01: Sure?"), ("note", "Cy: Yes."), ("note", "Ada: Too low.")]


def test_comments_are_notes_and_charts_tables(tmp_path: Path) -> None:
    comments = (
        "<authors><author>Ada</author></authors><commentList><comment ref='A1' authorId='0'>"
        "<text><t>Too low?</t></text></comment></commentList>"
    )
    drawing = anchor(0, '<c:chart r:id="c"/>')
    assert read(tmp_path, ["a", "b"], ["c", 1.0], comments=comments, chart=CHART, drawing=drawing)[1:] == [
        ("caption", "Ducks"),
        ("table", "  Fresh\n2019  4.3"),
        ("note", "Ada: Too low?"),
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", "a  b\n1  2"),
        ("a;b\n1,5;2,5\n", "a  b\n1,5  2,5"),
        ("a\tb\n1\t2\n", "a  b\n1  2"),
        ("a|b\n1|2\n", "a  b\n1  2"),
        ('name,says\nAda,"one, two\nthree"\n', "name  says\nAda  one, two three"),
        ("a,b\n1,2,3\n4\n", "a  b\n1  2  3\n4"),
        ("alone\n1\n2\n", "alone\n1\n2"),
        ("a,b,c\n1,,3\n", "a  b  c\n1    3"),
        ('size,"n\n' + "1,2\n" * 200, 'size  "n\n' + "\n".join(["1  2"] * 200)),
    ],
    ids=["comma", "semicolon", "tab", "bar", "quoted", "uneven", "single", "empty-cell", "stray-quote"],
)
def test_a_text_of_cells_is_one_table_with_its_header_first(tmp_path: Path, text: str, rows: str) -> None:
    assert read_text(tmp_path, text) == [("table", rows)]


def test_lines_before_the_header_of_a_text_of_cells_stand_before_it(tmp_path: Path) -> None:
    assert read_text(tmp_path, "Exported in May\na,b,c\n1,2,3\n") == [
        ("paragraph", "Exported in May"),
        ("table", "a  b  c\n1  2  3"),
    ]


def test_a_long_cell_is_read_and_the_csv_module_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    assert read_text(tmp_path, f"a,b\n{'x' * 200_000},2\n") == [("table", f"a  b\n{'x' * 200_000}  2")]
    assert csv.field_size_limit() == before


def test_a_text_of_cells_may_have_any_encoding(tmp_path: Path) -> None:
    assert read_text(tmp_path, "año;niño\n1;2\n".encode("utf-16")) == [("table", "año  niño\n1  2")]


def test_a_web_page_named_xls_is_read_as_one(tmp_path: Path) -> None:
    page = "<html><body><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table></body></html>"
    assert read_text(tmp_path, page, "a.xls") == [("table", "a  b\n1  2")]


def test_what_is_protected_damaged_or_a_bomb_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600))
    with pytest.raises(EncryptedError, match="password"):
        parser.parse(path)
    path.write_bytes(OLE + bytes(600))
    with pytest.raises(ParseError, match="no readable spreadsheet"):
        parser.parse(path)
    with pytest.raises(ParseError, match="no readable spreadsheet"):
        parser.parse(write_zip(path, {"hello.txt": b"hello"}))
    with pytest.raises(TooLargeError, match="inflates"):
        parser.parse(write_zip(path, {f"part{n}": bytes(2_000_000) for n in range(20)}))


def test_a_cell_at_the_far_end_of_a_sheet_does_not_exhaust_memory(tmp_path: Path) -> None:
    assert read(tmp_path, ["a", "b"], ["=B900"]) == [("table", "a  b"), ("paragraph", "1")]
    with pytest.raises(TooLargeError, match="1,048,576 rows and 16,384 columns"):
        read(tmp_path, ["a", "b"], ["=XFD1048576"])


def test_a_sheet_may_show_few_texts_in_many_cells(tmp_path: Path) -> None:
    entries = zip_entries(write_workbook(tmp_path / "a.xlsx", {"A": [["a", "b"], ["c", "d"]]}))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    texts = f'<sst xmlns="{main}" count="9999999" uniqueCount="1"><si><t>a</t></si></sst>'.encode()
    path = write_zip(tmp_path / "b.xlsx", entries | {"xl/sharedStrings.xml": texts})
    assert "a  b\nc  d" in [block.text for block in parser.parse(path).blocks]


def test_a_claim_of_more_texts_than_there_are_does_not_exhaust_memory(tmp_path: Path) -> None:
    entries = zip_entries(write_workbook(tmp_path / "a.xlsx", {"A": [["a"]]}))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    texts = f'<sst xmlns="{main}" count="99999999999" uniqueCount="99999999999"><si><t>a</t></si></sst>'.encode()
    with pytest.raises(ParseError, match="claims more than it has"):
        parser.parse(write_zip(tmp_path / "b.xlsx", entries | {"xl/sharedStrings.xml": texts}))


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_part_ends_in_a_document_or_a_reason(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    entries = zip_entries(write_workbook(tmp_path / "a.xlsx", {"A": [["a", 1.0], ["b", 2.0]]}, merged="A1:A2"))
    name = chance.choice(sorted(name for name in entries if name.endswith(".xml")))
    data = bytearray(entries[name])
    for _ in range(5):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(ParseError):
        parser.parse(write_zip(tmp_path / "b.xlsx", entries | {name: bytes(data)}))
