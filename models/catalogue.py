"""The models that can be fetched: what each is good for, where it lies, what it takes. Read from catalogue.toml."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from errors import ModelError, ModelNotFoundError
from models.runtime import SPARE, Hardware

CATALOGUE = Path(__file__).with_name("catalogue.toml")

Kind = Literal["model", "reranker", "embedder"]
Fit = Literal["yes", "alone", "no"]

MANY = "*"
GB = 10**9
# What a model takes beside its file and its cache: what is computed in, and the process. Where the cache of a token is
# not known, a fifth of the file stands for it. Both are rules of thumb; `cita models show` reckons it from the file.
BESIDE = 600_000_000
ROUGHLY = 1.2
# A processor answers too slowly with what is larger than this tier, however much memory there is.
TIER_OF_PROCESSOR = 6

_PART = re.compile(r"[A-Za-z0-9_][\w.+-]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of a model, with the small ones that go with it (`also`). `bytes` is its exact size, 0 if only `about`
    is known; `revision` and `sha256` are '' where not known. `sources`: how many lists that do not depend on each other
    give size and hash."""

    quantisation: str
    repository: str
    file: str
    sources: int
    revision: str = ""
    bytes: int = 0
    about: int = 0
    sha256: str = ""
    also: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.bytes or self.about


@dataclass(frozen=True, slots=True)
class Entry:
    """A model. `parameters` and `active` are thousand millions, `context` tokens (0: not known), `languages` codes or
    '*' for dozens, `tier` the GB of free memory from which on it is recommended, `cache` the bytes of a token's
    key-value cache as f16 (0: not known), `superseded` the name of a better one. An embedder is given its
    `query_prefix` before a question and its `passage_prefix` before a passage."""

    name: str
    title: str
    kind: Kind
    parameters: float
    licence: str
    languages: tuple[str, ...]
    strengths: str
    known: Literal["listed", "memory"]
    variants: tuple[Variant, ...]
    active: float = 0.0
    terms: str = ""
    context: int = 0
    family: str = ""
    thinks: Literal["", "can", "always"] = ""
    tier: int = 0
    cache: int = 0
    superseded: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""

    def speaks(self, language: str) -> bool:
        return MANY in self.languages or language in self.languages


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant and what it would be here: about how much `memory` it takes, whether that `fits`, and whether its file
    `here` lies in the models' folder already."""

    entry: Entry
    variant: Variant
    memory: int
    fits: Fit
    here: bool

    @property
    def name(self) -> str:
        """As it is typed: with its quantisation unless that is the first."""
        first = self.variant == self.entry.variants[0]
        return self.entry.name if first else f"{self.entry.name}:{self.variant.quantisation}"


@lru_cache(maxsize=1)
def read_catalogue(file: Path = CATALOGUE) -> tuple[Entry, ...]:
    """Raises ModelError, saying where, if it is not what catalogue.toml says of itself."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        entries = tuple(_entry(values) for values in content.pop("model"))
        _check_names(entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The catalogue of models {str(file)!r} cannot be read: {error}.", hint="Install Cita again."
        ) from error
    return entries


def find(wanted: str, entries: Sequence[Entry]) -> tuple[Entry, Variant]:
    """What NAME or NAME:QUANTISATION means; without a quantisation the first. Capitals do not matter.

    Raises ModelNotFoundError, naming what there is.
    """
    name, _, quantisation = wanted.strip().partition(":")
    entry = next((entry for entry in entries if entry.name == name.lower()), None)
    if entry is None:
        near = [entry.name for entry in entries if name and name.lower() in entry.name]
        like = f"Like it are {', '.join(near[:5])}. " if near else ""
        raise ModelNotFoundError(
            f"The catalogue has no model {name!r}.",
            hint=f"{like}`cita models available --all` lists it; a GGUF that you have: `cita models add PATH`.",
        )
    if not quantisation:
        return entry, entry.variants[0]
    for variant in entry.variants:
        if variant.quantisation.lower() == quantisation.lower():
            return entry, variant
    there = ", ".join(variant.quantisation for variant in entry.variants)
    raise ModelNotFoundError(f"{entry.name} is not in the catalogue as {quantisation!r}.", hint=f"There is: {there}.")


def recognise(sha256: str, entries: Sequence[Entry]) -> tuple[Entry, Variant] | None:
    """Which of them a file with this hash is."""
    for entry in entries:
        for variant in entry.variants:
            if sha256 and variant.sha256 == sha256:
                return entry, variant
    return None


def same_size(size: int, entries: Sequence[Entry]) -> Entry | None:
    """One of them of which a file with so many bytes may be; only its hash tells whether it is."""
    sized = (entry for entry in entries for variant in entry.variants if variant.sha256 and variant.bytes == size)
    return next(sized, None)


def memory_about(entry: Entry, variant: Variant, context: int) -> int:
    """Bytes of memory that it takes at a context of so many tokens, by a rule of thumb."""
    context = min(context, entry.context or context)
    if entry.cache:
        return variant.size + entry.cache * context + BESIDE
    return int(variant.size * ROUGHLY) + BESIDE


def fits(needed: int, hardware: Hardware, memory: int) -> Fit:
    """Whether it fits beside what runs now; only alone, in all of the machine's `memory`; or not at all. What the
    graphics card takes need not fit beside it."""
    if needed + SPARE <= hardware.memory + hardware.card:
        return "yes"
    return "alone" if needed + SPARE <= memory + hardware.card else "no"


def offers(entries: Sequence[Entry], hardware: Hardware, memory: int, context: int, folder: Path) -> list[Offer]:
    """All variants, in the catalogue's order, on a machine with so much memory in all."""
    offered = []
    for entry in entries:
        for variant in entry.variants:
            needed = memory_about(entry, variant, context)
            here = is_here(entry, variant, folder)
            offered.append(Offer(entry, variant, needed, fits(needed, hardware, memory), here))
    return offered


