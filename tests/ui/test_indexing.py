import threading
import time
from collections.abc import Callable, Iterator

import pytest

from errors import EngineUnreachableError, StorageFullError
from ingest.types import IndexProgress, IndexReport, WatchEvent
from tests.fakes import FakeEngine
from ui.indexing import Indexing, Watching

Progress = Callable[[IndexProgress], None] | None


class Slow(FakeEngine):
    """Indexes when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.runs = threading.Event(), 0

    def index(self, progress: Progress = None, confirm: bool = False, read_data: bool = False) -> IndexReport:
        self.runs += 1
        self.go.wait(20)
        return super().index(progress, confirm)


def test_a_file_dropped_during_a_run_is_indexed_by_another_run_after_it() -> None:
    engine, indexing = Slow(), Indexing()
    indexing.start(engine)
    indexing.start(engine)
    indexing.start(engine)
    assert indexing.running
    engine.go.set()
    indexing.wait(5)
    assert not indexing.running
    assert engine.runs == 2
    assert indexing.report is not None
    assert indexing.progress is not None


def test_what_was_confirmed_during_a_run_counts_for_the_one_after_it_and_no_other() -> None:
    engine, indexing = Slow(), Indexing()
    indexing.start(engine)
    while not engine.runs:
        time.sleep(0.01)
    indexing.start(engine, confirm=True)
    engine.go.set()
    indexing.wait(5)
    indexing.start(engine)
    indexing.wait(5)
    assert [confirm for confirm, _ in engine.indexed] == [False, True, False]


@pytest.mark.parametrize("raised", [StorageFullError("No space left."), RuntimeError("bug")])
def test_a_run_that_fails_says_so(raised: Exception) -> None:
    class Failing(FakeEngine):
        def index(self, progress: Progress = None, confirm: bool = False, read_data: bool = False) -> IndexReport:
            raise raised

    indexing = Indexing()
    indexing.start(Failing())
    indexing.wait(5)
    assert indexing.error is not None
    assert str(raised) in str(indexing.error)
    assert indexing.report is None


AT = "2026-01-02T03:04:05+00:00"
CHANGE = WatchEvent("indexed", AT, report=IndexReport(2, 0, 0, 1, 5, (), (), 6, 7, 0.4))
NO_CHANGE = WatchEvent("indexed", AT, report=IndexReport(0, 0, 0, 0, 7, (), (), 6, 7, 0.4))


def told(watching: Watching, news: int) -> bool:
    end = time.monotonic() + 5
    while watching.news < news and time.monotonic() < end:
        time.sleep(0.01)
    return watching.news == news


def test_watching_keeps_the_last_report_change_and_problem_until_it_is_stopped() -> None:
    engine, watching = FakeEngine(), Watching()
    watching.start(engine)
    engine.tell(CHANGE)
    engine.tell(NO_CHANGE)
    engine.tell(WatchEvent("problem", AT, problem="No space."))
    assert told(watching, 4)
    assert (watching.report, watching.change, watching.problem) == (NO_CHANGE.report, CHANGE, "No space.")
    engine.tell(CHANGE)
    assert told(watching, 5)
    assert watching.problem == ""
    watching.stop()
    assert not watching.running
    assert engine.watches[0].closed


def test_watching_that_cannot_go_on_says_so() -> None:
    class Gone(FakeEngine):
        def watch(self) -> Iterator[WatchEvent]:
            yield WatchEvent("watching", AT)
            raise EngineUnreachableError("It has gone.")

    watching = Watching()
    watching.start(Gone())
    assert told(watching, 2)
    watching.stop()
    assert (watching.running, watching.problem) == (False, "It has gone.")
