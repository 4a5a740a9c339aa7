"""A Jupyter notebook -> Document: its notes as Markdown, its code, and what the code wrote.

https://nbformat.readthedocs.io/en/latest/format_description.html
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
from ingest.parse.text import decode, scrub
from ingest.types import Block, Document

MEDIA_TYPE = "application/x-ipynb+json"
MAX_OUTPUT = 5_000  # characters of what a cell wrote; of longer ones the beginning


@cache
def parser_version() -> str:
    return f"notebook/1 {markdown.parser_version()}"


def parse(path: Path) -> Document:
    """Cells in order, under the headings of the notes above them. Pictures are left out.

    Raises ParseError if it is no notebook.
    """
    text, encoding = decode(path.read_bytes())
    blocks: list[Block] = []
    hidden = Hidden()
    tags: dict[str, None] = {}
    links: dict[str, None] = {}
    path_of_headings: tuple[str, ...] = ()
    title = ""
    for cell in _cells(text):
        source = _joined(cell.get("source", cell.get("input")))
        if cell.get("cell_type") in ("markdown", "heading"):
            note = document_of_markdown(source, MEDIA_TYPE, {}, hidden)
            title = title or note.title
            for block in note.blocks:
                path_of_headings = _path(path_of_headings, block, source)
                headings = path_of_headings[:-1] if block.kind == "heading" else path_of_headings
                blocks.append(replace(block, headings=headings, span=None))
            tags |= dict.fromkeys(note.tags)
            links |= dict.fromkeys(note.links)
        else:
            written = [source, *_outputs(cell)] if cell.get("cell_type") == "code" else [source]
            parts = (scrub(part).strip("\n").rstrip() for part in written)
            blocks += (Block("code", part, headings=path_of_headings) for part in parts if part)
    return Document(
        title=title,
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata={"encoding": encoding},
        tags=tuple(tags),
        links=tuple(links),
        hidden=hidden.found(),
    )


def _cells(text: str) -> list[dict[str, Any]]:
    notebook = json_object(text, "notebook", "Jupyter")
    sheets = notebook.get("worksheets")  # as the third version had them
    holders = [notebook, *(sheets if isinstance(sheets, list) else [])]
    lists = (holder.get("cells") for holder in holders if isinstance(holder, dict))
    return [cell for cells in lists if isinstance(cells, list) for cell in cells if isinstance(cell, dict)]


def _path(path: tuple[str, ...], block: Block, source: str) -> tuple[str, ...]:
    """The headings above what follows the block: a heading ends those of its level and below, also in later cells."""
    if block.kind != "heading":
        return path
    level = _level(block, source)
    return (*path[: level - 1], block.text)


def _level(block: Block, source: str) -> int:
    """How many signs stand before a heading; of one that is underlined, how deep it is in its cell."""
    start = block.span.start if block.span else 0
    line = source[source.rfind("\n", 0, start) + 1 : start].strip()
    return len(line) if line and not line.strip("#") else len(block.headings) + 1


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        yield (_joined(output.get("text")) or (_joined(data.get("text/plain")) if isinstance(data, dict) else ""))[
            :MAX_OUTPUT
        ]


def _joined(value: Any) -> str:
    """A text, or a list of its lines."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""
