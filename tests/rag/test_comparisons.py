"""A question that several answered is kept with what each said and took, and which was better, until it is deleted."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from errors import HistoryDamagedError, ModelDiedError, StorageFullError, UsageError
from ingest.types import Filters
from rag import history_file
from rag.comparisons import compare
from rag.history import History
from rag.history_file import FILE
from rag.types import (
    ALIKE,
    Comparison,
    ComparisonEvent,
    ComparisonFinished,
    Completed,
    Contended,
    Contender,
    ContenderFailed,
    Event,
    Token,
    Usage,
)
from tests.rag.test_history import answer, ask

USAGE = Usage(100, 20, 12, 0.5, 0.5, "deep", {"temperature": 0.3, "k": 8, "grammar": True})
ANSWER = replace(answer(), usage=USAGE)
TWO = (Contender("small"), Contender(profile="deep"))
ASKED = Comparison("", "2026-01-01T00:00:00.000+00:00", "How long is the notice?", TWO, 3, Filters(("contracts",)))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History(tmp_path)) as history:
        yield history


def said(contender: Contender) -> Iterator[Event]:
    if contender.profile == "gone":
        raise ModelDiedError("Its process ended.", hint="Ask again.")
    yield Token("The notice")
    yield Completed(replace(ANSWER, model=contender.model or "large"))


def events(history: History | None, *contenders: Contender) -> list[ComparisonEvent]:
    keep = history.comparisons.keep if history else None
    return list(compare("How long?", contenders or TWO, 3, Filters(), said, keep))


def test_each_answers_in_turn_and_all_is_kept_with_what_it_took(history: History) -> None:
    *told, last = events(history)
    assert [(event.n, event.of.event) for event in told if isinstance(event, Contended)] == [
        (0, "token"), (0, "completed"), (1, "token"), (1, "completed")
    ]  # fmt: skip
    assert isinstance(last, ComparisonFinished)
    (kept,) = history.comparisons.all()
    assert kept == last.comparison
    assert [(one.model, one.profile) for one in kept.contenders] == [("small", ""), ("large", "deep")]
    assert kept.contenders[0].answer == replace(ANSWER, model="small")
    assert (kept.question, kept.k, kept.better) == ("How long?", 3, None)


def test_one_that_fails_is_told_of_and_the_next_is_asked(history: History) -> None:
    failed, *_, last = events(history, Contender(profile="gone"), Contender("small"))
    assert failed == ContenderFailed(0, "Its process ended.", "Ask again.")
    assert isinstance(last, ComparisonFinished)
    first, second = history.comparisons.all()[0].contenders
    assert (first.answer, first.error, first.hint) == (None, "Its process ended.", "Ask again.")
    assert second.answer is not None


def test_a_comparison_that_is_stopped_is_not_kept(history: History) -> None:
    contest = compare("How long?", TWO, None, Filters(), said, history.comparisons.keep)
    next(contest)
    contest.close()  # type: ignore[attr-defined]
    assert history.comparisons.all() == []


def test_one_that_cannot_be_kept_is_told_and_costs_no_answer(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Comparison) -> Comparison:
        raise StorageFullError("The disk is full.")

    monkeypatch.setattr(history.comparisons, "keep", full)
    last = events(history)[-1]
    assert isinstance(last, ComparisonFinished)
    assert last.problem == "The disk is full."
    assert last.comparison.contenders[1].answer is not None


@pytest.mark.parametrize("contenders", [(), (Contender("small"),), (Contender("small"), Contender())])
def test_it_takes_two_that_are_named(contenders: tuple[Contender, ...]) -> None:
    with pytest.raises(UsageError, match="needs two"):
        compare("How long?", contenders, None, Filters(), said, None)


def test_the_better_one_is_kept_and_may_be_taken_back(history: History) -> None:
    first, second = (history.comparisons.keep(ASKED) for _ in range(2))
    for better in (1, ALIKE, 0, None):
        history.comparisons.prefer(first.id, better)
        assert {one.id: one.better for one in history.comparisons.all()} == {first.id: better, second.id: None}
    for wrong in (2, -2):
        with pytest.raises(UsageError, match="has no answer"):
            history.comparisons.prefer(first.id, wrong)
    with pytest.raises(UsageError, match="no comparison 'x'"):
        history.comparisons.prefer("x", 0)


def test_what_is_deleted_is_gone_from_the_file_too(history: History, tmp_path: Path) -> None:
    kept = history.comparisons.keep(replace(ASKED, question="the unspeakable question"))
    other = history.comparisons.keep(ASKED)
    with pytest.raises(UsageError, match="no comparison"):
        history.comparisons.delete([kept.id, "x"])
    history.comparisons.delete([kept.id])
    assert [one.id for one in history.comparisons.all()] == [other.id]
    history.close()
    assert b"unspeakable" not in b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE}*"))


def test_forgetting_conversations_forgets_comparisons(history: History) -> None:
    history.comparisons.keep(ASKED)
    history.forget()
    assert history.comparisons.all() == []


def test_a_backup_brings_them_back_once(history: History, tmp_path: Path) -> None:
    kept = history.comparisons.keep(ASKED)
    history.comparisons.prefer(kept.id, 1)
    (tmp_path / "other").mkdir()
    with closing(History(tmp_path / "other")) as other:
        for _ in range(2):
            other.merge(history.lines())
        assert other.comparisons.all() == history.comparisons.all() == [replace(kept, better=1)]


def test_a_file_of_the_first_version_keeps_its_conversations_and_takes_comparisons(
    history: History, tmp_path: Path
) -> None:
    id = ask(history, "How long is the notice?")
    history.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:  # as the first version left it
        database.execute("DROP TABLE comparisons")
        database.execute("PRAGMA user_version = 1")
        database.commit()
    with closing(History(tmp_path)) as again:
        assert again.conversation(id).turns[0].answer == answer()
        kept = again.comparisons.keep(ASKED)
        assert again.comparisons.all() == [kept]
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (history_file.VERSION,)


def test_of_a_damaged_file_the_comparisons_that_are_whole_are_kept(history: History, tmp_path: Path) -> None:
    whole, damaged = (history.comparisons.keep(ASKED) for _ in range(2))
    history.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("UPDATE comparisons SET better = '1' WHERE id = ?", (damaged.id,))
        database.commit()
    with closing(History(tmp_path)) as again:
        with pytest.raises(HistoryDamagedError, match="set aside"):
            again.comparisons.all()
        assert again.comparisons.all() == [whole]
