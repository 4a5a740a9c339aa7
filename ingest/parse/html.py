"""HTML -> Document: what a page says, without its scripts, navigation, frame and hidden parts."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from errors import ParseError
from ingest.parse.flow import CELLS, HEADINGS, LAYOUT, SKIPPED, blocks_of_tree, tag_name, walk
from ingest.parse.hidden import Hidden
from ingest.parse.markup import read_html
from ingest.parse.styles import hidden_elements, prose_of
from ingest.parse.text import decode
from ingest.parse.text import warm as warm_text
from ingest.types import Block, Document, HiddenKind

MEDIA_TYPE = "text/html"

MAX_JSON = 200_000  # characters of a page's JSON-LD that are looked at
MAX_LINKS = 1000
LONG_CELL = 1000  # characters; a table with such a cell and no header only places things on the page
LONG_CELL_OF_BLOCKS = 200  # the same, where the table has headings or other tables in it
MIN_MAIN = 0.25  # of the page's characters; a main part with less is none
MIN_REST = 250  # characters that must stay when a part is left out because it looks like the page's frame
FEW_WORDS = 6  # of a hidden part; a shorter one is a label
LINKED = 0.5  # of a part's characters stand in links: it leads elsewhere

_DECLARED = re.compile(rb"<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{1,40})", re.I)
_INVISIBLE = (
    "script style noscript template iframe object embed applet svg canvas audio video map select datalist head rp"
    " annotation annotation-xml"
)
_NEVER_SHOWN = frozenset(_INVISIBLE.split())
_FRAME_TAGS = frozenset(("header", "footer", "aside"))
_FRAME_ROLES = frozenset(("banner", "contentinfo", "complementary", "search"))
_CONTENT_TAGS = frozenset(("article", "main", "section"))
# Words of an element's id or class that say it leads elsewhere, as pages had them before <nav>; only with links in it.
_FRAME_WORDS = (
    "nav navbar navigation menu submenu sidebar breadcrumb breadcrumbs footer header pagination pager share social"
    " related navbox"
)
_FRAME_NAMES = frozenset(_FRAME_WORDS.split())
_CONSENT_NAMES = re.compile(r"cookie|consent|gdpr", re.I)
_MAX_CONSENT = 2000  # characters of a question for consent
_NAME_PARTS = re.compile(r"[A-Za-z][a-z]*")
_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

# Where a page says it, best first: names of <meta>, after their prefix if they are dc. or dcterms.
_META = {
    "author": ("author", "article:author", "dc.creator", "citation_author", "byl"),
    "description": ("description", "og:description", "dc.description", "twitter:description"),
    "keywords": ("keywords", "dc.subject", "news_keywords"),
    "created": (
        "article:published_time", "datepublished", "dc.date", "dc.date.issued", "dc.created", "date", "pubdate",
        "citation_publication_date", "citation_date", "publish-date", "dc.date.created",
    ),
    "modified": (
        "article:modified_time", "datemodified", "og:updated_time", "last-modified", "dc.modified", "dc.date.modified",
    ),
    "language": ("content-language", "dc.language"),
}  # fmt: skip
_DATE = re.compile(r"(\d{4})[-/](\d{1,2})(?:[-/](\d{1,2}))?(T\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|/|#|\?")


@cache
def parser_version() -> str:
    return f"html/4 lxml {version('lxml')}"


def warm() -> None:
    """Imports the library, so that a process forked afterwards starts at once."""
    warm_text()
    read_html("<p>Warm.</p>")


def parse(path: Path) -> Document:
    """Headings, paragraphs, lists, tables and code of a page. Nothing the page refers to is opened.

    Raises ParseError if it cannot be read.
    """
    return document_of_html(path.read_bytes(), MEDIA_TYPE)


def document_of_html(data: bytes, media_type: str, charset: str = "") -> Document:
    """The Document of a page's bytes. `charset` is what its container says of it, "" for nothing.

    Raises ParseError if it cannot be read.
    """
    declared = _DECLARED.search(data[:4096])
    text, encoding = decode(data, charset or (declared[1].decode("ascii", "ignore") if declared else ""))
    root = read_html(text)
    if root is None:
        return Document("", media_type, parser_version(), (), metadata={"encoding": encoding})
    said = _Said.of(root)
    hidden = Hidden()
    hidden.add_comments(text)
    blocks = _blocks(root, hidden)
    first_heading = next((block.text for block in blocks if block.kind == "heading"), "")
    return Document(
        title=_line(root.findtext(".//title")) or said.first("og:title", "dc.title", "citation_title") or first_heading,
        media_type=media_type,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata={"encoding": encoding} | _metadata(root, said),
        tags=said.tags(),
        links=_links(root),
        hidden=hidden.found(),
    )


def blocks_of_html(text: str, hidden: Hidden | None = None) -> list[Block]:
    """The blocks of a page, or of a part of one, as it stands in a letter or a book. `hidden` is told what of it is
    not seen.

    Raises ParseError if it cannot be read.
    """
    root = read_html(text)
    if root is None:
        return []
    hidden = hidden or Hidden()
    hidden.add_comments(text)
    return _blocks(root, hidden)


def is_hidden(element: str, hidden: Hidden) -> bool:
    """Whether an element of HTML, as written, is one that is not seen; `hidden` is told of it."""
    try:
        root = read_html(f"<div>{element}</div>")
    except ParseError:
        return False
    inner: Any = next(iter(root.find("body/div")), None) if root is not None else None
    kind = hidden_elements(root).get(inner) if inner is not None else None
    if kind is None:
        return False
    hidden.add(kind, "".join(inner.itertext()))
    return True


def _blocks(root: Any, hidden: Hidden) -> list[Block]:
    """The page's main part; if nothing is there, all that it has. Where all is hidden, its script may show it."""
    elements = hidden_elements(root)
    page = _Page.survey(root, elements)
    blocks = blocks_of_tree(page.main, page.tag_of)
    if not blocks and root.find(".//script") is not None:
        page.hidden = elements = dict.fromkeys(elements, "part")
    for element, kind in elements.items():
        _tell(hidden, element, kind)
    return blocks or blocks_of_tree(root, page.tag_of_anything)


