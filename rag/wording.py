"""A question in the words that documents use: 'cashflow' beside 'cash flow', 'COGS' beside 'cost of goods sold'."""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from ingest.analyse import detect_language, fold
from ingest.fulltext import Term

ABBREVIATIONS = Path(__file__).with_name("abbreviations.toml")
SHORTEST_PART = 4  # letters of a word that is run together with another

_TOKEN = re.compile(r"[^\W_]+(?:[&+][^\W_]+)*")

TermsOf = Callable[[str], Sequence[Term]]


def reworded(question: str, terms_of: TermsOf) -> str:
    """The question, with two words for one that no passage has and that is two of the library's run together; behind
    it, what its abbreviations stand for. `terms_of` looks a text's words up in the library."""
    unknown = {term.word for term in terms_of(question) if term.stems and not term.frequency}
    apart = _TOKEN.sub(lambda found: _apart(found[0], terms_of) if fold(found[0]) in unknown else found[0], question)
    return " ".join([apart, *written_out(apart)])


def written_out(question: str) -> Iterator[str]:
    """What the abbreviations in a question stand for, each once, in its language."""
    known = _abbreviations().get(detect_language(question), {})
    said = fold(question)
    for short in dict.fromkeys(fold(token) for token in _TOKEN.findall(question)):
        if (meant := known.get(short)) and fold(meant) not in said:
            yield meant


def _apart(word: str, terms_of: TermsOf) -> str:
    """A word as the two that it can be cut into and that stand side by side in some passage, itself where none do."""
    for at in range(SHORTEST_PART, len(word) - SHORTEST_PART + 1):
        two = f"{word[:at]} {word[at:]}"
        if all(term.frequency for term in terms_of(two)) and any(term.phrase for term in terms_of(f'"{two}"')):
            return two
    return word


@lru_cache(maxsize=1)
def _abbreviations() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = tomllib.loads(ABBREVIATIONS.read_text(encoding="utf-8"))
    return found
