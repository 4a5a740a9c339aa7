"""Retrieval: both sides are heard, the better passage is first, filters hold."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from errors import UsageError, VectorIndexError
from ingest.analyse import detect_language
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Embedder, Vectors
from ingest.types import Filters, Passage, Source
from ingest.vectors import ExactIndex, VectorIndex
from rag.rerank import LateFeatures
from rag.retrieve import RERANKED, SHARE, Candidates, Retriever, as_langchain, shared_order
from settings import Retrieve
from tests.fakes import WordEmbedder

TEXTS = {
    "home/lease.txt": "The tenant may end the contract with a notice of thirty days. The deposit is 1,200 euros.",
    "home/pets.txt": "Dogs and cats are not allowed in the flat.",
    "home/poliza.txt": "La póliza cubre los daños por agua con una franquicia de cien euros.",
    "work/handbook.txt": "Employees have twenty-five days of holiday. Notice of holidays is given to the manager.",
    "work/mill.txt": "The old mill grinds wheat on Thursdays.",
}


@pytest.fixture
def catalog(tmp_path: Path, embedder: Embedder) -> Iterator[Catalog]:
    found = Catalog(tmp_path / "index")
    for path, text in TEXTS.items():
        passage = Passage(path, path, 0, text, (), "paragraph", None, None, (), 9, detect_language(text))
        new = NewPassage(passage, text)
        source = Source("/library", path, 1, 1, path, "indexed", passages=1)
        found.store(source, [new], {new.vector_key: embedder.embed_passages([text])[0]})
    yield found
    found.close()


@pytest.fixture
def retriever(catalog: Catalog, embedder: Embedder) -> Retriever:
    exact = ExactIndex(catalog)
    return Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("How can the tenant end the contract?", "home/lease.txt"),
        ("Can I bring a puppy?", "home/pets.txt"),  # no word in common: the embedder finds it
        ("¿Qué franquicia tiene la poliza?", "home/poliza.txt"),
        ("¿Cuánto es el depósito?", "home/lease.txt"),  # across languages
        ("holiday notice", "work/handbook.txt"),
        ("1200", "home/lease.txt"),
    ],
)
def test_the_passage_that_answers_is_first(retriever: Retriever, question: str, path: str) -> None:
    assert retriever.retrieve(question)[0].passage.path == path


def test_hits_are_ranked_without_gaps_best_first(retriever: Retriever) -> None:
    hits = retriever.retrieve("notice", 5)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_as_many_passages_are_found_as_are_asked_for(tmp_path: Path) -> None:
    embedder, many = WordEmbedder(), Catalog(tmp_path / "many")
    for n in range(150):
        text = f"The rent of flat {n} is due."
        passage = Passage(f"p{n}", f"{n}.txt", 0, text, (), "paragraph", None, None, (), 9, "en")
        source = Source("/library", f"{n}.txt", 1, 1, str(n), "indexed", passages=1)
        new = NewPassage(passage, text)
        many.store(source, [new], {new.vector_key: embedder.embed_query(text)})
    exact = ExactIndex(many)
    retriever = Retriever(many, embedder, lambda: exact, LateFeatures(), Retrieve())
    assert [len(retriever.retrieve("rent", k)) for k in (None, 60, 120, 200)] == [8, 60, 120, 150]
    many.close()


def test_what_stands_in_hundreds_of_letters_takes_one_place_and_hides_nothing(tmp_path: Path) -> None:
    embedder, many = WordEmbedder(), Catalog(tmp_path / "many")
    header = "Acme Property Management, Harbour Street, Porto: rent office and correspondence"
    texts = [f"{header} for tenants." for _ in range(300)] + ["The rent is due on Monday.", "Rent is paid in euros."]
    for n, text in enumerate(texts):
        passage = Passage(f"p{n}", f"{n:03}.txt", 0, text, (), "paragraph", None, None, (), 9, "en")
        source = Source("/library", f"{n:03}.txt", 1, 1, str(n), "indexed", passages=1)
        new = NewPassage(passage, text)
        known = many.known_vectors([new.vector_key])
        many.store(source, [new], {} if known else {new.vector_key: embedder.embed_query(text)})
    exact = ExactIndex(many)
    hits = Retriever(many, embedder, lambda: exact, LateFeatures(), Retrieve()).retrieve("rent office Porto", 3)
    assert sorted(hit.passage.text for hit in hits) == sorted({*texts})
    assert len(hits[0].copies) == 299
    many.close()


def test_only_what_is_asked_for_is_searched(retriever: Retriever) -> None:
    assert {hit.passage.path for hit in retriever.retrieve("notice", 5, Filters(within=("work",)))} == {
        "work/handbook.txt",
        "work/mill.txt",
    }
    assert [hit.passage.path for hit in retriever.retrieve("notice", 5, Filters(within=("home/pets.txt",)))] == [
        "home/pets.txt"
    ]


def test_a_name_that_holds_nothing_is_an_error(retriever: Retriever) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        retriever.retrieve("notice", 5, Filters(within=("nowhere",)))


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(retriever: Retriever, question: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        retriever.retrieve(question)


def test_no_passages_cannot_be_asked_for(retriever: Retriever) -> None:
    with pytest.raises(UsageError, match="0"):
        retriever.retrieve("notice", 0)


@pytest.mark.parametrize("question", ["???", "🙂", '"', "the of and", "NEAR(a b)", "x" * 5000])
def test_any_question_is_searched_without_error(retriever: Retriever, question: str) -> None:
    assert len(retriever.retrieve(question, 3)) <= 3


def test_search_goes_on_when_the_vector_index_fails(catalog: Catalog, embedder: Embedder) -> None:
    class Broken:
        name, generation = "broken", 0

        def search(self, query: Vectors, k: int) -> list[tuple[str, float]]:
            raise VectorIndexError("Chroma cannot be used.")

        def close(self) -> None:
            pass

    broken: VectorIndex = Broken()
    retriever = Retriever(catalog, embedder, lambda: broken, LateFeatures(), Retrieve())
    assert retriever.retrieve("Can I bring a puppy?")[0].passage.path == "home/pets.txt"


def test_every_candidate_has_both_scores(retriever: Retriever, catalog: Catalog) -> None:
    question = "notice of holidays"
    found = retriever.candidates(question, catalog.question_terms(question))
    assert len(found.rows) == len(TEXTS)
    assert all(-1 <= cosine <= 1.0001 and cosine != 0 for cosine in found.cosines)
    assert all(0 <= lexical <= 1 for lexical in found.lexical)
    assert sum(lexical > 0 for lexical in found.lexical) == 2


def test_langchain_sees_documents_with_ids_and_sources(retriever: Retriever) -> None:
    documents = as_langchain(retriever, k=2).invoke("How can the tenant end the contract?")
    assert documents[0].id == "home/lease.txt"
    assert documents[0].metadata["source"] == "home/lease.txt"
    assert documents[0].page_content == TEXTS["home/lease.txt"]


def stored(folder: Path, sources: dict[str, tuple[str, list[str]]]) -> Catalog:
    """Sources by their path, each with its title and its passages' texts."""
    catalog, embedder = Catalog(folder), WordEmbedder()
    for path, (title, texts) in sources.items():
        new = [
            NewPassage(
                Passage(f"{path}{n}", path, n, text, (), "paragraph", None, None, (), 9, "en"), f"{path}\n{text}"
            )
            for n, text in enumerate(texts)
        ]
        source = Source("/library", path, 1, 1, path, "indexed", title=title, passages=len(new))
        catalog.store(source, new, {one.vector_key: embedder.embed_query(one.passage.text) for one in new})
    return catalog


