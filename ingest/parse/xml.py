"""XML -> Document. Text that is marked up (articles, books, patents, guidelines) is read like a page, data like JSON.

Vocabularies call the same things by few names: JATS, DocBook, TEI, DITA and the patent office's are read by one table
of names. No document type is opened and no entity of the file's own is expanded.
"""

import re
from collections.abc import Iterator
from functools import cache
from html.entities import html5
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingest.parse.data import blocks_of_value
from ingest.parse.flow import APART, SKIPPED, blocks_of_tree
from ingest.parse.html import blocks_of_html
from ingest.parse.markup import read_xml
from ingest.parse.text import decode
from ingest.parse.text import warm as warm_text
from ingest.types import Block, Document

MEDIA_TYPE = "application/xml"
MIN_PARAGRAPHS = 0.4  # of the characters stand in paragraphs; else it is data
MAX_LEVEL = 9

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))
_GREEK_NAMES = "a b g d e z ee th i k l m n x o p r s t u ph kh ps oh"
_GREEK = {f"{name}gr": letter for name, letter in zip(_GREEK_NAMES.split(), "αβγδεζηθικλμνξοπρστυφχψω", strict=True)}
_GREEK |= {f"{name[0].upper()}{name[1:]}": letter.upper() for name, letter in _GREEK.items()}
_HTML = re.compile(r"</?(?:p|br|div|a|ul|li|b|i|em|strong|img|span|h[1-6])[\s/>]", re.I)
_TEX = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.S)

_PARAGRAPHS = frozenset(
    ("p", "para", "simpara", "formalpara", "paragraph", "par", "claim-text", "ab", "verse-line", "shortdesc")
)
_HEADINGS = frozenset(("title", "head", "heading", "invention-title", "title-of-invention", "b540", "h"))
_SECTION_NAMES = """
    sec section sect1 sect2 sect3 sect4 sect5 chapter part appendix app div div1 div2 div3 topic abstract ref-list
    preface refentry refsect1 refsect2 simplesect glossary bibliography boxed-text ack sub-article response
    funding-statement
"""
_SECTIONS = frozenset(_SECTION_NAMES.split())
# Parts that are headed by what they are, where they have no heading.
_NAMED = {
    "abstract": "Abstract", "ack": "Acknowledgments", "ref-list": "References", "bibliography": "References",
    "claims": "Claims", "subdoc-abstract": "Abstract", "subdoc-claims": "Claims", "sdoab": "Abstract",
    "sdocl": "Claims", "glossary": "Glossary", "funding-statement": "Funding",
}  # fmt: skip
_TAGS = {
    **dict.fromkeys(_PARAGRAPHS, "p"),
    "list": "ul", "itemizedlist": "ul", "ul": "ul", "orderedlist": "ol", "ol": "ol", "simplelist": "ul", "steps": "ol",
    "def-list": "dl", "variablelist": "dl", "glosslist": "dl", "ref-list": "ul", "bibliography": "ul",
    "list-item": "li", "listitem": "li", "item": "li", "li": "li", "ref": "li", "biblioentry": "li", "member": "li",
    "step": "li", "term": "dt", "def": "dd", "glossterm": "dt", "glossdef": "dd",
    "table": "table", "tgroup": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot",
    "tr": "tr", "row": "tr", "td": "td", "th": "th", "entry": "td", "cell": "td",
    "preformat": "pre", "programlisting": "pre", "screen": "pre", "codeblock": "pre", "literallayout": "pre",
    "caption": "figcaption", "aff": "p",
    "break": "br", "br": "br", "lb": "br", "sup": "sup", "superscript": "sup", "sp": "sup",
}  # fmt: skip
_IN_LINE_NAMES = """
    italic bold b i u sub subscript sb sc emph emphasis hi xref ext-link link a monospace styled-content named-content
    underline strike tt term-ref claim-ref figref crossref inline-formula math mi mn mo mrow msub msup mfrac pdat hil
    bold-italic bdt f dependent-claim-reference cross-reference highlight ulink citetitle literal command filename code
    stext uri email
"""
_IN_LINE = frozenset(_IN_LINE_NAMES.split())
# Whose parts stand in a line each beside the other: a reference, a place of work, a formula and its number.
_LINES = frozenset(
    ("ref", "citation", "mixed-citation", "element-citation", "nlm-citation", "biblioentry", "bibl", "aff", "caption",
     "disp-formula")
)  # fmt: skip
_SKIPPED_NAMES = """
    graphic inline-graphic media object-id annotation img emi drawings subdoc-drawings sdodr processing-meta permissions
    counts custom-meta-group article-id journal-meta teiheader prolog author inventors
"""
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
# Parts that say something of the document. Of what is in them, title, abstract, where the authors work, their notes and
# who paid are its text.
_ABOUT = re.compile(
    r"article-meta|front-stub|\w*info|.*bibliographic.*|sdobi|b500|title-group|contrib-group|contrib|funding-group|"
    r"technical-information"
)
_OF_ABOUT = frozenset(
    ("abstract", "trans-abstract", "aff", "author-notes", "funding-statement", "article-title", "subtitle", *_HEADINGS)
)
_ROOTS = frozenset(
    ("article", "book", "tei", "topic", "concept", "task", "us-patent-application", "us-patent-grant", "patdoc")
)
_SURNAMES = ("surname", "last-name", "family-name", "snm")
_PUBLISHED = ("pub-date", "pubdate", "publication-reference", "b140")
_DATE = re.compile(r"(\d{4})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?:T.*)?")
_GIVEN_NAMES = ("given-names", "first-name", "given-name", "firstname", "forename", "fnm")


