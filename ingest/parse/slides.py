"""PPTX -> Document: each slide is a page, its title the heading above what stands on it.

Read: the title, then what stands on the slide by its place (columns, rows; a group's shapes together), with lists,
tables, charts and diagrams; the speaker's notes and comments as notes.
Left out: slide numbers, dates, running feet, pictures.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element

from ingest.parse import package
from ingest.parse.drawing import chart_rows, chart_title, diagram_lines, equation
from ingest.parse.hidden import Hidden
from ingest.parse.numbering import BULLET, LEVELS, Level, Numbering
from ingest.parse.outline import Outline, filled_spans, noted
from ingest.parse.package import A, C, P, Package, R, local_name
from ingest.parse.placement import Box, reading_order
from ingest.parse.slide_looks import Ground, SlideLook
from ingest.types import Block, Document, HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_TITLES = ("title", "ctrTitle")
_LEFT_OUT = ("sldNum", "dt", "ftr", "hdr", "sldImg")
_BODIES = ("", "obj", "body")  # what a placeholder is whose paragraphs are items of a list, unless said otherwise
_UNTITLED = re.compile(r"PowerPoint|^Slide \d+$|^(?:Presentation|Presentación)\d*$", re.I)  # names given by programs
_FORMS = {"arabic": "decimal", "alphaLc": "lowerLetter", "alphaUc": "upperLetter", "romanLc": "lowerRoman",
          "romanUc": "upperRoman"}  # fmt: skip


@cache
def parser_version() -> str:
    return "slides/3"


def warm() -> None:
    """Nothing to import: a process forked afterwards starts at once."""


def parse(path: Path, password: str | None = None) -> Document:
    """The slides of a presentation. The title is its own, else the first slide's.

    Raises EncryptedError if it has a password and this is not the one, TooLargeError if it inflates beyond measure,
    ParseError if it is damaged.
    """
    with package.opened(path, "presentation", password) as slides:
        main = slides.main("presentation")
        names = list(_slides(slides, main))
        reader = _Reader(slides, _authors(slides, main), _size(slides.xml(main)))
        for number, name in enumerate(names, 1):
            reader.read(number, name)
        metadata = slides.properties()
    if _UNTITLED.search(metadata.get("title", "")):
        del metadata["title"]
    blocks = reader.outline.finish()
    return Document(
        title=metadata.get("title") or _first_title(blocks),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=blocks,
        pages=len(names),
        metadata=metadata,
        hidden=reader.hidden.found(),
    )


def _first_title(blocks: tuple[Block, ...]) -> str:
    return next((block.text for block in blocks if block.page == 1 and block.kind == "heading"), "")


def _slides(slides: Package, main: str) -> Iterator[str]:
    """The slides' parts in the order of the presentation."""
    relations = slides.related(main)
    for entry in slides.xml(main).iter(f"{P}sldId"):
        relation = relations.get(entry.get(f"{R}id", ""))
        if relation and relation.target in slides.names:
            yield relation.target


def _authors(slides: Package, main: str) -> dict[str, str]:
    """Who commented, by the id by which comments name them."""
    parts = [*slides.parts(main, "commentAuthors"), *slides.parts(main, "authors")]
    return {author.get("id", ""): author.get("name", "") for part in parts for author in slides.xml(part)}


