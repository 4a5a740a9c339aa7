import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import code
from ingest.parse.lines import Lines, Outline
from ingest.types import Document

LONG = "\n".join(f"        call({n}, 'some words to fill the line')" for n in range(60))
PYTHON = f'''"""What it is for."""

import os
import re


# The oven.
@cache
class Oven:
    """It bakes."""

    size = 1

    # How hot.
    def heat(self):
{LONG}

    def off(self):
        pass


def short():
    return 1
'''


def parse(tmp_path: Path, content: str, name: str = "a.py") -> Document:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return code.parse(path)


def test_what_stands_together_is_a_block_and_a_long_definition_s_parts_stand_under_its_name(tmp_path: Path) -> None:
    blocks = parse(tmp_path, PYTHON).blocks
    assert [(block.kind, block.text.split("\n")[0], block.headings) for block in blocks] == [
        ("code", '"""What it is for."""', ()),
        ("code", "import os", ()),
        ("heading", "Oven", ()),
        ("code", "# The oven.", ("Oven",)),
        ("heading", "heat", ("Oven",)),
        ("code", "    # How hot.", ("Oven", "heat")),
        ("code", "    def off(self):", ("Oven",)),
        ("code", "def short():", ()),
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("def bake(x):", "bake"), ("    async def bake(", "bake"), ("class Oven(Base):", "Oven"),
        ("export default async function bake(x) {", "bake"), ("export const bake = async (x) => {", "bake"),
        ("public static void main(String[] args) {", "main"), ("int bake(const char *x, int n)", "bake"),
        ("static PyObject *bake(void) {", "bake"), ("func (o *Oven) Bake(x int) error {", "Bake"),
        ("pub(crate) fn bake<T>(x: T) -> T {", "bake"), ("impl<T> Oven for T {", "Oven"),
        ("bake <- function(x) {", "bake"),
        ("bake() {", "bake"), ("CREATE TABLE IF NOT EXISTS ovens (", "ovens"), ("local function bake(x)", "bake"),
        ("void Oven::bake(int x) const {", "Oven::bake"), ("module Bread", "Bread"), ("type Oven struct {", "Oven"),
        ("return bake(x)", ""), ("    for x in bake(y):", ""), ("if (bake(x)) {", ""), ("bake(x);", ""),
        ("x = bake(y)", ""), ("} else if (x) {", ""), ("with bake(x) as y:", ""), ("int x = bake(y);", ""),
        ("else return bake(x)", ""), ("", ""),
    ],
)  # fmt: skip
def test_names_are_found_in_many_languages(line: str, name: str) -> None:
    assert code._name(line) == name


def test_settings_stand_under_their_sections_with_the_comments_above(tmp_path: Path) -> None:
    content = "top = 1\n\n# The oven\n[oven.heat]\nmax = 250\n\n[[timer]]\nlist = [\n  ['a', 'b'],\n]\n"
    document = parse(tmp_path, content, "a.toml")
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("code", "top = 1", ()),
        ("heading", "oven.heat", ()),
        ("code", "# The oven\n[oven.heat]\nmax = 250", ("oven.heat",)),
        ("heading", "timer", ()),
        ("code", "[[timer]]\nlist = [\n  ['a', 'b'],\n]", ("timer",)),
    ]


@given(st.text(alphabet="ab def\n(){}#:;", max_size=200), st.booleans())
def test_blocks_are_slices_in_order_and_nothing_is_lost(content: str, small: bool) -> None:
    outline = Outline(Lines.of(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "SMALL", 5 if small else 1500)
        code._pieces(outline, 0, len(outline.lines), 0)
    blocks = [block for block in outline.blocks if block.kind == "code"]
    assert "".join("".join(block.text for block in blocks).split()) == "".join(content.split())
    for block in outline.blocks:
        assert block.span is not None
        assert content[block.span.start : block.span.end] == block.text


@pytest.mark.parametrize(
    "content",
    ["a " * 200_000, "\n".join("a " * 140 for _ in range(3_000)), "\n".join(" " * n + "def a():" for n in range(1_000)),
     "*" * 250, "a*&" * 90 + "(", "pub " * 70, "const a=" * 30,
     "a <" * 90, "# c\n" * 50_000, "def a():\n    pass\n\n" * 20_000, "(" * 200_000, "\n" * 200_000, "[" * 100_000],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.py", "a.ini"])
def test_files_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str, name: str) -> None:
    started = time.monotonic()
    parse(tmp_path, content, name)
    assert time.monotonic() - started < 5
