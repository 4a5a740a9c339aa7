"""A conversation over real documents: leaned on, resumed with what was cited then, marked where files have changed."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine import Engine, LocalEngine, open_engine
from errors import HistoryDamagedError, UsageError
from rag.history_file import FILE
from rag.types import Completed, Conversation, Recorded, Retrieved
from remote import RemoteEngine, connect
from settings import History, Settings

LEASE = "# Lease\n\n## Notice\n\nThe notice period is thirty days.\n\n## Deposit\n\nThe deposit is 1,200 euros.\n"
QUOTE = "The notice period is thirty days."


@pytest.fixture
def lease(ready_settings: Settings) -> Path:
    ready_settings.library.mkdir(parents=True)
    file = ready_settings.library / "lease.md"
    file.write_text(LEASE, encoding="utf-8")
    (ready_settings.library / "mill.md").write_text("The mill grinds wheat on Thursdays.", encoding="utf-8")
    return file


@pytest.fixture
def engine(ready_settings: Settings, lease: Path) -> Iterator[Engine]:
    with closing(open_engine(ready_settings)) as engine:
        engine.index()
        yield engine


def ask(engine: Engine, question: str, conversation: str = "new") -> str:
    recorded, *_, completed = engine.ask(question, conversation=conversation)
    assert isinstance(recorded, Recorded)
    assert isinstance(completed, Completed)
    assert not completed.problem
    return recorded.conversation


def test_a_conversation_is_resumed_in_another_process_with_its_citations(
    engine: Engine, ready_settings: Settings
) -> None:
    id = ask(engine, "What is the notice period?")
    before = engine.conversation(id)
    engine.close()
    with closing(open_engine(ready_settings)) as again:
        assert isinstance(again, LocalEngine)
        assert again.conversation("last") == before
        (turn,) = before.turns
        assert turn.answer
        (citation,) = turn.answer.citations
        assert (citation.source, citation.quote) == ("lease.md", QUOTE)
        assert again.passage(citation.id).text == turn.evidence[0].hit.passage.text


def test_a_follow_up_leans_on_the_conversation_that_is_named(engine: Engine) -> None:
    id = ask(engine, "What is the notice period of the lease?")
    _, found, *_ = engine.ask("How long is it?", conversation=id)
    assert isinstance(found, Retrieved)
    assert "notice period" in found.understood
    found, *_ = engine.ask("How long is it?")
    assert isinstance(found, Retrieved)
    assert not found.understood


def edit(file: Path) -> None:
    file.write_text(LEASE.replace("1,200", "1,300"), encoding="utf-8")


def change(file: Path) -> None:
    file.write_text(LEASE.replace("thirty", "sixty"), encoding="utf-8")


def move(file: Path) -> None:
    (file.parent / "old").mkdir()
    file.rename(file.parent / "old" / "lease.md")


@pytest.mark.parametrize(
    ("act", "since", "now"),
    [(lambda _: None, "same", ""), (edit, "edited", ""), (change, "changed", ""), (move, "moved", "old/lease.md"),
     (Path.unlink, "gone", "")],
    ids=["same", "edited", "changed", "moved", "gone"],
)  # fmt: skip
def test_a_citation_stays_as_it_was_and_says_what_became_of_its_file(
    act: Callable[[Path], None], since: str, now: str, engine: Engine, lease: Path
) -> None:
    id = ask(engine, "What is the notice period?")
    before = engine.conversation(id).turns[0]
    act(lease)
    engine.index()
    after = engine.conversation(id).turns[0]
    assert after.answer == before.answer
    (evidence,) = after.evidence
    assert (evidence.since, evidence.now) == (since, now)
    assert evidence.hit == before.evidence[0].hit
    assert QUOTE in evidence.hit.passage.text


def test_with_history_off_nothing_is_written(ready_settings: Settings, lease: Path) -> None:
    off = ready_settings.model_copy(update={"history": History(on=False)})
    with closing(open_engine(off)) as engine:
        engine.index()
        events = list(engine.ask("What is the notice period?", conversation="new"))
        assert not [event for event in events if isinstance(event, Recorded)]
        assert engine.conversations() == []
    assert not (off.home / FILE).exists()


def test_what_was_kept_before_history_was_switched_off_is_still_there(engine: Engine, ready_settings: Settings) -> None:
    id = ask(engine, "What is the notice period of the lease?")
    engine.close()
    off = ready_settings.model_copy(update={"history": History(on=False)})
    with closing(open_engine(off)) as engine:
        found, *_ = engine.ask("How long is it?", conversation=id)
        assert isinstance(found, Retrieved)
        assert "notice period" in found.understood
        assert len(engine.conversation(id).turns) == 1


def test_a_question_that_names_no_conversation_is_not_kept(engine: Engine, ready_settings: Settings) -> None:
    list(engine.ask("What is the notice period?"))
    assert not (ready_settings.home / FILE).exists()
    with pytest.raises(UsageError, match="no conversation 'nope'"):
        engine.ask("What is the notice period?", conversation="nope")


def test_a_conversation_crosses_the_socket(engine: Engine, ready_settings: Settings) -> None:
    remote = connect(ready_settings)
    assert isinstance(remote, RemoteEngine)
    id = ask(remote, "What is the notice period?")
    kept: Conversation = remote.conversation(id)
    assert kept == engine.conversation(id)
    assert json.loads(remote.export_conversation(id, "json"))["turns"][0]["citations"][0]["since"] == "same"
    remote.rate(id, 1, "good", "Short.")
    assert [one.good for one in engine.conversations("thirty")] == [1]


def test_damaged_conversations_are_a_problem_of_the_home_and_cost_no_answer(
    engine: Engine, ready_settings: Settings
) -> None:
    ask(engine, "What is the notice period?")
    engine.close()
    (ready_settings.home / FILE).write_bytes(b"no database" * 1000)
    with closing(open_engine(ready_settings)) as engine:
        with pytest.raises(HistoryDamagedError, match="set aside"):
            engine.conversations()
        ask(engine, "What is the notice period?")
        (problem,) = engine.status().problems
        assert "conversations-damaged-" in problem
        engine.forget_conversations()
        assert engine.status().healthy


def test_examples_are_found_by_meaning(engine: Engine) -> None:
    engine.keep_example(ask(engine, "What is the notice period?"), 1)
    engine.add_examples([("Which grain is ground?", "Wheat."), ("Who are you?", "Cita.")])
    assert engine.examples_like("How long before leaving must I give notice?", 1)[0].question.endswith("period?")
    assert engine.examples_like("What does the mill grind?", 1)[0].answer == "Wheat."
    chats = [json.loads(line)["messages"] for line in engine.export_examples().splitlines()]
    assert len(chats) == 3
    assert QUOTE in chats[0][1]["content"]
