"""The shipped samples: what the question set says about them is so, and the script makes the same bytes again."""

import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest import parse
from ingest.analyse import detect_language
from ingest.parse.ocr import find_recogniser
from ingest.types import Document
from settings import Ocr
from tests.conftest import ROOT
from tests.scans import needs_tesseract

SAMPLES = ROOT / "data" / "samples"
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (ROOT / "evaluation" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [entry for entry in QUESTIONS if not entry.get("unanswerable")]
FILES = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.is_file()}
TEXTS = ROOT / "data" / "sample_maker" / "texts"
MADE = {path.relative_to(TEXTS).as_posix().removesuffix(".txt") for path in TEXTS.glob("*/*")}
UNWRITABLE = {"legacy", "outlook"}  # formats that only their own programs write
FAMILIES = {
    "documents": (".docx", ".odt", ".rtf"), "spreadsheets": (".xlsx", ".ods", ".csv"), "slides": (".pptx", ".odp"),
    "mails": (".eml", ".mbox"), "notes": (".md", ".rst", ".org", ".adoc", ".tex"), "data": (".json", ".yaml", ".xml"),
}  # fmt: skip


@cache
def document(source: str) -> Document:
    """A sample, or the document inside one."""
    return parse.parse(*place_of(source))


@cache
def recognised(source: str) -> Document:
    """The same with what is recognised on its scanned pages."""
    if not (unread := document(source).unread):
        return document(source)
    needs_tesseract()
    file, member = place_of(source)
    recogniser = find_recogniser(Ocr())
    return parse.parse(file, member, [parse.recognise(file, page, recogniser) for page in unread])


def place_of(source: str) -> tuple[Path, list[str]]:
    path = SAMPLES / source
    file = next(place for place in (path, *path.parents) if place.is_file())
    return file, [path.relative_to(file).as_posix()] if path != file else []


def text_of(source: str, page: int | None = None) -> str:
    text = " ".join(block.text for block in recognised(source).blocks if page is None or block.page == page)
    return re.sub(r"\s+", " ", text)


def language_of(source: str) -> str:
    return detect_language(" ".join(block.text for block in document(source).blocks))


@pytest.mark.parametrize("entry", ANSWERABLE, ids=lambda entry: entry["question"])
def test_an_expected_answer_stands_on_the_page_that_the_question_set_names(entry: dict[str, Any]) -> None:
    text = text_of(entry["source"], entry.get("page"))
    assert [answer for answer in entry["answers"] if answer not in text] == []


def test_the_question_set_keeps_to_what_cita_eval_reads() -> None:
    assert len(ANSWERABLE) >= 30
    assert len(QUESTIONS) - len(ANSWERABLE) >= 6
    assert len({entry["question"] for entry in QUESTIONS}) == len(QUESTIONS)
    for entry in QUESTIONS:
        assert entry.keys() <= {"question", "answers", "source", "page", "unanswerable"}
        assert ("unanswerable" in entry) != ("answers" in entry)


@pytest.mark.parametrize("source", sorted({entry["source"] for entry in ANSWERABLE}))
def test_the_question_set_names_pages_where_there_are_some(source: str) -> None:
    entries = [entry for entry in ANSWERABLE if entry["source"] == source]
    assert {"page" in entry for entry in entries} == {document(source).pages is not None}


def test_every_sample_has_a_question_and_every_question_a_sample() -> None:
    """Of an archive, every document in it."""
    read = {path: document(path) for path in FILES}
    expected = {path for path, found in read.items() if found.blocks or found.unread}
    expected |= {f"{path}/{member}" for path, found in read.items() for member in found.members}
    assert {entry["source"] for entry in ANSWERABLE} == expected


def test_there_is_a_sample_for_every_parser() -> None:
    parsers = {parse.SUFFIXES[Path(path).suffix].parser for path in FILES}
    assert set(parse.PARSERS) - parsers <= UNWRITABLE


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_speaks_english_and_spanish(family: str) -> None:
    languages = {language_of(path) for path in FILES if Path(path).suffix in FAMILIES[family]}
    assert languages == {"en", "es"}


def test_about_half_of_the_samples_are_in_each_language() -> None:
    counts = Counter(language_of(path) for path in FILES if document(path).blocks)
    assert min(counts["en"], counts["es"]) >= 0.4 * counts.total()


def test_samples_are_small() -> None:
    assert {path for path in FILES if (SAMPLES / path).stat().st_size > 40_000} == set()
    assert len(FILES) >= 10


def test_a_pdf_sample_has_pages_headings_and_a_table() -> None:
    contract = document("home/rental-contract.pdf")
    assert contract.pages == 4
    assert {"heading", "table", "paragraph"} <= {block.kind for block in contract.blocks}
    deposit = next(block for block in contract.blocks if block.text.startswith("The deposit is"))
    assert (deposit.page, deposit.headings[-1]) == (2, "5. Deposit")


def test_a_letter_in_latin_1_is_read_with_its_accents() -> None:
    assert b"\xe1" in (SAMPLES / "home" / "carta-comunidad.txt").read_bytes()
    assert "Ignacio Roldán Peña" in text_of("home/carta-comunidad.txt")


def test_the_script_makes_the_shipped_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "data" / "make_samples.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == MADE
    assert [name for name in made if (tmp_path / name).read_bytes() != (SAMPLES / name).read_bytes()] == []
