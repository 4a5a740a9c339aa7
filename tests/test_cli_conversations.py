"""`cita ask --conversation`, `cita conversations`, `cita examples` and `cita eval --feedback`: the contract."""

import io
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from docx import Document

import engine as engine_module
from rag.types import Completed, Conversation, Event, Evidence, KeptTurn
from tests.fakes import FakeEngine
from tests.test_cli import run

SUMMARY = {"id", "title", "started_at", "changed_at", "turns", "good", "bad"}


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch, home: Path) -> FakeEngine:
    engine = FakeEngine([Path("/library")])
    monkeypatch.setattr(engine_module, "open_engine", lambda settings, mend=False: engine)
    monkeypatch.setenv("CITA_HOME", str(home))
    return engine


@pytest.fixture
def told(engine: FakeEngine) -> FakeEngine:
    """Two conversations: c1 about the notice with two questions, then c2, an abstention."""
    for question, conversation in (("What is the notice period?", "new"), ("That notice?", "c1"), ("Who won?", "new")):
        list(engine.ask(question, conversation=conversation))
    return engine


# ask


def test_ask_keeps_its_answer_in_a_conversation_and_says_in_which() -> None:
    first = run("ask", "notice?", "--conversation", "new", "--json")
    assert (first.json["conversation"], first.json["turn"]) == ("c1", 1)
    assert first.stderr == "Kept in conversation c1.\n"
    assert run("ask", "notice?", "--conversation", "last", "--json").json["turn"] == 2
    assert run("ask", "notice?", "--conversation", "c1", "--json").json["turn"] == 3
    assert run("ask", "notice?", "--conversation", "c1").stderr == "Kept in conversation c1.\n"


def test_ask_keeps_nothing_by_itself(engine: FakeEngine) -> None:
    done = run("ask", "notice?", "--json")
    assert (done.json["conversation"], done.json["turn"], done.stderr) == (None, None, "")
    assert engine.conversations() == []


def test_ask_says_when_history_is_off(engine: FakeEngine) -> None:
    engine.keeping = False
    done = run("ask", "notice?", "--conversation", "new", "--json")
    assert (done.code, done.json["conversation"]) == (0, None)
    assert "history is off" in done.stderr


