"""A catalogue of given passages: each found again by its id, whole or cut, and nothing embedded twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evaluation import library
from evaluation.dataset import Dataset, GivenPassage
from evaluation.library import CachedEmbedder, build_library
from ingest import segments
from ingest.embed import Vectors
from settings import Chunk
from tests.fakes import WordEmbedder

LONG = " ".join(f"Sentence number {n} has some words in it." for n in range(40))
PASSAGES = (
    GivenPassage("a", "The rent is due on the first day.", "Lease", "doc1", page=2),
    GivenPassage("b", LONG, "Lease", "doc1"),
    GivenPassage("c", "El alquiler se paga el primer día de cada mes.", "", "doc2"),
)
DATASET = Dataset("set", (), PASSAGES)


class Counting(WordEmbedder):
    """Remembers its questions too."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return np.stack([super(Counting, self).embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        self.asked.append(text)
        return super().embed_query(text)


def test_a_given_passage_is_one_passage_with_its_own_id(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    made = build_library(DATASET, tmp_path, embedder)
    stored = [made.catalog.passage(id) for id in ("a", "b", "c")]
    assert [(p.path, p.position, p.text) for p in stored] == [
        ("doc1", 0, PASSAGES[0].text), ("doc1", 1, LONG), ("doc2", 0, PASSAGES[2].text)
    ]  # fmt: skip
    assert (stored[0].page, stored[0].language, stored[2].language) == (2, "en", "es")
    assert embedder.embedded[0] == f"Lease\n{PASSAGES[0].text}"
    assert made.catalog.count_passages() == 3
    assert made.catalog.problems(read_data=True) == []
    made.catalog.close()


def test_the_first_question_is_searched_for_as_the_last_however_many_passages_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "AT_ONCE", 1)
    made = build_library(DATASET, tmp_path, WordEmbedder())
    assert made.catalog.full_text.segments.view() is not None
    made.catalog.close()


def test_a_long_passage_can_be_cut_as_documents_are_and_is_still_ranked_as_one(tmp_path: Path) -> None:
    made = build_library(DATASET, tmp_path, WordEmbedder(), Chunk(tokens=40))
    parts = [id for id, given in made.given.items() if given == "b"]
    assert len(parts) > 5
    texts = [made.catalog.passage(id).text for id in parts]
    assert " ".join(" ".join(texts).split()) == LONG
    positions = [made.catalog.passage(id).position for id in made.given]
    assert positions == [*range(len(parts) + 1), 0]
    other = next(id for id, given in made.given.items() if given == "a")
    assert made.ranking([parts[3], other, parts[0]]) == ["b", "a"]
    made.catalog.close()


def test_what_is_embedded_is_told_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(library, "PORTION", 2)
    build_library(DATASET, tmp_path, WordEmbedder(), progress=lambda done, of: seen.append((done, of))).catalog.close()
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize("again", ["same process", "later"])
def test_nothing_is_embedded_twice(tmp_path: Path, again: str) -> None:
    inner = Counting()
    cached = CachedEmbedder(inner, tmp_path)
    first = cached.embed_passages(["one two", "three", "one two"]), cached.embed_query("three")
    if again == "later":
        cached.close()
        cached = CachedEmbedder(inner, tmp_path)
    second = cached.embed_passages(["three", "four more"]), cached.embed_query("three")
    cached.close()
    assert inner.embedded == ["one two", "three", "four more"]
    assert inner.asked == ["three"]
    np.testing.assert_array_equal(first[0][1], second[0][0])
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(first[0][0], first[0][2])
    assert first[0].dtype == np.float32
    assert second[1].shape == (inner.dimensions,)


def test_another_embedder_shares_no_vector(tmp_path: Path) -> None:
    one, other = Counting(), Counting()
    other.fingerprint = "words/2"
    for embedder in (one, other):
        cached = CachedEmbedder(embedder, tmp_path)
        cached.embed_passages(["text"])
        cached.close()
    assert (one.embedded, other.embedded) == (["text"], ["text"])
