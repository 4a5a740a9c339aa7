import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import markdown
from ingest.parse.markdown import document_of_markdown
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
    assert [block.text for block in document.blocks] == ["kept", "Next\nline"]


def test_a_file_that_only_says_nothing_has_no_blocks(tmp_path: Path) -> None:
    for content in ("", "\n \n", "---\n---\n"):
        assert parse(tmp_path, content).blocks == ()


@given(st.text(alphabet="ab#-=>|`~*^: 1.\n\t[]()<%!", max_size=120))
def test_spans_always_point_at_the_blocks_and_no_word_is_lost(content: str) -> None:
    document = document_of_markdown(content, "text/markdown", {})
    covered: set[int] = set()
    for block in document.blocks:
        assert block.span is not None
        covered.update(range(block.span.start, block.span.end))
        if block.kind != "heading":
            assert content[block.span.start : block.span.end] == block.text
    lost = {content[index] for index in range(len(content)) if index not in covered}
    hidden = "]:" in content or "%%" in content or "<!-" in content
    assert not lost & set("ab") or hidden, "only comments and what a link's name stands for may be left out"


def test_tags_are_those_of_the_front_matter_and_of_the_text_each_once(tmp_path: Path) -> None:
    content = """---
tags: [project, "#home/garden"]
tag: Später
---
# Heading #plan

Text #Project and #a/b, #2024 but #y2024; no#tag, `#code`, ``a ` #code``, \\#escaped, https://x.org/#part (#in) #été.

#first-of-line

```sh
# comment #nottag
```
- item #émoji🎉
| a #cell | b |
|---|---|
| #row | c |
"""
    assert parse(tmp_path, content).tags == (
        "project", "home/garden", "Später", "plan", "a/b", "y2024", "été", "first-of-line", "émoji🎉", "cell", "row",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("front", "tags"),
    [("tags: one, two", ("one", "two")), ("tags: one two", ("one", "two")), ("tags:\n  - one\n  - two", ("one", "two")),
     ("tags:", ()), ("tags: {a: b}", ()), ("tags: 2024", ())],
)  # fmt: skip
def test_tags_of_the_front_matter_in_every_form(tmp_path: Path, front: str, tags: tuple[str, ...]) -> None:
    assert parse(tmp_path, f"---\n{front}\n---\nText.").tags == tags


def test_links_are_the_files_a_note_names(tmp_path: Path) -> None:
    content = """---
up: "[[Index]]"
---
[[Note]] and [[Note#Part|other words]], ![[plan.png|300]] ![[folder/Deep note#^block]], [[#Here]], `[[code]]`,
[text](sub/Other%20note.md#part "Title"), ![alt](<my picture.jpg>), [web](https://example.org/a.md),
[here](#a), [b](x(1).md)

| [[Cell\\|alias]] |
|---|

[name]: ../notes/Named.md
"""
    assert parse(tmp_path, content).links == (
        "Index", "Note", "plan.png", "folder/Deep note", "sub/Other note.md", "my picture.jpg", "x(1).md", "Cell",
        "../notes/Named.md",
    )  # fmt: skip


def test_dates_aliases_and_other_properties_are_metadata(tmp_path: Path) -> None:
    front = "Title: Bread\naliases: [Loaf, Pan]\ndate: 2024-05-01\nupdated: 2024-06-02 10:30\nrating: 5"
    metadata = parse(tmp_path, f"---\n{front}\n---\nText.").metadata
    assert metadata == {
        "encoding": "utf-8", "title": "Bread", "aliases": "Loaf, Pan", "date": "2024-05-01", "created": "2024-05-01",
        "updated": "2024-06-02 10:30", "modified": "2024-06-02T10:30", "rating": "5",
    }  # fmt: skip
    assert "created" not in parse(tmp_path, "---\ncreated: last spring\n---\nText.").metadata


def test_comments_are_left_out_with_their_tags_and_links_but_not_what_only_looks_like_one(tmp_path: Path) -> None:
    content = """Shown, 5 %% of it.

%%
Hidden #tag [[Link]]

Hidden too
%%

Also shown, 6 %% of it.

<!-- Hidden

as well -->

Text %%aside%% stays whole.

```
%% code
```
```
%% code
```
"""
    document = parse(tmp_path, content)
    assert [block.text for block in document.blocks] == [
        "Shown, 5 %% of it.", "Also shown, 6 %% of it.", "Text %%aside%% stays whole.",
        "```\n%% code\n```", "```\n%% code\n```",
    ]  # fmt: skip
    assert (document.tags, document.links) == ((), ())


def test_footnotes_are_notes_and_names_of_links_are_no_text(tmp_path: Path) -> None:
    content = (
        "See [docs] and[^1].\n\n[^1]: Word\n\n[docs]: https://example.org 'Docs'\n\n[10:32]: hello\n[10:33]: hi there"
    )
    assert [(block.kind, block.text) for block in parse(tmp_path, content).blocks] == [
        ("paragraph", "See [docs] and[^1]."), ("note", "[^1]: Word"),
        ("paragraph", "[10:32]: hello\n[10:33]: hi there"),
    ]  # fmt: skip


def test_a_callout_is_one_block_as_it_is_written(tmp_path: Path) -> None:
    content = "> [!warning]- Mind the gap\n> It is wide.\n>\n> - very"
    assert [block.text for block in parse(tmp_path, content).blocks] == [content]


def test_html_is_read_as_a_page_shows_it_and_placeholders_stay(tmp_path: Path) -> None:
    content = """## Prices
<table><tr><th>Bread</th><td>2 €</td></tr></table>

<p align="center">Fresh <b>daily</b></p>

<your-name>

<details>
<summary>More</summary>

Text **within**.

</details>
"""
    document = parse(tmp_path, content)
    assert [(block.kind, block.text, block.headings) for block in document.blocks[1:]] == [
        ("table", "Bread  2 €", ("Prices",)), ("paragraph", "Fresh daily", ("Prices",)),
        ("paragraph", "<your-name>", ("Prices",)), ("paragraph", "More", ("Prices",)),
        ("paragraph", "Text **within**.", ("Prices",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["[[" * 50_000, "](" * 50_000, "#" * 100_000, " #a" * 50_000, "<!-- " * 50_000, "%% " * 50_000, "`" * 100_000,
     "` `` " * 30_000, "[a]: /b\n" * 20_000, "<table>\n\n" * 3000],
)  # fmt: skip
def test_notes_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    parse(tmp_path, content)
    assert time.monotonic() - started < 5
