"""ODT, ODP (and ODG) -> Document: OpenDocument's XML in reading order. Sheets (ODS) are read by spreadsheet.py.

Read: headings, paragraphs, lists with their numbers, tables, text boxes, formulas (as they were typed), charts, the
values of forms; footnotes, endnotes and comments as notes; of presentations each slide as a page under its title, with
the speaker's notes. Left out: tracked deletions, running heads and feet, pictures.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element

from errors import ParseError
from ingest.parse import package
from ingest.parse.hidden import TINY, Hidden, is_white
from ingest.parse.numbering import BULLET, LEVELS, Level, Numbering
from ingest.parse.outline import MAX_SPAN, Gathered, Outline, filled_spans, noted
from ingest.parse.package import RESAVE, Package, local_name
from ingest.parse.placement import Box, reading_order
from ingest.types import BlockKind, Document, HiddenKind

MEDIA_TYPE = "application/vnd.oasis.opendocument.text"
SLIDES_TYPE = "application/vnd.oasis.opendocument.presentation"
DRAWING_TYPE = "application/vnd.oasis.opendocument.graphics"

_MEDIA_TYPES = {"presentation": SLIDES_TYPE, "drawing": DRAWING_TYPE}
TITLE = 0  # the level of the document's title
_FORMS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman", "": "none"}
_LEFT_OUT = frozenset(("tracked-changes", "forms", "sequence-decls", "user-field-decls", "variable-decls", "notes",
                       "ruby-text", "note-citation", "creator", "date", "date-string", "meta-creator-initials",
                       "event-listeners", "desc", "hidden-text", "hidden-paragraph"))  # fmt: skip
_META = {"title": "title", "subject": "subject", "description": "description", "language": "language",
         "creation-date": "created", "date": "modified"}  # fmt: skip
_LENGTH = re.compile(r"(-?\d{1,9}(?:\.\d{1,9})?)(cm|mm|in|pt|px)?")
_POINTS = {"cm": 28.35, "mm": 2.835, "in": 72.0, "pt": 1.0, "px": 0.75}
_LOOKS = ("style", "page-layout", "default-page-layout")  # elements that say how things are seen
_MAX_ANCESTORS = 20  # a chain of styles may be a ring
_MAX_REPEATED = 100  # of one row or cell


@cache
def parser_version() -> str:
    return "opendocument/2"


def warm() -> None:
    """Nothing to import: a process forked afterwards starts at once."""


def parse(path: Path) -> Document:
    """A text document, a presentation or a drawing.

    Raises EncryptedError if it has a password, TooLargeError if it inflates beyond measure, ParseError if it is
    damaged.
    """
    with package.opened(path, "OpenDocument file") as file:
        reader = _Reader.of(file)
        body = file.xml("content.xml").find(_office("body"))
        content = next(iter(body), None) if body is not None else None
        if content is None:
            raise ParseError("The file is no readable OpenDocument file: it has no body.", hint=RESAVE)
        slides = [page for page in content if local_name(page) == "page"]
        if slides:
            for number, page in enumerate(slides, 1):
                reader.hidden.page = number
                if _get(page, "style-name") in reader.hidden_pages:
                    reader.hidden.add("part", " ".join(map(_plain, _paragraphs(page))))
                reader.slide(number, page)
        else:
            reader.controls = _controls(content)
            reader.walk(content)
        metadata = _metadata(file)
    blocks = reader.outline.finish()
    first = next((block.text for block in blocks if slides and block.page == 1 and block.kind == "heading"), "")
    return Document(
        title=metadata.get("title") or reader.title or first,
        media_type=_MEDIA_TYPES.get(local_name(content), MEDIA_TYPE),
        parser=parser_version(),
        blocks=blocks,
        pages=len(slides) or None,
        metadata=metadata,
        links=tuple(dict.fromkeys(reader.links)),
        hidden=reader.hidden.found(),
    )


def _office(name: str) -> str:
    return f"{{urn:oasis:names:tc:opendocument:xmlns:office:1.0}}{name}"


def _get(element: Element, name: str) -> str:
    """An attribute by its name without the namespace: no element has two of a name here."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _metadata(file: Package) -> dict[str, str]:
    found: dict[str, str] = {}
    creators: dict[str, str] = {}
    keywords = []
    for element in file.xml("meta.xml").iter() if "meta.xml" in file.names else ():
        name, text = local_name(element), " ".join((element.text or "").split())
        if name in _META and text:
            found[_META[name]] = text
        elif name in ("initial-creator", "creator") and text:
            creators[name] = text
        elif name == "keyword" and text:
            keywords.append(text)
    if author := creators.get("initial-creator") or creators.get("creator"):
        found["author"] = author
    return found | ({"keywords": ", ".join(keywords)} if keywords else {})


