"""Killed at any moment, the engine loses nothing that was indexed, and leaves nothing that the next run does not put
right. tests/reliability/kills.py does the killing; here is its short version, and that its counts can be believed."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import ingest.embed
from errors import EngineClosedError
from ingest import catalog
from ingest.catalog import Catalog
from settings import CODE, Settings
from tests.fakes import WordEmbedder
from tests.reliability.kills import differing, holding, nearly_differing
from tests.reliability.quick import image, make_engines_quick, opened
from tests.reliability.steps import STEPS, digests

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="KILLS NEED LINUX: prctl makes orphans countable")

LONG = bool(os.environ.get("CITA_LONG"))
WORD = "wbkrtzpq99vx"


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """A home of thirty notes and one more, to be indexed by a quick engine."""
    settings.library.mkdir(parents=True)
    for number in range(30):
        (settings.library / f"n{number}.md").write_text(f"# Note {number}\n\nThe number of this note is {number}.")
    (settings.library / "secret.md").write_text(f"# Secret\n\nThe word is {WORD}.")
    return settings


def forked(work: Callable[[], object]) -> int:
    """The exit code of a process that did the work."""
    pid = os.fork()
    if pid == 0:
        try:
            make_engines_quick()
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def index(settings: Settings) -> None:
    with opened(settings) as engine:
        engine.index(confirm=True)


def dies(*_: object) -> None:
    os._exit(9)


@pytest.mark.slow
def test_killed_anywhere_and_in_any_step_nothing_is_lost_or_twice_and_the_next_start_serves() -> None:
    names = [step.name for step in STEPS] if LONG else ["store", "settle", "rebuild"]
    kills, each, processes = (100, 5, 5) if LONG else (6, 1, 0)
    words = ["--kills", kills, "--steps", each, "--processes", processes, "--files=12", "--few=8", "--made"]
    command = [sys.executable, "-m", "tests.reliability.kills", *map(str, words), *(f"--only={name}" for name in names)]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    struck = dict(re.findall(r"^\| ([^|]+) \| (\d+) ", done.stdout, re.MULTILINE))
    assert int(struck["any moment of index"]) == kills
    assert all(int(struck[name]) >= 1 for name in names), done.stdout


def test_text_deleted_just_before_a_kill_is_out_of_the_bytes_after_the_next_run(quick: Settings) -> None:
    assert forked(lambda: index(quick)) == 0
    (quick.library / "secret.md").unlink()

    def index_and_die() -> None:
        Catalog.scrub = dies  # type: ignore[method-assign, assignment]
        index(quick)

    assert forked(index_and_die) == 9
    assert holding(quick.index, [WORD])
    assert forked(lambda: index(quick)) == 0
    assert not holding(quick.index, [WORD])


def test_a_killed_rebuild_leaves_no_draft(quick: Settings) -> None:
    assert forked(lambda: index(quick)) == 0

    def rebuild_and_die() -> None:
        Catalog.take_over = dies  # type: ignore[method-assign, assignment]
        with opened(quick) as engine:
            engine.rebuild()

    assert forked(rebuild_and_die) == 9
    assert list(quick.index.glob("rebuild.db*"))
    assert forked(lambda: index(quick)) == 0
    assert not list(quick.index.glob("rebuild.db*"))


def test_a_kill_while_a_damaged_catalogue_is_replaced_loses_nothing_that_was_saved(
    quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forked(lambda: index(quick)) == 0
    before = image(quick.index)

    def die_before_the_name_is_given() -> None:
        Path.replace = Path.rename = dies  # type: ignore[method-assign, assignment]
        catalog.salvage(quick.index)

    assert forked(die_before_the_name_is_given) == 9
    assert image(quick.index) == before


def test_vectors_saved_for_files_that_have_changed_since_are_dropped_by_the_next_run(quick: Settings) -> None:
    assert forked(lambda: index(quick)) == 0
    with closing(sqlite3.connect(quick.index / "catalog.db")) as connection:
        connection.execute("UPDATE passages SET text = 'other' WHERE id IN (SELECT id FROM passages LIMIT 3)")
        connection.commit()
    catalog.salvage(quick.index)
    for path in quick.library.iterdir():
        path.write_text("All other text now.")
    assert forked(lambda: index(quick)) == 0
    with closing(Catalog(quick.index)) as after:
        assert after.problems(read_data=True) == []


def test_documents_stay_when_their_readers_cannot_be_started(quick: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when Cita is installed anew while it runs: the interpreter's file is gone, which says nothing of theirs."""
    monkeypatch.setattr(ingest.embed, "open_embedder", lambda settings: WordEmbedder())
    with opened(quick) as engine:
        engine.index()
    before = image(quick.index)
    for path in quick.library.iterdir():
        path.write_text("Changed.")
    with opened(quick) as engine, monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(EngineClosedError, match="cannot be started"):
            engine.index()
    assert image(quick.index) == before


# --- that the counts can be believed


def test_a_source_that_is_lost_doubled_or_other_is_counted(quick: Settings, tmp_path: Path) -> None:
    assert forked(lambda: index(quick)) == 0
    before, digested = image(quick.index), digests(quick)
    with closing(sqlite3.connect(quick.index / "catalog.db")) as connection:
        (id,) = connection.execute("SELECT id FROM passages LIMIT 1").fetchone()
        connection.execute("UPDATE passages SET text = text || ' ' WHERE id = ?", (id,))
        connection.execute("UPDATE vectors SET value = zeroblob(64) WHERE key IN (SELECT key FROM vectors LIMIT 1)")
        connection.execute("UPDATE sources SET path = 'elsewhere.md' WHERE path = 'n9.md'")
        connection.commit()
    names = {path.rsplit("/", 1)[-1] for path in differing(before, image(quick.index))}
    assert {"n9.md", "elsewhere.md"} <= names
    assert 3 <= len(names) <= 4
    changed = {path for path, digest in digests(quick).items() if digested.get(path) != digest}
    assert {path.rsplit("/", 1)[-1] for path in changed} == names - {"n9.md"}


def test_vectors_may_differ_by_rounding_and_no_more(quick: Settings) -> None:
    assert forked(lambda: index(quick)) == 0
    before = image(quick.index)
    with closing(sqlite3.connect(quick.index / "catalog.db")) as connection:
        key, value = connection.execute("SELECT key, value FROM vectors LIMIT 1").fetchone()
        for difference, expected in ((1e-7, 0), (1e-3, 1)):
            other = np.frombuffer(value, np.float32) + np.float32(difference)
            connection.execute("UPDATE vectors SET value = ? WHERE key = ?", (other.tobytes(), key))
            connection.commit()
            assert len(differing(before, image(quick.index))) == 1
            assert len(nearly_differing(before, image(quick.index), 1e-5)) == expected