@dataclass
class _Reader:
    package: Package
    authors: dict[str, str]
    size: tuple[float, float]
    outline: Outline = field(default_factory=Outline)
    hidden: Hidden = field(default_factory=Hidden)
    grounds: dict[str, Ground] = field(default_factory=dict)  # of slides, by their layouts

    def read(self, number: int, name: str) -> None:
        self.outline.start_page(number)
        self.hidden.page = number
        slide = self.package.xml(name)
        if slide.get("show") in ("0", "false"):
            self.hidden.add("part", " ".join(map(_text, slide.iter(f"{A}p"))))
        lists = _Lists.of(self.package, name)
        look = SlideLook(slide, self._ground(name))
        apart = {shape for tree in slide.iter(f"{P}spTree") for shape in _members(tree)}  # in no group
        shapes = [shape for tree in slide.iter(f"{P}spTree") for shape in _in_order(tree, lists.placeholders)]
        shapes.sort(key=lambda shape: _placeholder(shape)[0] not in _TITLES)
        for shape in shapes:
            if kind := _unseen(shape, lists.placeholders, self.size if shape in apart else (0.0, 0.0)):
                self.hidden.add(kind, " ".join(map(_text, shape.iter(f"{A}p"))))
            else:
                self._leave_out_unseen(shape, look)
                self._shape(shape, name, lists)
        for part in self.package.parts(name, "notesSlide"):
            self._notes(part)
        for part in self.package.parts(name, "comments"):
            self._comments(part)

    def _ground(self, name: str) -> Ground:
        for layout in self.package.parts(name, "slideLayout")[:1]:
            if layout not in self.grounds:
                self.grounds[layout] = Ground.of(self.package, layout)
            return self.grounds[layout]
        return Ground()

    def _leave_out_unseen(self, shape: Element, look: SlideLook) -> None:
        """Takes the runs that are not seen out of a shape's own text, and tells of them."""
        placeholder = _placeholder(shape) if shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph") is not None else None
        for paragraph in shape.iterfind(f"{P}txBody/{A}p"):
            for run in paragraph.findall(f"{A}r"):
                if kind := look.hides(shape, run, placeholder):
                    self.hidden.add(kind, run.findtext(f"{A}t") or "")
                    paragraph.remove(run)

    def _shape(self, shape: Element, name: str, lists: "_Lists") -> None:
        kind, _ = _placeholder(shape)
        if kind in _LEFT_OUT:
            return
        if kind in _TITLES:
            self.outline.heading(1, " ".join(text for text in map(_text, shape.iter(f"{A}p")) if text.strip()))
        elif shape.tag == f"{P}graphicFrame":
            self._frame(shape, name)
        else:
            counted = Numbering()
            for paragraph in shape.iterfind(f"{P}txBody/{A}p"):
                if text := _text(paragraph).strip():
                    mark, depth = lists.mark(shape, paragraph, counted)
                    if mark:
                        self.outline.add("list", f"{'  ' * depth}{mark} {' '.join(text.split())}")
                    else:
                        self.outline.add("paragraph", text)

    def _frame(self, frame: Element, name: str) -> None:
        for table in frame.iter(f"{A}tbl"):
            self.outline.table(filled_spans(_cells(table)))
        relations = self.package.related(name)
        for chart in frame.iter(f"{C}chart"):
            relation = relations.get(chart.get(f"{R}id", ""))
            if relation and relation.target in self.package.names:
                root = self.package.xml(relation.target)
                self.outline.add("caption", chart_title(root))
                self.outline.table(chart_rows(root))
        for diagram in frame.iter(_DIAGRAM):
            relation = relations.get(diagram.get(f"{R}dm", ""))
            if relation and relation.target in self.package.names:
                for text in diagram_lines(self.package, relation.target):
                    self.outline.add("list", f"{BULLET} {text}")

    def _notes(self, part: str) -> None:
        for tree in self.package.xml(part).iter(f"{P}spTree"):
            for shape in tree.iter(f"{P}sp"):
                if _placeholder(shape)[0] == "body":
                    paragraphs = (_text(paragraph).strip() for paragraph in shape.iter(f"{A}p"))
                    self.outline.add("note", "\n".join(filter(None, paragraphs)))

    def _comments(self, part: str) -> None:
        """Comments of older programs have their text in one element, those of newer ones in paragraphs."""
        for comment in self.package.xml(part).iter():
            if local_name(comment) in ("cm", "reply"):
                own = [child for child in comment if local_name(child) in ("text", "txBody")]
                text = "\n".join(" ".join("".join(child.itertext()).split()) for child in own)
                author = self.authors.get(comment.get("authorId", ""), "")
                self.outline.add("note", noted(author, comment.get("dt") or comment.get("created") or "", text))


