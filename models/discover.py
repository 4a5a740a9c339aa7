"""Models that other programs keep on this computer: found, described, used where they are; never moved nor changed.

Looked through are the caches of the Hugging Face hub and of llama.cpp, and the folders of LM Studio, Ollama, GPT4All
and Jan, each where its program keeps it on this system and where the environment says so. A file that several programs
share, or of which there are copies, is shown once, with all its places.
"""

import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from errors import ModelError, ModelNotFoundError, NotAModelError
from models.gguf import read_model
from models.types import ModelInfo
from models.weights_folder import is_weights_folder

Program = Literal["Hugging Face", "LM Studio", "Ollama", "GPT4All", "Jan", "llama.cpp"]

LEAST_SIZE = 1 << 20  # bytes; nothing smaller answers
MOST_FILES = 20_000  # of a folder: one that is not what it seems is not searched for ever
MOST_MANIFEST = 1 << 20  # bytes
OLLAMA_WEIGHTS = "application/vnd.ollama.image.model"
SHA256 = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20
SAMPLES = 16
HASHES = "hashes.json"  # in the folder of a home's models


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model lies: the program that keeps it, what that calls it, the file as the program names it, and the
    file's sha256 where the program says it ('' otherwise)."""

    program: Program
    name: str
    path: Path
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A model on this computer: what its header says and the places it lies at, the first to be used.

    `problem` says why one cannot be used; its `info` then has but a name, a path and a size."""

    info: ModelInfo
    places: tuple[Place, ...]
    problem: str = ""

    @property
    def sha256(self) -> str:
        """As a program that keeps it says, '' if none does."""
        return next((place.sha256 for place in self.places if place.sha256), "")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in which a program keeps models."""

    program: Program
    path: Path


def discover(folders: list[Folder] | None = None) -> list[Found]:
    """The models in `folders` (by default those that programs have on this computer), the largest first.

    Reads headers only, and of files of one size some samples. What cannot be read is left out.
    """
    places = [place for folder in (program_folders() if folders is None else folders) for place in _places(folder)]
    found = [_described(group) for group in _same_file(places)]
    return sorted(_same_content(found), key=lambda one: (-one.info.size, one.info.name))


def program_folders(
    environment: Mapping[str, str] | None = None, system: str = sys.platform, home: Path | None = None
) -> list[Folder]:
    """The folders in which programs keep models on `system` (as sys.platform names it), be they there or not."""
    known = dict(os.environ if environment is None else environment)
    home = home or Path.home()

    def named(variable: str, *otherwise: str | Path) -> Path:
        value = known.get(variable, "").strip()
        return Path(value).expanduser() if value else home.joinpath(*otherwise)

    cache = named("XDG_CACHE_HOME", ".cache")
    share = named("XDG_DATA_HOME", ".local", "share")
    support = home / "Library" / "Application Support"
    local = named("LOCALAPPDATA", "AppData", "Local")
    roaming = named("APPDATA", "AppData", "Roaming")
    kept: dict[str, dict[Program, Path]] = {
        "linux": {"GPT4All": share / "nomic.ai" / "GPT4All", "Jan": share / "Jan", "llama.cpp": cache / "llama.cpp"},
        "darwin": {
            "GPT4All": support / "nomic.ai" / "GPT4All",
            "Jan": support / "Jan",
            "llama.cpp": home / "Library" / "Caches" / "llama.cpp",
        },
        "win32": {
            "GPT4All": local / "nomic.ai" / "GPT4All",
            "Jan": roaming / "Jan",
            "llama.cpp": local / "llama.cpp",
        },
    }
    own = kept.get(system, kept["linux"])
    hub = named("HF_HOME", cache / "huggingface") / "hub"
    folders = [
        Folder("Hugging Face", named("HF_HUB_CACHE", named("HUGGINGFACE_HUB_CACHE", hub))),
        Folder("llama.cpp", named("LLAMA_CACHE", own["llama.cpp"])),
        *(Folder("LM Studio", path) for path in _lm_studio_folders(named, home)),
        Folder("Ollama", named("OLLAMA_MODELS", ".ollama", "models")),
        Folder("GPT4All", own["GPT4All"]),
        Folder("GPT4All", cache / "gpt4all"),
        Folder("Jan", own["Jan"] / "data" / "llamacpp" / "models"),
        Folder("Jan", home / "jan" / "models"),
    ]
    if system == "linux":
        folders.append(Folder("Ollama", Path("/usr/share/ollama/.ollama/models")))  # installed as a service
    return list(dict.fromkeys(folders))


