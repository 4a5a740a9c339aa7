"""What the Ask page shows of an answer beyond its text: contradictions, what a refusal says, and the dial."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rag.types import ABSTENTION, Answer, AnswerSentence, Citation, Completed, Event, Refusal, Side, Timings, Token
from tests.fakes import LEASE, FakeEngine
from tests.ui.conftest import Draw, html
from ui.texts import ENGLISH

CITATION = Citation(1, LEASE.id, LEASE.path, LEASE.page, "", LEASE.text[:10], 0, 10, True)


def answering(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    def events(*_: object) -> Iterator[Event]:
        yield Token(answer.answer)
        yield Completed(answer)

    monkeypatch.setattr(engine, "_answer", events)


def refused(refusal: Refusal) -> Answer:
    said = ABSTENTION["en"]
    sentences = (AnswerSentence(said, (), True),)
    return Answer("q", said, True, (), sentences, "extractive", Timings(0.1, 0.1, 0.1), refusal=refusal)


def test_contradicting_sources_are_shown_side_by_side_with_their_days(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = (Side("Tampa", (1,), "2021-02-07"), Side("Denver <b>", (2,), ""))
    citations = (CITATION, replace(CITATION, n=2))
    sentences = (AnswerSentence("Tampa", (1,), True), AnswerSentence("Denver", (2,), True))
    answer = Answer(
        "q", "Tampa [1]\nDenver [2]", False, citations, sentences, "extractive", Timings(0.1, 0.1, 0.1), conflict=sides
    )
    answering(engine, monkeypatch, answer)
    app = draw("ask").chat_input(key="question").set_value("Where?").run()
    assert not app.exception
    shown = html(app)
    for part in (ENGLISH.ask_conflict, "Tampa", "2021-02-07 · [1]", "Denver &lt;b&gt;", "[2]"):
        assert part in shown


def test_a_refusal_says_what_to_add(engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(engine, monkeypatch, refused(Refusal("unsure", missing=("tungsten", "<b>boiling</b>"))))
    app = draw("ask").chat_input(key="question").set_value("What is the boiling point of tungsten?").run()
    assert not app.exception
    assert ENGLISH.ask_missing.format(words="tungsten, &lt;b&gt;boiling&lt;/b&gt;") in html(app)


def test_a_refusal_that_lacks_no_word_says_nothing_of_adding(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(engine, monkeypatch, refused(Refusal("model")))
    app = draw("ask").chat_input(key="question").set_value("When?").run()
    assert ENGLISH.ask_missing.partition("{")[0] not in html(app)


def test_the_dial_goes_with_the_question(engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    ask = engine.ask

    def noted(*arguments: object, **named: object) -> Iterator[Event]:
        given.append(named.get("abstain"))
        return ask(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "ask", noted)
    app = draw("ask")
    app.chat_input(key="question").set_value("When?").run()
    app.session_state["abstain"] = "strict"
    app.chat_input(key="question").set_value("When, surely?").run()
    assert given == ["balanced", "strict"]
