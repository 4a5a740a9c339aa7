"""Text recognition: how much of scans and pictures is read, how exactly, and how long a page takes.

    python -m benchmarks.ocr [--pages 40]

1. Every file of OCRmyPDF's test documents and every picture of the others, read as an index run reads them. Where the
   text is known (linn.txt), the character error rate: Levenshtein distance over the true text's length, white space
   being one space.
2. Pages with a text layer, of docling's test documents and of the samples (English and Spanish), printed as pictures
   of 100 to 300 dots per inch: what is recognised against what Cita reads of the text layer. Words are compared as
   multisets; the order is that of the benchmark of reading.
3. One page turned and skewed, by Cita and by Tesseract as it is.

Writes benchmarks/results/ocr.md. Exits with 1 if a page with words gave no text.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from errors import ParseError
from ingest.isolate import Isolator
from ingest.parse import ocr, pdf
from ingest.recognise import Reader
from ingest.types import Document
from settings import CODE, Ocr, Settings

DATA = CODE.parent / "shared" / "data" / "documents"
SCANS = DATA / "ocrmypdf"
RESULTS = CODE / "benchmarks" / "results" / "ocr.md"
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".heic")

# Files that show the page of linn.txt, once or more often.
LINN = {
    "ocrmypdf/linn.pdf": 1, "ocrmypdf/linn.png": 1, "ocrmypdf/ccitt.pdf": 1, "ocrmypdf/jbig2.pdf": 1,
    "ocrmypdf/jbig2_baddevicen.pdf": 1, "ocrmypdf/poster.pdf": 1, "ocrmypdf/skew.pdf": 1,
    "ocrmypdf/rotated_skew.pdf": 1, "ocrmypdf/cardinal.pdf": 4,
}  # fmt: skip
# Pages without a word that could be read, by eye: blank, a photograph, a drawing, or another script than Latin.
WORDLESS = {
    "ocrmypdf/blank.pdf", "ocrmypdf/docinfo_latin1_key.pdf", "ocrmypdf/lichtenstein.pdf", "ocrmypdf/livecycle.pdf",
    "ocrmypdf/meta.pdf", "ocrmypdf/no_contents.pdf", "ocrmypdf/trivial.pdf", "ocrmypdf/type3_font_nomapping.pdf",
    "attachments/test.gif", "attachments/test.jpg", "attachments/test.png", "attachments/test.tiff",
    "003-pdflatex-image/image.jpg", "003-pdflatex-image/page-0-Im1.jpg", "007-imagemagick-images/smile.jpg",
    "007-imagemagick-images/smile.png", "007-imagemagick-images/smile.tiff",
    "007-imagemagick-images/smile-deflate.tiff", "007-imagemagick-images/smile-lzw.tiff",
    "007-imagemagick-images/smile-pack-bits.tiff", "008-reportlab-inline-image/smile.png",
    "009-pdflatex-geotopo/page-23-Im2.png", "019-grayscale-image/page-0-X0.png", "025-attachment/image.png",
    "img/bmp_24.bmp", "img/chi_sim_image.jpeg", "img/jpn-vert.jpeg", "img/example.jpg",
}  # fmt: skip
DPIS = (100, 150, 200, 300)
ANGLES = (0, 1, 2, 3, 5, 8, 11, 90, 180, 270)


def plain(text: str) -> str:
    return " ".join(text.split())


def error_rate(text: str, truth: str) -> float:
    return Levenshtein.distance(plain(text), plain(truth)) / len(plain(truth))


def text_of(document: Document) -> str:
    return "\n".join(block.text for block in document.blocks)


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    pages: int
    recognised: int
    letters: int
    confidence: float | None
    seconds: float
    error: float | None
    reason: str


def read_files(files: Sequence[Path]) -> Iterator[Outcome]:
    settings = Settings.load(tempfile.gettempdir())
    truth = (SCANS / "linn.txt").read_text(encoding="utf-8")
    with Isolator(settings.parse) as isolator, Reader(isolator, settings) as reader:
        for file in files:
            name = f"{file.parent.name}/{file.name}"
            started = time.perf_counter()
            try:
                document = reader.read(file)
            except ParseError as failure:
                yield Outcome(name, 0, 0, 0, None, 0.0, None, str(failure))
                continue
            seconds = time.perf_counter() - started
            sure = [block.confidence for block in document.blocks if block.confidence is not None]
            times = LINN.get(name, 0)
            yield Outcome(
                name,
                document.pages or 0,
                len(document.recognised),
                sum(map(str.isalnum, text_of(document))),
                statistics.fmean(sure) if sure else None,
                seconds,
                error_rate(text_of(document), "\n".join([truth] * times)) if times else None,
                document.reason,
            )


def scans_and_pictures() -> list[Path]:
    pictures = [path for path in DATA.rglob("*") if path.suffix.lower() in PICTURES]
    return sorted({*SCANS.glob("*.pdf"), *pictures}, key=lambda path: (path.parent != SCANS, path.name.lower()))


@dataclass(frozen=True)
class Printed:
    """A page of text printed as a picture and recognised: shares of words, of characters, and seconds."""

    recall: float
    precision: float
    error: float
    seconds: float
    confidence: float


def text_pages(limit: int) -> Iterator[tuple[Path, int, str]]:
    """Pages of plain text, at most two of a file, Latin letters only: file, number, text."""
    files = [*sorted((DATA / "docling" / "pdf").rglob("*.pdf")), *sorted((CODE / "data" / "samples").rglob("*.pdf"))]
    found = 0
    for file in reversed(files):  # the samples, which are few, first
        try:
            document = pdf.parse(file)
        except ParseError:
            continue
        of_file = 0
        for page in range(1, (document.pages or 0) + 1):
            text = "\n".join(block.text for block in document.blocks if block.page == page)
            letters = [letter for letter in text if letter.isalpha()]
            if (
                len(letters) > 400
                and sum(letter < "\u0250" for letter in letters) > 0.99 * len(letters)
                and of_file < 2
            ):
                of_file += 1
                found += 1
                yield file, page, text
            if found == limit:
                return


def print_and_read(pages: Sequence[tuple[Path, int, str]], dpi: int) -> list[Printed]:
    recogniser = ocr.find_recogniser(Ocr(dpi=dpi))
    results = []
    for file, page, truth in pages:
        picture, size, points = pdf.picture(file, page, dpi)
        started = time.perf_counter()
        recognition = ocr.recognise(picture, page, size, points, recogniser)
        seconds = time.perf_counter() - started
        blocks = pdf.blocks(list(ocr.pages([recognition]).values()))
        text = "\n".join(block.text for block in blocks)
        words, true = Counter(plain(text).split()), Counter(plain(truth).split())
        both = (words & true).total()
        sure = statistics.fmean(recognition.confidences) if recognition.confidences else 0.0
        results.append(
            Printed(both / true.total(), both / max(1, words.total()), error_rate(text, truth), seconds, sure)
        )
    return results


def turned() -> Iterator[tuple[float, float, float]]:
    """The page of linn.txt turned by so many degrees: the error rates of Cita and of Tesseract as it is."""
    from PIL import Image

    recogniser = ocr.find_recogniser(Ocr())
    truth = (SCANS / "linn.txt").read_text(encoding="utf-8")
    picture, _, _ = pdf.picture(SCANS / "linn.pdf", 1, 200)
    grey = picture.convert("L")
    for angle in ANGLES:
        skewed = grey.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
        ours = ocr.recognise(skewed, 1, skewed.size, 1.0, recogniser).page.text
        rows = ocr._read(skewed, 0.0, 1.0, recogniser).rows
        alone = "\n".join(" ".join(word.text for word in row.words) for row in rows)
        yield angle, error_rate(ours, truth), error_rate(alone, truth)


def describe_machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB of memory, "
        f"Python {platform.python_version()}, {ocr.find_recogniser(Ocr()).name} dots per inch, one thread a page, load "
        f"before it began {os.getloadavg()[0]:.1f}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def or_dash(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def report(machine: str, files: Sequence[Outcome], printed: dict[int, list[Printed]], minutes: float) -> str:
    read = [one for one in files if one.pages]
    silent = [one for one in read if one.name not in WORDLESS and not one.letters]
    noisy = [one for one in read if one.name in WORDLESS and one.letters]
    seconds = [one.seconds / one.recognised for one in read if one.recognised]
    known = [one.error for one in read if one.error is not None]
    mean = statistics.fmean
    return "\n".join(
        [
            "# Text recognition",
            "",
            machine,
            f"Made by `python -m benchmarks.ocr` in {minutes:.0f} minutes; what is measured is said there.",
            "",
            "## Scans and pictures",
            "",
            f"{len(files)} files: {len(read)} read, {len(files) - len(read)} refused with the reason below. Of "
            f"{sum(one.name not in WORDLESS for one in read)} with words, {len(silent)} gave no text"
            + (f" ({', '.join(one.name for one in silent)})" if silent else "")
            + f"; of {sum(one.name in WORDLESS for one in read)} without, {len(noisy)} gave some"
            + (f" ({', '.join(one.name for one in noisy)})" if noisy else "")
            + f". Median {statistics.median(seconds):.1f} seconds a recognised page, most {max(seconds):.1f}. Where "
            f"the text is known, {mean(known):.3f} of the characters are wrong in the mean, at most {max(known):.3f}.",
            "On cardinal.pdf's four pages, which are the same, lines that repeat are left out as running heads.",
            "",
            table(
                ["file", "pages", "recognised", "letters", "confidence", "error rate", "seconds"],
                [
                    (
                        one.name,
                        one.pages or "–",
                        one.recognised,
                        one.letters,
                        or_dash(one.confidence),
                        or_dash(one.error, 3),
                        one.reason or f"{one.seconds:.1f}",
                    )
                    for one in files
                ],
            ),
            "",
            "## Pages of text printed as pictures",
            "",
            f"{len(next(iter(printed.values())))} pages, means. Errors of the text layer, and another order of columns "
            "or cells, count as errors of the characters here.",
            "",
            table(
                ["dots per inch", "words found", "words right", "error rate", "its median", "confidence", "seconds"],
                [
                    (
                        dpi,
                        f"{mean(one.recall for one in ones):.3f}",
                        f"{mean(one.precision for one in ones):.3f}",
                        f"{mean(one.error for one in ones):.3f}",
                        f"{statistics.median(one.error for one in ones):.3f}",
                        f"{mean(one.confidence for one in ones):.2f}",
                        f"{mean(one.seconds for one in ones):.2f}",
                    )
                    for dpi, ones in printed.items()
                ],
            ),
            "",
            "## A page turned by so many degrees: error rate",
            "",
            table(
                ["degrees", "Cita", "Tesseract as it is"],
                [(angle, f"{ours:.3f}", f"{alone:.3f}") for angle, ours, alone in turned()],
            ),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=40)
    options = parser.parse_args()
    machine, started = describe_machine(), time.monotonic()
    files = list(read_files(scans_and_pictures()))
    pages = list(text_pages(options.pages))
    printed = {dpi: print_and_read(pages, dpi) for dpi in DPIS}
    text = report(machine, files, printed, (time.monotonic() - started) / 60)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)
    return any(one.pages and not one.letters and one.name not in WORDLESS for one in files)


if __name__ == "__main__":
    sys.exit(main())
