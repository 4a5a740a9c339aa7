"""The nearest passages by the matrix are those that a comparison of all of them gives, within a filter or without, from
its files, with old ones, with damaged ones, and without any."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from errors import VectorIndexError
from ingest import matrix, segments
from ingest.arrays import ArraysDamagedError, Docs, Owner
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Vectors
from ingest.matrix import Matrices
from ingest.types import Passage, Source
from tests.ingest.conftest import with_flipped_bits
from tests.ingest.test_vectors import remove, store, unit

COUNT = 300


pytestmark = pytest.mark.usefixtures("files_of_anything")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Every third passage has the vector of the one before it: the same text in another file."""
    found = Catalog(tmp_path_factory.mktemp("catalog"))
    for n in range(COUNT):
        text = str(n - 1 if n % 3 == 2 else n)
        passage = Passage(f"p{n}", f"{n}.txt", 0, text, (), "paragraph", None, None, (), 1, "en")
        new = NewPassage(passage, text)
        fresh = {} if n % 3 == 2 else {new.vector_key: unit(text)}
        found.store(Source("/library", f"{n}.txt", 1, 1, str(n), "indexed", passages=1), [new], fresh)
    yield found
    found.close()


def by_definition(catalog: Catalog, query: Vectors, k: int, rows: set[int] | None = None) -> list[tuple[int, float]]:
    """From the tables."""
    query_all = "SELECT p.row, v.value FROM passages p JOIN vectors v ON v.key = p.vector"
    with catalog._db.connection() as connection:
        found = {row: np.frombuffer(value, np.float32) for row, value in connection.execute(query_all)}
    cosines = {row: float(vector @ query) for row, vector in found.items() if rows is None or row in rows}
    return sorted(cosines.items(), key=lambda item: (-round(item[1], 5), item[0]))[:k]


def assert_nearest(catalog: Catalog, query: Vectors, k: int = 10, rows: set[int] | None = None) -> None:
    wanted = None if rows is None else np.array(sorted(rows), np.int64)
    found, expected = catalog.nearest(query, k, wanted), by_definition(catalog, query, k, rows)
    assert list(found.values()) == pytest.approx([cosine for _, cosine in expected], abs=1e-5)
    assert rows is None or found.keys() <= rows
    exact = dict(by_definition(catalog, query, 10_000, rows))
    assert all(cosine == pytest.approx(exact[row], abs=1e-5) for row, cosine in found.items())


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("vectors-*"))


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("vectors are read that are in a file")

    monkeypatch.setattr(Matrices, "build", refuse)


