"""Which runtimes there are, what each was built with, and what the machine has that they could use.

Each is loaded in a process of its own: one that was built for another processor dies on an illegal instruction, and
PyTorch takes hundreds of megabytes.

Not covered: the features of processors on Windows, and graphics cards there other than NVIDIA's.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from settings import CODE

Maker = Literal["NVIDIA", "AMD", "Intel", "Apple"]

LOAD_SECONDS = 60.0
ROOT = Path("/")
VENDORS: dict[str, Maker] = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
INTEL_ON_BOARD = "0000:00:02.0"  # where the one that is part of the processor sits
LEAST_CARD = 2 << 30  # bytes of memory of its own; with less it is part of the processor

# What Linux and macOS call what a processor has, and llama.cpp what it was built for.
FEATURES = {
    "avx": "AVX", "avx1.0": "AVX", "avx2": "AVX2", "f16c": "F16C", "fma": "FMA", "bmi2": "BMI2", "avx_vnni": "AVX_VNNI",
    "avx512f": "AVX512", "avx512vbmi": "AVX512_VBMI", "avx512_vnni": "AVX512_VNNI", "avx512_bf16": "AVX512_BF16",
    "avx512vnni": "AVX512_VNNI", "avx512bf16": "AVX512_BF16", "asimd": "NEON", "asimddp": "DOTPROD",
    "i8mm": "MATMUL_INT8", "sve": "SVE", "sme": "SME",
}  # fmt: skip

_LOAD_LLAMA = """
import json
from dataclasses import asdict
import llama_cpp
from models.runtime import Hardware
version = f"{llama_cpp.__version__} (llama.cpp {llama_cpp.llama_version().decode()})"
features = llama_cpp.llama_print_system_info().decode()
gpu = llama_cpp.llama_supports_gpu_offload()
hardware = asdict(Hardware.look(llama_cpp))
print(json.dumps({"version": version, "gpu": gpu, "features": features, "hardware": hardware}))
"""
_LOAD_ONNX = """
import json, onnxruntime
devices = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
print(json.dumps({"version": onnxruntime.__version__, "devices": devices, "features": []}))
"""
_LOAD_TORCH = """
import json, torch
devices, features = ["CPU"], [torch.backends.cpu.get_cpu_capability()]
devices += ["CUDA"] * (torch.cuda.is_available() and not torch.version.hip)
devices += ["ROCm"] * (torch.cuda.is_available() and bool(torch.version.hip))
devices += ["Metal"] * torch.backends.mps.is_available()
features += ["oneDNN"] * torch.backends.mkldnn.is_available() + ["MKL"] * torch.backends.mkl.is_available()
features += [f"CUDA {torch.version.cuda}"] * bool(torch.version.cuda)
features += [f"ROCm {torch.version.hip}"] * bool(torch.version.hip)
print(json.dumps({"version": torch.__version__, "devices": devices, "features": features}))
"""


@dataclass(frozen=True, slots=True)
class Build:
    """A runtime: what it can compute on (`devices`), what it was built with (`features`); `problem` says why it does
    not load."""

    name: str
    version: str = ""
    devices: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card with memory of its own, or Apple's, which shares the machine's."""

    name: str
    maker: Maker


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a runtime said of itself, or why it said nothing."""

    told: Mapping[str, Any]
    problem: str = ""


class Loading:
    """A runtime that is being loaded in a process of its own."""

    def __init__(self, code: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=CODE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},  # too late once onnxruntime is imported
        )

    def wait(self) -> Loaded:
        try:
            said, complained = self._process.communicate(timeout=LOAD_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Loaded({}, f"did not load within {LOAD_SECONDS:.0f} seconds")
        if self._process.returncode < 0:
            return Loaded({}, f"was ended by signal {-self._process.returncode}")
        if self._process.returncode:
            return Loaded({}, (complained.strip().splitlines() or ["gave no reason"])[-1])
        return Loaded(json.loads(said.strip().splitlines()[-1]))


def load_llama() -> Loaded:
    return Loading(_LOAD_LLAMA).wait()


def other_builds() -> tuple[Build, ...]:
    """ONNX Runtime and PyTorch, which find passages."""
    loading = {"ONNX Runtime": Loading(_LOAD_ONNX), "PyTorch": Loading(_LOAD_TORCH)}
    return tuple(_build(name, one.wait()) for name, one in loading.items())


def llama_build(loaded: Loaded) -> Build:
    """As its system information tells it: "CUDA : ARCHS = 890 | CPU : AVX2 = 1 | FMA = 1 | ". That does not name every
    backend of graphics cards: one that it does not is "GPU"."""
    devices, features = parse_system_info(loaded.told.get("features", ""))
    if loaded.told.get("gpu") and devices == ("CPU",):
        devices = ("GPU", *devices)
    return Build("llama.cpp", loaded.told.get("version", ""), devices, features, loaded.problem)


def _build(name: str, loaded: Loaded) -> Build:
    told = loaded.told
    version, devices, features = (told.get(key, ()) for key in ("version", "devices", "features"))
    return Build(name, version or "", tuple(devices), tuple(features), loaded.problem)


def parse_system_info(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The backends that llama.cpp names and what is on in them, each once. What has a value of its own has it."""
    devices: dict[str, None] = {}
    features: dict[str, None] = {}
    for part in text.split("|"):
        device, colon, feature = part.rpartition(" : ")
        if colon:
            devices[device.strip()] = None
        name, _, value = (word.strip() for word in feature.partition("="))
        if name and value not in ("", "0"):
            features[name if value == "1" else f"{name} {value}"] = None
    return tuple(devices), tuple(features)


