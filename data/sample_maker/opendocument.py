"""OpenDocument texts, spreadsheets and presentations, written as XML."""

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from sample_maker.text import HEADING, ITEM, NOTE, SUBHEADING, TITLE, WRITTEN, Part, Row, Text
from sample_maker.zipped import zipped

KIND = "application/vnd.oasis.opendocument."
SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office", "style": "style", "text": "text", "table": "table", "draw": "drawing", "meta": "meta",
        "manifest": "manifest", "presentation": "presentation", "svg": "svg-compatible",
    }.items()
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
XML = '<?xml version="1.0" encoding="UTF-8"?>'

AMOUNT = re.compile(r"-?\d+(,\d+)?")  # a number as Spanish writes it
DAY = re.compile(r"(\d{2})/(\d{2})/(\d{4})")


def text(source: Text) -> bytes:
    return _document("text", source, _blocks(source.parts))


def spreadsheet(source: Text) -> bytes:
    """A sheet for each title, its tables and lines below each other; amounts ("12,50") and days ("03/02/2026") are
    values, shown as they are written."""
    sheets = []
    for head, *parts in source.split(TITLE):
        rows = [row for part in parts for row in part.rows or ([part.text],)]
        sheets.append(f"<table:table table:name={quoteattr(head.text)}>{_rows(rows)}</table:table>")
    return _document("spreadsheet", source, "".join(sheets))


def slides(source: Text) -> bytes:
    """A slide for each title, with its items or its table, and what the speaker says as its notes."""
    pages = []
    for number, (head, *parts) in enumerate(source.split(TITLE), 1):
        items = _blocks(part for part in parts if part.kind == ITEM)
        tables = "".join(f"<draw:frame {_box(5)}>{_block(part)}</draw:frame>" for part in parts if part.rows)
        notes = "".join(_paragraph(part.text) for part in parts if part.kind == NOTE)
        pages.append(
            f'<draw:page draw:name="page{number}">{_frame("title", 1, _paragraph(head.text))}'
            f"{_frame('outline', 5, items) if items else ''}{tables}"
            f"<presentation:notes>{_frame('notes', 14, notes)}</presentation:notes></draw:page>"
        )
    return _document("presentation", source, "".join(pages))


def _document(kind: str, source: Text, content: str) -> bytes:
    day = WRITTEN.strftime("%Y-%m-%dT%H:%M:%S")
    meta = (
        f"<dc:title>{escape(source.fields.get('title') or source.title)}</dc:title>"
        f"<dc:language>{source.language}</dc:language><meta:creation-date>{day}</meta:creation-date><dc:date>{day}</dc:date>"
    )
    files = {"/": KIND + kind, "content.xml": "text/xml", "meta.xml": "text/xml"}
    manifest = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{media_type}"/>'
        for path, media_type in files.items()
    )
    body = f"<office:body><office:{kind}>{content}</office:{kind}></office:body>"
    entries = {
        "mimetype": KIND + kind,
        "content.xml": f'{XML}<office:document-content {SPACES} office:version="1.3">{body}</office:document-content>',
        "meta.xml": f'{XML}<office:document-meta {SPACES} office:version="1.3"><office:meta>{meta}</office:meta>'
        "</office:document-meta>",
        "META-INF/manifest.xml": f'{XML}<manifest:manifest {SPACES} manifest:version="1.3">{manifest}'
        "</manifest:manifest>",
    }
    return zipped({name: entry.encode() for name, entry in entries.items()})


def _blocks(parts: Iterable[Part]) -> str:
    return "".join(map(_block, parts)).replace("</text:list><text:list>", "")  # items in a row are one list


def _block(part: Part) -> str:
    if part.rows:
        return f"<table:table>{_rows(part.rows)}</table:table>"
    if part.kind in (TITLE, HEADING, SUBHEADING):
        level = len(part.kind)
        return f'<text:h text:outline-level="{level}">{escape(part.text)}</text:h>'
    if part.kind == ITEM:
        return f"<text:list><text:list-item>{_paragraph(part.text)}</text:list-item></text:list>"
    return _paragraph(part.text)


def _rows(rows: list[Row] | tuple[Row, ...]) -> str:
    return "".join(f"<table:table-row>{''.join(map(_cell, row))}</table:table-row>" for row in rows)


def _cell(content: str) -> str:
    value = 'office:value-type="string"'
    if AMOUNT.fullmatch(content):
        value = f'office:value-type="float" office:value="{content.replace(",", ".")}"'
    elif day := DAY.fullmatch(content):
        value = f'office:value-type="date" office:date-value="{day[3]}-{day[2]}-{day[1]}"'
    return f"<table:table-cell {value}>{_paragraph(content)}</table:table-cell>"


def _paragraph(content: str) -> str:
    return f"<text:p>{escape(content)}</text:p>"


def _frame(role: str, top: int, content: str) -> str:
    return f'<draw:frame presentation:class="{role}" {_box(top)}><draw:text-box>{content}</draw:text-box></draw:frame>'


def _box(top: int) -> str:
    """A place on the slide, `top` centimetres from its upper edge."""
    return f'svg:x="2cm" svg:y="{top}cm" svg:width="24cm" svg:height="3cm"'
