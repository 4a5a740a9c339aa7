"""Which models there are, and which one answers."""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from errors import ModelError, ModelNotFoundError, NotAModelError
from models.gguf import check_adapter, model_of, read_header, read_model
from models.types import EXTRACTIVE, ModelInfo
from models.weights_folder import read_folder

NO_RERANKER = "A reranker is a GGUF with a classification head (bge-reranker, jina-reranker, Qwen3-Reranker)."

KINDS = ("models", "adapted", "served")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A model that is another with a LoRA adapter applied: the name of its `base`, the adapter's place and weight."""

    base: str
    path: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """What registry.json holds: the name of the active model, and by name the places of others, the adapted, and those
    that another program serves or runs (with what was learnt of them when they were added)."""

    active: str = EXTRACTIVE.name
    models: Mapping[str, Path] = field(default_factory=dict)
    adapted: Mapping[str, Adapted] = field(default_factory=dict)
    served: Mapping[str, ModelInfo] = field(default_factory=dict)


class Registry:
    """The models of one home: `extractive`, those added from anywhere, the GGUFs that lie in `models_dir`, those that
    are one of these with a LoRA adapter, and those that a server answers with.

    Models are used where they are; only their names and places are kept, in `models_dir`/registry.json.
    """

    def __init__(self, models_dir: Path) -> None:
        self._folder = models_dir
        self._file = models_dir / "registry.json"
        self._prompts = str(models_dir.parent / "prompts")  # of the home, as in the settings

    def list(self) -> list[ModelInfo]:
        """All models, `extractive` first, the active one marked; also those whose file is gone or damaged."""
        known, paths = self._read(), self._paths()
        found = [EXTRACTIVE, *(_described(name, path) for name, path in paths.items())]
        found += [
            _with_adapter(_described(name, paths.get(adapted.base, Path(adapted.base))), name, adapted)
            for name, adapted in known.adapted.items()
        ]
        found += known.served.values()
        return [replace(info, active=info.name == known.active) for info in found]

    def add(self, path: Path) -> ModelInfo:
        """Makes the GGUF at `path`, or the folder of a model of Transformers, known, in place; one already known keeps
        its name.

        Raises ModelNotFoundError or NotAModelError.
        """
        path = path.expanduser().absolute()
        info = _read_model(path)
        name = self._known_name(path) or _unique_name(info, self._taken())
        self._register(name, path)
        return self._known(name)

    def add_adapter(self, path: Path, base: str, scale: float = 1.0) -> ModelInfo:
        """Makes the model `base` with the LoRA adapter at `path`, a GGUF, known as a model of its own, both in place;
        one already known keeps its name and gets the new `scale`, the weight of what the adapter adds.

        Raises ModelNotFoundError if there is no such file or model, NotAModelError if it is no adapter or not one for
        that model.
        """
        path = path.expanduser().absolute()
        model = self.get(base)
        if not model.is_ours or model.adapter:
            raise NotAModelError(
                f"Model {base!r} takes no adapter.", hint="Name a GGUF that `cita models list` shows without one."
            )
        title = check_adapter(path, Path(model.path))
        self._register(base, Path(model.path))
        known, adapted = self._read(), Adapted(base, str(path), scale)
        same = (name for name, one in known.adapted.items() if replace(one, scale=scale) == adapted)
        named = ModelInfo("", f"{base}-{path.stem}.gguf", title=f"{base}-{title}" if _slug(title) else "")
        name = next(same, "") or _unique_name(named, self._taken())
        self._write(replace(known, adapted={**known.adapted, name: adapted}))
        return self._known(name)

    def add_gpt4all(self, path: Path) -> ModelInfo:
        """Makes the GGUF at `path` known as one that the package gpt4all runs. Raises what add() raises."""
        path = path.expanduser().absolute()
        info = replace(read_model(path), protocol="gpt4all", program="GPT4All", served_as=path.name)
        known = self._read()
        same = (name for name, one in known.served.items() if one.path == str(path))
        name = next(same, "") or _served_name(info, self._taken())
        kept = ModelInfo(name, str(path), protocol="gpt4all", program="GPT4All", served_as=path.name)
        self._write(replace(known, served={**known.served, name: kept}))
        return self._known(name)

    def add_served(self, models: Sequence[ModelInfo]) -> Sequence[ModelInfo]:
        """Makes `models` of a server known, each under a name like 'ollama-llama3.2-3b'; one already known keeps its
        name, and what is known of it is replaced. Nothing is connected to."""
        names = []
        for model in models:
            known = self._read()
            place = (model.protocol, model.server, model.served_as)
            same = (name for name, one in known.served.items() if (one.protocol, one.server, one.served_as) == place)
            name = next(same, "") or _served_name(model, self._taken())
            served = {**known.served, name: replace(model, name=name, active=False)}
            self._write(replace(known, served=served))
            names.append(name)
        return [self._known(name) for name in names]

    def use(self, name: str) -> ModelInfo:
        """Makes the model `name` the active one.

        Raises ModelNotFoundError if there is none of that name or its file is gone, NotAModelError if it is damaged.
        """
        info = self.get(name)
        if info.is_ours and not info.adapter:  # from now on under this name, whatever else comes to lie beside it
            self._register(info.name, Path(info.path))
        self._write(replace(self._read(), active=info.name))
        return replace(info, active=True)

    def remove(self, name: str, *, delete: bool = False) -> None:
        """Forgets the model `name`, be its file or server there or not; `extractive` answers if it was the active one.
        A file elsewhere stays where it is; one in the home's own folder is deleted, if `delete` says so.

        Raises ModelNotFoundError if there is none of that name, ModelError if an adapter needs it or its file is in
        the home's folder and is not to be deleted, or cannot be.
        """
        known, paths = self._read(), self._paths()
        if name not in {*paths, *known.adapted, *known.served}:
            raise _unknown(name)
        if adapted := [other for other, one in known.adapted.items() if one.base == name]:
            raise ModelError(
                f"Model {name!r} is the base of {', '.join(map(repr, adapted))}.", hint="Remove what needs it first."
            )
        path = paths.get(name)
        if path is not None and path.parent == self._folder:
            if not delete:
                raise ModelError(
                    f"The file of model {name!r} is in the home's own folder: {str(path)!r}.",
                    hint=f"`cita models remove {name} --delete` deletes it.",
                )
            self._delete(name, path)
        kept = {kind: {other: one for other, one in getattr(known, kind).items() if other != name} for kind in KINDS}
        active = EXTRACTIVE.name if known.active == name else known.active
        self._write(Known(active, **kept))

    def _delete(self, name: str, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(
                f"The file of model {name!r} cannot be deleted: {error.strerror}.",
                hint=f"Check the permissions of {str(path.parent)!r}.",
            ) from error

    def active_name(self) -> str:
        """The name of the model that was picked last, be its file there or not; `extractive` until one was."""
        return self._read().active

    def hosts(self) -> tuple[str, ...]:
        """The machines but this one that models are on, each once."""
        return tuple(dict.fromkeys(model.host for model in self._read().served.values() if model.host))

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
        known = self._read()
        if name == EXTRACTIVE.name:
            return replace(EXTRACTIVE, active=known.active == name)
        if served := known.served.get(name):
            return replace(self._reread(served), active=known.active == name, prompts=self._prompts)
        if adapted := known.adapted.get(name):
            base = self._known(adapted.base)
            _check_once(Path(adapted.path), Path(base.path))
            return replace(_with_adapter(base, name, adapted), active=name == known.active)
        path = known.models.get(name) or self._paths().get(name)
        if path is None:
            raise _unknown(name)
        if not path.exists():
            raise _gone(name, path)
        return replace(_read_model(path), name=name, active=name == known.active, prompts=self._prompts)

    def _reread(self, served: ModelInfo) -> ModelInfo:
        """With what its file says now, where it has one."""
        if not served.path:
            return served
        path = Path(served.path)
        if not path.exists():
            raise _gone(served.name, path)
        told: dict[str, Any] = {"name": served.name, "protocol": served.protocol, "program": served.program}
        return replace(read_model(path), **told, served_as=served.served_as)

    def _paths(self) -> dict[str, Path]:
        """Names and places: those registered, then those that merely lie in the folder, in the order of their files."""
        known = self._read()
        paths = dict(known.models)
        for path in sorted(self._folder.glob("*.gguf")):
            if path not in paths.values() and not _is_adapter(path):
                taken = {EXTRACTIVE.name, *paths, *known.adapted, *known.served}
                paths[_unique_name(_described(path.stem, path), taken)] = path
        return paths

    def _taken(self) -> set[str]:
        known = self._read()
        return {EXTRACTIVE.name, *self._paths(), *known.adapted, *known.served}

    def _known_name(self, path: Path) -> str:
        return next((name for name, known in self._paths().items() if known == path), "")

    def _register(self, name: str, path: Path) -> None:
        known = self._read()
        if known.models.get(name) != path:
            self._write(replace(known, models={**known.models, name: path}))

    def _read(self) -> Known:
        try:
            content = json.loads(self._file.read_text("utf-8"))
            adapted = {name: Adapted(**values) for name, values in content.get("adapted", {}).items()}
            served = {name: _from_json(name, values) for name, values in content.get("served", {}).items()}
            places = {name: Path(path) for name, path in content["models"].items()}
            return Known(content["active"], places, adapted, served)
        except FileNotFoundError:
            return Known()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"The list of models {str(self._file)!r} cannot be read: {error}.",
                hint="Move it away and add the models again with `cita models add PATH`.",
            ) from error

    def _write(self, known: Known) -> None:
        content: dict[str, Any] = {"active": known.active}
        content["models"] = {name: str(path) for name, path in known.models.items()}
        if known.adapted:
            content["adapted"] = {name: asdict(adapted) for name, adapted in known.adapted.items()}
        if known.served:
            content["served"] = {name: _to_json(model) for name, model in known.served.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise ModelError(
                f"The list of models {str(self._file)!r} cannot be written: {error.strerror}.",
                hint="Check the folder's permissions and the space left on its disk.",
            ) from error


def _unknown(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"There is no model {name!r}.",
        hint="`cita models list` names those there are; `cita models add PATH` adds one.",
    )


def _gone(name: str, path: Path) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"The file of model {name!r} is gone: {str(path)!r}.",
        hint="Put it back, or pick another with `cita models use NAME`.",
    )


