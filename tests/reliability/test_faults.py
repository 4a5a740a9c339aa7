"""A disk that fails or is full, at whatever call: a message, nothing lost, and the next run puts everything right.

The Nth call that writes, syncs, renames, truncates or creates a file in the home fails, for N = 1, 2, 3 ... until a run
has no more such calls; likewise the Nth embedding and the Nth SQL statement. By default some N of each, with
CITA_LONG=1 every one, failing once and from then on, for want of space and for an error of the disk.
"""

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import errors
from errors import CitaError, EmbedderError
from ingest import database, discover, pipeline
from ingest.catalog import Catalog
from ingest.embed import Vectors
from ingest.parse import parse
from ingest.pipeline import index_folders
from ingest.types import IndexReport
from settings import CODE, Settings
from tests.fakes import WordEmbedder
from tests.reliability.faults import CREATE, EIO, ENOSPC, KEPT, RENAME, SYNC, TRUNCATE, WRITE, Faults
from tests.reliability.quick import Image, digest, image

LONG = bool(os.environ.get("CITA_LONG"))
HOW = [(error, lasting) for error in (ENOSPC, EIO) for lasting in (False, True)]
KINDS = [
    pytest.param(kind, id=name)
    for name, kind in {"write": WRITE, "sync": SYNC, "rename": RENAME, "truncate": TRUNCATE, "create": CREATE}.items()
]
OURS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, CitaError)}


def note(number: int, more: str = "") -> str:
    return f"# Note {number}\n\nThe rent of house {number} is due.\n\n## Pets\n\nNo pets in house {number}.\n{more}"


@dataclass(frozen=True)
class Scene:
    """Documents that have changed since a home indexed them, and what it held before and will hold after a run.

    `behind` is that home, `current` one that indexed them as they are, with a backup from before.
    """

    folder: Path
    documents: Path
    before: Image
    after: Image

    @property
    def behind(self) -> Path:
        return self.folder / "behind"

    @property
    def current(self) -> Path:
        return self.folder / "current"

    def copy(self, template: Path, home: Path) -> Path:
        shutil.rmtree(home, ignore_errors=True)
        return shutil.copytree(template, home)


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with Faults(tmp_path_factory.mktemp("faults")) as opened:
        yield opened


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    documents = folder / "documents"
    documents.mkdir()
    behind, current = folder / "behind", folder / "current"
    for number in range(5):
        (documents / f"note{number}.md").write_text(note(number), encoding="utf-8")
    with closing(Catalog(Settings.load(behind).index)) as catalog:
        catalog.set_folders([documents])
    for task in ("index", "backup"):
        assert faults.run(task, behind).end == "done"
    before = image(behind / "index")
    (documents / "note0.md").unlink()
    (documents / "note1.md").rename(documents / "lease.md")
    (documents / "note2.md").write_text(note(2, "\nMind the step.\n"), encoding="utf-8")
    (documents / "new.md").write_text(note(7), encoding="utf-8")
    shutil.copytree(behind, current)
    (current / "index" / "catalog.db").unlink()
    assert faults.run("index", current).end == "done"  # a fresh index: only its list of folders was kept
    after = image(current / "index")
    assert before.keys() - after.keys() == {f"{documents}/note0.md", f"{documents}/note1.md"}
    return Scene(folder, documents, before, after)


def assert_sound(index: Path, *allowed: Image, name: str = "catalog.db") -> None:
    """Each source is as in one of these images; where all of them have it, it is there."""
    with closing(Catalog(index, name)) as catalog:
        assert catalog.problems(read_data=True) == []
    found = image(index, name)
    assert set.intersection(*(set(one) for one in allowed)) <= found.keys()
    for path, source in found.items():
        assert source in [one[path] for one in allowed if path in one], path


def steps(number: int) -> Iterator[int]:
    """1, 2, 3 ..., or every `number`th of them, from the first on."""
    return itertools.count(1, 1 if LONG else number)


