"""EPUB -> Document: the chapters in reading order, each under its headings, or its title in the table of contents."""

import posixpath
from functools import cache
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from errors import EncryptedError, ParseError
from ingest.parse import package
from ingest.parse.hidden import Hidden
from ingest.parse.outline import Outline
from ingest.parse.package import RESAVE, Package, local_name
from ingest.parse.text import decode, scrub
from ingest.parse.text import warm as warm_text
from ingest.types import Document

MEDIA_TYPE = "application/epub+zip"

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_METADATA = {"title": "title", "creator": "author", "subject": "keywords", "description": "description",
             "language": "language", "date": "created"}  # fmt: skip


@cache
def parser_version() -> str:
    return f"epub/1 lxml {version('lxml')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    from ingest.parse import html

    warm_text()
    html.warm()


def parse(path: Path) -> Document:
    """The text of a book; its table of contents is left out.

    Raises EncryptedError if its chapters are encrypted, TooLargeError if it inflates beyond measure, ParseError if it
    is damaged.
    """
    with package.opened(path, "book", doctypes=True) as book:
        main = _main_part(book)
        root = book.xml(main)
        items = _items(root, posixpath.dirname(main))
        chapters = _spine(root, items)
        _check_readable(book, chapters)
        titles = _titles(book, items)
        outline, hidden = Outline(), Hidden()
        for name in chapters:
            if name in book.names:
                _add_chapter(outline, book.read(name), titles.get(name, ""), hidden)
        metadata = _metadata(root)
    return Document(
        title=metadata.get("title", ""),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=outline.finish(),
        metadata=metadata,
        hidden=hidden.found(),
    )


def _add_chapter(outline: Outline, data: bytes, title: str, hidden: Hidden) -> None:
    from ingest.parse.html import blocks_of_html

    blocks = blocks_of_html(decode(data)[0], hidden)
    outline.start_section()
    if blocks and title and not any(block.kind == "heading" for block in blocks):
        outline.heading(1, title)
    outline.extend(blocks)


def _main_part(book: Package) -> str:
    """The name of the part that lists the others (OPF)."""
    for element in book.xml(_CONTAINER).iter():
        name = unquote(element.get("full-path", ""))
        if local_name(element) == "rootfile" and name in book.names:
            return name
    raise ParseError("The file is no readable book: it has no list of its parts.", hint=RESAVE)


def _items(root: Element, folder: str) -> dict[str, tuple[str, Element]]:
    """The book's parts: their names in the archive and their entries, by their ids."""
    return {
        item.get("id", ""): (_name(folder, item.get("href", "")), item)
        for item in root.iter()
        if local_name(item) == "item"
    }


def _name(folder: str, target: str) -> str:
    """A part's name, as another in `folder` refers to it."""
    return posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))


def _spine(root: Element, items: dict[str, tuple[str, Element]]) -> list[str]:
    """The names of the chapters, in order, each once."""
    found = []
    for reference in root.iter():
        if local_name(reference) == "itemref" and (item := items.get(reference.get("idref", ""))):
            name, entry = item
            if entry.get("media-type", "") in _PAGES and "nav" not in entry.get("properties", "").split():
                found.append(name)
    return list(dict.fromkeys(found))


def _check_readable(book: Package, chapters: list[str]) -> None:
    """Fonts are often encrypted in books that are open; chapters only in those that are not."""
    if _ENCRYPTION not in book.names:
        return
    sealed = {unquote(element.get("URI", "")) for element in book.xml(_ENCRYPTION).iter()}
    if sealed & set(chapters):
        raise EncryptedError(
            "The book is protected against copying (DRM).", hint="Add a copy without protection, if you have one."
        )


def _titles(book: Package, items: dict[str, tuple[str, Element]]) -> dict[str, str]:
    """The chapters' titles in the table of contents (EPUB 3's page or EPUB 2's NCX), by the chapters' names."""
    found: dict[str, str] = {}
    for name, entry in items.values():
        is_contents = "nav" in entry.get("properties", "").split() or entry.get("media-type", "").endswith("ncx+xml")
        if not is_contents or name not in book.names:
            continue
        try:
            contents = book.xml(name)
        except ParseError:  # a page that is no XML, or declares entities
            continue
        folder = posixpath.dirname(name)
        for element in contents.iter():
            if local_name(element) == "a":
                target, text = element.get("href", ""), "".join(element.itertext())
            elif local_name(element) == "navPoint":
                target, text = _point(element)
            else:
                continue
            if "#" not in target:
                found.setdefault(_name(folder, target), " ".join(text.split()))
    return found


def _point(point: Element) -> tuple[str, str]:
    target = next((child.get("src", "") for child in point if local_name(child) == "content"), "")
    label = next((child for child in point if local_name(child) == "navLabel"), None)
    return target, "".join(label.itertext()) if label is not None else ""


def _metadata(root: Element) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for element in root.iter():
        name = _METADATA.get(local_name(element), "")
        text = " ".join(scrub(element.text or "").split())
        if name and text and "dc/" in element.tag and not (name in ("title", "created", "language") and name in found):
            found.setdefault(name, []).append(text)
    return {name: ", ".join(values) for name, values in found.items()}
