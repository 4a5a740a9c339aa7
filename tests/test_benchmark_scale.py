"""benchmarks/scale.py makes the libraries and measures what it says that it does."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks import scale
from benchmarks.scale import PER_SOURCE, Growth, Stopwatch, make, measured, misspelt
from ingest.catalog import Catalog
from ingest.embed import Vectors

REAL = [f"The tenant of house {n} pays. The garden is large. Box {n} holds the keys." for n in range(30)] + [
    f"El inquilino de la casa {n} paga el alquiler. El jardín es grande. La caja {n} guarda las llaves."
    for n in range(30)
]


def vectors(count: int) -> Vectors:
    found = np.random.default_rng(1).standard_normal((count, 64)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


@pytest.fixture
def growth() -> Growth:
    return Growth(REAL, vectors(len(REAL)), 0)


def test_the_first_passages_are_the_real_ones_with_their_vectors(growth: Growth) -> None:
    made = [growth.source(number, 10) for number in range(3)]
    assert [one.passage.text for _, new, _ in made for one in new] == REAL
    found = np.stack([of[one.vector_key] for _, new, of in made for one in new])
    assert found == pytest.approx(vectors(len(REAL)))


def test_the_others_are_like_them_and_few_are_copies(growth: Growth) -> None:
    made = [growth.source(number, 100) for number in range(3, 100)]
    texts = [one.passage.text for _, new, _ in made for one in new]
    assert len({*texts, *REAL}) > 0.5 * len(texts)  # of thirty short texts each many are the same
    real = vectors(len(REAL))
    found = np.stack([vector for _, _, of in made for vector in of.values()])
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    nearest = (found @ real.T).max(axis=1)
    assert 0.6 < np.median(nearest) < 0.95
    assert {one.passage.language for _, new, _ in made for one in new} == {"en", "es"}


def test_a_source_is_the_same_whenever_it_is_made(growth: Growth) -> None:
    again = Growth(REAL, vectors(len(REAL)), 0)
    again.source(9, 50)
    (one, new, of), (other, same, those) = growth.source(7, 50), again.source(7, 50)
    assert (one, new) == (other, same)
    assert [vector.tolist() for vector in of.values()] == [vector.tolist() for vector in those.values()]


def test_every_filter_keeps_some_of_a_library(growth: Growth, tmp_path: Path) -> None:
    with closing(Catalog(tmp_path)) as catalog:
        for number in range(120):
            catalog.store(*growth.source(number, 120))
        counts = {name: catalog.rows_within(filters) for name, filters in scale.FILTERS.items()}
    assert counts["none"] is None
    assert all(rows is None or len(rows) >= PER_SOURCE for rows in counts.values())


def test_a_library_is_made_and_measured(growth: Growth, tmp_path: Path) -> None:
    folder = tmp_path / "400"
    assert not make(folder, growth, 400, until=0)  # it is late
    assert make(folder, growth, 400, until=float("inf"))
    found = measured(folder, _Fixed(), [f"Who pays for house {n} in the garden?" for n in range(200)], 2)
    json.dumps(found)
    assert found["filters"]["none"]["passages"] == 400
    assert found["recall"] == {"none": pytest.approx(1.0), "a language": pytest.approx(1.0)}
    assert all(of["clock"][0] > 0 for of in found["filters"].values())
    assert {what for what, *_ in Stopwatch(folder.with_suffix(".json")).rows} == set(scale.WATCHED)


class _Fixed:
    """An embedder that knows a text's length only."""

    fingerprint = "fixed/1"
    window = 256

    def embed_query(self, text: str) -> Vectors:
        return vectors(len(text))[-1]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError

    def offsets(self, text: str) -> list[tuple[int, int]]:
        raise NotImplementedError


def test_a_slip_is_in_the_longest_word() -> None:
    assert misspelt("Who pays the electricity?") == "Who pays the elcetricity?"


def test_the_last_passages_are_those_after_the_note_before(tmp_path: Path) -> None:
    watch = Stopwatch(tmp_path / "watch.json")
    watch.rows = [("storing", 100, 9.0, 1.0), ("words", 100, 9.0, 7.0), ("storing", 300, 9.0, 1.0)]
    assert watch.last("storing") == pytest.approx(5.0)
    assert watch.last("words") == pytest.approx(70.0)
    assert watch.last("chroma") == 0
    assert watch.spent("storing") == (18.0, 2.0)