@dataclass(frozen=True, slots=True)
class _Lists:
    """What marks a slide's paragraphs as items of lists: settings of the paragraph, its shape, the layout's
    placeholder of that name, the master's; the first that says anything decides."""

    placeholders: tuple[Element, ...]  # of the layout, then the master
    body: Element | None  # the master's levels for the text of bodies

    @classmethod
    def of(cls, slides: Package, name: str) -> "_Lists":
        found: list[Element] = []
        body = None
        for layout in slides.parts(name, "slideLayout")[:1]:
            found += slides.xml(layout).iter(f"{P}sp")
            for master in slides.parts(layout, "slideMaster")[:1]:
                root = slides.xml(master)
                found += root.iter(f"{P}sp")
                body = root.find(f"{P}txStyles/{P}bodyStyle")
        return cls(tuple(shape for shape in found if shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph") is not None), body)

    def mark(self, shape: Element, paragraph: Element, counted: Numbering) -> tuple[str, int]:
        """The number or bullet ("" for none) of a paragraph, and its level from 0."""
        properties = paragraph.find(f"{A}pPr")
        level = properties.get("lvl", "0") if properties is not None else "0"
        depth = min(int(level), LEVELS - 1) if level.isdecimal() and len(level) < 4 else 0
        for settings in self._settings(shape, properties, depth):
            for child in settings:
                match local_name(child):
                    case "buNone":
                        return "", depth
                    case "buChar" | "buBlip":
                        return BULLET, depth
                    case "buAutoNum":
                        return _number(child, depth, counted), depth
        return "", depth

    def _settings(self, shape: Element, own: Element | None, depth: int) -> Iterator[Element]:
        kind, index = _placeholder(shape)
        is_placeholder = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph") is not None
        alike = [one for one in self.placeholders if is_placeholder and _placeholder(one) == (kind, index)]
        if is_placeholder and kind in _BODIES:
            alike += [one for one in self.placeholders if _placeholder(one)[0] == "body"][:1]
        lists = [one.find(f"{P}txBody/{A}lstStyle") for one in (shape, *alike)]
        lists.append(self.body if is_placeholder and kind in _BODIES else None)
        levels = (found.find(f"{A}lvl{depth + 1}pPr") for found in lists if found is not None)
        yield from (settings for settings in (own, *levels) if settings is not None)


def _number(setting: Element, depth: int, counted: Numbering) -> str:
    kind = setting.get("type", "arabicPeriod")
    form = next((form for name, form in _FORMS.items() if kind.startswith(name)), "decimal")
    start = setting.get("startAt", "1")
    text = f"%{depth + 1}" + (")" if kind.endswith("ParenR") else "" if kind.endswith("Plain") else ".")
    counted.levels.setdefault(
        ("a", depth), Level(form, text, int(start) if start.isdecimal() and len(start) < 6 else 1)
    )
    return counted.label("", depth)


def _in_order(tree: Element, placeholders: tuple[Element, ...]) -> Iterator[Element]:
    """The shapes of a slide, or of a group on it, in reading order; those of a group stay together."""
    found = list(_members(tree))
    boxes: list[Box] = []
    for shape in found:
        box = _box(shape, placeholders)
        boxes.append(box or (boxes[-1] if boxes else Box(0, 0, 0, 0)))
    for place in reading_order(boxes):
        if local_name(found[place]) == "grpSp":
            yield from _in_order(found[place], ())
        else:
            yield found[place]


def _members(tree: Element) -> Iterator[Element]:
    """Shapes and groups. Of a content written for newer and older programs, the first that has any."""
    for child in tree:
        match local_name(child):
            case "sp" | "graphicFrame" | "grpSp":
                yield child
            case "AlternateContent":
                yield from next(filter(None, (list(_members(branch)) for branch in child)), [])


def _box(shape: Element, placeholders: tuple[Element, ...]) -> Box | None:
    """Where a shape stands; a placeholder may leave that to the layout, or the layout to the master."""
    kind, index = _placeholder(shape)
    same = (one for one in placeholders if _placeholder(one) == (kind, index))
    for one in (shape, *same):
        frame = next((found for found in one.iter() if local_name(found) == "xfrm"), None)
        if frame is None:
            continue
        offset, size = frame.find(f"{A}off"), frame.find(f"{A}ext")
        if offset is not None and size is not None:
            left, top = _length(offset, "x"), _length(offset, "y")
            return Box(left, top, left + _length(size, "cx"), top + _length(size, "cy"))
    return None


def _length(element: Element, name: str) -> float:
    text = element.get(name, "0")
    return float(text) if text.lstrip("-").isdecimal() and len(text) < 15 else 0.0


def _size(presentation: Element) -> tuple[float, float]:
    """The slides' width and height; none where it is not said."""
    found = presentation.find(f"{P}sldSz")
    return (_length(found, "cx"), _length(found, "cy")) if found is not None else (0.0, 0.0)


def _unseen(shape: Element, placeholders: tuple[Element, ...], size: tuple[float, float]) -> HiddenKind | None:
    """How a whole shape is kept from the eye."""
    properties = next((found for child in shape for found in child if local_name(found) == "cNvPr"), None)
    if properties is not None and properties.get("hidden") in ("1", "true"):
        return "invisible"
    box = _box(shape, placeholders)
    if box is None or not all(size):
        return None
    off = box.right <= 0 or box.bottom <= 0 or box.left >= size[0] or box.top >= size[1]
    return "outside" if off else None


def _placeholder(shape: Element) -> tuple[str, str]:
    """The kind and number of the placeholder that a shape fills; of none, both are empty."""
    for child in shape:
        if local_name(child).startswith("nv") and (found := child.find(f"{P}nvPr/{P}ph")) is not None:
            return found.get("type", ""), found.get("idx", "0")
    return "", ""


def _text(paragraph: Element) -> str:
    """A paragraph's text; a line break in it is one."""
    found = []
    for child in paragraph:
        match local_name(child):
            case "r" | "fld":
                found.append(child.findtext(f"{A}t") or "")
            case "br":
                found.append("\n")
            case "AlternateContent":
                found += [f" {equation(math)} " for math in child.iter() if local_name(math) == "oMath"]
            case "m":
                found.append(f" {equation(child)} ")
    return "".join(found).replace("\v", "\n")


def _cells(table: Element) -> list[list[tuple[str, int, int]]]:
    """Rows of (text, columns, rows covered). A place that a merged cell covers has an empty cell of its own."""
    rows = []
    for row in table.iterfind(f"{A}tr"):
        cells = []
        for cell in row.iterfind(f"{A}tc"):
            if cell.get("hMerge") not in ("1", "true") and cell.get("vMerge") not in ("1", "true"):
                text = " ".join(_text(paragraph) for paragraph in cell.iter(f"{A}p"))
                cells.append((text, _count(cell, "gridSpan"), _count(cell, "rowSpan")))
        rows.append(cells)
    return rows


def _count(cell: Element, name: str) -> int:
    text = cell.get(name, "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 4 else 1
