"""What a model is said to take is what llama.cpp plans to allocate for it, and what does not fit is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models.fit import MIB, Weights, memory_needed
from models.runtime import Runtime
from settings import CODE
from tests.gguf_files import header_gguf
from tests.shaped_gguf import Kind, Shape, shaped_gguf

# Of real models, by their published configurations; of their vocabularies a part, as only one token's scores are kept.
SHAPES = {
    "llama-3.1-8b": Shape(blocks=32, width=4096, heads=32, kv_heads=8, head=128, inner=14336, tokens=4000),
    "llama-2-7b": Shape(blocks=32, width=4096, heads=32, kv_heads=32, head=128, inner=11008, tokens=4000),
    "qwen2.5-0.5b": Shape("qwen2", 24, 896, 14, 2, 64, 4864, 40_000, tied=True),
    "qwen3-4b": Shape("qwen3", 36, 2560, 32, 8, 128, 9728, 4000, tied=True),
    "qwen3-30b-a3b": Shape("qwen3moe", 12, 2048, 32, 4, 128, 768, 4000, experts=32),
    "gemma-2-2b": Shape("gemma2", 26, 2304, 8, 4, 256, 9216, 4000, window=4096, tied=True),
    "gemma-3-4b": Shape("gemma3", 34, 2560, 8, 4, 256, 10240, 4000, window=1024, tied=True),
    "phi-3-mini": Shape("phi3", 32, 3072, 32, 32, 96, 8192, 4000, window=2047),
    "lfm2-1.2b": Shape("lfm2", 16, 2048, 32, 8, 64, 8192, 4000, tied=True),
}
RUN = Runtime(4096, 2, 512, 0, flash_attention=False, cache="f16", repack=False)
WAYS = {
    "plain": RUN,
    "long": replace(RUN, context=8192),
    "flash": replace(RUN, flash_attention=True),
    "small cache": replace(RUN, context=8192, flash_attention=True, cache="q8_0"),
    "small batch": replace(RUN, batch=128),
    "window only": replace(RUN, context=8192, flash_attention=True, batch=256, window_only=True),
}

# llama.cpp's own plan: it lays everything out and allocates none of it.
PLAN = """
import json, re, sys
import llama_cpp as l
from rag.llama_worker import GGML_TYPES, SLOTS
said = []
listener = l.llama_log_callback(lambda level, text, _: said.append(text.decode("utf-8", "replace")))
l.llama_log_set(listener, None)
l.llama_backend_init()
path, ways = sys.argv[1], json.loads(sys.argv[2])
parameters = l.llama_model_default_params()
parameters.no_alloc, parameters.load_mode, parameters.n_gpu_layers = True, 0, 0
model = l.llama_model_load_from_file(path.encode(), parameters)
assert model, said[-3:]
plans = []
for way in ways:
    said.clear()
    options = l.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch = way["context"], way["batch"], way["batch"]
    options.n_seq_max = options.n_outputs_max = SLOTS
    options.kv_unified, options.swa_full = True, not way["window_only"]
    options.flash_attn_type = int(way["flash_attention"])
    options.type_k = options.type_v = GGML_TYPES[way["cache"]]
    context = l.llama_init_from_model(model, options)
    assert context, said[-3:]
    l.llama_free(context)
    text = "".join(said)
    sizes = lambda what: sum(map(float, re.findall(what + r" *= +([0-9.]+) MiB", text)))
    plans.append({
        "cache": sizes("llama_kv_cache: size") + sizes("llama_memory_recurrent: size"),
        "compute": sizes("compute buffer size") + sizes("output buffer size"),
    })
