import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import rst
from ingest.parse.lines import Lines
from ingest.types import Document

TEXT = """=====
Bread
=====

:Author: Ada
:Date: 2024-05-01

An introduction, see `the other one <other.rst>`_ and :doc:`folder/third`.

Dough
-----

- Flour
  of wheat

  and rye
- Water

1. Mix
2. Rest

Run this::

    mix --slowly

    rest

.. code-block:: python
   :caption: Oven

   heat(250)

.. note:: Mind the
   steam.

   - It is hot.

.. a comment
   of two lines

.. _anchor:

.. [1] A footnote.

Prices
~~~~~~

.. list-table:: By kind
   :header-rows: 1

   * - Kind
     - Price
   * - Rye
     - 3 €

+--------+---------------+
| Kind   | Made          |
|        | of            |
+========+=======+=======+
| Rye    | rye   | water |
+--------+-------+-------+

=====  =====
Kind   Price
=====  =====
Rye    3 €
Wheat  2 €
       a loaf
=====  =====

Term
    What it means.

Baking
------

.. image:: oven.png
.. include:: secret.txt
.. raw:: html

   <b>raw</b>

Done.
"""


def parse(tmp_path: Path, content: str) -> Document:
    path = tmp_path / "a.rst"
    path.write_text(content, encoding="utf-8")
    return rst.parse(path)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return parse(tmp_path_factory.mktemp("rst"), TEXT)


def test_each_kind_of_block_is_known(document: Document) -> None:
    assert [(block.kind, block.text, block.headings[1:]) for block in document.blocks] == [
        ("heading", "Bread", ()),
        ("note", ":Author: Ada\n:Date: 2024-05-01", ()),
        ("paragraph", "An introduction, see `the other one <other.rst>`_ and :doc:`folder/third`.", ()),
        ("heading", "Dough", ()),
        ("list", "- Flour\n  of wheat\n\n  and rye\n- Water\n\n1. Mix\n2. Rest", ("Dough",)),
        ("paragraph", "Run this::", ("Dough",)),
        ("code", "    mix --slowly\n\n    rest", ("Dough",)),
        ("code", "   heat(250)", ("Dough",)),
        ("paragraph", ".. note:: Mind the\n   steam.", ("Dough",)),
        ("list", "   - It is hot.", ("Dough",)),
        ("note", ".. [1] A footnote.", ("Dough",)),
        ("heading", "Prices", ("Dough",)),
        ("caption", "By kind", ("Dough", "Prices")),
        ("table", "Kind  Price\nRye  3 €", ("Dough", "Prices")),
        ("table", "Kind  Made of\nRye  rye  water", ("Dough", "Prices")),
        ("table", "Kind  Price\nRye  3 €\nWheat  2 € a loaf", ("Dough", "Prices")),
        ("paragraph", "Term\n    What it means.", ("Dough", "Prices")),
        ("heading", "Baking", ()),
        ("paragraph", "Done.", ("Baking",)),
    ]


def test_title_metadata_and_links_are_the_document_s_own(document: Document) -> None:
    assert document.title == "Bread"
    assert document.metadata == {"encoding": "utf-8", "author": "Ada", "date": "2024-05-01"}
    assert document.links == ("other.rst", "folder/third")


def test_levels_follow_the_order_in_which_underlines_come(tmp_path: Path) -> None:
    content = "A\n###\n\nB\n***\n\nC\n===\n\nD\n***\n\nE\n###\n"
    assert [block.headings for block in parse(tmp_path, content).blocks] == [(), ("A",), ("A", "B"), ("A",), ()]


def test_what_only_resembles_a_heading_or_a_list_is_text(tmp_path: Path) -> None:
    for content in ("Long line of text\n--", "- one\nmore of it", "text\n\n----\n\ntext", "A. Einstein wrote\nthis."):
        assert {block.kind for block in parse(tmp_path, content).blocks} == {"paragraph"}, content


@given(st.text(alphabet="ab.:-=+|>_` \n*", max_size=150))
def test_blocks_are_slices_and_no_word_but_of_comments_is_lost(content: str) -> None:
    reader = rst._Reader(Lines.of(content))
    reader.read(0, len(reader.lines), 0)
    covered: set[int] = set()
    for block in reader.outline.blocks:
        assert block.span is not None
        covered.update(range(block.span.start, block.span.end))
        assert block.kind in ("table", "caption") or content[block.span.start : block.span.end] == block.text
    lost = {content[index] for index in range(len(content)) if index not in covered}
    assert not lost & set("ab") or ".." in content or "__ " in content


@pytest.mark.parametrize(
    "content",
    [
        "\n".join("  " * n + ".. note::" for n in range(400)), "+-+\n|a|\n" * 5_000, "= =\n" * 20_000,
        "= =\n\na\n" * 5_000,
        "+" + "-+" * 20_000 + "\n" + "|" + " |" * 20_000, "- a\n" * 30_000, "::\n\n" * 20_000, ".. |" * 30_000,
        ":" * 100_000, "`<" * 50_000, ".. list-table::\n\n" + "   * - a\n     b\n" * 10_000, "a\n=\n" * 20_000,
    ],
)  # fmt: skip
def test_texts_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    parse(tmp_path, content)
    assert time.monotonic() - started < 5
