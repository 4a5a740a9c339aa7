"""What other readers make of a document, for benchmarks/reading.py: one JSON line for each file named on standard
input. Run by a Python that has them; requirements-readers.txt beside this file lists what they need.

    python benchmarks/peers/readers.py unstructured < files
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reading = dict[str, Any]  # text, headings, rows (lists of cells)


def with_unstructured() -> Callable[[str], Reading]:
    """partition() in the way that needs no model and no network."""
    os.environ |= {"DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "1", "UNSTRUCTURED_DISABLE_NOTICE": "1"}
    import spacy
    from lxml import html
    from unstructured.nlp import tokenize
    from unstructured.partition.auto import partition

    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    tokenize._load_spacy_model = lambda *_, **__: language

    def read(file: str) -> Reading:
        elements = partition(filename=file, strategy="fast")
        rows = []
        for element in elements:
            if table := getattr(element.metadata, "text_as_html", None):
                for row in html.fragment_fromstring(table, create_parent="div").iter("tr"):
                    rows.append([" ".join(cell.itertext()) for cell in row if cell.tag in ("td", "th")])
        headings = [element.text for element in elements if element.category == "Title"]
        return {"text": "\n".join(element.text for element in elements), "headings": headings, "rows": rows}

    return read


def with_markitdown() -> Callable[[str], Reading]:
    from markitdown import MarkItDown

    converter = MarkItDown()

    def read(file: str) -> Reading:
        markdown = converter.convert(file).markdown
        headings = re.findall(r"^#{1,6}\s+(.+)$", markdown, re.M)
        lines = [line for line in markdown.split("\n") if line.lstrip().startswith("|")]
        lines = [line for line in lines if not re.fullmatch(r"[\s|:-]+", line)]
        rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in lines]
        return {"text": markdown, "headings": headings, "rows": rows, "markdown": True}

    return read


def with_pypdf() -> Callable[[str], Reading]:
    from pypdf import PdfReader

    def read(file: str) -> Reading:
        text = "\n".join(page.extract_text() for page in PdfReader(file).pages)
        return {"text": text, "headings": [], "rows": [line.split("  ") for line in text.split("\n")]}

    return read


READERS = {"unstructured": with_unstructured, "markitdown": with_markitdown, "pypdf": with_pypdf}


def main() -> None:
    read = READERS[sys.argv[1]]()
    out = os.dup(1)
    os.dup2(2, 1)  # what the libraries print is not ours
    for file in sys.stdin.read().splitlines():
        started = time.perf_counter()
        try:
            result = read(file)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its result
            result = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        result |= {"file": Path(file).name, "seconds": time.perf_counter() - started}
        os.write(out, json.dumps(result).encode() + b"\n")


if __name__ == "__main__":
    main()