def _tell(hidden: Hidden, element: Any, kind: HiddenKind) -> None:
    """Of what a page shows on demand, and of what is for the ear, only what says more than a label."""
    text = prose_of(element)
    if kind in ("colour", "tiny") or len(text.split()) >= FEW_WORDS:
        hidden.add(kind, text)


# which parts of a page are its content


@dataclass
class _Part:
    """An element that may be the page's main part or its frame, or lay out a table. Sizes count characters."""

    element: Any
    begins: int
    linked_before: int
    rest: int = MIN_REST
    size: int = 0
    linked: int = 0

    def leads_elsewhere(self) -> bool:
        return self.linked >= LINKED * self.size


@dataclass
class _Tables:
    """What is known of a table that is open: whether it holds data or only places things on the page."""

    element: Any
    parts: list[Any] = field(default_factory=list)  # its rows and cells, and itself
    has_header: bool = False
    has_inner: bool = False
    has_heading: bool = False
    columns: int = 0
    longest: int = 0
    column: int = 0
    cell_begins: int = 0

    def is_layout(self) -> bool:
        if (self.element.get("role") or "").lower() in ("presentation", "none"):
            return True
        longest = LONG_CELL_OF_BLOCKS if self.has_inner or self.has_heading else LONG_CELL
        return not self.has_header and (self.columns < 2 or self.longest > longest)


