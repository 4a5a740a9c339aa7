"""Kept, restored, made anew: always of one moment, whole or not at all, and while others read and write."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine import LocalEngine, open_engine
from errors import CatalogError, UsageError
from ingest import pipeline
from ingest.catalog import Catalog
from ingest.isolate import Isolator
from settings import Settings
from tests.fakes import WordEmbedder
from tests.reliability.quick import image, parse_here


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.embed.open_embedder", lambda settings: WordEmbedder())
    monkeypatch.setattr(Isolator, "parse", parse_here)
    monkeypatch.setattr(LocalEngine, "_update_chroma", lambda self: None)


@contextmanager
def owned(settings: Settings) -> Iterator[LocalEngine]:
    engine = open_engine(settings)
    assert isinstance(engine, LocalEngine)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def engine(settings: Settings) -> Iterator[LocalEngine]:
    with owned(settings) as opened:
        yield opened


def write(folder: Path, state: str, number: int = 8) -> None:
    """Notes that all say which state they are of."""
    for note in range(number):
        (folder / f"note{note}.md").write_text(f"# House {note}\n\nThe door of house {note} is {state}.\n")


def states(engine: LocalEngine) -> set[str]:
    """The states that one search finds."""
    hits = engine.search("Which door is it of a house?", k=50).hits
    return {hit.passage.text.rstrip(".").rpartition(" ")[2] for hit in hits}


@contextmanager
def searched_all_the_while(engine: LocalEngine, threads: int = 3) -> Iterator[list[set[str]]]:
    """What each of the searches found that other threads make meanwhile; their errors are raised at the end."""
    stop, found, errors = threading.Event(), list[set[str]](), list[BaseException]()

    def search() -> None:
        try:
            while not stop.is_set():
                found.append(states(engine))
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    searching = [threading.Thread(target=search) for _ in range(threads)]
    for thread in searching:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in searching:
            thread.join()
    if errors:
        raise errors[0]


# --- backup


def test_a_backup_is_of_one_moment_while_a_run_writes(
    engine: LocalEngine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "GROUP", 1)  # each source is stored by itself
    write(settings.library, "red")
    engine.index()
    write(settings.library, "green", 30)
    kept = []

    def keep(_: object) -> None:
        if len(kept) < 20:
            kept.append(tmp_path / f"{len(kept)}.cita")
            engine.backup(kept[-1])

    engine.index(keep)
    counts = []
    for file in kept:
        with closing(Catalog(tmp_path, file.name)) as catalog:
            assert catalog.problems(read_data=True) == []
            counts.append(sum("green" in str(source) for source in image(tmp_path, file.name).values()))
    assert counts == list(range(20))  # each source of it whole, one after the other


def test_a_backup_is_for_its_owner_s_eyes(engine: LocalEngine, settings: Settings, tmp_path: Path) -> None:
    write(settings.library, "red")
    engine.index()
    engine.backup(tmp_path / "kept.cita")
    assert (tmp_path / "kept.cita").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("content", [b"My novel.", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_backup_is_never_replaced_by_one(engine: LocalEngine, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "novel.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="no backup"):
        engine.backup(file)
    with pytest.raises(UsageError, match="no backup"):
        engine.backup(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        engine.backup(tmp_path / "nowhere" / "kept.cita")
    assert file.read_bytes() == content


def test_a_backup_replaces_an_older_one(engine: LocalEngine, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "kept.cita"
    for state in ("red", "green"):
        write(settings.library, state)
        engine.index()
        engine.backup(file)
    assert all("green" in str(source) for source in image(tmp_path, file.name).values())


# --- restore


def test_a_search_sees_the_old_or_the_restored_index_never_a_mixture(
    engine: LocalEngine, settings: Settings, tmp_path: Path
) -> None:
    files = {}
    for state in ("red", "green"):
        write(settings.library, state)
        engine.index()
        files[state] = tmp_path / f"{state}.cita"
        engine.backup(files[state])
    with searched_all_the_while(engine) as found:
        for state in ("red", "green") * 6:
            engine.restore(files[state])
            assert states(engine) == {state}
    assert len(found) > 10
    assert {frozenset(one) for one in found} <= {frozenset({"red"}), frozenset({"green"})}


def test_a_backup_is_restored_in_another_home(engine: LocalEngine, settings: Settings, tmp_path: Path) -> None:
    """Its documents are found there until a run of that home looks for them."""
    folder = tmp_path / "documents"
    folder.mkdir()
    write(folder, "red")
    engine.add_folders([folder])
    engine.index()
    engine.backup(tmp_path / "kept.cita")
    other = Settings.load(tmp_path / "other")
    with owned(other) as restored:
        restored.restore(tmp_path / "kept.cita")
        assert states(restored) == {"red"}
        assert restored.folders() == [other.library, folder]
        assert restored.index().unchanged == 8
        assert image(other.index) == image(settings.index)


def damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    at = data.index(b"door of house 3")
    data[at] ^= 1
    file.write_bytes(data)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5000])


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:2000])


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE sources (id INTEGER)")
        connection.commit()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def later(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("spoil", [damaged, truncated, cut_off, foreign, empty, later, Path.unlink])
def test_what_is_no_sound_backup_is_refused_and_changes_nothing(
    engine: LocalEngine, settings: Settings, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    write(settings.library, "red")
    engine.index()
    engine.backup(tmp_path / "kept.cita")
    write(settings.library, "green")
    engine.index()
    before = image(settings.index)
    spoil(tmp_path / "kept.cita")
    with pytest.raises((UsageError, CatalogError), match=r"damaged|no backup|version 99"):
        engine.restore(tmp_path / "kept.cita")
    assert image(settings.index) == before
    assert states(engine) == {"green"}
    assert not (settings.index / "rebuild.db").exists()


def test_what_was_derived_from_an_index_is_not_believed_after_a_restore(
    engine: LocalEngine, settings: Settings, tmp_path: Path
) -> None:
    """Also not when it is restored to where it was: numbers of vectors may have been given twice since."""
    write(settings.library, "red")
    engine.index()
    engine.backup(tmp_path / "kept.cita")
    names = [(engine._catalog.lineage, engine._catalog.generation)]
    for _ in range(2):
        engine.restore(tmp_path / "kept.cita")
        names.append((engine._catalog.lineage, engine._catalog.generation))
    assert len({lineage for lineage, _ in names}) == 3
    assert len({generation for _, generation in names}) == 3
    assert states(engine) == {"red"}


# --- rebuild


def test_searches_go_on_in_the_old_index_while_it_is_made_anew(engine: LocalEngine, settings: Settings) -> None:
    write(settings.library, "red")
    engine.index()
    write(settings.library, "green")
    seen = []
    with searched_all_the_while(engine) as found:
        engine.rebuild(lambda _: seen.append(states(engine)))
    assert seen == [{"red"}] * 9
    assert {frozenset(one) for one in found} <= {frozenset({"red"}), frozenset({"green"})}
    assert states(engine) == {"green"}


def test_a_rebuild_that_is_stopped_leaves_the_old_index(engine: LocalEngine, settings: Settings) -> None:
    write(settings.library, "red")
    engine.index()
    before = image(settings.index)
    write(settings.library, "green")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.rebuild(stop)
    assert image(settings.index) == before
    assert states(engine) == {"red"}
    engine.rebuild()
    assert states(engine) == {"green"}
    assert not (settings.index / "rebuild.db").exists()


def test_a_rebuild_keeps_the_documents_of_a_folder_that_cannot_be_reached(
    engine: LocalEngine, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    write(folder, "red")
    engine.add_folders([folder])
    engine.index()
    before = image(settings.index)
    folder.rename(tmp_path / "away")
    report = engine.rebuild()
    assert "8 documents stay" in report.failed[0].reason
    assert states(engine) == {"red"}
    assert engine.verify(read_data=True).problems == (report.failed[0].reason.partition(" Its ")[0],)
    (tmp_path / "away").rename(folder)
    engine.index()
    assert image(settings.index) == before


def test_a_rebuild_embeds_nothing_that_is_sound_and_all_that_is_not(
    engine: LocalEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings.library, "red")
    engine.index()
    before = image(settings.index)
    assert isinstance(engine._embedder, WordEmbedder)
    engine._embedder.embedded.clear()
    engine.rebuild()
    assert engine._embedder.embedded == []
    assert image(settings.index) == before
    with engine._catalog.transaction() as write_:
        write_.execute("UPDATE vectors SET value = zeroblob(64) WHERE number = 3")
    assert not engine.verify(read_data=True).ok
    engine.rebuild()
    assert len(engine._embedder.embedded) == 1
    assert image(settings.index) == before
    assert engine.verify(read_data=True).ok


def test_an_index_whose_file_is_gone_is_made_anew_of_the_same_folders(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    write(folder, "red")
    with owned(settings) as engine:
        engine.add_folders([folder])
        engine.index()
    before = image(settings.index)
    for path in settings.index.glob("catalog.db*"):
        path.unlink()
    shutil.rmtree(settings.index / "tmp", ignore_errors=True)
    with owned(settings) as engine:
        assert engine.folders() == [settings.library, folder]
        engine.index()
    assert image(settings.index) == before
