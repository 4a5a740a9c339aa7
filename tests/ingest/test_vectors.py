"""The nearest-neighbour index: always what the catalogue says, whatever happens to Chroma's files."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from errors import VectorIndexError
from ingest import chroma, confine, vectors
from ingest.catalog import Catalog, NewPassage
from ingest.chroma import ChromaIndex, Draft, read_seal
from ingest.embed import Vectors
from ingest.types import Passage, Source
from ingest.vectors import ExactIndex, LiveIndex
from settings import CODE

DIMENSIONS = 16
SEALED = 600  # vectors in the home that tests take copies of
MARKER = "Zibeltabelle"  # a word of the documents


def unit(seed: object, dimensions: int = DIMENSIONS) -> Vectors:
    numbers = np.random.default_rng(zlib.crc32(str(seed).encode())).normal(size=dimensions).astype(np.float32)
    return np.asarray(numbers / np.linalg.norm(numbers), np.float32)


def store(catalog: Catalog, names: list[str], path: str = "", made: Mapping[str, Vectors] | None = None) -> list[str]:
    """One source with a passage per name, their vectors random but for those that are `made`; the keys."""
    path = path or f"{names[0]}.txt"
    passages = [
        NewPassage(Passage(f"{path}#{n}", path, n, f"{name} {MARKER}", (), "paragraph", None, None, (), 2, "en"), name)
        for n, name in enumerate(names)
    ]
    known = catalog.known_vectors(new.vector_key for new in passages)
    made = made or {name: unit(name) for name in names}
    fresh = {new.vector_key: made[new.embedded_text] for new in passages if new.vector_key not in known}
    source = Source("/library", path, 1, 1, path, "indexed", passages=len(names))
    catalog.store(source, passages, fresh)
    return [new.vector_key for new in passages]


def remove(catalog: Catalog, *paths: str) -> None:
    catalog.settle(removals=[source for source in catalog.sources() if source.path in paths])


def all_vectors(catalog: Catalog) -> dict[str, Vectors]:
    return dict(catalog.vectors(sorted(catalog.vector_keys())))


def nearest(catalog: Catalog, query: Vectors, k: int) -> list[str]:
    """By the definition."""
    cosines = {key: float(vector @ query) for key, vector in all_vectors(catalog).items()}
    return sorted(cosines, key=lambda key: -cosines[key])[:k]


def found(index: vectors.VectorIndex, query: Vectors, k: int) -> list[str]:
    return [key for key, _ in index.search(query, k)]


def folder_of(index: Path) -> Path:
    seal = read_seal(index)
    assert seal is not None
    return index / seal.folder


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index folder whose catalogue and Chroma folder have the same vectors."""
    index = tmp_path_factory.mktemp("sealed") / "index"
    catalog = Catalog(index)
    for start in range(0, SEALED, 20):
        store(catalog, [f"old {n}" for n in range(start, start + 20)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "SMALL", 0)
        LiveIndex(index, catalog).update()
    catalog.close()
    return index


@pytest.fixture
def index(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "index"))


@pytest.fixture
def catalog(index: Path) -> Iterator[Catalog]:
    opened = Catalog(index)
    yield opened
    opened.close()


@pytest.fixture
def live(index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveIndex]:
    """In a library that counts as a large one."""
    monkeypatch.setattr(vectors, "SMALL", 0)
    monkeypatch.setattr(vectors, "_TURN", 1)
    opened = LiveIndex(index, catalog)
    yield opened
    opened.close()


@pytest.fixture
def no_chroma(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma, "_client", lambda folder: pytest.fail(f"{folder} was opened"))


# --- what is found


