"""`cita summarise`, `compare`, `extract`, `draft`: what is asked of the engine, and what comes out where."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.types import Filters
from rag.tasks.types import Compare, Draft, Summarise, Tabulate, Task, TaskEvent, TaskProgress
from rag.types import Voice
from tests.fakes import LEASE, FakeEngine
from tests.test_cli import engine, run

__all__ = ["engine"]  # a fixture

SAID = "The notice period is thirty days."


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        (["summarise", "a.md", "work"], Summarise(Filters(within=("a.md", "work")))),
        (["compare", "a.md", "b.md"], Compare("a.md", "b.md")),
        (
            ["extract", "--column", "Rent", "--column", "Until=When does it end?", "--in", "work"],
            Tabulate(("Rent", "Until=When does it end?"), Filters(within=("work",))),
        ),
        (
            ["draft", "Ending", "the", "lease", "--section", "Notice", "--in", "work"],
            Draft("Ending the lease", ("Notice",), Filters(within=("work",))),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_task_is_asked_for_as_it_was_typed_and_comes_as_markdown_with_footnotes(
    arguments: list[str], task: Task, engine: FakeEngine
) -> None:
    done = run(*arguments)
    assert engine.tasks == [task]
    assert (done.code, done.stderr) == (0, "")
    assert f"{SAID}[^1]" in done.stdout
    assert f"[^1]: {LEASE.path}, page 2" in done.stdout


def test_json_has_the_whole_report(engine: FakeEngine) -> None:
    report = run("summarise", "a.md", "--model", "m", "--json").json
    assert (report["kind"], report["model"], report["parts"], report["reused"]) == ("summarise", "m", 2, 0)
    (section,) = report["sections"]
    assert section["sentences"][1] == {
        "text": "It is long.", "citations": [1], "supported": False, "verdict": "partly",
        "reason": "not in the passage: long",
    }  # fmt: skip
    assert report["citations"][0]["quote"] == SAID


def test_what_is_not_confirmed_says_so() -> None:
    assert "*(only partly confirmed: not in the passage: long)*" in run("summarise", "a.md").stdout


def test_a_table_is_written_as_csv_to_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    done = run("extract", "--column", "Rent", "--csv", file)
    assert (done.code, done.stdout) == (0, "")
    header, first, *_ = file.read_text(encoding="utf-8-sig").splitlines()
    assert header == "file,Rent,Rent: source"
    assert first.startswith(f"{LEASE.path},{SAID},")


def test_a_file_that_is_there_is_not_written_over_and_nothing_is_begun(tmp_path: Path, engine: FakeEngine) -> None:
    file = tmp_path / "table.csv"
    file.write_text("mine")
    done = run("extract", "--column", "Rent", "--csv", file)
    assert done.code == 2
    assert "is there already" in done.stderr
    assert (file.read_text(), engine.tasks) == ("mine", [])


def test_a_stopped_task_says_that_it_goes_on(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: object) -> Iterator[TaskEvent]:
        yield TaskProgress(0, 2, "a.md")
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "work", work)
    done = run("summarise", "a.md")
    assert done.code == 1
    assert "the same command goes on from there" in done.stderr
    assert done.stdout == ""


def test_a_table_wants_a_column() -> None:
    assert run("extract").code == 2


@pytest.mark.parametrize("arguments", [["summarise", "a.md"], ["compare", "a.md", "b.md"], ["draft", "Notice"]])
def test_how_it_is_said_is_chosen_for_one_task(arguments: list[str], engine: FakeEngine, tmp_path: Path) -> None:
    run(*arguments)
    assert engine.voice is None, "as it is set"
    run(*arguments, "--tone", "formal", "--length", "short", "--language", "es")
    assert engine.voice == Voice(tone="formal", length="short", language="es")
    assert run(*arguments, "--tone", "angry").code == 2
