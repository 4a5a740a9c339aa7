"""How much of a document is read, and in which order, held against docling's ground truth in Markdown.

    python -m benchmarks.reading [--peers PYTHON] [--format docx] [--show NAME]

For each format the mean over its files of: word recall and precision (multisets of words), order (1 - Levenshtein
distance of the two word sequences over the longer one's length), headings and table cells that are found. A cell is
found if its words stand in one of the row's cells or, for readers that know no cells, in the row that has most of the
true row's. Beside Cita stand unstructured, markitdown and pypdf, each with all that it can read; `--peers` is a Python
that has them (benchmarks/peers/requirements-readers.txt). `--show` prints what is missing and what is too much in one
file instead.

The ground truth is docling's own output, corrected by hand where its tests need it: formulas, which it writes as LaTeX,
and pictures' marks are left out on both sides. Writes benchmarks/results/reading.md.
"""

import argparse
import html
import json
import platform
import re
import statistics
import subprocess
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from errors import ParseError
from ingest.parse import parse
from settings import CODE

DATA = CODE.parent / "shared" / "data" / "documents" / "docling"
RESULTS = CODE / "benchmarks" / "results" / "reading.md"
FORMATS = ("pdf", "docx", "pptx", "xlsx", "csv", "odf", "html", "md", "asciidoc", "epub", "jats", "uspto", "webvtt")
SCANNED = ("picture_classification.pdf",)  # pictures only: text recognition is measured elsewhere
PEERS = ("unstructured", "markitdown", "pypdf")
MEASURES = ("recall", "precision", "order", "headings", "cells")

_COMMENT = re.compile(r"<!--.*?-->", re.S)
_FORMULA = re.compile(r"\$\$.*?\$\$|(?<![\\\w])\$(?=\S)[^$\n|]+(?<=\S)\$(?!\d)", re.S)
_LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")
_RULE = re.compile(r"^[\s|:=-]+$")
_WORD = re.compile(r"\w+")


@dataclass
class Reading:
    """What a reader made of a file: its words in order, headings and rows of cells, each as words."""

    words: list[str] = field(default_factory=list)
    headings: list[list[str]] = field(default_factory=list)
    rows: list[list[list[str]]] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""


def words_of(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("_", " "))


def plain(markdown: str) -> str:
    """Markdown's text without its marks."""
    text = _FORMULA.sub(" ", _COMMENT.sub(" ", markdown))
    for _ in range(2):  # a picture in a link
        text = _LINK.sub(r"\1", text)
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", text)
    return html.unescape(re.sub(r"\\([\\`*_{}\[\]()#+.!|<>$~-])", r"\1", text))


