import json
from pathlib import Path
from typing import Any

import pytest

from errors import ParseError
from ingest.parse import canvas
from ingest.types import Document


def parse(tmp_path: Path, content: Any) -> Document:
    path = tmp_path / "a.canvas"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return canvas.parse(path)


def card(text: str, x: int, y: int) -> dict[str, Any]:
    return {"id": text, "type": "text", "text": text, "x": x, "y": y, "width": 10, "height": 10}


def test_cards_are_read_as_notes_in_the_order_in_which_they_lie(tmp_path: Path) -> None:
    group = {"type": "group", "label": "Oven", "x": 90, "y": -10, "width": 100, "height": 100}
    inner = {"type": "group", "label": "Heat", "x": 95, "y": -5, "width": 50, "height": 50}
    nodes = [
        card("Below #tag", 0, 100), card("# Head\nRight, see [[Bread]].", 100, 0), card("Left", 0, 0), group, inner,
        {"type": "file", "file": "notes/Rye.md", "x": 180, "y": 50},
        {"type": "link", "url": "https://example.org", "y": 200},
    ]  # fmt: skip
    document = parse(tmp_path, {"nodes": nodes, "edges": [{"fromNode": "a", "label": "leads to"}, {"fromNode": "b"}]})
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("paragraph", "Left", ()),
        ("heading", "Head", ("Heat",)),
        ("paragraph", "Right, see [[Bread]].", ("Heat", "Head")),
        ("paragraph", "notes/Rye.md", ("Oven",)),
        ("paragraph", "Below #tag", ()),
        ("paragraph", "https://example.org", ()),
        ("caption", "leads to", ()),
    ]
    assert document.tags == ("tag",)
    assert document.links == ("Bread", "notes/Rye.md")


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, '"text"'])
def test_what_is_no_canvas_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(ParseError, match="canvas"):
        parse(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [{}, {"nodes": None, "edges": 3},
     {"nodes": [1, None, {"type": "text"}, {"type": "text", "text": 5, "x": "a", "y": 1e400}]},
     {"nodes": [{"type": "file", "file": None}, {"type": "group", "label": ["x"]}], "edges": [{"label": {}}]}],
)  # fmt: skip
def test_a_canvas_of_other_values_than_it_should_have_gives_a_document(tmp_path: Path, content: Any) -> None:
    assert parse(tmp_path, content).blocks == ()
