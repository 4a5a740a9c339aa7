"""What this machine can run, what is wrong with it, and what to do."""

import contextlib
import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from errors import CitaError, ModelTooLargeError, NeedsOcrError
from ingest.confine import Isolation
from models import advice, builds
from models.advice import Advice, Embedding, Recommendation
from models.builds import Build, Card, Loaded
from models.catalogue import read_catalogue, recommend
from models.fit import Memory, Weights, memory_needed
from models.nearest import fits_instead
from models.registry import Registry
from models.runtime import Hardware, Runtime, choose_runtime, free_memory, physical_cores, whole_memory
from models.speed import memory_speed, rate, tokens_per_second
from models.types import EXTRACTIVE, ModelInfo
from settings import Settings

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
WORKER = "rag.llama_worker"

REBUILD_LLAMA = f"Build it for any processor: {advice.reinstall('-DGGML_NATIVE=OFF')}"


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
class Speed:
    """At how many bytes a second memory is read here (measured; 0 where a graphics card computes), and from how many to
    how many tokens a second a model writes by that: the one that answers, or else the recommended one."""

    memory: float
    model: str = ""
    tokens_per_second: tuple[float, float] | None = None


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
    """Sizes are bytes; `cores` are those this process may use. `libraries` has "" for one that is missing. `cards` are
    the graphics cards, whether a runtime can use them or not. `faster`: what would make answers come sooner."""

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
    runtimes: tuple[Build, ...]
    cards: tuple[Card, ...]
    generation: Generation
    speed: Speed
    recommended: Recommendation
    faster: tuple[Advice, ...]
    ocr: Ocr
    isolation: Isolation
    problems: tuple[Problem, ...]


def examine(settings: Settings) -> Machine:
    """Looks at the machine. Changes nothing; what it finds wrong is in `problems`, nothing is raised."""
    others, loaded = builds.other_builds(), builds.load_llama()
    llama_cpp, hardware = _llama_cpp(loaded)
    generation, model_problems = _generation(settings, hardware)
    embedding, embedder_problems = _embedder(settings)
    isolation = _isolation(settings)
    ocr, ocr_problems = _ocr(settings)
    disk_free = shutil.disk_usage(_existing(settings.home)).free
    libraries = {name: _installed(name) for name in LIBRARIES}
    runtimes, cards = (builds.llama_build(loaded), *others), builds.graphics_cards()
    speed, recommended, faster = _speed(settings, hardware, runtimes, cards, embedding)
    return Machine(
        system=platform.platform(),
        processor=platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=whole_memory(),
        memory_available=free_memory(),
        disk_free=disk_free,
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        libraries=libraries,
        embedder=settings.embed.model,
        embedder_runtime=embedding.runtime,
        llama_cpp=llama_cpp,
        runtimes=runtimes,
        cards=cards,
        generation=generation,
        speed=speed,
        recommended=recommended,
        faster=faster,
        ocr=ocr,
        isolation=isolation,
        problems=(
            *_room(free_memory(), disk_free, settings.home),
            *_missing(libraries),
            *_sqlite(),
            *embedder_problems,
            *_llama_cpp_problems(llama_cpp),
            *_runtime_problems(others, libraries),
            *model_problems,
            *ocr_problems,
            *_isolation_problems(isolation),
        ),
    )


def recommended_here(settings: Settings, language: str = "") -> Recommendation:
    """The model of the catalogue that suits this machine and answers in `language` ('' for any), and why."""
    hardware, _ = hardware_here()
    best = recommend(read_catalogue(), hardware, settings.generate.context, language)
    return advice.recommendation(best, hardware, settings.generate.context, memory_speed_of(hardware))


def memory_speed_of(hardware: Hardware) -> float:
    """As memory_speed(), which takes half a second; 0 where a graphics card computes."""
    return 0.0 if hardware.card else memory_speed(hardware.cores)


def _speed(
    settings: Settings,
    hardware: Hardware | None,
    runtimes: tuple[Build, ...],
    cards: tuple[Card, ...],
    embedding: Embedding,
) -> tuple[Speed, Recommendation, tuple[Advice, ...]]:
    """How fast models are here, which one suits, and what would be faster."""
    hardware = hardware or _without_llama()
    entries, context = read_catalogue(), settings.generate.context
    best = recommend(entries, hardware, context)
    speed = memory_speed_of(hardware)
    info, weights, runtime = _answering(settings, hardware)
    found = None
    if speed and weights:
        found = Speed(speed, info.name, rate(weights.per_token, speed))
    elif speed and best:
        found = Speed(speed, best.name, tokens_per_second(best, best.variants[0], speed))
    llama, torch = runtimes[0], runtimes[-1]
    faster = (
        *advice.of_build(llama, builds.processor_features()),
        *advice.of_card(llama, cards, speed),
        *advice.of_layers(settings.generate, runtime, weights, hardware),
        *advice.of_threads(settings.generate, hardware),
        *advice.of_model(info, weights, best, entries, speed),
        *advice.of_embedder(settings.embed, embedding, torch, cards),
    )
    return found or Speed(speed), advice.recommendation(best, hardware, context, speed), faster


