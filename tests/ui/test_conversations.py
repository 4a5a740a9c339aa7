"""Conversations in the app: kept, listed, resumed with what became of their files, rated, exported, deleted."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from errors import StorageFullError, UsageError
from ingest.types import Passage
from rag.types import Completed, Conversation, Event, KeptTurn, Rating, Since
from settings import Settings
from tests.fakes import FakeEngine
from tests.ui.conftest import ROOT, Draw, html
from ui.save import save_settings
from ui.texts import ENGLISH, SPANISH

NOTICE = "What is the notice period?"


@pytest.fixture
def app(engine: FakeEngine) -> AppTest:
    """The whole app, on its first page."""
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=20).run()


def ask(app: AppTest, question: str) -> AppTest:
    return app.chat_input(key="question").set_value(question).run()


def listed(app: AppTest) -> list[str]:
    """The titles in the sidebar."""
    return [label.replace("\\", "") for label in labels(app)]


def labels(app: AppTest) -> list[str]:
    return [str(button.label) for button in app.button if (button.key or "").startswith("talk-open-")]


# Kept


def test_questions_are_kept_in_one_conversation_until_a_new_chat(engine: FakeEngine, app: AppTest) -> None:
    assert listed(app) == []
    ask(ask(app, NOTICE), "And that notice?")
    assert [len(engine.told[id].turns) for id in engine.told] == [2]
    app.button(key="new").click().run()
    ask(app, "Who won?")
    assert [len(engine.told[id].turns) for id in engine.told] == [2, 1]
    assert listed(app) == ["Who won?", NOTICE]
    assert not app.exception


def test_with_history_off_nothing_is_kept(engine: FakeEngine, settings: Settings, app: AppTest) -> None:
    save_settings(settings, {"history": {"on": False}})
    ask(ask(app, NOTICE), "And that notice?")
    assert engine.told == {}
    assert len(engine.history) == 1  # and yet a question may lean on the one before
    assert not app.feedback


def test_an_answer_that_could_not_be_kept_says_so(engine: FakeEngine, draw: Draw) -> None:
    answered = engine._answer

    def full(question: str, model: str) -> Iterator[Event]:
        for event in answered(question, model):
            yield replace(event, problem="The disk is full.") if isinstance(event, Completed) else event

    engine._answer = full  # type: ignore[method-assign]
    app = ask(draw("ask"), NOTICE)
    assert "The disk is full" in app.warning[0].value
    assert "thirty days" in html(app)


# Resumed


def kept(engine: FakeEngine, since: Since = "same", now: str = "") -> None:
    """A conversation c1 as an earlier session left it, its file being what `since` says."""
    list(engine.ask(NOTICE, conversation="new"))
    turn = engine.told["c1"].turns[0]
    evidence = tuple(replace(each, since=since, now=now) for each in turn.evidence)
    engine.told["c1"] = replace(engine.told["c1"], turns=(replace(turn, evidence=evidence),))


def test_a_conversation_is_resumed_as_it_was_shown(engine: FakeEngine, app: AppTest) -> None:
    kept(engine)
    app.run().button(key="talk-open-c1").click().run()
    assert not app.exception
    shown = html(app)
    for part in (NOTICE, "thirty days.", "lease.pdf", "page 2", "Lease &gt; Ending the lease"):
        assert part in shown
    ask(app, "And that notice?")
    assert len(engine.told["c1"].turns) == 2
    assert engine.history[0].question == NOTICE


@pytest.mark.parametrize(
    ("since", "marked"), [("same", False), ("edited", True), ("changed", True), ("moved", True), ("gone", True)]
)
def test_a_file_that_is_not_what_it_was_is_marked(since: Since, marked: bool, engine: FakeEngine, app: AppTest) -> None:
    kept(engine, since, "new.pdf")
    shown = html(app.run().button(key="talk-open-c1").click().run())
    said = ENGLISH.since(since, "new.pdf")
    assert bool(said) is marked
    assert said in shown
    assert "The notice period is thirty days." in shown


@pytest.mark.parametrize("since", ["changed", "moved", "gone"])
def test_a_quote_is_read_as_it_was_where_the_file_no_longer_has_it(
    since: Since, engine: FakeEngine, app: AppTest
) -> None:
    kept(engine, since)

    def gone(id: str) -> Passage:
        raise UsageError(f"There is no passage {id!r}.")

    engine.passage = gone  # type: ignore[method-assign]
    app.run().button(key="talk-open-c1").click().run()
    app.button(key="open-0-1").click().run()
    assert not app.error
    shown = html(app)
    assert "<mark>The notice period is thirty days.</mark>" in shown
    assert ENGLISH.reader_then in shown
    assert not app.get("image")  # the page is another now


def test_a_passage_that_goes_while_its_answer_is_open_is_still_read(engine: FakeEngine, draw: Draw) -> None:
    app = ask(draw("ask"), NOTICE)

    def gone(id: str) -> Passage:
        raise UsageError(f"There is no passage {id!r}.")

    engine.passage = gone  # type: ignore[method-assign]
    app.button(key="open-0-1").click().run()
    assert not app.error
    assert ENGLISH.reader_then in html(app)


def test_stopped_and_failed_turns_come_back_as_such(engine: FakeEngine, app: AppTest) -> None:
    turns = (
        KeptTurn(1, "2026-01-01", "One?", "stopped", draft="The notice"),
        KeptTurn(2, "2026-01-01", "Two?", "failed", error="The model ended.", hint="Choose another."),
    )
    engine.told["c1"] = Conversation("c1", "Ended", "2026-01-01", "2026-01-01", turns)
    app.run().button(key="talk-open-c1").click().run()
    assert ENGLISH.ask_stopped in html(app)
    assert "The notice" in html(app)
    assert "Choose another" in app.error[0].value


def test_the_address_opens_the_conversation_again(engine: FakeEngine) -> None:
    kept(engine)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    app.query_params["chat"] = "c1"
    assert NOTICE in html(app.run())
    app.button(key="new").click().run()
    assert "chat" not in app.query_params
    gone = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    gone.query_params["chat"] = "nope"
    assert ENGLISH.ask_title in html(gone.run())
    assert not gone.error


# Found, renamed, deleted


def test_many_conversations_are_searched_and_shown_in_part(engine: FakeEngine, app: AppTest) -> None:
    for n in range(40):
        list(engine.ask(f"Question {n}?" if n else NOTICE, conversation="new"))
    assert listed(app.run()) == [f"Question {n}?" for n in range(39, 9, -1)]
    assert len(listed(app.button(key="talks-more").click().run())) == 40
    app.text_input(key="talks-find").set_value("thirty").run()
    assert listed(app) == [NOTICE]
    app.text_input(key="talks-find").set_value("bicycle").run()
    assert listed(app) == []
    assert ENGLISH.talks_none in html(app)


def test_the_open_conversation_is_renamed_and_deleted(engine: FakeEngine, app: AppTest) -> None:
    kept(engine)
    app.run().button(key="talk-open-c1").click().run()
    app.text_input(key="talk-title-c1").set_value("My flat").run()
    assert engine.told["c1"].title == "My flat"
    assert listed(app) == ["My flat"]
    app.button(key="talk-delete-c1").click().run()
    assert engine.told == {}
    assert ENGLISH.ask_title in html(app)
    assert not app.exception


def test_only_the_open_conversation_offers_its_options(engine: FakeEngine, app: AppTest) -> None:
    kept(engine)
    list(engine.ask("Who won?", conversation="new"))
    assert not app.run().get("download_button")
    app.button(key="talk-open-c1").click().run()
    assert [element.proto.label for element in app.get("download_button")] == ["Markdown", "Word", "JSON"]


def test_a_hostile_title_is_text(engine: FakeEngine, app: AppTest) -> None:
    list(engine.ask("![x](http://evil.example/x.png) :material/home: <b>notice</b>", conversation="new"))
    (label,) = labels(app.run())
    assert "\\!\\[x\\]\\(" in label
    assert ":material/" not in label


def test_all_conversations_are_forgotten_from_the_settings(engine: FakeEngine, draw: Draw) -> None:
    assert not [button for button in draw("settings").button if button.key == "forget"]
    kept(engine)
    app = draw("settings").button(key="forget").click().run()
    assert engine.told == {}
    assert ENGLISH.settings_forgotten in app.success[0].value


# Rated


def test_a_rating_is_kept_with_its_reason(engine: FakeEngine, draw: Draw) -> None:
    app = ask(draw("ask"), NOTICE)

    def rating() -> tuple[Rating | None, str]:
        turn = engine.told["c1"].turns[0]
        return turn.rating, turn.reason

    app.feedback[0].set_value(0).run()
    assert rating() == ("bad", "")
    app.text_input(key="reason-0-c1").set_value("Not what I asked.").run()
    assert rating() == ("bad", "Not what I asked.")
    assert not [button for button in app.button if button.key == "example-0"]
    app.feedback[0].set_value(1).run()
    assert rating() == ("good", "")
    app.button(key="example-0").click().run()
    assert [example.question for example in engine.examples()] == [NOTICE]
    assert app.button(key="example-0").disabled
    assert not app.exception


def test_a_rating_is_shown_again_when_the_conversation_is_resumed(engine: FakeEngine, app: AppTest) -> None:
    kept(engine)
    engine.rate("c1", 1, "bad", "Old.")
    app.run().button(key="talk-open-c1").click().run()
    assert app.feedback[0].value == 0
    assert app.text_input(key="reason-0-c1").value == "Old."


def test_a_rating_that_cannot_be_kept_is_a_notice(engine: FakeEngine, draw: Draw) -> None:
    app = ask(draw("ask"), NOTICE)

    def full(*_: object) -> None:
        raise StorageFullError("The disk is full.")

    engine.rate = full  # type: ignore[method-assign, assignment]
    app.feedback[0].set_value(1).run()
    assert "The disk is full" in app.error[0].value


def test_the_evidence_has_a_text_for_every_state() -> None:
    for texts in (ENGLISH, SPANISH):
        said = [texts.since(since, "x") for since in ("same", "edited", "changed", "moved", "gone")]
        assert said[0] == ""
        assert len(set(said)) == 5
