"""What this machine can run, what is wrong with it, and what to do."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from errors import CitaError, NeedsOcrError
from ingest.confine import Isolation
from models.fit import Memory, Weights, memory_needed
from models.runtime import Hardware, Runtime, choose_runtime, whole_memory
from models.types import ModelInfo
from settings import CODE, Settings

if TYPE_CHECKING:
    from models.registry import Registry

LIBRARIES = (
    "torch",
    "sentence-transformers",
    "transformers",
    "onnxruntime",
    "tokenizers",
    "chromadb",
    "langchain-core",
    "llama-cpp-python",
    "pypdf",
    "pypdfium2",
    "tesserocr",
    "unstructured",
    "streamlit",
)
GIB = 1 << 30
LITTLE_MEMORY = 2 * GIB
LITTLE_DISK = 2 * GIB
LOAD_SECONDS = 60.0
WORKER = "rag.llama_worker"

REBUILD_LLAMA = (
    f"Build it for any processor: CMAKE_ARGS=-DGGML_NATIVE=OFF {sys.executable} -m pip install --force-reinstall "
    "--no-deps --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
)

_LOAD_LLAMA = """
import json
from dataclasses import asdict
import llama_cpp
from models.runtime import Hardware
features = llama_cpp.llama_print_system_info().decode()
gpu = llama_cpp.llama_supports_gpu_offload()
print(json.dumps({"gpu": gpu, "features": features, "hardware": asdict(Hardware.look(llama_cpp))}))
"""


@dataclass(frozen=True, slots=True)
class Problem:
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """Whether llama.cpp loads; if so what it was built for, if not why. `card`: the graphics card that it can use."""

    loads: bool
    gpu: bool
    detail: str
    card: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """The model that answers, how it is run here and what memory it takes; nothing of that for one that is no GGUF,
    cannot be read or does not fit, of which `problem` says why."""

    model: str
    runtime: Runtime | None
    memory: Memory | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Ocr:
    """Whether text in pictures is recognised, by which Tesseract, in which languages of those that are set; `missing`
    are the others."""

    works: bool
    version: str
    languages: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """Sizes are bytes; `cores` are those this process may use. `libraries` has "" for one that is missing."""

    system: str
    processor: str
    cores: int
    memory: int
    memory_available: int
    disk_free: int
    python: str
    sqlite: str
    libraries: dict[str, str]
    embedder: str
    embedder_runtime: str
    llama_cpp: LlamaCpp
    generation: Generation
    ocr: Ocr
    isolation: Isolation
    problems: tuple[Problem, ...]


def examine(settings: Settings) -> Machine:
    """Looks at the machine. Changes nothing; what it finds wrong is in `problems`, nothing is raised."""
    import psutil

    memory = psutil.virtual_memory()
    disk_free = shutil.disk_usage(_existing(settings.home)).free
    libraries = {name: _installed(name) for name in LIBRARIES}
    llama_cpp, hardware = _load_llama_cpp()
    generation, model_problems = _generation(settings, hardware)
    runtime, embedder_problems = _embedder(settings)
    isolation = _isolation(settings)
    ocr, ocr_problems = _ocr(settings)
    return Machine(
        system=platform.platform(),
        processor=platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=memory.total,
        memory_available=memory.available,
        disk_free=disk_free,
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        libraries=libraries,
        embedder=settings.embed.model,
        embedder_runtime=runtime,
        llama_cpp=llama_cpp,
        generation=generation,
        ocr=ocr,
        isolation=isolation,
        problems=(
            *_room(memory.available, disk_free, settings.home),
            *_missing(libraries),
            *_sqlite(),
            *embedder_problems,
            *_llama_cpp_problems(llama_cpp),
            *model_problems,
            *ocr_problems,
            *_isolation_problems(isolation),
        ),
    )


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _room(memory_available: int, disk_free: int, home: Path) -> list[Problem]:
    problems = []
    if memory_available < LITTLE_MEMORY:
        problems.append(
            Problem(
                f"Only {memory_available / GIB:.1f} GB of memory are free: indexing may be slow, models may not load.",
                "Close other programs, or pick a smaller model with `cita models use`.",
            )
        )
    if disk_free < LITTLE_DISK:
        problems.append(
            Problem(
                f"Only {disk_free / GIB:.1f} GB are free on the disk of {str(home)!r}.",
                "Free some space, or choose another place with --home.",
            )
        )
    return problems


def _missing(libraries: dict[str, str]) -> list[Problem]:
    return [
        Problem(f"The package {name} is missing.", "Run `make install`.")
        for name, version in libraries.items()
        if not version
    ]


def _sqlite() -> list[Problem]:
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("CREATE VIRTUAL TABLE try USING fts5(text)")
    except sqlite3.Error as error:
        return [
            Problem(
                f"This Python's SQLite {sqlite3.sqlite_version} has no full-text search: {error}.",
                "Use a Python whose SQLite has FTS5, such as Debian's or python.org's.",
            )
        ]
    return []


def _embedder(settings: Settings) -> tuple[str, list[Problem]]:
    """Which runtime embeds, and what keeps it from it."""
    from ingest.embed import ModelFolder, locate, precision_of, runtime_of

    try:
        model = ModelFolder.read(locate(settings.embed.model), settings.embed.model)
        _ = model.weights_sha256  # read and, where the right one is known, compared
        runtime = runtime_of(model, settings.embed)
        if runtime == "onnx":
            precision_of(model, settings.embed)
    except CitaError as error:
        return "", [Problem(error.message, error.hint)]
    return runtime, []


def how_it_runs(settings: Settings, info: ModelInfo | None = None) -> Generation:
    """How `info`, or the model that answers, is run on this machine. Raises nothing."""
    hardware = _load_llama_cpp()[1]
    return (_generation_of(info, settings, hardware) if info else _generation(settings, hardware))[0]


def hardware_here() -> tuple[Hardware, int]:
    """What models run on, and the bytes of memory that there are, free or not. Where llama.cpp, which knows the
    graphics card, does not load: what is known without it."""
    import psutil

    found = _load_llama_cpp()[1] or Hardware(1, psutil.virtual_memory().available, 0, "", False)
    return found, whole_memory()


def _load_llama_cpp() -> tuple[LlamaCpp, Hardware | None]:
    """Loads llama.cpp in a process of its own: one built for another processor dies on an illegal instruction."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOAD_LLAMA],
            cwd=CODE,
            capture_output=True,
            text=True,
            timeout=LOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return LlamaCpp(False, False, f"did not load within {LOAD_SECONDS:.0f} seconds"), None
    if done.returncode < 0:
        return LlamaCpp(False, False, f"was ended by signal {-done.returncode}"), None
    if done.returncode:
        return LlamaCpp(False, False, (done.stderr.strip().splitlines() or ["gave no reason"])[-1]), None
    told = json.loads(done.stdout.strip().splitlines()[-1])
    hardware = Hardware(**told["hardware"])
    hardware = replace(hardware, memory=hardware.memory + held_by_models())
    return LlamaCpp(True, told["gpu"], told["features"].strip(" |"), hardware.card_name), hardware


