"""Conversations are kept as they were shown, found again, survive a kill, and are never lost in silence."""

import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from errors import HistoryDamagedError, HistoryError, ModelDiedError, StorageFullError, UsageError
from ingest.types import Filters
from rag import history_file
from rag.history import NEW, History
from rag.history_file import FILE
from rag.types import (
    ABSTENTION,
    Answer,
    AnswerSentence,
    Citation,
    Completed,
    Event,
    Evidence,
    Hit,
    KeptTurn,
    Recorded,
    Refusal,
    Retrieved,
    Since,
    Timings,
    Token,
    Turn,
)
from tests.conftest import ROOT
from tests.fakes import EXPLANATION, LEASE

QUOTE = "The notice period is thirty days."
CITATION = Citation(1, LEASE.id, LEASE.path, 2, LEASE.section, QUOTE, 0, len(QUOTE), True)
TIMINGS = Timings(0.1, 0.2, 0.3)
SAID = "The disk is full. Free some disk space; what was kept is kept."
HITS = tuple(Hit(n, 1 / n, replace(LEASE, id=f"lease-{n - 1}"), explanation=EXPLANATION) for n in range(1, 9))


def answer(text: str = f"{QUOTE} [1]") -> Answer:
    sentence = AnswerSentence(QUOTE, (1,), True)
    return Answer("?", text, False, (CITATION,), (sentence,), "extractive", TIMINGS)


def events(given: Answer | None = None, understood: str = "") -> Iterator[Event]:
    given = given or answer()
    yield Retrieved(HITS, 0.1, understood)
    yield Token("The notice ")
    yield Token("period")
    yield Completed(given)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def history(home: Path) -> Iterator[History]:
    with closing(History(home)) as history:
        yield history


def ask(history: History, question: str, conversation: str = NEW, given: Answer | None = None) -> str:
    """The id of the conversation in which the question was asked."""
    recorded, *_ = history.record(conversation, question, Filters(), None, events(given), lambda _: "sha")
    assert isinstance(recorded, Recorded)
    return recorded.conversation


def only(history: History) -> KeptTurn:
    (one,) = history.conversations()
    (turn,) = history.conversation(one.id).turns
    return turn


# Kept as it was shown


def test_a_turn_comes_back_whole(history: History) -> None:
    filters = Filters(("contracts",), languages=("es",))
    given = list(
        history.record(NEW, "¿Y el preaviso?", filters, 3, events(understood="¿Cuál es?"), lambda _: "ab" * 32)
    )
    assert [event.event for event in given] == ["recorded", "retrieved", "token", "token", "completed"]
    turn = only(history)
    assert (turn.n, turn.question, turn.state, turn.filters, turn.k) == (1, "¿Y el preaviso?", "answered", filters, 3)
    assert (turn.understood, turn.draft, turn.answer) == ("¿Cuál es?", "", answer())
    (evidence,) = turn.evidence
    assert evidence.hit.passage == LEASE
    assert (evidence.sha256, evidence.hit.explanation) == ("ab" * 32, None)


def test_of_an_abstention_the_nearest_passages_are_kept(history: History) -> None:
    said = Answer("?", ABSTENTION["en"], True, (), (), "extractive", TIMINGS)
    ask(history, "Who won the cup?", given=said)
    assert [evidence.hit.rank for evidence in only(history).evidence] == [1, 2, 3]


def test_of_a_refusal_what_it_names_as_nearest_is_kept(history: History) -> None:
    near = replace(CITATION, id="lease-6", supported=False)
    said = Answer("?", ABSTENTION["en"], True, (), (), "extractive", TIMINGS, refusal=Refusal("unsure", (near,)))
    ask(history, "Who won the cup?", given=said)
    assert [evidence.hit.rank for evidence in only(history).evidence] == [1, 2, 3, 7]
    assert only(history).answer == said


def test_copies_are_kept_by_name(history: History) -> None:
    copy = replace(LEASE, id="copy", path="old/lease.pdf")

    def found() -> Iterator[Event]:
        yield Retrieved((Hit(1, 1.0, LEASE, copies=(copy,)),), 0.1)
        yield Completed(answer())

    list(history.record(NEW, "Notice?", Filters(), None, found(), lambda _: ""))
    assert only(history).evidence[0].hit.copies == (replace(copy, text=""),)


def test_what_became_of_the_evidence_is_told_beside_it(history: History) -> None:
    id = ask(history, "Notice?")

    def look(evidence: Evidence) -> tuple[Since, str]:
        return ("moved", "new/lease.pdf") if evidence.sha256 == "sha" else ("same", "")

    (turn,) = history.conversation(id, look).turns
    assert [(evidence.since, evidence.now) for evidence in turn.evidence] == [("moved", "new/lease.pdf")]
    assert turn.evidence[0].hit.passage == LEASE