def _controls(content: Element) -> dict[str, str]:
    """What a form's controls say, by their ids: their label and value."""
    found = {}
    for forms in content:
        if local_name(forms) != "forms":
            continue
        for control in forms.iter():
            label = _get(control, "label")
            value = _get(control, "current-value") or _get(control, "value")
            state = _get(control, "current-state") or _get(control, "state")
            if local_name(control) in ("checkbox", "radio"):
                value = "☒" if state == "checked" or _get(control, "current-selected") == "true" else "☐"
            chosen = [_get(entry, "label") for entry in control if _get(entry, "current-selected") == "true"]
            text = " ".join(filter(None, (label, value, *chosen)))
            if text and (key := _get(control, "id")):
                found[key] = text
    return found


class _Line(Gathered):
    @property
    def words(self) -> str:
        """The text; white space counts once, as OpenDocument has it, but for line breaks."""
        return "\n".join(" ".join(line.split()) for line in "".join(self.text).split("\v")).strip()


@dataclass
class _Reader:
    package: Package
    styles: dict[str, Element]
    numbering: Numbering
    unseen: dict[str, HiddenKind]  # by the names of the styles that show no text
    hidden_pages: frozenset[str]  # the names of the styles of slides that are not shown
    hidden: Hidden = field(default_factory=Hidden)
    outline: Outline = field(default_factory=Outline)
    controls: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    title: str = ""

    @classmethod
    def of(cls, file: Package) -> "_Reader":
        styles: dict[str, Element] = {}
        numbering = Numbering()
        every: list[Element] = []
        for part in ("styles.xml", "content.xml"):
            for element in file.xml(part).iter() if part in file.names else ():
                name = local_name(element)
                every += [element] if name in _LOOKS else []
                if name == "style" and _get(element, "family") == "paragraph":
                    styles[_get(element, "name")] = element
                elif name == "list-style":
                    _add_levels(numbering, _get(element, "name"), element)
                elif name == "outline-style":
                    _add_levels(numbering, "", element)
        numbering.lists[""] = ""
        return cls(file, styles, numbering, _unseen(every), _hidden_pages(every))

    def slide(self, number: int, page: Element) -> None:
        self.outline.start_page(number)
        shapes = list(_in_order(page))
        for shape in sorted(shapes, key=lambda shape: _get(shape, "class") != "title"):
            if _get(shape, "class") == "title":
                self.outline.heading(1, " ".join(_plain(paragraph) for paragraph in _paragraphs(shape)))
            else:
                self._shape(shape)
        for notes in page:
            if local_name(notes) == "notes":
                texts = [_plain(paragraph) for paragraph in _paragraphs(notes)]
                self.outline.add("note", "\n".join(filter(None, texts)))
            elif local_name(notes) == "annotation":
                self.outline.add("note", _annotation(notes))

    def walk(self, parent: Element, kind: BlockKind = "paragraph") -> None:
        for child in parent:
            match local_name(child):
                case "section" if _get(child, "display") == "none":
                    self.hidden.add("invisible", " ".join(map(_plain, _paragraphs(child))))
                case "h":
                    self._paragraph(child, kind)
                case "p":
                    self._paragraph(child, kind)
                case "list":
                    self._list(child, "", 0, f"{id(child)}")
                case "table":
                    self._table(child)
                case "frame" | "custom-shape" | "g" | "rect" | "line" | "control" | "text-box" | "ellipse":
                    self._shape(child)
                case name if name not in _LEFT_OUT:
                    self.walk(child, kind)  # sections, indexes

    def _shape(self, shape: Element) -> None:
        match local_name(shape):
            case "control":
                self.outline.add("paragraph", self.controls.get(_get(shape, "control"), ""))
            case "object":
                self._object(_get(shape, "href"))
            case "image" | "plugin" | "event-listeners":
                return
            case "p" | "h":
                self._paragraph(shape, "paragraph")
            case "list":
                self._list(shape, "", 0, f"{id(shape)}")
            case "table":
                self._table(shape)
            case name if name not in _LEFT_OUT:
                has_object = any(local_name(child) == "object" for child in shape)
                for child in shape:  # beside an object stands its picture
                    if not (has_object and local_name(child) != "object"):
                        self._shape(child)

    def _object(self, target: str) -> None:
        """A formula, as it was typed; a chart, as the table it was drawn from."""
        part = posixpath.normpath(f"{target}/content.xml")
        if part not in self.package.names:
            return
        root = self.package.xml(part)
        for element in root.iter():
            if local_name(element) == "annotation" and "StarMath" in _get(element, "encoding"):
                self.outline.add("paragraph", " ".join((element.text or "").split()))
        for chart in root.iter(_office("chart")):
            for element in chart.iter():
                if local_name(element) == "title":
                    self.outline.add("caption", " ".join(_plain(paragraph) for paragraph in _paragraphs(element)))
                elif local_name(element) == "table":
                    self._table(element)

    def _paragraph(self, paragraph: Element, kind: BlockKind) -> None:
        line = self._line(paragraph)
        level, own = self._level(paragraph), self._kind(paragraph)
        if level is not None:
            is_title = level == TITLE
            label = "" if is_title else self.numbering.label("", min(level - 1, LEVELS - 1))
            self.outline.heading(level, f"{label} {line.words}" if label and label != BULLET else line.words)
            self.title = self.title or (line.words if is_title else "")
        elif own == "code":
            self.outline.add("code", "".join(line.text).replace("\v", "\n"))
        else:
            self.outline.add(own or kind, line.words)
        self._apart(line)

    def _apart(self, line: _Line) -> None:
        for box in line.boxes:
            self._shape(box)
        for note in line.notes:
            self.outline.add("note", note)

    def _line(self, paragraph: Element) -> _Line:
        line = _Line()
        self._gather_seen(paragraph, line)
        return line

    def _gather_seen(self, paragraph: Element, line: _Line) -> None:
        if kind := self._hides(paragraph):
            self.hidden.add(kind, _plain(paragraph))
        else:
            self._gather(paragraph, line)

    def _hides(self, element: Element) -> HiddenKind | None:
        """How a paragraph, or a part of one, is kept from the eye."""
        marks = (child for child in element if local_name(child) == "hidden-paragraph")
        if any(_get(mark, "is-hidden") == "true" for mark in marks):
            return "invisible"
        return self.unseen.get(_get(element, "style-name"))

    def _gather(self, parent: Element, line: _Line) -> None:
        line.text.append(parent.text or "")
        for child in parent:
            match local_name(child):
                case "s":
                    count = _get(child, "c")
                    line.text.append(" " * (min(int(count), 200) if count.isdecimal() and len(count) < 5 else 1))
                case "tab":
                    line.text.append("\t")
                case "line-break":
                    line.text.append("\v")
                case "note":
                    bodies = [part for part in child if local_name(part) == "note-body"]
                    texts = (_plain(paragraph) for body in bodies for paragraph in _paragraphs(body))
                    line.notes.append("\n".join(filter(None, texts)))
                case "annotation":
                    line.notes.append(_annotation(child))
                case "frame" | "custom-shape" | "g" | "rect" | "ellipse":
                    line.boxes.append(child)
                case "hidden-text":
                    self.hidden.add("invisible", _get(child, "string-value") or _plain(child))
                case "span" if kind := self.unseen.get(_get(child, "style-name")):
                    self.hidden.add(kind, _plain(child))
                case "control":
                    line.text.append(f" {self.controls.get(_get(child, 'control'), '')} ")
                case name if name not in _LEFT_OUT:
                    if name == "a" and (target := _get(child, "href")) and ":" not in target[:12]:
                        line_target = target.partition("#")[0]
                        self.links += [line_target] if line_target else []
                    self._gather(child, line)
            line.text.append(child.tail or "")

    def _list(self, listed: Element, style: str, place: int, key: str) -> None:
        """A list's items, each on a line; those below one stand one level deeper."""
        style = self._begin_list(listed, style, place, key)
        for item in listed:
            fresh = local_name(item) == "list-item"
            for child in item:
                match local_name(child):
                    case "list":
                        self._list(child, style, min(place + 1, LEVELS - 1), key)
                    case "h":
                        self._paragraph(child, "paragraph")
                    case "p":
                        line = self._line(child)
                        if line.words:
                            label = f"{self.numbering.label(key, place)} " if fresh else "  "
                            text = line.words.replace("\n", f"\n{'  ' * (place + 1)}")
                            label = "" if not label.strip() and fresh else label
                            self.outline.add("list", f"{'  ' * place}{label}{text}")
                            fresh = False
                        self._apart(line)
                    case _:
                        self.walk(item)
                        break

    def _table(self, table: Element) -> None:
        notes: list[_Line] = []
        rows = []
        for row in _rows(table):
            cells = []
            for cell in row:
                if local_name(cell) == "table-cell":
                    line = _Line()
                    self._cell(cell, line)
                    notes.append(line)
                    entry = (line.words, _count(cell, "number-columns-spanned"), _count(cell, "number-rows-spanned"))
                    cells += [entry] * min(_count(cell, "number-columns-repeated"), _MAX_REPEATED)
            rows += [cells] * min(_count(row, "number-rows-repeated"), _MAX_REPEATED)
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            for row in _rows(table):
                for cell in row:
                    self.walk(cell)
            return
        self.outline.table(filled_spans(rows))
        for line in notes:
            self._apart(line)

    def _cell(self, parent: Iterable[Element], line: _Line, label: str = "") -> None:
        for child in parent:
            match local_name(child):
                case "p" | "h":
                    line.text.append(label)
                    self._gather_seen(child, line)
                    line.text.append(" ")
                    label = ""
                case "list":
                    self._cell_list(child, line, "", 0, f"{id(child)}")
                case name if name not in _LEFT_OUT:
                    self._cell(child, line)

    def _cell_list(self, listed: Element, line: _Line, style: str, place: int, key: str) -> None:
        style = self._begin_list(listed, style, place, key)
        for item in listed:
            label = self.numbering.label(key, place) if local_name(item) == "list-item" else ""
            for child in item:
                if local_name(child) == "list":
                    self._cell_list(child, line, style, min(place + 1, LEVELS - 1), key)
                else:
                    self._cell([child], line, f"{label} " if label else "")
                    label = ""

    def _begin_list(self, listed: Element, style: str, place: int, key: str) -> str:
        """Its style; the numbers of a list begin anew unless it goes on from one before."""
        style = _get(listed, "style-name") or style
        if not place:
            self.numbering.lists[key] = style
            if _get(listed, "continue-numbering") != "true" and not _get(listed, "continue-list"):
                self.numbering.starts[key, 0] = self.numbering.levels.get(("a" + style, 0), Level("", "", 1)).start
        return style

    def _ancestors(self, paragraph: Element) -> Iterator[Element]:
        name = _get(paragraph, "style-name")
        for _ in range(_MAX_ANCESTORS):
            if name not in self.styles:
                return
            yield self.styles[name]
            name = _get(self.styles[name], "parent-style-name")

    def _level(self, paragraph: Element) -> int | None:
        if any(_get(style, "name") == "Title" for style in self._ancestors(paragraph)):
            return TITLE
        if local_name(paragraph) != "h":
            return None
        level = _get(paragraph, "outline-level")
        return int(level) if level.isdecimal() and 0 < int(level[:3]) < 100 else 1

    def _kind(self, paragraph: Element) -> BlockKind | None:
        names = [_get(style, "name").lower() for style in self._ancestors(paragraph)]
        if any("preformatted" in name or "code" in name for name in names):
            return "code"
        return "caption" if "caption" in names else None