def test_the_file_that_a_question_names_comes_first_though_others_say_more(tmp_path: Path) -> None:
    texts = [f"Note {n} of the report is about stores." for n in range(60)]
    sources = {
        f"{name}_2022_10K.pdf": ("", [*(f"{text} ({name[0]})" for text in texts), revenue])
        for name, revenue in (
            ("ACMEMILLS", "Total revenue was 4 million, and revenue is the total."),
            ("BESTBUY", "The total revenue was 5 million, and that was the total revenue."),
            ("FOOTLOCKER", "In all, the year's total of revenue was 7 million."),
        )
    }
    catalog = stored(tmp_path / "index", sources)
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, WordEmbedder(), lambda: exact, LateFeatures(), Retrieve(candidates=10))
    best = retriever.retrieve("What was the total revenue of Foot Locker?", 1)[0].passage
    assert (best.path, best.text) == ("FOOTLOCKER_2022_10K.pdf", "In all, the year's total of revenue was 7 million.")
    catalog.close()


def test_what_the_best_passage_mentions_follows_it(tmp_path: Path) -> None:
    sources = {
        "film.md": ("The Long Walk", ["The Long Walk is a film that Ada Stone directed in Porto."]),
        "ada.md": ("Ada Stone (director)", ["She was born in Lisbon and lives by the sea with two dogs."]),
        **{f"{n}.md": (f"Film {n}", [f"A film number {n} that somebody directed in town."]) for n in range(8)},
    }
    catalog = stored(tmp_path / "index", sources)
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, WordEmbedder(), lambda: exact, LateFeatures(), Retrieve())
    hits = retriever.retrieve("Where was she born who directed the film The Long Walk?", 2)
    assert [hit.passage.path for hit in hits] == ["film.md", "ada.md"]
    explained, _ = retriever.explain("Where was she born who directed the film The Long Walk?", 2)
    assert explained[1].explanation is not None
    assert explained[1].explanation.features["mentioned"] > 0
    catalog.close()


