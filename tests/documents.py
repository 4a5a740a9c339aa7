"""Builders of small documents of every kind that is parsed, so that tests know what is in them."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple


class Item(NamedTuple):
    """Something to print on a page: `kind` and its text (a table's rows have their cells parted by "|")."""

    kind: Literal["h1", "h2", "bold", "p", "li", "table", "mono"]
    text: str


_FONTS = {
    "h1": ("Helvetica-Bold", 20), "h2": ("Helvetica-Bold", 14), "bold": ("Helvetica-Bold", 10),
    "p": ("Helvetica", 10), "li": ("Helvetica", 10), "table": ("Helvetica", 10), "mono": ("Courier", 10),
}  # fmt: skip
_LEFT, _WIDTH, _COLUMN = 72, 320, 110


def write_pdf(
    path: Path,
    pages: Sequence[Sequence[Item]],
    *,
    title: str = "",
    outline: Sequence[tuple[int, str, int]] = (),
    head: str = "",
    numbers: bool = False,
    user_password: str | None = None,
) -> Path:
    """A PDF of A4 pages. `outline` has (level from 0, title, page from 1); `user_password` "" encrypts openly."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    encryption = None
    if user_password is not None:
        encryption = StandardEncryption(user_password, ownerPassword="owner", strength=128)
    canvas = Canvas(str(path), pagesize=A4, encrypt=encryption, pageCompression=1)
    if title:
        canvas.setTitle(title)
    for number, items in enumerate(pages, 1):
        for level, text, page in outline:
            if page == number:
                canvas.bookmarkPage(text)
                canvas.addOutlineEntry(text, text, level)
        canvas.setFont("Helvetica", 8)
        if head:
            canvas.drawString(_LEFT, 810, head)
        if numbers:
            canvas.drawCentredString(297, 30, str(number))
        _print(canvas, items)
        canvas.showPage()
    canvas.save()
    return path


def _print(canvas, items: Sequence[Item]) -> None:  # type: ignore[no-untyped-def]
    from reportlab.lib.utils import simpleSplit

    y = 760.0
    for item in items:
        font, size = _FONTS[item.kind]
        canvas.setFont(font, size)
        if item.kind == "table":
            for row in item.text.splitlines():
                for column, cell in enumerate(row.split("|")):
                    canvas.drawString(_LEFT + column * _COLUMN, y, cell.strip())
                y -= 1.2 * size
        elif item.kind in ("li", "mono"):
            for line in item.text.splitlines():
                canvas.drawString(_LEFT, y, f"• {line}" if item.kind == "li" else line)
                y -= 1.2 * size
        else:
            for line in item.text.splitlines() or [""]:
                for part in simpleSplit(line, font, size, _WIDTH):
                    canvas.drawString(_LEFT, y, part)
                    y -= 1.2 * size
        y -= 0.9 * size


def write_picture_pdf(path: Path, pages: int = 2) -> Path:
    """A PDF whose pages are pictures, as a scanner makes them."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    for _ in range(pages):
        canvas.drawImage(ImageReader(Image.new("RGB", (60, 80), "gray")), 0, 0, 595, 842)
        canvas.showPage()
    canvas.save()
    return path


def write_docx(path: Path) -> Path:
    """Title, headings of two levels, paragraphs, a list, a table with a header row, a running head and author."""
    import docx

    document = docx.Document()
    document.core_properties.title = ""
    document.core_properties.author = "Ada Byron"
    document.sections[0].header.paragraphs[0].text = "Running head of every page"
    document.add_paragraph("House rules", style="Title")
    document.add_heading("Rent", 1)
    document.add_paragraph("The rent is due on the first day of each month.")
    document.add_heading("Deposit", 2)
    document.add_paragraph("The deposit is 1,200 euros.")
    document.add_paragraph("Keep the receipt", style="List Bullet")
    document.add_paragraph("Ask for the interest", style="List Bullet")
    document.add_heading("Fees", 1)
    table = document.add_table(rows=0, cols=2)
    for left, right in (("Service", "Price"), ("Laundry", "4.50"), ("Parking", "30")):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = left, right
    document.save(str(path))
    return path


def write_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def lying_zip(inflated: int) -> bytes:
    """An archive whose headers say its one entry inflates to ten bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(inflated))
    return file.getvalue().replace(inflated.to_bytes(4, "little"), (10).to_bytes(4, "little"))


HTML = """<!DOCTYPE html>
<html lang="es">
<head><meta charset="utf-8"><title>Normas de la casa</title><meta name="author" content="Ada">
<style>p { color: red }</style><script>var hidden = "script text";</script></head>
<body>
<nav><a href="/">Inicio</a> <a href="/contacto">Contacto</a></nav>
<header>Cabecera del sitio</header>
<main>
<h1>Normas</h1>
<p>El alquiler se paga el <b>primer día</b> del mes.</p>
<h2>Fianza</h2>
<ul><li>Guarde el recibo</li><li>Pida los intereses</li></ul>
<table><tr><th>Servicio</th><th>Precio</th></tr><tr><td>Lavandería</td><td>4,50 €</td></tr></table>
<pre>linea 1
  linea 2</pre>
<h2>Fin</h2>
<p>Gracias.</p>
<img src="http://example.invalid/pixel.png">
</main>
<footer>Derechos reservados</footer>
</body></html>
"""

MARKDOWN = """---
title: Field notes
tags: [birds, spring]
date: 2024-05-01
---

# Spring

Swifts came back on *May 3rd*.
Two pairs nest under the roof.

## Counts

| Bird  | Pairs |
|-------|------:|
| Swift |     2 |

```python
# not a heading
pairs = 2
```

- feed the finches
- oil the gate

Setext heading
--------------

> A quoted line.
"""
