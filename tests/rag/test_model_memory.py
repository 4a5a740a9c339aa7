"""A model that does not fit is refused with what would; one kept in little memory answers as in much."""

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from errors import ModelError
from models.doctor import held_by_models
from models.fit import Weights, memory_needed
from models.gguf import read_model
from models.runtime import Runtime
from rag.generate import LlamaGenerator
from settings import CODE, Generate
from tests.gguf_files import tiny_gguf
from tests.shaped_gguf import Kind, Shape, shaped_gguf

# The worker's own model, run as told instead of as this machine would have it.
SAY = """
import json, sys
import rag.llama_worker as worker
from models.runtime import Runtime
path, runtime, prompts = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
worker.choose_runtime = lambda *_: Runtime(**runtime)
model = worker.LlamaModel(path, {}, lambda id: False)
told = []
for id, text in enumerate(prompts):
    *pieces, end = model.generate(id, worker.Request(text=text, max_tokens=12))
    told.append(["".join(piece["text"] for piece in pieces), end["reused"]])
print(json.dumps(told))
"""


def say(path: Path, runtime: Runtime, *prompts: str) -> list[tuple[str, int]]:
    """What each prompt is answered with, and how many tokens of it were known from the one before."""
    command = [sys.executable, "-c", SAY, str(path), json.dumps(asdict(runtime)), json.dumps(prompts)]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    told: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return [(text, reused) for text, reused in told]


def test_a_model_that_keeps_its_window_only_answers_as_one_that_keeps_all(tmp_path: Path) -> None:
    shape = Shape("gemma3", 6, 64, 2, 1, 32, 128, 600, window=32, tied=True, kind=Kind.F32)
    path = shaped_gguf(tmp_path / "m.gguf", shape)
    whole = Runtime(1024, 1, 64, 0, flash_attention=False, cache="f16", repack=False)
    windowed = Runtime(1024, 1, 64, 0, flash_attention=False, cache="f16", repack=False, window_only=True)
    long = "".join(f" word{number}" for number in range(60))
    back = long[: len(long) // 3] + " word7 word8"  # goes back to what the window of the first no longer holds
    kept, again = say(path, whole, long, back), say(path, windowed, long, back)
    fresh = say(path, whole, back)
    assert [text for text, _ in kept] == [text for text, _ in again]
    assert again[1][0] == fresh[0][0]
    assert kept[1][1] > 0
    assert again[1][1] == 0


def test_a_model_that_needs_more_memory_than_there_is_is_refused_before_it_takes_any(tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "m.gguf", context=2_000_000_000)
    with (
        closing(LlamaGenerator(read_model(path), Generate(context=2_000_000_000))) as generator,
        pytest.raises(ModelError, match=r"cannot be loaded: The model needs \d+\.\d GB of memory") as error,
    ):
        generator.count_tokens("some words")
    assert "generate.context = 16384" in error.value.hint
    with closing(LlamaGenerator(read_model(path), Generate(context=16_384))) as generator:
        assert generator.count_tokens("some words") > 0


def test_what_a_loaded_model_holds_counts_as_free_for_the_next(tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "m.gguf", width=512, context=32_768)
    with closing(LlamaGenerator(read_model(path), Generate(context=32_768))) as generator:
        generator.count_tokens("some words")
        assert generator.runtime
        cache = memory_needed(Weights.read(path), generator.runtime).cache
        assert cache == 32_768 * 2 * 512 * 2
        assert held_by_models() >= cache
