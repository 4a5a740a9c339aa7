from pathlib import Path

import pytest

from errors import EncryptedError, ParseError, TooLargeError
from ingest.parse import archive
from ingest.parse import docx as parser
from ingest.types import Document
from tests import hostile
from tests.documents import lying_zip, write_docx, write_zip


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
        ("list", "Keep the receipt\nAsk for the interest", ("House rules", "Rent", "Deposit")),
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
