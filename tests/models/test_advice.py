"""Advice is given where a made-up machine gives cause for it, with the gain that follows, and nowhere else."""

from dataclasses import replace

import pytest

from models import advice
from models.advice import Embedding, recommendation, variant_of
from models.builds import Build, Card
from models.catalogue import Entry, Variant, find, read_catalogue
from models.fit import Weights
from models.runtime import GIB, Hardware, Runtime
from models.types import ModelInfo
from settings import Embed, Generate

PLAIN = Build("llama.cpp", "1", ("CPU",), ("SSE3", "AVX"))
MODERN = frozenset({"AVX", "AVX2", "FMA", "F16C", "AVX512", "AVX512_VNNI"})
LAPTOP = Hardware(cores=4, memory=8 * GIB, card=0, card_name="", amx=False)
WITH_CARD = replace(LAPTOP, card=8 * GIB, card_name="RTX")
RUN = Runtime(4096, 4, 512, 0, flash_attention=False, cache="f16", repack=True)
WEIGHTS = Weights(size=5 * 10**9, blocks=32, context=8192, head=128, full=1, repacked=4 * 10**9, per_token=5 * 10**9)
RTX = Card("RTX", "NVIDIA")
ENTRIES = read_catalogue()
CPU_TORCH = Build("PyTorch", "2", ("CPU",), ("AVX2",))


def test_what_llama_cpp_was_built_without_is_named_with_the_width_that_it_costs() -> None:
    (told,) = advice.of_build(PLAIN, MODERN)
    assert "without AVX2, FMA, F16C, AVX512, AVX512_VNNI, which" in told.reason
    assert "-DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON" in told.remedy
    assert "AMX" not in told.remedy
    assert told.gain.startswith("Up to 4 times as fast while a prompt is read")


def test_of_what_is_as_wide_no_gain_is_promised() -> None:
    wide = replace(PLAIN, features=("AVX", "AVX2", "F16C", "FMA", "AVX512"))
    (told,) = advice.of_build(wide, MODERN)
    assert ("without AVX512_VNNI, which" in told.reason, told.gain) == (True, "")


def test_on_arm_it_is_built_for_the_processor_that_is_found() -> None:
    (told,) = advice.of_build(replace(PLAIN, features=("NEON",)), {"NEON", "DOTPROD"})
    assert "without DOTPROD" in told.reason
    assert '"-DGGML_NATIVE=ON"' in told.remedy


@pytest.mark.parametrize(
    ("llama", "processor"),
    [(PLAIN, frozenset({"AVX"})), (PLAIN, frozenset()), (replace(PLAIN, problem="died"), MODERN)],
    ids=["all used", "not known", "does not load"],
)
def test_a_build_that_uses_what_is_known_of_the_processor_is_left_alone(
    llama: Build, processor: frozenset[str]
) -> None:
    assert advice.of_build(llama, processor) == []


@pytest.mark.parametrize(
    ("card", "flag", "needs"),
    [
        (RTX, "GGML_CUDA", "the CUDA toolkit"), (Card("AMD card", "AMD"), "GGML_HIP", "ROCm"),
        (Card("Intel card", "Intel"), "GGML_VULKAN", "Vulkan"), (Card("Apple GPU", "Apple"), "GGML_METAL", "Xcode"),
    ],
    ids=lambda value: getattr(value, "maker", ""),
)  # fmt: skip
def test_a_card_that_llama_cpp_cannot_use_is_told_with_what_to_build_it_with(card: Card, flag: str, needs: str) -> None:
    (told,) = advice.of_card(PLAIN, [card], 20e9)
    assert f"({card.name}), but llama.cpp was built without it" in told.reason
    assert f'"-D{flag}=ON"' in told.remedy
    assert needs in told.remedy
    assert "writes 72 tokens" in told.gain
    assert "with this processor's memory about 1-3" in told.gain


@pytest.mark.parametrize(
    ("llama", "cards"),
    [(PLAIN, ()), (replace(PLAIN, devices=("CUDA", "CPU")), (RTX,)), (replace(PLAIN, devices=("GPU", "CPU")), (RTX,))],
    ids=["no card", "CUDA", "a backend without a name"],
)
def test_a_card_that_is_used_or_not_there_is_no_cause(llama: Build, cards: tuple[Card, ...]) -> None:
    assert advice.of_card(llama, cards, 20e9) == []


def test_a_model_that_is_not_wholly_on_the_card_is_told_with_the_layers_that_are() -> None:
    settings = Generate()
    assert advice.of_layers(settings, replace(RUN, gpu_layers=33), WEIGHTS, WITH_CARD) == []
    (told,) = advice.of_layers(settings, replace(RUN, gpu_layers=20), WEIGHTS, WITH_CARD)
    assert "Of the model's 33 layers 20 are on the graphics card" in told.reason
    (told,) = advice.of_layers(Generate(gpu_layers=0), RUN, WEIGHTS, WITH_CARD)
    assert "generate.gpu_layers is 0, so RTX holds nothing" in told.reason
    assert advice.of_layers(Generate(gpu_layers=0), RUN, WEIGHTS, LAPTOP) == []
    assert advice.of_layers(settings, None, WEIGHTS, WITH_CARD) == []


