"""The report says what the run says, in both languages, and hostile text stays text."""

import re
from dataclasses import fields, replace
from string import Formatter

import pytest

from evaluation.dataset import Dataset, Place, Question
from evaluation.report import WORDS, expectation, fault_names, markdown, metric_name, report_name, shown_metrics
from evaluation.run import FAULTS, Run, evaluate
from rag.types import Language
from tests.evaluation.engines import ScriptedEngine, passage

LEASE = passage("lease.pdf", "The deposit is 1,200 euros.", 2)
NOTE = passage("note.md", "Remember the milk. " * 20)
QUESTIONS = (
    Question("1", "How much is the deposit?", {}, (Place("lease.pdf", 2),), ("1,200 euros",)),
    Question("2", "How much is the rent?", {}, (Place("gone.pdf", 7),), ("900 euros",)),
    Question("3", "Who won the cup?", unanswerable=True),
)


def run_of(answers: bool = False, name: str = "mine") -> Run:
    found = {"How much is the deposit?": [LEASE, NOTE], "How much is the rent?": [NOTE], "Who won the cup?": [NOTE]}
    said = {"How much is the deposit?": "It is 1,200 euros.", "Who won the cup?": "The milk."}
    return evaluate(ScriptedEngine(found, said), Dataset(name, QUESTIONS), answers=answers)


def cells(report: str, first: str) -> list[str]:
    (line,) = [line for line in report.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_metrics_stand_with_their_intervals_and_numbers() -> None:
    report = markdown(run_of())
    assert cells(report, "Found in the top 1") == ["Found in the top 1", "0.500", "0.000 - 1.000", "2"]
    assert cells(report, "Right page in the top 10")[1] == "0.500"
    assert "gone.pdf" in report.split("## Results")[0]


def test_what_only_says_recall_again_is_left_out() -> None:
    run = run_of()
    assert not [name for name in shown_metrics(run) if name.startswith(("success", "complete"))]
    several = Question("1", "How much is the deposit?", {}, (Place("lease.pdf"), Place("x.pdf")))
    found = {several.text: [LEASE]}
    names = shown_metrics(evaluate(ScriptedEngine(found), Dataset("set", (several,))))
    assert {"success@1", "complete@1"} <= names.keys()


def test_failures_show_question_expected_and_found() -> None:
    report = markdown(run_of())
    line = next(line for line in report.splitlines() if line.startswith("| How much is the rent?"))
    for part in ("not found", "“900 euros”; gone.pdf, page 7", "1. note.md: Remember the milk.", "…"):
        assert part in line
    assert "| How much is the deposit?" not in report


def test_answers_are_shown_where_they_were_asked_for() -> None:
    report = markdown(run_of(answers=True))
    assert "answered what the documents don't say" in report
    assert "The milk. \\[1\\]" in report
    assert cells(report, "Abstained where nothing is known")[1] == "0.000"


def test_only_the_worst_are_named() -> None:
    report = markdown(run_of(answers=True), shown=1)
    assert "The worst 1 of 2." in report
    assert "| Who won" not in report


def test_a_comparison_has_both_runs_and_p() -> None:
    run = run_of()
    before = replace(
        run, name="last", records=tuple(replace(r, scores=dict.fromkeys(r.scores, 0.0)) for r in run.records)
    )
    report = markdown(run, before)
    assert "## Compared with last of " in report
    section = report.split("## Compared with")[1].split("## Where")[0]
    assert cells(section, "Found in the top 1")[1:] == ["0.000", "0.500", "1.000", "1 / 0", "2"]


def test_a_run_without_faults_says_so() -> None:
    run = run_of()
    assert "None: every answer was where it should be." in markdown(replace(run, records=run.records[:1]))


def test_hostile_text_stays_text() -> None:
    hostile = "<img src=x onerror=alert(1)> | ![x](http://evil.example/x.png) `code`\n# head &amp;"
    engine = ScriptedEngine({hostile: [passage(f"{hostile}.md", hostile)]})
    report = markdown(evaluate(engine, Dataset(hostile, (Question("1", hostile, {}, (Place(hostile),)),))))
    assert not re.search(r"(?<!\\)[<`!]", report)
    assert not re.search(r"(?<!\\)\]\(", report)
    rows = [line for line in report.splitlines() if "onerror" in line and line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [5]


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_metric_and_fault_has_words(language: Language) -> None:
    run = run_of(answers=True)
    names = {name for record in run.records for name in record.scores}
    assert len({metric_name(name, language) for name in names}) == len(names)
    assert set(WORDS[language].faults) == set(FAULTS)
    assert [name for record in run.records for name in fault_names(record, language)]
    assert markdown(run, run, language=language).startswith("# ")


def holes(text: str) -> list[tuple[str, str | None]]:
    return [(name, form) for _, name, form, _ in Formatter().parse(text) if name]


def test_both_languages_have_the_same_holes_and_no_text_is_left_untranslated() -> None:
    english, spanish = WORDS["en"], WORDS["es"]
    pairs = [(getattr(english, f.name), getattr(spanish, f.name)) for f in fields(english) if f.type is str]
    pairs += [(english.metrics[name], spanish.metrics[name]) for name in english.metrics | spanish.metrics]
    pairs += [(english.faults[name], spanish.faults[name]) for name in english.faults | spanish.faults]
    assert len(pairs) > 40
    for one, other in pairs:
        assert min(one, other) > ""
        assert holes(one) == holes(other)
    assert sum(one == other for one, other in pairs) <= 2  # p, nDCG


def test_the_report_of_the_spanish_app_is_in_spanish() -> None:
    report = markdown(run_of(answers=True), language="es")
    assert "# Evaluación: mine" in report
    assert "página 7" in report
    assert "Found" not in report


def test_expectations_of_nothing_are_said() -> None:
    run = run_of()
    assert expectation(run.records[2]) == "nothing"


def test_a_report_has_a_file_name_of_its_own() -> None:
    assert re.fullmatch(r"my-set-\d{4}-\d\d-\d\d\.md", report_name(run_of(name="my/../my set!")))
    assert report_name(run_of(name="…")).startswith("questions-")
