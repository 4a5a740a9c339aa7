"""What a voice does to an answer, and what it cannot: citations, the check and the abstention stay as they are."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from engine import LocalEngine, open_engine
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Embedder
from ingest.types import Passage, Source
from ingest.vectors import ExactIndex
from models.gguf import read_model
from rag.chain import ask
from rag.cite import cite
from rag.extract import ExtractiveGenerator
from rag.generate import LlamaGenerator, Pieces
from rag.prompt import Prompt, fill_prompt
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.types import ABSTENTION, LENGTHS, Answer, Completed, Example, Length, Voice
from rag.voice import Manner
from settings import Generate, Retrieve, Settings
from tests.gguf_files import tiny_gguf
from tests.lora_gguf import lora_gguf, saying_instead
from tests.tiny_model import TRAINED, make_example

TEXTS = {
    "contracts/lease.txt": "The notice period is thirty days.",
    "notes/mill.txt": "The old mill grinds wheat on Thursdays. The old mill grinds oats on Fridays. On Mondays the old"
    " mill grinds no wheat. Wheat for the old mill comes by boat.",
}
GENERATE = Generate(context=4096, max_tokens=64, threads=1)

FORBIDDING = {"/": "Never write a number in brackets."}

Answered = Callable[..., Answer]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Answered]:
    """Answers a question from TEXTS, extractively or by a scripted model that `says` something."""
    folder = tmp_path_factory.mktemp("voice")
    catalog = Catalog(folder / "index")
    for path, text in TEXTS.items():
        passage = Passage(path, path, 0, text, (), "paragraph", None, None, (), 9, "en")
        new = NewPassage(passage, text)
        source = Source("/library", path, 1, 0, path, "indexed", passages=1)
        catalog.store(source, [new], {new.vector_key: embedder.embed_passages([text])[0]})
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())

    def answer(question: str, manner: Manner, says: str = "") -> Answer:
        judge = ExtractiveGenerator(catalog, embedder, "helpful")
        if not says:
            *_, last = ask(question, retriever, judge, GENERATE, judge=judge, manner=manner)
        else:
            path = tiny_gguf(folder / "m.gguf", says=says)
            with closing(LlamaGenerator(read_model(path), GENERATE)) as generator:
                *_, last = ask(question, retriever, generator, GENERATE, manner=manner)
        assert isinstance(last, Completed)
        return last.answer

    yield answer
    catalog.close()


def test_a_voice_that_forbids_citations_gets_none_through() -> None:
    """By a model that reads its prompt (tests/tiny_model.py), which was never told of a voice."""
    rng = random.Random(20260102)
    voice = Voice("a pirate who never cites", "friendly", "long", instructions=FORBIDDING)
    shown = Example("e", "When does the lease of Ada end?", "In 1999, they say.", "written", "", similarity=0.9)
    manner = Manner(voice, lambda _: (shown,))
    settings = Generate(context=2048, max_tokens=40, threads=1)
    with closing(LlamaGenerator(read_model(TRAINED), settings)) as generator:
        for _ in range(8):
            each = make_example(rng, 2, 1, absent=0.3)
            prompt = fill_prompt(
                each.questions[0], each.hits, generator.info, "en", generator.count_tokens, 2048, 40, manner=manner
            )
            assert "a pirate who never cites" in prompt.text
            assert "In 1999, they say [1]." in prompt.text
            draft = "".join(generator.generate(prompt))
            cited = cite(draft, each.hits)
            assert cited.invented == 0
            assert cited.abstained or all(sentence.citations for sentence in cited.sentences), draft


def test_what_cites_nothing_is_marked_in_any_voice(answered: Answered) -> None:
    manner = Manner(Voice(persona="a pirate who never cites", instructions=FORBIDDING))
    found = answered("What is the notice period?", manner, says="Arr, it is ninety parrots")
    assert [sentence.verdict for sentence in found.sentences] == ["unsupported"]
    assert found.voice == manner.voice


def test_a_claim_that_the_passage_does_not_carry_is_marked_in_any_voice(answered: Answered) -> None:
    manner = Manner(Voice("a salesman", "friendly", "long", instructions={"contracts/": "Say ninety."}))
    found = answered("What is the notice period?", manner, says="The notice period is ninety days [1].")
    assert [sentence.verdict for sentence in found.sentences] == ["unsupported"]


@pytest.mark.parametrize(("language", "says"), [("es", "en"), ("en", "es"), ("question", "es")])
def test_an_abstention_is_the_one_sentence_of_the_answers_language(
    answered: Answered, language: str, says: str
) -> None:
    manner = Manner(Voice("a pirate", "friendly", "long", language))  # type: ignore[arg-type]
    found = answered("What is the notice period?", manner, says=ABSTENTION[says])  # type: ignore[index]
    wanted = "en" if language == "question" else language
    assert (found.answer, found.abstained, found.citations) == (ABSTENTION[wanted], True, ())  # type: ignore[index]
    assert found.refusal is None


def test_an_extractive_refusal_is_in_the_answers_language_too(answered: Answered) -> None:
    found = answered("Who won the chess cup in Oslo?", Manner(Voice(language="es")))
    assert (found.answer, found.abstained) == (ABSTENTION["es"], True)


@pytest.mark.parametrize("length", get_args(Length))
def test_the_length_limits_the_sentences_of_an_extractive_answer(answered: Answered, length: Length) -> None:
    found = {each: answered("What does the old mill grind?", Manner(Voice(length=each))).citations for each in LENGTHS}
    quotes = {each: [citation.quote for citation in cited] for each, cited in found.items()}
    assert len(quotes["short"]) == 1
    assert len(quotes["short"]) < len(quotes["long"])
    assert len(quotes["middle"]) <= 3
    assert quotes["short"][0] == quotes[length][0]
    assert set(quotes["middle"]) <= set(quotes["long"])
    assert all(quote in TEXTS["notes/mill.txt"] for quote in quotes[length])


# ------------------------------------------------------------------------------------------------------ in the engine


@pytest.fixture
def engine(ready_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """With TEXTS indexed, a scripted model in use, and the prompts it was given in `engine.prompts`."""
    prompts: list[Prompt] = []
    generate = LlamaGenerator.generate_by

    def keeping(self: LlamaGenerator, settings: Generate, prompt: Prompt) -> Pieces:
        prompts.append(prompt)
        return (yield from generate(self, settings, prompt))

    monkeypatch.setattr(LlamaGenerator, "generate_by", keeping)
    for path, text in TEXTS.items():
        file = ready_settings.library / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    home = ready_settings.home
    home.joinpath("cita.toml").write_text(
        '[voice]\ntone = "formal"\npersona = "a notary"\n[instructions]\n"contracts/" = "Name the clause."\n',
        encoding="utf-8",
    )
    (ready_settings.library / "cita.toml").write_text('[voice]\npersona = "an intruder"\n', encoding="utf-8")
    settings = Settings.load(home).model_copy(update={"generate": GENERATE})
    with closing(open_engine(settings)) as opened:
        assert isinstance(opened, LocalEngine)
        opened.index()
        opened.use_model(opened.add_model(tiny_gguf(tmp_path / "m.gguf")).name)
        opened.prompts = prompts  # type: ignore[attr-defined]
        yield opened


def completed(engine: LocalEngine, question: str, **options: object) -> Answer:
    *_, last = engine.ask(question, **options)  # type: ignore[arg-type]
    assert isinstance(last, Completed)
    assert not last.problem
    return last.answer


def test_the_voice_in_cita_toml_answers_and_its_conversation_keeps_which_it_was(engine: LocalEngine) -> None:
    found = completed(engine, "What is the notice period?", conversation="new")
    (prompt,) = engine.prompts  # type: ignore[attr-defined]
    for said in ("You speak as a notary.", "Write formally", "passages from contracts/ say: Name the clause."):
        assert said in prompt.text
    assert "an intruder" not in prompt.text.partition("<|im_end|>")[0]
    assert found.voice == Voice("a notary", "formal", instructions={"contracts/": "Name the clause."})
    (turn,) = engine.conversation("last").turns
    assert turn.answer is not None
    assert turn.answer.voice == found.voice


def test_one_question_may_have_a_voice_of_its_own(engine: LocalEngine) -> None:
    voice = Voice("", "friendly", "short", "es")
    assert completed(engine, "What is the notice period?", voice=voice).voice == voice
    (prompt,) = engine.prompts  # type: ignore[attr-defined]
    assert "Escribe de forma cercana" in prompt.text
    assert "Responde en español, en una sola frase corta." in prompt.text
    assert "a notary" not in prompt.text


def test_examples_like_the_question_reach_the_prompt_and_others_do_not(engine: LocalEngine) -> None:
    engine.add_examples(
        [
            ("How long is the notice period of the flat?", "Three months, as clause 4 says."),
            ("Which birds migrate in winter?", "Storks and geese do."),
        ]
    )
    found = completed(engine, "How long is the notice period?")
    (prompt,) = engine.prompts  # type: ignore[attr-defined]
    assert "It was asked: How long is the notice period of the flat?" in prompt.text
    assert "Three months, as clause 4 says [1]." in prompt.text
    assert "birds" not in prompt.text
    assert {citation.source for citation in found.citations} == {"contracts/lease.txt"}


def test_examples_that_cannot_be_read_cost_no_answer(engine: LocalEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.add_examples([("How long is the notice period of the flat?", "Three months.")])
    engine._history.close()
    (engine._settings.home / "conversations.db").write_bytes(b"not a database" * 500)
    assert completed(engine, "How long is the notice period?").answer
    assert "answered without examples" in caplog.text


def test_a_model_with_an_adapter_answers_otherwise_than_its_base(engine: LocalEngine, tmp_path: Path) -> None:
    base = next(model for model in engine.models() if model.active)
    adapter = lora_gguf(tmp_path / "curt.gguf", saying_instead(Path(base.path), "\u2581thirty", "\u2581days"))
    curt = engine.add_model(adapter, base.name)
    question = "What is the notice period?"
    assert completed(engine, question).answer == "The notice period is thirty days [1]."
    assert completed(engine, question, model=curt.name).answer == "The notice period is days [1]."
    weak = engine.add_model(adapter, base.name, 0.1)  # the same model, loaded anew with another weight
    assert weak.name == curt.name
    assert completed(engine, question, model=curt.name).answer == "The notice period is thirty days [1]."
