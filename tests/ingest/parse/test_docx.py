import contextlib
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError, TooLargeError
from ingest.parse import archive
from ingest.parse import docx as parser
from ingest.types import Document
from tests import hostile
from tests.documents import lying_zip, write_docx, write_zip
from tests.office_files import W, p, write_word


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return parser.parse(write_docx(tmp_path_factory.mktemp("docx") / "rules.docx"))


def test_a_document_is_its_content_in_blocks_with_their_headings(document: Document) -> None:
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "House rules", ()),
        ("heading", "Rent", ("House rules",)),
        ("paragraph", "The rent is due on the first day of each month.", ("House rules", "Rent")),
        ("heading", "Deposit", ("House rules", "Rent")),
        ("paragraph", "The deposit is 1,200 euros.", ("House rules", "Rent", "Deposit")),
        ("list", "- Keep the receipt\n- Ask for the interest", ("House rules", "Rent", "Deposit")),
        ("heading", "Fees", ("House rules",)),
        ("table", "Service  Price\nLaundry  4.50\nParking  30", ("House rules", "Fees")),
    ]


def test_title_and_author_are_the_document_s_own(document: Document) -> None:
    assert document.title == "House rules"
    assert document.metadata["author"] == "Ada Byron"


def test_headings_by_outline_level_and_code_by_style_are_known(tmp_path: Path) -> None:
    import docx
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    word = docx.Document()
    for name, level in (("Chapter", 0), ("Part of it", 1)):
        style = word.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="{level}"/>'))
    word.styles.add_style("Derived", WD_STYLE_TYPE.PARAGRAPH).base_style = word.styles["Part of it"]
    word.styles.add_style("Code Block", WD_STYLE_TYPE.PARAGRAPH)
    paragraphs = [("One", "Chapter"), ("Two", "Derived"), ("x = 1", "Code Block"), ("    y = 2", "Code Block")]
    for text, style in paragraphs:
        word.add_paragraph(text, style=style)
    word.add_paragraph("So be it.")
    word.save(str(tmp_path / "a.docx"))
    assert [(block.kind, block.text, block.headings) for block in parser.parse(tmp_path / "a.docx").blocks] == [
        ("heading", "One", ()),
        ("heading", "Two", ("One",)),
        ("code", "x = 1\n    y = 2", ("One", "Two")),
        ("paragraph", "So be it.", ("One", "Two")),
    ]


def test_a_password_protected_document_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(parser.OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600))
    with pytest.raises(EncryptedError, match="password"):
        parser.parse(path)


def test_a_damaged_archive_or_document_says_so(tmp_path: Path) -> None:
    whole = write_docx(tmp_path / "a.docx").read_bytes()
    (tmp_path / "cut.docx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ParseError, match="archive is damaged"):
        parser.parse(tmp_path / "cut.docx")
    with pytest.raises(ParseError, match="no readable Word document"):
        parser.parse(write_zip(tmp_path / "other.docx", {"hello.txt": b"hello"}))


def test_a_bomb_is_refused_by_what_comes_out_of_it(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.docx", {f"part{n}": bytes(2_000_000) for n in range(20)})
    with pytest.raises(TooLargeError, match="inflates"):
        parser.parse(path)


def test_an_archive_whose_header_lies_about_its_size_is_refused() -> None:
    with pytest.raises(ParseError, match="archive is damaged"):
        archive.check(lying_zip(30_000_000))


def test_many_entries_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "many.docx", {str(n): b"" for n in range(archive.MAX_ENTRIES + 1)})
    with pytest.raises(TooLargeError, match="entries"):
        parser.parse(path)


def test_small_files_that_compress_well_are_no_bomb(tmp_path: Path) -> None:
    archive.check(write_zip(tmp_path / "a.zip", {"a": bytes(archive.RATIO_FROM - 1)}).read_bytes())


def test_entries_that_share_their_bytes_are_refused() -> None:
    with pytest.raises(ParseError, match="overlap"):
        archive.check(hostile.word_documents()["overlap.docx"]())


def test_a_document_type_in_any_part_is_refused_before_a_parser_sees_it(tmp_path: Path) -> None:
    cases = hostile.word_documents()
    entities = {name: make for name, make in cases.items() if name.startswith("entity-")}
    assert len(entities) > 10
    for make in entities.values():
        (tmp_path / "a.docx").write_bytes(make())
        with pytest.raises(ParseError, match="document type"):
            parser.parse(tmp_path / "a.docx")


def texts(path: Path) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in parser.parse(path).blocks]


NUMBERING = (
    '<w:abstractNum w:abstractNumId="7">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="7"/>'
    '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
)


