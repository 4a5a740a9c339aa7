"""The nearest passages within a filter: those that a comparison of all of them gives, whichever way they are found."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from errors import VectorIndexError
from ingest import vectors
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Vectors
from ingest.filters import is_among
from ingest.types import Filters, Passage, Source
from ingest.vectors import ExactIndex, FilteredSearch
from tests.ingest.test_vectors import unit

COUNT = 300


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
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


class Counted(ExactIndex):
    """An index that counts how often it is asked."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self.asked = 0

    def search(self, query: Vectors, k: int) -> vectors.Neighbours:
        self.asked += 1
        return super().search(query, k)


def by_definition(catalog: Catalog, query: Vectors, k: int, rows: list[int]) -> list[tuple[int, float]]:
    cosines = {row: float(vector @ query) for row, vector in catalog.vectors_of_rows(rows).items()}
    return sorted(cosines.items(), key=lambda item: (-round(item[1], 5), item[0]))[:k]


@limits(max_examples=60)
@given(
    seed=st.integers(0, 10_000), k=st.integers(1, 40), rows=st.sets(st.integers(1, COUNT + 5), min_size=1),
    compared=st.sampled_from([0, 1_000]), kept=st.sampled_from([0, 100, 1_000]),
)  # fmt: skip
def test_they_are_those_that_a_comparison_of_all_gives(
    catalog: Catalog, seed: int, k: int, rows: set[int], compared: int, kept: int
) -> None:
    wanted, query = np.array(sorted(rows), np.int64), unit(f"query {seed}")
    search, index = FilteredSearch(catalog), ExactIndex(catalog)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "COMPARED", compared)
        patch.setattr(vectors, "KEPT", kept)
        patch.setattr(vectors, "_PORTION", 70)
        expected = by_definition(catalog, query, k, sorted(rows))
        for _ in range(2):  # read, then kept
            found = search.search(index, query, k, wanted)
            assert list(found.values()) == pytest.approx([cosine for _, cosine in expected], abs=1e-5)
            assert found.keys() <= rows


def test_a_broad_filter_asks_the_index_and_reads_no_vectors(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "COMPARED", 50)
    monkeypatch.setattr(catalog, "vectors_of_rows", None)
    index = Counted(catalog)
    assert len(FilteredSearch(catalog).search(index, unit("q"), 5, np.arange(1, 200))) == 5
    assert index.asked == 1


def test_a_filter_that_is_just_what_the_question_is_not_finds_as_many(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "COMPARED", 50)
    query = unit("q")
    far = by_definition(catalog, query, COUNT, list(range(1, COUNT + 1)))[100:]
    rows = np.array(sorted(row for row, _ in far), np.int64)
    index = Counted(catalog)
    found = FilteredSearch(catalog).search(index, query, 10, rows)
    assert index.asked == 1
    assert list(found.values()) == pytest.approx([cosine for _, cosine in far[:10]], abs=1e-5)


def test_vectors_are_read_once_while_nothing_changes(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = catalog.vectors_of_rows
    monkeypatch.setattr(catalog, "vectors_of_rows", lambda rows: reads.append(len(rows)) or read(rows))
    search, index = FilteredSearch(catalog), ExactIndex(catalog)
    rows = catalog.rows_within(Filters(within=("1.txt", "7.txt", "9.txt")))
    assert rows is not None
    for n in range(3):
        assert len(search.search(index, unit(n), 2, rows)) == 2
    assert reads == [3]


def test_what_is_kept_is_bounded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "KEPT", 100)
    search, index = FilteredSearch(catalog), ExactIndex(catalog)
    for start in range(1, 200, 30):
        search.search(index, unit("q"), 3, np.arange(start, start + 30))
    assert sum(len(rows) for rows, _, _ in search._kept) <= 100


def test_a_query_of_another_length_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(VectorIndexError, match="has 7 numbers"):
        FilteredSearch(catalog).search(ExactIndex(catalog), unit("q", 7), 3, np.arange(1, 10))


@given(st.sets(st.integers(0, 50)), st.lists(st.integers(0, 50)))
def test_membership_is_that_of_sets(rows: set[int], wanted: list[int]) -> None:
    among = is_among(np.array(wanted, np.int64), np.array(sorted(rows), np.int64))
    assert among.tolist() == [row in rows for row in wanted]
