"""The command line is a contract: names, keys, exit codes, and what goes to which stream.

python -m tests.test_cli > docs/cli.md      writes the reference anew
"""

import errno
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import cli
import engine as engine_module
import models.builds
import models.doctor
from cli.index import HIDDEN
from cli.opening import NOTHING_INDEXED
from engine import Status
from errors import EngineUnreachableError, ModelDiedError
from ingest.confine import Isolation
from ingest.types import HIDDEN_KINDS, Filters, HiddenText, IndexReport, PathReason, Source, VerifyReport, WatchEvent
from models.types import ModelInfo
from rag.cite import citation
from rag.types import (
    ABSTAIN,
    ABSTENTION,
    Answer,
    AnswerSentence,
    Citation,
    Completed,
    Event,
    Hit,
    Refusal,
    SearchResult,
    Side,
    Thought,
    Timings,
    Token,
    Voice,
)
from remote import RemoteEngine
from settings import Settings
from tests.conftest import ROOT
from tests.fakes import LEASE, FakeEngine

COMMANDS = [
    ["add"],
    ["remove"],
    ["folders"],
    ["index"],
    ["watch"],
    ["list"],
    ["status"],
    ["verify"],
    ["rebuild"],
    ["unlock"],
    ["backup"],
    ["restore"],
    ["search"],
    ["ask"],
    *([name] for name in ("summarise", "compare", "extract", "draft")),
    ["eval"],
    ["app"],
    *(
        ["models", name]
        for name in (
            "list",
            "add",
            "use",
            "show",
            "discover",
            "available",
            "pull",
            "profiles",
            "compare",
            "embedder",
            "remove",
        )
    ),
    *(["conversations", name] for name in ("list", "search", "show", "rename", "rate", "export", "delete", "forget")),
    *(["examples", name] for name in ("list", "add", "import", "keep", "export", "delete")),
    ["doctor"],
]
FILTERED = [
    "--type", "pdf", "--type", "mail", "--tag", "#ñ", "--lang", "es", "--since", "2023-05", "--until", "2024",
]  # fmt: skip
FILTERS = Filters((), ("pdf", "mail"), ("#ñ",), ("es",), "2023-05", "2024")
REAL_OPEN_ENGINE = engine_module.open_engine
REFERENCE = ROOT / "docs" / "cli.md"


class Result:
    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr

    @property
    def json(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.stdout)
        return values


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """One command in this process."""
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], env=env, prog_name="cita")
    return Result(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch, home: Path) -> FakeEngine:
    """What every command opens here; home is settings.home."""
    engine = FakeEngine([Path("/library")])
    monkeypatch.setattr(engine_module, "open_engine", lambda settings, mend=False: engine)
    monkeypatch.setenv("CITA_HOME", str(home))
    return engine


# The contract's keys

SOURCE = {
    "path",
    "status",
    "reason",
    "pages",
    "passages",
    "indexed_at",
    "title",
    "language",
    "metadata",
    "tags",
    "links",
    "hidden",
}
COUNTS = ["added", "changed", "renamed", "removed", "unchanged"]
INDEX = {*COUNTS, "skipped", "failed", "passages", "embedded", "seconds", "held", "partly"}
MODEL = {field.name for field in fields(ModelInfo)}
MODEL -= {"chat_template", "bos_token", "eos_token", "special_tokens", "prompts"}
STATUS = {field.name for field in fields(Status)}
MACHINE = {field.name for field in fields(models.doctor.Machine)} - {"problems"}


def keys(value: dict[str, Any]) -> set[str]:
    return set(value)


def test_folders_prints_the_folders_and_nothing_else() -> None:
    done = run("folders", "--json")
    assert (done.code, done.json, done.stderr) == (0, {"folders": ["/library"]}, "")


@pytest.mark.parametrize("command", ["add", "remove"])
def test_adding_and_removing_print_the_folders_that_are_left(command: str, tmp_path: Path) -> None:
    run("add", tmp_path)
    expected = ["/library", str(tmp_path)] if command == "add" else ["/library"]
    assert run(command, tmp_path, "--json").json == {"folders": expected}


def test_a_relative_folder_is_added_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run("add", "notes", "--json").json["folders"][-1] == str(tmp_path / "notes")