def test_chroma_finds_what_exact_search_finds(live: LiveIndex, catalog: Catalog) -> None:
    assert live.name == "chroma"
    exact = ExactIndex(catalog)
    for n in range(10):
        ours, theirs = live.search(unit(n), 10), exact.search(unit(n), 10)
        assert [key for key, _ in ours] == [key for key, _ in theirs] == nearest(catalog, unit(n), 10)
        np.testing.assert_allclose([c for _, c in ours], [c for _, c in theirs], atol=1e-5)


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 30)),
        st.tuples(st.just("remove"), st.integers(0, 60)),
        st.tuples(st.just("edit"), st.integers(0, 60)),
        st.tuples(st.just("undo"), st.integers(0, 60)),
        st.tuples(st.just("other embedder"), st.sampled_from([DIMENSIONS, 8])),
        st.tuples(st.just("restore"), st.just(0)),
        st.tuples(st.just("search"), st.integers(1, 40)),
    ),
    max_size=12,
)


def change(catalog: Catalog, what: str, number: int, backup: Path, step: int) -> None:
    sources = catalog.sources()
    chosen = sources[number % len(sources)].path if sources else "none.txt"
    dimensions = len(next(iter(all_vectors(catalog).values()), unit(0)))
    names, path = [f"{what} {step} {n}" for n in range(number)], ""
    if what == "remove":
        return remove(catalog, chosen)
    if what == "restore":
        return catalog.restore(backup)
    if what == "edit":
        names, path = [f"edited {step} {n}" for n in range(10)], chosen
    elif what == "undo":  # the same texts as at first: their keys come again
        names = [f"old {n}" for n in range(20 * (number % 30), 20 * (number % 30) + 20)]
    elif what == "other embedder":  # the same keys with other values
        catalog.forget_vectors()
        names, dimensions = [f"old {n}" for n in range(50)], number
    store(catalog, names, path, {name: unit(f"{name} {step}", dimensions) for name in names})
    return None


@pytest.mark.parametrize("serves", ["chroma", "exact"])
@given(changes=CHANGES)
@example(changes=[("other embedder", 8), ("search", 1), ("remove", 0)])
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_after_any_changes_the_nearest_of_the_current_vectors_are_found(
    sealed: Path, tmp_path: Path, serves: str, changes: list[tuple[str, int]]
) -> None:
    index = tmp_path / f"{serves} {time.monotonic_ns()}"
    shutil.copytree(sealed, index)
    catalog = Catalog(index)
    catalog.backup(index / "backup")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "SMALL", 0 if serves == "chroma" else 10**9)
        live = LiveIndex(index, catalog)
        assert live.name == serves
        found(live, unit("first"), 3)
        for step, (what, number) in enumerate([*changes, ("search", 5)]):
            if what != "search":
                change(catalog, what, number, index / "backup", step)
            else:
                stored = next(iter(all_vectors(catalog).values()), unit(0))
                query = unit(f"query {step}", len(stored))
                assert found(live, query, number) == nearest(catalog, query, number)
        live.close()
    catalog.close()
    shutil.rmtree(index)


def test_as_many_are_found_as_are_asked_for_when_the_nearest_were_deleted(live: LiveIndex, catalog: Catalog) -> None:
    query = unit("old 7")
    for _ in range(10):
        worst = nearest(catalog, query, 1)[0]
        path = next(catalog.passages([row])[row].path for row, _ in catalog.rows_of_vectors([worst]))
        remove(catalog, path)
        assert found(live, query, 20) == nearest(catalog, query, 20)
    assert live.name == "chroma"


