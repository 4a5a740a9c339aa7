"""Obsidian's canvas -> Document: the text of its cards, as Markdown, in the order in which they lie on the page.

https://jsoncanvas.org/spec/1.0/
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ingest.parse import markdown
from ingest.parse.data import json_object
from ingest.parse.hidden import Hidden
from ingest.parse.markdown import document_of_markdown
from ingest.parse.markdown import warm as warm
from ingest.parse.text import decode
from ingest.types import Block, Document

MEDIA_TYPE = "application/jsoncanvas"


@cache
def parser_version() -> str:
    return f"canvas/1 {markdown.parser_version()}"


def parse(path: Path) -> Document:
    """Cards from top to bottom, then from left to right. A card stands under the label of the smallest group around
    it; files and web pages on the canvas are links and their names text; what is written on arrows comes last.

    Raises ParseError if it is no canvas.
    """
    text, encoding = decode(path.read_bytes())
    nodes, edges = _canvas(text)
    groups = [node for node in nodes if node.get("type") == "group"]
    blocks: list[Block] = []
    hidden = Hidden()
    tags: dict[str, None] = {}
    links: dict[str, None] = {}
    for node in sorted(nodes, key=lambda node: (_number(node, "y"), _number(node, "x"))):
        if node.get("type") == "text":
            card = document_of_markdown(_text(node, "text"), MEDIA_TYPE, {}, hidden)
            blocks += _under(card.blocks, _group(node, groups))
            tags |= dict.fromkeys(card.tags)
            links |= dict.fromkeys(card.links)
        elif place := _text(node, "file") or _text(node, "url"):
            blocks.append(Block("paragraph", place, headings=_group(node, groups)))
            if node.get("type") == "file":
                links[place] = None
    blocks += (Block("caption", label) for edge in edges if (label := _text(edge, "label")))
    return Document(
        title="",
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata={"encoding": encoding},
        tags=tuple(tags),
        links=tuple(links),
        hidden=hidden.found(),
    )


def _canvas(text: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    canvas = json_object(text, "canvas", "Obsidian")
    parts = (canvas.get(name) or [] for name in ("nodes", "edges"))
    nodes, edges = (
        [part for part in found if isinstance(part, dict)] if isinstance(found, list) else [] for found in parts
    )
    return nodes, edges


def _under(blocks: tuple[Block, ...], group: tuple[str, ...]) -> Iterator[Block]:
    """A card's blocks, without their places, which count the card's text and not the file's."""
    for block in blocks:
        yield replace(block, headings=group + block.headings, span=None)


def _group(node: dict[str, Any], groups: list[dict[str, Any]]) -> tuple[str, ...]:
    """The label of the smallest group that the node begins in."""
    x, y = _number(node, "x"), _number(node, "y")
    around = [
        (_number(group, "width") * _number(group, "height"), label)
        for group in groups[:1000]
        if (label := _text(group, "label"))
        and _number(group, "x") <= x < _number(group, "x") + _number(group, "width")
        and _number(group, "y") <= y < _number(group, "y") + _number(group, "height")
    ]
    return (min(around)[1],) if around else ()


def _number(node: dict[str, Any], key: str) -> float:
    value = node.get(key)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else 0.0


def _text(node: dict[str, Any], key: str) -> str:
    value = node.get(key)
    return (
        " ".join(value.split()) if isinstance(value, str) and key != "text" else value if isinstance(value, str) else ""
    )