def place(entry: Entry, variant: Variant, folder: Path) -> Path:
    """Where it belongs in the models' folder: a file, or a folder for one of several."""
    return folder / entry.name if variant.also else folder / variant.file


def is_here(entry: Entry, variant: Variant, folder: Path) -> bool:
    """Are all its files there? What is in them is not looked at."""
    whole = place(entry, variant, folder)
    return all((whole / path).is_file() for path in (variant.file, *variant.also)) if variant.also else whole.is_file()


def recommend(entries: Sequence[Entry], hardware: Hardware, context: int, language: str = "") -> Entry | None:
    """The one that suits the machine and answers in `language` ('' for any): of the highest tier that it reaches, the
    first. None if the machine has too little memory for any."""
    reach = max(hardware.card / GB, min(hardware.memory / GB, TIER_OF_PROCESSOR))
    suiting = [
        entry
        for entry in entries
        if 0 < entry.tier <= reach
        and (not language or entry.speaks(language))
        and fits(memory_about(entry, entry.variants[0], context), hardware, 0) == "yes"
    ]
    return max(suiting, key=lambda entry: entry.tier, default=None)


def _entry(values: dict[str, Any]) -> Entry:
    variants = tuple(_variant(one) for one in values.pop("variant"))
    entry: Entry = _typed(Entry, {**values, "languages": tuple(values["languages"]), "variants": variants})
    _check(bool(variants), entry.name, "has no variant")
    _check(bool(_PART.fullmatch(entry.name)) and entry.name == entry.name.lower(), entry.name, "is no name to type")
    _check(entry.kind in get_args(Kind), entry.name, f"is of no kind {entry.kind!r}")
    _check(entry.known in ("listed", "memory"), entry.name, f"cannot be known by {entry.known!r}")
    _check(entry.thinks in ("", "can", "always"), entry.name, f"cannot think {entry.thinks!r}")
    named = [variant.quantisation.lower() for variant in variants]
    _check(len(named) == len(set(named)), entry.name, "has two variants of one quantisation")
    return entry


def _variant(values: dict[str, Any]) -> Variant:
    variant: Variant = _typed(Variant, {**values, "also": tuple(values.get("also", ()))})
    _check(bool(_REPOSITORY.fullmatch(variant.repository)), variant.file, f"cannot lie in {variant.repository!r}")
    _check("/" not in variant.file, variant.file, "lies in a folder")
    for path in (variant.file, *variant.also):
        _check(is_safe(path), path, "is no plain path")
    _check(not variant.revision or bool(_COMMIT.fullmatch(variant.revision)), variant.file, "has no commit as revision")
    _check(not variant.sha256 or bool(_SHA256.fullmatch(variant.sha256)), variant.file, "has no sha256")
    _check(bool(variant.bytes) != bool(variant.about), variant.file, "needs either `bytes` or `about`")
    _check(min(variant.bytes, variant.about, variant.sources) >= 0, variant.file, "has a number below 0")
    return variant


def is_safe(path: str) -> bool:
    """Does it, joined to a folder, stay in it on every system?"""
    return all(_PART.fullmatch(part) for part in path.split("/")) and not PurePosixPath(path).is_absolute()


def _typed(kind: type[Any], values: dict[str, Any]) -> Any:
    """Of the dataclass `kind`, each value of the type of its field's default or at least none of another simple one."""
    known = {field.name: field for field in fields(kind)}
    if unknown := values.keys() - known.keys():
        raise ValueError(f"there is no {', '.join(sorted(unknown))}")
    for name, value in values.items():
        default = known[name].default
        wanted = type(default) if default is not MISSING else (str, int, float, tuple)
        if isinstance(value, bool) or not isinstance(value, (wanted, int) if wanted is float else wanted):
            raise ValueError(f"{name} cannot be {value!r}")
    return kind(**values)


def _check_names(entries: Sequence[Entry]) -> None:
    names = [entry.name for entry in entries]
    _check(len(names) == len(set(names)), "the catalogue", "names two models alike")
    files = [variant.file for entry in entries for variant in entry.variants if not variant.also]
    _check(len(files) == len(set(files)), "the catalogue", "has two files of one name")
    for entry in entries:
        _check(not entry.superseded or entry.superseded in names, entry.superseded, "supersedes and is not there")


def _check(holds: bool, what: str, wrong: str) -> None:
    if not holds:
        raise ValueError(f"{what} {wrong}")
