"""How fast, how wholly and how exactly in place PDFs are read: the filings of FinanceBench.

    python -m benchmarks.pdf [--data ../shared/data/qa/financebench] [--peers PYTHON] [--every 1] [--seed 0]

Speed: pages per second of Cita's reader (columns, tables, headings, notes, forms), of pypdf's extract_text() and of
unstructured's fast strategy, each in two processes that share the files (each `--every`th of them) by their pages, one
reader after the other; importing a library is not counted. CPU: pages per second of the processes' own time, less that
of a start without files, which other programs on the machine disturb less. Evidence: what the questions' authors quote,
found on the page they name (numbered from 0 there), by letters and figures alone; its sentences and, as most of it is
tables, their lines, and for comparison all between two full stops, which may be a whole table with the page's running
head. Boxes: of random passages, those for which the characters under the boxes of locate() are its own, by letters and
figures alone, and those for which the words are, each counted once: the head of a table says some in several columns.
`--peers` is a Python that has pypdf, unstructured and what its PDF reader imports: pdfminer.six, pikepdf, pi-heif,
pdf2image, unstructured-inference. Writes benchmarks/results/pdf.md.
"""

import argparse
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pypdfium2

from ingest.chunk import chunk
from ingest.embed import open_embedder
from ingest.parse import pdf
from ingest.parse.locate import Box, locate
from ingest.types import Document, Passage
from settings import CODE, Settings

RESULTS = CODE / "benchmarks" / "results" / "pdf.md"
DATA = CODE.parent / "shared" / "data" / "qa" / "financebench"
PROCESSES = 2
PASSAGES = 200
OURS = "import json, sys, time\nfrom pathlib import Path\nfrom ingest.parse import pdf\npdf.warm()\n" + (
    "for file in sys.stdin.read().splitlines():\n"
    "    started = time.perf_counter()\n"
    "    pdf.parse(Path(file))\n"
    "    print(json.dumps({'seconds': time.perf_counter() - started}))\n"
)


@dataclass(frozen=True)
class Speed:
    """Pages per second of the wall clock and of the processes' own time."""

    reader: str
    wall: float
    cpu: float


def speeds(files: Sequence[Path], peers: str | None) -> Iterator[Speed]:
    script = str(CODE / "benchmarks" / "peers" / "readers.py")
    commands = {"Cita": [sys.executable, "-c", OURS]}
    if peers:
        commands |= {name: [peers, script, name] for name in ("pypdf", "unstructured")}
    pages = sum(map(_pages, files))
    for name, command in commands.items():
        before = _children_seconds()
        _run(command, [])
        started = _children_seconds()
        with ThreadPoolExecutor(PROCESSES) as pool:
            seconds = list(pool.map(lambda share, command=command: _run(command, share), _shares(files)))
        cpu = _children_seconds() - started - PROCESSES * (started - before)
        yield Speed(name, pages / max(seconds), pages / cpu)


def _pages(file: Path) -> int:
    with pypdfium2.PdfDocument(file) as document:
        return len(document)


def _shares(files: Sequence[Path]) -> list[list[Path]]:
    """The files in as many parts as there are processes, of about as many pages."""
    shares: list[list[Path]] = [[] for _ in range(PROCESSES)]
    for file in sorted(files, key=_pages, reverse=True):
        min(shares, key=lambda share: sum(map(_pages, share))).append(file)
    return shares


