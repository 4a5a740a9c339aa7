"""Whether the text layer of a page can be read, or is noise that a program without its fonts' alphabets wrote."""

import re
import unicodedata

from ingest.parse.page import HYPHEN

ENOUGH = 40  # characters; of fewer nothing can be said
MOST_UNKNOWN = 0.15  # of the characters may have no meaning: private-use glyphs, controls, replacement characters
LEAST_LETTERS = 0.25  # of the characters must be letters or digits
LEAST_VOWELS = 0.25  # of the letters, where they are Latin: prose has 0.32 or more
ENOUGH_LETTERS = 100  # Latin ones, for their vowels to be counted

_RUNS = re.compile(r"([^\w\s\ufffd\ue000-\uf8ff])\1{2,}")  # leaders and rules
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]{4,}")
_VOWELS = "aeiouyæœø"
_NO_MEANING = frozenset(("Cc", "Co", "Cn", "Cs"))


def is_legible(text: str) -> bool:
    """False for text that is surely noise; what is too short to tell is taken for text."""
    lines = text.replace(HYPHEN, " ").replace("\ufffe", " ")  # as PDFium tells a hyphen at a line's end
    written = _RUNS.sub(r"\1", " ".join(lines.split())).replace(" ", "")
    if len(written) < ENOUGH:
        return True
    signs = {sign: written.count(sign) for sign in set(written) if not sign.isalnum()}
    unknown = sum(n for sign, n in signs.items() if sign == "\ufffd" or unicodedata.category(sign) in _NO_MEANING)
    letters = len(written) - sum(signs.values())
    return (
        unknown <= MOST_UNKNOWN * len(written)
        and letters + unknown >= LEAST_LETTERS * len(written)
        and _has_vowels(text, letters)
    )


def _has_vowels(text: str, letters: int) -> bool:
    """Whether the words could be spoken; so can none whose letters stand for others."""
    words = _LATIN_WORD.findall(text)
    latin = sum(map(len, words))
    if latin < ENOUGH_LETTERS or 2 * latin < letters:
        return True
    plain = unicodedata.normalize("NFD", " ".join(words).lower())
    return sum(map(plain.count, _VOWELS)) >= LEAST_VOWELS * latin