@limits(max_examples=60)
@given(
    seed=st.integers(0, 10_000), k=st.integers(1, 40),
    rows=st.none() | st.sets(st.integers(1, COUNT + 5), min_size=1), not_made=st.booleans(),
)  # fmt: skip
def test_they_are_those_that_a_comparison_of_all_gives(
    library: Catalog, seed: int, k: int, rows: set[int] | None, not_made: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not_made:
            patch.setattr(library.matrix, "view", lambda: None)
            patch.setattr("ingest.catalog._PORTION", 70)
        assert_nearest(library, unit(f"query {seed}"), k, rows)


def test_a_filter_asked_for_again_is_that_of_the_same_passages(library: Catalog) -> None:
    some, others = set(range(1, 200)), set(range(100, COUNT))
    for _ in range(2):
        assert_nearest(library, unit("again"), rows=some)
        assert_nearest(library, unit("again"), rows=others)


def made_up(count: int, dimensions: int, seed: int = 0) -> Vectors:
    """As of documents: about some hundred subjects."""
    chance = np.random.default_rng(seed)
    subjects = chance.standard_normal((100, dimensions)).astype(np.float32)
    noise = chance.standard_normal((count, dimensions)).astype(np.float32)
    found: Vectors = subjects[chance.integers(100, size=count)] + 0.7 * noise
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


@pytest.mark.parametrize("dimensions", [384, 100])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_of_many_nearly_all_of_the_nearest_are_found(dimensions: int, share: float) -> None:
    vectors = made_up(40_000, dimensions)
    whole = matrix.build([Owner(1, "x", range(1, len(vectors) + 1))], vectors)
    docs = np.flatnonzero(np.random.default_rng(1).random(len(vectors)) < share).astype(np.int32)
    right = 0
    for query in made_up(20, dimensions, seed=0):
        found, cosines = whole.nearest(query, 10, None if share == 1 else docs, 600)
        assert cosines == pytest.approx(vectors[found] @ query, abs=1e-5)
        assert set(found.tolist()) <= set(docs.tolist())
        right += len({*found.tolist()} & {*docs[np.argsort(-(vectors[docs] @ query))[:10]].tolist()})
    assert right >= 0.97 * 200


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_in_several_files_as_many_are_compared_as_in_one(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "COMPARED", 500)
    monkeypatch.setattr(matrix, "SHARE", 1_000)
    vectors = made_up(20_000, 64)
    owners = [Owner(n, "x", range(1000 * n, 1000 * n + 1000)) for n in range(20)]
    parts = [(matrix.build([owner], vectors[1000 * n : 1000 * n + 1000]), None) for n, owner in enumerate(owners)]
    rows = np.flatnonzero(np.random.default_rng(1).random(20_000) < share)
    compared: list[int] = []
    at = matrix.Matrix.at

    def counted(self: matrix.Matrix, docs: Docs) -> Vectors:
        compared.append(len(docs))
        return at(self, docs)

    monkeypatch.setattr(matrix.Matrix, "at", counted)
    wanted = int(rows[3])
    found = matrix.nearest(parts, vectors[wanted], 20, None if share == 1 else rows)
    assert next(iter(found)) == wanted
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert 500 <= sum(compared) <= 1_000


def test_as_many_are_found_as_are_asked_for() -> None:
    vectors = made_up(1_000, 64)
    whole = matrix.build([Owner(1, "x", range(1, 1_001))], vectors)
    for k in (1, 7, 500, 1_000, 2_000):
        assert len(set(whole.nearest(vectors[3], k, compared=5)[0].tolist())) == min(k, 1_000)


def test_a_query_of_another_length_is_an_error_that_says_so(library: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VectorIndexError, match="has 7 numbers"):
        library.nearest(unit("q", 7), 3)
    monkeypatch.setattr(library.matrix, "view", lambda: None)
    with pytest.raises(VectorIndexError, match="has 7 numbers"):
        library.nearest(unit("q", 7), 3, np.arange(1, 10))


def test_an_empty_catalogue_has_none(catalog: Catalog) -> None:
    assert catalog.nearest(unit("q"), 3) == {}


def test_vectors_of_rows_are_those_of_the_tables(library: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    found = library.vectors_of_rows([7, 3, COUNT + 9])
    assert {row: vector.tolist() for row, vector in found.items()} == {
        7: unit("6").tolist(),
        3: unit("1").tolist(),
    }
    monkeypatch.setattr(library.matrix, "view", lambda: None)
    assert library.vectors_of_rows([7, 3, COUNT + 9]).keys() == found.keys()


# --- files


def test_what_is_in_a_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Catalog(tmp_path)) as catalog:
        store(catalog, [f"n{n}" for n in range(20)], "a")
        catalog.note_run({})
    forbid_reading(monkeypatch)
    with closing(Catalog(tmp_path)) as catalog:
        assert_nearest(catalog, unit("q"))


def test_vectors_of_another_embedder_are_not_used(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path)) as catalog:
        store(catalog, ["one"], "a")
        catalog.note_run({})
        lineage = catalog.lineage
        catalog.forget_vectors()
        catalog.set_fact("embedder", "another")
        store(catalog, ["one"], "a", {"one": -unit("one")})
        assert catalog.lineage == lineage
        assert list(catalog.nearest(unit("one"), 1).values()) == pytest.approx([-1.0], abs=1e-5)


def test_vectors_of_another_catalogue_are_not_used(tmp_path: Path) -> None:
    for sign in (1, -1):
        with closing(Catalog(tmp_path)) as catalog:
            store(catalog, ["one"], "a", {"one": sign * unit("one")})
            catalog.note_run({})
            assert list(catalog.nearest(unit("one"), 1).values()) == pytest.approx([sign], abs=1e-5)
            catalog.close()
            catalog.discard()


