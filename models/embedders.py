"""The embedders that are here, which find passages: those of the install, those that were pulled, the one that is set.

Which one works is a setting (embed.model); the next index run after a change makes the index anew (ingest/switch.py).
"""

from dataclasses import dataclass
from pathlib import Path

from errors import EmbedderError, ModelNotFoundError
from ingest.embed import DEFAULT_MODEL, SHIPPED, ModelFolder, locate
from settings import Settings


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """`name` is what embed.model is set to; `path` its folder, `size` the bytes of its weights, `window` the tokens
    that it reads at once. `active`: it is the one that is set. `problem` says why it cannot be used."""

    name: str
    path: str = ""
    size: int = 0
    window: int = 0
    active: bool = False
    problem: str = ""


def embedders(settings: Settings) -> list[EmbedderInfo]:
    """Those that can be chosen by their name, the install's first, and the one that is set whatever it is. Weights are
    not read."""
    pulled = sorted(path.parent.name for path in settings.models.glob("*/modules.json"))
    return [_described(name, settings) for name in dict.fromkeys([*SHIPPED, *pulled, settings.embed.model])]


def find_embedder(name: str, settings: Settings) -> EmbedderInfo:
    """Raises ModelNotFoundError if there is none of that name or path, EmbedderError if it cannot be used."""
    known = [one.name for one in embedders(settings)]
    if name not in known and not (Path(name).expanduser() / "modules.json").is_file():
        raise ModelNotFoundError(
            f"There is no embedder {name!r}.",
            hint=f"There is {', '.join(known)}; `cita models available` lists those to fetch. Or name a folder of "
            "sentence-transformers.",
        )
    found = _described(name if name in known else str(Path(name).expanduser().absolute()), settings)
    if found.problem:
        raise EmbedderError(f"Embedder {name!r} cannot be used: {found.problem}", hint="Fetch it again.")
    return found


def choosing(embedder: EmbedderInfo) -> dict[str, dict[str, str | None]]:
    """The settings that make it the one that works: its folder knows its prefixes, those of another are taken out."""
    model = None if embedder.name == DEFAULT_MODEL else embedder.name
    return {"embed": {"model": model, "query_prefix": None, "passage_prefix": None}}


def _described(name: str, settings: Settings) -> EmbedderInfo:
    active = name == settings.embed.model
    try:
        folder = locate(name, settings.models)
        model = ModelFolder.read(folder, name)
        size = (folder / "model.safetensors").stat().st_size
    except EmbedderError as error:
        return EmbedderInfo(name, active=active, problem=error.message)
    except OSError as error:
        return EmbedderInfo(name, str(folder), active=active, problem=f"model.safetensors: {error.strerror}.")
    return EmbedderInfo(name, str(folder), size, model.window, active)