def held_by_models() -> int:
    """Bytes of memory that models of Cita hold now, and give back before another is loaded (rag/llama_worker.py)."""
    import psutil

    held = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if WORKER in process.cmdline():
                memory = process.memory_info()
                held += memory.rss - getattr(memory, "shared", 0)  # the mapped weights count as free
    return held


def _generation(settings: Settings, hardware: Hardware | None) -> tuple[Generation, list[Problem]]:
    from models.registry import Registry

    registry = Registry(settings.models)
    name = settings.generate.model or registry.active_name()
    try:
        found, problems = _generation_of(registry.get(name), settings, hardware)
        other = _nearest(registry, settings, hardware) if found.problem and hardware else ""
    except CitaError as error:
        return Generation(name, None, None, str(error)), [Problem(error.message, error.hint)]
    if other:
        remedy = f"`cita models use {other}`: it is the largest of your models that fits."
        problems = [replace(problem, remedy=f"{problem.remedy} {remedy}") for problem in problems]
        found = replace(found, problem=f"{found.problem} {remedy}")
    return found, problems


def _nearest(registry: "Registry", settings: Settings, hardware: Hardware) -> str:
    """The name of the largest model that writes answers and fits; '' if none does."""
    models = [info for info in registry.list() if info.size and not info.ranks]
    for info in sorted(models, key=lambda info: info.size, reverse=True):
        if _generation_of(info, settings, hardware)[0].runtime:
            return info.name
    return ""


def _generation_of(info: ModelInfo, settings: Settings, hardware: Hardware | None) -> tuple[Generation, list[Problem]]:
    if not info.is_ours or hardware is None:
        return Generation(info.name, None, None), []
    try:
        weights = Weights.read(Path(info.path))
        runtime = choose_runtime(settings.generate, weights, hardware)
    except CitaError as error:
        return Generation(info.name, None, None, str(error)), [Problem(error.message, error.hint)]
    return Generation(info.name, runtime, memory_needed(weights, runtime)), []


def _llama_cpp_problems(llama_cpp: LlamaCpp) -> list[Problem]:
    if not llama_cpp.loads:
        return [
            Problem(
                f"llama.cpp does not load, so GGUF models cannot answer: {llama_cpp.detail}.",
                REBUILD_LLAMA,
            )
        ]
    if "AMX_INT8 = 1" in llama_cpp.detail:  # ggml-org/llama.cpp issue 20824
        return [
            Problem(
                "llama.cpp was built with AMX instructions; built so by GCC 12 it crashes on quantised models.",
                REBUILD_LLAMA,
            )
        ]
    return []


def _ocr(settings: Settings) -> tuple[Ocr, list[Problem]]:
    """Text recognition, and what keeps it from working; that it is switched off is no problem."""
    from ingest.parse.ocr import HOW_TO_INSTALL, find_recogniser, tesseract_version

    wanted = settings.ocr.languages.split("+")
    try:
        found = find_recogniser(settings.ocr)
    except NeedsOcrError as error:
        problem = Problem(f"{error.message} Scans and pictures of text stay unread.", error.hint)
        return Ocr(False, "", (), tuple(wanted)), [problem] if settings.ocr.on else []
    languages = found.languages.split("+")
    missing = [language for language in wanted if language not in languages]
    problem = Problem(f"Text recognition has no language data for {', '.join(missing)}.", HOW_TO_INSTALL)
    return Ocr(True, tesseract_version(), tuple(languages), tuple(missing)), [problem] if missing else []


def _isolation(settings: Settings) -> Isolation:
    """What a worker that reads a document is kept from here, tried in one."""
    from ingest.isolate import Isolator

    try:
        with Isolator(settings.parse) as isolator:
            return isolator.prove()
    except CitaError as error:
        return Isolation(False, False, False, False, f"no worker could be started: {error.message}")


def _isolation_problems(isolation: Isolation) -> list[Problem]:
    """Only where nothing confines at all: a layer less is what many systems have."""
    if sys.platform != "linux" or isolation.network or isolation.files or isolation.processes:
        return []
    return [
        Problem(
            "Documents are read by processes that this system does not confine: a document made to take its reader "
            f"over could read other files and use the network ({isolation.detail}).",
            "Use a kernel with Landlock and seccomp (Linux 5.13 or later; in a container, its default rules), or index "
            "only files you trust.",
        )
    ]
