"""Which model suits this machine, and what would make its answers come sooner: each with its reason.

What a gain is said to be was measured (where is said), or follows from sizes; where neither is known nothing is said.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.builds import Build, Card, Maker
from models.catalogue import Entry, Variant, memory_about
from models.fit import Weights
from models.runtime import GIB, Hardware, Runtime
from models.speed import rate, rate_words, tokens_per_second
from models.types import ModelInfo
from settings import Embed, Generate

# What of a processor llama.cpp's arithmetic gains by, and how wide its registers are (bits).
SPEEDING = (
    "AVX", "AVX2", "FMA", "F16C", "AVX_VNNI", "AVX512", "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16", "NEON", "DOTPROD",
    "MATMUL_INT8", "SVE",
)  # fmt: skip
WIDTHS = {"AVX512": 512, "AVX2": 256}
LEAST_WIDTH = 128

PROCESSOR = {"CPU", "BLAS", "ACCEL"}  # backends of llama.cpp that compute there
BUILT_FOR: dict[Maker, tuple[str, str]] = {
    "NVIDIA": ("-DGGML_CUDA=ON", "the CUDA toolkit"),
    "AMD": ("-DGGML_HIP=ON", "ROCm"),
    "Intel": ("-DGGML_VULKAN=ON", "the Vulkan SDK"),
    "Apple": ("-DGGML_METAL=ON", "Xcode's command line tools"),
}
# Llama 3.1 8B as Q4_K_M on the card of llama.cpp's own table (tools/quantize/README.md): tokens a second, its bytes.
CARD_RATE, CARD_SIZE = 72, int(4.58 * GIB)

# Bits of a weight, and by how much it guesses worse than F16 (perplexity; llama.cpp's tools/quantize/README.md, Llama
# 3.1 and 3 8B).
BITS = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.7,
    "Q5_K_S": 5.57,
    "Q4_K_M": 4.89,
}
WORSE = {"Q8_0": 0.003, "Q6_K": 0.022, "Q5_K_M": 0.057, "Q4_K_M": 0.175}
SMALL = "Q4_K_M"
WORTH = 1.15  # times as fast


@dataclass(frozen=True, slots=True)
class Advice:
    """Why answers take as long as they do, what to do, and the `gain` that is known of it ('' where none is)."""

    reason: str
    remedy: str
    gain: str = ""


@dataclass(frozen=True, slots=True)
class Embedding:
    """Which runtime embeds ('' if none can), and what the embedder could run on: ONNX Runtime, and there in int8 with a
    gain."""

    runtime: str = ""
    exportable: bool = False
    int8: bool = False


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The name of the model that suits this machine ('' if none does), and why in a sentence."""

    name: str
    why: str


def recommendation(best: Entry | None, hardware: Hardware, context: int, speed: float = 0.0) -> Recommendation:
    """The words for what models.catalogue.recommend() found; `speed` is that of the memory, 0 where it is not known."""
    free = f"{hardware.memory / 1e9:.1f} GB"
    if best is None:
        why = f"Too little memory is free ({free}) for a model that answers well: the extractive answers need none."
        return Recommendation("", why)
    variant = best.variants[0]
    needed = f"about {memory_about(best, variant, context) / 1e9:.1f} of the {free} of memory that are free"
    if hardware.card:
        where = f"with the {hardware.card / 1e9:.1f} GB that are free on the graphics card"
    elif speed:
        where = f"about {rate_words(tokens_per_second(best, variant, speed))} tokens a second"
    else:
        where = "on the processor"
    return Recommendation(best.name, f"For this machine, {best.name} ({needed}, {where}): {best.strengths}")


def of_build(llama: Build, processor: Collection[str]) -> list[Advice]:
    """llama.cpp was built without what this processor has."""
    missing = [name for name in SPEEDING if name in processor and name not in llama.features]
    if llama.problem or not missing:
        return []
    times = _width(processor) // _width(llama.features)
    gain = (
        f"Up to {times} times as fast while a prompt is read, as its registers are so much wider; what is written is "
        "limited by the memory."
        if times > 1
        else ""
    )
    return [
        Advice(
            f"llama.cpp was built without {', '.join(missing)}, which this processor has.", _rebuild(processor), gain
        )
    ]


def _width(features: Collection[str]) -> int:
    return max((bits for name, bits in WIDTHS.items() if name in features), default=LEAST_WIDTH)


def _rebuild(processor: Collection[str]) -> str:
    """By name on Intel's and AMD's: built for the processor that it finds, GCC 12 makes of AMX what crashes."""
    named = [
        f"-DGGML_{name}=ON" for name in SPEEDING if name in processor and not name.startswith(("NEON", "DOT", "MAT"))
    ]
    flags = f"-DGGML_NATIVE=OFF {' '.join(named)}" if "AVX" in processor else "-DGGML_NATIVE=ON"
    return f"Build it for this processor: {reinstall(flags)}"


def reinstall(flags: str) -> str:
    """The command that builds llama.cpp with these flags."""
    return (
        f'CMAKE_ARGS="{flags}" {sys.executable} -m pip install --force-reinstall --no-deps --no-cache-dir --no-binary '
        "llama-cpp-python llama-cpp-python"
    )


def of_card(llama: Build, cards: Sequence[Card], speed: float) -> list[Advice]:
    """A graphics card is here, and llama.cpp was built without what it needs."""
    if llama.problem or not cards or any(device not in PROCESSOR for device in llama.devices):
        return []
    card = cards[0]
    flag, needs = BUILT_FOR[card.maker]
    here = f", and with this processor's memory about {rate_words(rate(CARD_SIZE, speed))}" if speed else ""
    return [
        Advice(
            f"A graphics card is here ({card.name}), but llama.cpp was built without it.",
            f"With {needs} installed: {reinstall(flag)}",
            f"A model of 8B as {SMALL} writes {CARD_RATE} tokens a second on the card of llama.cpp's own table{here}.",
        )
    ]


