"""How much memory a model takes: its weights, its key-value cache, what it computes in, and its process.

What llama.cpp will allocate is worked out from the header alone, as llama.cpp does it (llama-kv-cache.cpp,
llama-kv-cache-iswa.cpp, llama-memory-recurrent.cpp; the graphs that it plans, measured on ten architectures in
tests/models/test_fit.py). benchmarks/fit.py compares the sum with what a model's process really takes.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from models.gguf import Header, read_header

if TYPE_CHECKING:
    from models.runtime import Runtime

SLOTS = 2  # sequences that share a context (rag/llama_worker.py)
CACHE_BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}  # of an element (ggml-common.h)
FLOAT, HALF = 4, 2  # bytes
PADDING = 256  # tokens to which a cache is rounded up
MIB = 1 << 20

# Of the process itself: Python with llama.cpp, and what it keeps of each token of the vocabulary and of each pair of
# tokens that make another (measured: benchmarks/fit.py, and 250,000 tokens with 500,000 pairs).
PROCESS = 66 * MIB
OF_TOKEN = 140
OF_MERGE = 110

# How often, by architecture, a layer without a window comes among those that have one (src/models/*.cpp). Where a
# header says it itself it is read; what neither says is counted as if it had no window, which is never too little.
WINDOW_PERIODS = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}

# Kinds of weights that llama.cpp lays out anew for a processor (ggml-cpu/repack.cpp).
_Q4_0, _Q8_0, _Q2_K, _Q4_K, _Q5_K, _Q6_K, _IQ4_NL, _MXFP4 = 2, 8, 10, 12, 13, 14, 20, 39
REPACKED = {_Q4_0, _Q2_K, _Q4_K, _IQ4_NL, _MXFP4}
REPACKED_ON_ARM = REPACKED | {_Q8_0, _Q5_K, _Q6_K}


@dataclass(frozen=True, slots=True)
class Weights:
    """What of a model decides how it can run and what memory it takes. Sizes are bytes.

    `full` and `windowed` are elements of key-value cache a token takes, in layers that look at everything and in those
    that look back `window` tokens. `state` is what layers without such a cache keep for a sequence, whatever its
    length. `query`, `shared` and `inner` are the widths of a layer's queries, of its keys, and of its feed-forward part
    (of all experts that read a token). `repacked`: the weights that may be laid out anew for the processor;
    `per_token`: those that are read for each token, of experts the ones that work on it."""

    size: int
    blocks: int
    context: int
    head: int
    full: int
    windowed: int = 0
    window: int = 0
    state: int = 0
    width: int = 0
    heads: int = 0
    query: int = 0
    shared: int = 0
    inner: int = 0
    tokens: int = 0
    merges: int = 0
    repacked: int = 0
    per_token: int = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises what models.gguf.read_header raises."""
        return cls.of(read_header(path))

    @classmethod
    def of(cls, header: Header) -> Self:
        name = header.text("general.architecture")

        def number(key: str, default: int = 0) -> int:
            return max(0, header.number(f"{name}.{key}", default))

        blocks, width = number("block_count"), number("embedding_length")
        heads = _most(header, f"{name}.attention.head_count") or 1
        keys = number("attention.key_length", width // heads)
        values = number("attention.value_length", width // heads)
        kept = _cached_heads(header, name, blocks, heads)
        windows = _windows(header, name, blocks) if number("attention.sliding_window") else [False] * blocks
        elements = [(keys + values) * count for count in kept]
        experts = number("expert_used_count")
        inner = number("expert_feed_forward_length") * experts if experts else 0
        return cls(
            size=header.size,
            blocks=blocks,
            context=number("context_length"),
            head=keys,
            full=sum(one for one, looks_back in zip(elements, windows, strict=True) if not looks_back),
            windowed=sum(one for one, looks_back in zip(elements, windows, strict=True) if looks_back),
            window=number("attention.sliding_window"),
            state=sum(not count for count in kept) * _state(header, name, width),
            width=width,
            heads=heads,
            query=heads * keys,
            shared=max(kept, default=0) * keys,
            inner=max(inner, _most(header, f"{name}.feed_forward_length") if not experts else 0),
            tokens=len(header.values("tokenizer.ggml.tokens")),
            merges=len(header.values("tokenizer.ggml.merges")),
            repacked=_repacked(header),
            per_token=header.size - _idle_experts(header, number("expert_count"), experts),
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory. `weights` are the file's, mapped: the system may take their pages back and read them anew.
    `repacked` is what the processor's own layout of them takes beside them. `card` is what of all is on the graphics
    card."""

    weights: int
    repacked: int
    cache: int
    compute: int
    process: int
    card: int = 0

    @property
    def total(self) -> int:
        """On the card and off it."""
        return self.weights + self.repacked + self.cache + self.compute + self.process

    @property
    def main(self) -> int:
        """Of the machine's memory, the card's left out."""
        return self.total - self.card


def memory_needed(weights: Weights, runtime: "Runtime") -> Memory:
    """What a model takes at most when it is run so, its context full."""
    cells = _padded(runtime.context)
    cache, compute = _cache(weights, runtime, cells), _compute(weights, runtime, cells)
    card = 0
    if runtime.gpu_layers:
        share = min(1.0, runtime.gpu_layers / (weights.blocks + 1))
        card = int((weights.size + cache) * share) + compute
    return Memory(
        weights=weights.size,
        repacked=weights.repacked if runtime.repack else 0,
        cache=cache,
        compute=compute,
        process=PROCESS + weights.tokens * OF_TOKEN + weights.merges * OF_MERGE,
        card=card,
    )


def _cache(weights: Weights, runtime: "Runtime", cells: int) -> int:
    elements = weights.full * cells + weights.windowed * _window_cells(weights, runtime, cells)
    return int(elements * CACHE_BYTES[runtime.cache]) + weights.state * SLOTS


def _window_cells(weights: Weights, runtime: "Runtime", cells: int) -> int:
    if not runtime.window_only:
        return cells
    return _padded(min(cells, weights.window * SLOTS + runtime.batch))


def _compute(weights: Weights, runtime: "Runtime", cells: int) -> int:
    """The largest of what is held at once over a batch's way through a layer, and the masks of attention."""
    seen = cells + (_window_cells(weights, runtime, cells) if weights.windowed else 0)
    if runtime.flash_attention:
        masks = seen * runtime.batch * HALF
        attention = 3 * weights.width + 2 * weights.query
    else:
        masks = seen * runtime.batch * FLOAT
        attention = weights.heads * cells + 3 * weights.width + 2 * weights.query + 2 * weights.shared
    feed_forward = 3 * weights.inner + 3 * weights.width + weights.query
    return masks + max(attention, feed_forward) * runtime.batch * FLOAT + SLOTS * weights.tokens * FLOAT


def _padded(tokens: int) -> int:
    return -(-tokens // PADDING) * PADDING


def _most(header: Header, key: str) -> int:
    """A number, or the largest of a list that has one for each block."""
    value = header.metadata.get(key)
    numbers: Sequence[object] = value if isinstance(value, list) else [value]
    return max((number for number in numbers if isinstance(number, int) and number > 0), default=0)


def _cached_heads(header: Header, name: str, blocks: int, heads: int) -> list[int]:
    """How many heads' keys and values each block keeps: 0 for one that keeps a state instead."""
    shared = header.metadata.get(f"{name}.attention.head_count_kv", heads)
    if isinstance(shared, list):
        kept = [max(0, number) if isinstance(number, int) else 0 for number in shared[:blocks]]
        return kept + [0] * (blocks - len(kept))
    each = max(1, header.number(f"{name}.full_attention_interval", 1))
    count = max(0, shared) if isinstance(shared, int) else heads
    return [count if block % each == each - 1 else 0 for block in range(blocks)]


def _windows(header: Header, name: str, blocks: int) -> list[bool]:
    """Which blocks look back through a window only."""
    pattern = header.metadata.get(f"{name}.attention.sliding_window_pattern", WINDOW_PERIODS.get(name, 1))
    if isinstance(pattern, list):
        return [bool(value) for value in pattern[:blocks]] + [False] * (blocks - len(pattern))
    period = pattern if isinstance(pattern, int) and pattern > 0 else 1
    return [block % period < period - 1 for block in range(blocks)]


def _state(header: Header, name: str, width: int) -> int:
    """Of a block that keeps a state: its last inputs, and its memory of all before."""

    def number(key: str) -> int:
        return max(0, header.number(f"{name}.{key}"))

    inner, size = number("ssm.inner_size"), number("ssm.state_size")
    inputs = max(0, number("ssm.conv_kernel") - 1) * (inner + 2 * number("ssm.group_count") * size)
    short = width * max(0, number("shortconv.l_cache") - 1)
    return (inputs + short + inner * size) * FLOAT


def _repacked(header: Header) -> int:
    """Of the weights that are multiplied with, what is of a kind that is laid out anew."""
    kinds = REPACKED_ON_ARM if platform.machine().lower() in ("arm64", "aarch64") else REPACKED
    tied = "output.weight" not in header.tensors  # else the table of embeddings is only looked up in
    return sum(
        tensor.size
        for name, tensor in header.tensors.items()
        if len(tensor.shape) > 1 and tensor.kind in kinds and (tied or name != "token_embd.weight")
    )


def _idle_experts(header: Header, experts: int, used: int) -> int:
    """Of the weights of a mixture of experts, what no token reads because others work on it."""
    if not 0 < used < experts:
        return 0
    size = sum(tensor.size for name, tensor in header.tensors.items() if "_exps." in name)
    return size * (experts - used) // experts
