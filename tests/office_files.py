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
