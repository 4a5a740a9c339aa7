"""Reports as files: footnotes for every citation, nothing active in Markdown, no formulas in CSV."""

import csv
import io
import re

import pytest

from rag.tasks.report import as_csv, markdown
from rag.tasks.types import Report, Row, Section
from rag.types import AnswerSentence, Citation

EVIL = "![x](http://evil.example/a.png) <script>alert(1)</script> # [1]"


def citation(n: int, quote: str, source: str = "a.md") -> Citation:
    return Citation(n, f"p{n}", source, 2, "Lease > Deposit", quote, 0, len(quote), True)


def report(*sentences: AnswerSentence, title: str = "a.md") -> Report:
    cited = tuple(citation(n, f"quote {n} {EVIL}") for n in (1, 2))
    return Report("summarise", title, "en", "extractive", (Section("document", "a.md", sentences),), cited)


def table(*texts: str, source: str = "a.md") -> Report:
    cells = tuple(AnswerSentence(text, (1,), True) for text in texts)
    columns = tuple(f"column {n}" for n in range(len(texts)))
    cited = (citation(1, "quote", source),)
    return Report("tabulate", "", "en", "extractive", (), cited, columns=columns, rows=(Row(source, cells),))


def test_each_sentence_has_its_footnotes_and_each_footnote_its_place_and_quote() -> None:
    text = markdown(report(AnswerSentence("One.", (1,), True), AnswerSentence("Two.", (2, 1), True)))
    assert "- One.[^1]\n- Two.[^2][^1]" in text
    assert text.startswith("# Summary: a.md\n")
    assert text.count("\n[^1]: a.md, page 2, Lease \\> Deposit: “quote 1") == 1


def test_what_is_not_confirmed_is_marked_with_the_reason() -> None:
    text = markdown(report(AnswerSentence("One.", (1,), False, "partly", "the number 5 is not in the passage")))
    assert "One.[^1] *(only partly confirmed: the number 5 is not in the passage)*" in text


def test_headings_are_in_the_language_asked_for() -> None:
    assert markdown(report(), "es").startswith("# Resumen: a.md")


def test_a_report_without_anything_says_so() -> None:
    assert "Your documents say nothing on this." in markdown(report())


def test_nothing_of_a_document_is_active_in_markdown() -> None:
    text = markdown(report(AnswerSentence(EVIL, (1,), True), title=EVIL))
    for active in (r"(?<!\\)!", r"(?<!\\)<", r"(?<!\\)\[(?!\^)", r"\n#(?!#? )"):
        assert not re.search(active, text), active


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "＝"])
def test_no_cell_of_a_csv_is_a_formula(start: str) -> None:
    text = as_csv(table(f"{start}cmd|' /C calc'!A0", source=f"{start}evil.md"))
    for row in csv.reader(io.StringIO(text)):
        assert not [cell for cell in row if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]


def test_a_csv_has_each_cell_with_where_it_stands() -> None:
    header, row = csv.reader(io.StringIO(as_csv(table("900 euros", 'with "quotes", and commas'))))
    assert header == ["file", "column 0", "column 0: source", "column 1", "column 1: source"]
    place = "a.md, page 2, Lease > Deposit: “quote”"
    assert row == ["a.md", "900 euros", place, 'with "quotes", and commas', place]


def test_an_empty_cell_says_why_it_is() -> None:
    cells = (AnswerSentence("", (), True, None, "Your documents don't say."),)
    text = as_csv(Report("tabulate", "", "en", "m", (), (), columns=("rent",), rows=(Row("a.md", cells),)))
    assert list(csv.reader(io.StringIO(text)))[1] == ["a.md", "", "Your documents don't say."]


def test_a_table_in_markdown_keeps_its_columns_whatever_a_cell_holds() -> None:
    lines = markdown(table("a | b\nc", "x")).splitlines()
    row = next(line for line in lines if line.startswith("| a.md"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
