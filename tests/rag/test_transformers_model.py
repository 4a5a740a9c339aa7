"""A folder of Transformers as a generator: in a process of its own, streamed, stopped, and gone without harm."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from errors import ModelError, ModelTooLargeError, NotAModelError
from models.weights_folder import read_folder
from rag import transformers_model
from rag.generators import open_generator
from rag.prompt import Prompt, fill_prompt
from rag.transformers_model import TransformersGenerator
from rag.types import Hit
from settings import Generate
from tests.fakes import LEASE
from tests.weights_folders import weights_folder

SETTINGS = Generate(context=30_000, max_tokens=24, threads=1)
PROMPT = Prompt("", "en", (), "The notice period", (), "chatml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_folder(tmp_path_factory.mktemp("weights") / "tiny-llama", context=4096)


@pytest.fixture(scope="module")
def generator(folder: Path) -> Iterator[TransformersGenerator]:
    with closing(TransformersGenerator(read_folder(folder), SETTINGS)) as generator:
        yield generator


def pieces(generator: TransformersGenerator, prompt: Prompt = PROMPT) -> list[str]:
    return [piece for piece in generator.generate(prompt) if piece]


def test_it_is_what_a_folder_is_answered_with(folder: Path, tmp_path: Path) -> None:
    generator = open_generator(read_folder(folder), SETTINGS, tmp_path)
    assert isinstance(generator, TransformersGenerator)
    assert generator.pid == 0  # nothing is loaded before it is asked


def test_an_answer_comes_in_pieces_and_is_the_same_for_the_same_prompt(generator: TransformersGenerator) -> None:
    first = pieces(generator)
    assert len(first) > 3
    assert "".join(pieces(generator)) == "".join(first)
    assert generator.pid != 0
    assert psutil.Process(generator.pid).ppid() == psutil.Process().pid


def test_drawn_answers_depend_on_the_seed_alone(generator: TransformersGenerator) -> None:
    drawn = [SETTINGS.model_copy(update={"temperature": 1.5, "seed": seed}) for seed in (1, 1, 2)]
    said = ["".join(generator.generate_by(settings, PROMPT)) for settings in drawn]
    assert said[0] == said[1] != said[2]


def test_a_prompt_is_counted_with_its_one_beginning(generator: TransformersGenerator) -> None:
    bare = generator.count_tokens("The notice period")
    assert generator.count_tokens("<s>The notice period") == bare + 1
    assert generator.count_tokens("<|im_start|>The notice period<|im_end|>") == bare + 2  # special tokens are one each


def test_a_prompt_is_filled_by_its_own_template_to_its_own_count(generator: TransformersGenerator) -> None:
    prompt = fill_prompt("Why?", [Hit(1, 1.0, LEASE, "")], generator.info, "en", generator.count_tokens, 4096, 24)
    assert prompt.family == "chatml"
    assert "<|im_start|>user" in prompt.text
    assert pieces(generator, prompt)


def test_what_it_took_is_told(generator: TransformersGenerator) -> None:
    answer = generator.generate(PROMPT)
    while True:
        try:
            next(answer)
        except StopIteration as end:
            usage = end.value
            break
    assert (usage.prompt, usage.reused) == (generator.count_tokens(PROMPT.text), 0)
    assert 0 < usage.written <= 24
    assert usage.writing > 0


def test_a_stop_text_ends_the_answer(generator: TransformersGenerator) -> None:
    whole = "".join(pieces(generator))
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    cut = "".join(pieces(generator, Prompt("", "en", (), PROMPT.text, (stop,), "chatml")))
    assert cut == whole[: whole.index(stop)]


def test_a_closed_answer_ends_at_its_next_token(generator: TransformersGenerator) -> None:
    answer = generator.generate_by(SETTINGS.model_copy(update={"max_tokens": 20_000}), PROMPT)
    while not next(answer):
        pass
    answer.close()
    began = time.monotonic()
    assert generator.count_tokens("x") > 0  # served after it
    assert time.monotonic() - began < 2


@pytest.mark.slow
def test_a_killed_process_is_a_message_and_the_next_answer_starts_another(generator: TransformersGenerator) -> None:
    whole = pieces(generator)
    psutil.Process(generator.pid).kill()
    time.sleep(0.2)
    for _ in range(2):  # the first may still be told of the death
        try:
            again = pieces(generator)
            break
        except ModelError as error:
            assert "ended" in error.message  # noqa: PT017
    assert again == whole


@pytest.mark.slow
def test_a_folder_that_was_changed_since_is_a_message(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    info = read_folder(copy)
    (copy / "tokenizer.json").write_text("{}")
    with closing(TransformersGenerator(info, SETTINGS)) as other, pytest.raises(ModelError, match="cannot be loaded"):
        pieces(other)
    (copy / "model.safetensors").unlink()
    with closing(TransformersGenerator(info, SETTINGS)) as generator, pytest.raises(NotAModelError, match="no weights"):
        pieces(generator)


@pytest.mark.slow
def test_weights_that_are_cut_are_a_message(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with closing(TransformersGenerator(read_folder(copy), SETTINGS)) as generator, pytest.raises(ModelError) as error:
        pieces(generator)
    assert "cannot be loaded" in error.value.message


def test_one_that_is_too_large_is_refused_before_it_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_model, "free_memory", lambda: 0)
    with closing(TransformersGenerator(read_folder(folder), SETTINGS)) as generator:
        with pytest.raises(ModelTooLargeError, match="GB of memory"):
            pieces(generator)
        assert generator.pid == 0