def processor_features(root: Path = ROOT) -> frozenset[str]:
    """What the processor can do, as llama.cpp calls it; empty where the system does not say."""
    if platform.system() == "Darwin":
        names = "machdep.cpu.features", "machdep.cpu.leaf7_features"
        return _known_features(_said_by("sysctl", "-n", *names))
    with contextlib.suppress(OSError):
        lines = (root / "proc" / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return _known_features(next((line for line in lines if line.startswith(("flags", "Features"))), ""))
    return frozenset()


def _known_features(said: str) -> frozenset[str]:
    return frozenset(FEATURES[flag] for flag in said.lower().split() if flag in FEATURES)


def graphics_cards(root: Path = ROOT) -> tuple[Card, ...]:
    """Those that a runtime could use, whether one can or not. One that is part of the processor is left out, but for
    Apple's: it reads the same memory."""
    if platform.system() == "Darwin":
        return (Card("Apple GPU", "Apple"),) if platform.machine() == "arm64" else ()
    if platform.system() == "Windows":
        return tuple(_cards_of_nvidia_smi())
    named = sorted((root / "proc" / "driver" / "nvidia" / "gpus").glob("*/information"))
    of_nvidia = [Card(_model(path) or "NVIDIA card", "NVIDIA") for path in named]
    others = [card for card in _cards_of_kernel(root) if card.maker != "NVIDIA" or not of_nvidia]
    return (*of_nvidia, *others)


def _model(information: Path) -> str:
    """'Model:  NVIDIA GeForce RTX 4090' -> 'NVIDIA GeForce RTX 4090'"""
    with contextlib.suppress(OSError):
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "")
    return ""


def _cards_of_kernel(root: Path) -> Iterable[Card]:
    for entry in sorted((root / "sys" / "class" / "drm").glob("card[0-9]*")):
        device = entry / "device"
        maker = VENDORS.get(_text(device / "vendor"))
        if "-" in entry.name or maker is None:  # an output of a card; or a virtual machine's
            continue
        own = _text(device / "mem_info_vram_total")
        on_board = device.resolve().name == INTEL_ON_BOARD or (maker == "AMD" and int(own or 0) < LEAST_CARD)
        if not on_board:
            yield Card(f"{maker} card", maker)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""


def _cards_of_nvidia_smi() -> Iterable[Card]:
    for line in _said_by("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines():
        yield Card(line.strip(), "NVIDIA")


def _said_by(program: str, *arguments: str) -> str:
    """What a program of the system prints; '' where there is none or it fails."""
    path = shutil.which(program)
    if not path:
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout
    return ""
