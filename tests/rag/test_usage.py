"""What an answer took is told by the model that wrote it; one loaded model writes by several settings."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from models.gguf import read_model
from rag.generate import LlamaGenerator, Tuned, as_runnable
from rag.prompt import Prompt
from rag.types import Usage
from settings import Generate
from tests.gguf_files import ANSWER, tiny_gguf

HELLO = Prompt("", "en", (), "Hello", ("<|im_end|>",), "chatml")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[LlamaGenerator]:
    with closing(LlamaGenerator(read_model(tiny_gguf(tmp_path / "m.gguf")), Generate(context=512))) as generator:
        yield generator


def used(generator: LlamaGenerator | Tuned) -> Usage:
    told: list[Usage] = []
    as_runnable(generator, told.append).invoke(HELLO)
    (usage,) = told
    return usage


def test_a_model_tells_the_tokens_and_the_seconds_of_its_answer(model: LlamaGenerator) -> None:
    first, again = used(model), used(model)
    tokens = model.count_tokens(HELLO.text)
    assert (first.prompt, first.reused, again.reused) == (tokens, 0, tokens - 1)  # the last is read anew
    assert first.written == again.written
    assert first.written is not None
    assert first.written > 3
    assert first.reading is not None
    assert first.writing is not None
    assert min(first.reading, first.writing) > 0
    assert first.tokens_per_second == pytest.approx(first.written / first.writing)
    assert {name: first.parameters[name] for name in ("temperature", "max_tokens", "context")} == {
        "temperature": 0.0,
        "max_tokens": 512,
        "context": 512,
    }
    assert "seed" not in first.parameters  # nothing is drawn


def test_of_one_that_tells_nothing_nothing_is_known() -> None:
    assert Usage().tokens_per_second is None
    assert Usage(written=3, writing=0.0).tokens_per_second is None


def test_one_loaded_model_writes_by_several_settings_at_once(model: LlamaGenerator) -> None:
    short = Tuned(model, model.info, Generate(context=512, max_tokens=2))
    assert "".join(short.generate(HELLO)) == "The notice"
    pid = model.pid
    assert "".join(model.generate(HELLO)) == ANSWER
    assert used(short).written == 2
    short.close()
    assert "".join(model.generate(HELLO)) == ANSWER
    assert model.pid == pid
