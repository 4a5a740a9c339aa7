import json
from pathlib import Path
from typing import Any

import pytest

from errors import ParseError
from ingest.parse import notebook
from ingest.types import Document
from tests.conftest import shared_data


def parse(tmp_path: Path, content: Any) -> Document:
    path = tmp_path / "a.ipynb"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return notebook.parse(path)


def note(source: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source}


def test_notes_code_and_what_it_wrote_stand_in_order_under_the_headings(tmp_path: Path) -> None:
    cells = [
        note(["# Bread\n", "About #food, see [[Rye]]."]), note("## Dough\n\n- Flour"),
        {"cell_type": "code", "source": ["mix()\n", "rest()"], "outputs": [
            {"output_type": "stream", "text": ["mixed\n"]}, {"output_type": "error", "traceback": ["no"]},
            {"output_type": "execute_result", "data": {"text/plain": "42", "image/png": "iVBORw0KGgo="}}]},
        note("## Baking"), note("Hot."), note("# Wine"), {"cell_type": "raw", "source": "typed"},
    ]  # fmt: skip
    document = parse(tmp_path, {"cells": cells, "metadata": {}, "nbformat": 4})
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "Bread", ()),
        ("paragraph", "About #food, see [[Rye]].", ("Bread",)),
        ("heading", "Dough", ("Bread",)),
        ("list", "- Flour", ("Bread", "Dough")),
        ("code", "mix()\nrest()", ("Bread", "Dough")),
        ("code", "mixed", ("Bread", "Dough")),
        ("code", "42", ("Bread", "Dough")),
        ("heading", "Baking", ("Bread",)),
        ("paragraph", "Hot.", ("Bread", "Baking")),
        ("heading", "Wine", ()),
        ("code", "typed", ("Wine",)),
    ]
    assert document.title == "Bread"
    assert (document.tags, document.links) == (("food",), ("Rye",))


def test_a_notebook_of_the_third_version_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "input": "mix()", "outputs": []}]
    assert [block.text for block in parse(tmp_path, {"worksheets": [{"cells": cells}]}).blocks] == ["mix()"]


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, "3"])
def test_what_is_no_notebook_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(ParseError, match="notebook"):
        parse(tmp_path, content)


@pytest.mark.parametrize("cells", [None, [1], [{}], [{"cell_type": "markdown", "source": [1, None]}],
                                   [{"cell_type": "code", "source": {}, "outputs": [3, {"data": []}]}]])  # fmt: skip
def test_cells_of_other_values_than_they_should_have_give_a_document(tmp_path: Path, cells: Any) -> None:
    assert parse(tmp_path, {"cells": cells}).blocks == ()


@pytest.mark.needs_shared
def test_a_real_notebook_is_read() -> None:
    path = shared_data(
        "documents", "markitdown", "packages", "markitdown", "tests", "test_files", "test_notebook.ipynb"
    )
    assert {block.kind for block in notebook.parse(path).blocks} >= {"heading", "paragraph", "code"}
