"""The extractive generator: it quotes word for word, says when nothing answers, and needs no model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.analyse import detect_language
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Embedder
from ingest.types import Passage, Source
from ingest.vectors import ExactIndex
from rag.chain import Question
from rag.extract import ExtractiveGenerator
from rag.prompt import Prompt
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.types import ABSTENTION
from settings import Retrieve

TEXTS = {
    "lease.md": (
        "The landlord is Ana Ruiz. The tenant may end the contract with a notice of thirty days. "
        "The deposit is 1,200 euros. Dogs are not allowed in the flat."
    ),
    "table.txt": "Room  Price  Beds\nBlue room  40 euros  2\nRed room  65 euros  3",
    "list.md": "- **Internet**: the router restarts at four in the morning\n- **Bins**: taken out on Tuesdays",
    "poliza.txt": "La póliza cubre los daños por agua. La franquicia es de cien euros por siniestro.",
    "mill.txt": "The old mill was built in 1890. It grinds wheat on Thursdays.",
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Catalog]:
    found = Catalog(tmp_path_factory.mktemp("extract"))
    for path, text in TEXTS.items():
        passage = Passage(path, path, 0, text, (), "paragraph", None, None, (), 9, detect_language(text))
        new = NewPassage(passage, text)
        source = Source("/library", path, 1, 1, path, "indexed", passages=1, title=Path(path).stem)
        found.store(source, [new], {new.vector_key: embedder.embed_passages([text])[0]})
    yield found
    found.close()


def draft(catalog: Catalog, embedder: Embedder, question: str) -> str:
    exact = ExactIndex(catalog)
    hits = Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve()).retrieve(question)
    prompt = Prompt(question, Question(question).language, hits, "", (), "extractive")
    return "".join(ExtractiveGenerator(catalog, embedder).generate(prompt))


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("How much notice must the tenant give?", "The tenant may end the contract with a notice of thirty days."),
        ("How much is the deposit?", "The deposit is 1,200 euros."),
        ("Who is the landlord?", "The landlord is Ana Ruiz."),
        ("What does the red room cost?", "Red room  65 euros  3"),
        ("When does the router restart?", "**Internet**: the router restarts at four in the morning"),
        ("¿Cuánto es la franquicia de la póliza?", "La franquicia es de cien euros por siniestro."),
        ("When was the old mill built?", "The old mill was built in 1890."),
        ("¿A cuánto asciende el depósito?", "The deposit is 1,200 euros."),  # across languages
        ("¿Se admiten perros en el piso?", "Dogs are not allowed in the flat."),
    ],
)
def test_the_sentence_that_answers_is_quoted_first(
    catalog: Catalog, embedder: Embedder, question: str, quote: str
) -> None:
    written = draft(catalog, embedder, question)
    first, _, _ = written.partition(" [")
    assert first.rpartition(" – ")[2].endswith(quote)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("How much notice must the tenant give?", "thirty days"),
        ("When does the router restart?", "four in the morning"),
        ("How much is the deposit?", ""),  # the sentence is short
    ],
)
def test_what_the_reader_takes_for_the_answer_stands_first(
    catalog: Catalog, embedder: Embedder, question: str, value: str
) -> None:
    said, dash, _ = draft(catalog, embedder, question).partition(" – ")
    assert value in said if value else not dash


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Who won the football world cup in 1998?", "en"),
        ("What is the boiling point of tungsten?", "en"),
        ("¿Quién escribió el Quijote?", "es"),
        ("¿Cuál es la capital de Australia?", "es"),
        ("¿Cuánto cuesta el seguro del coche?", "es"),
    ],
)
def test_a_question_that_no_document_answers_is_refused(
    catalog: Catalog, embedder: Embedder, question: str, language: str
) -> None:
    assert draft(catalog, embedder, question) == ABSTENTION[language]  # type: ignore[index]
