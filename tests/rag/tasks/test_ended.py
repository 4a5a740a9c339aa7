"""A task whose process is ended, by Ctrl-C or for good: what was finished is there for the next."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest

from engine import LocalEngine
from ingest.types import Filters
from rag.tasks.kept import FILE
from rag.tasks.types import Tabulate
from settings import CODE, Settings
from tests.rag.tasks.conftest import check_quotes, done

FILES = 60
FINISHED = 5  # parts before the process is ended


def finished(settings: Settings) -> int:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{settings.index / FILE}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM parts").fetchone()[0])
    return 0


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 1), (signal.SIGKILL, -signal.SIGKILL)], ids=["ctrl-c", "killed"]
)
def test_an_ended_task_goes_on_where_it_was(ready_settings: Settings, how: signal.Signals, code: int) -> None:
    ready_settings.library.mkdir(parents=True)
    for n in range(FILES):
        (ready_settings.library / f"{n:02}.md").write_text(
            f"# Offer {n}\n\nThe price of the work is {n + 100} euros.\n"
        )
    with closing(LocalEngine(ready_settings)) as engine:
        engine.index()
    arguments = ["--home", str(ready_settings.home), "extract", "--column", "price=What is the price of the work?"]
    working = subprocess.Popen([sys.executable, "-m", "cli", *arguments], cwd=CODE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while finished(ready_settings) < FINISHED and time.monotonic() < until:
        time.sleep(0.01)
    working.send_signal(how)
    _, said = working.communicate(timeout=30)
    assert working.returncode == code
    assert ("goes on from there" in said) == (how == signal.SIGINT)
    before = finished(ready_settings)
    assert FINISHED <= before < FILES
    with closing(LocalEngine(ready_settings)) as engine:
        report = done(engine, Tabulate(("price=What is the price of the work?",), Filters()))
        assert (report.parts, report.reused) == (FILES, before)
        check_quotes(engine, report)
        assert [f"{n + 100} euros" in row.cells[0].text for n, row in enumerate(report.rows)] == [True] * FILES
