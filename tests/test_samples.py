"""The shipped samples: what the question set says about them is so, and the script makes the same bytes again."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.parse import parse
from tests.conftest import ROOT

SAMPLES = ROOT / "data" / "samples"
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (ROOT / "evaluation" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [entry for entry in QUESTIONS if not entry.get("unanswerable")]
TEXTS = ROOT / "data" / "sample_maker" / "texts"
MADE = {path.relative_to(TEXTS).as_posix().removesuffix(".txt") for path in TEXTS.glob("*/*")}


@cache
def text_of(source: str, page: int | None = None) -> str:
    blocks = parse(SAMPLES / source).blocks
    text = " ".join(block.text for block in blocks if page is None or block.page == page)
    return re.sub(r"\s+", " ", text)


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
        assert ("page" in entry) == entry.get("source", "").endswith(".pdf")


def test_every_sample_has_a_question_and_every_question_a_sample() -> None:
    files = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.is_file()}
    assert {entry["source"] for entry in ANSWERABLE} == files
    assert len(files) >= 10


def test_a_pdf_sample_has_pages_headings_and_a_table() -> None:
    document = parse(SAMPLES / "home" / "rental-contract.pdf")
    assert document.pages == 4
    assert {"heading", "table", "paragraph"} <= {block.kind for block in document.blocks}
    deposit = next(block for block in document.blocks if block.text.startswith("The deposit is"))
    assert (deposit.page, deposit.headings[-1]) == (2, "5. Deposit")


def test_a_letter_in_latin_1_is_read_with_its_accents() -> None:
    assert b"\xe1" in (SAMPLES / "home" / "carta-comunidad.txt").read_bytes()
    assert "Ignacio Roldán Peña" in text_of("home/carta-comunidad.txt")


def test_the_script_makes_the_shipped_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "data" / "make_samples.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == MADE
    assert [name for name in made if (tmp_path / name).read_bytes() != (SAMPLES / name).read_bytes()] == []
