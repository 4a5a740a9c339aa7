"""What leads from one passage to the next: "Where was the director of X born?" is answered in two, and the first, which
is on X, names whom the second is about.
"""

import re
from collections.abc import Iterator, Sequence

from ingest.analyse import words
from ingest.stopwords import STOPWORDS
from rag.types import Hit

_ASIDE = re.compile(r"\s*[(\[].*?[)\]]|,.*$")  # 'Winner (band)', 'Newport, New Hampshire'
_OPENERS = frozenset('.!?…:;"“«(¿¡•*-')
_SHORTEST = 3  # letters of a name


def linked(best: int, question: str, hits: Sequence[Hit]) -> Iterator[int]:
    """The hits (numbers from 0, in their order) that are about something which the passage of the hit `best` names and
    the question does not: their title, or the heading above them, is its name."""
    own = set(_names(hits[best]))
    text = hits[best].passage.text
    for n, hit in enumerate(hits):
        if n != best and any(name not in own and has(text, name) and not has(question, name) for name in _names(hit)):
            yield n


def leading(best: int, question: str, hits: Sequence[Hit]) -> Iterator[int]:
    """The hits that lead to the hit `best` so: it is about something that their passage names."""
    for n in range(len(hits)):
        if best in linked(n, question, hits):
            yield n


def _names(hit: Hit) -> Iterator[str]:
    """What a passage is about, as its title and heading say it."""
    for said in (hit.title, *hit.passage.headings[-1:]):
        name = _ASIDE.sub("", said).strip()
        parts = words(name)
        if len(name) >= _SHORTEST and any(all(part not in stop for stop in STOPWORDS.values()) for part in parts):
            yield name


def has(text: str, name: str) -> bool:
    """Whether the name stands in the text with a capital. Where a sentence opens any word has one: a name of a single
    word does not count there."""
    if name.casefold() not in text.casefold():
        return False
    for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
        if match[0][0].isupper() and (" " in name or not _opens(text, match.start())):
            return True
    return False


def _opens(text: str, place: int) -> bool:
    """Whether a sentence or a line begins there."""
    before = text[:place].rstrip(" \t")
    return not before or before[-1] in _OPENERS or before[-1] == "\n"
