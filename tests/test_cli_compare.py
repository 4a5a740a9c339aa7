"""Profiles and comparisons on the command line: what is asked of the engine, what is printed, what is refused."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from models.types import EXTRACTIVE, ModelInfo
from rag.types import Completed, Contender, Usage
from settings import Settings
from tests.fakes import FakeEngine
from tests.test_cli import engine, run
from tests.test_settings import written

__all__ = ["engine"]

PROFILES = """
[answer]
profile = "quick"
deeper = "deep"
[profiles.quick]
model = "extractive"
tone = "friendly"
[profiles.deep]
model = "absent"
k = 16
[profiles.small]
max_tokens = 60
"""


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    file.write_text(
        '{"question": "What is the notice period?", "answers": ["thirty days"]}\n'
        '{"question": "Who won the cup?", "unanswerable": true}\n'
    )
    return file


@pytest.fixture
def settings(home: Path, engine: FakeEngine) -> Settings:
    settings = written(home, PROFILES)
    settings.index.mkdir()
    engine._models = [EXTRACTIVE, ModelInfo("small"), ModelInfo("one")]
    return settings


def test_profiles_are_listed_with_what_each_sets(settings: Settings) -> None:
    assert run("models", "profiles", "--json").json == {
        "profiles": [
            {"name": "quick", "default": True, "deeper": False,
             "sets": {"model": "extractive", "tone": "friendly"}, "problem": ""},
            {"name": "deep", "default": False, "deeper": True, "sets": {"model": "absent", "k": 16},
             "problem": "There is no model 'absent'."},
            {"name": "small", "default": False, "deeper": False, "sets": {"max_tokens": 60}, "problem": ""},
        ]
    }  # fmt: skip
    shown = run("models", "profiles").stdout
    assert "*\tquick\tmodel extractive, tone friendly" in shown
    assert "deep\tmodel absent, k 16\tdeeper There is no model 'absent'." in shown


def test_without_profiles_it_says_how_to_make_one() -> None:
    assert "cita models profiles --help" in run("models", "profiles").stdout
    assert run("models", "profiles", "--json").json == {"profiles": []}


def test_a_question_is_asked_by_the_profile_that_is_named(engine: FakeEngine, settings: Settings) -> None:
    run("ask", "notice", "--profile", "deep")
    assert (engine.profile, engine.voice) == ("deep", None)
    run("ask", "notice")
    assert engine.profile is None  # the engine knows which one is set
    run("ask", "notice", "--profile", "")
    assert engine.profile == ""


def test_a_tone_of_the_question_keeps_the_rest_of_its_profile(engine: FakeEngine, settings: Settings) -> None:
    run("ask", "notice", "--length", "short")
    assert engine.voice is not None
    assert (engine.voice.tone, engine.voice.length) == ("friendly", "short")
    run("ask", "notice", "--length", "short", "--profile", "")
    assert engine.voice.tone == "neutral"
    assert "no profile 'fast'" in run("ask", "notice", "--length", "short", "--profile", "fast").stderr


def test_what_an_answer_took_is_printed_as_json(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("ask", "notice", "--json").json["usage"] is None
    ask, usage = engine.ask, Usage(100, 20, 12, 0.5, 0.5, "deep", {"k": 3})

    def asked(*how: Any) -> Any:
        for event in ask(*how):
            if isinstance(event, Completed):
                object.__setattr__(event.answer, "usage", usage)
            yield event

    monkeypatch.setattr(engine, "ask", asked)
    assert run("ask", "notice", "--json").json["usage"] == {
        "prompt": 100, "reused": 20, "written": 12, "reading": 0.5, "writing": 0.5, "tokens_per_second": 24.0,
        "profile": "deep", "parameters": {"k": 3},
    }  # fmt: skip


def test_models_and_profiles_are_compared_over_a_question_set(
    engine: FakeEngine, settings: Settings, questions: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    done = run("models", "compare", questions, "--with", "one", "--with", "quick", "--csv", table, "--json")
    assert done.code == 0, done.stderr
    assert done.json["questions"] == 2
    first, second = done.json["standings"]
    assert (first["name"], first["model"], second["name"], second["profile"]) == ("one", "one", "quick", "quick")
    assert (first["answered"], first["abstained"], first["right"], first["refused"]) == (1, 1, 1.0, 1.0)
    with table.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["name"] for row in rows] == ["one", "quick"]
    assert rows[0]["right"] == "1.0"

    again = run("models", "compare", questions, "--with", "one", "--with", "quick")
    assert "4 of the answers were known from before" in again.stderr
    assert "Name\tAnswered\tAbstained\tRight\tF1\tRefused\tCitations\tSentences\tFirst\tWhole" in again.stdout
    assert "known from before" not in run(
        "models", "compare", questions, "--with", "one", "--with", "quick", "--fresh"
    ).stderr  # fmt: skip


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["one"], "needs two"),
        (["one", "one"], "needs two"),
        (["one", "absent"], "no profile and no model 'absent'"),
        (["one", "small"], "is a profile and a model"),
    ],
)
def test_what_cannot_be_compared_is_refused(settings: Settings, questions: Path, names: list[str], said: str) -> None:
    done = run("models", "compare", questions, *(part for name in names for part in ("--with", name)))
    assert done.code != 0
    assert said in done.stderr


def test_a_name_of_both_kinds_is_told_apart(engine: FakeEngine, settings: Settings, questions: Path) -> None:
    done = run("models", "compare", questions, "--with", "model:small", "--with", "profile:small", "--json").json
    assert [(one["model"], one["profile"]) for one in done["standings"]] == [("small", ""), ("", "small")]


def test_without_questions_what_the_app_compared_is_shown(engine: FakeEngine) -> None:
    assert "Nothing was compared yet" in run("models", "compare").stdout
    assert run("models", "compare", "--json").json == {"questions": 0, "standings": [], "comparisons": []}
    list(engine.compare("What is the notice period?", [Contender("one"), Contender("x", "deep")]))
    list(engine.compare("What is the notice period?", [Contender("broken"), Contender("x", "deep")]))
    engine.prefer("v1", 1)
    done = run("models", "compare", "--json").json
    assert done["questions"] == 2
    assert [(one["name"], one["preferred"], one["beaten"]) for one in done["standings"]] == [
        ("deep", 1, 0), ("broken", 0, 0), ("one", 0, 1)
    ]  # fmt: skip
    broken, other = done["comparisons"][0]["contenders"]
    assert broken["error"] == "The file of model 'broken' is gone."
    assert (other["supported"], other["usage"]["tokens_per_second"]) == (1, 24.0)
    assert json.dumps(done)
    shown = run("models", "compare").stdout
    assert "deep\tx\t1 of 1" in shown
    assert run("models", "compare", "--with", "one").code == 2
