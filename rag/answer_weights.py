"""How far each sign of an answer is to be trusted: rag/answers.toml, which evaluation/answers_train.py makes."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from errors import SettingsError
from rag.types import ABSTAIN, Abstain

WEIGHTS_FILE = Path(__file__).with_name("answers.toml")
TABLES = ("piece", "about", "answered")


@dataclass(frozen=True, slots=True)
class Weights:
    """Logistic regressions over signs by name, '' being the bias. `piece`: does a piece hold the answer? `about`: do
    the passages speak of what is asked? `answered`: do those that do answer it? `least`: how likely it must be that
    they do both for an extractive answer, by how strict abstention is; `least_for_models`: for a model to be asked at
    all."""

    piece: Mapping[str, float]
    about: Mapping[str, float]
    answered: Mapping[str, float]
    least: Mapping[Abstain, float]
    least_for_models: Mapping[Abstain, float]


@lru_cache(maxsize=4)
def read_weights(file: Path = WEIGHTS_FILE) -> Weights:
    """Raises SettingsError if the file is not there or lacks a weight."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        piece, about, answered = (
            {str(name): float(weight) for name, weight in found[table].items()} for table in TABLES
        )
        return Weights(
            piece,
            about,
            answered,
            {dial: float(found["least"][dial]) for dial in ABSTAIN},
            {dial: float(found["least_for_models"][dial]) for dial in ABSTAIN},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"The weights of answers in {str(file)!r} cannot be read: {error!r}.", hint="Install Cita again."
        ) from error


def weigh(weights: Mapping[str, float], signs: Mapping[str, float]) -> float:
    """The log-odds: the bias, and each sign by its weight."""
    return weights[""] + sum(weight * signs[name] for name, weight in weights.items() if name)
