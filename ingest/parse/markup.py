"""HTML as a tree, safely: no entities, no network. The one file that imports lxml."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from errors import ParseError

_NOT_CONTENT = (
    "//script|//style|//noscript|//template|//iframe|//object|//svg|//nav|//*[@role='navigation']|//form//select"
)
# A header or footer of an article belongs to the article; one of the page does not, unless it has a heading.
_PAGE_FRAME = (
    "//body//*[self::header or self::footer][not(ancestor::article or ancestor::main or ancestor::section)]"
    "[not(.//h1 or .//h2 or .//h3 or .//h4 or .//h5 or .//h6)]"
)
# Pictures written out in the page: not text, and over 10 MB more than libxml2 takes in one piece.
_DATA_URL = re.compile(r"data:[\w.+/-]{1,100};base64,[\w+/=%-]{1000,}")
MAX_TAG = 100_000  # characters besides quoted values; libxml2 compares each attribute with all others
_LONG_TAG = re.compile(rf"<[a-zA-Z][^<>]{{{MAX_TAG},}}")
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_LIMITS = {"Excessive depth": "it is nested too deeply", "Buffer size": "one piece of it has more than 10 MB"}
_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True)
class WebPage:
    """`content` is the page as HTML again, without scripts, styles, navigation and the page's own frame."""

    title: str
    metadata: dict[str, str]
    content: str


def read_page(text: str) -> WebPage:
    """Takes a page apart. Nothing it refers to is opened. Raises ParseError if it cannot be read."""
    from lxml import etree, html  # type: ignore[import-untyped]

    # The HTML parser knows no DTD, so no entity of the file's own is ever expanded. An XML declaration would
    # gainsay the encoding that the text is handed over in.
    # What stands after the page's end would be left out, so the end is not read as such.
    text = re.sub(r"^\s*<\?xml[^>]*\?>|</(?:html|body)\s*>", "", text, flags=re.IGNORECASE)
    text = _DATA_URL.sub("data:,", text)
    if any(len(_QUOTED.sub("", tag[0])) > MAX_TAG for tag in _LONG_TAG.finditer(text)):
        raise ParseError("The page has a tag with thousands of attributes.", hint="Save it as text or PDF.")
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8")
    try:
        root = html.document_fromstring(text.encode(), parser=parser, ensure_head_body=True)
    except etree.ParserError:  # nothing in it
        return WebPage("", {}, "")
    except (etree.LxmlError, ValueError) as error:
        raise ParseError(f"The page is damaged: {error}.", hint="Open it in a browser and save it anew.") from error
    if limit := next((entry.message for entry in parser.error_log if entry.type_name == "ERR_RESOURCE_LIMIT"), ""):
        known = (words for sign, words in _LIMITS.items() if sign in limit)
        raise ParseError(
            f"The page cannot be read: {next(known, ' '.join(limit.split()))}.", hint="Save it as text or PDF."
        )
    title = " ".join((root.findtext(".//title") or "").split())
    for element in [*root.xpath(_NOT_CONTENT), *root.xpath(_PAGE_FRAME)]:
        if element.getparent() is not None:
            element.drop_tree()
    return WebPage(title, _metadata(root), html.tostring(root, encoding="unicode"))


def table_rows(table: str) -> Iterator[list[str]]:
    """The texts of a table's cells, row by row."""
    from lxml import html

    for row in html.fragment_fromstring(table).iter("tr"):
        yield [" ".join("".join(cell.itertext()).split()) for cell in row if cell.tag in ("td", "th")]


def _metadata(root: Any) -> dict[str, str]:
    found = {
        str(meta.get("name")).lower(): " ".join((meta.get("content") or "").split())
        for meta in root.iterfind(".//meta[@name]")
    }
    metadata = {key: found[key] for key in ("author", "description", "keywords") if found.get(key)}
    if language := (root.get("lang") or root.get(_XML_LANGUAGE) or "").strip():
        metadata["language"] = language
    return metadata
