"""`cita eval`: a question set to metrics, a comparison, a report; drafts to a file that is never overwritten."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import engine as engine_module
from engine import Engine, Status
from evaluation import rerankers
from evaluation.dataset import Dataset, read_questions
from rag.types import RerankerInfo, Verdict
from settings import Settings
from tests.conftest import ROOT
from tests.evaluation.engines import ScriptedEngine, passage
from tests.test_cli import run

LEASE = passage("a/lease.pdf", "The deposit is 1,200 euros.", 2, headings=("Lease", "Deposit"))
NOTE = passage("note.md", "\x1b[31mRemember the milk.", headings=())
LINES = [
    {"question": "How much is the deposit?", "answers": ["1,200 euros"], "source": "a/lease.pdf", "page": 2},
    {"question": "How much is the rent?", "source": "gone.pdf"},
    {"question": "Who won the cup?", "unanswerable": True},
]
RUN = {"name", "k", "at", "version", "embedder", "model", "passages", "unknown", "seconds", "metrics", "questions"}
RECORD = {
    "id", "question", "expected", "places", "unanswerable", "judged", "rank", "scores", "found", "seconds", "answer",
    "faults",
}  # fmt: skip


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch, home: Path) -> ScriptedEngine:
    found = {
        "How much is the deposit?": [LEASE],
        "How much is the rent?": [NOTE, LEASE],
        "lease": [LEASE],
        "note": [NOTE],
    }
    engine = ScriptedEngine(found, {"How much is the deposit?": "It is 1,200 euros."})
    monkeypatch.setattr(engine_module, "open_engine", lambda settings, mend=False: engine)
    monkeypatch.setenv("CITA_HOME", str(home))
    return engine


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in LINES), encoding="utf-8")
    return file


def test_json_has_metrics_with_intervals_and_every_question(questions: Path) -> None:
    done = run("eval", questions, "--json")
    assert (done.code, set(done.json)) == (0, RUN)
    assert done.json["metrics"]["recall@1"] == {"value": 0.5, "low": 0.0, "high": 1.0, "n": 2}
    assert [set(record) for record in done.json["questions"]] == [RECORD] * 3
    assert [record["rank"] for record in done.json["questions"]] == [1, None, None]
    assert done.json["unknown"] == ["gone.pdf"]
    assert "gone.pdf" in done.stderr


def test_text_has_metrics_and_the_questions_that_went_wrong(questions: Path) -> None:
    done = run("eval", questions)
    assert done.code == 0
    assert "Found in the top 1\t0.500\t0.000 - 1.000\t2" in done.stdout
    assert (
        "How much is the rent?\n    not found\n    expected: gone.pdf\n    1. note.md: \\x1b[31mRemember" in done.stdout
    )
    assert "2. a/lease.pdf, page 2, Lease > Deposit: The deposit" in done.stdout
    assert "How much is the rent?" not in run("eval", questions, "--failures", "0").stdout


@pytest.mark.parametrize("option", ["-k", "--k"])
def test_as_many_passages_are_searched_as_were_asked_for(questions: Path, engine: ScriptedEngine, option: str) -> None:
    done = run("eval", questions, option, "4", "--json")
    assert {k for _, k, _ in engine.searched} == {4}
    assert "recall@4" in done.json["metrics"]


def test_answers_are_asked_for_of_the_named_model(questions: Path, engine: ScriptedEngine) -> None:
    done = run("eval", questions, "--answers", "--model", "tiny", "--json")
    assert engine.asked == [(line["question"], "tiny") for line in LINES]
    assert done.json["metrics"]["answer_contains"]["value"] == 1.0
    assert done.json["metrics"]["abstained"]["value"] == 1.0
    assert "answer: It is 1,200 euros" not in run("eval", questions, "--answers").stdout
    assert "answer: Your documents don't say." in run("eval", questions, "--answers").stdout


def test_a_run_is_compared_with_an_earlier_one(questions: Path, tmp_path: Path) -> None:
    earlier = run("eval", questions, "--json").json
    for record in earlier["questions"]:
        record["scores"] = dict.fromkeys(record["scores"], 0.0)
    (tmp_path / "run.json").write_text(json.dumps(earlier), encoding="utf-8")
    done = run("eval", questions, "--against", tmp_path / "run.json", "--json")
    assert set(done.json) == RUN | {"comparison"}
    assert done.json["comparison"]["metrics"]["recall@1"] == {
        "before": 0.0, "after": 0.5, "p": 1.0, "n": 2, "better": 1, "worse": 0
    }  # fmt: skip
    text = run("eval", questions, "--against", tmp_path / "run.json").stdout
    assert "Compared with mine of " in text
    assert "Found in the top 1\t0.000\t0.500\t1.000\t1 / 0" in text


def test_a_run_of_other_questions_is_refused_before_anything_is_asked(
    questions: Path, tmp_path: Path, engine: ScriptedEngine
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(run("eval", questions, "--json").json), encoding="utf-8")
    questions.write_text('{"question": "Another?"}', encoding="utf-8")
    engine.searched.clear()
    done = run("eval", questions, "--against", tmp_path / "run.json")
    assert (done.code, done.stdout, engine.searched) == (2, "", [])
    assert "no question in common" in done.stderr


def test_a_run_is_compared_with_another_home(
    questions: Path, tmp_path: Path, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, index = ScriptedEngine({"How much is the rent?": [passage("gone.pdf", "x")]}), tmp_path / "other" / "index"
    index.mkdir(parents=True)
    (index / "catalog.db").touch()

    def open_one(settings: Settings, mend: bool = False) -> ScriptedEngine:
        return other if settings.home == tmp_path / "other" else engine

    monkeypatch.setattr(engine_module, "open_engine", open_one)
    compared = run("eval", questions, "--against", tmp_path / "other", "--json").json["comparison"]
    assert compared["name"] == str(tmp_path / "other")
    assert compared["metrics"]["recall@1"] | {"p": 0} == {
        "before": 0.5, "after": 0.5, "p": 0, "n": 2, "better": 1, "worse": 1
    }  # fmt: skip


def test_a_folder_that_is_no_home_is_neither_made_one_nor_compared_with(questions: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("eval", questions, "--against", tmp_path / "empty")
    assert (done.code, done.stdout) == (2, "")
    assert "is not a home" in done.stderr
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_report_is_written_as_markdown(questions: Path, tmp_path: Path) -> None:
    done = run("eval", questions, "--report", tmp_path / "r.md", "--json")
    assert done.code == 0
    assert (tmp_path / "r.md").read_text(encoding="utf-8").startswith("# Evaluation: mine\n")


def test_a_report_that_cannot_be_written_loses_no_result(questions: Path, tmp_path: Path) -> None:
    done = run("eval", questions, "--report", tmp_path / "none" / "r.md", "--json")
    assert (done.code, set(done.json)) == (1, RUN)
    assert "r.md" in done.stderr


@pytest.mark.parametrize("text", ["", '{"question": 3}', "nonsense"])
def test_a_question_set_that_cannot_be_read_is_wrong_usage(questions: Path, text: str) -> None:
    questions.write_text(text, encoding="utf-8")
    done = run("eval", questions)
    assert (done.code, done.stdout) == (2, "")
    assert "mine.jsonl" in done.stderr


def test_no_question_set_is_wrong_usage_with_the_next_step() -> None:
    done = run("eval")
    assert done.code == 2
    assert "--make" in done.stderr


def test_nothing_indexed_is_said(questions: Path, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    status = Status("/home", (), {}, 0, "", "exact", "extractive", "0.1.0", True, ())
    monkeypatch.setattr(engine, "status", lambda: status)
    assert (run("eval", questions).code, "cita add" in run("eval", questions).stderr) == (1, True)
    monkeypatch.setattr(engine, "sources", list)
    assert (run("eval", "--make", "3").code, "cita add" in run("eval", "--make", "3").stderr) == (1, True)


def test_progress_is_told_beside_the_result(questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.writing._Lines.SECONDS", 0.0)
    done = run("eval", questions, "--json")
    assert done.stderr.startswith("1 of 3 questions\n2 of 3 questions\n3 of 3 questions\n")
    assert set(done.json) == RUN


# Drafts


def test_drafts_are_printed_or_written_as_a_question_set(tmp_path: Path) -> None:
    line = {"question": "What is the deposit?", "answers": ["1,200 euros"], "source": "a/lease.pdf", "page": 2}
    done = run("eval", "--make", "1")
    assert (done.code, json.loads(done.stdout)) == (0, line)
    assert run("eval", "--make", "1", "--json").json == {"questions": [line]}
    written = run("eval", "--make", "1", tmp_path / "q.jsonl")
    assert (written.code, written.stdout) == (0, "")
    assert "cita eval" in written.stderr
    assert [question.text for question in read_questions(tmp_path / "q.jsonl").questions] == ["What is the deposit?"]


def test_a_file_that_is_there_is_never_overwritten_by_drafts(questions: Path) -> None:
    before = questions.read_bytes()
    done = run("eval", "--make", "3", questions)
    assert (done.code, done.stdout) == (2, "")
    assert "is there already" in done.stderr
    assert questions.read_bytes() == before


def test_fewer_drafts_than_asked_for_are_said_and_none_is_an_error(engine: ScriptedEngine) -> None:
    done = run("eval", "--make", "50")
    assert (done.code, "no more than" in done.stderr) == (0, True)
    engine._found = {"note": [NOTE]}
    assert run("eval", "--make", "50").code == 1


@pytest.mark.slow
def test_the_samples_are_measured_from_end_to_end(
    ready_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    home = str(ready_settings.home)
    assert run("--home", home, "add", ROOT / "data" / "samples").code == 0
    assert run("--home", home, "index", "--json").code == 0
    done = run("--home", home, "eval", ROOT / "evaluation" / "samples.jsonl", "--answers", "--json")
    assert (done.code, done.json["unknown"]) == (0, [])
    metrics = {name: found["value"] for name, found in done.json["metrics"].items()}
    assert metrics["recall@10"] >= 0.85
    assert metrics["mrr@10"] >= 0.75
    assert metrics["page_recall@5"] >= 0.8
    assert metrics["answer_contains"] >= 0.5
    assert metrics["abstained"] >= 0.5


# Rerankers

RERANKER = RerankerInfo("one", "/m/one.gguf", False, "unmeasured", fingerprint="ab")
VERDICT = Verdict("/m/one.gguf", "ab", "fake", "cd", 40, 0.6, 0.7, 0.012, 0.123, "2026-01-02T03:04:05+00:00")


@pytest.fixture
def measured(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A home with a reranker that helps; the sets that it was measured on."""
    sets: list[str] = []
    plain = engine.status()

    def measure(_: Engine, dataset: Dataset, reranker: RerankerInfo, *__: object) -> Verdict:
        assert reranker.path == VERDICT.path
        sets.append(dataset.name)
        return VERDICT

    def status() -> Status:
        helps = replace(RERANKER, active=True, reason="helps", verdict=VERDICT)
        return replace(plain, rerankers=(helps if engine.verdicts else RERANKER,))

    monkeypatch.setattr(rerankers, "measure", measure)
    monkeypatch.setattr(engine, "status", status)
    return sets