@cache
def parser_version() -> str:
    return f"xml/2 lxml {version('lxml')}"


def warm() -> None:
    """Imports the library, so that a process forked afterwards starts at once."""
    warm_text()
    read_xml(b"<p/>")


def parse(path: Path) -> Document:
    """Headings by the sections they stand in, paragraphs, lists, tables and captions; of data, lines of "key: value".

    Raises ParseError if it cannot be read, TooLargeError if it has too many values.
    """
    data = path.read_bytes()
    declared = _DECLARED.search(data[:1000])
    text, encoding = decode(data, declared[1].decode("ascii", "ignore") if declared else "")
    root = read_xml(_ENTITY.sub(_character, _DECLARATION.sub("", text)).encode())
    metadata = {"encoding": encoding}
    if _is_text(root):
        title, authors = _title(root), _authors(root)
        blocks = _blocks_of_text(root, title, authors)
        metadata |= {"author": ", ".join(authors)} if authors else {}
        metadata |= _said(root)
    else:
        title = _line(next(iter(root.iterfind("./{*}title")), None)) or _line(root.find("./{*}channel/{*}title"))
        blocks = list(blocks_of_value({_name(root): _value(root)}))
    return Document(title, MEDIA_TYPE, parser_version(), tuple(blocks), metadata=metadata)


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for in HTML or ISO 8879, as most document types have it; those of XML stay as they are."""
    name = entity[1]
    return entity[0] if name in _OF_XML else _GREEK.get(name) or html5.get(f"{name};", entity[0])


def _name(element: Any) -> str:
    """An element's name without its namespace, in small letters; "" for comments and the like."""
    return element.tag.rsplit("}", 1)[-1].lower() if isinstance(element.tag, str) else ""


