"""Names, acronyms and identifiers in a text, and whether another text has them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ingest.analyse import fold, words
from ingest.stopwords import STOPWORDS

_WORD = re.compile(r"[^\W_](?:[^\W_]|[.&'’](?=[^\W_]))*")
_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}(?:[A-Za-z]\b)?")
_OPENERS = frozenset('.!?…:;\n"“”«»([¿¡•*-')
_OTHER_CAPITALS = """
    january february march april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday lunes martes miercoles jueves viernes sabado domingo enero febrero marzo abril mayo
    junio julio agosto septiembre octubre noviembre diciembre i ok yes no mr mrs ms dr sr sra don dona
"""
_NO_NAMES = frozenset(_OTHER_CAPITALS.split())
_SMALL = frozenset(("of", "the", "and", "for", "in", "on", "de", "del", "la", "el", "los", "las", "y", "e", "en"))
# What a name may end in and still be the same: 'Argentina', 'Argentine', 'Argentinian', 'Argentinos'.
_ENDING = re.compile(
    r"(?:s|es|n|an|ans|ian|ians|ean|ish|ese|ic|e|a|o|as|os|ano|ana|anos|anas|ino|ina|es|esa|i|y|ia|al)?"
)
_STEM = 5  # letters that two forms of a name must share
_MOST_CAPITALS = 0.85  # of its words; more of them, and a text's capitals say nothing


@dataclass(frozen=True, slots=True)
class Name:
    """`run` is the whole run of capitalised words that it stands in, folded."""

    text: str
    run: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What a text can be asked about names: its folded words, and the initials of its names."""

    words: frozenset[str]
    initials: frozenset[str]

    def has(self, name: Name) -> bool:
        """Whether the text has that name, in another form, by its initials, or spelled out."""
        folded = _joined(name.text)
        parts = words(folded) or [folded]
        return (
            all(self._has(part) for part in parts)
            or folded.replace(".", "") in self.initials
            or (len(name.run) > 1 and _initials(name.run) in self.words)
        )

    def _has(self, word: str) -> bool:
        return word in self.words or (
            len(word) > _STEM and any(_same_name(word, other) for other in _beginning(self.words, word[:_STEM]))
        )


def names(text: str) -> list[Name]:
    """The words of a text that are names by their capitals, or identifiers by their digits. A word that opens a
    sentence is one only if the next is too, or if it is an acronym: any word has a capital there."""
    text = _DOTTED.sub(lambda match: _joined(match[0]).upper() + " ", text)
    tokens = list(_WORD.finditer(text))
    capital = [match[0][0].isupper() for match in tokens]
    if len(tokens) > 3 and sum(capital) > _MOST_CAPITALS * len(tokens):
        return [Name(match[0], ()) for match in tokens if _is_identifier(match[0])]
    found = []
    for run in _runs(text, tokens):
        kept = [match for match in run if fold(match[0]) not in _NO_NAMES and not _is_stop(match[0])]
        folded = tuple(fold(match[0]) for match in run)
        found += [Name(match[0], folded) for match in kept]
    found += [Name(match[0], ()) for match in tokens if not match[0][0].isupper() and _is_identifier(match[0])]
    return found


@lru_cache(maxsize=1024)
def known_names(text: str) -> Names:
    """What names() are looked for in."""
    dotted = {_joined(match[0]) for match in _DOTTED.finditer(text)}
    found = set(words(text)) | {
        word for chunk in _WORD.findall(text) for word in (fold(chunk), _bare(chunk), _joined(chunk))
    }
    capitals = [match[0] for match in re.finditer(r"[^\W\d_][\w'’]*|[.;:!?]", text)]
    return Names(frozenset(found | dotted), frozenset(_all_initials(capitals)) | dotted)


def _runs(text: str, tokens: list[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    """Runs of capitalised words side by side, without a lone word that opens a sentence."""
    run: list[re.Match[str]] = []
    for match in tokens:
        if not match[0][0].isupper():
            continue
        if run and text[run[-1].end() : match.start()] in (" ", "-", " - ", "\u2013"):
            run.append(match)
            continue
        yield from _without_opener(text, run)
        run = [match]
    yield from _without_opener(text, run)


def _without_opener(text: str, run: list[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    if not run:
        return
    first = run[0][0]
    if _opens(text, run[0].start()) and not _is_acronym(first) and (len(run) == 1 or _is_stop(first)):
        run = run[1:]
    if run:
        yield run


def _opens(text: str, place: int) -> bool:
    before = text[:place].rstrip(" \t")
    return not before or before[-1] in _OPENERS


def _is_stop(word: str) -> bool:
    return not _is_acronym(word) and any(fold(word) in stop for stop in STOPWORDS.values())


def _is_acronym(word: str) -> bool:
    return len(word) > 1 and (word.isupper() or _is_identifier(word) or any(c.isupper() for c in word[1:]))


def _is_identifier(word: str) -> bool:
    """Letters and digits in one word, but for '3rd', '1990s' and '5km'."""
    return any(c.isdigit() for c in word) and word[0].isalpha()


def _joined(name: str) -> str:
    return _bare(name).replace(".", "")


def _bare(name: str) -> str:
    return re.sub(r"['’]s?$", "", fold(name))


def _initials(run: tuple[str, ...]) -> str:
    return "".join(word[0] for word in run if word not in _SMALL)


def _all_initials(found: list[str]) -> Iterator[str]:
    """Those of every run of two to six capitalised words, small words between them left out."""
    run = ""
    for word in [*found, "."]:
        if word[0].isupper():
            run += fold(word[0])[:1]
        elif word.lower() not in _SMALL:
            for start in range(len(run)):
                for end in range(start + 2, min(len(run), start + 6) + 1):
                    yield run[start:end]
            run = ""


@lru_cache(maxsize=256)
def _by_beginning(known: frozenset[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in known:
        if len(word) > _STEM:
            found.setdefault(word[:_STEM], []).append(word)
    return found


def _beginning(known: frozenset[str], start: str) -> list[str]:
    return _by_beginning(known).get(start, [])


def _same_name(one: str, other: str) -> bool:
    shared = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared >= _STEM and all(_ENDING.fullmatch(word[shared:]) for word in (one, other))
