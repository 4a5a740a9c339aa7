import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import org
from ingest.parse.lines import Lines
from ingest.types import Document

TEXT = """#+TITLE: Bread
#+AUTHOR: Ada
#+DATE: <2024-05-01 Wed 9:30>
#+FILETAGS: :food:home:
# a comment

An introduction, see [[file:other.org::*Part][the other]] and [[https://example.org/a.org]].

* TODO [#A] Dough                                                :baking:
:PROPERTIES:
:ID: secret
:END:
DEADLINE: <2024-05-02 Thu>
- Flour
  of wheat

  and rye
- Water
  1) warm
** Tools
#+CAPTION: What they cost
| Tool | Price |
|------+-------|
| Oven | 300 € |

#+BEGIN_SRC python
* no heading
heat(250)
#+END_SRC
#+begin_quote
A quoted line.
#+end_quote
#+BEGIN_COMMENT
hidden
#+END_COMMENT
: typed
:  as it is

[fn:1] A footnote.
#+INCLUDE: "secret.txt"
-----
* DONE
Done.
"""


def parse(tmp_path: Path, content: str) -> Document:
    path = tmp_path / "a.org"
    path.write_text(content, encoding="utf-8")
    return org.parse(path)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return parse(tmp_path_factory.mktemp("org"), TEXT)


def test_each_kind_of_block_is_known(document: Document) -> None:
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        (
            "paragraph",
            "An introduction, see [[file:other.org::*Part][the other]] and [[https://example.org/a.org]].",
            (),
        ),
        ("heading", "Dough", ()),
        ("paragraph", "DEADLINE: <2024-05-02 Thu>", ("Dough",)),
        ("list", "- Flour\n  of wheat\n\n  and rye\n- Water\n  1) warm", ("Dough",)),
        ("heading", "Tools", ("Dough",)),
        ("caption", "What they cost", ("Dough", "Tools")),
        ("table", "| Tool | Price |\n|------+-------|\n| Oven | 300 € |", ("Dough", "Tools")),
        ("code", "* no heading\nheat(250)", ("Dough", "Tools")),
        ("paragraph", "A quoted line.", ("Dough", "Tools")),
        ("code", ": typed\n:  as it is", ("Dough", "Tools")),
        ("note", "[fn:1] A footnote.", ("Dough", "Tools")),
        ("paragraph", "Done.", ()),
    ]


def test_title_metadata_tags_and_links_are_the_file_s_own(document: Document) -> None:
    assert document.title == "Bread"
    assert document.metadata == {"encoding": "utf-8", "author": "Ada", "date": "2024-05-01T09:30"}
    assert document.tags == ("food", "home", "baking")
    assert document.links == ("other.org",)


def test_a_block_that_never_ends_hides_nothing(tmp_path: Path) -> None:
    content = "#+BEGIN_COMMENT\nshown\n* Head\n:LOGBOOK:\nshown too\n"
    assert [block.text for block in parse(tmp_path, content).blocks] == ["shown", "Head", ":LOGBOOK:\nshown too"]


@given(st.text(alphabet="ab*#:+-| \n[]1.", max_size=150))
def test_blocks_are_slices_and_no_word_is_lost(content: str) -> None:
    reader = org._Reader(Lines.of(content))
    reader.read(0, len(reader.lines))
    covered: set[int] = set()
    for block in reader.outline.blocks:
        assert block.span is not None
        covered.update(range(block.span.start, block.span.end))
        assert content[block.span.start : block.span.end] == block.text
    lost = {content[index] for index in range(len(content)) if index not in covered}
    hidden = "#" in content or reader.tags
    assert not lost & set("ab") or hidden, "only comments, settings and tags may be left out"


@pytest.mark.parametrize(
    "content",
    ["#+begin_quote\n" * 30_000, "#+begin_quote\na\n#+end_quote\n" * 10_000, ":a:\n" * 40_000, "* a\n" * 30_000,
     "- a\n" * 40_000, "[[" * 60_000, "* " + "a " * 60_000 + ":b:" * 20_000, "*" * 100_000 + " a", "|\n" * 50_000],
)  # fmt: skip
def test_texts_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    parse(tmp_path, content)
    assert time.monotonic() - started < 5