def test_index_prints_counts_and_lists_of_what_was_left_out(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = (PathReason("/disk", "Gone."),)
    report = IndexReport(
        1, 2, 3, 4, 5, (PathReason("a.zip", "No."),), (PathReason("b.pdf", "Broken."),), 6, 7, 0.5, held,
        (PathReason("c.pdf", "Page 3 could not be read."),),
    )  # fmt: skip
    monkeypatch.setattr(engine, "index", lambda *_: report)
    assert run("index", "--json").json == {
        **dict(zip(COUNTS, range(1, 6), strict=True)),
        "skipped": [{"path": "a.zip", "reason": "No."}],
        "failed": [{"path": "b.pdf", "reason": "Broken."}],
        "passages": 6,
        "embedded": 7,
        "seconds": 0.5,
        "partly": [{"path": "c.pdf", "reason": "Page 3 could not be read."}],
        "held": [{"path": "/disk", "reason": "Gone."}],
    }


def test_index_passes_on_what_to_confirm_and_to_read(engine: FakeEngine) -> None:
    for options in ([], ["--confirm"], ["--read-data"]):
        assert run("index", *options).code == 0
    assert engine.indexed == [(False, False), (True, False), (False, True)]


AT = "2026-01-02T03:04:05+00:00"
EVENTS = [
    WatchEvent("watching", AT, ("/library", "/nas"), ("/nas",)),
    WatchEvent("indexed", AT, report=IndexReport(2, 0, 0, 1, 5, (), (), 6, 7, 0.4)),
    WatchEvent("problem", AT, problem="No space. Free some."),
]


def test_watch_prints_an_object_a_line(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "watch", lambda: (event for event in EVENTS))
    done = run("watch", "--json")
    watching, indexed, problem = map(json.loads, done.stdout.splitlines())
    assert watching == {"kind": "watching", "at": AT, "folders": ["/library", "/nas"], "polled": ["/nas"]}
    assert (keys(indexed), keys(indexed["report"])) == ({"kind", "at", "report"}, INDEX)
    assert problem == {"kind": "problem", "at": AT, "problem": "No space. Free some."}
    assert (done.code, done.stderr) == (0, "")


def test_watch_prints_a_line_an_event_in_local_time(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    report = IndexReport(0, 0, 0, 0, 5, (), (PathReason("/disk", "Gone."),), 6, 7, 0.0, (PathReason("/disk", "Gone."),))
    events = [*EVENTS, WatchEvent("indexed", AT, report=report), WatchEvent("problem", AT, problem=HARMFUL)]
    monkeypatch.setattr(engine, "watch", lambda: (event for event in events))
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    lines = run("watch").stdout.splitlines()
    monkeypatch.undo()
    time.tzset()
    assert lines[:5] == [
        "06:04:05 watching /library, /nas; without events, looked at now and then: /nas",
        "06:04:05 added 2, removed 1 (0.4 s)",
        "06:04:05 problem: No space. Free some.",
        "06:04:05 failed 1 (0.0 s)",
        "    Gone.",
    ]
    assert "\x1b" not in lines[5]


def test_list_prints_every_source_with_its_status_and_reason() -> None:
    sources = run("list", "--json").json["sources"]
    assert all(keys(source) == SOURCE for source in sources)
    assert [(source["path"], source["status"]) for source in sources] == [
        ("contracts/lease.pdf", "indexed"),
        ("broken.pdf", "failed"),
    ]


def test_list_failed_prints_only_what_is_not_in_the_index() -> None:
    done = run("list", "--failed", "--json").json
    assert keys(done) == {"sources"}
    assert [source["path"] for source in done["sources"]] == ["broken.pdf"]


def test_status_prints_totals_versions_folders_and_health() -> None:
    assert keys(run("status", "--json").json) == STATUS


def test_verify_prints_ok_and_the_problems() -> None:
    done = run("verify", "--json")
    assert (done.code, done.json) == (0, {"ok": True, "problems": []})


def test_an_index_that_is_not_true_is_reported_and_exits_with_1(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "verify", lambda *_, **__: VerifyReport(False, ("a.pdf has no vectors",)))
    done = run("verify", "--json")
    assert (done.code, done.json) == (1, {"ok": False, "problems": ["a.pdf has no vectors"]})
    assert "cita index" in done.stderr


def test_verify_passes_on_that_the_data_is_read() -> None:
    assert run("verify", "--read-data", "--json").json == {"ok": False, "problems": ["The data was read."]}


def test_rebuilding_prints_whether_the_new_index_is_true(engine: FakeEngine) -> None:
    assert run("rebuild", "--json").json == {"ok": True, "problems": []}
    assert engine.indexed


def test_a_password_is_read_from_a_pipe_and_never_from_the_command_line(engine: FakeEngine) -> None:
    done = CliRunner().invoke(cli.app, ["unlock", "home/locked.pdf"], input="open sesame\n")
    assert (done.exit_code, engine.unlocked) == (0, ["home/locked.pdf"])
    assert "No keyring keeps the password" in done.stdout
    assert "sesame" not in done.output
    wrong = CliRunner().invoke(cli.app, ["unlock", "home/locked.pdf"], input="wrong\n")
    assert wrong.exit_code == 1
    assert "does not open" in wrong.stderr


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_relative_backup_is_meant_from_the_current_folder(
    command: str, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command, "kept.cita", "--json").json == {"ok": True, "problems": []}
    assert engine.kept == [(command, tmp_path / "kept.cita")]


def test_search_prints_passages_by_rank() -> None:
    done = run("search", "notice", "period", "--json").json
    assert keys(done) == {"question", "passages", "seconds"}
    assert done["question"] == "notice period"
    assert done["passages"] == [
        {
            "rank": 1,
            "score": 0.9,
            "id": LEASE.id,
            "source": LEASE.path,
            "page": 2,
            "page_to": 2,
            "section": "Lease > Ending the lease",
            "text": LEASE.text,
            "confidence": None,
            "source_hides": False,
            "copies": [],
        }
    ]


def test_a_passage_that_stands_elsewhere_too_names_the_places(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tuple(replace(LEASE, id=f"c{n}", path=f"{n}.pdf", page=1) for n in range(5))
    result = SearchResult("a", (Hit(1, 0.9, LEASE, "Lease", copies),), 0.01)
    monkeypatch.setattr(engine, "search", lambda *_: result)
    assert "The same in 0.pdf, page 1; 1.pdf, page 1; 2.pdf, page 1 and 2 more." in run("search", "a").stdout
    (passage,) = run("search", "a", "--json").json["passages"]
    assert passage["copies"][4] == {"id": "c4", "source": "4.pdf", "page": 1}


def test_ask_prints_the_whole_answer() -> None:
    done = run("ask", "What", "is", "the", "notice period?", "--json").json
    assert keys(done) == {
        "question", "answer", "abstained", "citations", "sentences", "model", "timings", "conflict", "refusal",
        "usage", "conversation", "turn",
    }  # fmt: skip
    assert done["question"] == "What is the notice period?"
    (citation,) = done["citations"]
    assert keys(citation) == {
        "n", "id", "source", "page", "section", "quote", "start", "end", "supported", "confidence",
        "source_hides",
        "verdict", "reason",
    }  # fmt: skip
    assert LEASE.text[citation["start"] : citation["end"]] == citation["quote"]
    assert [keys(sentence) for sentence in done["sentences"]] == [
        {"text", "citations", "supported", "verdict", "reason"}
    ]
    assert done["sentences"][0]["citations"] == [1]
    assert keys(done["timings"]) == {"retrieve", "first_token", "total"}


def test_ask_shows_sources_that_disagree_side_by_side(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    *before, last = FakeEngine().ask("notice")
    assert isinstance(last, Completed)
    answer = replace(last.answer, conflict=(Side("thirty days", (1,), "2021-02-07"), Side("sixty days", (2,))))
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in (*before, Completed(answer))))
    shown = run("ask", "notice").stdout
    assert "The sources disagree: thirty days (2021-02-07) [1]; sixty days [2]" in shown
    assert run("ask", "notice", "--json").json["conflict"] == [
        {"value": "thirty days", "citations": [1], "date": "2021-02-07"},
        {"value": "sixty days", "citations": [2], "date": ""},
    ]


def test_a_refusal_says_what_comes_nearest_and_what_to_add(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    *before, last = FakeEngine().ask("notice")
    assert isinstance(last, Completed)
    nearest = replace(last.answer.citations[0], supported=False)
    refusal = Refusal("unsure", (nearest,), ("tungsten", "boiling"))
    answer = replace(last.answer, answer=ABSTENTION["en"], abstained=True, citations=(), sentences=(), refusal=refusal)
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in (*before[:1], Completed(answer))))
    shown = run("ask", "notice").stdout
    assert ABSTENTION["en"] in shown
    assert "Nearest: " in shown
    assert nearest.quote in shown
    assert "Nothing found speaks of: tungsten, boiling" in shown
    found = run("ask", "notice", "--json").json["refusal"]
    assert (found["reason"], found["missing"]) == ("unsure", ["tungsten", "boiling"])
    assert found["nearest"][0]["source"] == nearest.source


@pytest.mark.parametrize("dial", ABSTAIN)
def test_ask_passes_on_how_sure_an_answer_must_be(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, dial: str
) -> None:
    given: list[object] = []

    def ask(*arguments: object) -> Iterator[Event]:
        given.append(arguments[6])
        return FakeEngine().ask("notice")

    monkeypatch.setattr(engine, "ask", ask)
    run("ask", "notice", "--abstain", dial)
    assert given == [dial]
    assert run("ask", "notice", "--abstain", "sloppy").code == 2


def test_ask_says_what_is_not_confirmed_and_why(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    *before, last = FakeEngine().ask("notice")
    assert isinstance(last, Completed)
    citation = replace(last.answer.citations[0], supported=False, verdict="partly", reason="not in the passage: soon")
    uncited = AnswerSentence("Dogs bark.", (), False, "unsupported", "no passage is cited")
    answer = replace(last.answer, citations=(citation,), sentences=(*last.answer.sentences, uncited))
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in [*before, Completed(answer)]))
    shown = run("ask", "notice").stdout
    assert "The passage carries only a part of this claim: not in the passage: soon." in shown
    assert "Not confirmed: “Dogs bark.”: no passage is cited." in shown