def _read_model(path: Path) -> ModelInfo:
    """Raises ModelNotFoundError or NotAModelError."""
    return read_folder(path) if path.is_dir() else read_model(path)


def _described(name: str, path: Path) -> ModelInfo:
    """What the file says of itself; of one that is gone or damaged only its name and place."""
    try:
        info = _read_once(path, *_state(path))
    except (OSError, ModelNotFoundError, NotAModelError):
        info = None
    return replace(info, name=name) if info else ModelInfo(name=name, path=str(path))


def _with_adapter(base: ModelInfo, name: str, adapted: Adapted) -> ModelInfo:
    return replace(base, name=name, adapter=adapted.path, scale=adapted.scale)


def _is_adapter(path: Path) -> bool:
    try:
        return _read_once(path, *_state(path)) is None
    except (OSError, ModelNotFoundError, NotAModelError):
        return False


def _state(path: Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_size, known.st_mtime_ns


@lru_cache(maxsize=64)
def _read_once(path: Path, size: int, changed: int) -> ModelInfo | None:  # noqa: ARG001 - one that changed is read again
    """As _read_model(); None for an adapter."""
    if path.is_dir():
        return read_folder(path)
    header = read_header(path)
    return None if header.is_adapter else model_of(header, path)


def _check_once(adapter: Path, base: Path) -> None:
    """As check_adapter(), whose headers are read again only when one of both files has changed."""
    if adapter.exists() and base.exists():
        _checked(adapter, base, _state(adapter), _state(base))
    else:
        check_adapter(adapter, base)  # says what is gone


@lru_cache(maxsize=64)
def _checked(adapter: Path, base: Path, *states: tuple[int, int]) -> None:  # noqa: ARG001 - one that changed is read again
    check_adapter(adapter, base)


def _to_json(model: ModelInfo) -> dict[str, Any]:
    """The fields that say something, but for the name, under which it stands."""
    without = ModelInfo(model.name)
    fields = asdict(replace(model, active=False))
    return {key: value for key, value in fields.items() if value != getattr(without, key)}


def _from_json(name: str, values: Mapping[str, Any]) -> ModelInfo:
    """Raises TypeError for a field that there is not or that has another kind of value."""
    for key, value in values.items():
        kind = type(getattr(EXTRACTIVE, key, None))
        if not isinstance(value, list if kind is tuple else kind):
            raise TypeError(f"model {name!r} cannot have {key} {value!r}")
    held: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return ModelInfo(**{**held, "name": name})


def _served_name(model: ModelInfo, taken: Iterable[str]) -> str:
    """The program and what the model is called there, without folders: 'ollama-llama3.2-3b'."""
    called = re.split(r"[/\\]", model.served_as)[-1].removesuffix(".gguf")
    stem = "-".join(filter(None, (_slug(model.program), _slug(called)))) or "served"
    candidates = [stem, *(f"{stem}-{number}" for number in range(2, len(set(taken)) + 3))]
    return next(name for name in candidates if name not in taken)


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