def _add_levels(numbering: Numbering, name: str, style: Element) -> None:
    for level in style:
        number = _get(level, "level")
        if not (number.isdecimal() and 0 < int(number[:3]) <= LEVELS):
            continue
        place = int(number[:3]) - 1
        form = _FORMS.get(_get(level, "num-format"), "decimal")
        if local_name(level) in ("list-level-style-bullet", "list-level-style-image"):
            form = "bullet"
        above, start = _get(level, "display-levels"), _get(level, "start-value")
        shown = min(int(above), place + 1) if above.isdecimal() and int(above[:3]) > 0 else 1
        numbers = ".".join(f"%{at + 1}" for at in range(place + 1 - shown, place + 1))
        text = f"{_get(level, 'num-prefix')}{numbers}{_get(level, 'num-suffix')}" if form != "none" else ""
        numbering.levels["a" + name, place] = Level(form, text, int(start[:6]) if start.isdecimal() else 1)


def _unseen(elements: list[Element]) -> dict[str, HiddenKind]:
    """The styles of text that is not seen. White is only what no style puts a colour behind."""
    own: dict[str, tuple[str, HiddenKind | None]] = {}
    painted = any(_is_painted(properties) for element in elements for properties in element)
    for style in elements:
        if _get(style, "family") in ("text", "paragraph"):
            kinds = (
                _kind_of(properties, painted) for properties in style if local_name(properties) == "text-properties"
            )
            own[_get(style, "name")] = _get(style, "parent-style-name"), next(filter(None, kinds), None)
    found: dict[str, HiddenKind] = {}
    for name in own:
        above = name
        for _ in range(_MAX_ANCESTORS):
            parent, kind = own.get(above, ("", None))
            if kind:
                found[name] = kind
                break
            above = parent
    return found