def of_layers(settings: Generate, runtime: Runtime | None, weights: Weights | None, hardware: Hardware) -> list[Advice]:
    """The graphics card that llama.cpp can use holds none of the model, or not all of it."""
    if not (hardware.card and runtime and weights):
        return []
    every = weights.blocks + 1
    if settings.gpu_layers == 0:
        return [
            Advice(
                f"generate.gpu_layers is 0, so {hardware.card_name or 'the graphics card'} holds nothing of the model.",
                "Set generate.gpu_layers to -1: as many layers as fit are put on it.",
            )
        ]
    if 0 < runtime.gpu_layers < every:
        return [
            Advice(
                f"Of the model's {every} layers {runtime.gpu_layers} are on the graphics card; each token waits for "
                "the others, on the processor.",
                "Take a smaller quantisation or a shorter generate.context, or close what else uses the card.",
            )
        ]
    return []


def of_threads(settings: Generate, hardware: Hardware) -> list[Advice]:
    if not settings.threads or settings.threads == hardware.cores:
        return []
    remedy = "Set generate.threads to 0: a thread for each core."
    reason = f"generate.threads is {settings.threads}; this machine has {hardware.cores} cores."
    if settings.threads > hardware.cores:
        return [Advice(f"{reason} Threads without a core of their own hold up the others.", remedy)]
    times = hardware.cores / settings.threads
    return [Advice(reason, remedy, f"Up to {times:.1f} times as fast while a prompt is read, by the number of cores.")]


def of_model(
    info: ModelInfo, weights: Weights | None, best: Entry | None, entries: Sequence[Entry], speed: float
) -> list[Advice]:
    """On a processor, what is read for each token decides: a smaller quantisation, a smaller model. `speed` is that at
    which the memory is read, 0 on a card."""
    if not (speed and weights):
        return []
    writes = (
        f"{info.name} reads {weights.per_token / 1e9:.1f} GB for each token: about "
        f"{rate_words(rate(weights.per_token, speed))} tokens a second, as memory is read at {speed / 1e9:.1f} GB/s "
        "here (measured)."
    )
    advice = []
    if smaller := _smaller(info, entries):
        remedy, times = smaller
        worse = f"; it guesses worse by {WORSE[SMALL]} of perplexity" + (
            f" instead of {WORSE[info.quantisation]}" if info.quantisation in WORSE else ""
        )
        advice.append(Advice(writes, remedy, f"{times:.1f} times as many tokens a second, by its size{worse}."))
    if best:
        times = weights.per_token / (best.variants[0].size * (best.active / best.parameters if best.active else 1.0))
        if times >= WORTH:
            remedy = f"{best.name} is recommended for this machine: `cita models pull {best.name}`."
            advice.append(Advice(writes, remedy, f"{times:.1f} times as many tokens a second, by its size."))
    return advice


def _smaller(info: ModelInfo, entries: Sequence[Entry]) -> tuple[str, float] | None:
    """The same model as SMALL: how to get it, and how many times as fast it writes. None if it is about as small."""
    if known := variant_of(info, entries):
        entry, _ = known
        small = next((variant for variant in entry.variants if variant.quantisation == SMALL), None)
        times = info.size / small.size if small else 0.0
        return (f"`cita models pull {entry.name}:{SMALL}`: the same model, smaller.", times) if times >= WORTH else None
    times = BITS.get(info.quantisation, 0.0) / BITS[SMALL]
    return (f"Take the same model as {SMALL}.", times) if times >= WORTH else None


def variant_of(info: ModelInfo, entries: Sequence[Entry]) -> tuple[Entry, Variant] | None:
    """Which of the catalogue's a model here is, by its size or else its file's name."""
    variants = [(entry, variant) for entry in entries for variant in entry.variants if entry.kind == "model"]
    by_size = (pair for pair in variants if info.size and pair[1].bytes == info.size)
    by_name = (pair for pair in variants if pair[1].file.lower() == Path(info.path).name.lower())
    return next(by_size, None) or next(by_name, None)


def of_embedder(settings: Embed, embedding: Embedding, torch: Build, cards: Sequence[Card]) -> list[Advice]:
    """How passages and questions are embedded. The figures: 400 passages of 170 tokens on two cores (docs/LOG.md)."""
    if embedding.runtime == "torch" and embedding.exportable and torch.devices == ("CPU",):
        return [
            Advice(
                "embed.runtime is 'torch', and there is no graphics card that PyTorch can use.",
                "Set embed.runtime to 'auto': ONNX Runtime embeds.",
                "20 passages a second instead of 14 (measured on two cores with the default embedder).",
            )
        ]
    if embedding.runtime == "onnx" and embedding.int8 and settings.precision == "fp32":
        return [
            Advice(
                "embed.precision is 'fp32', and this processor has instructions for int8.",
                "Set embed.precision to 'auto'.",
                "41 to 52 passages a second instead of 20 (measured on two cores with the default embedder).",
            )
        ]
    if embedding.runtime == "torch" and cards and cards[0].maker == "NVIDIA" and torch.devices == ("CPU",):
        return [
            Advice(
                f"The embedder runs on PyTorch, which was built without CUDA, and {cards[0].name} is here.",
                "Install PyTorch's build for CUDA in its place.",
            )
        ]
    return []