@dataclass
class _Page:
    """A page with what was found of its parts. Elements are kept, as a set of them needs them alive."""

    main: Any
    hidden: dict[Any, HiddenKind] = field(default_factory=dict)
    left_out: set[Any] = field(default_factory=set)
    layout: set[Any] = field(default_factory=set)

    @classmethod
    def survey(cls, root: Any, hidden: dict[Any, HiddenKind]) -> "_Page":
        """Looks at every element once."""
        page = cls(root, hidden)
        mains: list[_Part] = []
        frames: list[_Part] = []
        size = _survey(root, page, mains, frames)
        main = _main(mains, size)
        if main is not None:
            page.main, size = main.element, main.size
        for part in frames:
            if size - part.size >= part.rest and part.element is not page.main:
                page.left_out.add(part.element)
        return page

    def tag_of(self, element: Any) -> str:
        tag = self.shown_tag(element)
        if tag == SKIPPED or element in self.left_out:
            return SKIPPED
        return LAYOUT if element in self.layout else tag

    def shown_tag(self, element: Any) -> str:
        """The element's tag, or that of the role it says to have; SKIPPED if it is not shown."""
        tag = tag_name(element)
        if tag in _NEVER_SHOWN or tag == SKIPPED:
            return SKIPPED
        role = (element.get("role") or "").lower()
        if tag == "nav" or role == "navigation":
            return SKIPPED
        if self.hidden.get(element, "part") != "part":
            # Formulas stand hidden beside their picture; they are what can be read of it.
            return tag if any(True for _ in element.iter("math")) else SKIPPED
        if role == "heading":
            level = element.get("aria-level") or "2"
            return f"h{level}" if f"h{level}" in HEADINGS else "h6"
        return tag

    def tag_of_anything(self, element: Any) -> str:
        tag = tag_name(element)
        unseen = tag in _NEVER_SHOWN or self.hidden.get(element, "part") != "part"
        return SKIPPED if unseen else LAYOUT if tag in _TABLE_TAGS else tag


_TABLE_TAGS = frozenset(("table", "thead", "tbody", "tfoot", "tr", *CELLS))


def _survey(root: Any, page: _Page, mains: list[_Part], frames: list[_Part]) -> int:
    """Fills in the page's layout tables, the parts that may be its main one, and those that may be its frame. Gives
    the characters it has."""
    size = linked = 0
    links = content = 0  # how many such elements are open
    open_parts: list[tuple[_Part, Callable[[_Part], None]]] = []
    tables: list[_Tables] = []

    for step, element, tag in walk(root, page.shown_tag):
        if step == "open":
            links += tag == "a"
            if decide := _role_in_page(element, tag, content, mains, frames):
                open_parts.append((_Part(element, size, linked, 1 if tag in _FRAME_TAGS else MIN_REST), decide))
            content += tag in _CONTENT_TAGS
            _open_in_tables(tables, element, tag, size)
            text = element.text
        elif step == "close":
            links -= tag == "a"
            content -= tag in _CONTENT_TAGS
            if open_parts and open_parts[-1][0].element is element:
                part, decide = open_parts.pop()
                part.size, part.linked = size - part.begins, linked - part.linked_before
                decide(part)
            _close_in_tables(tables, page, tag, size)
            text = None
        else:
            text = element.tail
        length = len(" ".join(text.split())) if text else 0
        size += length
        linked += length if links else 0
    return size


def _role_in_page(
    element: Any, tag: str, content: int, mains: list[_Part], frames: list[_Part]
) -> Callable[[_Part], None] | None:
    """What to do with the element once its size is known; None for those that play no part."""
    role = (element.get("role") or "").lower()
    if tag in ("main", "article") or role == "main":
        return mains.append
    if tag in ("html", "body"):
        return None
    if (tag in _FRAME_TAGS or role in _FRAME_ROLES) and not content:
        has_headings = any(True for _ in element.iter("h1", "h2", "h3", "h4", "h5", "h6"))
        return lambda part: frames.append(part) if not has_headings or part.leads_elsewhere() else None
    name = f"{element.get('id') or ''} {element.get('class') or ''}"
    if name == " " or any(True for _ in element.iter("h1")):
        return None
    if _CONSENT_NAMES.search(name):
        return lambda part: frames.append(part) if part.size < _MAX_CONSENT else None
    if _FRAME_NAMES.intersection(word.lower() for word in _NAME_PARTS.findall(name[:200])):
        return lambda part: frames.append(part) if part.leads_elsewhere() else None
    return None


def _open_in_tables(tables: list[_Tables], element: Any, tag: str, size: int) -> None:
    if tag == "table":
        if tables:
            tables[-1].has_inner = True
        tables.append(_Tables(element))
    if tables and tag in _TABLE_TAGS:
        tables[-1].parts.append(element)
    if tables and tag == "tr":
        tables[-1].column = 0
    elif tables and tag in CELLS:
        table = tables[-1]
        table.column += 1
        table.columns = max(table.columns, table.column)
        table.has_header = table.has_header or tag == "th"
        table.cell_begins = size
    elif tables and tag in ("caption", "thead"):
        tables[-1].has_header = True
    elif tables and tag in HEADINGS:
        tables[-1].has_heading = True