def _lm_studio_folders(named: Any, home: Path) -> list[Path]:
    """Those of its homes, or where one's settings say; the last home is the newest."""
    pointer = home / ".lmstudio-home-pointer"
    homes = [named("LMSTUDIO_HOME", ".lmstudio"), home / ".cache" / "lm-studio"]
    if said := _text(pointer).strip():
        homes.insert(0, Path(said))
    folders = []
    for path in homes:
        chosen = _json(path / "settings.json").get("downloadsFolder")
        folders.append(Path(chosen) if isinstance(chosen, str) and chosen else path / "models")
    return folders


def _places(folder: Folder) -> Iterator[Place]:
    if folder.program == "Ollama":
        yield from _ollama_places(folder.path)
        return
    for path in _files(folder.path):
        yield Place(folder.program, _name(folder, path), path, _sha256_said(folder.program, path))


def _files(root: Path) -> Iterator[Path]:
    """The GGUFs under `root` that may be whole models. Links are followed inside it, and those of files only."""
    inside, seen = Path(os.path.realpath(root)), 0
    for parent, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            seen += 1
            if seen > MOST_FILES:
                return
            if _may_be_model(name):
                path = Path(parent, name)
                if Path(os.path.realpath(path)).is_relative_to(inside) and _is_large_file(path):
                    yield path


def models_at(path: Path) -> list[Path]:
    """The path itself, if it is a file or the folder of a model of Transformers; else the GGUFs under that folder that
    may be whole models, in the order of their paths."""
    return list(_files(path)) if path.is_dir() and not is_weights_folder(path) else [path]


def _may_be_model(name: str) -> bool:
    """By its name: not half a download, nor what sees pictures, nor the second of several parts."""
    lower = name.lower()
    part = re.search(r"-(\d{5})-of-\d{5}\.gguf$", lower)
    return (
        lower.endswith(".gguf")
        and not name.startswith(("incomplete-", "mmproj", "."))
        and not (part and part.group(1) != "00001")
    )


def _is_large_file(path: Path) -> bool:
    try:
        known = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(known.st_mode) and known.st_size >= LEAST_SIZE


def _name(folder: Folder, path: Path) -> str:
    """What its program calls it: 'organisation/repository/file' where it keeps such folders."""
    parts = path.relative_to(folder.path).parts
    if folder.program == "Hugging Face":
        repository = next((part for part in parts if part.startswith("models--")), "")
        return "/".join((*repository.removeprefix("models--").split("--"), path.name)) if repository else path.name
    if folder.program == "Jan" and path.name == "model.gguf":
        return "/".join(parts[:-1])
    return "/".join(parts)


def _sha256_said(program: Program, path: Path) -> str:
    """The hub names a finished file by its sha256; Jan writes it beside the model."""
    if program in ("Hugging Face", "llama.cpp"):
        name = Path(os.path.realpath(path)).name
        return name if SHA256.fullmatch(name) else ""
    if program == "Jan":
        found = re.search(r"^model_sha256:\s*[\"']?([0-9a-f]{64})", _text(path.with_name("model.yml")), re.MULTILINE)
        return found.group(1) if found else ""
    return ""


