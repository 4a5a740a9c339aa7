from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import markdown
from ingest.parse.markdown import _blocks, _front_matter_end, _Lines, _note, _tokens
from ingest.types import Document
from tests.documents import MARKDOWN


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    path = tmp_path_factory.mktemp("markdown") / "notes.md"
    path.write_text(MARKDOWN, encoding="utf-8")
    return markdown.parse(path)


def parse(tmp_path: Path, content: str) -> Document:
    path = tmp_path / "a.md"
    path.write_text(content, encoding="utf-8", newline="")
    return markdown.parse(path)


def test_every_block_has_its_kind_and_its_raw_text(document: Document) -> None:
    assert [(block.kind, block.text) for block in document.blocks] == [
        ("note", "title: Field notes\ntags: [birds, spring]\ndate: 2024-05-01"),
        ("heading", "Spring"),
        ("paragraph", "Swifts came back on *May 3rd*.\nTwo pairs nest under the roof."),
        ("heading", "Counts"),
        ("table", "| Bird  | Pairs |\n|-------|------:|\n| Swift |     2 |"),
        ("code", "```python\n# not a heading\npairs = 2\n```"),
        ("list", "- feed the finches\n- oil the gate"),
        ("heading", "Setext heading"),
        ("paragraph", "> A quoted line."),
    ]


def test_spans_point_at_the_raw_text(document: Document) -> None:
    for block in document.blocks:
        assert block.span is not None
        assert MARKDOWN[block.span.start : block.span.end] == block.text


def test_headings_form_a_path(document: Document) -> None:
    path = {block.text: block.headings for block in document.blocks}
    assert path["Counts"] == ("Spring",)
    assert path["- feed the finches\n- oil the gate"] == ("Spring", "Counts")
    assert path["> A quoted line."] == ("Spring", "Setext heading")


def test_front_matter_is_metadata_in_strings(document: Document) -> None:
    assert document.title == "Field notes"
    assert document.metadata["tags"] == "birds, spring"
    assert document.metadata["date"] == "2024-05-01"


def test_the_title_falls_back_on_the_first_heading_then_on_the_name(tmp_path: Path) -> None:
    assert parse(tmp_path, "Intro\n\n# Main `code`\n").title == "Main `code`"
    assert parse(tmp_path, "## Second level\n").title == ""
    assert parse(tmp_path, "Only text.").title == ""


@pytest.mark.parametrize(
    "front",
    [": [bad", "- a\n- list", "a: &x [*x]", "a: &x {b: *x}", "!!python/object:os.x {}"],
    ids=["broken", "list", "endless-list", "endless-mapping", "object"],
)
def test_front_matter_that_is_no_mapping_harms_nothing(tmp_path: Path, front: str) -> None:
    document = parse(tmp_path, f"---\n{front}\n---\nText.")
    assert document.title == ""
    assert document.blocks[-1].text == "Text."


def test_a_rule_that_is_never_closed_is_no_front_matter(tmp_path: Path) -> None:
    assert [block.kind for block in parse(tmp_path, "---\ntitle: x\n\n# Head").blocks] == ["paragraph", "heading"]


def test_text_in_html_and_windows_line_ends_is_kept(tmp_path: Path) -> None:
    document = parse(tmp_path, "<div>\r\nkept\r\n</div>\r\n\r\nNext\r\nline\r\n")
    assert [block.text for block in document.blocks] == ["<div>\nkept\n</div>", "Next\nline"]


def test_a_file_that_only_says_nothing_has_no_blocks(tmp_path: Path) -> None:
    for content in ("", "\n \n", "---\n---\n"):
        assert parse(tmp_path, content).blocks == ()


@given(st.text(alphabet="ab#-=>|`~* 1.\n\t[]()<", max_size=120))
def test_spans_always_point_at_the_blocks_and_no_word_is_lost(content: str) -> None:
    lines = _Lines.of(content)
    body = _front_matter_end(lines)
    blocks = [*_note(lines, body), *_blocks(lines, _tokens(lines, body))]
    covered: set[int] = set()
    for block in blocks:
        assert block.span is not None
        covered.update(range(block.span.start, block.span.end))
        if block.kind != "heading":
            assert content[block.span.start : block.span.end] == block.text
    lost = {content[index] for index in range(len(content)) if index not in covered}
    assert not lost & set("ab") or "]:" in content, "only a reference's definition may be left out"