def _kind_of(properties: Element, painted: bool) -> HiddenKind | None:
    if _get(properties, "display") == "none":
        return "invisible"
    size = _length(_get(properties, "font-size")) if not _get(properties, "font-size").endswith("%") else None
    if size is not None and size < TINY:
        return "tiny"
    return "colour" if is_white(_get(properties, "color").lstrip("#")) and not painted else None


def _is_painted(properties: Element) -> bool:
    """Whether something with these settings has a colour of its own."""
    colour = _get(properties, "background-color")
    fill = _get(properties, "fill")
    plain = colour in ("", "transparent") or is_white(colour.lstrip("#"))
    return not plain or (fill in ("solid", "gradient", "bitmap", "hatch") and not _is_white_fill(properties, fill))


def _is_white_fill(properties: Element, fill: str) -> bool:
    return fill == "solid" and is_white(_get(properties, "fill-color").lstrip("#"))


def _hidden_pages(elements: list[Element]) -> frozenset[str]:
    return frozenset(
        _get(style, "name")
        for style in elements
        for properties in style
        if local_name(properties) == "drawing-page-properties" and _get(properties, "visibility") == "hidden"
    )


def _plain(paragraph: Element) -> str:
    return " ".join("".join(paragraph.itertext()).split())


def _paragraphs(parent: Element) -> Iterator[Element]:
    return (element for element in parent.iter() if local_name(element) in ("p", "h"))