def _run(command: Sequence[str], files: Sequence[Path]) -> float:
    """The seconds that reading took, by the reader's own account."""
    done = subprocess.run(
        command,
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
        cwd=CODE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [answer for answer in answers if answer.get("error")]
    if errors or len(answers) != len(files):
        raise SystemExit(f"A reader failed: {errors or done.stderr}")
    return sum(answer["seconds"] for answer in answers)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def evidence(documents: dict[str, Document], questions: Path, parts: str) -> tuple[int, int, list[str]]:
    """How many parts of the evidence there are and are found on their page, and those that are not."""
    pages: dict[tuple[str, int], str] = defaultdict(str)
    for name, document in documents.items():
        for block in document.blocks:
            pages[name, block.page or 0] += letters(block.text)
    wanted = []
    for line in questions.read_text(encoding="utf-8").splitlines():
        for quote in json.loads(line)["evidence"]:
            if quote["doc_name"] in documents:
                place = quote["doc_name"], quote["evidence_page_num"] + 1
                wanted += [(place, part) for part in re.split(parts, quote["evidence_text"]) if len(letters(part)) > 1]
    missed = [part for place, part in wanted if letters(part) not in pages[place]]
    return len(wanted), len(wanted) - len(missed), missed


def boxes(
    files: dict[str, Path], documents: dict[str, Document], seed: int
) -> tuple[list[Passage], list[Passage], list[Passage]]:
    """The passages whose boxes were looked at, those whose boxes cover other letters, and of these those whose boxes
    cover other words than theirs."""
    settings = Settings()
    embedder = open_embedder(settings)
    passages = [
        new.passage
        for name, document in sorted(documents.items())
        for new in chunk(document, "", name, embedder, settings.chunk)
        if new.passage.page == new.passage.page_to is not None
    ]
    chosen = random.Random(seed).sample(passages, PASSAGES)
    covered = [(passage, _covered(files[passage.path], passage)) for passage in chosen]
    other = [(passage, text) for passage, text in covered if sorted(letters(text)) != sorted(letters(passage.text))]
    return chosen, [passage for passage, _ in other], [passage for passage, text in other if _words(text, passage.text)]


def _words(text: str, quote: str) -> set[str]:
    """Words of either that the other has not; a word's parts at a line's end count as one."""
    ours, theirs = letters(text), letters(quote)
    said = {letters(word) for word in re.split(r"\s+", quote)} - {""}
    seen = {letters(word) for word in re.split(r"\s+", text.replace("\x02\r\n", "").replace("\x02", ""))} - {""}
    return {word for word in said if word not in ours} | {word for word in seen if word not in theirs}


def _covered(file: Path, passage: Passage) -> str:
    """The characters under the passage's boxes, and the white space between them."""
    with pypdfium2.PdfDocument(file) as document:
        assert passage.page is not None
        chars = pdf._PageReader(document[passage.page - 1], as_shown=True).chars()
    rectangles = locate(chars, passage.text, passage.spans)
    return "".join(
        char
        for char, box in zip(chars.text, chars.boxes, strict=True)
        if char.isspace() or char == "\x02" or _holds(rectangles, box)
    )


def _holds(rectangles: Sequence[Box], box: Box) -> bool:
    x, y = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    return box.right > box.left and any(r.left <= x <= r.right and r.bottom <= y <= r.top for r in rectangles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    files = {path.stem: path for path in sorted((arguments.data / "pdfs").glob("*.pdf"))}
    timed = list(files.values())[:: arguments.every]
    measured = list(speeds(timed, arguments.peers))
    documents = {name: pdf.parse(path) for name, path in files.items()}
    questions = arguments.data / "questions.jsonl"
    parts, found, missed = evidence(documents, questions, r"(?<=[.!?;:])\s+|\n")
    wholes, wholes_found, _ = evidence(documents, questions, r"(?<=[.!?])\s+(?=[A-Z(“\"])")
    looked, inexact, wrong = boxes(files, documents, arguments.seed)
    pages = sum(document.pages or 0 for document in documents.values())
    report = [
        "# Reading PDFs",
        "",
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, reader",
        f"{pdf.parser_version()}, seed {arguments.seed}. Made by `python -m benchmarks.pdf`; what is measured is said",
        f"there. {len(files)} filings, {pages:,} pages; the speed is that of {len(timed)} filings,",
        f"{sum(map(_pages, timed)):,} pages.",
        f"Load of the machine beside (one minute): {os.getloadavg()[0]:.1f}.",
        "",
        "| reader | pages/s, two processes | to Cita | pages per CPU second | to Cita |",
        "|---|---|---|---|---|",
        *(
            f"| {one.reader} | {one.wall:,.1f} | {measured[0].wall / one.wall:.1f} | {one.cpu:,.1f} "
            f"| {measured[0].cpu / one.cpu:.1f} |"
            for one in measured
        ),
        "",
        f"- Evidence on its page: {found:,} of {parts:,} sentences and lines ({found / parts:.4f});",
        f"  {wholes_found} of {wholes} times all between two full stops.",
        f"- Of {len(looked)} random passages the boxes cover exactly the letters: {len(looked) - len(inexact)};",
        f"  exactly its words, each counted once: {len(looked) - len(wrong)}.",
        "",
    ]
    RESULTS.write_text("\n".join(report), encoding="utf-8")
    print("\n".join(report))
    for part in missed:
        print("not found:", " ".join(part.split())[:150])
    for passage in inexact:
        print("boxes:", passage.path, passage.page, passage.kind, " ".join(passage.text.split())[:150])


if __name__ == "__main__":
    main()
