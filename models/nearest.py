"""What to use instead of a model that does not fit: one that is here, the same one smaller, one to fetch."""

from collections.abc import Sequence
from pathlib import Path

from errors import CitaError
from models.advice import variant_of
from models.catalogue import Entry, fits, memory_about, read_catalogue, recommend
from models.fit import Weights
from models.registry import Registry
from models.runtime import Hardware, choose_runtime
from models.types import ModelInfo
from settings import Generate


def fits_instead(info: ModelInfo, settings: Generate, models_dir: Path, hardware: Hardware) -> str:
    """The next steps, a sentence each: the largest model of `models_dir` that fits, and a smaller quantisation of the
    same one to fetch; where there is neither, the model that is recommended. '' where nothing fits. Raises nothing."""
    try:
        models, entries = Registry(models_dir).list(), read_catalogue()
    except CitaError:
        return ""
    told = [_here(info, models, settings, hardware), _smaller(info, entries, settings, hardware)]
    return " ".join(filter(None, told)) or _other(entries, settings, hardware)


def _here(info: ModelInfo, models: Sequence[ModelInfo], settings: Generate, hardware: Hardware) -> str:
    """Of those that write answers; one with an adapter is as large as without."""
    others = [one for one in models if one.is_ours and one.size and not one.ranks and one.path != info.path]
    for one in sorted(others, key=lambda one: one.size, reverse=True):
        if _fits(one, settings, hardware):
            return f"`cita models use {one.name}`: it is the largest of your models that fits."
    return ""


def _fits(info: ModelInfo, settings: Generate, hardware: Hardware) -> bool:
    try:
        choose_runtime(settings, Weights.read(Path(info.path)), hardware)
    except CitaError:
        return False
    return True


def _smaller(info: ModelInfo, entries: Sequence[Entry], settings: Generate, hardware: Hardware) -> str:
    """The largest of the catalogue's smaller files of the same model that fits."""
    known = variant_of(info, entries)
    if not known:
        return ""
    entry, large = known
    smaller = [
        variant
        for variant in entry.variants
        if variant.size < large.size and fits(memory_about(entry, variant, settings.context), hardware, 0) == "yes"
    ]
    best = max(smaller, key=lambda variant: variant.size, default=None)
    if best is None:
        return ""
    size = f"{best.size / 1e9:.1f} GB instead of {large.size / 1e9:.1f}"
    return f"`cita models pull {entry.name}:{best.quantisation}`: the same model in a file of {size}."


def _other(entries: Sequence[Entry], settings: Generate, hardware: Hardware) -> str:
    best = recommend(entries, hardware, settings.context)
    return f"`cita models pull {best.name}`: it suits this machine." if best else ""