def of_markdown(markdown: str) -> Reading:
    """A ground truth. Neighbouring equal cells are one that spans columns."""
    reading = Reading()
    kept = []
    for line in _FORMULA.sub(" ", _COMMENT.sub(" ", markdown)).split("\n"):
        if line.lstrip().startswith("|"):
            if _RULE.match(line):
                continue
            cells = [words_of(plain(cell)) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            row = [cell for at, cell in enumerate(cells) if cell and (not at or cell != cells[at - 1])]
            if row:
                reading.rows.append(row)
        elif (heading := re.match(r"#{1,6}\s+(.*)", line)) and (words := words_of(plain(heading[1]))):
            reading.headings.append(words)
        kept.append(line)
    reading.words = words_of(plain("\n".join(kept)))
    return reading


def by_cita(file: Path) -> Reading:
    started = time.perf_counter()
    try:
        document = parse(file)
    except ParseError as error:
        return Reading(error=str(error))
    seconds = time.perf_counter() - started
    reading = Reading(seconds=seconds)
    is_markdown = document.media_type == "text/markdown"
    texts = []
    for block in document.blocks:
        text = plain(block.text) if is_markdown else _FORMULA.sub(" ", block.text)
        texts.append(text)
        if block.kind in ("title", "heading"):
            reading.headings.append(words_of(text))
        elif block.kind == "table":
            for line in block.text.split("\n"):
                cells = re.split(r"(?<!\\)\|", line.strip().strip("|")) if "|" in line else re.split(r"\s{2,}", line)
                reading.rows.append([words for cell in cells if (words := words_of(plain(cell)))])
    reading.words = words_of("\n".join(texts))
    return reading


def by_peer(python: str, peer: str, files: Sequence[Path]) -> dict[str, Reading]:
    command = [python, str(CODE / "benchmarks" / "peers" / "readers.py"), peer]
    names = "\n".join(map(str, files))
    done = subprocess.run(command, input=names, capture_output=True, text=True, timeout=3600, cwd=DATA)
    if done.returncode:
        raise SystemExit(f"{peer} failed: {done.stderr[-2000:]}")
    return {answer["file"]: _of_answer(answer) for answer in map(json.loads, done.stdout.splitlines())}


def _of_answer(answer: dict[str, Any]) -> Reading:
    if "error" in answer:
        return Reading(error=answer["error"])
    clean = plain if answer.get("markdown") else partial(_FORMULA.sub, " ")
    rows = [[words for cell in row if (words := words_of(clean(cell or "")))] for row in answer["rows"]]
    headings = [words_of(clean(heading)) for heading in answer["headings"]]
    return Reading(words_of(clean(answer["text"])), headings, rows, answer["seconds"])


# --- measures


def measure(truth: Reading, found: Reading) -> dict[str, float]:
    """The shares that are MEASURES; those of which the truth has nothing are left out."""
    common = (Counter(truth.words) & Counter(found.words)).total()
    shares = {
        "recall": common / max(1, len(truth.words)),
        "precision": common / max(1, len(found.words)),
        "order": Levenshtein.normalized_similarity(truth.words, found.words),
    }
    if truth.headings:
        headings = Counter(map(tuple, found.headings))
        shares["headings"] = (Counter(map(tuple, truth.headings)) & headings).total() / len(truth.headings)
    if truth.rows:
        cells = sum(map(len, truth.rows))
        shares["cells"] = cells_found(truth.rows, found.rows) / cells
    return shares


def cells_found(truth: Sequence[list[list[str]]], rows: Sequence[list[list[str]]]) -> int:
    """Of each true row, the cells that the best of the rows found has; a row found serves once."""
    bags = [Counter(map(tuple, row)) for row in rows]
    by_cell: dict[tuple[str, ...], list[int]] = {}
    for at, bag in enumerate(bags):
        for cell in bag:
            by_cell.setdefault(cell, []).append(at)
    used: set[int] = set()
    total = 0
    for row in truth:
        wanted = Counter(map(tuple, row))
        rivals = {at for cell in wanted for at in by_cell.get(cell, ())} - used
        best = max(rivals, key=lambda at: ((wanted & bags[at]).total(), -at), default=None)
        if best is not None:
            used.add(best)
            total += (wanted & bags[best]).total()
    return total


def pairs(formats: Iterable[str]) -> list[tuple[str, Path, Path]]:
    """Format, source and ground truth."""
    found = []
    for format in formats:
        for source in sorted((DATA / format / "sources").iterdir()):
            folder = DATA / format / "groundtruth"
            truth = next((t for t in (folder / f"{source.name}.md", folder / f"{source.stem}.md") if t.exists()), None)
            if truth is not None and source.name not in SCANNED and (source.suffix != ".pdf" or format == "pdf"):
                found.append((format, source, truth))
    return found


def show(name: str) -> None:
    for _, source, truth in pairs(FORMATS):
        if source.name == name:
            wanted, found = of_markdown(truth.read_text(encoding="utf-8")), by_cita(source)
            print(found.error, measure(wanted, found))
            print("missing:", Counter(wanted.words) - Counter(found.words))
            print("too much:", Counter(found.words) - Counter(wanted.words))
            ours = [tuple(cell) for row in found.rows for cell in row]
            print("headings missing:", [" ".join(h) for h in wanted.headings if h not in found.headings])
            missing = Counter(tuple(cell) for row in wanted.rows for cell in row) - Counter(ours)
            print("cells missing:", [" ".join(cell) for cell in missing])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="")
    parser.add_argument("--format", action="append", choices=FORMATS)
    parser.add_argument("--show", default="")
    given = parser.parse_args()
    if given.show:
        show(given.show)
        return
    chosen = pairs(given.format or FORMATS)
    files = [source for _, source, _ in chosen]
    readings = {"Cita": {file.name: by_cita(file) for file in files}}
    for peer in PEERS if given.peers else ():
        able = [file for file in files if peer != "pypdf" or file.suffix == ".pdf"]
        readings[peer] = by_peer(given.peers, peer, able)
    lines = table(chosen, readings)
    print("\n".join(lines))
    if not given.format and given.peers:
        RESULTS.write_text("\n".join([*head(), *lines, ""]), encoding="utf-8")


def table(chosen: Sequence[tuple[str, Path, Path]], readings: dict[str, dict[str, Reading]]) -> list[str]:
    truths = {source.name: of_markdown(truth.read_text(encoding="utf-8")) for _, source, truth in chosen}
    lines = [f"| format | reader | files | {' | '.join(MEASURES)} | ms a file |", "|---|---|---|" + "---|" * 6]
    totals: dict[str, list[dict[str, float]]] = {}
    failed = []
    for format in dict.fromkeys(format for format, _, _ in chosen):
        names = [source.name for other, source, _ in chosen if other == format]
        for reader, by_name in readings.items():
            read = {name: by_name[name] for name in names if name in by_name}
            good = {name: reading for name, reading in read.items() if not reading.error}
            failed += [f"- {reader}: {name}: {reading.error}" for name, reading in read.items() if reading.error]
            if good:  # its mean is over the files that it reads; those that it does not read stand below
                shares = [measure(truths[name], reading) for name, reading in good.items()]
                totals.setdefault(reader, []).append(means(shares))
                speed = statistics.mean(reading.seconds for reading in good.values())
                lines.append(
                    f"| {format} | {reader} | {len(good)} of {len(names)} | {row(shares)} | {1000 * speed:.0f} |"
                )
    lines += ["", "Means over the formats that each reads:", "", f"| reader | formats | {' | '.join(MEASURES)} |"]
    lines.append("|---|---|" + "---|" * 5)
    lines += [f"| {reader} | {len(shares)} | {row(shares)} |" for reader, shares in totals.items()]
    return [*lines, "", "Not read:", "", *failed] if failed else lines


def means(shares: Sequence[dict[str, float]]) -> dict[str, float]:
    present = {name: [share[name] for share in shares if name in share] for name in MEASURES}
    return {name: statistics.mean(values) for name, values in present.items() if values}


def row(shares: Sequence[dict[str, float]]) -> str:
    found = means(shares)
    return " | ".join(f"{found[name]:.3f}" if name in found else "" for name in MEASURES)


def head() -> list[str]:
    return [
        "# What is read of a document",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}. Made by",
        "`python -m benchmarks.reading --peers PYTHON`; what is measured is said there. The ground truth is docling's.",
        "",
    ]


if __name__ == "__main__":
    main()
