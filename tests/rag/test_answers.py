"""Extractive answers as the chain gives them: exact quotes, the value first, contradictions, refusals that help."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from ingest.analyse import detect_language
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Embedder
from ingest.types import Passage, Source
from ingest.vectors import ExactIndex
from models.types import ModelInfo
from rag.answer_weights import read_weights
from rag.chain import ask
from rag.extract import ExtractiveGenerator
from rag.generate import Generator
from rag.prompt import Prompt
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.types import ABSTAIN, ABSTENTION, Abstain, Answer, Completed, Token
from settings import Generate, Retrieve

TEXTS = {
    "lease.md": "The landlord is Ana Ruiz. The deposit for the flat on Mill Street, which the tenant pays in full"
    " before moving in, is 1,200 euros. Dogs are not allowed in the flat.",
    "rooms.txt": "Room  Price  Beds\nBlue room  40 euros  2\nRed room  65 euros  3",
    "hike.md": "Things to pack for the hike:\n- Two litres of water\n- A whistle\n- The map",
    "minutes.md": "The annual meeting of the Falcon club took place in Tampa on a rainy Sunday.",
    "report.md": "The annual meeting of the Falcon club took place in Denver on a rainy Sunday.",
    "agua.txt": "La franquicia de la póliza por daños por agua es de cien euros por siniestro.",
    "mill.txt": "The old mill was built in 1890. It grinds wheat on Thursdays.",
    "chapel.md": "The roof of the old chapel is covered with copper since the fire.",
    "visit.md": "Visitors admire the zinc that covers the roof of the old chapel.",
}
DAYS = {"minutes.md": {"date": "2021-02-07"}, "report.md": {"modified": "2024-03-01T10:00:00"}}

Ask = Callable[..., Answer]


class Refusing(Generator):
    """A model that never finds an answer; counts what it is asked."""

    info = ModelInfo(name="refusing", path="x.gguf")

    def __init__(self) -> None:
        self.asked = 0

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(self, prompt: Prompt) -> Iterator[str]:
        self.asked += 1
        yield ABSTENTION[prompt.language]

    def close(self) -> None: ...


class Saying(Refusing):
    """A model that says the same whatever it reads."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self._said = said

    def generate(self, prompt: Prompt) -> Iterator[str]:
        place = next(n for n, hit in enumerate(prompt.hits, start=1) if hit.passage.path == "minutes.md")
        yield self._said.format(n=place)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Catalog]:
    found = Catalog(tmp_path_factory.mktemp("answers"))
    for path, text in TEXTS.items():
        passage = Passage(path, path, 0, text, (), "paragraph", None, None, (), 9, detect_language(text))
        new = NewPassage(passage, text)
        metadata: Mapping[str, str] = DAYS.get(path, {})
        source = Source("/library", path, 1, 0, path, "indexed", passages=1, metadata=dict(metadata))
        found.store(source, [new], {new.vector_key: embedder.embed_passages([text])[0]})
    yield found
    found.close()


@pytest.fixture(scope="module")
def answer(catalog: Catalog, embedder: Embedder) -> Ask:
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())

    def asked(question: str, abstain: Abstain = "balanced", model: Generator | None = None) -> Answer:
        judge = ExtractiveGenerator(catalog, embedder, abstain)
        events = list(ask(question, retriever, model or judge, Generate(), judge=judge))
        assert isinstance(events[-1], Completed)
        found = events[-1].answer
        written = "".join(event.text for event in events if isinstance(event, Token))
        assert written.split() == found.answer.split()
        return found

    return asked


@pytest.mark.parametrize(
    "question",
    ["How much is the deposit for the flat?", "What does the red room cost?", "When was the old mill built?",
     "¿De cuánto es la franquicia por daños por agua?", "What things do I pack for the hike?"],
)  # fmt: skip
def test_each_part_of_an_answer_cites_its_exact_words(answer: Ask, question: str) -> None:
    found = answer(question)
    assert not found.abstained
    assert found.refusal is None
    assert len(found.sentences) == len(found.citations) >= 1
    for sentence, citation in zip(found.sentences, found.citations, strict=True):
        assert sentence.citations == (citation.n,)
        assert TEXTS[citation.source][citation.start : citation.end] == citation.quote
        assert sentence.text.endswith(citation.quote)
        assert sentence.supported


def test_a_long_sentence_has_the_value_asked_for_put_first(answer: Ask) -> None:
    assert answer("How much is the deposit for the flat?").answer.startswith("1,200 euros – The deposit")


def test_a_row_is_answered_with_its_header_and_the_cell_asked_for_first(answer: Ask) -> None:
    found = answer("What is the price of the red room?")
    assert found.answer.startswith("65 euros – Room  Price  Beds\nRed room  65 euros  3 [1]")
    assert found.citations[0].quote == "Red room  65 euros  3"