def test_a_language_that_the_embedder_finds_all_alike_does_not_hide_another(tmp_path: Path) -> None:
    """Ninety Spanish passages are as near to a Spanish question as one another, and nearer than the English one."""
    catalog, near = Catalog(tmp_path / "index"), np.eye(3, dtype=np.float32)

    class Alike(WordEmbedder):
        def embed_query(self, text: str) -> Vectors:
            return near[0]

    texts = [(f"es{n}.txt", f"El molino número {n} está en el pueblo.", near[0]) for n in range(90)]
    for path, text, vector in [*texts, ("en.txt", "Thirty days.", near[1])]:
        passage = Passage(path, path, 0, text, (), "paragraph", None, None, (), 9, path[:2])
        new = NewPassage(passage, text)
        catalog.store(Source("/library", path, 1, 1, path, "indexed", passages=1), [new], {new.vector_key: vector})
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, Alike(), lambda: exact, LateFeatures(), Retrieve(candidates=20))
    asked = "¿Cuál es el plazo de preaviso de los inquilinos?"
    for filters, expected in ((Filters(), True), (Filters(languages=("es",)), False), (Filters(("en.txt",)), True)):
        assert ("en.txt" in {hit.passage.path for hit in retriever.retrieve(asked, 50, filters)}) is expected
    catalog.close()


@pytest.mark.parametrize(("others", "first"), [(0, 0), (3, 3), (15, 15), (40, SHARE)])
def test_each_language_has_its_share_of_what_is_looked_at_again(others: int, first: int) -> None:
    rows = range(60 + others)
    matches = tuple("known" if row < 60 else "to_unknown" for row in rows)
    nothing = tuple(0.0 for _ in rows)
    found = Candidates(tuple(rows), nothing, nothing, nothing, matches, 100)  # type: ignore[arg-type]
    order = [(row, 1.0 - row / 200) for row in rows]
    shared = shared_order(order, found)
    assert sorted(shared) == sorted(order)
    assert sum(row >= 60 for row, _ in shared[:RERANKED]) == first
    assert [row for row, _ in shared[:RERANKED]] == sorted(row for row, _ in shared[:RERANKED])