@pytest.mark.parametrize(
    ("threads", "reason", "gain"),
    [(1, "threads is 1; this machine has 4 cores", "Up to 4.0 times"), (8, "hold up the others", "")],
)
def test_threads_that_are_not_one_a_core_are_told(threads: int, reason: str, gain: str) -> None:
    (told,) = advice.of_threads(Generate(threads=threads), LAPTOP)
    assert reason in told.reason
    assert told.gain.startswith(gain)
    assert bool(told.gain) == bool(gain)
    assert advice.of_threads(Generate(), LAPTOP) == advice.of_threads(Generate(threads=4), LAPTOP) == []


def test_a_large_quantisation_is_told_with_the_smaller_one_of_the_catalogue_and_what_it_gains_and_loses() -> None:
    entry, large = find("qwen3-4b-instruct-2507:Q8_0", ENTRIES)
    info = ModelInfo("mine", "/m/renamed.gguf", size=large.bytes, quantisation="Q8_0")
    weights = replace(WEIGHTS, size=large.bytes, per_token=large.bytes)
    (told,) = advice.of_model(info, weights, None, ENTRIES, 20e9)
    assert "mine reads 4.3 GB for each token: about 2-3 tokens a second, as memory is read at 20.0 GB/s" in told.reason
    assert f"cita models pull {entry.name}:Q4_K_M" in told.remedy
    assert told.gain.startswith("1.7 times as many tokens a second")
    assert "worse by 0.175 of perplexity instead of 0.003" in told.gain


def test_one_that_the_catalogue_does_not_know_is_told_by_the_bits_of_its_weights() -> None:
    info = ModelInfo("own", "/m/own.gguf", size=10, quantisation="F16")
    (told,) = advice.of_model(info, WEIGHTS, None, ENTRIES, 20e9)
    assert told.remedy == "Take the same model as Q4_K_M."
    assert told.gain.startswith("3.3 times")


def test_a_model_larger_than_the_recommended_one_is_told_with_what_that_would_gain() -> None:
    best, _ = find("qwen3-4b-instruct-2507", ENTRIES)
    info = ModelInfo("big", "/m/big.gguf", size=10, quantisation="Q4_K_M")
    (told,) = advice.of_model(info, replace(WEIGHTS, per_token=4_994_562_240), best, ENTRIES, 20e9)
    assert "cita models pull qwen3-4b-instruct-2507" in told.remedy
    assert told.gain.startswith("2.0 times")
    small = replace(WEIGHTS, per_token=10**9)
    assert advice.of_model(info, small, best, ENTRIES, 20e9) == []
    assert advice.of_model(info, WEIGHTS, best, ENTRIES, 0.0) == []  # a card reads its own memory


@pytest.mark.parametrize(
    ("settings", "embedding", "torch", "cards", "says"),
    [
        (Embed(runtime="torch"), Embedding("torch", exportable=True), CPU_TORCH, (), "20 passages a second"),
        (Embed(precision="fp32"), Embedding("onnx", exportable=True, int8=True), CPU_TORCH, (), "41 to 52 passages"),
        (Embed(), Embedding("torch"), CPU_TORCH, (RTX,), "PyTorch, which was built without CUDA, and RTX is here"),
        (Embed(), Embedding("torch"), replace(CPU_TORCH, devices=("CPU", "CUDA")), (RTX,), ""),
        (Embed(precision="fp32"), Embedding("onnx", exportable=True), CPU_TORCH, (), ""),
        (Embed(), Embedding("onnx", exportable=True, int8=True), CPU_TORCH, (RTX,), ""),
        (Embed(), Embedding(), CPU_TORCH, (), ""),
    ],
)  # fmt: skip
def test_an_embedder_that_could_run_faster_is_told(
    settings: Embed, embedding: Embedding, torch: Build, cards: tuple[Card, ...], says: str
) -> None:
    found = advice.of_embedder(settings, embedding, torch, cards)
    assert len(found) == bool(says)
    assert says in "".join(f"{one.reason} {one.gain}" for one in found)


def test_the_recommendation_is_one_sentence_with_memory_and_speed() -> None:
    best, _ = find("qwen3-4b-instruct-2507", ENTRIES)
    told = recommendation(best, LAPTOP, 4096, 20e9)
    assert told.name == best.name
    assert "about 3.7 of the 8.6 GB of memory that are free, about 3-6 tokens a second" in told.why
    assert told.why.endswith(best.strengths)
    assert "on the graphics card" in recommendation(best, WITH_CARD, 4096).why
    assert "on the processor" in recommendation(best, LAPTOP, 4096).why
    assert recommendation(None, LAPTOP, 4096).name == ""
    assert "extractive answers need none" in recommendation(None, LAPTOP, 4096).why


def test_a_model_is_known_by_its_size_before_its_name() -> None:
    one = Variant("Q8_0", "o/r", "a.gguf", 1, bytes=10)
    other = Variant("Q4_K_M", "o/r", "b.gguf", 1, bytes=5)
    entry = Entry("m", "M", "model", 1.0, "MIT", ("en",), "M.", "listed", (one, other))
    assert variant_of(ModelInfo("x", "/b.gguf", size=10), [entry]) == (entry, one)
    assert variant_of(ModelInfo("x", "/B.gguf", size=7), [entry]) == (entry, other)
    assert variant_of(ModelInfo("x", "/c.gguf", size=7), [entry]) is None
