"""unstructured, kept offline: file bytes -> its elements -> our blocks. The one file that imports it.

unstructured 0.27 reports to its makers on import and for every document, and fetches a spaCy model at run time,
unless it is kept from doing so before it is used.
"""

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from errors import ParseError
from ingest.parse.markup import table_rows
from ingest.parse.text import scrub
from ingest.types import Block, BlockKind

if TYPE_CHECKING:
    from unstructured.documents.elements import Element

_QUIET = {"DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "1", "UNSTRUCTURED_DISABLE_NOTICE": "1"}

_KINDS: dict[str, BlockKind] = {
    "ListItem": "list",
    "Table": "table",
    "CodeSnippet": "code",
    "FigureCaption": "caption",
    "Footnote": "note",
}
_LEFT_OUT = frozenset(("Header", "Footer", "PageBreak", "PageNumber", "Image"))


def parser_version(name: str) -> str:
    return f"{name}/1 unstructured {version('unstructured')}"


def msg_blocks(data: bytes) -> list[Block]:
    """The body of an Outlook message. Raises ParseError if unstructured cannot read it."""
    _load()
    from unstructured.partition.msg import partition_msg

    elements = _partition(lambda: partition_msg(file=io.BytesIO(data), languages=[""], process_attachments=False))
    return list(_merge(_blocks(elements)))


@cache
def _load() -> None:
    os.environ.update(_QUIET)
    import spacy
    import unstructured.nlp.tokenize

    def sentences_only() -> "spacy.language.Language":
        pipeline = spacy.blank("en")
        # Its own tokenizer looks for a suffix at every place of a word: minutes for a megabyte without spaces.
        pipeline.tokenizer = spacy.tokenizer.Tokenizer(pipeline.vocab)
        pipeline.add_pipe("sentencizer")
        return pipeline

    # Its own loader downloads and installs a model. Without one only its guess of "narrative text" suffers,
    # which is not used here.
    unstructured.nlp.tokenize._load_spacy_model = sentences_only


def warm() -> None:
    """Imports what parsing needs and runs it once, so that a process forked afterwards starts at once."""
    _load()
    from unstructured.partition.html import partition_html
    from unstructured.partition.msg import partition_msg  # noqa: F401

    page = "<p>A sentence is read here. It makes the pipeline load.</p><table><tr><td>1</table>"
    _partition(lambda: partition_html(text=page, languages=[""]))


def _partition(read: Any) -> list["Element"]:
    try:
        return list(read())
    except MemoryError:
        raise
    except Exception as error:  # a parser of hostile files raises whatever its libraries do
        said = " ".join(str(error).split())[:200]
        raise ParseError(
            f"The file is damaged: {said or type(error).__name__}.", hint="Open it with its program and save it anew."
        ) from error


def _blocks(elements: Iterable["Element"]) -> Iterator[Block]:
    path: list[tuple[int, str]] = []
    for element in elements:
        text = _text(element)
        if element.category in _LEFT_OUT or not text:
            continue
        # None: not marked as a heading, it only reads like one
        level = element.metadata.category_depth if element.category == "Title" else None
        headings = tuple(title for _, title in path)
        if level is not None:
            path = [entry for entry in path if entry[0] < level]
            title = " ".join(text.split())
            yield Block("heading", title, headings=tuple(title for _, title in path))
            path.append((level, title))
        else:
            kind = _KINDS.get(element.category, "paragraph")
            text = scrub(element.text).strip("\r\n").rstrip() if kind == "code" else text  # indents are code's own
            yield Block(kind, f"- {text}" if kind == "list" else text, headings=headings)


def _text(element: "Element") -> str:
    if element.category == "Table" and element.metadata.text_as_html:
        rows = ("  ".join(filter(None, row)) for row in table_rows(element.metadata.text_as_html))
        return scrub("\n".join(filter(None, rows)))
    return scrub(element.text).strip("\n\r\t \xa0")


def _merge(blocks: Iterable[Block]) -> Iterator[Block]:
    """Items of a list, and lines of code, that follow each other are one block."""
    last: Block | None = None
    for block in blocks:
        together = last is not None and last.kind == block.kind and last.headings == block.headings
        if last is not None and together and block.kind in ("list", "code"):
            last = replace(last, text=f"{last.text}\n{block.text}")
            continue
        if last is not None:
            yield last
        last = block
    if last is not None:
        yield last
