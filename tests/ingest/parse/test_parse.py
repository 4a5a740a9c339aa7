import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from errors import ParseError, UnsupportedError
from ingest.parse import (
    FORMATS,
    MAX_BLOCK,
    MAX_LABEL,
    PARSER_VERSIONS,
    PARSERS,
    SUFFIXES,
    format_of,
    identify,
    parse,
    parser_version,
    warm,
)
from ingest.types import Span
from tests.documents import Item, write_docx, write_pdf, write_zip

PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_an_empty_file_of_any_kind_has_no_blocks(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    path.touch()
    document = parse(path)
    assert document.blocks == ()
    assert document.media_type == SUFFIXES[suffix].media_type


def test_each_kind_of_file_goes_to_its_parser(tmp_path: Path) -> None:
    (tmp_path / "a.TXT").write_text("Text.")
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "a.htm").write_text("<p>Text.</p>")
    paths = [
        write_pdf(tmp_path / "a.pdf", [[Item("p", "Text.")]]), write_docx(tmp_path / "a.docx"),
        tmp_path / "a.TXT", tmp_path / "a.md", tmp_path / "a.htm",
    ]  # fmt: skip
    names = ["pdf", "docx", "text", "markdown", "html"]
    formats = [format_of(path) for path in paths]
    assert [format.parser for format in formats if format] == names
    for path, format in zip(paths, formats, strict=True):
        document = parse(path)
        assert format is not None
        assert (document.media_type, document.parser) == (format.media_type, parser_version(format))
        assert document.blocks


def test_a_pdf_is_read_as_one_whatever_text_its_name_claims(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "a.pdf", [[Item("p", "Really a PDF.")]])
    assert parse(pdf.rename(tmp_path / "a.txt")).blocks[0].page == 1


@pytest.mark.parametrize(
    ("name", "data", "truth"),
    [
        ("a.pdf", b"PK\x03\x04" + bytes(50), "ZIP archive"),
        ("a.txt", PNG, "PNG picture"),
        ("a.docx", b"just text", "it is none"),
        ("a.docx", PNG, "PNG picture"),
        ("a.md", b"\x7fELF" + bytes(50), "program"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_reported_as_what_it_is(
    tmp_path: Path, name: str, data: bytes, truth: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert format_of(tmp_path / name) is None
    with pytest.raises(UnsupportedError, match=truth):
        parse(tmp_path / name)


def test_other_kinds_are_unsupported_with_the_reason(tmp_path: Path) -> None:
    for name, reason in (("a.xyz", r"\.xyz"), ("Makefile", "without a suffix")):
        (tmp_path / name).write_text("x")
        assert format_of(tmp_path / name) is None
        with pytest.raises(UnsupportedError, match=reason) as raised:
            identify(tmp_path / name)
        assert "PDF" in raised.value.hint


def test_a_zip_is_not_taken_for_a_word_document_by_its_name_alone(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no readable Word document"):
        parse(write_zip(tmp_path / "a.docx", {"a.txt": b"hello"}))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="NO FIFOS ON THIS SYSTEM")
def test_a_fifo_or_folder_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    for name in ("pipe.txt", "folder.txt"):
        with pytest.raises(ParseError, match="not a regular file"):
            parse(tmp_path / name)


def test_a_missing_file_is_a_parse_error(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="No such file"):
        parse(tmp_path / "gone.txt")


def test_versions_name_the_parser_and_its_library() -> None:
    assert set(PARSER_VERSIONS) == set(PARSERS) == {format.parser for format in FORMATS}
    assert all(version.startswith(f"{name}/") for name, version in PARSER_VERSIONS.items())
    assert "pypdfium2" in PARSER_VERSIONS["pdf"]


def test_versions_are_known_without_importing_a_parser_s_libraries() -> None:
    code = (
        "import sys; from ingest.parse import PARSER_VERSIONS; dict(PARSER_VERSIONS);"
        "print(*{'unstructured', 'pypdfium2', 'pypdf', 'lxml', 'docx', 'markdown_it', 'yaml'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == ""


def test_a_long_block_is_cut_between_words_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(20_000))
    (tmp_path / "a.txt").write_text(text)
    blocks = parse(tmp_path / "a.txt").blocks
    assert len(blocks) > 2
    assert "".join(block.text for block in blocks) == text
    assert all(len(block.text) <= MAX_BLOCK and block.text.startswith("word") for block in blocks)
    assert all(block.span and text[block.span.start : block.span.end] == block.text for block in blocks)


def test_an_edit_of_a_long_block_moves_no_cut_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    words = [f"word{n * 7919 % 60_000}" for n in range(60_000)]

    def parts(words: list[str]) -> set[str]:
        path.write_text(" ".join(words))
        return {block.text for block in parse(path).blocks}

    before = parts(words)
    assert len(before) > 10
    assert len(parts([*words[:100], "inserted", *words[100:]]) - before) <= 2


def test_a_long_run_without_words_is_left_out_and_what_stands_around_it_keeps_its_place(tmp_path: Path) -> None:
    text = "before " + "\u0301" * 5_000 + "after"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    blocks = parse(tmp_path / "a.txt").blocks
    assert [block.text for block in blocks] == ["before", "after"]
    assert [block.span for block in blocks] == [Span(None, 0, 6), Span(None, len(text) - 5, len(text))]


def test_a_long_table_stays_whole_with_its_header_row(tmp_path: Path) -> None:
    table = "| name | price |\n|---|---|\n" + "".join(f"| thing {n} | {n} |\n" for n in range(10_000))
    (tmp_path / "a.md").write_text(table)
    assert [block.text for block in parse(tmp_path / "a.md").blocks] == [table.rstrip()]


def test_a_long_heading_is_not_repeated_whole_above_every_paragraph(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# " + "head " * 20_000 + "\n\n" + "Text.\n\n" * 50)
    document = parse(tmp_path / "a.md")
    assert max(len(heading) for block in document.blocks for heading in block.headings) == MAX_LABEL
    assert len(document.title) == MAX_LABEL


ALLOWED = 5.0  # seconds for what takes half a second on a machine with nothing else to do


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("brackets.md", "[" * 300_000),
        ("cdata.md", "a <![CDATA[ " * 100_000),
        ("emphasis.md", "*_" * 100_000 + "a"),
        ("front.md", "---\ntitle: " + "[" * 500_000 + "\n---\nText.\n"),
        ("spaces.txt", " " * 2_000_000),
        ("signs.html", "<p>Text." + "<" * 500_000),
        ("tag.html", "<p " + " ".join(f"a{n}=1" for n in range(100_000)) + ">Text."),
        ("closings.html", "<p>Text." + "</html " * 100_000),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_time_grows_with_the_file_and_not_with_its_square(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    warm(path)
    started = time.monotonic()
    with contextlib.suppress(ParseError):
        parse(path)
    assert time.monotonic() - started < ALLOWED
