"""Is a claim carried by what it cites?"""

import re
import unicodedata

from ingest.analyse import detect_language, terms, words
from ingest.numbers import numbers, without_numbers
from ingest.types import Passage

# The share of a claim's terms that must stand in the quote or around it.
CARRIED = 0.6
_NEGATING = "not no never none nor without cannot nunca ningun ninguna ninguno jamas sin tampoco"
_NEGATIONS = frozenset(_NEGATING.split())
_CONTRACTED = re.compile(r"n['’]t\b")


def supports(quote: str, claim: str, passage: Passage) -> bool:
    """Whether the quote carries the claim: its numbers are all there, it negates where the quote negates, and most of
    its terms stand in the quote or in the passage's headings."""
    if _squeezed(claim) in _squeezed(quote):
        return True
    evidence = f"{quote} {' '.join(passage.headings)}"
    if not numbers(claim) <= numbers(f"{evidence} {passage.text}"):
        return False
    if _negates(claim) != _negates(quote):
        return False
    wanted = set(terms(without_numbers(claim), detect_language(claim, passage.language)))
    found = set(terms(evidence, passage.language))
    return len(wanted & found) >= CARRIED * len(wanted)


def _squeezed(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).rstrip(".").lower()


def _negates(text: str) -> bool:
    return bool(_CONTRACTED.search(text)) or any(word in _NEGATIONS for word in words(text))
