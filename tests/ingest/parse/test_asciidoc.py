import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import asciidoc
from ingest.parse.lines import Lines
from ingest.types import Document

TEXT = """// a comment
:experimental:
= Bread
Ada Lovelace <ada@example.org>
v1.0, 2024-05-01
:description: How it is made
:keywords: flour, water

An introduction, see xref:other.adoc#part[the other] and https://example.org/a.adoc[a page].

[[dough]]
== Dough ==
* Flour
of wheat
** white
+
----
heat(250)
----

. Mix
. Rest

Rye:: A grain.
Wheat:: Another.

NOTE: Mind the steam.

[source,python]
----
== no heading
heat(250)
----
....
typed
....
////
hidden

== hidden
////
====
An example.

* in it
====

Tools
-----
.What they cost
|===
|Tool |Price

|Oven
|300 €
|===
[cols="1,1,1"]
|===
^.^h|Kind 2+h| Made of
.2+|Rye | rye | water
| salt | yeast
|===
,===
Kind,"Price, each"
Rye,3 €
,===
image::oven.png[The oven,300]
include::secret.adoc[]
'''
 literal text
"""


def parse(tmp_path: Path, content: str) -> Document:
    path = tmp_path / "a.adoc"
    path.write_text(content, encoding="utf-8")
    return asciidoc.parse(path)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return parse(tmp_path_factory.mktemp("asciidoc"), TEXT)


def test_each_kind_of_block_is_known(document: Document) -> None:
    introduction = "An introduction, see xref:other.adoc#part[the other] and https://example.org/a.adoc[a page]."
    assert [(block.kind, block.text, block.headings[1:]) for block in document.blocks] == [
        ("note", "// a comment\n:experimental:", ()),
        ("heading", "Bread", ()),
        (
            "note",
            "Ada Lovelace <ada@example.org>\nv1.0, 2024-05-01\n:description: How it is made\n:keywords: flour, water",
            (),
        ),
        ("paragraph", introduction, ()),
        ("heading", "Dough", ()),
        (
            "list",
            "* Flour\nof wheat\n** white\n+\n----\nheat(250)\n----\n\n. Mix\n. Rest"
            "\n\nRye:: A grain.\nWheat:: Another.",
            ("Dough",),
        ),
        ("paragraph", "NOTE: Mind the steam.", ("Dough",)),
        ("code", "== no heading\nheat(250)", ("Dough",)),
        ("code", "typed", ("Dough",)),
        ("paragraph", "An example.", ("Dough",)),
        ("list", "* in it", ("Dough",)),
        ("heading", "Tools", ()),
        ("caption", "What they cost", ("Tools",)),
        ("table", "Tool  Price\nOven  300 €", ("Tools",)),
        ("table", "Kind  Made of\nRye  rye  water\nRye  salt  yeast", ("Tools",)),
        ("table", "Kind  Price, each\nRye  3 €", ("Tools",)),
        ("caption", "The oven", ("Tools",)),
        ("code", " literal text", ("Tools",)),
    ]


def test_title_metadata_and_links_are_the_document_s_own(document: Document) -> None:
    assert document.title == "Bread"
    assert document.metadata == {
        "encoding": "utf-8", "author": "Ada Lovelace", "date": "2024-05-01", "description": "How it is made",
        "keywords": "flour, water",
    }  # fmt: skip
    assert document.links == ("other.adoc",)


def test_a_title_in_the_old_form_is_one_once(tmp_path: Path) -> None:
    blocks = parse(tmp_path, "Bread\n=====\nAda\n\nDough\n-----\nText.").blocks
    assert [(block.kind, block.text) for block in blocks] == [
        ("heading", "Bread"), ("paragraph", "Ada"), ("heading", "Dough"), ("paragraph", "Text."),
    ]  # fmt: skip


def test_rows_that_are_too_long_put_no_other_out_of_place(tmp_path: Path) -> None:
    table = "|===\n|a |b\n|1 |2|\n||3\n|===\n"
    assert [block.text for block in parse(tmp_path, table).blocks] == ["a  b\n1  2\n  3"]


def test_a_block_that_never_ends_hides_nothing(tmp_path: Path) -> None:
    assert [block.text for block in parse(tmp_path, "////\nshown\n\n== Head\n----\nmore").blocks] == [
        "shown", "Head", "more",
    ]  # fmt: skip


@given(st.text(alphabet="ab=-|.*/+:[] \n", max_size=150))
def test_blocks_are_slices_and_no_word_but_of_comments_is_lost(content: str) -> None:
    reader = asciidoc._Reader(Lines.of(content))
    reader.read(reader.header(), len(reader.lines), 0)
    covered: set[int] = set()
    for block in reader.outline.blocks:
        assert block.span is not None
        covered.update(range(block.span.start, block.span.end))
        assert block.kind == "table" or content[block.span.start : block.span.end] == block.text
    lost = {content[index] for index in range(len(content)) if index not in covered}
    hidden = "//" in content or "[" in content or ":" in content
    assert not lost & set("ab") or hidden, "only comments and settings may be left out"


@pytest.mark.parametrize(
    "content",
    ["----\n-----\n" * 15_000, "====\na\n" * 15_000, "\n".join("=" * (4 + n) for n in range(400)), "* a\n+\n" * 15_000,
     "|===\n" + "100*|a" * 20_000 + "\n|===", "|===\n" + "100.100+|a\n" * 3_000 + "|===", "a:" * 50_000,
     "a\n:" * 30_000, "[" * 100_000, "<<a." * 30_000, "xref:" * 30_000, "A" + ".a" * 50_000, "|\n" * 40_000],
)  # fmt: skip
def test_texts_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    assert sum(len(block.text) for block in parse(tmp_path, content).blocks) < 100 * len(content)
    assert time.monotonic() - started < 5
