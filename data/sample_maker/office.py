"""Word documents, Excel spreadsheets and PowerPoint presentations."""

import re
from datetime import date
from io import BytesIO

import docx
import pptx
import xlsxwriter
from pptx.slide import Slide
from pptx.util import Cm

from sample_maker.text import HEADING, ITEM, NOTE, SUBHEADING, TABLE, TITLE, WRITTEN, Part, Text
from sample_maker.zipped import undated

NUMBER = re.compile(r"-?\d+(\.\d+)?")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
TITLE_AND_LIST, TITLE_ONLY = 1, 5  # layouts of python-pptx's template


def word(text: Text) -> bytes:
    """A document with the built-in heading styles."""
    document = docx.Document()
    document.core_properties.author = ""
    document.core_properties.language = text.language
    document.core_properties.created = document.core_properties.modified = WRITTEN
    for part in text.parts:
        if part.rows:
            table = document.add_table(rows=0, cols=len(part.rows[0]), style="Table Grid")
            for row in part.rows:
                for cell, content in zip(table.add_row().cells, row, strict=True):
                    cell.text = content
        elif part.kind in (TITLE, HEADING, SUBHEADING):
            document.add_heading(part.text, level=len(part.kind) - 1)
            if part.kind == TITLE:
                document.core_properties.title = part.text
        else:
            document.add_paragraph(part.text)
    file = BytesIO()
    document.save(file)
    return undated(file.getvalue())


def spreadsheet(text: Text) -> bytes:
    """A sheet for each title, its tables and lines below each other; cells of digits are numbers, or dates."""
    file = BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        book.set_properties({"created": WRITTEN.replace(tzinfo=None)})
        bold = book.add_format({"bold": True})
        shown = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            float: book.add_format({"num_format": "#,##0.00"}),
        }
        for head, *parts in text.split(TITLE):
            sheet = book.add_worksheet(head.text)
            sheet.set_column(0, 8, 18)
            lines = [line for part in parts for line in part.rows or ([part.text],)]
            headers = [part.rows[0] for part in parts if part.rows]
            for number, line in enumerate(lines):
                for column, cell in enumerate(line):
                    value = _value(cell)
                    sheet.write(number, column, value, bold if line in headers else shown.get(type(value)))
    return undated(file.getvalue())


def _value(cell: str) -> date | float | str:
    if DAY.fullmatch(cell):
        return date.fromisoformat(cell)
    return float(cell) if NUMBER.fullmatch(cell) else cell


def slides(text: Text) -> bytes:
    """A slide for each title, with its items or its table, and what the speaker says as its notes."""
    deck = pptx.Presentation()
    properties = deck.core_properties
    properties.title, properties.language = text.title, text.language
    properties.created = properties.modified = WRITTEN
    properties.author = properties.last_modified_by = properties.comments = ""
    for head, *parts in text.split(TITLE):
        table = next((part for part in parts if part.kind == TABLE), None)
        slide = deck.slides.add_slide(deck.slide_layouts[TITLE_ONLY if table else TITLE_AND_LIST])
        slide.shapes.title.text = head.text
        if table:
            _add_table(slide, table)
        else:
            body = next(shape for shape in slide.placeholders if shape != slide.shapes.title)
            body.text_frame.text = "\n".join(part.text for part in parts if part.kind == ITEM)
        slide.notes_slide.notes_text_frame.text = "\n".join(part.text for part in parts if part.kind == NOTE)
    file = BytesIO()
    deck.save(file)
    return undated(file.getvalue())


def _add_table(slide: Slide, part: Part) -> None:
    frame = slide.shapes.add_table(len(part.rows), len(part.rows[0]), Cm(2), Cm(5), Cm(21), Cm(8))
    for row, cells in zip(part.rows, frame.table.rows, strict=True):
        for content, cell in zip(row, cells.cells, strict=True):
            cell.text = content
