"""The chain from a question to a cited answer, with real llama.cpp behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.catalog import Catalog, NewPassage
from ingest.types import Source
from ingest.vectors import ExactIndex
from models.gguf import read_model
from models.types import ModelInfo
from rag.chain import Question, ask, build_chain
from rag.generate import Generator, LlamaGenerator
from rag.prompt import Prompt
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.types import ABSTENTION, Answer, Completed, Event, Retrieved, Thought, Token, Turn
from settings import Context, Generate, Retrieve, Rewrite, Verify
from tests.fakes import LEASE, WordEmbedder
from tests.gguf_files import LLAMA2, tiny_gguf

SETTINGS = Generate(context=4096, max_tokens=64, threads=1)


@pytest.fixture
def retriever(tmp_path: Path) -> Iterator[Retriever]:
    embedder = WordEmbedder()
    catalog = Catalog(tmp_path / "index")
    new = NewPassage(LEASE, LEASE.text)
    source = Source("/library", LEASE.path, 1, 1, "x", "indexed", passages=1, title="Lease")
    catalog.store(source, [new], {new.vector_key: embedder.embed_query(LEASE.text)})
    exact = ExactIndex(catalog)
    yield Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())
    catalog.close()


@pytest.fixture
def model(tmp_path: Path) -> Iterator[LlamaGenerator]:
    generator = LlamaGenerator(read_model(tiny_gguf(tmp_path / "tiny.gguf")), SETTINGS)
    yield generator
    generator.close()


def events(retriever: Retriever, generator: Generator, question: str) -> list[Event]:
    return list(ask(question, retriever, generator, SETTINGS))


def answer_of(found: list[Event]) -> Answer:
    assert isinstance(found[-1], Completed)
    return found[-1].answer


def test_a_model_answers_with_a_verified_citation(retriever: Retriever, model: LlamaGenerator) -> None:
    found = events(retriever, model, "What is the notice period?")
    answer = answer_of(found)
    assert answer.answer == "The notice period is thirty days [1]."
    assert [(c.quote, c.page, c.source, c.supported) for c in answer.citations] == [
        ("The notice period is thirty days", 2, LEASE.path, True)
    ]
    assert answer.timings.first_token is not None
    assert answer.timings.retrieve <= answer.timings.first_token <= answer.timings.total


def test_events_come_in_order_and_the_tokens_are_the_answer(retriever: Retriever, model: LlamaGenerator) -> None:
    first, *tokens, last = events(retriever, model, "What is the notice period?")
    assert isinstance(first, Retrieved)
    assert all(isinstance(token, Token) for token in tokens)
    assert len(tokens) > 1
    assert "".join(token.text for token in tokens if isinstance(token, Token)).strip() == answer_of([last]).answer


def test_a_number_that_the_model_invents_is_dropped_and_counted(retriever: Retriever, tmp_path: Path) -> None:
    says = "The notice period is thirty days [4]."
    loose = SETTINGS.model_copy(update={"grammar": False})  # with it no such number can be written
    generator = LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf", says=says)), loose)
    answer = answer_of(events(retriever, generator, "What is the notice period?"))
    generator.close()
    assert answer.answer == "The notice period is thirty days. [1]"  # the passage that says it, found by itself
    assert answer.invented == 1
    assert answer.sentences[0].supported


def test_a_false_claim_of_the_model_is_marked(retriever: Retriever, tmp_path: Path) -> None:
    says = "The notice period is ninety days [1]."
    generator = LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf", says=says, template=LLAMA2)), SETTINGS)
    answer = answer_of(events(retriever, generator, "What is the notice period?"))
    generator.close()
    assert [citation.supported for citation in answer.citations] == [False]
    assert answer.sentences[0].reason == "the number ninety days is not in the passage"


def test_a_false_claim_of_the_model_is_dropped_where_that_is_set(retriever: Retriever, tmp_path: Path) -> None:
    says = "The notice period is ninety days [1]."
    generator = LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf", says=says)), SETTINGS)
    found = list(
        ask("What is the notice period?", retriever, generator, SETTINGS, verifying=Verify(unsupported="drop"))
    )
    generator.close()
    answer = answer_of(found)
    assert (answer.answer, answer.abstained, answer.citations) == (ABSTENTION["en"], True, ())


@pytest.mark.parametrize(("question", "language"), [("What is the rent?", "en"), ("¿Cuánto es la renta?", "es")])
def test_a_model_that_refuses_gets_the_fixed_sentence_of_the_question(
    retriever: Retriever, tmp_path: Path, question: str, language: str
) -> None:
    generator = LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf", says=ABSTENTION["en"])), SETTINGS)
    answer = answer_of(events(retriever, generator, question))
    generator.close()
    assert answer.abstained
    assert answer.answer == ABSTENTION[language]  # type: ignore[index]
    assert answer.citations == ()


def test_a_thought_is_told_apart_and_nothing_in_it_is_cited(retriever: Retriever, tmp_path: Path) -> None:
    says = ["<think>", "The deposit [1]", " is [2]?", "</think>", "The notice period is", " thirty days", " [1] ", "."]
    special_tokens = ("<think>", "</think>", "<|im_end|>")
    path = tiny_gguf(tmp_path / "m.gguf", says=says, special_tokens=special_tokens)
    generator = LlamaGenerator(read_model(path), SETTINGS)
    found = events(retriever, generator, "What is the notice period?")
    generator.close()
    assert "".join(event.text for event in found if isinstance(event, Thought)) == "The deposit [1] is [2]?"
    assert "deposit" not in "".join(event.text for event in found if isinstance(event, Token))
    answer = answer_of(found)
    assert answer.answer.startswith("The notice period is thirty days [1]")
    assert len(answer.citations) == 1
    assert answer.invented == 0


def test_a_follow_up_is_given_first_what_the_question_before_it_was_given(
    retriever: Retriever, model: LlamaGenerator
) -> None:
    list(ask("What is the notice period?", retriever, model, SETTINGS))
    read = model.passages_read
    assert read
    list(ask("And the deposit?", retriever, model, SETTINGS, history=[Turn("What is the notice period?", "Thirty")]))
    assert model.passages_read[: len(read)] == read


def test_nothing_found_is_refused_without_asking_the_model(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    catalog = Catalog(tmp_path / "empty")
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())
    model = LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf")), SETTINGS)  # never started
    answer = answer_of(events(retriever, model, "What is the rent?"))
    assert answer.abstained
    assert answer.answer == ABSTENTION["en"]
    catalog.close()


def test_closing_the_stream_stops_the_model(retriever: Retriever, tmp_path: Path) -> None:
    generator = LlamaGenerator(
        read_model(tiny_gguf(tmp_path / "m.gguf", endless=True)), Generate(context=4096, max_tokens=4000, threads=1)
    )
    stream = ask("What is the notice period?", retriever, generator, SETTINGS)
    kept = [next(stream) for _ in range(5)]
    stream.close()  # type: ignore[attr-defined]
    assert isinstance(kept[-1], Token)
    says_again = answer_of(events(retriever, _short(generator), "What is the notice period?"))  # still of use
    assert says_again.answer
    generator.close()


def test_a_stop_during_the_prompt_is_heeded_before_the_first_word(retriever: Retriever, tmp_path: Path) -> None:
    slow = tiny_gguf(tmp_path / "slow.gguf", width=1024, blocks=2)
    generator = LlamaGenerator(read_model(slow), SETTINGS)
    generator.count_tokens("loaded")
    stream = ask("What is the notice period?", retriever, generator, SETTINGS)
    assert isinstance(next(stream), Retrieved)
    sign_of_life = next(stream)
    assert sign_of_life == Token("")
    stream.close()  # type: ignore[attr-defined]
    generator.close()


def _short(generator: LlamaGenerator) -> LlamaGenerator:
    generator._settings = SETTINGS
    return generator


def test_the_chain_is_a_langchain_runnable(retriever: Retriever, model: LlamaGenerator) -> None:
    from langchain_core.runnables import Runnable

    chain = build_chain(retriever, model, SETTINGS)
    assert isinstance(chain, Runnable)
    kinds = [event.event for event in chain.stream(Question("What is the notice period?"))]
    assert kinds[0] == "retrieved"
    assert kinds[-1] == "completed"


# ----------------------------------------------------------------------- follow-ups, and what the model is given


def shelf(folder: Path, **texts: Sequence[str]) -> tuple[Catalog, Retriever]:
    """A library of one source for each name, with its passages in order."""
    embedder, catalog = WordEmbedder(), Catalog(folder)
    for name, passages in texts.items():
        new = [
            NewPassage(replace(LEASE, id=f"{name}{n}", path=name, position=n, text=text), text)
            for n, text in enumerate(passages)
        ]
        source = Source("/library", name, 1, 1, name, "indexed", passages=len(new), title=name)
        catalog.store(source, new, {each.vector_key: embedder.embed_query(each.embedded_text) for each in new})
    exact = ExactIndex(catalog)
    return catalog, Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())


class KeepingModel(LlamaGenerator):
    """A real model that keeps the prompts it was given."""

    def __init__(self, info: ModelInfo, settings: Generate) -> None:
        super().__init__(info, settings)
        self.prompts: list[Prompt] = []

    def generate(self, prompt: Prompt) -> Iterator[str]:
        self.prompts.append(prompt)
        yield from super().generate(prompt)


@pytest.fixture
def keeping_model(tmp_path: Path) -> Iterator[KeepingModel]:
    generator = KeepingModel(read_model(tiny_gguf(tmp_path / "keeping.gguf")), SETTINGS)
    yield generator
    generator.close()


def test_a_follow_up_is_asked_and_searched_for_as_it_stands_alone(
    retriever: Retriever, keeping_model: KeepingModel
) -> None:
    history = [Turn("What is the notice period of the lease?", "Thirty days [1].")]
    rules = Rewrite(follow_ups="rules")
    found = list(ask("Who signed it?", retriever, keeping_model, SETTINGS, history=history, rewriting=rules))
    assert "Question: Who signed it (notice period of the lease)?" in keeping_model.prompts[-1].text
    assert answer_of(found).question == "Who signed it?"


def test_the_model_that_answers_makes_the_follow_up_stand_alone_first(
    retriever: Retriever, keeping_model: KeepingModel
) -> None:
    history = [Turn("What is the notice period of the lease?", "Thirty days [1].")]
    rewriting = Rewrite(seconds=60)
    found = list(ask("Who signed it?", retriever, keeping_model, SETTINGS, history=history, rewriting=rewriting))
    first, last = keeping_model.prompts  # the model says its one sentence to both; as a question it is not used
    assert "Last question: Who signed it?" in first.text
    assert "Question: Who signed it (notice period of the lease)?" in last.text
    assert answer_of(found).citations


def test_both_sides_of_a_comparison_reach_the_model(tmp_path: Path, keeping_model: KeepingModel) -> None:
    lima = {f"lima{n}": [f"Lima is older than town number {n}, say the older books of Lima."] for n in range(30)}
    catalog, retriever = shelf(tmp_path / "index", **lima, quito=["Quito stands at the foot of a volcano."])
    question = "Which is older, Lima or Quito?"

    def given(rewriting: Rewrite) -> set[str]:
        list(ask(question, retriever, keeping_model, SETTINGS, k=2, rewriting=rewriting))
        return {hit.passage.path for hit in keeping_model.prompts[-1].hits}

    assert "quito" in given(Rewrite())
    assert len(given(Rewrite(split=False))) == 2
    catalog.close()


def test_a_citation_of_a_neighbour_is_of_the_neighbours_own_passage(tmp_path: Path) -> None:
    contract = ["The parties are named below.", "The deposit is governed by this:", "it is paid back in sixty days."]
    catalog, retriever = shelf(tmp_path / "index", contract=contract)
    says = "The deposit is paid back in sixty days [3]."
    model = LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf", says=says)), SETTINGS)
    found = list(ask("What governs the deposit?", retriever, model, SETTINGS, k=1))
    assert isinstance(found[0], Retrieved)
    assert [hit.passage.id for hit in found[0].hits] == ["contract1"]
    (citation,) = answer_of(found).citations
    assert (citation.id, citation.quote) == ("contract2", contract[2])
    assert catalog.passage(citation.id).text[citation.start : citation.end] == citation.quote
    model.close()
    catalog.close()


def test_no_source_takes_all_the_room_of_the_others(tmp_path: Path, keeping_model: KeepingModel) -> None:
    book = [f"The notice period in chapter {n} is the notice period of that chapter." for n in range(6)]
    catalog, retriever = shelf(tmp_path / "index", book=book, letter=["Notice is given by letter, some say."])
    context = Context(per_source=2, neighbours=0)
    found = list(ask("What is the notice period?", retriever, keeping_model, SETTINGS, k=4, context=context))
    assert isinstance(found[0], Retrieved)
    assert {hit.passage.path for hit in found[0].hits} == {"book"}
    assert "letter" in {hit.passage.path for hit in keeping_model.prompts[0].hits}
    assert len(keeping_model.prompts[0].hits) == 4
    catalog.close()