def test_a_reranker_that_was_not_measured_yet_is_measured_by_itself_and_once(
    questions: Path, engine: ScriptedEngine, measured: list[str]
) -> None:
    done = run("eval", questions)
    assert "Measuring reranker one" in done.stderr
    assert " ".join(done.stdout.split()).endswith(
        "Reranker one: MRR@10 0.600 without, 0.700 with it (p 0.012, 40 questions), +123 ms a search. On, as it helps."
    )
    assert engine.verdicts == [VERDICT]
    assert "Reranker" not in run("eval", questions).stdout
    assert measured == ["mine"]
    again = run("eval", questions, "--rerankers", "--json").json["rerankers"]
    assert [(one["name"], one["active"], one["verdict"]["p"]) for one in again] == [("one", True, 0.012)]
    assert measured == ["mine", "mine"]


def test_rerankers_are_left_alone_where_one_asks_for_it(questions: Path, measured: list[str]) -> None:
    assert set(run("eval", questions, "--no-rerankers", "--json").json) == RUN
    assert measured == []


def test_without_questions_of_ones_own_they_are_measured_on_drafted_ones(measured: list[str]) -> None:
    assert run("eval", "--rerankers").code == 0
    assert measured == ["drafted questions"]


def test_status_says_what_reranks_and_why(questions: Path, measured: list[str]) -> None:
    assert "by the built-in signs alone" in run("status").stdout
    assert "one: Off until `cita eval FILE` has measured" in run("status").stdout
    run("eval", questions)
    shown = run("status")
    assert "built-in" not in shown.stdout
    assert "On, as it helps." in shown.stdout
    assert measured == ["mine"]
    assert run("status", "--json").json["rerankers"][0]["reason"] == "helps"
