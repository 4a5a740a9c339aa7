"""DOCX -> Document."""

import io
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from errors import EncryptedError, ParseError
from ingest.parse import archive, unstructured_reader
from ingest.types import BlockKind, Document

if TYPE_CHECKING:
    from docx.document import Document as Word
    from docx.styles.style import BaseStyle

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how Office wraps a document that has a password
TITLE = 0  # the level of the document's title, above headings of level 1
_RESAVE = "Open it with a word processor and save it anew."


@cache
def parser_version() -> str:
    return f"{unstructured_reader.parser_version('docx')} python-docx {version('python-docx')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    import docx

    unstructured_reader.warm()
    file, sample = io.BytesIO(), docx.Document()
    sample.add_paragraph("A sentence is read here.")
    sample.save(file)
    unstructured_reader.docx_blocks(file.getvalue(), {})


def parse(path: Path) -> Document:
    """Headings, paragraphs, lists, tables and code of a Word document; running heads and feet are left out.

    Raises EncryptedError if it has a password, TooLargeError if it inflates beyond measure, ParseError if it is
    damaged.
    """
    data = path.read_bytes()
    if data.startswith(OLE) and "EncryptedPackage".encode("utf-16-le") in data:
        raise EncryptedError(
            "The file is protected by a password.", hint="Save a copy without the password and add that."
        )
    archive.check(data)
    word = _open(data)
    title, kinds = _read_styles(word)
    blocks = unstructured_reader.docx_blocks(data, kinds)
    metadata = _metadata(word)
    return Document(
        title=metadata.get("title") or title,
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata=metadata,
    )


def _open(data: bytes) -> "Word":
    import docx

    try:
        return docx.Document(io.BytesIO(data))
    except MemoryError:
        raise
    except Exception as error:  # python-docx lets through what lxml and zipfile raise
        said = str(error).strip('".')
        raise ParseError(f"The file is no readable Word document: {said}.", hint=_RESAVE) from error


def _metadata(word: "Word") -> dict[str, str]:
    properties = word.core_properties
    names = ("title", "author", "subject", "keywords", "language")
    found = {name: " ".join(str(getattr(properties, name) or "").split()) for name in names}
    return {name: text for name, text in found.items() if text}


def _read_styles(word: "Word") -> tuple[str, dict[str, int | BlockKind]]:
    """The title, and by their text the paragraphs whose style makes them headings (a level, from 0) or code.

    unstructured takes only styles named "Heading 1" to "Heading 9" for headings; templates with names of their
    own mark headings by an outline level. It takes no style for code.
    """
    title = ""
    kinds: dict[str, int | BlockKind] = {}
    known: dict[str | None, int | BlockKind | None] = {}
    for paragraph in word.paragraphs:
        text, style_id = paragraph.text.strip("\n\r\t \xa0"), paragraph._p.style
        if style_id not in known:  # paragraph.style searches all styles each time
            known[style_id] = _kind_of_style(paragraph.style) if paragraph.style is not None else None
        kind = known[style_id]
        if text and kind is not None:
            kinds[text] = kind
            title = title or (" ".join(text.split()) if kind == TITLE else "")
    return title, kinds


def _kind_of_style(style: "BaseStyle") -> int | BlockKind | None:
    name = (style.name or "").lower()
    if name == "title":
        return TITLE
    if "code" in name or "preformatted" in name:
        return "code"
    if name.startswith("heading ") and name[8:].isdigit():
        return int(name[8:])
    ancestor: BaseStyle | None = style
    for _ in range(10):  # a chain of styles may be a ring
        if ancestor is None:
            break
        if levels := ancestor.element.xpath("./w:pPr/w:outlineLvl/@w:val"):
            return int(levels[0]) + 1 if levels[0].isdigit() and int(levels[0]) < 9 else None
        ancestor = getattr(ancestor, "base_style", None)
    return None
