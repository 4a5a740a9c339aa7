"""How a model is run on this machine: threads, layers on the graphics card, the kind of its key-value cache.

What is not set in cita.toml (`[generate]`) is chosen here from what the model's header says and the machine has.
"""

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from errors import ModelTooLargeError
from models.fit import Weights, memory_needed
from settings import Generate

CacheType = Literal["f16", "q8_0", "q4_0"]

GRAPHICS = (1, 2)  # ggml_backend_dev_type: a card of its own, or part of the processor
BATCH = 512
SMALL_BATCH = 256
GIB = 1 << 30
SPARE = GIB // 2  # bytes of memory left to everything else
USABLE = 0.9  # of a card's free memory
SHORTER = (16_384, 8192, 4096, 2048, 1024)  # contexts to fall back on
LEAST_FILE = 64 << 20  # no model that answers is smaller
CONTAINER = Path("/sys/fs/cgroup")  # what Linux says of the container we are in


@dataclass(frozen=True, slots=True)
class Runtime:
    """What llama.cpp is told. `context` and `batch` are tokens; `repack`: weights are laid out anew for this processor
    when loaded, which takes memory of their size; `window_only`: layers that look back through a window keep no more
    than that, so a prompt that goes back to an earlier one is read anew."""

    context: int
    threads: int
    batch: int
    gpu_layers: int
    flash_attention: bool
    cache: CacheType
    repack: bool
    window_only: bool = False


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
        name, free = _card(llama_cpp)
        amx = b"AMX_INT8 = 1" in llama_cpp.llama_print_system_info()
        return cls(physical_cores(), free_memory(), free, name, amx)


def choose_runtime(settings: Generate, weights: Weights, hardware: Hardware) -> Runtime:
    """What is set, and what suits for the rest: on the card what fits of it, and of the memory beside it so much as is
    free. Raises ModelTooLargeError if it does not fit, however small it is made, with what would."""
    for runtime in _ways(settings, weights, hardware):
        needed = memory_needed(weights, runtime).main
        if needed + SPARE <= hardware.memory:
            return runtime
    raise ModelTooLargeError(
        f"The model needs {needed / GIB:.1f} GB of memory at a context of {runtime.context} tokens;"
        f" {hardware.memory / GIB:.1f} GB are free, of which {SPARE / GIB:.1f} GB are left to everything else.",
        hint=_what_fits(settings, weights, hardware, needed),
    )


def _ways(settings: Generate, weights: Weights, hardware: Hardware) -> Iterator[Runtime]:
    """Ways to run it, from the fastest to the one that takes least memory."""
    context = min(settings.context, weights.context or settings.context)
    whole = Runtime(
        context=context,
        threads=settings.threads or hardware.cores,
        batch=min(settings.batch or BATCH, context),
        gpu_layers=0,
        flash_attention=settings.flash_attention == "on" or settings.cache not in ("auto", "f16"),
        cache="f16" if settings.cache == "auto" else settings.cache,
        repack=False,
    )
    if settings.flash_attention == "off":
        whole = replace(whole, flash_attention=False)
    if layers := _layers_on_card(settings, weights, hardware, whole):
        whole = replace(whole, gpu_layers=layers, flash_attention=settings.flash_attention != "off")
    # A build by GCC 12 for a processor with AMX crashes on repacked weights (ggml-org/llama.cpp#20824).
    elif not hardware.amx:
        yield replace(whole, repack=True)
    yield whole
    smaller = replace(whole, batch=min(settings.batch or SMALL_BATCH, context), window_only=weights.windowed > 0)
    if settings.cache == "auto" and settings.flash_attention != "off" and weights.head % 32 == 0:
        smaller = replace(smaller, cache="q8_0", flash_attention=True)
    yield smaller


def _what_fits(settings: Generate, weights: Weights, hardware: Hardware, needed: int) -> str:
    """The longest context with which it fits, or the size of a model that would."""
    for context in SHORTER:
        shorter = settings.model_copy(update={"context": context})
        for runtime in _ways(shorter, weights, hardware):
            if runtime.context < settings.context and memory_needed(weights, runtime).main + SPARE <= hardware.memory:
                return f"It fits with a context of {context}: set generate.context = {context} in cita.toml."
    room = hardware.memory - SPARE - (needed - weights.size)
    smaller = f"a model with a file under {room / GIB:.1f} GB" if room > LEAST_FILE else "a smaller model"
    return f"Close other programs, or choose {smaller} with `cita models use NAME`."


def _layers_on_card(settings: Generate, weights: Weights, hardware: Hardware, whole: Runtime) -> int:
    """The last layer, which gives the scores, counts as one more."""
    every = weights.blocks + 1
    if not hardware.card or settings.gpu_layers >= 0:
        return min(settings.gpu_layers, every) if hardware.card else 0
    needed = memory_needed(weights, replace(whole, gpu_layers=every, flash_attention=settings.flash_attention != "off"))
    of_layer = (needed.weights + needed.cache) / every
    return min(every, int(max(0, hardware.card * USABLE - SPARE - needed.compute) / of_layer))


def whole_memory() -> int:
    """Bytes of memory that the machine has, or its container where that is less."""
    import psutil

    whole: int = psutil.virtual_memory().total
    limit = _container_limit()
    return whole if limit is None else min(whole, limit)


def free_memory() -> int:
    """Bytes that can be taken without others being put out: the machine's, or where this is less its container's."""
    import psutil

    free: int = psutil.virtual_memory().available
    limit = _container_limit()
    try:
        used = int((CONTAINER / "memory.current").read_text())
        lines = (CONTAINER / "memory.stat").read_text().splitlines()
        cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    except (OSError, ValueError):
        return free
    return free if limit is None else min(free, max(0, limit - used + cached))


def _container_limit() -> int | None:
    """Bytes of memory that our container may take; None if there is none, or it may take all."""
    try:
        return int((CONTAINER / "memory.max").read_text())
    except (OSError, ValueError):  # no container, or "max"
        return None


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


def physical_cores() -> int:
    """As many as this process may use."""
    import psutil

    cores = psutil.cpu_count(logical=False) or 1
    return min(cores, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else cores
