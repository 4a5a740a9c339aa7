"""HTML and XML as trees, safely: no entities, no network. The one file that imports lxml."""

import re
from collections.abc import Iterator
from typing import Any

from errors import ParseError

# Pictures written out in the page: not text, and over 10 MB more than libxml2 takes in one piece.
_DATA_URL = re.compile(r"data:[\w.+/-]{1,100};base64,[\w+/=%-]{1000,}")
MAX_TAG = 100_000  # characters besides quoted values; libxml2 compares each attribute with all others
_LONG_TAG = re.compile(rf"<[a-zA-Z][^<>]{{{MAX_TAG},}}")
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_LIMITS = {
    "Excessive depth": "it is nested too deeply",
    "Buffer size": "one piece of it has more than 10 MB",
    "amplification": "its entities are made to exhaust memory",
}
_RESAVE = "Open it with the program that made it and save it anew."


def read_html(text: str) -> Any:
    """The root element of a page, without comments; None where nothing is in it. Nothing it refers to is opened.

    Raises ParseError if it cannot be read.
    """
    from lxml import etree, html  # type: ignore[import-untyped]

    # The HTML parser knows no DTD, so no entity of the file's own is ever expanded. An XML declaration would
    # gainsay the encoding that the text is handed over in.
    # What stands after the page's end would be left out, so the end is not read as such.
    text = re.sub(r"^\s*<\?xml[^>]*\?>|</(?:html|body)\s*>", "", text, flags=re.IGNORECASE)
    text = _DATA_URL.sub("data:,", text)
    if any(len(_QUOTED.sub("", tag[0])) > MAX_TAG for tag in _LONG_TAG.finditer(text)):
        raise ParseError("The page has a tag with thousands of attributes.", hint="Save it as text or PDF.")
    # huge_tree: old pages never close their <font>s, and are 2,000 levels deep then
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, encoding="utf-8")
    try:
        root = html.document_fromstring(text.encode(), parser=parser, ensure_head_body=True)
    except etree.ParserError:  # nothing in it
        return None
    except (etree.LxmlError, ValueError) as error:
        raise ParseError(f"The page is damaged: {error}.", hint="Open it in a browser and save it anew.") from error
    if limit := next((entry.message for entry in parser.error_log if entry.type_name == "ERR_RESOURCE_LIMIT"), ""):
        known = (words for sign, words in _LIMITS.items() if sign in limit)
        raise ParseError(
            f"The page cannot be read: {next(known, ' '.join(limit.split()))}.", hint="Save it as text or PDF."
        )
    return root


def read_xml(data: bytes) -> Any:
    """The root element of an XML file, without comments. Entities of its own are not expanded, no document type and
    nothing else that it refers to is opened. A damaged file is read as far as it goes.

    Raises ParseError if it cannot be read.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True, recover=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser=parser)
    except (etree.LxmlError, ValueError) as error:
        raise ParseError(f"The XML is damaged: {error}.", hint=_RESAVE) from error
    if limit := next((entry.message for entry in parser.error_log if entry.type_name == "ERR_RESOURCE_LIMIT"), ""):
        known = (words for sign, words in _LIMITS.items() if sign in limit)
        raise ParseError(f"The XML cannot be read: {next(known, ' '.join(limit.split()))}.", hint=_RESAVE)
    if root is None:
        raise ParseError("There is no XML in the file.", hint=_RESAVE)
    return root


def table_rows(table: str) -> Iterator[list[str]]:
    """The texts of a table's cells, row by row."""
    from lxml import html

    for row in html.fragment_fromstring(table).iter("tr"):
        yield [" ".join("".join(cell.itertext()).split()) for cell in row if cell.tag in ("td", "th")]
