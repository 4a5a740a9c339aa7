"""How far each sign that a passage answers is to be trusted: the weights of fusion and reranking.

A passage's score is BM25 over its bound, plus its cosine times a weight (`cosine_weight`), plus the features of
rag/rerank.py times theirs. All weights depend on the languages at hand (`LanguageMatch`): a cosine of an English
embedder says much of English, little of Spanish, and what words say across languages is little. They
lie in rag/fusion.toml, which evaluation/train_fusion.py makes.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from errors import SettingsError
from ingest.embed import BILINGUAL, ENGLISH

WEIGHTS_FILE = Path(__file__).with_suffix(".toml")

# `known`: question and passage are in one language and the embedder knows it; `unknown`: it does not; `to_known`: they
# are in two, and it knows both; `to_unknown`: it does not.
LanguageMatch = Literal["known", "unknown", "to_known", "to_unknown"]
MATCHES: tuple[LanguageMatch, ...] = ("known", "unknown", "to_known", "to_unknown")
ACROSS: tuple[LanguageMatch, ...] = ("to_known", "to_unknown")

# Embedders by the name in their fingerprint that know some languages only. Any other is taken to know them all.
_LANGUAGES = {ENGLISH: frozenset({"en"}), BILINGUAL: frozenset({"en", "es"})}


@dataclass(frozen=True, slots=True)
class Weights:
    """`cosine` weighs the cosine beside BM25 in choosing what is reranked, `features` what reranking adds, by name."""

    cosine: Mapping[LanguageMatch, float]
    features: Mapping[LanguageMatch, Mapping[str, float]]


@lru_cache(maxsize=4)
def read_weights(file: Path = WEIGHTS_FILE) -> Weights:
    """Raises SettingsError if the file is not there or lacks a weight."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        cosine = {match: float(found["cosine"][match]) for match in MATCHES}
        features = {
            match: {str(name): float(weight) for name, weight in found["features"][match].items()} for match in MATCHES
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"The weights of search in {str(file)!r} cannot be read: {error!r}.", hint="Install Cita again."
        ) from error
    return Weights(cosine, features)


def language_match(asked: str, written: str, fingerprint: str) -> LanguageMatch:
    """How a question's language, a passage's, and what the embedder of that fingerprint knows go together."""
    known = is_known(asked, fingerprint) and is_known(written, fingerprint)
    if asked != written:
        return "to_known" if known else "to_unknown"
    return "known" if known else "unknown"


def is_known(language: str, fingerprint: str) -> bool:
    """Whether the embedder of that fingerprint knows the language."""
    languages = _LANGUAGES.get(fingerprint.split("/")[0])
    return languages is None or language in languages
