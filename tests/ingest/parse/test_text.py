from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ParseError
from ingest.parse import text
from ingest.parse.text import decode

SPANISH = "El alquiler se paga el primer día del mes. ¿Cuándo empezó? La señora Núñez lo sabe: ayer, según ella.\n" * 3


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]
)
def test_text_in_any_encoding_is_read(encoding: str) -> None:
    assert decode(SPANISH.encode(encoding))[0] == SPANISH


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (
            "Die schöne Frau trank Kaffee und aß Kuchen. L'été était très chaud, le prix : 15,50 €. El año que viene.",
            "cp1252",
        ),
        ("Zażółć gęślą jaźń. Wieczorem poszliśmy na spacer wzdłuż rzeki, choć było już późno i ciemno. " * 2, "cp1250"),
        (
            "Příliš žluťoučký kůň úpěl ďábelské ódy. Večer jsme šli na procházku podél řeky, i když už byla tma. " * 2,
            "cp1250",
        ),
        ("Съешь ещё этих мягких французских булок, да выпей чаю. Вечером мы пошли гулять вдоль реки. " * 2, "cp1251"),
    ],
    ids=["western", "polish", "czech", "russian"],
)
def test_text_that_names_no_encoding_is_read_in_the_likeliest(content: str, encoding: str) -> None:
    assert decode(content.encode(encoding))[0] == content


def test_utf8_with_a_broken_byte_stays_utf8() -> None:
    decoded, encoding = decode(SPANISH.encode() + b"\xff end")
    assert encoding == "utf-8"
    assert decoded == SPANISH + "\ufffd end"


def test_a_declared_encoding_is_followed_where_the_bytes_say_nothing() -> None:
    assert decode("Ця".encode("koi8-u"), "koi8-u") == ("Ця", "koi8-u")
    assert decode("Ñ".encode(), "koi8-u") == ("Ñ", "utf-8")
    assert decode(SPANISH.encode("cp1252"), "rot13")[0] == SPANISH


@pytest.mark.parametrize(
    "data",
    [bytes(range(256)) * 20, b"\x7fELF" + bytes(3000) + b"\x8f\x90" * 999, b"\x01\x02\x03\x04\x05" * 99],
    ids=["all-bytes", "program", "controls"],
)
def test_binary_data_is_no_text(data: bytes) -> None:
    with pytest.raises(ParseError, match="binary"):
        decode(data)


@given(st.binary(max_size=300))
def test_no_nul_and_no_lone_surrogate_comes_through(data: bytes) -> None:
    try:
        decoded, _ = decode(data)
    except ParseError:
        return
    assert "\x00" not in decoded
    assert "\r" not in decoded
    decoded.encode("utf-8")


def parse(tmp_path: Path, content: str) -> list[tuple[str, str, tuple[str, ...]]]:
    path = tmp_path / "notes.txt"
    path.write_text(content, encoding="utf-8", newline="")
    return [(block.kind, block.text, block.headings) for block in text.parse(path).blocks]


def test_blank_lines_part_paragraphs(tmp_path: Path) -> None:
    assert parse(tmp_path, "One\nstill one.\n\n \t\nTwo.\r\n\r\nThree\n") == [
        ("paragraph", "One\nstill one.", ()), ("paragraph", "Two.", ()), ("paragraph", "Three", ()),
    ]  # fmt: skip


def test_underlined_lines_are_headings_with_levels_as_they_come(tmp_path: Path) -> None:
    content = "Title\n=====\nIntro.\n\nPart A\n------\n\nText.\n\nPart B\n------\nMore.\n\nNext\n====\nEnd."
    assert parse(tmp_path, content) == [
        ("heading", "Title", ()), ("paragraph", "Intro.", ("Title",)),
        ("heading", "Part A", ("Title",)), ("paragraph", "Text.", ("Title", "Part A")),
        ("heading", "Part B", ("Title",)), ("paragraph", "More.", ("Title", "Part B")),
        ("heading", "Next", ()), ("paragraph", "End.", ("Next",)),
    ]  # fmt: skip


def test_what_only_resembles_an_underline_stays_text(tmp_path: Path) -> None:
    for content in ("A line that is longer\n----", "a\nb\n=====", "WARNING\nAll is lost.", "----\n----"):
        assert [kind for kind, _, _ in parse(tmp_path, content)] == ["paragraph"], content


@given(st.text(alphabet="ab .\n=-\t", max_size=200))
def test_spans_point_at_the_blocks_and_nothing_is_lost(content: str) -> None:
    blocks = list(text._blocks(content))
    for block in blocks:
        assert block.span is not None
        assert content[block.span.start : block.span.end] == block.text
    missing = list(content)
    for block in blocks:
        assert block.span is not None
        missing[block.span.start : block.span.end] = [" "] * len(block.text)
    assert not set("".join(missing)) & set("ab."), "only white space and underlines may be left out"
