import random
from pathlib import Path

import pytest

from errors import ParseError
from ingest.parse import rtf as parser

STYLES = r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s5 Code;}{\*\cs9 Emphasis;}}"


def read(tmp_path: Path, body: str | bytes) -> list[tuple[str, str]]:
    """The blocks of an RTF with that body."""
    data = body if isinstance(body, bytes) else body.encode("cp1252")
    (tmp_path / "a.rtf").write_bytes(rb"{\rtf1\ansi\ansicpg1252" + STYLES.encode() + data + b"}")
    return [(block.kind, block.text) for block in parser.parse(tmp_path / "a.rtf").blocks]


def test_headings_paragraphs_and_code_are_known_by_their_style_or_level(tmp_path: Path) -> None:
    body = (
        r"\pard\s1 Rent\par\pard\outlinelevel1 Deposit\par\pard 1,200 {\b euros}\line a year.\par\pard\s5   x = 1\par"
    )
    (tmp_path / "a.rtf").write_text(r"{\rtf1{\info{\title Rules}{\author Ada}}" + STYLES + body + "}")
    document = parser.parse(tmp_path / "a.rtf")
    assert (document.title, document.metadata["author"]) == ("Rules", "Ada")
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "Rent", ()),
        ("heading", "Deposit", ("Rent",)),
        ("paragraph", "1,200 euros\na year.", ("Rent", "Deposit")),
        ("code", "  x = 1", ("Rent", "Deposit")),
    ]


def test_a_table_is_its_rows_and_cells(tmp_path: Path) -> None:
    body = (
        r"Before.\par\trowd\cellx1\cellx2\pard\intbl Year\cell Ducks\cell\row"
        r"\trowd\pard\intbl 2019\cell 120\par wild\cell\row\pard After.\par"
    )
    assert read(tmp_path, body) == [
        ("paragraph", "Before."),
        ("table", "Year  Ducks\n2019  120 wild"),
        ("paragraph", "After."),
    ]


def test_items_have_their_numbers_or_bullets(tmp_path: Path) -> None:
    body = (
        r"{\listtext\tab 1.\tab}\pard\ls1 One\par{\listtext 2.\tab}\ls1 Two\par"
        r"{\listtext\f3\'b7\tab}\pard\ls2\ilvl1 Dot\par"
    )
    assert read(tmp_path, body) == [("list", "1. One\n2. Two\n  - Dot")]


def test_text_may_be_in_a_code_page_a_font_s_character_set_or_unicode(tmp_path: Path) -> None:
    body = (
        rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}{\f2\fcharset128 Mincho;}}"
        rb"\f0 Espa\'f1a, \f1 \'cf\'f0\'e8\'e2\'e5\'f2, \f2 \'93\'fa, \f0\uc1 \u8364?, \u-10179?\u-8704?.\par"
    )
    assert read(tmp_path, body) == [("paragraph", "España, Привет, 日, €, 😀.")]


def test_notes_and_boxes_follow_their_paragraph(tmp_path: Path) -> None:
    body = (
        r"Due in May{\footnote\pard {\chftn} Or June.}{\*\atnauthor Ada}{\*\annotation{\*\atndate 1}Which year?}."
        r"{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt\pard In the box.\par}}{\shprslt twice}}\par"
    )
    assert read(tmp_path, body) == [
        ("paragraph", "Due in May."),
        ("note", "Or June."),
        ("note", "Ada: Which year?"),
        ("paragraph", "In the box."),
    ]


def test_what_is_no_text_of_the_document_is_left_out(tmp_path: Path) -> None:
    body = (
        rb"{\header Head\par}{\footer Foot}{\*\generator Word;}{\pict\bin9 }}}{{{\par }Seen"
        rb"{\v  hidden}{\deleted  gone}{\field{\*\fldinst HYPERLINK}{\fldrslt  here}}.\par"
    )
    assert read(tmp_path, body) == [("paragraph", "Seen here.")]


def test_what_is_no_rtf_or_nested_without_end_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.rtf").write_text("Dear Ada")
    with pytest.raises(ParseError, match="no readable RTF"):
        parser.parse(tmp_path / "a.rtf")
    with pytest.raises(ParseError, match="nested too deeply"):
        read(tmp_path, "{" * 5000)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_document_is_read_as_far_as_it_goes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    body = rb"{\info{\title A}}\pard\s1 Rent\par\trowd\intbl a\cell b\cell\row\pard\uc1\u8364? end{\footnote x}\par" * 3
    data = bytearray(body[: chance.randrange(len(body))])
    for _ in range(6):
        data[chance.randrange(len(data))] = chance.randrange(256)
    read(tmp_path, bytes(data))