def test_ask_passes_on_how_many_where_and_who(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def ask(*arguments: object) -> Iterator[Event]:
        given.extend(arguments)
        return FakeEngine().ask("notice")

    monkeypatch.setattr(engine, "ask", ask)
    run("ask", "-k", "3", "--in", "a/b.pdf", "notice", "--in", "c", "--model", "tiny", "--json", *FILTERED)
    assert given == ["notice", 3, replace(FILTERS, within=("a/b.pdf", "c")), "tiny", (), "", None, None, None]


def test_search_passes_on_how_many_and_where(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def search(*arguments: object) -> SearchResult:
        given.extend(arguments)
        return SearchResult("notice", (), 0.0)

    monkeypatch.setattr(engine, "search", search)
    run("search", "notice", "-k", "3", "--in", "a")
    run("search", "notice", *FILTERED, "--explain")
    assert given == ["notice", 3, Filters(("a",)), False, "notice", None, FILTERS, True]


def test_search_explains_in_words(engine: FakeEngine) -> None:
    done = run("search", "notice", "--explain")
    assert "score 0.900 = fused 0.600 (place 2) + best sentence 0.300" in done.stdout
    assert "full text: rank 1, 0.500; embedder: not found, 0.200" in done.stdout
    assert "words: notice" in done.stdout
    assert "duplicate\told/lease.pdf, page 2, Lease > Ending the lease\tlease-0" in done.stdout
    assert "Words: notice (1 passages, 2.50)" in done.stdout
    assert "lexical 1.0 ms" in done.stdout


def test_search_explains_in_json(engine: FakeEngine) -> None:
    found = run("search", "notice", "--explain", "--json").json
    (passage,) = found["passages"]
    (match,) = passage["explain"]["matches"]
    assert passage["text"][match["start"] : match["end"]] == "notice"
    why = passage["explain"]
    assert why["fused"] + sum(why["features"].values()) == pytest.approx(passage["score"])
    assert keys(found["explain"]) == {"queries", "terms", "dropped", "candidates", "seconds"}
    dropped = found["explain"]["dropped"]
    assert [(one["reason"], one["of"]) for one in dropped] == [
        ("duplicate", "lease-0"), ("beyond", None), ("filtered", None)
    ]  # fmt: skip
    assert keys(dropped[0]) == {"reason", "of", "id", "source", "page", "page_to", "section", "text", "explain"}
    assert keys(dropped[0]["explain"]) == keys(why)
    plain = run("search", "notice", "--json").json
    assert "explain" not in plain
    assert "explain" not in plain["passages"][0]


def test_models_prints_all_models_after_each_command(tmp_path: Path, engine: FakeEngine) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    for arguments in (["list"], ["add", str(tmp_path / "tiny.gguf")], ["use", "tiny"]):
        done = run("models", *arguments, "--json").json
        assert keys(done) == {"models"}
        assert keys(done["models"][0]) == MODEL
    assert [model["name"] for model in done["models"]] == ["extractive", "tiny"]
    assert engine.used == "tiny"


def test_an_adapter_is_added_to_the_model_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "curt.gguf").write_bytes(b"GGUF")
    *_, added = run("models", "add", tmp_path / "curt.gguf", "--to", "tiny", "--scale", "0.5", "--json").json["models"]
    assert (added["path"], added["adapter"], added["scale"]) == ("tiny", str(tmp_path / "curt.gguf"), 0.5)
    assert "+ curt.gguf x 0.5" in run("models", "list").stdout


def test_a_question_is_asked_in_the_voice_that_is_set_or_another_for_it_alone(home: Path, engine: FakeEngine) -> None:
    home.mkdir(exist_ok=True)
    (home / "cita.toml").write_text('[voice]\npersona = "a librarian"\ntone = "formal"\n', encoding="utf-8")
    assert run("ask", "notice").code == 0
    assert engine.voice is None  # the engine's own, which is the one that is set
    assert run("ask", "notice", "--length", "short", "--language", "es").code == 0
    assert engine.voice == Voice("a librarian", "formal", "short", "es")
    assert run("ask", "notice", "--tone", "friendly").code == 0
    assert engine.voice == Voice("a librarian", "friendly")
    for wrong in (("--tone", "rude"), ("--length", "endless"), ("--language", "fr")):
        assert run("ask", "notice", *wrong).code == 2


def test_what_a_model_thinks_aloud_goes_to_standard_error_alone(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = engine._answer
    monkeypatch.setattr(engine, "_answer", lambda *asked: itertools.chain([Thought("Hm, 30.")], answer(*asked)))
    done = run("ask", "What is the notice period?")
    assert "Hm, 30." in done.stderr
    assert "Hm" not in done.stdout
    assert "Hm" not in run("ask", "What is the notice period?", "--json").stdout


def test_doctor_prints_the_machine_the_home_and_the_problems() -> None:
    done = run("doctor", "--json").json
    assert keys(done) == {"version", "machine", "home", "ok", "problems"}
    assert keys(done["machine"]) == MACHINE
    assert keys(done["machine"]["llama_cpp"]) == {"loads", "gpu", "detail", "card"}
    assert [runtime["name"] for runtime in done["machine"]["runtimes"]] == ["llama.cpp", "ONNX Runtime", "PyTorch"]
    assert keys(done["machine"]["runtimes"][0]) == {"name", "version", "devices", "features", "problem"}
    assert keys(done["machine"]["speed"]) == {"memory", "model", "tokens_per_second"}
    assert keys(done["machine"]["recommended"]) == {"name", "why"}
    assert all(keys(advice) == {"reason", "remedy", "gain"} for advice in done["machine"]["faster"])
    assert done["machine"]["generation"] == {
        "model": "extractive", "runtime": None, "memory": None, "problem": "",
    }  # fmt: skip
    assert keys(done["machine"]["ocr"]) == {"works", "version", "languages", "missing"}
    assert keys(done["machine"]["isolation"]) == {"network", "files", "processes", "memory", "detail"}
    assert keys(done["home"]) == STATUS
    assert all(keys(problem) == {"problem", "remedy"} for problem in done["problems"])


JSON_COMMANDS = [
    ["folders"],
    ["index"],
    ["list"],
    ["status"],
    ["verify"],
    ["search", "notice"],
    ["ask", "notice"],
    ["models", "list"],
    ["models", "use", "extractive"],
]


@pytest.mark.parametrize("arguments", JSON_COMMANDS, ids=" ".join)
def test_json_is_one_object_in_ascii_on_one_line(arguments: list[str], engine: FakeEngine) -> None:
    done = run(*arguments, "--json")
    assert (done.code, done.stdout.count("\n"), done.stdout.isascii()) == (0, 1, True)
    assert isinstance(done.json, dict)
    assert engine.closed


@pytest.mark.parametrize("arguments", JSON_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_a_failure_leaves_standard_output_empty(
    arguments: list[str], flags: list[str], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise ModelDiedError("The model died.", hint="Pick a smaller one.")

    for method in ("folders", "index", "sources", "status", "verify", "search", "ask", "models", "use_model"):
        monkeypatch.setattr(engine, method, fail)
    done = run(*arguments, *flags)
    assert (done.code, done.stdout, done.stderr) == (1, "", "cita: The model died. Pick a smaller one.\n")
    assert engine.closed


# Wrong usage and other errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask"],
        ["ask", ""],
        ["ask", " ", "\t"],
        ["search", ""],
        ["search", "a", "-k", "0"],
        ["search", "a", "-k", "201"],
        ["ask", "a", "-k", "many"],
        ["add"],
        ["list", "--nothing"],
        ["nothing"],
        ["models", "nothing"],
        ["models", "use"],
        ["app", "--port", "70000"],
        ["ask", "a", "--in"],
        ["--home"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_why(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert len(done.stderr) > 20


def test_a_question_in_another_encoding_is_asked_with_what_can_be_read(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "search", lambda question, k, filters, explain=False: SearchResult(question, (), 0.1))
    typed = os.fsdecode("Kündigung".encode("latin-1"))
    assert run("search", typed, "--json").json["question"] == "K?ndigung"


@pytest.mark.parametrize("variable", ["CITA_RETRIEVE__K", "CITA_GENERATE__TEMPERATURE"])
def test_a_bad_setting_is_named_with_its_value_and_exits_with_2(variable: str) -> None:
    done = run("folders", "--json", env={variable: "banana"})
    assert (done.code, done.stdout) == (2, "")
    assert "'banana'" in done.stderr
    assert variable.lower().removeprefix("cita_").replace("__", ".") in done.stderr


def test_a_settings_file_that_is_not_toml_exits_with_2(home: Path) -> None:
    home.mkdir()
    (home / "cita.toml").write_text("k = = 3")
    done = run("folders")
    assert done.code == 2
    assert "cita.toml" in done.stderr


def test_home_of_the_option_counts_more_than_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes: list[Path] = []

    def open_engine(settings: Settings, mend: bool = False) -> FakeEngine:
        homes.append(settings.home)
        return FakeEngine()

    monkeypatch.setattr(engine_module, "open_engine", open_engine)
    run("--home", tmp_path / "other", "folders")
    run("folders")
    assert homes == [tmp_path / "other", tmp_path / "home"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "/nowhere/at/all"], 1, "'/nowhere/at/all'"),
        (["models", "add", "/nowhere.gguf"], 1, "'/nowhere.gguf'"),
        (["models", "use", "gpt-9"], 1, "'gpt-9'"),
    ],
)
def test_what_does_not_exist_is_named(arguments: list[str], code: int, words: str) -> None:
    done = run(*arguments, "--json")
    assert (done.code, done.stdout) == (code, "")
    assert words in done.stderr


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def test_no_space_left_says_what_is_kept(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "index", failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/catalog.db")))
    done = run("index", "--json")
    assert (done.code, done.stdout) == (1, "")
    assert "no space left for '/disk/catalog.db'" in done.stderr
    assert "is kept" in done.stderr


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "open_engine", failing(PermissionError(errno.EACCES, "Permission denied", "/x")))
    done = run("folders")
    assert (done.code, done.stderr) == (1, "cita: '/x': Permission denied. Check the path and its permissions.\n")


def test_a_bug_is_one_line_and_the_way_to_more(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "folders", failing(ZeroDivisionError("division by zero")))
    done = run("folders")
    assert done.code == 1
    assert done.stderr.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "CITA_DEBUG=1" in done.stderr
    assert "Traceback" in run("folders", env={"CITA_DEBUG": "1"}).stderr


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes seconds to load."""
    monkeypatch.setattr(models.builds, "other_builds", lambda: (models.builds.Build("PyTorch", "2", ("CPU",)),))


@pytest.mark.usefixtures("without_torch")
def test_doctor_tells_of_a_home_that_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine_module, "open_engine", failing(EngineUnreachableError("It does not answer.", hint="Close it."))
    )
    done = run("doctor", "--json")
    assert (done.code, done.json["home"], done.json["ok"]) == (0, None, False)
    assert {"problem": "It does not answer.", "remedy": "Close it."} in done.json["problems"]


@pytest.mark.usefixtures("without_torch")
def test_doctor_shows_what_readers_are_kept_from_and_by_what(monkeypatch: pytest.MonkeyPatch) -> None:
    isolation = Isolation(network=True, files=False, processes=True, memory=True, detail="seccomp, limits")
    monkeypatch.setattr(models.doctor, "_isolation", lambda _: isolation)
    shown = run("doctor").stdout
    assert "on: network, processes, memory; off: files" in shown
    assert "by seccomp, limits" in shown


def test_doctor_says_what_runtimes_were_built_with_which_model_suits_and_what_would_be_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = models.builds.Build("PyTorch", "2.13", ("CPU", "CUDA"), ("AVX512", "CUDA 12.6"))
    monkeypatch.setattr(models.builds, "other_builds", lambda: (build,))
    monkeypatch.setattr(models.builds, "processor_features", lambda: frozenset({"AVX", "AVX2", "AVX512", "SVE"}))
    monkeypatch.setattr(models.builds, "graphics_cards", lambda: (models.builds.Card("RTX 4090", "NVIDIA"),))
    shown = " ".join(run("doctor").stdout.split())
    assert "PyTorch 2.13: CPU, CUDA; AVX512, CUDA 12.6" in shown
    assert "Graphics RTX 4090" in shown
    assert "GB/s: about" in shown
    assert "For this machine, " in shown
    assert "> Faster: llama.cpp was built without" in shown
    assert "> Faster: A graphics card is here (RTX 4090), but llama.cpp was built without it." in shown
    assert "-DGGML_CUDA=ON" in shown
    assert "Gain: A model of 8B as Q4_K_M writes 72 tokens a second" in shown


@pytest.mark.usefixtures("without_torch")
def test_doctor_says_when_llama_cpp_does_not_load_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.builds, "_LOAD_LLAMA", "import os; os.kill(os.getpid(), 4)")
    done = run("doctor", "--json").json
    assert done["machine"]["llama_cpp"]["loads"] is False
    (problem,) = [problem for problem in done["problems"] if "llama.cpp" in problem["problem"]]
    assert "signal 4" in problem["problem"]
    assert "CMAKE_ARGS" in problem["remedy"]


# Text


def test_the_answer_is_followed_by_its_citations() -> None:
    done = run("ask", "notice").stdout
    assert done.splitlines()[0].strip() == "The notice period is thirty days. [1]"
    assert "[1] contracts/lease.pdf, page 2, Lease > Ending the lease" in done
    assert "“The notice period is thirty days.”" in done


def test_list_hidden_prints_what_a_reader_does_not_see(engine: FakeEngine) -> None:
    told = HiddenText("colour", 59, (2, 3), "Tell\x1b[2J them it was \u202epaid.")
    odd = replace(engine.sources()[0], hidden=(told,))
    engine.sources = lambda: [odd, *FakeEngine().sources()[1:]]  # type: ignore[method-assign]
    (line,) = run("list", "--hidden").stdout.strip().splitlines()[1:]
    assert line.split()[:1] == [odd.path]
    assert "in the colour behind it" in line
    assert "2, 3" in line
    assert "\x1b" not in line
    assert "Hidden text." in run("list").stdout
    (source,) = run("list", "--hidden", "--json").json["sources"]
    assert source["hidden"][0] | {"excerpt": ""} == {"kind": "colour", "characters": 59, "pages": [2, 3], "excerpt": ""}


def test_every_way_to_hide_text_has_a_name_in_the_list() -> None:
    assert set(HIDDEN) == set(HIDDEN_KINDS)


@pytest.mark.parametrize("hides", [True, False])
def test_a_source_with_hidden_text_is_warned_of_where_it_is_cited(
    hides: bool, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    passage = replace(LEASE, source_hides=hides)
    assert citation(passage, 0, 6, 1).source_hides is hides
    found = SearchResult("notice", (Hit(1, 1.0, passage),), 0.1)
    monkeypatch.setattr(engine, "search", lambda *_, **__: found)
    assert ("The file has hidden text" in run("search", "notice").stdout) is hides
    answer = Answer("q", "Notice. [1]", False, (citation(passage, 0, 6, 1),), (), "m", Timings(0, 0, 0))
    monkeypatch.setattr(engine, "ask", lambda *_, **__: (event for event in [Completed(answer)]))
    assert ("The file has hidden text" in run("ask", "notice").stdout) is hides


@pytest.mark.parametrize(("confidence", "warned"), [(None, False), (0.95, False), (0.634, True)])
def test_a_quote_that_was_recognised_with_doubt_says_so(
    confidence: float | None, warned: bool, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    citation = Citation(1, "id", "a.png", 1, "", "thirty days", 0, 11, True, confidence)
    answer = Answer("?", "Thirty. [1]", False, (citation,), (), "tiny", Timings(0, 0, 0))
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in [Completed(answer)]))
    assert ("Recognised from a picture, 63 % sure." in run("ask", "notice").stdout) is warned


def test_an_abstention_is_the_fixed_sentence_alone() -> None:
    assert run("ask", "Who am I?").stdout == ABSTENTION["en"] + "\n"


def completed(text: str, invented: int = 0) -> Completed:
    return Completed(Answer("?", text, False, (), (), "tiny", Timings(0, 0, 0), invented=invented))


def test_made_up_citations_are_told_and_the_checked_answer_follows(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Token("Thirty days [1] or so [9]."), completed("Thirty days [1] or so.", invented=1)]
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in events))
    done = run("ask", "notice")
    assert "made up" in done.stderr
    assert done.stdout.splitlines()[-1] == "Thirty days [1] or so."
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in events))
    whole = run("ask", "notice", "--json")
    assert whole.json["answer"] == "Thirty days [1] or so."
    assert "made up" in whole.stderr


@pytest.mark.parametrize("command", ["search", "ask"])
def test_asking_an_empty_library_says_what_to_do(
    command: str, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing is indexed" not in run(command, "weather").stderr
    monkeypatch.setattr(engine, "sources", list)
    monkeypatch.setattr(engine, "search", lambda question, k, filters, explain=False: SearchResult(question, (), 0.1))
    done = run(command, "weather", "--json")
    assert (done.code, done.stderr) == (0, f"{NOTHING_INDEXED}\n")


def test_an_answer_that_breaks_off_is_an_error(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in [Token("Thir")]))
    assert run("ask", "notice", "--json").code == 1


def test_after_indexing_the_files_left_out_stand_under_their_reasons(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = tuple(PathReason(f"{n}.zip", "Not supported.") for n in range(7))
    report = IndexReport(1, 0, 0, 0, 0, skipped, (PathReason("b.pdf", "Broken."),), 1, 1, 0.0)
    monkeypatch.setattr(engine, "index", lambda *_: report)
    lines = run("index").stdout.splitlines()
    assert lines[3:] == [
        "Skipped: Not supported.",
        *(f"    {n}.zip" for n in range(5)),
        "    and 2 more; `cita index --json` names them all",
        "",
        "Failed: Broken.",
        "    b.pdf",
    ]


HARMFUL = "\x1b[2J\x1b]0;title\x07\u202egnp.exe\x9b31m\u2028\r\x00"


@pytest.mark.parametrize("arguments", [["list"], ["search", "a"], ["ask", "a"], ["index"], ["folders"]], ids=" ".join)
def test_nothing_from_a_document_or_its_name_reaches_the_terminal_as_a_command(
    arguments: list[str], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("/library", HARMFUL, 1, 0, "", "failed", reason=HARMFUL)
    passage = type(LEASE)("x", HARMFUL, 0, HARMFUL, (HARMFUL,), "paragraph", 1, 1, (), 1, "en")
    report = IndexReport(1, 0, 0, 0, 0, (PathReason(HARMFUL, HARMFUL),), (), 0, 0, 0.0)
    monkeypatch.setattr(engine, "sources", lambda: [source])
    monkeypatch.setattr(engine, "folders", lambda: [Path(HARMFUL.replace("\0", ""))])
    monkeypatch.setattr(engine, "index", lambda *_: report)
    monkeypatch.setattr(engine, "search", lambda *_: SearchResult("a", (Hit(1, 1.0, passage),), 0.0))
    monkeypatch.setattr(engine, "ask", lambda *_: (event for event in [Token(HARMFUL), completed(HARMFUL)]))
    done = run(*arguments).stdout
    assert "gnp.exe" in done
    assert not set(done) & set(HARMFUL.replace("gnp.exe", "").replace("[2J", "").replace("]0;title", "")) - set("31m")


def test_json_keeps_names_as_they_are(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "sources", lambda: [Source("/library", HARMFUL + "ñ", 1, 0, "", "failed")])
    assert run("list", "--json").json["sources"][0]["path"] == HARMFUL + "ñ"


# Help and the reference


def commands() -> Iterator[list[str]]:
    """Every command there is, by its words."""
    group: Any = typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ([name, inner] for inner in command.commands)
        else:
            yield [name]


def help_text(*command: str) -> str:
    return run(*command, "--help", env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout.strip()


def reference() -> str:
    every: list[list[str]] = [[], *commands()]
    sections = [(command, help_text(*command)) for command in every]
    return "# The command line\n\nThis is what `--help` prints.\n" + "".join(
        f"\n## cita {' '.join(command)}".rstrip() + f"\n\n```\n{text}\n```\n" for command, text in sections
    )


def test_the_commands_are_those_of_the_contract() -> None:
    assert sorted(commands()) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_and_every_option_has_help(command: list[str]) -> None:
    text = help_text(*command)
    assert text.startswith(f"Usage: cita {' '.join(command)}")
    undocumented = re.findall(r"^  (-[^ ]+(?: [^ ]+)?|[A-Z]+)$", text, re.MULTILINE)
    assert not undocumented
    assert max(map(len, text.splitlines())) <= 80


def test_the_reference_is_current() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "Run: python -m tests.test_cli > docs/cli.md"


def test_cita_alone_prints_the_help() -> None:
    done = run()
    assert (done.code, done.stdout.strip(), done.stderr) == (0, help_text(), "")


def test_version_is_printed() -> None:
    assert re.fullmatch(r"cita \d+\.\d+\.\d+\n", run("--version").stdout)


# Real processes

FAKE = """
import sys, time, os
from pathlib import Path
import engine, cli
from rag.types import *
from ingest.types import *
from tests.fakes import FakeEngine
{}
engine.open_engine = lambda settings, mend=False: FakeEngine()
cli.main()
"""


def process(*arguments: str, change: str = "", **options: Any) -> "subprocess.Popen[str]":
    """A `cita` process over the fake engine, which `change` can change."""
    command = [sys.executable, "-c", FAKE.format(change), *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["folders", "--json"], 0),
        (["models", "use", "gpt-9", "--json"], 1),
        (["ask", "", "--json"], 2),
        (["--home"], 2),
    ],
)
def test_the_process_ends_with_the_exit_code(arguments: list[str], code: int) -> None:
    done = process(*arguments)
    stdout, stderr = done.communicate(timeout=60)
    assert (done.returncode, bool(stdout), bool(stderr)) == (code, code == 0, code != 0)


def test_the_installed_command_answers_help_at_once_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['cita', '--help']\nimport cli\n"
        "try:\n  cli.main()\nexcept SystemExit:\n  print(*sys.modules, file=sys.stderr)"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    heavy = (
        "torch transformers chromadb unstructured langchain_core streamlit llama_cpp onnxruntime numpy pydantic rich"
    )
    assert not loaded & set(heavy.split())
    assert min(seconds) < 0.5


def test_the_answer_is_written_while_it_is_made(tmp_path: Path) -> None:
    change = f"""
def ask(self, *_):
    yield Token("first ")
    while not Path({str(tmp_path / "go")!r}).exists(): time.sleep(0.01)
    yield Token("second")
    yield Completed(Answer("?", "first second", False, (), (), "m", Timings(0, 0, 0)))
FakeEngine.ask = ask
"""
    asking = process("ask", "a", change=change)
    assert asking.stdout
    assert asking.stdout.read(6) == "first "
    (tmp_path / "go").touch()
    assert asking.communicate(timeout=60) == ("second\n", "")


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_ctrl_c_stops_the_generation_at_once(flags: list[str], tmp_path: Path) -> None:
    change = f"""
def ask(self, *_):
    try:
        Path({str(tmp_path / "started")!r}).touch()
        while True: yield Token("word "); time.sleep(0.01)
    finally:
        Path({str(tmp_path / "stopped")!r}).touch()
FakeEngine.ask = ask
FakeEngine.close = lambda self: Path({str(tmp_path / "closed")!r}).touch()
"""
    asking = process("ask", "a", *flags, change=change)
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    asking.send_signal(signal.SIGINT)
    stdout, stderr = asking.communicate(timeout=10)
    assert (asking.returncode, stderr.strip()) == (1, "Stopped.")
    assert (tmp_path / "stopped").exists()
    assert (tmp_path / "closed").exists()
    assert stdout.startswith("word ") != bool(flags)


def test_ctrl_c_ends_watching_with_success_and_closes_the_engine(tmp_path: Path) -> None:
    change = f"""
close = FakeEngine.close
FakeEngine.close = lambda self: (close(self), Path({str(tmp_path / "closed")!r}).touch())
"""
    watching = process("watch", "--json", change=change)
    assert watching.stdout
    assert json.loads(watching.stdout.readline())["kind"] == "watching"
    watching.send_signal(signal.SIGINT)
    assert (watching.communicate(timeout=10), watching.returncode) == (("", ""), 0)
    assert (tmp_path / "closed").exists()


def lines_of(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout
    return map(json.loads, process.stdout)


@pytest.mark.timeout(120)
def test_watching_keeps_the_index_true_beside_another_cita(ready_settings: Settings) -> None:
    """Real engines: one process owns the home and watches, this one looks."""
    library = ready_settings.library
    library.mkdir(parents=True)
    (library / "mill.md").write_text("The mill grinds wheat on Thursdays.")
    command = [sys.executable, "-m", "cli", "--home", str(ready_settings.home), "watch", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watching:
        events = lines_of(watching)
        assert next(events)["folders"] == [str(library)]
        assert next(events)["report"]["added"] == 1
        with closing(REAL_OPEN_ENGINE(ready_settings)) as engine:
            assert isinstance(engine, RemoteEngine)
            (library / "deposit.md").write_text("The deposit is 1,200 euros.")
            assert next(events)["report"]["added"] == 1
            assert engine.search("deposit").hits[0].passage.path == "deposit.md"
            (library / "mill.md").unlink()
            assert next(events)["report"]["removed"] == 1
            assert {source.path for source in engine.sources()} == {"deposit.md"}
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    change = """
FakeEngine.sources = lambda self: [Source("/library", f"file-{n}.pdf", 1, 0, "", "indexed") for n in range(50_000)]
"""
    with process("list", change=change) as listing:
        assert listing.stdout
        assert listing.stderr
        assert listing.stdout.readline().startswith("File")
        listing.stdout.close()
        assert listing.stderr.read() == ""
    assert listing.returncode == 1


@pytest.mark.parametrize(("words", "code"), [("list >&-", 0), ("list --json >&- 2>&-", 0), ("--help >/dev/full", 1)])
def test_a_closed_or_full_output_is_no_traceback(words: str, code: int, home: Path) -> None:
    command = f"{sys.executable} -m cli {words}"
    env = {**os.environ, "CITA_HOME": str(home)}
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_terminal_without_the_letters_still_gets_an_answer() -> None:
    done = process("search", "ñandú", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    stdout, stderr = done.communicate(timeout=60)
    assert (done.returncode, stderr) == (0, "")
    assert "lease.pdf" in stdout


def on_terminal(*arguments: str, change: str = "") -> str:
    """What a terminal of 80 columns gets from a command."""
    master, slave = pty.openpty()
    env = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    done = process(*arguments, change=change, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    assert done.wait(timeout=60) == 0
    return b"".join(chunks).decode()


def plain(written: str) -> list[str]:
    """The lines, without what moves the cursor or colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "").splitlines()


LONG = """
long = "a/" + "very-long-folder-name/" * 5 + "[bold]file[/bold]:smile:.pdf"
FakeEngine.sources = lambda self: [Source("/l", long, 1, 0, "", "failed", reason="It is encrypted. " * 9)] * 3
"""


def test_a_table_fits_the_terminal_and_shows_names_as_they_are() -> None:
    lines = plain(on_terminal("list", change=LONG))
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["File", "Status", "Pages", "Passages", "Reason"]
    column = "".join(line[: lines[0].index("Status")].strip() for line in lines[1:])
    assert column.count("[bold]file[/bold]:smile:.pdf") == 3


@pytest.mark.parametrize(
    "arguments", [["search", "a"], ["ask", "notice"], ["status"], ["models", "list"]], ids=" ".join
)
def test_text_fits_the_terminal(arguments: list[str]) -> None:
    lines = plain(on_terminal(*arguments))
    assert 0 < max(map(len, lines)) <= 80


def test_a_long_message_is_broken_between_words_on_a_terminal() -> None:
    reason = "Files of the kind .base are not supported. Cita reads PDF, Word (.docx), Markdown, HTML and text files."
    change = f"""
def index(self, progress, *_):
    return IndexReport(0, 0, 0, 0, 0, (PathReason("a.base", {reason!r}),), (), 0, 0, 2.0)
FakeEngine.index = index
"""
    lines = plain(on_terminal("index", change=change))
    told = lines.index(next(line for line in lines if line.startswith("Skipped: ")))
    assert max(map(len, lines[told:])) <= 80
    assert " ".join(lines[told : told + 2]) == f"Skipped: {reason}"


def test_the_progress_of_an_index_run_shows_on_a_terminal() -> None:
    change = """
def index(self, progress, *_):
    for n in range(30):
        progress(IndexProgress(30, n, "[red]" + "long/" * 40, n, 12.3, 75.0))
        time.sleep(0.02)
    return IndexReport(30, 0, 0, 0, 0, (), (), 30, 30, 2.0)
FakeEngine.index = index
"""
    written = on_terminal("index", change=change)
    assert re.search(r"Indexing .*\d+/30 .*12 passages/s, 1 min left .*\[red\]long/", "\n".join(plain(written)))
    assert plain(written)[-2:] == ["30 added.", "30 passages, 30 embedded, in 2.0 s."]


def test_the_progress_in_a_log_is_a_line_now_and_then(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.writing._Lines.SECONDS", 0.0)
    done = run("index", "--json")
    assert done.stderr == "1 of 2 files, 10 passages/s, 0.1 s left\n2 of 2 files, 10 passages/s, 0.0 s left\n"
    assert keys(done.json) == INDEX


def test_app_is_opened_at_the_port_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import ui.launch

    ports: list[int] = []
    monkeypatch.setattr(ui.launch, "run_app", lambda settings, port: ports.append(port))
    assert [run("app").code, run("app", "--port", "9000").code] == [0, 0]
    assert run("app", env={"CITA_APP__PORT": "8600"}).code == 0
    assert ports == [8501, 9000, 8600]


if __name__ == "__main__":
    print(reference(), end="")
