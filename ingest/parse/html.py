"""HTML -> Document: the page's text without its scripts, styles and navigation."""

import re
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ingest.parse import unstructured_reader
from ingest.parse.markup import read_page
from ingest.parse.text import decode
from ingest.parse.text import warm as warm_text
from ingest.types import Document

MEDIA_TYPE = "text/html"

_DECLARED = re.compile(rb"<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{1,40})", re.I)


@cache
def parser_version() -> str:
    return f"{unstructured_reader.parser_version('html')} lxml {version('lxml')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    warm_text()
    read_page("<p>Warm.</p>")
    unstructured_reader.warm()


def parse(path: Path) -> Document:
    """Headings, paragraphs, lists, tables and code of a page. Nothing the page refers to is opened.

    Raises ParseError if it cannot be read.
    """
    data = path.read_bytes()
    declared = _DECLARED.search(data[:4096])
    text, encoding = decode(data, declared[1].decode("ascii", "ignore") if declared else "")
    page = read_page(text)
    blocks = unstructured_reader.html_blocks(page.content) if page.content else []
    first_heading = next((block.text for block in blocks if block.kind == "heading"), "")
    return Document(
        title=page.title or first_heading,
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata={"encoding": encoding} | page.metadata,
    )
