"""Explanations: they add up to the score, name what was dropped and why, and point at the very words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.catalog import Catalog, NewPassage
from ingest.fulltext import Term
from ingest.types import Filters, Passage, Source
from ingest.vectors import ExactIndex
from rag.explain import Explained, explain_all, matches
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.rewrite import DEEPER, Query, Rewritten, retrieve_all
from rag.types import Dropped
from settings import Retrieve
from tests.fakes import LEASE, WordEmbedder

HEADER = "Acme Property Management, Harbour Street, Porto: rent office and correspondence for tenants"
TEXTS = {
    "a/rent.txt": "The rent is due on Monday. Late rent costs more.",
    "a/header.txt": f"{HEADER}.",
    "b/header.txt": f"{HEADER}!",
    "b/flat.txt": "The flat has no rent at all, says nobody.",
    "b/mill.txt": "The old mill grinds wheat on Thursdays.",
    "c/rent.txt": "Rent of the mill is due on the first of each month.",
}


@pytest.fixture
def retriever(tmp_path: Path) -> Iterator[Retriever]:
    catalog, embedder = Catalog(tmp_path / "index"), WordEmbedder()
    for path, text in TEXTS.items():
        new = NewPassage(Passage(path, path, 0, text, (), "paragraph", None, None, (), 9, "en"), text)
        source = Source("/library", path, 1, 1, path, "indexed", passages=1)
        catalog.store(source, [new], {new.vector_key: embedder.embed_query(text)})
    exact = ExactIndex(catalog)
    yield Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve(candidates=5))
    catalog.close()


def dropped(retriever: Retriever, question: str, k: int, filters: Filters = Filters()) -> dict[str, Dropped]:
    return {one.passage.path: one for one in retriever.explain(question, k, filters)[1].dropped}


def test_the_hits_are_those_of_a_plain_search(retriever: Retriever) -> None:
    hits, _ = retriever.explain("When is the rent due?", 3)
    plain = retriever.retrieve("When is the rent due?", 3)
    assert [(hit.rank, hit.score, hit.passage, hit.copies) for hit in hits] == [
        (hit.rank, hit.score, hit.passage, hit.copies) for hit in plain
    ]
    assert all(hit.explanation is None for hit in plain)


def test_the_parts_add_up_to_the_score(retriever: Retriever) -> None:
    hits, explained = retriever.explain("When is the rent due?", 3)
    for hit in hits:
        assert hit.explanation is not None
        assert hit.explanation.fused + sum(hit.explanation.features.values()) == pytest.approx(hit.score)
        assert hit.explanation.features
    scores = [one.score for one in explained.candidates]
    assert scores == sorted(scores, reverse=True)
    assert sum(one.is_hit for one in explained.candidates) == 3


def test_a_question_of_several_searches_explains_each_hit_and_drops_nothing_in_silence(retriever: Retriever) -> None:
    rewritten = Rewritten("rent", (Query("rent"), Query("When does the mill grind wheat?", "side")))

    def search(text: str, k: int) -> Explained:
        return retriever.explain(text, k)

    hits, explained = explain_all(rewritten, search, 3)
    plain = retrieve_all(rewritten, retriever.retrieve, 3)
    assert [(hit.rank, hit.score, hit.passage) for hit in hits] == [(hit.rank, hit.score, hit.passage) for hit in plain]
    assert "b/mill.txt" in [hit.passage.path for hit in hits]  # which the question itself does not name
    words = {hit.passage.path: [match.word for match in hit.explanation.matches] for hit in hits if hit.explanation}
    assert len(words) == len(hits)
    assert "wheat" in words["b/mill.txt"]  # as the query that found it has it
    assert explained.queries == ("When does the mill grind wheat?",)
    own = [hit.passage.path for hit in retriever.retrieve("rent", DEEPER * 3)]
    shown = {hit.passage.path for hit in hits}
    assert set(own) - shown <= {one.passage.path for one in explained.dropped}
    assert not shown & {one.passage.path for one in explained.dropped}
    assert sum(one.is_hit for one in explained.candidates) == len(shown & set(own))


def test_one_search_is_explained_as_it_is(retriever: Retriever) -> None:
    found = explain_all(Rewritten("rent", (Query("rent"),)), retriever.explain, 2)
    assert (found[0], found[1].dropped) == (
        retriever.explain("rent", 2)[0],
        retriever.explain("rent", 2)[1].dropped,
    )
    assert found[1].queries == ()


def test_ranks_are_the_places_on_either_side(retriever: Retriever) -> None:
    hits, explained = retriever.explain("When is the rent due?", 3)
    every = {hit.passage.path: hit.explanation for hit in hits} | {
        one.passage.path: one.explanation for one in explained.dropped
    }
    of_both = [one for one in every.values() if one]
    lexical = sorted((one for one in of_both if one.lexical), key=lambda one: -one.lexical)
    assert [one.lexical_rank for one in lexical] == list(range(1, len(lexical) + 1))
    assert all(one.lexical_rank is None for one in of_both if not one.lexical)
    dense = sorted(of_both, key=lambda one: -one.cosine)
    assert [one.dense_rank for one in dense] == [1, 2, 3, 4, 5, None]  # of 5 candidates each
    fused = sorted(of_both, key=lambda one: -one.fused)
    assert [one.fused_rank for one in fused] == list(range(1, len(fused) + 1))


def test_each_candidate_that_is_no_hit_says_why(retriever: Retriever) -> None:
    found = dropped(retriever, "rent office Porto", 1)
    assert found["b/header.txt"].reason == "duplicate"
    assert found["b/header.txt"].of == "a/header.txt"
    assert found["a/rent.txt"].reason == found["c/rent.txt"].reason == "beyond"
    assert "a/header.txt" not in found


def test_what_only_the_filter_keeps_out_is_shown(retriever: Retriever) -> None:
    found = dropped(retriever, "rent office Porto", 2, Filters(within=("b",)))
    assert found["a/header.txt"].reason == "filtered"
    assert {one.reason for path, one in found.items() if path.startswith("b/")} <= {"beyond", "duplicate"}
    assert not [one for one in dropped(retriever, "rent", 2).values() if one.reason == "filtered"]


def test_the_questions_words_are_weighed(retriever: Retriever) -> None:
    _, explained = retriever.explain("rent of the zebra", 3)
    assert [(term.word, term.passages) for term in explained.terms] == [("rent", 5), ("zebra", 0)]
    assert explained.terms[1].weight > explained.terms[0].weight > 0
    assert {"terms", "embed", "lexical", "dense", "fuse", "rerank"} <= explained.seconds.keys()
    assert all(seconds >= 0 for seconds in explained.seconds.values())


def test_matches_stand_where_the_words_stand() -> None:
    text = "Las pólizas de 1.200 euros; la Po\u0301liza, POLIZA y el seguro del (GPT-4)."
    passage = Passage("p", "p", 0, text, (), "paragraph", None, None, (), 9, "es")
    terms = [Term("poliza", ("poliz",), 1, 1), Term("gpt", ("gpt",), 1, 1), Term("1200", ("1200",), 1, 1)]
    found = matches(passage, terms)
    assert [(match.word, text[match.start : match.end]) for match in found] == [
        ("poliza", "pólizas"),
        ("1200", "1.200"),
        ("poliza", "Po\u0301liza"),
        ("poliza", "POLIZA"),
        ("gpt", "GPT"),
    ]


@pytest.mark.parametrize(
    ("question", "text", "words"),
    [
        ("Is gpt-4 dear?", "The GPT-4, the gpt_4 and GPT4 are dear; GPT-5 is not.",
         ["GPT-4", "gpt_4", "GPT4", "dear", "GPT"]),
        ("What sets maxSeqLength?", "Set max_seq_length (maxSeqLength) to 12.",
         ["Set", "max_seq_length", "maxSeqLength"]),
        ("Who pays the insurence?", "The insurance is paid by the tenant.", ["insurance"]),
        ('Where is "thirty days"?', "Thirty days; not days of thirty.", ["Thirty", "days", "days", "thirty"]),
    ],
)  # fmt: skip
def test_identifiers_slips_and_phrases_are_matched_as_full_text_search_finds_them(
    tmp_path: Path, question: str, text: str, words: list[str]
) -> None:
    catalog = Catalog(tmp_path / "index")
    passage = Passage("p", "p.txt", 0, text, (), "paragraph", None, None, (), 9, "en")
    new = NewPassage(passage, text)
    catalog.store(
        Source("/library", "p.txt", 1, 1, "p", "indexed", passages=1), [new], {new.vector_key: np.ones(4, np.float32)}
    )
    found = matches(passage, catalog.question_terms(question))
    assert [text[match.start : match.end] for match in found] == words
    catalog.close()


def test_a_passage_without_the_words_has_no_matches() -> None:
    assert matches(LEASE, [Term("zebra", ("zebra",), 1, 1)]) == ()