def test_what_comes_is_read_once_and_nothing_else_again(
    live: LiveIndex, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    plain = Catalog.vectors_after

    def counted(self: Catalog, number: int, limit: int = -1) -> tuple[list[str], Vectors, int]:
        nonlocal read
        keys, matrix, last = plain(self, number, limit)
        read += len(keys)
        return keys, matrix, last

    monkeypatch.setattr(Catalog, "vectors_after", counted)
    exact = ExactIndex(catalog)
    exact.search(unit(0), 5)
    live.search(unit(0), 5)
    assert read == SEALED  # by the exact one
    for n in range(30):
        (key,) = store(catalog, [f"new {n}"])
        assert found(live, unit(f"new {n}"), 1) == found(exact, unit(f"new {n}"), 1) == [key]
    assert read == SEALED + 2 * 30


def test_a_query_of_another_length_is_an_error_that_says_so(live: LiveIndex, catalog: Catalog) -> None:
    with pytest.raises(VectorIndexError, match=r"8 numbers.* 16"):
        ExactIndex(catalog).search(unit(0, 8), 5)
    with pytest.raises(VectorIndexError):
        live.search(unit(0, 8), 5)


def test_an_empty_catalogue_is_searched_without_error(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "empty")
    live = LiveIndex(tmp_path / "empty", catalog)
    live.update()
    assert live.search(unit(0), 5) == []
    assert live.name == "exact"
    assert live.problems(read_data=True) == []
    assert not list((tmp_path / "empty").glob("chroma*"))
    live.close()
    catalog.close()


@pytest.mark.usefixtures("no_chroma")
def test_a_small_library_needs_no_chroma(index: Path, catalog: Catalog) -> None:
    live = LiveIndex(index, catalog)
    assert live.name == "exact"
    assert found(live, unit(0), 5) == nearest(catalog, unit(0), 5)
    live.update()
    assert not list(index.glob("chroma*"))


def test_very_many_vectors_are_searched_without_chroma(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, no_chroma: None
) -> None:
    monkeypatch.setattr(vectors, "MOST", SEALED - 1)
    with closing(LiveIndex(index, catalog)) as live:
        live.update()
        assert live.name == "matrix"
        assert not list(index.glob("chroma*"))
        for n in range(5):
            assert found(live, unit(f"q{n}"), 12) == nearest(catalog, unit(f"q{n}"), 12)


def test_searches_beside_an_index_run_are_right_at_their_moment(live: LiveIndex, catalog: Catalog) -> None:
    (stays,) = store(catalog, ["stays"])
    ended, wrong = threading.Event(), list[str]()

    def search() -> None:
        while not ended.is_set():
            keys = found(live, unit("stays"), 10)
            if len(keys) != 10 or keys[0] != stays or len(set(keys)) != 10:
                wrong.append(f"{len(keys)} keys, the first {keys[:1]}")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(60):
            store(catalog, [f"beside {n} {i}" for i in range(10)], f"{n % 7}.txt")
            remove(catalog, f"old {20 * (n % 25)}.txt")
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert found(live, unit(3), 10) == nearest(catalog, unit(3), 10)


# --- only what was sealed is opened


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes() or b"\0")
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def truncate(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, size // 2 if size else 1)


DAMAGES = {"a flipped bit": flip, "half of it": truncate, "none of it": Path.unlink}


@pytest.mark.usefixtures("no_chroma")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_with_a_damaged_file_is_never_opened(
    sealed: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    files = [path.relative_to(sealed) for path in folder_of(sealed).rglob("*") if path.is_file()]
    assert len(files) >= 5
    for n, file in enumerate([*files, Path("chroma.seal")]):
        index = tmp_path / str(n)
        shutil.copytree(sealed, index)
        catalog = Catalog(index)
        DAMAGES[damage](index / file)
        live = LiveIndex(index, catalog)
        assert found(live, unit(n), 5) == nearest(catalog, unit(n), 5)
        assert live.name == "exact"
        catalog.close()


def test_a_lazy_index_opens_chroma_beside_the_second_question(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    opened, may_open = [], threading.Event()

    def open_chroma(*given: Any) -> ChromaIndex:
        opened.append(1)
        assert may_open.wait(20)
        return ChromaIndex(*given)

    monkeypatch.setattr(vectors, "ChromaIndex", open_chroma)
    with closing(LiveIndex(index, catalog, lazy=True)) as lazy:
        assert lazy.name == "chroma"
        for _ in range(2):
            assert found(lazy, unit("first"), 5) == nearest(catalog, unit("first"), 5)
        assert opened == []
        for question in ("second", "third", "first"):
            assert found(lazy, unit(question), 5) == nearest(catalog, unit(question), 5)
        assert lazy._chroma is None
        may_open.set()
        assert lazy._opening is not None
        lazy._opening[1].result(20)
        for question in ("second", "third", "first"):
            assert found(lazy, unit(question), 5) == nearest(catalog, unit(question), 5)
        assert lazy._chroma is not None
        assert opened == [1]


@pytest.mark.parametrize("end", ["close", "update"])
def test_a_folder_that_is_being_opened_is_closed_before_it_goes(
    end: str, index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    closed: list[ChromaIndex] = []
    close = ChromaIndex.close
    monkeypatch.setattr(ChromaIndex, "close", lambda self: closed.append(self) or close(self))
    with closing(LiveIndex(index, catalog, lazy=True)) as lazy:
        lazy.search(unit("first"), 5)
        lazy.search(unit("second"), 5)
        assert lazy._opening is not None
        opened = lazy._opening[1]
        store(catalog, [f"many {n}" for n in range(300)])
        getattr(lazy, end)()
        assert closed == [opened.result(0)]
        for _ in range(100):
            assert found(lazy, unit("many 7"), 1) == nearest(catalog, unit("many 7"), 1)
            if lazy._chroma is not None:
                break
            time.sleep(0.1)
        assert lazy._chroma is not None


def test_a_damaged_folder_is_not_opened_again_beside_questions(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    flip(folder_of(index) / "chroma.sqlite3")
    with closing(LiveIndex(index, catalog, lazy=True)) as lazy:
        for _ in range(100):
            for question in ("first", "second"):
                assert found(lazy, unit(question), 5) == nearest(catalog, unit(question), 5)
            if lazy.name == "exact":
                break
            time.sleep(0.1)
        assert lazy.name == "exact"
        assert read_seal(index) is None


def test_of_passages_that_say_the_same_others_are_found_too(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MOST", SEALED - 1)
    for n in range(40):
        store(catalog, ["the same"], f"copy {n}")
    with closing(LiveIndex(index, catalog)) as live:
        for k in (1, 7, SEALED, SEALED + 50):
            assert found(live, unit("the same"), k) == nearest(catalog, unit("the same"), k)


def test_the_same_folder_is_opened_when_nothing_is_damaged(live: LiveIndex, no_chroma: None) -> None:
    with pytest.raises(pytest.fail.Exception, match="was opened"):
        live.search(unit(0), 5)


@pytest.mark.usefixtures("no_chroma")
@pytest.mark.parametrize("damage", ["a file more", "seal of another folder", "seal without its checksum", "no folder"])
def test_a_folder_that_is_not_the_sealed_one_is_never_opened(
    index: Path, catalog: Catalog, live: LiveIndex, damage: str
) -> None:
    folder, seal = folder_of(index), index / "chroma.seal"
    if damage == "a file more":
        (folder / "garbage.pickle").write_bytes(b"cos\nsystem\n")
    elif damage == "seal of another folder":
        folder.rename(index.parent / "elsewhere")
        seal.write_text(seal.read_text().replace(folder.name, "../elsewhere"))
    elif damage == "seal without its checksum":
        written = json.loads(seal.read_text())
        seal.write_text(json.dumps({"seal": written["seal"] | {"number": 1}, "checksum": written["checksum"]}))
    else:
        folder.rename(index / "chroma.old")
    assert live.name == "exact"
    assert found(live, unit(0), 5) == nearest(catalog, unit(0), 5)
    assert live.problems(read_data=True) == []


def test_damage_is_said_by_verify_and_mended_by_the_next_update(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    assert live.problems(read_data=True) == []
    flip(next(folder_of(index).rglob("data_level0.bin")))
    assert live.name == "chroma"  # the sizes are right
    (problem,) = live.problems()
    assert "not as they were written" in problem
    live.update()
    assert live.problems(read_data=True) == []
    assert live.name == "chroma"


def test_verify_finds_vectors_that_are_not_the_catalogues(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    with catalog.transaction() as write:
        write.execute("UPDATE vectors SET value = ? WHERE number = 5", (unit("changed").tobytes(),))
    assert live.problems() == []
    (problem,) = live.problems(read_data=True)
    assert "1 vectors" in problem


def test_verify_finds_vectors_that_chroma_lacks(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    seal = read_seal(index)
    assert seal is not None
    with catalog.transaction() as write:
        write.execute("INSERT INTO vectors VALUES ('late', ?, 5, '')", (unit("late").tobytes(),))
    (problem,) = live.problems()
    assert "1 too few" in problem


def test_searching_changes_no_byte_of_what_was_sealed(index: Path, live: LiveIndex) -> None:
    before = {path: path.read_bytes() for path in folder_of(index).rglob("*") if path.is_file()}
    live.search(unit(0), 50)
    live.close()
    assert {path: path.read_bytes() for path in folder_of(index).rglob("*") if path.is_file()} == before


# --- updates


def test_an_update_waits_until_there_is_much_to_do(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    first = folder_of(index)
    store(catalog, [f"few {n}" for n in range(256)])
    live.update()
    assert folder_of(index) == first
    store(catalog, ["one more"])
    live.search(unit(0), 5)  # with the old folder open
    live.update()
    assert folder_of(index) != first
    assert not first.exists()
    assert live.problems(read_data=True) == []
    for n in range(5):
        assert found(live, unit(n), 10) == nearest(catalog, unit(n), 10)


def drafts(index: Path) -> set[Path]:
    """Folders that are being written, or were."""
    return set(index.glob("chroma-*"))


def written_for(live: LiveIndex) -> Draft:
    assert live._draft is not None
    live._draft._taking.result(20)
    return live._draft._draft.result()


def test_an_update_goes_on_with_what_was_prepared(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    store(catalog, [f"many {n}" for n in range(300)])
    live.prepare()
    draft = written_for(live)
    assert draft.count == SEALED + 300
    store(catalog, [f"more {n}" for n in range(20)], "more.txt")
    live.prepare()
    assert written_for(live) is draft
    assert draft.count == SEALED + 320
    store(catalog, ["the last"], "last.txt")
    live.update()
    assert folder_of(index) == draft._folder
    assert live._draft is None
    assert draft._helper._process.returncode == 0
    assert live.problems(read_data=True) == []
    assert nearest(catalog, unit("the last"), 1) == found(live, unit("the last"), 1)


def test_what_was_prepared_with_vectors_that_are_gone_is_not_used(
    index: Path, catalog: Catalog, live: LiveIndex
) -> None:
    gone = unit("gone 7").tobytes()
    store(catalog, [f"gone {n}" for n in range(20)], "gone.txt")
    store(catalog, [f"many {n}" for n in range(300)])
    live.prepare()
    draft = written_for(live)
    remove(catalog, "gone.txt")
    live.update()
    assert folder_of(index) != draft._folder
    assert drafts(index) == {folder_of(index)}
    assert gone not in b"".join(path.read_bytes() for path in index.rglob("chroma*/**/*") if path.is_file())
    assert live.problems(read_data=True) == []


def test_what_is_prepared_fails_without_harm(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    store(catalog, [f"many {n}" for n in range(300)])
    live.prepare()
    draft = written_for(live)
    draft._helper._process.kill()
    draft._helper._process.wait()
    store(catalog, [f"more {n}" for n in range(300)], "more.txt")
    live.prepare()
    live.update()
    assert folder_of(index) != draft._folder
    assert drafts(index) == {folder_of(index)}
    assert live.problems(read_data=True) == []


def test_little_that_is_new_waits_for_more(catalog: Catalog, live: LiveIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_TURN", 300)
    store(catalog, [f"many {n}" for n in range(300)])
    live.prepare()
    assert written_for(live).count == SEALED + 300
    store(catalog, [f"more {n}" for n in range(299)], "more.txt")
    live.prepare()
    assert written_for(live).count == SEALED + 300
    store(catalog, ["the last"], "last.txt")
    live.prepare()
    assert written_for(live).count == SEALED + 600
    live.update()
    assert live.problems(read_data=True) == []


def test_nothing_is_prepared_where_little_is_to_do(catalog: Catalog, live: LiveIndex) -> None:
    store(catalog, ["one more"])
    live.prepare()
    assert live._draft is None


def test_nothing_is_prepared_for_more_vectors_than_chroma_is_given(catalog: Catalog, live: LiveIndex) -> None:
    store(catalog, [f"many {n}" for n in range(300)])
    live.prepare(vectors.MOST)
    assert live._draft is None


def test_nothing_is_prepared_while_only_a_guess_says_that_there_will_be_enough(
    catalog: Catalog, live: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(catalog, [f"many {n}" for n in range(300)])
    monkeypatch.setattr(vectors, "SMALL", catalog.count_vectors())
    live.prepare(vectors.SMALL)
    assert live._draft is None
    store(catalog, ["one more"], "more.txt")
    live.prepare()
    assert live._draft is not None


@pytest.mark.parametrize("end", ["unprepare", "close", "update"])
def test_what_was_prepared_and_not_needed_ends(end: str, index: Path, catalog: Catalog, live: LiveIndex) -> None:
    before = folder_of(index)
    store(catalog, [f"many {n}" for n in range(300)], "many.txt")
    live.prepare()
    draft = written_for(live)
    remove(catalog, "many.txt")
    getattr(live, end)()
    assert draft._helper._process.returncode is not None
    assert drafts(index) == {before}


def test_deleted_vectors_leave_the_disk_with_the_next_update(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    gone = unit("old 0").tobytes()

    def bytes_of_chroma() -> bytes:
        return b"".join(path.read_bytes() for path in index.rglob("chroma*/**/*") if path.is_file())

    assert gone in bytes_of_chroma()
    remove(catalog, *(f"old {n}.txt" for n in range(0, 280, 20)))
    live.update()
    assert gone not in bytes_of_chroma()
    assert live.problems(read_data=True) == []


def test_chroma_goes_with_the_last_vector(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    remove(catalog, *(source.path for source in catalog.sources()))
    live.update()
    assert not list(index.glob("chroma*"))


def test_nothing_of_another_catalogue_is_used(index: Path, catalog: Catalog, live: LiveIndex) -> None:
    catalog.backup(index / "backup")
    catalog.restore(index / "backup")
    assert live.name == "exact"
    first = folder_of(index)
    live.update()
    assert live.name == "chroma"
    assert folder_of(index) != first
    assert found(live, unit(0), 5) == nearest(catalog, unit(0), 5)


def test_leftovers_are_removed(index: Path, live: LiveIndex) -> None:
    for name in ("chroma", "chroma.old", "chroma-0123456789abcdef"):
        (index / name).mkdir()
        (index / name / "chroma.sqlite3").touch()
    (index / "chroma.seal.new").touch()
    live.update()
    assert {path.name for path in index.glob("chroma*")} == {"chroma.seal", folder_of(index).name}


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("import sys; sys.stdin.buffer.readline(); raise SystemExit('no such table: collections')", "no such table"),
        ("import time; time.sleep(60)", "took too long"),
    ],
)
def test_a_helper_that_fails_is_a_message_and_search_goes_on(
    index: Path, catalog: Catalog, live: LiveIndex, does: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = folder_of(index)
    store(catalog, [f"many {n}" for n in range(300)])
    code = index.parent / "code"
    (code / "ingest").mkdir(parents=True)
    (code / "ingest" / "__init__.py").touch()
    (code / "ingest" / "chroma.py").write_text(does)
    monkeypatch.setattr(confine, "CODE", code)
    monkeypatch.setattr(chroma, "_PATIENCE", 2.0)
    with pytest.raises(VectorIndexError, match=said):
        live.update()
    assert folder_of(index) == first
    assert not [path for path in index.glob("chroma-*") if path != first]
    assert live.name == "chroma"
    assert found(live, unit(0), 10) == nearest(catalog, unit(0), 10)


def test_a_full_disk_is_a_message(
    index: Path, catalog: Catalog, live: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(catalog, [f"many {n}" for n in range(300)])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(VectorIndexError, match="No space left"):
        live.update()
    assert found(live, unit(0), 10) == nearest(catalog, unit(0), 10)


def test_no_text_is_in_chromas_files_and_they_are_the_owners_only(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    memory = [MARKER * 1000 for _ in range(100)]
    catalog = Catalog(shutil.copytree(sealed, tmp_path / "index", ignore=shutil.ignore_patterns("chroma*")))
    assert MARKER in catalog.passage("old 0.txt#0").text
    del memory
    LiveIndex(catalog.folder, catalog).update()
    catalog.close()
    paths = [catalog.folder / "chroma.seal", folder_of(catalog.folder), *folder_of(catalog.folder).rglob("*")]
    assert MARKER.encode() in (catalog.folder / "catalog.db").read_bytes()
    for path in paths:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
        assert path.is_dir() or MARKER.encode() not in path.read_bytes(), path
    assert len(paths) > 6


# --- killed

WRITER = """
import sys
from pathlib import Path
from ingest.catalog import Catalog
from ingest.vectors import LiveIndex
from tests.ingest.test_vectors import remove, store

index, seed = Path(sys.argv[1]), sys.argv[2]
catalog = Catalog(index)
live = LiveIndex(index, catalog)
for n in range(100):
    store(catalog, [f"{seed} {n} {i}" for i in range(300)])
    if n % 2:
        remove(catalog, f"{seed} {n - 1} 0.txt")
    print("update", flush=True)
    live.update()
"""


def descendants(index: Path) -> list[psutil.Process]:
    """Helpers that write below this folder."""
    alive = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "ingest.chroma" in words and any(word.startswith(str(index)) for word in words):
            alive.append(process)
    return alive


def kill_while_updating(index: Path, seed: int, whom: str) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(index), str(seed)], cwd=CODE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == b"update\n"
        time.sleep(random.uniform(0, 4))
        if whom == "helper":
            for helper in descendants(index):
                helper.kill()
            time.sleep(0.2)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    psutil.wait_procs(descendants(index), 60)  # one that is just importing ends when it would read


KILLS = 40 if os.environ.get("CITA_LONG") else 6


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a helper ends when its input does")
def test_killed_at_any_moment_search_is_right_and_the_next_update_mends_it(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    served = []
    for kill in range(KILLS):
        kill_while_updating(index, kill, ("engine", "helper")[kill % 2])
        assert descendants(index) == []
        catalog = Catalog(index)
        live = LiveIndex(index, catalog)
        served.append(live.name)
        assert live.problems(read_data=True) == []
        assert found(live, unit(kill), 10) == nearest(catalog, unit(kill), 10)
        if kill % 5 == 4:
            live.update()
            assert {path.name for path in index.glob("chroma*")} == {"chroma.seal", folder_of(index).name}
            assert found(live, unit(kill), 10) == nearest(catalog, unit(kill), 10)
            remove(catalog, *[source.path for source in catalog.sources()][100:])
        live.close()
        catalog.close()
    assert "chroma" in served  # the old folder, mostly


@pytest.mark.slow
def test_chroma_finds_nearly_all_of_the_nearest_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "SMALL", 0)
    catalog = Catalog(tmp_path / "index")
    random_numbers = np.random.default_rng(4)
    centres = random_numbers.normal(size=(50, 384))
    names = [f"p{n}" for n in range(5000)]
    points = centres[random_numbers.integers(50, size=5000)] + 0.7 * random_numbers.normal(size=(5000, 384))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    store(catalog, names, made=dict(zip(names, points.astype(np.float32), strict=True)))
    live, exact = LiveIndex(tmp_path / "index", catalog), ExactIndex(catalog)
    live.update()
    assert live.name == "chroma"
    queries = [vector for _, vector in catalog.vectors(sorted(catalog.vector_keys())[:50])]
    shared = [len({*found(live, query, 100)} & {*found(exact, query, 100)}) for query in queries]
    assert np.mean(shared) >= 95
    live.close()
    catalog.close()


def test_chroma_index_refuses_a_folder_that_is_not_as_it_was_sealed(index: Path, no_chroma: None) -> None:
    seal = read_seal(index)
    assert seal is not None
    flip(folder_of(index) / "chroma.sqlite3")
    with pytest.raises(VectorIndexError, match="not as they were written"):
        ChromaIndex(index, seal)