def test_a_list_is_answered_whole(answer: Ask) -> None:
    assert answer("What things do I pack for the hike?").citations[0].quote == TEXTS["hike.md"]


def test_sources_that_contradict_each_other_stand_side_by_side_with_their_days(answer: Ask) -> None:
    found = answer("Where did the annual meeting of the Falcon club take place?")
    assert {(side.value, side.date) for side in found.conflict} == {("Tampa", "2021-02-07"), ("Denver", "2024-03-01")}
    cited = {citation.n: citation.source for citation in found.citations}
    assert {cited[n] for side in found.conflict for n in side.citations} == {"minutes.md", "report.md"}
    assert "Tampa (2021-02-07) – The annual" in found.answer
    assert "Denver (2024-03-01) – The annual" in found.answer


def test_sources_that_contradict_each_other_in_their_own_words_stand_side_by_side(answer: Ask) -> None:
    found = answer("What metal is the roof of the old chapel covered with?")
    assert [side.value for side in found.conflict] == ["copper", "zinc"]
    assert [citation.source for citation in found.citations] == ["chapel.md", "visit.md"]


def test_beside_a_models_answer_stands_what_the_sources_say_against_each_other(answer: Ask) -> None:
    question = "Where did the annual meeting of the Falcon club take place?"
    found = answer(question, model=Saying("It took place in Tampa. [{n}]"))
    assert found.answer == "It took place in Tampa. [1]"
    sources = {citation.n: citation.source for citation in found.citations}
    assert sources == {1: "minutes.md", 2: "report.md"}, "what the answer cites is not cited twice"
    assert {side.value: [sources[n] for n in side.citations] for side in found.conflict} == {
        "Tampa": ["minutes.md"],
        "Denver": ["report.md"],
    }
    for citation in found.citations:
        assert TEXTS[citation.source][citation.start : citation.end] == citation.quote


def test_the_reader_has_no_say_in_questions_of_yes_or_no(answer: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.candidates.read_pieces", lambda *_: pytest.fail("no text has a few words that answer it"))
    assert answer("Are dogs allowed in the flat?").citations[0].quote == "Dogs are not allowed in the flat."
    assert answer("¿Se admiten perros en el piso?").citations[0].quote == "Dogs are not allowed in the flat."
    with pytest.raises(pytest.fail.Exception):
        answer("What is not allowed in the flat?")


def test_sources_that_agree_are_no_conflict(answer: Ask) -> None:
    assert answer("When was the old mill built?").conflict == ()
    assert answer("When was the old mill built?", model=Refusing()).conflict == ()


@pytest.mark.parametrize(
    ("question", "missing"),
    [("What is the boiling point of tungsten?", "tungsten"), ("¿Quién escribió el Quijote?", "Quijote")],
)
def test_a_refusal_says_what_comes_nearest_and_what_is_missing(answer: Ask, question: str, missing: str) -> None:
    found = answer(question)
    assert found.abstained
    assert found.answer in ABSTENTION.values()
    assert found.citations == ()
    assert found.refusal is not None
    assert found.refusal.reason == "unsure"
    assert missing in found.refusal.missing
    for near in found.refusal.nearest:
        assert TEXTS[near.source][near.start : near.end] == near.quote
        assert not near.supported


def test_the_dial_from_strict_to_helpful_only_adds_answers(answer: Ask) -> None:
    questions = ["When was the old mill built?", "When was the old mill sold?", "Who owns the mill?", "Who is Bob?"]
    given = {dial: {q for q in questions if not answer(q, dial).abstained} for dial in ABSTAIN}
    assert given["strict"] <= given["balanced"] <= given["helpful"]
    assert given["strict"] != given["helpful"]
    least = read_weights().least
    assert least["strict"] > least["balanced"] > least["helpful"]


def test_a_model_is_not_asked_what_nothing_found_speaks_of(answer: Ask) -> None:
    model = Refusing()
    found = answer("Who won the football world cup in 1998?", model=model)
    assert (model.asked, found.abstained, found.model) == (0, True, "refusing")
    assert found.refusal is not None
    assert found.refusal.reason == "unsure"


def test_a_model_that_refuses_is_told_apart_from_what_was_never_asked(answer: Ask) -> None:
    model = Refusing()
    found = answer("When was the old mill built?", model=model)
    assert (model.asked, found.abstained) == (1, True)
    assert found.refusal is not None
    assert found.refusal.reason == "model"
    assert found.refusal.nearest[0].quote == "The old mill was built in 1890."


def test_a_helpful_dial_leaves_it_to_the_model(answer: Ask) -> None:
    model = Refusing()
    answer("What is the boiling point of tungsten?", "helpful", model)
    assert model.asked == 1
