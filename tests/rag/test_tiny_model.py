"""A model that really reads its prompt (tests/tiny_model.py, which says what it has not learnt): template, stream,
grammar, citation. Every fact is made up anew, so nothing but the passages can tell it."""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine import open_engine
from models.gguf import read_model
from models.types import ModelInfo
from rag.cite import cite
from rag.generate import LlamaGenerator
from rag.prompt import Prompt, choose_template, fill_prompt
from rag.types import Completed
from settings import Generate, Settings
from tests.gguf_files import CHATML, LLAMA3
from tests.tiny_model import TRAINED, Example, make_example, train

READER = Generate(context=2048, max_tokens=40, threads=1)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    rng = random.Random(20260101)  # not the trainer's
    return [make_example(rng, rng.randint(1, 3), 1, absent=0.0) for _ in range(40)]


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


def share_of_facts(said: Sequence[str], examples: Sequence[Example]) -> float:
    """The share of drafts that say the right fact, whatever they cite for it."""
    facts = [
        (draft.partition(" [")[0], each.answers[0].partition(" [")[0])
        for draft, each in zip(said, examples, strict=True)
    ]
    return sum(draft == fact for draft, fact in facts) / len(facts)


def test_a_model_that_reads_its_prompt_says_what_the_passages_say(
    reader: LlamaGenerator, examples: list[Example]
) -> None:
    """Else the prompt has changed, and it has to be trained anew: tests/tiny_model.py says how."""
    assert share_of_facts(drafts(reader, examples), examples) >= 0.85


@pytest.mark.parametrize(
    ("template", "least_fall"), [(CHATML, 0.8), (LLAMA3, 0.8), ("", 0.1)], ids=["chatml", "llama3", "none"]
)
def test_with_the_wrong_template_it_answers_worse(
    reader: LlamaGenerator, examples: list[Example], template: str, least_fall: float
) -> None:
    wrong = replace(reader.info, chat_template=template)
    assert choose_template(wrong).family != choose_template(reader.info).family == "llama2"
    fall = share_of_facts(drafts(reader, examples), examples) - share_of_facts(
        drafts(reader, examples, wrong), examples
    )
    assert fall >= least_fall


def test_each_sentence_of_it_cites_a_passage_that_is_there(examples: list[Example]) -> None:
    with closing(LlamaGenerator(read_model(TRAINED), READER)) as generator:
        for draft, example in zip(drafts(generator, examples), examples, strict=True):
            cited = cite(draft, example.hits)
            assert cited.invented == 0
            assert all(sentence.citations for sentence in cited.sentences), draft


def test_a_question_that_follows_up_reads_none_of_the_same_passages_again(examples: list[Example]) -> None:
    follow_up = replace(examples[0], questions=("Where is the office of Zoe?",))
    with closing(LlamaGenerator(read_model(TRAINED), READER)) as generator:
        read_by(generator, examples[0])
        read = read_by(generator, follow_up)
        question = filled(generator, follow_up).text.rpartition("Question:")[2]
        assert read <= generator.count_tokens(question)


def read_by(generator: LlamaGenerator, example: Example) -> int:
    """How many tokens of the prompt the worker had to read."""
    *_, end = generator._live_worker().ask(do="generate", text=filled(generator, example).text, max_tokens=3)
    return int(end["prompt"] - end["reused"])


def test_a_question_to_the_engine_is_answered_from_a_file_with_a_verified_citation(
    ready_settings: Settings, tmp_path: Path
) -> None:
    library = tmp_path / "letters"
    library.mkdir()
    (library / "alpha.txt").write_text("The lease of Bruno ends in 2014.\n", encoding="utf-8")
    with closing(open_engine(ready_settings.model_copy(update={"generate": READER}))) as engine:
        engine.add_folders([library])
        engine.index()
        engine.use_model(engine.add_model(TRAINED).name)
        (answer,) = [
            event.answer for event in engine.ask("When does the lease of Bruno end?") if isinstance(event, Completed)
        ]
    assert answer.answer == "The lease of Bruno ends in 2014 [1]."
    assert [(one.source, one.supported) for one in answer.citations] == [("alpha.txt", True)]
    assert answer.model == "tiny-reader"


@pytest.mark.slow
def test_the_script_trains_a_model_that_llama_cpp_runs(tmp_path: Path) -> None:
    path = train(tmp_path / "tiny.gguf", steps=3, report=False)
    assert path.stat().st_size < 2_000_000
    with closing(LlamaGenerator(read_model(path), READER.model_copy(update={"grammar": False}))) as generator:
        list(generator.generate(filled(generator, make_example(random.Random(0), 2, 1))))