def test_a_turn_that_an_earlier_cita_kept_is_read(history: History, home: Path) -> None:
    """Keys that it did not know have their defaults; keys that this one does not know are left alone."""
    ask(history, "Notice?")
    with closing(sqlite3.connect(home / FILE)) as file, file:
        values = file.execute(f"SELECT {', '.join(history_file.TURN_COLUMNS)} FROM turns").fetchone()
        value = json.loads(values[4])
        del value["hint"], value["answer"]["invented"], value["evidence"][0]["since"]
        value["answer"]["colour"] = "green"
        changed = [*values[:4], json.dumps(value), *values[5:]]
        file.execute("UPDATE turns SET value = ?, checksum = ?", (changed[4], history_file.checksum(changed)))
    assert only(history).answer == answer()


# Follow-ups and what ends an answer early


def test_questions_of_a_conversation_are_numbered_and_leaned_on(history: History) -> None:
    id = ask(history, "First?")
    assert [ask(history, f"Question {n}?", id) for n in range(2, 7)] == [id] * 5
    assert [turn.n for turn in history.conversation(id).turns] == [1, 2, 3, 4, 5, 6]
    assert history.turns(id) == [Turn(f"Question {n}?", f"{QUOTE} [1]") for n in (3, 4, 5, 6)]
    assert history.turns(NEW) == []


def test_an_answer_that_was_stopped_keeps_what_was_written(history: History) -> None:
    running = history.record(NEW, "Notice?", Filters(), None, events(), lambda _: "")
    for event in running:
        if isinstance(event, Token) and event.text == "period":
            break
    running.close()  # type: ignore[attr-defined]
    turn = only(history)
    assert (turn.state, turn.draft, turn.answer) == ("stopped", "The notice period", None)
    assert history.turns(history.check("last")) == []


def test_closing_the_answer_closes_what_makes_it(history: History) -> None:
    ended = threading.Event()

    def endless() -> Iterator[Event]:
        try:
            while True:
                yield Token("")
        finally:
            ended.set()

    running = history.record(NEW, "Notice?", Filters(), None, endless(), lambda _: "")
    next(running)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert ended.is_set()


def test_an_answer_that_failed_keeps_why(history: History) -> None:
    def dying() -> Iterator[Event]:
        yield Token("The")
        raise ModelDiedError("The model ended.", hint="Choose another.")

    with pytest.raises(ModelDiedError):
        list(history.record(NEW, "Notice?", Filters(), None, dying(), lambda _: ""))
    turn = only(history)
    assert (turn.state, turn.draft, turn.error, turn.hint) == ("failed", "The", "The model ended.", "Choose another.")


