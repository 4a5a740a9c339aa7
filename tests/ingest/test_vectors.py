"""The nearest-neighbour index: Chroma when its seal is good, the catalogue when not, and never a wrong answer."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.catalog import Catalog, NewPassage
from ingest.embed import Vectors
from ingest.types import Passage, Source
from ingest.vectors import ChromaIndex, ExactIndex, chroma_problems, open_vector_index, update_chroma

RNG = np.random.default_rng(5)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def catalog(index: Path) -> Iterator[Catalog]:
    found = Catalog(index)
    for n in range(40):
        add(found, n)
    yield found
    found.close()


def add(catalog: Catalog, n: int) -> Vectors:
    vector = RNG.normal(size=16).astype(np.float32)
    vector /= np.linalg.norm(vector)
    new = NewPassage(Passage(f"p{n}", f"{n}.txt", 0, f"text {n}", (), "paragraph", None, None, (), 2, "en"), f"{n}")
    source = Source("/library", f"{n}.txt", 1, 1, str(n), "indexed", passages=1)
    catalog.store(source, [new], {new.vector_key: vector})
    return vector


def name_of(index: Path, catalog: Catalog) -> str:
    opened = open_vector_index(index, catalog)
    opened.close()
    return opened.name


def test_chroma_and_exact_search_find_the_same(index: Path, catalog: Catalog) -> None:
    update_chroma(index, catalog)
    chroma, exact = open_vector_index(index, catalog), ExactIndex(catalog)
    assert isinstance(chroma, ChromaIndex)
    for _ in range(5):
        query = RNG.normal(size=16).astype(np.float32)
        query /= np.linalg.norm(query)
        ours, theirs = exact.search(query, 10), chroma.search(query, 10)
        assert [key for key, _ in ours] == [key for key, _ in theirs]
        np.testing.assert_allclose([c for _, c in ours], [c for _, c in theirs], atol=1e-5)
    chroma.close()


def test_using_a_sealed_folder_does_not_break_its_seal(index: Path, catalog: Catalog) -> None:
    update_chroma(index, catalog)
    for _ in range(2):
        opened = open_vector_index(index, catalog)
        opened.search(np.ones(16, np.float32), 3)
        opened.close()
    assert name_of(index, catalog) == "chroma"


def test_a_folder_older_than_the_catalogue_is_not_searched(index: Path, catalog: Catalog) -> None:
    update_chroma(index, catalog)
    add(catalog, 100)
    assert name_of(index, catalog) == "exact"
    update_chroma(index, catalog)
    assert name_of(index, catalog) == "chroma"


def test_updating_removes_what_the_catalogue_lost(index: Path, catalog: Catalog) -> None:
    update_chroma(index, catalog)
    catalog.remove("/library", "7.txt")
    update_chroma(index, catalog)
    opened = open_vector_index(index, catalog)
    assert chroma_problems(opened, catalog) == []
    opened.close()


@pytest.mark.parametrize("damage", ["no seal", "torn seal", "grown file", "missing file", "half swapped"])
def test_a_folder_without_a_good_seal_is_never_opened_and_built_anew(
    index: Path, catalog: Catalog, damage: str
) -> None:
    update_chroma(index, catalog)
    chroma, seal = index / "chroma", index / "chroma.seal"
    if damage == "no seal":
        seal.unlink()
    elif damage == "torn seal":
        seal.write_text(seal.read_text()[:20])
    elif damage == "grown file":
        grown = next(chroma.rglob("*.bin"))
        grown.write_bytes(grown.read_bytes() + b"x")
    elif damage == "missing file":
        next(chroma.rglob("*.bin")).unlink()
    else:
        chroma.rename(index / "chroma.old")
    (chroma / "garbage").mkdir(parents=True, exist_ok=True)
    (chroma / "garbage" / "pickle").write_bytes(b"cos\nsystem\n")
    assert name_of(index, catalog) == "exact"
    update_chroma(index, catalog)
    assert name_of(index, catalog) == "chroma"
    assert not (chroma / "garbage").exists()


def test_the_seal_names_the_generation(index: Path, catalog: Catalog) -> None:
    update_chroma(index, catalog)
    assert json.loads((index / "chroma.seal").read_text())["generation"] == catalog.generation


def test_an_empty_catalogue_is_searched_without_error(index: Path) -> None:
    empty = Catalog(index)
    assert ExactIndex(empty).search(np.ones(16, np.float32), 5) == []
    update_chroma(index, empty)
    opened = open_vector_index(index, empty)
    assert opened.search(np.ones(16, np.float32), 5) == []
    opened.close()
    empty.close()