def assert_every_fault_is_survived(
    faults: Faults, scene: Scene, task: str, template: Path, kind: int, *allowed: Image, after: Image
) -> None:
    home = scene.folder / "home"
    hows = itertools.cycle(HOW)
    for nth in steps(31 if kind == WRITE else 4):
        for error, lasting in HOW if LONG else [next(hows)]:
            scene.copy(template, home)
            outcome = faults.run(task, home, kind, nth, error, lasting=lasting)
            assert outcome.end in OURS | {"done"}, f"{nth}, {error}, {lasting}: {outcome.end}: {outcome.message}"
            assert outcome.end == "done" or str(home) in outcome.message, outcome.message
            assert_sound(home / "index", *allowed)
            if (home / KEPT).exists():
                assert_sound(home, *allowed, scene.before, name=KEPT)
            again = faults.run(task, home)
            assert again.end == "done", again.message
            assert image(home / "index") == after
            assert {path.name for path in home.rglob("*") if path.name.endswith((".part", ".new"))} == set()
            assert not (home / "index" / "rebuild.db").exists()
        if outcome.calls < nth:
            assert nth > 1
            return


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_run_survives_a_fault_at_any_call(faults: Faults, scene: Scene, kind: int) -> None:
    assert_every_fault_is_survived(
        faults, scene, "index", scene.behind, kind, scene.before, scene.after, after=scene.after
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuild_survives_a_fault_at_any_call(faults: Faults, scene: Scene, kind: int) -> None:
    assert_every_fault_is_survived(faults, scene, "rebuild", scene.current, kind, scene.after, after=scene.after)


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_survives_a_fault_at_any_call(faults: Faults, scene: Scene, kind: int) -> None:
    """The backup that was there before is there still, or the new one is."""
    assert_every_fault_is_survived(faults, scene, "backup", scene.current, kind, scene.after, after=scene.after)


@pytest.mark.parametrize("kind", KINDS)
def test_a_restore_survives_a_fault_at_any_call(faults: Faults, scene: Scene, kind: int) -> None:
    assert_every_fault_is_survived(
        faults, scene, "restore", scene.current, kind, scene.after, scene.before, after=scene.before
    )


# --- faults that come from above the system: a statement, the embedder


class FailingConnection(sqlite3.Connection):
    """Its class counts the statements of all connections down; the one at which it arrives at zero fails."""

    left = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._count()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._count()
        return super().executemany(*arguments)

    @classmethod
    def _count(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            raise sqlite3.OperationalError("disk I/O error")


class FailingEmbedder(WordEmbedder):
    """Fails at the Nth call."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self.left = nth

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.left -= 1
        if self.left == 0:
            raise EmbedderError("The embedder ran out of memory.")
        return super().embed_passages(texts)


def index(scene: Scene, home: Path, embedder: WordEmbedder) -> str:
    """'' or the message of the error with which the run ended."""
    settings = Settings.load(home)
    try:
        with closing(Catalog(settings.index)) as catalog:
            index_folders([scene.documents], catalog, embedder, parse, settings, lambda _: None)
    except CitaError as error:
        return str(error)
    return ""


def test_an_index_run_survives_a_statement_that_fails(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    home = scene.folder / "home"

    def connect(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=FailingConnection)

    monkeypatch.setattr(database, "_connect", connect)
    for nth in steps(11):
        scene.copy(scene.behind, home)
        FailingConnection.left = nth
        message = index(scene, home, WordEmbedder())
        if FailingConnection.left > 0:
            assert nth > 50
            return
        assert "cannot be written (disk I/O error)" in message
        assert_sound(home / "index", scene.before, scene.after)
        assert index(scene, home, WordEmbedder()) == ""
        assert image(home / "index") == scene.after


def test_an_index_run_survives_an_embedder_that_fails(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    home = scene.folder / "home"
    monkeypatch.setattr(pipeline, "GROUP", 1)  # each file is embedded by itself
    for nth in itertools.count(1):
        scene.copy(scene.behind, home)
        embedder = FailingEmbedder(nth)
        message = index(scene, home, embedder)
        if embedder.left > 0:
            assert nth == 3  # two documents have passages that are new
            return
        assert message == "The embedder ran out of memory."
        assert_sound(home / "index", scene.before, scene.after)
        assert index(scene, home, WordEmbedder()) == ""
        assert image(home / "index") == scene.after


# --- no space


def test_a_full_disk_is_said_whatever_it_interrupts_and_work_goes_on_once_there_is_space(scene: Scene) -> None:
    """The disk is a tmpfs of a size of its own, in a mount namespace that ends with its process."""
    if not (unshare := shutil.which("unshare")) or subprocess.run([unshare, "-Urm", "true"]).returncode:
        pytest.skip("NO USER NAMESPACES: a full disk is not tested here")
    disk = scene.folder / "disk"
    disk.mkdir()
    needed = sum(path.stat().st_size for path in scene.behind.rglob("*")) // 1024
    sizes = [needed + more for more in range(0, 220, 11 if not LONG else 1)] + [needed + 4096]
    command = [unshare, "-Urm", sys.executable, "-m", "tests.reliability.full_disk", scene.behind, disk]
    done = subprocess.run([*command, *map(str, sizes)], cwd=CODE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(sizes)
    for one in said:
        for message in (one["opening"], one["indexing"]):
            assert not message or (message.partition(":")[0] in OURS and "space" in message)
        if not one["opening"]:
            assert one["found"] == one["kept"]
        assert {"note3.md", "note4.md"} <= set(one["kept"])
        assert not any("catalog.db" in problem for problem in one["problems"])
        assert one["image"] == digest(scene.after)
    assert len([one for one in said if one["indexing"]]) >= 5  # the disk filled up in the midst of things
    assert not said[-1]["opening"] + said[-1]["indexing"]


# --- no right


@pytest.fixture(scope="module")
def without_rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """As faults, in a process to which file modes apply even if it is root's."""
    before = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
    if before and not shutil.which("setpriv"):
        pytest.skip("ROOT WITHOUT setpriv: what happens without a right is not tested here")
    with Faults(tmp_path_factory.mktemp("rights"), *before) as opened:
        yield opened


@pytest.mark.parametrize(
    ("where", "mode", "task", "end"),
    [
        pytest.param("", 0o500, "index", "done", id="home-read-only"),  # it has all it needs
        pytest.param("index", 0o500, "index", "CatalogError", id="index-folder-read-only"),
        pytest.param("index", 0, "index", "EngineError", id="index-folder-closed"),
        pytest.param("index/catalog.db", 0o400, "index", "CatalogError", id="catalogue-read-only"),
        pytest.param("index/catalog.db", 0, "index", "CatalogError", id="catalogue-closed"),
        pytest.param("index/catalog.db", 0, "rebuild", "CatalogError", id="catalogue-closed-for-rebuild"),
        pytest.param("index/engine.lock", 0, "index", "EngineError", id="lock-closed"),
        pytest.param("index/folders.json", 0, "index", "done", id="list-of-folders-closed"),
        pytest.param("", 0o500, "backup", "CatalogError", id="no-right-to-keep-a-backup"),
        pytest.param(KEPT, 0, "restore", "UsageError", id="backup-closed"),
        pytest.param("library", 0, "index", "done", id="library-closed"),
    ],
)
def test_a_file_or_folder_of_the_home_without_rights_is_named_and_loses_nothing(
    without_rights: Faults, scene: Scene, where: str, mode: int, task: str, end: str
) -> None:
    home = scene.copy(scene.behind, scene.folder / "home")
    closed = home / where
    rights = closed.stat().st_mode
    closed.chmod(mode)
    try:
        outcome = without_rights.run(task, home)
    finally:
        closed.chmod(rights)
    assert outcome.end == end, outcome.message
    assert end == "done" or str(home) in outcome.message
    assert_sound(home / "index", scene.before, scene.after)
    again = without_rights.run("index", home)
    assert again.end == "done", again.message
    assert image(home / "index") == scene.after


def test_a_home_that_cannot_be_made_is_named(without_rights: Faults, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    outcome = without_rights.run("index", tmp_path / "closed" / "home")
    assert outcome.end == "FolderError"
    assert str(tmp_path / "closed" / "home") in outcome.message


def test_documents_without_rights_cost_themselves_only(without_rights: Faults, tmp_path: Path) -> None:
    """What was indexed of a folder that cannot be looked into any more stays; a file that was closed to us goes."""
    settings = Settings.load(tmp_path)
    for name in ("open.md", "closed.md", "inner/note.md"):
        (settings.library / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.library / name).write_text(note(len(name)), encoding="utf-8")
    closed, inner = settings.library / "closed.md", settings.library / "inner"
    assert without_rights.run("index", tmp_path).end == "done"
    before = image(settings.index)
    (settings.library / "open.md").write_text(note(9), encoding="utf-8")
    closed.chmod(0)
    inner.chmod(0)
    try:
        assert without_rights.run("index", tmp_path).end == "done"
        after = image(settings.index)
    finally:
        closed.chmod(0o600)
        inner.chmod(0o700)
    library = str(settings.library)
    assert after[f"{library}/inner/note.md"] == before[f"{library}/inner/note.md"]
    assert "house 9" in str(after[f"{library}/open.md"])
    assert after[f"{library}/closed.md"][2:4] == ("failed", "Cannot be read: Permission denied.")
    assert without_rights.run("index", tmp_path).end == "done"
    assert image(settings.index)[f"{library}/closed.md"] == before[f"{library}/closed.md"]


# --- clocks


@pytest.mark.parametrize("year", [1901, 1970, 2038, 2100])
def test_an_edit_is_noticed_whatever_the_file_s_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    """By its change time, which no program can set back, though size and modification time stay the same."""
    monkeypatch.setattr(discover, "YOUNG", 50_000_000)  # nanoseconds
    settings, file = Settings.load(tmp_path), tmp_path / "documents" / "note.md"
    then = (year - 1970) * 365 * 86_400 * 10**9
    file.parent.mkdir()
    embedder = WordEmbedder()
    with closing(Catalog(settings.index)) as catalog:

        def run() -> IndexReport:
            time.sleep(0.1)  # so that the file is no longer young
            return index_folders([file.parent], catalog, embedder, parse, settings, lambda _: None)

        for text in ("The rent is 900.", "The rent is 950.", "The rent is 975."):
            file.write_text(text, encoding="utf-8")
            os.utime(file, ns=(then, then))
            run()
            assert [passage.text for passage in catalog.passages_of(str(file.parent), "note.md")] == [text]
            again = run()
            assert (again.unchanged, again.changed) == (1, 0)


def test_an_edit_is_noticed_while_the_clock_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, file = Settings.load(tmp_path), tmp_path / "documents" / "note.md"
    file.parent.mkdir()
    year = 365 * 86_400 * 10**9
    monkeypatch.setattr(discover.time, "time_ns", lambda now=time.time_ns: now() - year)
    with closing(Catalog(settings.index)) as catalog:
        for text in ("The rent is 900.", "The rent is 950."):
            file.write_text(text, encoding="utf-8")
            os.utime(file, ns=(0, 0))
            index_folders([file.parent], catalog, WordEmbedder(), parse, settings, lambda _: None)
            assert [passage.text for passage in catalog.passages_of(str(file.parent), "note.md")] == [text]