def _ollama_places(root: Path) -> Iterator[Place]:
    """Of each manifest the blob that holds the weights."""
    manifests = root / "manifests"
    for seen, path in enumerate(sorted(manifests.rglob("*")) if manifests.is_dir() else ()):
        if seen > MOST_FILES:
            return
        if not path.is_file() or path.name.startswith("."):
            continue
        layers = _json(path).get("layers")
        for layer in layers if isinstance(layers, list) else []:
            if not isinstance(layer, dict) or layer.get("mediaType") != OLLAMA_WEIGHTS:
                continue
            digest = str(layer.get("digest")).removeprefix("sha256:")
            blob = root / "blobs" / f"sha256-{digest}"
            if SHA256.fullmatch(digest) and _is_large_file(blob) and blob.stat().st_size == layer.get("size"):
                yield Place("Ollama", _ollama_name(path.relative_to(manifests).parts), blob, digest)


def _ollama_name(parts: tuple[str, ...]) -> str:
    """registry.ollama.ai/library/granite4.1/3b -> granite4.1:3b, hf.co/org/name/Q4 -> hf.co/org/name:Q4"""
    *folders, tag = parts
    if folders[:1] == ["registry.ollama.ai"]:
        folders = folders[1:]
    if folders[:1] == ["library"]:
        folders = folders[1:]
    return f"{'/'.join(folders)}:{tag}"


def _same_file(places: list[Place]) -> list[tuple[Place, ...]]:
    """Places of one file together: a link, hard or symbolic, is no second file."""
    files: dict[tuple[int, int], list[Place]] = {}
    for place in places:
        try:
            known = place.path.stat()
        except OSError:
            continue
        files.setdefault((known.st_dev, known.st_ino), []).append(place)
    return [tuple(dict.fromkeys(group)) for group in files.values()]


def _described(places: tuple[Place, ...]) -> Found:
    first = places[0]
    try:
        return Found(replace(read_model(first.path), name=first.name), places)
    except (ModelNotFoundError, NotAModelError) as error:
        size = first.path.stat().st_size if first.path.exists() else 0
        return Found(ModelInfo(name=first.name, path=str(first.path), size=size), places, str(error))


def _same_content(found: list[Found]) -> list[Found]:
    """Copies of a file together."""
    together: dict[tuple[int, str], Found] = {}
    sizes: dict[int, int] = {}
    for one in found:
        sizes[one.info.size] = sizes.get(one.info.size, 0) + 1
    for one in found:
        alone = sizes[one.info.size] == 1
        key = (one.info.size, "" if alone else _fingerprint(Path(one.info.path), one.info.size))
        if key in together:
            one = replace(together[key], places=(*together[key].places, *one.places))
        together[key] = one
    return list(together.values())


def _fingerprint(path: Path, size: int) -> str:
    """Of the first megabyte, where the header lies, and of samples over the whole: telling copies apart from models of
    one size needs no reading of gigabytes. It proves nothing: what must be proved is hashed (`Hashes`)."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            digest.update(file.read(BLOCK))
            for sample in range(1, SAMPLES + 1):
                file.seek(max(0, (size - BLOCK // SAMPLES) * sample // SAMPLES))
                digest.update(file.read(BLOCK // SAMPLES))
    except OSError:
        return str(path)
    return digest.hexdigest()


class Hashes:
    """The sha256 of files, each read once: kept in `file` by path, size and time of change."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def sha256(self, path: Path) -> str:
        """Reads the whole file if it was not read before or has changed. Raises ModelError if it cannot be read."""
        try:
            known = path.stat()
            key, state = str(path.absolute()), [known.st_size, known.st_mtime_ns]
            kept = _json(self._file)
            entry = kept.get(key)
            if isinstance(entry, dict) and entry.get("state") == state and SHA256.fullmatch(str(entry.get("sha256"))):
                return str(entry["sha256"])
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(
                f"{str(path)!r} cannot be read: {error.strerror}.", hint="Check the file's permissions and its disk."
            ) from error
        self._keep({**kept, key: {"state": state, "sha256": digest}})
        return digest

    def _keep(self, content: dict[str, Any]) -> None:
        from models.registry import write_atomically

        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(content, indent=1) + "\n")
        except OSError:  # it is only read again the next time
            return


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(path: Path) -> str:
    """Of a small file; '' if there is none that can be read."""
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode) or known.st_size > MOST_MANIFEST:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