def _annotation(comment: Element) -> str:
    texts = [_plain(paragraph) for paragraph in _paragraphs(comment)]
    known = {local_name(child): child.text or "" for child in comment}
    return noted(known.get("creator", ""), known.get("date", ""), "\n".join(filter(None, texts)))


def _rows(table: Element) -> Iterator[Element]:
    for child in table:
        match local_name(child):
            case "table-row":
                yield child
            case "table-header-rows" | "table-rows" | "table-row-group":
                yield from _rows(child)


def _count(element: Element, name: str) -> int:
    text = _get(element, name)
    return min(max(1, int(text[:8])), MAX_SPAN) if text.isdecimal() else 1


def _in_order(page: Element) -> Iterator[Element]:
    """The shapes of a slide, or of a group on it, in reading order; those of a group stay together."""
    shapes = [child for child in page if local_name(child) not in ("notes", "annotation", *_LEFT_OUT)]
    boxes: list[Box] = []
    for shape in shapes:
        box = _box(shape)
        boxes.append(box or (boxes[-1] if boxes else Box(0, 0, 0, 0)))
    for place in reading_order(boxes):
        if local_name(shapes[place]) == "g":
            yield from _in_order(shapes[place])
        else:
            yield shapes[place]


def _box(shape: Element) -> Box | None:
    if local_name(shape) == "g":
        parts = [box for box in map(_box, shape) if box]
        sides = list(zip(*parts, strict=True))
        return Box(min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])) if parts else None
    left, top = _length(_get(shape, "x")), _length(_get(shape, "y"))
    if left is None or top is None:
        return None
    return Box(left, top, left + (_length(_get(shape, "width")) or 0), top + (_length(_get(shape, "height")) or 0))


def _length(text: str) -> float | None:
    match = _LENGTH.match(text)
    return float(match[1]) * _POINTS.get(match[2], 1.0) if match else None
