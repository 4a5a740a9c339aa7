"""What speaks for a piece of a passage as the answer to a question, and for its holding the answer at all."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.analyse import fold, stem, words
from ingest.fulltext import Term
from ingest.numbers import numbers
from ingest.stopwords import STOPWORDS
from rag.answer_type import Kind, Value, kind_asked, values

Signs = Mapping[str, float]  # by name, mostly in [0, 1]

_NEGATING = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nor",
        "neither",
        "without",
        "cannot",
        "nobody",
        "nothing",
        "nowhere",
        "hardly",
        "nunca",
        "ningun",
        "ninguna",
        "ninguno",
        "jamas",
        "sin",
        "tampoco",
        "nadie",
        "nada",
        "ni",
        "fail",
        "failed",
        "fails",
        "unable",
        "refuse",
        "refused",
        "lack",
        "lacked",
        "except",
        "instead",
    ]
)
_CONTRACTED = re.compile(r"n['’]t\b")
_NAME = re.compile(r"(?<=[^\W_]\s)(?:[A-ZÁÉÍÓÚÑÜ][\w’'-]*|\d[\w.,-]*)|\b[A-Z]{2,}\b")
_EXTREME = frozenset(
    [
        "first",
        "last",
        "only",
        "most",
        "least",
        "best",
        "worst",
        "largest",
        "biggest",
        "smallest",
        "highest",
        "lowest",
        "longest",
        "shortest",
        "oldest",
        "newest",
        "latest",
        "earliest",
        "main",
        "primary",
        "original",
        "final",
        "greatest",
        "youngest",
        "primer",
        "primera",
        "primero",
        "ultimo",
        "ultima",
        "unico",
        "unica",
        "mas",
        "menos",
        "mejor",
        "peor",
        "mayor",
        "menor",
        "principal",
    ]
)


class Ask:
    """A question as pieces are held against it: its terms that the library weighs, what it names and asks for."""

    def __init__(self, question: str, terms: Sequence[Term], language: str) -> None:
        self.question = question
        self.kind: Kind = kind_asked(question)
        self.terms = [term for term in terms if term.idf > 0]
        self.total = sum(term.idf for term in self.terms) or 1.0
        named = {word for match in _NAME.findall(question) for word in words(match)}
        named -= STOPWORDS[language if language in STOPWORDS else "en"]
        self.named = [n for n, term in enumerate(self.terms) if term.word in named]
        self.numbers = numbers(question)
        self.negates = negates(question)
        self.extremes = {word for word in words(question) if word in _EXTREME}
        self._stems = {one: n for n, term in reversed([*enumerate(self.terms)]) for one in term.stems}

    def places(self, text: str, language: str) -> list[int]:
        """For each word of the text, the number of the term that it is, or -1."""
        return [self._stems.get(stem(word, language), -1) for word in words(text)]

    def share(self, found: Iterable[int]) -> float:
        """The weight of these terms over that of all."""
        return sum(self.terms[n].idf for n in set(found) if n >= 0) / self.total

    def share_named(self, found: set[int]) -> float:
        """The weight of the names and numbers among these, over that of all in the question; 1 if it has none."""
        total = sum(self.terms[n].idf for n in self.named)
        return sum(self.terms[n].idf for n in self.named if n in found) / total if total else 1.0

    def heaviest_missing(self, found: set[int]) -> float:
        return max((term.idf for n, term in enumerate(self.terms) if n not in found), default=0.0) / self.total

    def unknown(self) -> float:
        """The weight of the terms that no passage has."""
        return self.share(n for n, term in enumerate(self.terms) if not term.frequency)


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a piece: the terms in its passage's headings and title, in the passage, in the piece before."""

    above: set[int]
    passage: set[int]
    before: set[int]


def negates(text: str) -> bool:
    """Whether a word of the text denies something."""
    return bool(_CONTRACTED.search(text)) or any(word in _NEGATING for word in words(text))