def test_ask_says_why_an_answer_could_not_be_kept(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*arguments: object) -> object:
        *events, last = FakeEngine().ask("notice?")
        assert isinstance(last, Completed)
        given: list[Event] = [*events, Completed(last.answer, problem="The disk is full.")]
        return (event for event in given)

    monkeypatch.setattr(engine, "ask", ask)
    done = run("ask", "notice?", "--conversation", "new", "--json")
    assert (done.code, done.json["conversation"]) == (0, None)
    assert "could not be kept: The disk is full." in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["ask", "notice?", "--conversation", "nope"], ["conversations", "show", "nope"],
     ["conversations", "rename", "nope", "x"], ["conversations", "delete", "nope"],
     ["conversations", "export", "nope"], ["examples", "delete", "nope"],
     ["conversations", "rate", "c1", "1", "fine"], ["conversations", "export", "c1", "--as", "pdf"],
     ["conversations", "export", "c1", "--as", "docx"], ["conversations", "export", "c1", "--lang", "fr"],
     ["examples", "delete"], ["examples", "delete", "e1", "--all"], ["eval", "--feedback"],
     ["conversations", "forget"], ["examples", "delete", "--all"]],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_there_or_not_possible_is_wrong_usage(arguments: list[str], told: FakeEngine) -> None:
    done = run(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("cita: ")
    assert len(told.conversations()) == 2


# conversations


def test_conversations_are_listed_the_newest_first(told: FakeEngine) -> None:
    listed = run("conversations", "list", "--json").json["conversations"]
    assert [set(one) for one in listed] == [SUMMARY, SUMMARY]
    assert [(one["id"], one["turns"]) for one in listed] == [("c2", 1), ("c1", 2)]
    assert run("conversations", "list").stdout.splitlines()[1].split("\t")[::3] == ["c2", "Who won?"]


def test_a_search_shows_where(told: FakeEngine) -> None:
    (found,) = run("conversations", "search", "thirty", "days", "--json").json["conversations"]
    assert set(found) == SUMMARY | {"excerpt"}
    assert (found["id"], found["excerpt"]) == ("c1", "thirty days")
    assert run("conversations", "search", "bicycle").stderr == "Nothing was found.\n"


def test_a_conversation_is_shown_with_what_became_of_its_files(told: FakeEngine) -> None:
    turn = told.told["c1"].turns[0]
    gone = Evidence(turn.evidence[0].hit, "ab" * 32, "gone")
    first = replace(turn, question="Notice?", evidence=(gone,), rating="bad", reason="Old.")
    failed = KeptTurn(2, turn.at, "And?", "failed", error="It died.")
    told.told["c1"] = Conversation("c1", "The \x1b[31mflat", turn.at, turn.at, (first, failed))
    shown = run("conversations", "show", "c1").stdout
    for expected in ("The \\x1b[31mflat (c1)", "1. Notice?", "thirty days. [1]", "“The notice period is thirty days.”",
                     "This file is no longer there.", "Answered by extractive, ", "Rated bad: Old.\n", "2. And?",
                     "It died."):  # fmt: skip
        assert expected in shown
    shown_first, shown_second = run("conversations", "show", "c1", "--json").json["turns"]
    assert (shown_first["citations"][0]["since"], shown_first["rating"], shown_second["state"]) == (
        "gone",
        "bad",
        "failed",
    )
    assert {"question", "answer", "abstained", "citations", "sentences", "model", "timings"} <= set(shown_first)


def test_a_conversation_is_renamed_rated_and_deleted(told: FakeEngine) -> None:
    renamed = run("conversations", "rename", "c1", "My", "flat", "--json").json["conversations"]
    assert [one["title"] for one in renamed if one["id"] == "c1"] == ["My flat"]
    rated = run("conversations", "rate", "c1", "2", "bad", "--reason", "Too short.", "--json").json["conversations"]
    assert [one["bad"] for one in rated if one["id"] == "c1"] == [1]
    assert told.conversation("c1").turns[1].reason == "Too short."
    run("conversations", "rate", "c1", "2", "none")
    assert told.conversation("c1").turns[1].rating is None
    left = run("conversations", "delete", "c1", "--json").json["conversations"]
    assert [one["id"] for one in left] == ["c2"]


def test_all_are_forgotten_after_a_yes(told: FakeEngine) -> None:
    assert run("conversations", "forget", "--yes", "--json").json == {"ok": True, "problems": []}
    assert told.conversations() == []


def test_a_conversation_is_exported_by_the_files_name(told: FakeEngine, tmp_path: Path) -> None:
    for name, form in (("a.md", "md"), ("a.JSON", "json"), ("a.docx", "docx"), ("a.txt", "md")):
        file = tmp_path / name
        assert run("conversations", "export", "last", file, "--json").json == {
            "id": "c2", "form": form, "file": str(file), "text": None,
        }  # fmt: skip
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (tmp_path / "a.md").read_text().startswith("# Who won?\n")
    assert json.loads((tmp_path / "a.JSON").read_text())["id"] == "c2"
    assert Document(io.BytesIO((tmp_path / "a.docx").read_bytes())).paragraphs[0].text == "Who won?"
    assert run("conversations", "export", "c2", tmp_path / "a.md").code == 2


def test_an_export_goes_to_standard_output_without_a_file(told: FakeEngine) -> None:
    assert "[^1-1]: contracts/lease.pdf, page 2" in run("conversations", "export", "c1").stdout
    assert "página 2" in run("conversations", "export", "c1", "--lang", "es").stdout
    assert run("conversations", "export", "c1", "--as", "json").json["id"] == "c1"
    assert "[^1-1]" in run("conversations", "export", "c1", "--json").json["text"]


# examples


def test_examples_are_written_imported_kept_exported_and_deleted(told: FakeEngine, tmp_path: Path) -> None:
    run("examples", "add", "Who are you?", "Cita.")
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(f'{{"question": "Question {n}?", "answer": "Yes."}}\n' for n in range(25)))
    imported = run("examples", "import", file, "--json")
    assert len(imported.json["examples"]) == 26
    assert imported.stderr == "25 of 25 examples are new.\n"
    kept = run("examples", "keep", "c1", "1", "--json").json["examples"][0]
    assert set(kept) == {"id", "question", "answer", "origin", "at"}
    assert (kept["question"], kept["origin"]) == ("What is the notice period?", "kept")
    lines = run("examples", "export").stdout.splitlines()
    assert [message["content"] for message in json.loads(lines[0])["messages"]] == ["Who are you?", "Cita."]
    exported = run("examples", "export", tmp_path / "set.jsonl", "--json").json
    assert len(exported["examples"]) == len((tmp_path / "set.jsonl").read_text().splitlines()) == 27
    assert len(run("examples", "delete", kept["id"], "e1", "--json").json["examples"]) == 25
    assert run("examples", "delete", "--all", "--yes", "--json").json == {"examples": []}
    assert "None yet" in run("examples", "list").stderr


# eval


def test_what_was_rated_good_is_measured_with_answers(told: FakeEngine) -> None:
    told.rate("c1", 1, "good")
    told.rate("c2", 1, "bad", "it knows\x1b[2J")
    measured = run("eval", "--feedback", "--json").json
    assert [question["question"] for question in measured["questions"]] == ["What is the notice period?"]
    assert measured["metrics"]["cites_gold"]["value"] == measured["metrics"]["answer_contains"]["value"] == 1.0
    (bad,) = measured["bad"]
    assert set(bad) == {"question", "answer", "reason", "at"}
    assert f"Rated bad:\n    {bad['question']}: it knows\\x1b[2J\n" in run("eval", "--feedback").stdout


def test_what_was_rated_good_is_written_as_a_question_set(told: FakeEngine, tmp_path: Path) -> None:
    told.rate("c1", 1, "good")
    file = tmp_path / "questions.jsonl"
    assert run("eval", "--feedback", file, "--json").json["questions"] == [json.loads(file.read_text())]
    assert json.loads(file.read_text()) == {
        "question": "What is the notice period?", "answers": ["The notice period is thirty days."],
        "source": "contracts/lease.pdf", "page": 2,
    }  # fmt: skip
    assert run("eval", "--feedback", file).code == 2
    assert run("eval", file, "--answers", "--json").json["metrics"]["cites_gold"]["value"] == 1.0
