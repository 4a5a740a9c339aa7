"""Which models there are, and which one answers."""

import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from errors import ModelError, ModelNotFoundError, NotAModelError
from models.gguf import read_model
from models.types import EXTRACTIVE, ModelInfo

NO_RERANKER = "A reranker is a GGUF with a classification head (bge-reranker, jina-reranker, Qwen3-Reranker)."


class Registry:
    """The models of one home: `extractive`, those added from anywhere, and the GGUFs that lie in `models_dir`.

    Models are used where they are; only their names and places are kept, in `models_dir`/registry.json.
    """

    def __init__(self, models_dir: Path) -> None:
        self._folder = models_dir
        self._file = models_dir / "registry.json"

    def list(self) -> list[ModelInfo]:
        """All models, `extractive` first, the active one marked; also those whose file is gone or damaged."""
        active, _ = self._read()
        found = [EXTRACTIVE, *(_described(name, path) for name, path in self._paths().items())]
        return [replace(info, active=info.name == active) for info in found]

    def add(self, path: Path) -> ModelInfo:
        """Makes the GGUF at `path` known, in place; one already known keeps its name.

        Raises ModelNotFoundError or NotAModelError.
        """
        path = path.expanduser().absolute()
        info = read_model(path)
        name = self._known_name(path) or _unique_name(info, {EXTRACTIVE.name, *self._paths()})
        self._register(name, path)
        return self._known(name)

    def use(self, name: str) -> ModelInfo:
        """Makes the model `name` the active one.

        Raises ModelNotFoundError if there is none of that name or its file is gone, NotAModelError if it is damaged.
        """
        info = self.get(name)
        if info.path:  # from now on under this name, whatever else comes to lie beside it
            self._register(info.name, Path(info.path))
        _, models = self._read()
        self._write(info.name, models)
        return replace(info, active=True)

    def active_name(self) -> str:
        """The name of the model that was picked last, be its file there or not; `extractive` until one was."""
        active, _ = self._read()
        return active

    def get(self, name: str) -> ModelInfo:
        """The model `name` that is to answer, its file read anew.

        Raises ModelNotFoundError if there is none of that name or its file is gone, NotAModelError if it is damaged or
        a reranker.
        """
        info = self._known(name)
        if info.ranks:
            raise NotAModelError(
                f"Model {name!r} ranks passages and writes no answers.",
                hint="Pick another with `cita models use NAME`; `cita eval FILE` measures whether it ranks better.",
            )
        return info

    def reranker(self, name: str) -> ModelInfo:
        """The reranker `name`, its file read anew.

        Raises ModelNotFoundError if there is none of that name or its file is gone, NotAModelError if it is damaged or
        no reranker.
        """
        info = self._known(name)
        if not info.ranks:
            raise NotAModelError(f"Model {name!r} is no reranker.", hint=NO_RERANKER)
        return info

    def _known(self, name: str) -> ModelInfo:
        active, registered = self._read()
        if name == EXTRACTIVE.name:
            return replace(EXTRACTIVE, active=active == name)
        path = registered.get(name) or self._paths().get(name)
        if path is None:
            raise ModelNotFoundError(
                f"There is no model {name!r}.",
                hint="`cita models list` names those there are; `cita models add PATH` adds one.",
            )
        if not path.exists():
            raise ModelNotFoundError(
                f"The file of model {name!r} is gone: {str(path)!r}.",
                hint="Put it back, or pick another with `cita models use NAME`.",
            )
        return replace(read_model(path), name=name, active=name == active)

    def _paths(self) -> dict[str, Path]:
        """Names and places: those registered, then those that merely lie in the folder, in the order of their files."""
        _, paths = self._read()
        for path in sorted(self._folder.glob("*.gguf")):
            if path not in paths.values():
                paths[_unique_name(_described(path.stem, path), {EXTRACTIVE.name, *paths})] = path
        return paths

    def _known_name(self, path: Path) -> str:
        return next((name for name, known in self._paths().items() if known == path), "")

    def _register(self, name: str, path: Path) -> None:
        active, models = self._read()
        if models.get(name) != path:
            self._write(active, {**models, name: path})

    def _read(self) -> tuple[str, dict[str, Path]]:
        try:
            content = json.loads(self._file.read_text("utf-8"))
            return content["active"], {name: Path(path) for name, path in content["models"].items()}
        except FileNotFoundError:
            return EXTRACTIVE.name, {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"The list of models {str(self._file)!r} cannot be read: {error}.",
                hint="Move it away and add the models again with `cita models add PATH`.",
            ) from error

    def _write(self, active: str, models: dict[str, Path]) -> None:
        content = {"active": active, "models": {name: str(path) for name, path in models.items()}}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise ModelError(
                f"The list of models {str(self._file)!r} cannot be written: {error.strerror}.",
                hint="Check the folder's permissions and the space left on its disk.",
            ) from error


def _described(name: str, path: Path) -> ModelInfo:
    """What the file says of itself; of one that is gone or damaged only its name and place."""
    try:
        known = path.stat()
        return replace(_read_once(path, known.st_size, known.st_mtime_ns), name=name)
    except (OSError, ModelNotFoundError, NotAModelError):
        return ModelInfo(name=name, path=str(path))


@lru_cache(maxsize=64)
def _read_once(path: Path, size: int, changed: int) -> ModelInfo:  # noqa: ARG001 - a file that changed is read again
    return read_model(path)


def _unique_name(info: ModelInfo, taken: Iterable[str]) -> str:
    """A name to type: the model's title, else its file's name, else that with a number."""
    stem = _slug(Path(info.path).stem) or "model"
    candidates = [_slug(info.title), stem]
    candidates += [f"{stem}-{number}" for number in range(2, len(set(taken)) + 3)]
    return next(name for name in candidates if name and name not in taken)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-._")


def write_atomically(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