KILLED = """
import os, sys
from pathlib import Path
from ingest.types import Filters
from rag.history import History
from tests.rag.test_history import ask, events
history = History(Path(sys.argv[1]))
ask(history, "What is whole?")
for event in history.record("new", "What was asked last?", Filters(), None, events(), lambda _: ""):
    if event.event == "token":
        os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_what_was_answered_and_what_was_asked(history: History, home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(home)], cwd=ROOT, check=False)
    assert done.returncode == -9
    last, whole = history.conversations()
    assert (last.title, whole.title) == ("What was asked last?", "What is whole?")
    assert history.conversation(last.id).turns[0].state == "stopped"
    assert history.conversation(whole.id).turns[0].answer == answer()


def test_an_answer_that_cannot_be_kept_is_given_and_says_so(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(history, "Notice?")

    def full(*_: object, **__: object) -> str:
        raise StorageFullError("The disk is full.")

    monkeypatch.setattr("rag.history._change", full)
    *_, completed = history.record(NEW, "Deposit?", Filters(), None, events(), lambda _: "")
    assert isinstance(completed, Completed)
    assert (completed.answer, completed.problem) == (answer(), SAID)
    monkeypatch.setattr("rag.history.insert_turn", full)
    first, *_, completed = history.record(NEW, "Deposit?", Filters(), None, events(), lambda _: "")
    assert isinstance(first, Retrieved)
    assert isinstance(completed, Completed)
    assert completed.problem == SAID


# Lists and search


def test_nothing_is_made_before_there_is_something_to_keep(history: History, home: Path) -> None:
    assert history.conversations() == history.conversations("notice") == history.examples.all() == []
    history.forget()
    with pytest.raises(UsageError, match="is no conversation yet"):
        history.check("last")
    assert list(home.iterdir()) == []


def test_the_file_is_its_owners_alone(history: History, home: Path) -> None:
    ask(history, "Notice?")
    modes = {stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()}
    assert modes == {0o600}


def test_the_newest_conversation_is_first_and_last_means_it(history: History) -> None:
    first, second = ask(history, "First?"), ask(history, "Second?")
    assert [one.id for one in history.conversations()] == [second, first]
    ask(history, "More?", first)
    assert [(one.id, one.turns) for one in history.conversations()] == [(first, 2), (second, 1)]
    assert history.check("last") == first


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("notice", True),  # in the answer
        ("NOTI perio", True),  # beginnings
        ("notices", True),  # another form
        ("poliza", True),  # in the question, without its accent
        ("pólizas thirty", True),  # both in one turn
        ("poliza rent", False),
        ("bicycle", False),
        ('"', True),  # no words: all
        ('"notice" OR (', False),  # not a language of its own
    ],
)
def test_a_search_finds_words_of_questions_and_answers(words: str, found: bool, history: History) -> None:
    ask(history, "¿Qué dice la póliza?")
    assert bool(history.conversations(words)) is found or words == '"'


def test_a_search_shows_where_and_finds_titles(history: History) -> None:
    id = ask(history, "What is it?")
    assert history.conversations("thirty")[0].excerpt == f"{QUOTE} [1]"
    history.rename(id, "  My\nflat  ")
    assert [(one.title, one.excerpt) for one in history.conversations("flats")] == [("My flat", "")]


def test_a_long_question_is_shortened_to_a_title(history: History) -> None:
    ask(history, "word " * 100)
    (one,) = history.conversations()
    assert one.title.endswith("word…")
    assert len(one.title) <= 71


# Renamed, deleted, rated


def test_what_is_deleted_is_gone_from_the_bytes(history: History, home: Path) -> None:
    kept, gone = ask(history, "Where is the anchorage?"), ask(history, "Where is the pineapple?")
    history.delete([gone])
    assert [one.id for one in history.conversations()] == [kept]
    assert history.conversations("pineapple") == []
    everything = b"".join(file.read_bytes() for file in home.iterdir())
    assert b"anchorage" in everything
    assert b"pineapple" not in everything
    history.forget()
    assert history.conversations() == []
    assert b"anchorage" not in b"".join(file.read_bytes() for file in home.iterdir())


def test_nothing_is_deleted_where_one_is_not_there(history: History) -> None:
    id = ask(history, "Notice?")
    with pytest.raises(UsageError, match="no conversation 'nope'"):
        history.delete([id, "nope"])
    assert len(history.conversations()) == 1


@pytest.mark.parametrize("change", ["rename", "rate", "conversation", "delete"])
def test_a_conversation_that_is_not_there_is_an_error(change: str, history: History) -> None:
    calls = {
        "rename": lambda: history.rename("nope", "Title"),
        "rate": lambda: history.rate("nope", 1, "good"),
        "conversation": lambda: history.conversation("nope"),
        "delete": lambda: history.delete(["nope"]),
    }
    with pytest.raises(UsageError, match="no conversation 'nope'"):
        calls[change]()


def test_a_rating_is_kept_with_its_reason_counted_and_taken_back(history: History) -> None:
    id = ask(history, "Notice?")
    history.rate(id, 1, "bad", " Not what\nI asked. ")
    assert (only(history).rating, only(history).reason) == ("bad", "Not what I asked.")
    (one,) = history.conversations()
    assert (one.good, one.bad) == (0, 1)
    history.rate(id, 1, "good")
    assert (only(history).rating, only(history).reason) == ("good", "")
    history.rate(id, 1, None, "left over")
    assert (only(history).rating, only(history).reason) == (None, "")
    with pytest.raises(UsageError, match="no turn 2; it has 1"):
        history.rate(id, 2, "good")


def test_a_turn_without_an_answer_is_not_rated(history: History) -> None:
    running = history.record(NEW, "Notice?", Filters(), None, events(), lambda _: "")
    next(running)
    running.close()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="has no answer"):
        history.rate(history.check("last"), 1, "good")


def test_a_conversation_deleted_under_an_answer_does_not_come_back_broken(history: History) -> None:
    id = ask(history, "Notice?")
    running = history.record(id, "And then?", Filters(), None, events(), lambda _: "")
    next(running)
    history.delete([id])
    list(running)
    assert history.conversations() == []
    assert ask(history, "Again?", id) != id


# Damage


def read_all(history: History) -> list[KeptTurn]:
    return [turn for one in history.conversations() for turn in history.conversation(one.id).turns]


def damaged(home: Path, change: str) -> None:
    file = home / FILE
    if change == "no database":
        file.write_bytes(b"This is no database." * 100)
    elif change == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif change == "zeroed":
        content = bytearray(file.read_bytes())
        content[8192:] = bytes(len(content) - 8192)
        file.write_bytes(content)
    elif change == "a word":
        content = file.read_bytes()
        assert content.count(b"thirty") > 1
        file.write_bytes(content.replace(b"thirty", b"ninety"))


@pytest.mark.parametrize("change", ["no database", "cut", "zeroed", "a word"])
def test_a_damaged_file_is_set_aside_with_a_clear_message(
    change: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(History(home)) as history:
        for n in range(30):
            ask(history, f"Question {n}?")
    damaged(home, change)
    bytes_before = (home / FILE).read_bytes()
    with closing(History(home)) as history, caplog.at_level(logging.WARNING):
        with pytest.raises(HistoryDamagedError, match="set aside as 'conversations-damaged-"):
            read_all(history)
        (aside,) = home.glob("conversations-damaged-*.db")
        assert aside.read_bytes() == bytes_before
        (problem,) = history.problems()
        assert aside.name in problem
        assert "set aside" in caplog.text
        assert all(turn.answer == answer() for turn in read_all(history))  # what is left is sound
        ask(history, "It goes on?")
        assert history.conversations()[0].title == "It goes on?"
        history.forget()
        assert not list(home.glob("conversations-damaged-*"))


def test_what_can_be_read_of_a_damaged_file_goes_on(home: Path) -> None:
    with closing(History(home)) as history:
        ids = [ask(history, f"Question number {n}?") for n in range(40)]
        history.rename(ids[7], "Renamed")
        history.rate(ids[7], 1, "good", "So it is.")
        history.examples.add([("A question?", "An answer.")])
    with closing(sqlite3.connect(home / FILE)) as file, file:
        file.execute("UPDATE turns SET question = 'x' WHERE row = 20")
    with closing(History(home)) as history:
        with pytest.raises(HistoryDamagedError, match="39 of its questions and 1 of its examples"):
            history.conversation(ids[19])
        left = history.conversations()
        assert [one.id for one in left] == [id for id in reversed(ids) if id != ids[19]]
        turn = history.conversation(ids[7]).turns[0]
        assert (turn.answer, turn.rating, turn.reason) == (answer(), "good", "So it is.")
        assert [one.title for one in left if one.id == ids[7]] == ["Renamed"]
        assert len(history.examples.all()) == 1
        assert len(history.conversations("thirty")) == 39


def test_every_flipped_byte_ends_in_what_was_kept_or_a_message(home: Path, tmp_path: Path) -> None:
    with closing(History(home)) as history:
        for n in range(5):
            ask(history, f"Question {n}?")
    content = (home / FILE).read_bytes()
    for place in range(0, len(content), 997):
        folder = tmp_path / f"flipped-{place}"
        folder.mkdir()
        (folder / FILE).write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with closing(History(folder)) as history:
            try:
                turns = read_all(history)
            except HistoryError:
                continue
            assert all(turn.answer == answer() for turn in turns)


def test_a_question_asked_over_a_damaged_file_is_kept_in_the_new_one(home: Path) -> None:
    with closing(History(home)) as history:
        ask(history, "Before?")
    damaged(home, "no database")
    with closing(History(home)) as history:
        ask(history, "After?")
        assert [one.title for one in history.conversations()] == ["After?"]
        assert len(history.problems()) == 1


def test_a_file_of_a_later_version_is_left_alone(history: History, home: Path) -> None:
    ask(history, "Notice?")
    history.close()
    with closing(sqlite3.connect(home / FILE)) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(HistoryError, match="schema version 99"):
        history.conversations()
    assert not history.problems()


@pytest.mark.skipif(os.geteuid() == 0, reason="ROOT: nothing is forbidden to it")
def test_a_home_that_cannot_be_written_is_said(history: History, home: Path) -> None:
    home.chmod(0o500)
    *_, completed = history.record(NEW, "Notice?", Filters(), None, events(), lambda _: "")
    home.chmod(0o700)
    assert isinstance(completed, Completed)
    assert "cannot be used" in completed.problem


def test_threads_keep_their_turns_apart(history: History) -> None:
    id = ask(history, "First?")
    threads = [threading.Thread(target=ask, args=(history, f"Thread {n}?", id)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [turn.n for turn in history.conversation(id).turns] == list(range(1, 10))