def test_a_damaged_file_is_replaced_and_nothing_is_missed(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path)) as catalog:
        for path in range(10):
            store(catalog, [f"{path} {n}" for n in range(3)], f"{path}")
        catalog.note_run({})
    (file,) = files(tmp_path)
    for _ in with_flipped_bits(file, "vectors-*"):
        with closing(Catalog(tmp_path)) as catalog:
            assert_nearest(catalog, unit("q"), 40)
            catalog.note_run({})
            assert_nearest(catalog, unit("q"), 40)
        assert len(files(tmp_path)) == 1


def test_every_damaged_vector_is_found_out(tmp_path: Path) -> None:
    made = matrix.build([Owner(1, "x", range(1, 51))], made_up(50, 64))
    chance = random.Random(4)
    for _ in range(200):
        file = matrix.write(made, tmp_path).file
        assert file is not None
        data = bytearray(file.read_bytes())
        data[len(data) - 1 - chance.randrange(50 * 64 * 4)] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        with pytest.raises(ArraysDamagedError):
            matrix.open_file(file).nearest(unit("q", 64), 50)
        file.unlink()


def test_what_was_deleted_leaves_the_files(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path)) as catalog:
        store(catalog, ["gone"], "gone")
        store(catalog, ["kept"], "kept")
        catalog.note_run({})
        assert any(unit("gone").tobytes() in file.read_bytes() for file in files(tmp_path))
        remove(catalog, "gone")
        catalog.scrub()
        assert not any(unit("gone").tobytes() in file.read_bytes() for file in files(tmp_path))
        assert any(unit("kept").tobytes() in file.read_bytes() for file in files(tmp_path))


def test_large_files_are_not_merged_any_more(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Matrices, "largest", 10)
    for number in range(40):
        store(catalog, [f"{number}"], f"{number}")
        catalog.note_run({})
        assert_nearest(catalog, unit("q"), 50)
    view = catalog.matrix.view()
    assert view is not None
    assert max(len(part) for part, _ in view.parts) <= 10
    assert len(view.parts) < 15


def test_very_many_new_ones_are_not_held_in_memory_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Matrices, "largest", 10)
    monkeypatch.setattr(segments, "PORTION", 3)
    with closing(Catalog(tmp_path, "other.db")) as catalog:  # one that has no files
        for number in range(40):
            store(catalog, [f"{number}"], f"{number}")
    (tmp_path / "other.db").rename(tmp_path / "catalog.db")
    with closing(Catalog(tmp_path)) as catalog:
        catalog.matrix.save()
        view = catalog.matrix.view()
        assert view is not None
        assert sum(len(part) for part, _ in view.parts) == 40
        assert max(len(part) for part, _ in view.parts) <= 10
        assert all(part.file for part, _ in view.parts)
        assert_nearest(catalog, unit("q"), 50)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_the_nearest_of_the_current_passages_are_found(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    paths: set[str] = set()
    catalog = Catalog(tmp_path)
    for step in range(80):
        match chance.choice(["store", "store", "remove", "save", "scrub", "reopen", "search"]):
            case "store":
                path = f"{chance.randrange(12)}"
                store(catalog, [f"{path} {chance.randrange(9)}" for _ in range(chance.randrange(1, 5))], path)
                paths.add(path)
            case "remove" if paths:
                remove(catalog, paths.pop())
            case "save":
                catalog.note_run({})
            case "scrub":
                catalog.scrub()
            case "reopen":
                catalog.close()
                catalog = Catalog(tmp_path)
            case "search":
                rows = {row for row, _ in by_definition(catalog, unit("q"), 100)}
                some = {row for row in rows if chance.random() < 0.5} or None
                assert_nearest(catalog, unit(step), 5, some)
    catalog.close()


def test_a_snapshot_is_searched_as_it_was(catalog: Catalog) -> None:
    store(catalog, ["one"], "a")
    with catalog.snapshot():
        assert len(catalog.nearest(unit("q"), 5)) == 1
        store(catalog, ["two"], "b")
        assert len(catalog.nearest(unit("q"), 5)) == 1
    assert len(catalog.nearest(unit("q"), 5)) == 2
