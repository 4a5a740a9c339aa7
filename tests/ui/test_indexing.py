import threading
from collections.abc import Callable

import pytest

from errors import StorageFullError
from ingest.types import IndexProgress, IndexReport
from tests.fakes import FakeEngine
from ui.indexing import Indexing

Progress = Callable[[IndexProgress], None] | None


class Slow(FakeEngine):
    """Indexes when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.runs = threading.Event(), 0

    def index(self, progress: Progress = None) -> IndexReport:
        self.runs += 1
        self.go.wait(20)
        return super().index(progress)


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


@pytest.mark.parametrize("raised", [StorageFullError("No space left."), RuntimeError("bug")])
def test_a_run_that_fails_says_so(raised: Exception) -> None:
    class Failing(FakeEngine):
        def index(self, progress: Progress = None) -> IndexReport:
            raise raised

    indexing = Indexing()
    indexing.start(Failing())
    indexing.wait(5)
    assert indexing.error is not None
    assert str(raised) in str(indexing.error)
    assert indexing.report is None
