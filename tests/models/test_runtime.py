"""What is set counts; the rest is chosen for the model and the machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.runtime import GIB, Hardware, Weights, choose_runtime
from settings import Generate
from tests.gguf_files import header_gguf

LLAMA_8B = Weights(size=5 * GIB, blocks=32, context=8192, per_token=131_072, head=128)
LAPTOP = Hardware(cores=8, memory=12 * GIB, card=0, card_name="", amx=False)


def test_on_a_processor_all_cores_work_and_nothing_is_on_a_card() -> None:
    runtime = choose_runtime(Generate(context=4096), LLAMA_8B, LAPTOP)
    assert (runtime.threads, runtime.gpu_layers, runtime.cache, runtime.batch) == (8, 0, "f16", 512)
    assert runtime.repack


def test_what_is_set_counts() -> None:
    settings = Generate(context=2048, threads=3, batch=64, gpu_layers=0, flash_attention="on", cache="q4_0")
    runtime = choose_runtime(settings, LLAMA_8B, replace(LAPTOP, card=24 * GIB))
    assert (runtime.context, runtime.threads, runtime.batch) == (2048, 3, 64)
    assert (runtime.gpu_layers, runtime.flash_attention, runtime.cache) == (0, True, "q4_0")


def test_a_context_is_never_longer_than_the_model_was_made_for() -> None:
    assert choose_runtime(Generate(context=32_000), LLAMA_8B, LAPTOP).context == 8192


@pytest.mark.parametrize(
    ("card", "layers"), [(24 * GIB, 33), (4 * GIB, 18), (GIB // 2, 0), (0, 0)], ids=["all", "half", "none", "no card"]
)
def test_as_many_layers_as_fit_are_on_the_card(card: int, layers: int) -> None:
    runtime = choose_runtime(Generate(context=4096), LLAMA_8B, replace(LAPTOP, card=card))
    assert runtime.gpu_layers == layers
    assert runtime.flash_attention == bool(layers)


def test_where_memory_is_short_the_cache_is_smaller() -> None:
    short = replace(LAPTOP, memory=LLAMA_8B.size + GIB)
    runtime = choose_runtime(Generate(context=8192), LLAMA_8B, short)
    assert (runtime.cache, runtime.flash_attention, runtime.batch, runtime.repack) == ("q8_0", True, 256, False)
    odd = choose_runtime(Generate(context=8192), replace(LLAMA_8B, head=80), short)
    assert odd.cache == "f16"  # llama.cpp keeps smaller kinds for heads of multiples of 32 alone


def test_weights_are_not_laid_out_anew_by_a_library_that_crashes_on_them() -> None:
    assert not choose_runtime(Generate(), LLAMA_8B, replace(LAPTOP, amx=True)).repack


def test_weights_are_read_from_the_header(tmp_path: Path) -> None:
    path = header_gguf(
        tmp_path / "m.gguf", "llama", llama__block_count=4, llama__embedding_length=1024, llama__context_length=512,
        llama__attention__head_count=8, llama__attention__head_count_kv=2,
    )  # fmt: skip
    weights = Weights.read(path)
    assert (weights.blocks, weights.context, weights.head) == (4, 512, 128)
    assert weights.per_token == 2 * 4 * 2 * (128 + 128)
    assert weights.size == path.stat().st_size


def test_blocks_without_a_cache_of_their_own_cost_none(tmp_path: Path) -> None:
    path = header_gguf(
        tmp_path / "m.gguf", "granitehybrid", granitehybrid__block_count=4, granitehybrid__embedding_length=1024,
        granitehybrid__attention__head_count=8, granitehybrid__attention__head_count_kv=[0, 0, 2, 0],
    )  # fmt: skip
    assert Weights.read(path).per_token == 2 * 2 * (128 + 128)
