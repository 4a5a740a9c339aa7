"""How a model is run on this machine: threads, layers on the graphics card, the kind of its key-value cache.

What is not set in cita.toml (`[generate]`) is chosen here from what the model's header says and the machine has.
"""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from models.gguf import Header, read_header
from settings import Generate

CacheType = Literal["f16", "q8_0", "q4_0"]

CACHE_BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}  # of an element (ggml-common.h)
GRAPHICS = (1, 2)  # ggml_backend_dev_type: a card of its own, or part of the processor
BATCH = 512
SMALL_BATCH = 256
GIB = 1 << 30
SPARE = GIB // 2  # bytes of memory left to everything else
USABLE = 0.9  # of a card's free memory


@dataclass(frozen=True, slots=True)
class Runtime:
    """What llama.cpp is told. `context` and `batch` are tokens; `repack`: weights are laid out anew for this processor
    when loaded, which takes memory of their size."""

    context: int
    threads: int
    batch: int
    gpu_layers: int
    flash_attention: bool
    cache: CacheType
    repack: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """What of a model decides how it can run. Sizes are bytes; `per_token` is the cache's at 2 bytes an element."""

    size: int
    blocks: int
    context: int
    per_token: int
    head: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises what models.gguf.read_header raises."""
        return cls.of(read_header(path))

    @classmethod
    def of(cls, header: Header) -> Self:
        name = header.text("general.architecture")
        blocks = header.number(f"{name}.block_count")
        heads = header.number(f"{name}.attention.head_count", 1) or 1
        of_head = header.number(f"{name}.embedding_length") // heads
        keys = header.number(f"{name}.attention.key_length", of_head)
        values = header.number(f"{name}.attention.value_length", of_head)
        shared = header.metadata.get(f"{name}.attention.head_count_kv", heads)
        # A list has a number for each block: 0 where it keeps no cache of its own.
        kept = sum(n for n in shared if isinstance(n, int)) if isinstance(shared, list) else blocks * int(shared)
        return cls(header.size, blocks, header.number(f"{name}.context_length"), 2 * kept * (keys + values), keys)


@dataclass(frozen=True, slots=True)
class Hardware:
    """`cores` are physical ones that the process may use; `memory` and `card` are free bytes, `card` 0 without one
    that this llama.cpp can use. `amx`: it was built for Intel's matrix instructions."""

    cores: int
    memory: int
    card: int
    card_name: str
    amx: bool

    @classmethod
    def look(cls, llama_cpp: Any) -> Self:
        """With the library loaded, which may end the process where it was built for another processor."""
        import psutil

        name, free = _card(llama_cpp)
        amx = b"AMX_INT8 = 1" in llama_cpp.llama_print_system_info()
        return cls(_physical_cores(), psutil.virtual_memory().available, free, name, amx)


def choose_runtime(settings: Generate, weights: Weights, hardware: Hardware) -> Runtime:
    """What is set, and what suits for the rest: on the card what fits of it, a smaller cache where memory is short."""
    context = min(settings.context, weights.context or settings.context)
    whole = weights.per_token * context
    layers = _layers_on_card(settings, weights, hardware, whole)
    room = hardware.memory - SPARE - weights.size  # beside the weights
    short = not layers and whole > room
    smaller: CacheType = "q8_0" if short and weights.head % 32 == 0 else "f16"
    cache = smaller if settings.cache == "auto" else settings.cache
    flash = {"on": True, "off": False, "auto": bool(layers) or cache != "f16"}
    return Runtime(
        context=context,
        threads=settings.threads or hardware.cores,
        batch=min(settings.batch or (SMALL_BATCH if short else BATCH), context),
        gpu_layers=layers,
        flash_attention=flash[settings.flash_attention],
        cache=cache,
        # A build by GCC 12 for a processor with AMX crashes on repacked weights (ggml-org/llama.cpp#20824).
        repack=not hardware.amx and not layers and weights.size + whole < room,
    )


def _layers_on_card(settings: Generate, weights: Weights, hardware: Hardware, cache: int) -> int:
    """The last layer, which gives the scores, counts as one more."""
    every = weights.blocks + 1
    if settings.gpu_layers >= 0:
        return min(settings.gpu_layers, every)
    if not hardware.card:
        return 0
    of_layer = (weights.size + cache) / every
    return min(every, int(max(0, hardware.card * USABLE - SPARE) / of_layer))


def _card(llama_cpp: Any) -> tuple[str, int]:
    """Name and free bytes of the first graphics card."""
    if not llama_cpp.llama_supports_gpu_offload():
        return "", 0
    from llama_cpp._ggml import libggml

    libggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    libggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    libggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    libggml.ggml_backend_dev_description.restype = ctypes.c_char_p
    for name in ("type", "description"):
        getattr(libggml, f"ggml_backend_dev_{name}").argtypes = [ctypes.c_void_p]
    size_p = ctypes.POINTER(ctypes.c_size_t)
    libggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size_p, size_p]
    for number in range(libggml.ggml_backend_dev_count()):
        device = libggml.ggml_backend_dev_get(number)
        if libggml.ggml_backend_dev_type(device) in GRAPHICS:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            libggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            return libggml.ggml_backend_dev_description(device).decode("utf-8", "replace"), free.value
    return "", 0


def _physical_cores() -> int:
    import psutil

    cores = psutil.cpu_count(logical=False) or 1
    return min(cores, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else cores