def _answering(settings: Settings, hardware: Hardware) -> tuple[ModelInfo, Weights | None, Runtime | None]:
    """The GGUF that answers, as far as it can be read, and how it runs if it fits."""
    registry = Registry(settings.models)
    try:
        info = registry.get(settings.generate.model or registry.active_name())
        weights = Weights.read(Path(info.path)) if info.is_ours else None
    except CitaError:  # told as a problem
        return EXTRACTIVE, None, None
    try:
        return info, weights, choose_runtime(settings.generate, weights, hardware) if weights else None
    except CitaError:
        return info, weights, None


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


def _embedder(settings: Settings) -> tuple[Embedding, list[Problem]]:
    """How passages are embedded, and what keeps it from it."""
    from ingest.embed import SHIPPED, ModelFolder, has_int8_gain, locate, precision_of, runtime_of

    try:
        model = ModelFolder.read(locate(settings.embed.model, settings.models), settings.embed.model)
        _ = model.weights_sha256  # read and, where the right one is known, compared
        runtime = runtime_of(model, settings.embed)
        if runtime == "onnx":
            precision_of(model, settings.embed)
    except CitaError as error:
        return Embedding(), [Problem(error.message, error.hint)]
    return Embedding(runtime, model.is_exportable, model.name in SHIPPED and has_int8_gain()), []


def how_it_runs(settings: Settings, info: ModelInfo | None = None) -> Generation:
    """How `info`, or the model that answers, is run on this machine. Raises nothing."""
    hardware = _load_llama_cpp()[1]
    return (_generation_of(info, settings, hardware) if info else _generation(settings, hardware))[0]


def hardware_here() -> tuple[Hardware, int]:
    """What models run on, and the bytes of memory that there are, free or not. Where llama.cpp, which knows the
    graphics card, does not load: what is known without it."""
    return _load_llama_cpp()[1] or _without_llama(), whole_memory()


def _without_llama() -> Hardware:
    return Hardware(physical_cores(), free_memory(), 0, "", False)


def _load_llama_cpp() -> tuple[LlamaCpp, Hardware | None]:
    """Loads llama.cpp in a process of its own: one built for another processor dies on an illegal instruction."""
    return _llama_cpp(builds.load_llama())


def _llama_cpp(loaded: Loaded) -> tuple[LlamaCpp, Hardware | None]:
    if loaded.problem:
        return LlamaCpp(False, False, loaded.problem), None
    told = loaded.told
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
    registry = Registry(settings.models)
    name = settings.generate.model or registry.active_name()
    try:
        info = registry.get(name)
    except CitaError as error:
        return Generation(name, None, None, str(error)), [Problem(error.message, error.hint)]
    return _generation_of(info, settings, hardware)


def _generation_of(info: ModelInfo, settings: Settings, hardware: Hardware | None) -> tuple[Generation, list[Problem]]:
    """With what else fits, where it does not."""
    if not info.is_ours or hardware is None:
        return Generation(info.name, None, None), []
    try:
        weights = Weights.read(Path(info.path))
        runtime = choose_runtime(settings.generate, weights, hardware)
    except CitaError as error:
        instead = ""
        if isinstance(error, ModelTooLargeError):
            instead = fits_instead(info, settings.generate, settings.models, hardware)
        remedy = " ".join(filter(None, (error.hint, instead)))
        return Generation(info.name, None, None, f"{error.message} {remedy}"), [Problem(error.message, remedy)]
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


def _runtime_problems(others: tuple[Build, ...], libraries: dict[str, str]) -> list[Problem]:
    """Of those that find passages; one that is not installed is told already."""
    packages = {"ONNX Runtime": "onnxruntime", "PyTorch": "torch"}
    return [
        Problem(
            f"{build.name} does not load: {build.problem}.",
            f"Install it again: {sys.executable} -m pip install --force-reinstall --no-deps {packages[build.name]}",
        )
        for build in others
        if build.problem and libraries.get(packages[build.name])
    ]


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
