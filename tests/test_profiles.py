"""Profiles and several models through the engine: each answer says by what it was given, and none is cut."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine import Engine, LocalEngine, open_engine
from errors import UsageError
from rag.types import Answer, Completed, Token
from settings import Settings
from tests.gguf_files import tiny_gguf

LEASE = "# Lease\n\n## Notice\n\nThe notice period is thirty days.\n\n## Deposit\n\nThe deposit is 1,200 euros.\n"
QUESTION = "What is the notice period?"

Write = Callable[[str], None]


@pytest.fixture
def engine(ready_settings: Settings, tmp_path: Path) -> Iterator[Engine]:
    ready_settings.library.mkdir(parents=True)
    (ready_settings.library / "lease.md").write_text(LEASE, encoding="utf-8")
    with closing(open_engine(ready_settings)) as opened:
        opened.index()
        for name in ("one", "two", "endless"):
            opened.add_model(tiny_gguf(tmp_path / f"{name}.gguf", name=name, endless=name == "endless"))
        yield opened


@pytest.fixture
def write(ready_settings: Settings) -> Write:
    """Writes cita.toml, of an engine that is open."""
    return lambda text: [ready_settings.file.write_text(text, encoding="utf-8"), None][1]


def answer(engine: Engine, question: str = QUESTION, **how: object) -> Answer:
    *_, last = engine.ask(question, **how)  # type: ignore[arg-type]
    assert isinstance(last, Completed)
    return last.answer


def test_a_profile_answers_as_it_is_written_now_and_the_answer_says_so(engine: Engine, write: Write) -> None:
    write('[profiles.deep]\nmodel = "one"\nk = 3\nabstain = "helpful"\ntone = "formal"\nmax_tokens = 40\n')
    found = answer(engine, profile="deep")
    assert (found.model, found.voice.tone) == ("one", "formal")
    assert found.usage is not None
    assert found.usage.profile == "deep"
    assert {name: found.usage.parameters[name] for name in ("k", "abstain", "max_tokens")} == {
        "k": 3, "abstain": "helpful", "max_tokens": 40
    }  # fmt: skip
    assert found.usage.prompt
    assert found.usage.tokens_per_second
    write('[profiles.deep]\nmodel = "two"\n')
    assert answer(engine, profile="deep").model == "two"
    assert answer(engine, profile="deep", model="one", k=2).usage.parameters["k"] == 2  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="no profile 'fast'"):
        answer(engine, profile="fast")


def test_the_profile_that_is_set_answers_unless_none_is_asked_for(engine: Engine, write: Write) -> None:
    write('[answer]\nprofile = "quick"\n[profiles.quick]\nmodel = "one"\n')
    assert (answer(engine).model, engine.status().model) == ("one", "one")
    plain = answer(engine, profile="")
    assert plain.model == "extractive"
    assert plain.usage is not None
    assert (plain.usage.profile, plain.usage.prompt, plain.usage.parameters) == (
        "",
        None,
        {"k": 8, "abstain": "balanced"},
    )


def test_a_profile_is_known_to_every_door(engine: Engine, ready_settings: Settings, write: Write) -> None:
    write('[profiles.deep]\nmodel = "one"\n')
    with closing(open_engine(ready_settings)) as other:
        assert not isinstance(other, LocalEngine)
        found = answer(other, profile="deep")
        assert found.usage is not None
        assert (found.model, found.usage.profile) == ("one", "deep")
        assert found.usage.tokens_per_second


def test_what_an_answer_took_is_kept_with_it(engine: Engine) -> None:
    found = answer(engine, model="one", conversation="new")
    (turn,) = engine.conversation("last").turns
    assert turn.answer == found


def test_an_answer_is_not_cut_when_another_model_answers_meanwhile(engine: Engine, write: Write) -> None:
    write("[profiles.long]\nmodel = 'endless'\nmax_tokens = 60\ngrammar = false\n")
    events = engine.ask(QUESTION, profile="long")
    written = next(event.text for event in events if isinstance(event, Token) and event.text)
    assert answer(engine, model="one").answer == answer(engine, model="two").answer
    *rest, last = events
    assert isinstance(last, Completed)
    written += "".join(event.text for event in rest if isinstance(event, Token))
    assert written.count("The notice") > 1
    assert last.answer.usage is not None
    assert last.answer.usage.written == 60