def _line(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


# text


def _is_text(root: Any) -> bool:
    """Whether it is of a known kind, or much of it stands in paragraphs."""
    if _name(root) in _ROOTS:
        return True
    size = in_paragraphs = depth = 0
    for element, opens in _steps(root):
        is_paragraph = _name(element) in _PARAGRAPHS or _name(element) in _HEADINGS
        depth += is_paragraph if opens else -is_paragraph
        text = element.text if opens else element.tail
        length = len(text.strip()) if text else 0
        size += length
        in_paragraphs += length if depth else 0
    return size > 0 and in_paragraphs > MIN_PARAGRAPHS * size and any(_name(e) in _PARAGRAPHS for e in root.iter())


def _steps(root: Any) -> Iterator[tuple[Any, bool]]:
    """Each element as it opens and as it closes."""
    yield root, True
    pending = [(root, iter(root))]
    while pending:
        element, children = pending[-1]
        child = next(children, None)
        if child is None:
            pending.pop()
            yield element, False
        else:
            yield child, True
            pending.append((child, iter(child)))


def _title(root: Any) -> str:
    for name in ("title-group", "titlestmt"):
        for group in root.iter("{*}*"):
            if _name(group) == name:
                return _line(next((child for child in group if "title" in _name(child)), None))
    for names in (("invention-title", "title-of-invention", "b540"), _HEADINGS):
        if found := next(
            (line for element in root.iter("{*}*") if _name(element) in names and (line := _line(element))), ""
        ):
            return found
    return ""


def _authors(root: Any) -> list[str]:
    """Those whom the part about the document names, each once; not its editors."""
    found: dict[str, None] = {}
    for person in _about(root):
        names = {_name(child): _line(child) for child in person}
        surname = next((names[name] for name in _SURNAMES if names.get(name)), "")
        given = next((names[name] for name in _GIVEN_NAMES if names.get(name)), "")
        if surname and given and _is_author(person):
            found[f"{given} {surname}"] = None
    return list(found)[:100]


def _is_author(person: Any) -> bool:
    above = person.getparent()
    role = person.get("contrib-type") or (above.get("contrib-type") if above is not None else "")
    return (role or "author") == "author"


def _about(root: Any) -> Iterator[Any]:
    """The elements of the first part that says something of the document."""
    about = next((element for element in root.iter("{*}*") if _ABOUT.fullmatch(_name(element))), None)
    return iter(()) if about is None else about.iter("{*}*")


def _said(root: Any) -> dict[str, str]:
    """When the document was published, the first that is told to the day, and its keywords."""
    date = ""
    keywords: dict[str, None] = {}
    for element in _about(root):
        name, above = _name(element), _name(element.getparent()) if element.getparent() is not None else ""
        if not date and (name in _PUBLISHED or (name == "date" and above.endswith("info"))):
            date = _day(element)
        elif name in ("kwd", "keyword"):
            keywords[_line(element)] = None
    listed = ", ".join(filter(None, keywords))
    return ({"date": date} if date else {}) | ({"keywords": listed} if listed else {})


def _day(element: Any) -> str:
    """A date of one form or another, as ISO 8601; "" if it says no day."""
    parts = {_name(child): _line(child) for child in element}
    written = "-".join(parts.get(name, "").zfill(2) for name in ("year", "month", "day"))
    for text in (element.get("iso-8601-date", ""), written, *element.itertext()):
        if found := _DATE.fullmatch(text.strip()):
            return "-".join(found.groups())
    return ""


def _left_out(root: Any) -> set[Any]:
    """Where those work who are no authors (editors, reviewers), and what of the authors' places is said before."""
    ids: dict[bool, set[str]] = {True: set(), False: set()}
    for person in root.iter("{*}contrib"):
        for reference in person.iter("{*}xref"):
            if reference.get("ref-type") == "aff":
                ids[_is_author(person)].update(reference.get("rid", "").split())
    others = ids[False] - ids[True]
    left_out: set[Any] = set()
    said: set[str] = set()
    for place in root.iter("{*}aff"):
        is_other = place.get("id") in others or any(
            not _is_author(person) for person in place.iterancestors("{*}contrib")
        )
        if is_other or _line(place) in said:
            left_out.add(place)
        said.add(_line(place))
    return left_out


def _blocks_of_text(root: Any, title: str, authors: list[str]) -> list[Block]:
    _complete(root)
    reader = _Reader(title, _left_out(root))
    blocks = blocks_of_tree(root, reader.tag_of)
    head = [Block("heading", title)] if title else []
    by = [Block("paragraph", ", ".join(authors), headings=(title,) if title else ())] if authors else []
    above = (title,) if title else ()
    return [*head, *by, *(_under(block, above) for block in blocks)]


def _under(block: Block, above: tuple[str, ...]) -> Block:
    inner = tuple(heading for heading in block.headings if heading not in above)
    return Block(block.kind, block.text, headings=above + inner)


def _complete(root: Any) -> None:
    """Puts into the tree what its vocabulary leaves to whoever prints it: headings of parts that are what they are
    called, labels before titles, captions and notes, cells that span rows. Takes the numbers of institutes from it."""
    for element in list(root.iter("{*}*")):
        name = _name(element)
        children = {_name(child): child for child in reversed(element)}
        if name in _NAMED and not any(child in _HEADINGS for child in children):
            heading = element.makeelement("title")
            heading.text, heading.tail = _NAMED[name], element.text
            element.text = None
            element.insert(0, heading)
        label, titled = children.get("label"), children.get("title", children.get("caption"))
        titled = children.get("p") if name == "fn" else titled
        if label is not None and titled is not None:
            first = next(iter(titled), titled) if _name(titled) == "caption" else titled
            first.text = " ".join(filter(None, (_line(label), first.text)))
            for child in list(label):
                label.remove(child)
            label.text = None
        if name == "institution-wrap" and next(element.iterancestors("{*}aff"), None) is not None:
            for number in element.findall("{*}institution-id"):
                element.remove(number)
        if rows := element.get("morerows"):
            element.set("rowspan", str(int(rows) + 1) if rows.isdigit() and len(rows) < 6 else "1")


class _Reader:
    """Says for each element which of HTML's it stands for."""

    def __init__(self, title: str, left_out: set[Any]) -> None:
        self._title = title
        self._left_out = left_out
        self._parent: Any = None
        self._is_mixed = False
        self._lines: set[Any] = set()  # elements in a line; what is in them is in it too

    def tag_of(self, element: Any) -> str:
        name = _name(element)
        parent = element.getparent()
        above = _name(parent) if parent is not None else ""
        if name == "tex-math":
            return self._formula(element)
        if not name or name in _SKIPPED or element in self._left_out:
            return SKIPPED
        if _ABOUT.fullmatch(above) and name not in _OF_ABOUT and not _ABOUT.fullmatch(name):
            return SKIPPED
        if parent in self._lines:
            self._lines.add(element)
            is_apart = name not in _IN_LINE and not self._stands_in_text(parent) and _touches(element)
            return _TAGS[name] if _TAGS.get(name) in ("br", "sup") else APART if is_apart else "span"
        if name in _LINES:
            self._lines.add(element)
        if name in _HEADINGS or name in ("article-title", "subtitle"):
            return self._heading(element, above)
        return self._tag(element, name, parent, above)

    def _tag(self, element: Any, name: str, parent: Any, above: str) -> str:
        if name == "table" and any(_name(child) == "tgroup" for child in element):
            return "div"
        if name == "entry" and _name(parent.getparent()) == "thead":
            return "th"
        if name == "list" and (element.get("list-type") or "") in ("order", "alpha-lower", "roman-lower"):
            return "ol"
        if above == "varlistentry" and name == "listitem":
            return "dd"
        if name in _TAGS:
            return _TAGS[name]
        return "span" if name in _IN_LINE or self._stands_in_text(parent) else "div"

    def _heading(self, element: Any, above: str) -> str:
        if _line(element) == self._title:
            return SKIPPED  # it stands at the top
        if above in ("fig", "figure", "table", "table-wrap", "informaltable", "example"):
            return "figcaption"
        level = element.get("level") or element.get("lvl") or element.get("LVL") or ""
        if level.isdigit() and len(level) < 3:
            return f"h{min(int(level) + 1, MAX_LEVEL)}"
        sections = sum(_name(ancestor) in _SECTIONS for ancestor in element.iterancestors())
        return f"h{min(sections + 1, MAX_LEVEL)}"

    def _formula(self, element: Any) -> str:
        """A formula in TeX, where none in MathML stands beside it."""
        if any(_name(other) == "math" for other in element.getparent()):
            return SKIPPED
        if found := _TEX.search(element.text or ""):
            element.text = found[1]
        return "span"

    def _stands_in_text(self, parent: Any) -> bool:
        if parent is not self._parent:
            self._parent = parent
            texts = [parent.text, *(child.tail for child in parent)] if parent is not None else []
            self._is_mixed = any(text and text.strip() for text in texts)
        return self._is_mixed


def _touches(element: Any) -> bool:
    """Whether nothing, not even a space, stands between an element and the one before or after it."""
    before, after = element.getprevious(), element.getnext()
    return (before is not None and not before.tail) or (after is not None and not element.tail)


# data


def _value(root: Any) -> Any:
    """An element as an object of its attributes and of what it holds, or as its text."""
    made: dict[Any, Any] = {}  # by element; they are closed before what holds them is
    for element, opens in _steps(root):
        if not opens:
            made[element] = _made(element, made)
    return made[root]


def _made(element: Any, made: dict[Any, Any]) -> Any:
    found: dict[str, Any] = {}
    for name, value in element.attrib.items():
        _add(found, name.rsplit("}", 1)[-1], value)
    texts = [element.text]
    for child in element:
        if _name(child):
            _add(found, child.tag.rsplit("}", 1)[-1], made.pop(child))
        texts.append(child.tail)
    text = _shown("\n".join(filter(None, ((text or "").strip() for text in texts))))
    if not found:
        return text
    if text:
        _add(found, "text", text)
    only = next(iter(found.values()))
    return only if len(found) == 1 and isinstance(only, list) and len(only) > 1 else found


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    if name not in found:
        found[name] = value
    elif isinstance(found[name], _Several):
        found[name].append(value)
    else:
        found[name] = _Several((found[name], value))


class _Several(list[Any]):
    """The values of elements of one name."""


def _shown(text: str) -> str:
    """HTML that is kept as text, as in feeds, as it is shown."""
    if not _HTML.search(text):
        return text
    return "\n".join(block.text for block in blocks_of_html(text)) or text
