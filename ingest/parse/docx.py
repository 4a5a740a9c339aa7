"""DOCX -> Document: Word's XML in reading order.

Read: headings by style or outline level (with their numbers), paragraphs, lists with theirs, tables, code by style,
captions, equations in a line, text boxes, charts and diagrams, form fields; footnotes, endnotes and comments as notes
after the paragraph that has them; what was inserted as a tracked change.
Left out: what was deleted as one, hidden text, running heads and feet, pictures.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ingest.parse import package
from ingest.parse.drawing import chart_rows, chart_title, diagram_lines, equation
from ingest.parse.hidden import Hidden
from ingest.parse.looks import Looks
from ingest.parse.numbering import BULLET, Numbering, level_number
from ingest.parse.outline import Gathered, Outline, filled_spans, noted
from ingest.parse.package import OLE as OLE
from ingest.parse.package import C, Package, R, Relation, W, local_name
from ingest.types import Block, BlockKind, Document

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

TITLE = 0  # the level of the document's title, above headings of level 1
_VAL = f"{W}val"
_LOCATORS = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_DATA_MODEL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"
_LEFT_OUT = frozenset(("del", "moveFrom", "instrText", "delText", "rPr", "pPr", "sdtPr", "sdtEndPr", "rt"))
_BREAKS = {"tab": "\t", "cr": "\n", "noBreakHyphen": "\u2011", "ptab": "\t"}
_OFF = ("0", "false", "off")
# Characters of Wingdings and Symbol, which stand in Unicode's private area.
_SYMBOLS = {
    0x6F: "☐",
    0xA8: "☐",
    0x78: "☒",
    0xFD: "☒",
    0xFE: "☑",
    0xFC: "✓",
    0xFB: "✗",
    0xE0: "→",
    0xE8: "→",
    0xB7: "•",
    0xA7: "▪",
}
_HEADING_NAME = re.compile(
    r"(?:(?:chapter|part|appendix) ?title"
    r"|(?:heading|head|h|überschrift|titre|título|titolo|kop) ?-?(?P<level>[1-9]|[a-e]))"
    r"(?: ?number(?:ed)?)?"
)
_MAX_ANCESTORS = 20  # a chain of styles may be a ring


@cache
def parser_version() -> str:
    return "docx/6"


def warm() -> None:
    """Nothing to import: a process forked afterwards starts at once."""


def parse(path: Path, password: str | None = None) -> Document:
    """Headings, paragraphs, lists, tables and code of a Word document; running heads and feet are left out.

    Raises EncryptedError if it has a password and this is not the one, TooLargeError if it inflates beyond measure,
    ParseError if it is damaged.
    """
    with package.opened(path, "Word document", password) as word:
        reader = _Reader.of(word)
        blocks = reader.read()
        metadata = word.properties()
    return Document(
        title=metadata.get("title") or reader.title,
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=blocks,
        metadata=metadata,
        hidden=reader.hidden.found(),
        links=tuple(dict.fromkeys(reader.links())),
    )


class _Style(NamedTuple):
    """What a paragraph's style makes of it: a heading of a level, an item of a list, or a block of a kind."""

    level: int | None = None
    kind: BlockKind | None = None
    list_id: str = ""
    place: int = 0
    bullet: bool = False  # an item by the style's name only


