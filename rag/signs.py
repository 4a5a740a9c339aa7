"""What speaks for and against a claim in what it cites: facts that are not there, and signs that add up."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from ingest.analyse import detect_language, fold, phrase_pattern, phrases, stem, terms, words
from ingest.stopwords import STOPWORDS
from rag.figures import Figure, Figures, carries, figures, other_unit
from rag.names import Name, known_names, names
from rag.negation import denies, reverses

_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_SPEAKING = "i we you my our your me us im ive yo tu nosotros mi mis te"
_SPOKEN = frozenset(_SPEAKING.split())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a claim is held against: the quoted sentences, the passage around them, headings and title above. Where a
    sentence cites several passages, theirs together."""

    quote: str
    passage: str
    above: str
    language: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What was found. The texts name what is missing, as the claim writes it; `features` are numbers by name, each
    from 0 to 1, of which rag/verify.py makes a verdict."""

    quote: str  # in quotation marks, but not in the passage
    figure: str
    unit: str  # a number that is there with another unit
    name: str
    denied: bool
    opposite: str
    missing: tuple[str, ...]  # other words
    foreign: bool  # claim and passage are in two languages
    features: dict[str, float]

    @property
    def is_verbatim(self) -> bool:
        """Whether its words stand in the quote, in this order."""
        return self.features["in order"] == 1.0

    @property
    def is_scattered(self) -> bool:
        """Whether its names or numbers stand in the passage, but not together as the claim has them."""
        return any(self.features[name] for name in ("figures elsewhere", "names elsewhere", "swapped", "skipped"))


def signs(claim: str, evidence: Evidence) -> Signs:
    claim = _LIST_MARK.sub("", claim)
    language = detect_language(claim, evidence.language)
    foreign = language != evidence.language
    around = f"{evidence.passage}\n{evidence.above}"
    near = f"{evidence.quote}\n{evidence.above}"
    claimed = figures(claim, language).found
    said, said_near = figures(around, evidence.language), figures(near, evidence.language)
    absent = [figure for figure in claimed if not _carried(figure, said, said_near)]
    named = names(claim)
    known, known_near = known_names(around), known_names(near)
    nameless = [name for name in named if not known.has(name)]
    wanted = _content(claim, language, claimed, named)
    stems = set(terms(around, evidence.language))
    missing = [word for word, stemmed in wanted.items() if stemmed not in stems]
    facts = len(claimed) + len(named)
    far = sum(not carries(said_near, figure) for figure in claimed) - len(absent)
    far_names = sum(not known_near.has(name) for name in named) - len(nameless)
    in_order, swapped, skipped = _aligned(claim, evidence.quote, claimed, named, said_near)
    opposite = "" if foreign else reverses(claim, near)
    denied = 0.0 if foreign else denies(claim, evidence.quote, language, evidence.language)
    features = {
        "words in passage": _share(len(wanted) - len(missing), len(wanted)),
        "pairs in passage": _pairs(claim, evidence.passage),
        "in order": in_order,
        "figures missing": _any(len(absent), len(claimed)),
        "figures elsewhere": _any(far, len(claimed)),
        "names missing": _any(len(nameless), len(named)),
        "names elsewhere": _any(far_names, len(named)),
        "swapped": float(swapped),
        "skipped": float(skipped),
        "denied": denied,
        "spoken": float(bool(_SPOKEN & set(words(claim)) - set(words(evidence.quote)))),
        "question": float(claim.rstrip().endswith("?")),
        "facts": min(1.0, facts / 4),
        "new words": min(1.0, len(missing) / 8),
    }
    return Signs(
        quote=next((quote for quote in phrases(claim) if not _is_quoted(quote, around)), ""),
        figure=next((figure.text for figure in absent if not other_unit(said, figure)), ""),
        unit=next((figure.text for figure in absent if other_unit(said, figure)), ""),
        name=nameless[0].text if nameless else "",
        denied=denied > 0.5,
        opposite=opposite,
        missing=tuple(missing),
        foreign=foreign,
        features=features,
    )


def _carried(figure: Figure, said: Figures, near: Figures) -> bool:
    """In the passage, and not with another unit in what is quoted."""
    return carries(said, figure) and (carries(near, figure) or not other_unit(near, figure))


def _content(claim: str, language: str, claimed: Sequence[Figure], named: Sequence[Name]) -> dict[str, str]:
    """The words of a claim that are neither figures nor names nor stop words, with their stems."""
    taken = {word for figure in claimed for word in words(figure.text)} | {
        w for name in named for w in words(name.text)
    }
    stop = STOPWORDS.get(language, frozenset())
    kept = [word for word in words(claim) if word not in stop and word not in taken and len(word) > 1]
    return {word: stem(word, language) for word in kept}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _any(part: int, whole: int) -> float:
    """A first one counts half, the others by their share."""
    return 0.5 + 0.5 * part / whole if part else 0.0


def _pairs(claim: str, passage: str) -> float:
    """The share of the claim's words side by side that stand so in the passage too."""
    own = [*pairwise(words(claim))]
    said = _following(passage)
    return _share(sum(pair in said for pair in own), len(own))


@lru_cache(maxsize=1024)
def _following(text: str) -> frozenset[tuple[str, str]]:
    """Pairs of words of which the one stands one or two behind the other."""
    found = words(text)
    return frozenset(pairwise(found)) | frozenset(zip(found, found[2:], strict=False))


def _aligned(
    claim: str, quote: str, claimed: Sequence[Figure], named: Sequence[Name], said: Figures
) -> tuple[float, bool, bool]:
    """The share of the claim's words that stand in the quote in this order; whether a name or number
    stands where the quote has another; whether the quote has another before it comes to that."""
    own, other = words(claim), words(quote)
    matcher = SequenceMatcher(None, own, other, autojunk=False)
    facts = {w for name in named for w in words(name.text)} | {w for figure in claimed for w in words(figure.text)}
    theirs = {w for name in names(quote) for w in words(name.text)} | {w for f in said.found for w in words(f.text)}
    swapped = skipped = False
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "replace" and b - a <= 4 and d - c <= 6:
            here, there = set(own[a:b]) & facts, set(other[c:d]) & theirs
            is_other = bool(here - set(other[c:d])) and any(own.count(word) < other.count(word) for word in there)
            swapped |= is_other and not _same_figures(own[a:b], other[c:d])
        elif tag == "insert" and a < len(own) and own[a] in facts:  # 'in [1995, and again in] 1997'
            skipped |= other[c] in theirs and other[c] not in own
    return _share(sum(block.size for block in matcher.get_matching_blocks()), len(own)), swapped, skipped


def _same_figures(own: Sequence[str], other: Sequence[str]) -> bool:
    """'forty five' and '45', but no words without numbers."""
    said = figures(" ".join(other))
    found = figures(" ".join(own)).found
    return bool(found) and all(carries(said, figure) for figure in found)


def _is_quoted(quote: str, passage: str) -> bool:
    pattern = phrase_pattern(_unhyphenated(quote))
    return pattern is None or bool(pattern.search(fold(_unhyphenated(passage))))


def _unhyphenated(text: str) -> str:
    """Words that were broken at the end of a line, whole."""
    return re.sub(r"(?<=[^\W\d_])[-\u00ad\u2010]\s*\n\s*(?=[^\W\d_])|\u00ad", "", text)