def word_signs(ask: Ask, text: str, language: str, around: Around) -> dict[str, float]:
    """The signs that a piece's words give."""
    places = ask.places(text, language)
    own = set(places) - {-1}
    near = own | around.before
    return {
        "words": ask.share(own) + 0.5 * ask.share(around.above - own),
        "words with the piece before": ask.share(near | around.above),
        "words of the passage": ask.share(around.passage | around.above),
        "side by side": _side_by_side(ask, places),
        "names": ask.share_named(own | around.above),
        "names nearby": ask.share_named(near | around.above),
        "names in the passage": ask.share_named(around.passage | around.above),
        "heaviest word missing": ask.heaviest_missing(own | around.above),
        "heaviest word missing in the passage": ask.heaviest_missing(around.passage | around.above),
        "numbers": float(ask.numbers <= numbers(text)),
        "denial differs": float(ask.negates != negates(text)),
        "extremes": _extremes(ask, text),
        "length": min(len(places), 80) / 40,
    }


def _side_by_side(ask: Ask, places: Sequence[int]) -> float:
    """The weight of the question's neighbouring terms that are near each other here."""
    where: dict[int, list[int]] = {}
    for position, n in enumerate(places):
        if n >= 0:
            where.setdefault(n, []).append(position)
    found = 0.0
    for one, other in pairwise(range(len(ask.terms))):
        if one in where and other in where:
            gap = min(abs(a - b) for a in where[one] for b in where[other]) or 1
            found += (ask.terms[one].idf + ask.terms[other].idf) / 2 / ask.total / gap
    return found


def _extremes(ask: Ask, text: str) -> float:
    if not ask.extremes:
        return 1.0
    return len(ask.extremes & set(words(text))) / len(ask.extremes)


# -------------------------------------------------------------------------------------------- values of the kind asked


@dataclass(frozen=True, slots=True)
class Rated:
    """A value of the kind asked for, and how near it stands to the question's words (0 to 1)."""

    value: Value
    nearness: float


def rated_values(ask: Ask, text: str, language: str) -> list[Rated]:
    """The values of the kind asked for in a piece, the nearest to the question's words first."""
    found = values(ask.kind, text, ask.question)
    if not found:
        return []
    spans = [(match.start(), match.end()) for match in re.finditer(r"[^\W_]+(?:[.,]\d+)*", text)]
    places = [ask.places(text[a:b], language) for a, b in spans]
    rated = []
    for value in found:
        first = next((i for i, (a, b) in enumerate(spans) if b > value.start), 0)
        last = max((i for i, (a, b) in enumerate(spans) if a < value.end), default=first)
        nearest: dict[int, int] = {}
        for i, own in enumerate(places):
            gap = first - i if i < first else i - last if i > last else 0
            for n in own:
                if n >= 0:
                    nearest[n] = min(nearest.get(n, 99), gap)
        nearness = sum(ask.terms[n].idf / (1 + 0.25 * gap) for n, gap in nearest.items()) / ask.total
        rated.append(Rated(value, nearness))
    return sorted(rated, key=lambda one: -one.nearness)


def kind_sign(ask: Ask, rated: Sequence[Rated], text: str) -> float:
    """1 if the piece has something of the kind asked for, 0 if not, .5 where no kind is asked for."""
    if ask.kind == "reason":
        return float(bool(_REASON.search(fold(text))))
    if not ask.kind:
        return 0.5
    return float(bool(rated))


_REASON = re.compile(
    r"\b(?:because|since|due to|owing to|in order to|as a result|caus\w+|reason\w*|so that|therefore|thus|to avoid"
    r"|porque|debido|a causa|puesto que|ya que|por lo que|razon\w*|para que|motiv\w+|provoc\w+)\b"
)


_LIST = re.compile(
    r"\b(?:list|name (?:the|all|two|three|four|five|some)|which are|what are the|what (?:\w+ )?(?:items|things|steps"
    r"|ingredients|requirements|documents|rules|types|kinds|topics|tasks|points)|cuales son"
    r"|que (?:cosas|pasos|ingredientes|requisitos|documentos|normas|tipos|temas|tareas|puntos)|enumera|lista de"
    r"|what (?:do|should|must) \w+ (?:bring|pack|buy|take))\b"
)


def asks_for_list(question: str) -> bool:
    """Whether several things are asked for, as a list has them."""
    return bool(_LIST.search(fold(question)))