@dataclass
class _Reader:
    package: Package
    main: str
    relations: dict[str, Relation]
    styles: dict[str, _Style]
    default_style: str
    numbering: Numbering
    notes: dict[tuple[str, str], Element]
    body: Element
    looks: Looks
    hidden: Hidden = field(default_factory=Hidden)
    within: str = ""  # the style of the paragraph that is read
    outline: Outline = field(default_factory=Outline)
    title: str = ""

    @classmethod
    def of(cls, word: Package) -> "_Reader":
        main = word.main("Word document")
        roots = {
            kind: word.xml(part)
            for kind in ("styles", "numbering", "footnotes", "endnotes", "comments")
            for part in word.parts(main, kind)[:1]
        }
        styles, default = _styles(roots.get("styles"))
        notes = {
            (kind, note.get(f"{W}id", "")): note
            for kind in ("footnote", "endnote", "comment")
            if f"{kind}s" in roots
            for note in roots[f"{kind}s"].iter(W + kind)
        }
        body = word.xml(main)
        looks = Looks(roots.get("styles"), [body, *notes.values()])
        numbering = Numbering.of(roots.get("numbering"))
        return cls(word, main, word.related(main), styles, default, numbering, notes, body, looks)

    def read(self) -> tuple[Block, ...]:
        body = self.body.find(f"{W}body")
        if body is not None:
            self._walk(body)
        return self.outline.finish()

    def links(self) -> Iterator[str]:
        """The files that the document's links lead to; pages of the web are none."""
        for relation in self.relations.values():
            if relation.kind == "hyperlink" and relation.external and ":" not in relation.target[:12]:
                yield relation.target.partition("#")[0]

    def _walk(self, parent: Element) -> None:
        for child in parent:
            match local_name(child):
                case "p":
                    self._paragraph(child)
                case "tbl":
                    self._table(child)
                case "AlternateContent":
                    self._walk(_chosen(child))
                case "oMathPara" | "oMath":
                    self.outline.add("paragraph", equation(child))
                case name if name not in _LEFT_OUT:
                    self._walk(child)  # content controls, insertions, custom XML

    def _paragraph(self, paragraph: Element) -> None:
        line = Gathered()
        self._gather_paragraph(paragraph, line)
        text = line.words.strip("\n\r") if line.words.strip() else ""
        style = self._style(paragraph)
        if text:
            self._add(text, style)
        for box in line.boxes:
            self._box(box)
        for note in line.notes:
            self.outline.add("note", note)

    def _add(self, text: str, style: _Style) -> None:
        label = self.numbering.label(style.list_id, style.place) if style.list_id else BULLET * style.bullet
        if style.level is not None:
            label = "" if label == BULLET else f"{label} "
            self.outline.heading(style.level, f"{label}{text}")
            if style.level == TITLE:
                self.title = self.title or " ".join(text.split())
        elif style.kind:
            self.outline.add(style.kind, text)
        elif label:
            lines = [" ".join(line.split()) for line in text.split("\n")]
            self.outline.add("list", f"{'  ' * style.place}{label} " + f"\n{'  ' * (style.place + 1)}".join(lines))
        else:
            self.outline.add("paragraph", "\n".join(" ".join(line.split()) for line in text.split("\n")))

    def _style(self, paragraph: Element) -> _Style:
        """The paragraph's own settings over those of its style."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return self.styles.get(self.default_style, _Style())
        style = self.styles.get(_value(properties, "pStyle") or self.default_style, _Style())
        outline = _value(properties, "outlineLvl")
        if outline.isdecimal():
            style = style._replace(level=int(outline) + 1 if int(outline[:4]) < 9 else None)
        if (numbered := properties.find(f"{W}numPr")) is not None:
            list_id = _value(numbered, "numId") or style.list_id
            place = _value(numbered, "ilvl")
            style = style._replace(list_id=list_id, place=level_number(place) if place else style.place)
        return style._replace(list_id="") if style.list_id == "0" else style

    def _gather_paragraph(self, paragraph: Element, line: Gathered) -> None:
        properties = paragraph.find(f"{W}pPr")
        self.within = (_value(properties, "pStyle") if properties is not None else "") or self.default_style
        self._gather(paragraph, line)

    def _gather(self, parent: Element, line: Gathered) -> None:
        for child in parent:
            name = local_name(child)
            if name == "t":
                line.text.append(child.text or "")
            elif name == "r":
                if kind := self.looks.hides(child, self.within):
                    self.hidden.add(kind, "".join(text.text or "" for text in child.iter(f"{W}t")))
                else:
                    self._gather(child, line)
            elif name in _BREAKS:
                line.text.append(_BREAKS[name])
            elif name == "br":
                line.text.append("\n" if child.get(f"{W}type", "textWrapping") == "textWrapping" else " ")
            elif name == "sym":
                line.text.append(_symbol(child.get(f"{W}char", "")))
            elif name in ("footnoteReference", "endnoteReference", "commentReference"):
                self._note(name.removesuffix("Reference"), child.get(f"{W}id", ""), line)
            elif name in ("oMath", "oMathPara"):
                line.text.append(f" {equation(child)} ")
            elif name == "AlternateContent":
                self._gather(_chosen(child), line)
            elif name in ("txbxContent", "chart", "relIds"):
                line.boxes.append(child)
            elif name == "ffData":
                line.text.append(_field(child))
            elif name not in _LEFT_OUT:
                self._gather(child, line)

    def _note(self, kind: str, key: str, line: Gathered) -> None:
        note = self.notes.get((kind, key))
        if note is None:
            return
        inner = Gathered()
        for paragraph in note.iter(f"{W}p"):
            for child in paragraph:  # a note has no notes: its references lead to itself
                if local_name(child) != "pPr":
                    self._gather_plain(child, inner)
            inner.text.append("\n")
        line.notes.append(noted(note.get(f"{W}author", ""), note.get(f"{W}date", ""), inner.words.strip()))

    def _gather_plain(self, element: Element, line: Gathered) -> None:
        unseen: set[Element] = set()
        for part in element.iter():
            if part.tag == f"{W}r" and (kind := self.looks.hides(part, "")):
                self.hidden.add(kind, "".join(text.text or "" for text in part.iter(f"{W}t")))
                unseen.update(part.iter())
            if part in unseen:
                continue
            if part.tag == f"{W}t":
                line.text.append(part.text or "")
            elif local_name(part) in _BREAKS and part.tag.startswith(W):
                line.text.append(" ")

    def _box(self, box: Element) -> None:
        if local_name(box) == "txbxContent":
            self._walk(box)
        elif box.tag == f"{C}chart":
            chart = self._related(box.get(f"{R}id", ""))
            if chart:
                root = self.package.xml(chart)
                self.outline.add("caption", chart_title(root))
                self.outline.table(chart_rows(root))
        elif box.tag == _LOCATORS and (data := self._related(box.get(_DATA_MODEL, ""))):
            for text in diagram_lines(self.package, data):
                self.outline.add("list", f"{BULLET} {text}")

    def _related(self, key: str) -> str:
        relation = self.relations.get(key)
        return relation.target if relation and relation.target in self.package.names else ""

    def _table(self, table: Element) -> None:
        rows = [list(_children(row, "tc")) for row in _children(table, "tr")]
        if len(rows) == 1 and (len(rows[0]) == 1 or any(_is_layout(cell) for cell in rows[0])):
            for cell in rows[0]:  # a frame around text, or columns of it
                self._walk(cell)
            return
        notes: list[str] = []
        boxes: list[Element] = []
        self.outline.table(filled_spans(self._spans(rows, notes, boxes)))
        for box in boxes:
            self._box(box)
        for note in notes:
            self.outline.add("note", note)

    def _spans(
        self, rows: list[list[Element]], notes: list[str], boxes: list[Element]
    ) -> list[list[tuple[str, int, int]]]:
        """The cells as filled_spans() takes them. A merged column is written in each of its rows, and repeated here."""
        above: dict[int, str] = {}
        found = []
        for row in rows:
            cells, column = [], 0
            for cell in row:
                line = Gathered()
                self._cell(cell, line)
                notes += line.notes
                boxes += line.boxes
                text, width = line.words, _width(cell)
                if _goes_on(cell):
                    text = above.get(column, text)
                above[column] = text
                cells.append((text, width, 1))
                column += width
            found.append(cells)
        return found

    def _cell(self, parent: Element, line: Gathered) -> None:
        for child in parent:
            match local_name(child):
                case "p":
                    style = self._style(child)
                    inner = Gathered(notes=line.notes, boxes=line.boxes)
                    self._gather_paragraph(child, inner)
                    if inner.words.strip():
                        label = self.numbering.label(style.list_id, style.place) if style.list_id else ""
                        line.text.append(f"{label} {inner.words} ")
                case "tbl":
                    for row in _children(child, "tr"):
                        for cell in _children(row, "tc"):
                            self._cell(cell, line)
                case "AlternateContent":
                    self._cell(_chosen(child), line)
                case name if name not in _LEFT_OUT and name != "tcPr":
                    self._cell(child, line)


def _children(parent: Element, name: str) -> Iterator[Element]:
    """The rows of a table or cells of a row, also those inside content controls and insertions."""
    for child in parent:
        if child.tag == W + name:
            if name != "tr" or child.find(f"{W}trPr/{W}del") is None:
                yield child
        elif local_name(child) in ("sdt", "sdtContent", "ins", "customXml", "moveTo"):
            yield from _children(child, name)


def _is_layout(cell: Element) -> bool:
    paragraphs = sum(1 for paragraph in cell.findall(f"{W}p") if paragraph.find(f".//{W}t") is not None)
    return paragraphs > 1 or cell.find(f"{W}tbl") is not None


def _width(cell: Element) -> int:
    found = cell.find(f"{W}tcPr/{W}gridSpan")
    text = found.get(_VAL, "") if found is not None else ""
    return max(1, int(text)) if text.isdecimal() and len(text) < 4 else 1


def _goes_on(cell: Element) -> bool:
    """Whether the cell belongs to the merged one above."""
    merged = cell.find(f"{W}tcPr/{W}vMerge")
    return merged is not None and merged.get(_VAL, "continue") == "continue"


def _chosen(alternatives: Element) -> Element:
    """Of one content written for newer and older programs, the first that has text."""
    found = list(alternatives)
    return next((child for child in found if child.find(f".//{W}t") is not None), found[0] if found else alternatives)


def _symbol(code: str) -> str:
    try:
        number = int(code[:4], 16)
    except ValueError:
        return ""
    if 0xF000 <= number <= 0xF0FF:
        return _SYMBOLS.get(number - 0xF000, "")
    return chr(number)


def _field(data: Element) -> str:
    """What a form's box or list says that has no text of its own."""
    if (box := data.find(f"{W}checkBox")) is not None:
        checked = box.find(f"{W}checked")
        state = checked if checked is not None else box.find(f"{W}default")
        return "☒ " if state is not None and state.get(_VAL, "1") not in _OFF else "☐ "
    if (choice := data.find(f"{W}ddList")) is not None:
        entries = [entry.get(_VAL, "") for entry in choice.findall(f"{W}listEntry")]
        place = _value(choice, "result") or "0"
        return entries[int(place)] if place.isdecimal() and int(place[:6]) < len(entries) else ""
    return ""


