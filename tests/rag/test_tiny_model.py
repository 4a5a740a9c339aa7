"""A model that really reads its prompt (tests/tiny_model.py): template, stream, grammar, citation, verification,
abstention. Every fact is made up anew, so nothing but the passages can tell it."""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine import LocalEngine, open_engine
from models.gguf import read_header, read_model
from models.types import ModelInfo
from rag.cite import cite
from rag.generate import LlamaGenerator
from rag.prompt import Prompt, fill_prompt
from rag.template import choose_template
from rag.types import ABSTENTION, Answer, Completed
from settings import Generate, Settings
from tests.gguf_files import CHATML, LLAMA3
from tests.tiny_model import TRAINED, Example, make_example, train, vocabulary

READER = Generate(context=2048, max_tokens=40, threads=1)


def made(number: int, absent: float) -> list[Example]:
    rng = random.Random(20260101 + int(absent))  # not the trainer's
    return [make_example(rng, rng.randint(2, 5), 1, absent) for _ in range(number)]


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Each with a question that one of two to five passages answers."""
    return made(40, absent=0.0)


@pytest.fixture(scope="module", params=[True, False], ids=["grammar", "free"])
def reader(request: pytest.FixtureRequest) -> Iterator[LlamaGenerator]:
    settings = READER.model_copy(update={"grammar": request.param})
    with closing(LlamaGenerator(read_model(TRAINED), settings)) as generator:
        yield generator


def filled(generator: LlamaGenerator, example: Example, info: ModelInfo | None = None) -> Prompt:
    """`info` chooses another template than the model's own."""
    info = info or generator.info
    return fill_prompt(example.questions[0], example.hits, info, "en", generator.count_tokens, 2048, 40)


def drafts(generator: LlamaGenerator, examples: Sequence[Example], info: ModelInfo | None = None) -> list[str]:
    return ["".join(generator.generate(filled(generator, each, info))) for each in examples]


def right(said: Sequence[str], examples: Sequence[Example]) -> int:
    """How many drafts say the right fact and cite the passage that says it, or abstain where none does."""
    return sum(draft == each.answers[0] for draft, each in zip(said, examples, strict=True))


def test_it_was_trained_on_the_prompt_of_today() -> None:
    """Else it has to be trained anew: tests/tiny_model.py says how."""
    assert read_header(TRAINED).metadata["tokenizer.ggml.tokens"] == vocabulary()[0]


def test_a_model_that_reads_its_prompt_says_the_fact_and_cites_the_passage_that_says_it(
    reader: LlamaGenerator, examples: list[Example]
) -> None:
    assert right(drafts(reader, examples), examples) >= 36


def test_it_abstains_where_no_passage_answers(reader: LlamaGenerator) -> None:
    absent = made(25, absent=1.0)
    assert right(drafts(reader, absent), absent) >= 20


@pytest.mark.parametrize(("template", "most"), [(CHATML, 10), (LLAMA3, 10), ("", 30)], ids=["chatml", "llama3", "none"])
def test_with_the_wrong_template_it_answers_worse(
    reader: LlamaGenerator, examples: list[Example], template: str, most: int
) -> None:
    wrong = replace(reader.info, chat_template=template)
    assert choose_template(wrong).family != choose_template(reader.info).family == "llama2"
    assert right(drafts(reader, examples, wrong), examples) <= most


def test_each_sentence_of_it_cites_a_passage_that_is_there(examples: list[Example]) -> None:
    with closing(LlamaGenerator(read_model(TRAINED), READER)) as generator:
        for draft, example in zip(drafts(generator, examples), examples, strict=True):
            cited = cite(draft, example.hits)
            assert cited.invented == 0
            assert cited.abstained or all(sentence.citations for sentence in cited.sentences), draft


def test_a_question_that_follows_up_reads_none_of_the_same_passages_again(
    reader: LlamaGenerator, examples: list[Example]
) -> None:
    first = examples[0]
    follow_up = replace(first, questions=("Where is the office of Zoe?",))
    (_, told), (prompt, again) = ((filled(reader, each), told_by(reader, each)) for each in (first, follow_up))
    question = prompt.text[prompt.text.rindex("Question:") :]
    assert again["reused"] >= told["prompt"] - 20
    assert again["prompt"] - again["reused"] <= reader.count_tokens(question)


def told_by(generator: LlamaGenerator, example: Example) -> dict[str, int]:
    """The worker's own account: tokens of the prompt, and how many of these were not read again."""
    *_, end = generator._live_worker().ask(do="generate", text=filled(generator, example).text, max_tokens=3)
    return {name: end[name] for name in ("prompt", "reused")}


@pytest.fixture
def engine(ready_settings: Settings, tmp_path: Path) -> Iterator[LocalEngine]:
    """One that the model answers for, over three letters."""
    library = tmp_path / "letters"
    library.mkdir()
    for name, text in (
        ("alpha", "The lease of Bruno ends in 2014."),
        ("beta", "The lease of Carla ends in 2009."),
        ("gamma", "The office of Bruno is in Lima."),
    ):
        (library / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")
    with closing(open_engine(ready_settings.model_copy(update={"generate": READER}))) as engine:
        engine.add_folders([library])
        engine.index()
        engine.use_model(engine.add_model(TRAINED).name)
        assert isinstance(engine, LocalEngine)
        yield engine


def answer_of(engine: LocalEngine, question: str) -> Answer:
    (answer,) = [event.answer for event in engine.ask(question, abstain="helpful") if isinstance(event, Completed)]
    return answer


def test_a_question_to_the_engine_is_answered_from_the_file_that_says_it_with_a_verified_citation(
    engine: LocalEngine,
) -> None:
    answer = answer_of(engine, "When does the lease of Bruno end?")
    assert answer.answer == "The lease of Bruno ends in 2014 [1]."
    assert [(one.source, one.supported) for one in answer.citations] == [("alpha.txt", True)]
    assert answer.model == "tiny-reader"


def test_where_the_files_do_not_say_it_the_model_itself_abstains(engine: LocalEngine) -> None:
    answer = answer_of(engine, "Where is the office of Carla?")
    assert answer.abstained
    assert answer.answer == ABSTENTION["en"]
    assert answer.refusal
    assert answer.refusal.reason == "model"


@pytest.mark.slow
def test_the_script_trains_a_model_that_llama_cpp_runs(tmp_path: Path) -> None:
    path = train(tmp_path / "tiny.gguf", steps=3, report=lambda _: None)
    assert path.stat().st_size < 2_000_000
    with closing(LlamaGenerator(read_model(path), READER.model_copy(update={"grammar": False}))) as generator:
        list(generator.generate(filled(generator, make_example(random.Random(0), 2, 1))))
