"""What is set counts; the rest is chosen for the model and the machine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from errors import ModelTooLargeError
from models.fit import Weights, memory_needed
from models.runtime import GIB, Hardware, choose_runtime, free_memory, whole_memory
from settings import Generate

LLAMA_8B = Weights(
    size=5 * GIB, blocks=32, context=8192, head=128, full=65_536, width=4096, heads=32, query=4096, shared=1024,
    inner=14_336, tokens=128_256, repacked=4 * GIB,
)  # fmt: skip
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
    ("card", "layers"), [(24 * GIB, 33), (4 * GIB, 17), (GIB // 2, 0), (0, 0)], ids=["all", "half", "none", "no card"]
)
def test_as_many_layers_as_fit_are_on_the_card(card: int, layers: int) -> None:
    runtime = choose_runtime(Generate(context=4096), LLAMA_8B, replace(LAPTOP, card=card))
    assert runtime.gpu_layers == layers
    assert runtime.flash_attention == bool(layers)


def test_where_memory_is_short_the_cache_is_smaller() -> None:
    short = replace(LAPTOP, memory=6 * GIB + 3 * GIB // 10)
    runtime = choose_runtime(Generate(context=8192), LLAMA_8B, short)
    assert (runtime.cache, runtime.flash_attention, runtime.batch, runtime.repack) == ("q8_0", True, 256, False)
    assert not runtime.window_only  # it has none
    windowed = replace(LLAMA_8B, full=16_384, windowed=49_152, window=1024)
    assert choose_runtime(Generate(context=8192), windowed, replace(short, memory=6 * GIB)).window_only
    odd = replace(LLAMA_8B, head=80)  # llama.cpp keeps smaller kinds for heads of multiples of 32 alone
    with pytest.raises(ModelTooLargeError):
        choose_runtime(Generate(context=8192), odd, short)


@pytest.mark.parametrize("memory", [12 * GIB, 8 * GIB, 27 * GIB // 4, 6 * GIB + 3 * GIB // 10])
def test_what_is_chosen_leaves_memory_to_everything_else(memory: int) -> None:
    runtime = choose_runtime(Generate(context=8192), LLAMA_8B, replace(LAPTOP, memory=memory))
    assert memory_needed(LLAMA_8B, runtime).main <= memory - GIB // 2


def test_a_model_too_large_is_refused_with_the_context_that_fits() -> None:
    with pytest.raises(
        ModelTooLargeError, match=r"needs 5\.\d GB of memory at a context of 8192.*5\.9 GB are free"
    ) as error:
        choose_runtime(Generate(context=8192), LLAMA_8B, replace(LAPTOP, memory=59 * GIB // 10))
    context = int(error.value.hint.split("generate.context = ")[1].split()[0])
    assert context < 8192
    choose_runtime(Generate(context=context), LLAMA_8B, replace(LAPTOP, memory=59 * GIB // 10))


def test_a_model_too_large_for_any_context_is_refused_with_the_size_that_fits() -> None:
    with pytest.raises(ModelTooLargeError) as error:
        choose_runtime(Generate(context=4096), LLAMA_8B, replace(LAPTOP, memory=4 * GIB))
    room = float(error.value.hint.split("under ")[1].split()[0])
    small = replace(LLAMA_8B, size=int((room - 0.1) * GIB), repacked=0)
    choose_runtime(Generate(context=4096), small, replace(LAPTOP, memory=4 * GIB))


def test_weights_are_not_laid_out_anew_by_a_library_that_crashes_on_them() -> None:
    assert not choose_runtime(Generate(), LLAMA_8B, replace(LAPTOP, amx=True)).repack


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A container on a machine with 16 GB, 10 of them free: it has 3 GB in use, 1 of them of files that can go."""
    monkeypatch.setattr("models.runtime.CONTAINER", tmp_path)
    memory = psutil.virtual_memory()._replace(total=16 * GIB, available=10 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    def write(limit: str) -> None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{3 * GIB}\n")
        (tmp_path / "memory.stat").write_text(f"anon {2 * GIB}\ninactive_file {GIB}\n")

    return write


@pytest.mark.parametrize(
    ("limit", "whole", "free"),
    [(str(8 * GIB), 8, 6), (str(2 * GIB), 2, 0), (str(64 * GIB), 16, 10), ("max", 16, 10), ("", 16, 10)],
    ids=["less", "overdrawn", "more", "no limit", "no container"],
)
def test_memory_is_the_containers_where_that_is_less(
    container: Callable[[str], None], limit: str, whole: int, free: int
) -> None:
    if limit:
        container(limit)
    assert (whole_memory(), free_memory()) == (whole * GIB, free * GIB)
