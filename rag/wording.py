"""A question in the words that documents use: 'cashflow' beside 'cash flow', 'COGS' beside 'cost of goods sold'."""

import re
import tomllib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from ingest.analyse import detect_language, fold

ABBREVIATIONS = Path(__file__).with_name("abbreviations.toml")

_TOKEN = re.compile(r"[^\W_]+(?:[&+][^\W_]+)*")


def reworded(question: str, taken_apart: Callable[[str], str]) -> str:
    """The question, with two words for one that is these run together (`taken_apart` knows the library's, see
    ingest.fulltext); behind it, what its abbreviations stand for."""

    def apart(found: re.Match[str]) -> str:
        folded = fold(found[0])
        return found[0] if (two := taken_apart(folded)) == folded else two

    text = _TOKEN.sub(apart, question)
    return " ".join([text, *written_out(text)])


def written_out(question: str) -> Iterator[str]:
    """What the abbreviations in a question stand for, each once, in its language."""
    known = _abbreviations().get(detect_language(question), {})
    said = fold(question)
    for short in dict.fromkeys(fold(token) for token in _TOKEN.findall(question)):
        if (meant := known.get(short)) and fold(meant) not in said:
            yield meant


@lru_cache(maxsize=1)
def _abbreviations() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = tomllib.loads(ABBREVIATIONS.read_text(encoding="utf-8"))
    return found