print(json.dumps(plans))
"""


def plans(path: Path, ways: list[Runtime]) -> list[dict[str, float]]:
    told = json.dumps([{name: getattr(way, name) for name in Runtime.__dataclass_fields__} for way in ways])
    done = subprocess.run(
        [sys.executable, "-c", PLAN, path, told], cwd=CODE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_predicted_is_what_llama_cpp_plans(shape: Shape, tmp_path: Path) -> None:
    path = shaped_gguf(tmp_path / "m.gguf", replace(shape, kind=Kind.Q8_0), sparse=True)
    weights = Weights.read(path)
    for name, way, plan in zip(WAYS, WAYS.values(), plans(path, list(WAYS.values())), strict=True):
        predicted = memory_needed(weights, way)
        assert predicted.cache / MIB == pytest.approx(plan["cache"], rel=0.001), name
        assert predicted.compute / MIB == pytest.approx(plan["compute"], rel=0.12), name
        both = (predicted.cache + predicted.compute) / MIB
        assert both == pytest.approx(plan["cache"] + plan["compute"], rel=0.05), name


def test_weights_are_read_from_the_header(tmp_path: Path) -> None:
    path = header_gguf(
        tmp_path / "m.gguf", "llama", llama__block_count=4, llama__embedding_length=1024, llama__context_length=512,
        llama__attention__head_count=8, llama__attention__head_count_kv=2,
    )  # fmt: skip
    weights = Weights.read(path)
    assert (weights.blocks, weights.context, weights.head, weights.query) == (4, 512, 128, 1024)
    assert weights.full == 4 * 2 * (128 + 128)
    assert weights.size == path.stat().st_size


def test_blocks_without_a_cache_of_their_own_cost_none(tmp_path: Path) -> None:
    path = header_gguf(
        tmp_path / "m.gguf", "granitehybrid", granitehybrid__block_count=4, granitehybrid__embedding_length=1024,
        granitehybrid__attention__head_count=8, granitehybrid__attention__head_count_kv=[0, 0, 2, 0],
    )  # fmt: skip
    assert Weights.read(path).full == 2 * (128 + 128)
    interval = header_gguf(
        tmp_path / "i.gguf", "qwen35", qwen35__block_count=8, qwen35__embedding_length=1024,
        qwen35__attention__head_count=8, qwen35__attention__head_count_kv=2, qwen35__full_attention_interval=4,
    )  # fmt: skip
    assert Weights.read(interval).full == 2 * 2 * (128 + 128)


@pytest.mark.parametrize(("pattern", "windowed"), [([True, True, False, True], 3), (2, 2), (1, 0), (None, 0)])
def test_layers_with_a_window_are_those_the_header_names(
    pattern: list[bool] | int | None, windowed: int, tmp_path: Path
) -> None:
    says = {"new__attention__sliding_window_pattern": pattern} if pattern is not None else {}
    path = header_gguf(
        tmp_path / "m.gguf", "new", new__block_count=4, new__embedding_length=64, new__attention__head_count=2,
        new__attention__sliding_window=128, **says,
    )  # fmt: skip
    assert Weights.read(path).windowed == windowed * 2 * (32 + 32)


def test_what_is_on_the_card_is_not_asked_of_the_memory() -> None:
    weights = Weights(size=1000 * MIB, blocks=9, context=4096, head=64, full=1024, width=512, heads=8, query=512)
    half = memory_needed(weights, replace(RUN, gpu_layers=5))
    assert half.card == pytest.approx(0.5 * (half.weights + half.cache) + half.compute, abs=2)
    assert half.main == half.total - half.card


def test_of_experts_only_those_at_work_are_read_for_a_token(tmp_path: Path) -> None:
    shape = replace(SHAPES["qwen3-30b-a3b"], kind=Kind.Q8_0)  # two of 32 work
    weights = Weights.read(shaped_gguf(tmp_path / "m.gguf", shape, sparse=True))
    experts = shape.blocks * 3 * shape.experts * shape.inner * shape.width * 34 // 32
    assert weights.per_token == weights.size - experts * 30 // 32
    dense = Weights.read(shaped_gguf(tmp_path / "d.gguf", Shape(), sparse=True))
    assert dense.per_token == dense.size