def _close_in_tables(tables: list[_Tables], page: _Page, tag: str, size: int) -> None:
    if tables and tag in CELLS:
        tables[-1].longest = max(tables[-1].longest, size - tables[-1].cell_begins)
    elif tables and tag == "table":
        table = tables.pop()
        if table.is_layout():
            page.layout.update(table.parts)
        if tables:
            tables[-1].has_heading = tables[-1].has_heading or table.has_heading


def _main(parts: list[_Part], size: int) -> _Part | None:
    """The page's main part if it clearly has one: its only <main>, else its only <article> with a first heading."""
    mains = [part for part in parts if part.element.tag != "article"]
    articles = [part for part in parts if part.element.tag == "article" and part.element.find(".//h1") is not None]
    for found in (mains, articles):
        large = [part for part in found if part.size >= MIN_MAIN * size and part.size]
        if len(large) == 1:
            return large[0]
    return None


# what a page says of itself


@dataclass
class _Said:
    """The page's <meta>, and its JSON-LD, by name in small letters."""

    values: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Any) -> "_Said":
        said = cls()
        for meta in root.iter("meta"):
            name = meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv") or ""
            said._add(name.lower().replace("dcterms.", "dc."), meta.get("content"))
        for script in root.iter("script"):
            if (script.get("type") or "").lower() == "application/ld+json":
                for name, value in _linked_data(script.text or ""):
                    said._add(name, value)
        return said

    def _add(self, name: str, value: str | None) -> None:
        if text := _line(value):
            self.values.setdefault(name, []).append(text)

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def tags(self) -> tuple[str, ...]:
        tags = (tag.strip(" #") for value in self.all("article:tag") for tag in value.split(","))
        return tuple(dict.fromkeys(filter(None, tags)))

    def first(self, *names: str) -> str:
        return next((self.values[name][0] for name in names if name in self.values), "")


def _linked_data(text: str) -> Iterator[tuple[str, str]]:
    """Author and dates of the things that a page's JSON-LD describes (https://schema.org/Article)."""
    try:
        data = json.loads(text) if len(text) <= MAX_JSON else None
    except (ValueError, RecursionError):
        return
    graph = data.get("@graph", data) if isinstance(data, dict) else data
    for thing in graph if isinstance(graph, list) else [graph]:
        if not isinstance(thing, dict):
            continue
        for name in ("datePublished", "dateModified", "description"):
            if isinstance(thing.get(name), str):
                yield name.lower(), thing[name]
        authors = thing.get("author")
        for author in authors if isinstance(authors, list) else [authors]:
            value = author.get("name") if isinstance(author, dict) else author
            if isinstance(value, str):
                yield "author", value


def _metadata(root: Any, said: _Said) -> dict[str, str]:
    metadata = {key: said.first(*names) for key, names in _META.items()}
    metadata["author"] = (
        ", ".join(dict.fromkeys(said.all("author") or said.all("citation_author"))) or metadata["author"]
    )
    if language := _line(root.get("lang") or root.get(_XML_LANGUAGE)):
        metadata["language"] = language
    times = [time.get("datetime") for time in root.iter("time") if time.get("datetime")]
    if not metadata["created"] and len(set(times)) == 1:  # of several it is not known which
        metadata["created"] = times[0]
    metadata |= {key: _date(metadata[key]) for key in ("created", "modified")}
    return {key: value for key, value in metadata.items() if value}


def _date(text: str) -> str:
    """ISO 8601, "" for what is written otherwise."""
    found = _DATE.match(text)
    if found is None:
        return ""
    year, month, day, time = found.groups()
    return "-".join([year, month.zfill(2), *([day.zfill(2)] if day else [])]) + (time or "")


def _links(root: Any) -> tuple[str, ...]:
    """The files beside this one that it leads to."""
    found = Counter(
        unquote(re.split(r"[?#]", href)[0])
        for link in root.iter("a")
        if (href := (link.get("href") or "").strip()) and not _SCHEME.match(href)
    )
    return tuple(found)[:MAX_LINKS]


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