def _value(element: Element, name: str) -> str:
    found = element.find(W + name)
    return found.get(_VAL, "") if found is not None else ""


def _styles(root: Element | None) -> tuple[dict[str, _Style], str]:
    """The styles of paragraphs by their ids, each with what it takes over from those it is based on; the default's."""
    elements = {style.get(f"{W}styleId", ""): style for style in root.iter(f"{W}style")} if root is not None else {}
    default = (
        key
        for key, style in elements.items()
        if style.get(f"{W}type") == "paragraph" and style.get(f"{W}default", "0") not in _OFF
    )
    return {key: _style(key, elements) for key in elements}, next(default, "")


def _style(key: str, elements: dict[str, Element]) -> _Style:
    found = _Style()
    outline = list_id = place = ""
    for _ in range(_MAX_ANCESTORS):
        if key not in elements:
            break
        element = elements[key]
        name = _value(element, "name").lower()
        if found.level is None and found.kind is None:
            found = found._replace(
                level=_named_level(name), kind=_named_kind(name), bullet=found.bullet or _is_bullet(name)
            )
        properties = element.find(f"{W}pPr")
        if properties is not None:
            outline = outline or _value(properties, "outlineLvl")
            if (numbered := properties.find(f"{W}numPr")) is not None:
                list_id = list_id or _value(numbered, "numId")
                place = place or _value(numbered, "ilvl")
        key = _value(element, "basedOn")
    if found.level is None and found.kind is None and outline.isdecimal() and int(outline[:4]) < 9:
        found = found._replace(level=int(outline) + 1)
    return found._replace(list_id=list_id, place=level_number(place))


def _named_level(name: str) -> int | None:
    """A heading's level by its style's name: Word's own, or one of those that templates have for it ("HeadA")."""
    if name == "title":
        return TITLE
    match = _HEADING_NAME.fullmatch(name)
    if match is None:
        return None
    mark = match["level"]
    if not mark:
        return 1  # a chapter's title
    return int(mark) if mark.isdecimal() else ord(mark) - ord("a") + 2  # letters go on below the chapter's title


def _is_bullet(name: str) -> bool:
    return "bullet" in name


def _named_kind(name: str) -> BlockKind | None:
    if "caption" in name or name.replace(" ", "") in ("tabletitle", "figuretitle"):
        return "caption"
    return "code" if "code" in name or "preformatted" in name else None