def numbered(text: str, level: int = 0, list_id: int = 1, style: str = "") -> str:
    return p(text, style, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/></w:numPr>')


def test_items_have_the_numbers_that_word_shows(tmp_path: Path) -> None:
    items = [numbered("One"), numbered("Below", 1), numbered("Also", 1), p("Between."), numbered("Two")]
    items += [numbered("Below two", 1), p("And anew:"), numbered("First", 0, 2), numbered("Second", 0, 2)]
    assert texts(write_word(tmp_path / "a.docx", "".join(items), numbering=NUMBERING)) == [
        ("list", "1. One\n  1.a) Below\n  1.b) Also"),
        ("paragraph", "Between."),
        ("list", "2. Two\n  2.a) Below two"),
        ("paragraph", "And anew:"),
        ("list", "1. First\n2. Second"),
    ]


def test_a_numbered_heading_keeps_its_number(tmp_path: Path) -> None:
    styles = '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 1"/></w:style>'
    path = write_word(tmp_path / "a.docx", numbered("Scope", style="H"), numbering=NUMBERING, styles=styles)
    assert texts(path) == [("heading", "1. Scope")]


def test_styles_of_templates_are_known_by_their_names(tmp_path: Path) -> None:
    names = ("ChapterTitle", "HeadA", "HeadB", "Body", "ListBullet", "CodeListingCaption", "CodeWide", "Header")
    style = '<w:style w:type="paragraph" w:styleId="{0}"><w:name w:val="{0}"/></w:style>'
    styles = "".join(map(style.format, names))
    path = write_word(tmp_path / "a.docx", "".join(p(f"As {name}.", name) for name in names), styles=styles)
    assert [(block.kind, block.text, len(block.headings)) for block in parser.parse(path).blocks] == [
        ("heading", "As ChapterTitle.", 0),
        ("heading", "As HeadA.", 1),
        ("heading", "As HeadB.", 2),
        ("paragraph", "As Body.", 3),
        ("list", "- As ListBullet.", 3),
        ("caption", "As CodeListingCaption.", 3),
        ("code", "As CodeWide.", 3),
        ("paragraph", "As Header.", 3),
    ]


def test_insertions_are_read_and_deletions_and_hidden_text_are_not(tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>The rent is </w:t></w:r><w:del><w:r><w:delText>900</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>950</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t> secretly</w:t></w:r>"
        "<w:moveFrom><w:r><w:t> moved</w:t></w:r></w:moveFrom><w:r><w:t> euros.</w:t></w:r></w:p>"
    )
    assert texts(write_word(tmp_path / "a.docx", body)) == [("paragraph", "The rent is 950 euros.")]


def test_footnotes_and_comments_follow_their_paragraph_as_notes(tmp_path: Path) -> None:
    body = (
        '<w:p><w:r><w:t>Due in May.</w:t><w:footnoteReference w:id="2"/></w:r>'
        '<w:r><w:commentReference w:id="0"/></w:r></w:p>' + p("After.")
    )
    path = write_word(
        tmp_path / "a.docx",
        body,
        footnotes=f'<w:footnote w:id="2">{p("Or the first working day.")}</w:footnote>',
        comments=f'<w:comment w:id="0" w:author="Ada">{p("Which year?")}</w:comment>',
    )
    assert texts(path) == [
        ("paragraph", "Due in May."),
        ("note", "Or the first working day."),
        ("note", "Ada: Which year?"),
        ("paragraph", "After."),
    ]


def test_a_text_box_is_read_once_after_its_paragraph(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{p('In the box.')}</w:txbxContent>"
    body = (
        f"<w:p><w:r><w:t>Beside.</w:t><mc:AlternateContent><mc:Choice Requires='wps'><wps:txbx>{box}</wps:txbx>"
        f"</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert texts(write_word(tmp_path / "a.docx", body)) == [("paragraph", "Beside."), ("paragraph", "In the box.")]


def test_controls_and_form_fields_give_their_values(tmp_path: Path) -> None:
    body = (
        f"<w:sdt><w:sdtPr><w:alias w:val='Name'/></w:sdtPr><w:sdtContent>{p('Ada Byron')}</w:sdtContent></w:sdt>"
        "<w:p><w:r><w:fldChar w:fldCharType='begin'><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData>"
        "</w:fldChar></w:r><w:r><w:instrText>FORMCHECKBOX</w:instrText></w:r><w:r><w:t>Agreed</w:t></w:r></w:p>"
        "<w:p><w:r><w:t>Pays </w:t></w:r><w:r><w:fldChar w:fldCharType='begin'><w:ffData><w:ddList>"
        "<w:result w:val='1'/><w:listEntry w:val='monthly'/><w:listEntry w:val='yearly'/></w:ddList></w:ffData>"
        "</w:fldChar></w:r></w:p>"
    )
    assert [text for _, text in texts(write_word(tmp_path / "a.docx", body))] == [
        "Ada Byron",
        "☒ Agreed",
        "Pays yearly",
    ]


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(text)}</w:tc>"


def test_merged_cells_stand_in_every_row_and_empty_ones_keep_their_place(tmp_path: Path) -> None:
    rows = [
        cell("Floor") + cell("Rooms", '<w:gridSpan w:val="2"/>'),
        cell("First", '<w:vMerge w:val="restart"/>') + cell("") + cell("2"),
        cell("", "<w:vMerge/>") + cell("Small") + cell("3"),
    ]
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    assert texts(write_word(tmp_path / "a.docx", f"<w:tbl>{table}</w:tbl>")) == [
        ("table", "Floor  Rooms  Rooms\nFirst    2\nFirst  Small  3")
    ]


def test_a_table_inside_a_cell_is_the_cell_s_text_and_a_frame_is_none(tmp_path: Path) -> None:
    inner = f"<w:tbl><w:tr>{cell('x')}{cell('y')}</w:tr></w:tbl>"
    nested = f"<w:tr>{cell('A')}<w:tc>{inner}{p('')}</w:tc></w:tr><w:tr>{cell('B')}{cell('C')}</w:tr>"
    frame = f"<w:tr><w:tc>{p('One.')}{p('Two.')}</w:tc></w:tr>"
    assert texts(write_word(tmp_path / "a.docx", f"<w:tbl>{nested}</w:tbl><w:tbl>{frame}</w:tbl>")) == [
        ("table", "A  x y\nB  C"),
        ("paragraph", "One."),
        ("paragraph", "Two."),
    ]


def test_an_equation_is_a_line(tmp_path: Path) -> None:
    def run(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    fraction = f"<m:f><m:num>{run('a')}{run('+b')}</m:num><m:den>{run('2')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{run('x')}</m:e><m:sup>{run('2')}</m:sup></m:sSup>"
    root = f"<m:rad><m:deg/><m:e>{run('y')}</m:e></m:rad>"
    body = f"<w:p><m:oMath>{power}{run('=')}{fraction}{run('+')}{root}</m:oMath></w:p>"
    assert texts(write_word(tmp_path / "a.docx", body)) == [("paragraph", "x^2=(a+b)/2+√(y)")]


CHART = (
    "<c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Ducks</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea>"
    "<c:barChart><c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>Fresh</c:v></c:pt></c:strCache></c:strRef>"
    "</c:tx>"
    "<c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>2019</c:v></c:pt></c:strCache></c:strRef></c:cat>"
    "<c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>4.2999999999999998</c:v></c:pt></c:numCache></c:numRef></c:val>"
    "</c:ser></c:barChart></c:plotArea></c:chart>"
)


def test_a_chart_is_its_title_and_the_table_it_was_drawn_from(tmp_path: Path) -> None:
    body = '<w:p><w:r><w:drawing><c:chart r:id="rchart"/></w:drawing></w:r></w:p>'
    assert texts(write_word(tmp_path / "a.docx", body, chart=CHART)) == [
        ("caption", "Ducks"),
        ("table", "  Fresh\n2019  4.3"),
    ]


def axis(kind: str, title: str, *, at: str = "l", hidden: bool = False) -> str:
    text = f"<c:title><c:tx><c:rich><a:p><a:r><a:t>{title}</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    return f"<c:{kind}><c:delete val='{int(hidden)}'/><c:axPos val='{at}'/>{text}</c:{kind}>"


@pytest.mark.parametrize(
    "axes",
    [axis("catAx", "Year", at="b") + axis("valAx", "Thousands"),
     axis("catAx", "Year") + axis("valAx", "Thousands", at="b"),
     axis("valAx", "Year", at="b") + axis("valAx", "Thousands"),
     axis("dateAx", "Year") + axis("valAx", "Thousands") + axis("valAx", "Old", hidden=True)],
    ids=["columns", "bars", "points", "hidden"],
)  # fmt: skip
def test_a_chart_s_axes_name_its_first_column_and_its_values(tmp_path: Path, axes: str) -> None:
    body = '<w:p><w:r><w:drawing><c:chart r:id="rchart"/></w:drawing></w:r></w:p>'
    chart = CHART.replace("</c:plotArea>", f"{axes}</c:plotArea>")
    assert texts(write_word(tmp_path / "a.docx", body, chart=chart)) == [
        ("caption", "Ducks\nThousands"),
        ("table", "Year  Fresh\n2019  4.3"),
    ]


def test_links_to_other_files_are_known(tmp_path: Path) -> None:
    assert parser.parse(write_word(tmp_path / "a.docx", p("See there."))).links == ("minutes%20May.docx",)


def test_a_document_in_the_strict_form_reads_the_same(tmp_path: Path) -> None:
    path = write_word(tmp_path / "a.docx", p("Strictly."))
    strict = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
    data = {name: file.replace(W.encode(), strict) for name, file in zip_entries(path).items()}
    assert texts(write_zip(tmp_path / "strict.docx", data)) == [("paragraph", "Strictly.")]


def zip_entries(path: Path) -> dict[str, bytes]:
    import zipfile

    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_document_nested_without_end_is_refused(tmp_path: Path) -> None:
    depth = 20_000
    body = "<w:sdt><w:sdtContent>" * depth + p("Deep.") + "</w:sdtContent></w:sdt>" * depth
    with pytest.raises(ParseError, match="nested too deeply"):
        parser.parse(write_word(tmp_path / "a.docx", body))


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_part_ends_in_a_document_or_a_reason(tmp_path: Path, seed: int) -> None:
    import random

    chance = random.Random(seed)
    entries = zip_entries(write_docx(tmp_path / "a.docx"))
    data = bytearray(entries["word/document.xml"])
    for _ in range(5):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(ParseError):
        parser.parse(write_zip(tmp_path / "b.docx", entries | {"word/document.xml": bytes(data)}))
