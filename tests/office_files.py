"""Builders of office files from their XML, for what the usual libraries cannot write."""

from pathlib import Path

from tests.documents import write_zip

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMESPACES = (
    f'xmlns:w="{W}" xmlns:r="{_RELATIONS}" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)
CONTENT_TYPES = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_EXTERNAL = ' TargetMode="External"'


def relations(entries: dict[str, tuple[str, str]]) -> bytes:
    """A part's relations: id -> (kind, target)."""
    rows = "".join(
        f'<Relationship Id="{key}" Type="{_RELATIONS}/{kind}" Target="{target}"'
        f"{_EXTERNAL if kind == 'hyperlink' else ''}/>"
        for key, (kind, target) in entries.items()
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{rows}</Relationships>'
    ).encode()


def part(tag: str, content: str) -> bytes:
    """An XML part of that root element, with the usual prefixes."""
    return f'<?xml version="1.0" encoding="UTF-8"?><{tag} {_NAMESPACES}>{content}</{tag}>'.encode()


def write_word(path: Path, body: str, **parts: str) -> Path:
    """A Word document of a body's XML; `parts` are further ones ("styles", "footnotes"), by their content."""
    entries = {
        "_rels/.rels": relations({"r1": ("officeDocument", "word/document.xml")}),
        "word/document.xml": part("w:document", f"<w:body>{body}</w:body>"),
        "word/_rels/document.xml.rels": relations(
            {f"r{name}": (name, f"{name}.xml") for name in parts} | {"rlink": ("hyperlink", "minutes%20May.docx")}
        ),
    }
    for name, content in parts.items():
        entries[f"word/{name}.xml"] = part("c:chartSpace" if name == "chart" else f"w:{name}", content)
    return write_zip(path, entries)


def p(text: str, style: str = "", properties: str = "") -> str:
    """A Word paragraph."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def write_slides(path: Path, slides: list[str], *, notes: str = "", comments: str = "", chart: str = "") -> Path:
    """A presentation of the slides' shapes; notes, comments and a chart ("rchart") belong to the first slide. The
    layout's body placeholder stands below the title and makes items with bullets."""
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="s{n}"/>' for n in range(len(slides)))
    layout = shape("", kind="title", at=(0, 0, 90, 10)) + shape("", kind="body", index=1, at=(0, 20, 90, 70))
    bullets = '<p:txStyles><p:bodyStyle><a:lvl1pPr><a:buChar char="•"/></a:lvl1pPr></p:bodyStyle></p:txStyles>'
    entries = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": relations({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": part("p:presentation", f"<p:sldIdLst>{ids}</p:sldIdLst>"),
        "ppt/_rels/presentation.xml.rels": relations(
            {f"s{n}": ("slide", f"slides/slide{n}.xml") for n in range(len(slides))}
            | {"authors": ("commentAuthors", "authors.xml")}
        ),
        "ppt/authors.xml": part("p:cmAuthorLst", '<p:cmAuthor id="0" name="Ada"/>'),
        "ppt/layout.xml": part("p:sldLayout", f"<p:cSld><p:spTree>{layout}</p:spTree></p:cSld>"),
        "ppt/_rels/layout.xml.rels": relations({"m": ("slideMaster", "master.xml")}),
        "ppt/master.xml": part("p:sldMaster", f"<p:cSld><p:spTree/></p:cSld>{bullets}"),
        "ppt/notes.xml": part("p:notes", f"<p:cSld><p:spTree>{shape(notes, kind='body')}</p:spTree></p:cSld>"),
        "ppt/comments.xml": part("p:cmLst", comments),
        "ppt/chart.xml": part("c:chartSpace", chart),
    }
    for number, shapes in enumerate(slides):
        entries[f"ppt/slides/slide{number}.xml"] = part("p:sld", f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>")
        kinds = {"slideLayout": "layout"}
        if not number:
            kinds |= {"notesSlide": "notes", "comments": "comments", "chart": "chart"}
        entries[f"ppt/slides/_rels/slide{number}.xml.rels"] = relations(
            {f"r{name}": (kind, f"../{name}.xml") for kind, name in kinds.items()}
        )
    return write_zip(path, entries)


def shape(*paragraphs: str, kind: str = "", index: int = 0, at: tuple[int, int, int, int] | None = None) -> str:
    """A shape with paragraphs (text, or their XML), a placeholder of `kind`; `at` is left, top, width, height."""
    placeholder = f'<p:ph type="{kind}" idx="{index}"/>' if kind else ""
    frame = ""
    if at:
        left, top, width, height = at
        frame = f'<a:xfrm><a:off x="{left}" y="{top}"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'
    rows = "".join(text if text.startswith("<") else f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
    return (
        f"<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:spPr>{frame}</p:spPr>"
        f"<p:txBody>{rows}</p:txBody></p:sp>"
    )


def item(text: str, properties: str = "", level: int = 0) -> str:
    """A slide's paragraph with settings of its list."""
    return f'<a:p><a:pPr lvl="{level}">{properties}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'


def write_workbook(
    path: Path, sheets: dict[str, list[list[str | float | None]]], merged: str = "", **parts: str
) -> Path:
    """An XLSX of sheets by their names. "@2024-05-01" is a date, "=A9" a figure in that cell, "%0.5" one in B2 with the
    second style. `merged` are ranges of the first sheet ("A1:B2 C3:C4"), `parts` what else the workbook has, by its
    content: "styles" and "people", and for the first sheet "comments", "threads", "drawing" and "chart" ("c")."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"/>' for n, name in enumerate(sheets, 1))
    book = f'<workbook xmlns="{main}" xmlns:r="{_RELATIONS}"><sheets>{names}</sheets></workbook>'
    entries = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": book.encode(),
        "xl/_rels/workbook.xml.rels": relations(
            {f"s{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)}
            | {"p": ("person", "people.xml")}
        ),
        "xl/worksheets/_rels/sheet1.xml.rels": relations(
            {"c": ("comments", "../comments.xml"), "d": ("drawing", "../drawing.xml")}
            | {"t": ("threadedComment", "../threads.xml")}
        ),
        "xl/_rels/drawing.xml.rels": relations({"c": ("chart", "chart.xml")}),
        "xl/drawing.xml": part("drawing", parts.get("drawing", "")),
    }
    for number, rows in enumerate(sheets.values(), 1):
        cells = "".join(f"<row>{''.join(map(_sheet_cell, row))}</row>" for row in rows)
        ranges = "".join(f'<mergeCell ref="{ref}"/>' for ref in merged.split())
        merges = f"<mergeCells>{ranges}</mergeCells>" if merged and number == 1 else ""
        text = f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData>{merges}</worksheet>'
        entries[f"xl/worksheets/sheet{number}.xml"] = text.encode()
    if "comments" in parts:
        entries["xl/comments.xml"] = f'<comments xmlns="{main}">{parts["comments"]}</comments>'.encode()
    for name in {"threads", "people"} & set(parts):
        entries[f"xl/{name}.xml"] = part(name, parts[name])
    if "styles" in parts:
        entries["xl/styles.xml"] = f'<styleSheet xmlns="{main}">{parts["styles"]}</styleSheet>'.encode()
    if "chart" in parts:
        entries["xl/chart.xml"] = part("c:chartSpace", parts["chart"])
    return write_zip(path, entries)


def anchor(row: int, content: str) -> str:
    """A sheet's drawing that begins in the first column of a row, counted from 0."""
    return f"<twoCellAnchor><from><col>0</col><row>{row}</row></from><to/>{content}</twoCellAnchor>"


def _sheet_cell(value: str | float | None) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str) and value.startswith("%"):
        return f'<c r="B2" s="1"><v>{value[1:]}</v></c>'
    if isinstance(value, str) and value.startswith("="):
        return f'<c r="{value[1:]}"><v>1</v></c>'
    if isinstance(value, str):
        is_date = value.startswith("@")
        return f'<c t="d"><v>{value[1:]}</v></c>' if is_date else f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value!r}</v></c>"


def write_opendocument(path: Path, body: str, styles: str = "", **parts: str) -> Path:
    """An OpenDocument file of a body's XML ("<office:text>...") and automatic styles; `parts` are the root elements of
    further XML files, by their names without ".xml" ("meta")."""
    names = ("office", "text", "table", "draw", "presentation", "style", "form", "meta")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    spaces += ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    spaces += ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
    content = f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}</office:body>"
    entries = {"content.xml": f"<office:document-content {spaces}>{content}</office:document-content>".encode()}
    for name, text in parts.items():
        entries[f"{name}.xml"] = f"<office:document {spaces}>{text}</office:document>".encode()
    return write_zip(path, entries)
