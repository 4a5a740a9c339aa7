"""Is each sentence of an answer carried by what it cites? supported, partly or unsupported, and why not.

    for each sentence: signs(claim, evidence) | facts that are not there | the odds of the other signs -> verdict

Quotations, numbers, dates and units must be in the passage, names in it or its headings: nothing makes up for them.
Numbers that a model worked out are not in the passage, and so not confirmed. What else speaks for and against a claim
adds up to log-odds with the weights of rag/verify.toml, which evaluation/train_verification.py makes: words, and the
cosine of claim and quote where the embedder knows their language; then the word of an entailment model where the user
has one (rag/entail.py).

Not covered: words put together differently ("A sued B" for "B sued A"), and what only the world's knowledge tells.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import log
from pathlib import Path
from typing import Literal, Protocol

from errors import SettingsError
from ingest.embed import Embedder
from ingest.types import Passage
from rag.cite import Cited, Mark, citation, cited_in, find_quote, written
from rag.figures import Quantity, figures
from rag.fusion import is_known
from rag.signs import Evidence, Signs, signs
from rag.types import ABSTENTION, AnswerSentence, Citation, Hit, Language, Support

WEIGHTS_FILE = Path(__file__).with_suffix(".toml")
PARTLY = -1.5  # log-odds from which a claim that is not supported counts as partly so
_MOST_ODDS = 4.0  # log-odds beyond which neither the signs nor a model are trusted when they are taken together
_NAMED = 4  # words that a reason names

Reason = Literal[
    "quote", "figure", "date", "worked out", "unit", "name", "denied", "opposite", "contradicted", "uncited", "foreign",
    "words", "elsewhere", "unclear",
]  # fmt: skip
REASONS: dict[Language, dict[Reason, str]] = {
    "en": {
        "quote": "the quotation “{what}” is not in the passage",
        "figure": "the number {what} is not in the passage",
        "date": "the date {what} is not in the passage",
        "worked out": "the number {what} is worked out from others; the passage does not give it",
        "unit": "the passage does not give {what} in this unit",
        "name": "the name {what} is not in the passage",
        "denied": "the passage negates this, or this negates the passage",
        "opposite": "the passage says the opposite of “{what}”",
        "contradicted": "the entailment model finds that the passage contradicts it",
        "uncited": "no passage is cited, and none carries it",
        "foreign": "the passage is in another language: only names and numbers were checked",
        "words": "not in the passage: {what}",
        "elsewhere": "its words stand in different places of the passage",
        "unclear": "the passage does not clearly say this",
    },
    "es": {
        "quote": "la cita «{what}» no está en el pasaje",
        "figure": "el número {what} no está en el pasaje",
        "date": "la fecha {what} no está en el pasaje",
        "worked out": "el número {what} está calculado a partir de otros; el pasaje no lo da",
        "unit": "el pasaje no da {what} en esta unidad",
        "name": "el nombre {what} no está en el pasaje",
        "denied": "el pasaje lo niega, o esto niega lo que dice el pasaje",
        "opposite": "el pasaje dice lo contrario de «{what}»",
        "contradicted": "el modelo de implicación encuentra que el pasaje lo contradice",
        "uncited": "no se cita ningún pasaje, y ninguno lo sostiene",
        "foreign": "el pasaje está en otro idioma: solo se comprobaron nombres y números",
        "words": "no está en el pasaje: {what}",
        "elsewhere": "sus palabras están en distintos lugares del pasaje",
        "unclear": "el pasaje no lo dice con claridad",
    },
}
_WORST: dict[Support, int] = {"supported": 0, "partly": 1, "unsupported": 2}


@dataclass(frozen=True, slots=True)
class Judged:
    """What an entailment model says of a claim, each from 0 to 1."""

    entailed: float
    contradicted: float = 0.0


class Similarity(Protocol):
    def __call__(self, claim: str, quote: str, language: str) -> float | None:
        """The cosine of two texts of that language, None where it would say nothing."""
        ...


class EntailmentModel(Protocol):
    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judged]:
        """What each (evidence, claim) comes to."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """`odds` are the log-odds that the evidence carries the claim, before what must be there was looked at."""

    support: Support
    odds: float
    reason: Reason | None = None
    what: str = ""

    def told(self, language: Language) -> str:
        """The reason in words, '' for what is supported."""
        return REASONS[language][self.reason].format(what=self.what) if self.reason else ""


def verify(
    cited: Cited,
    hits: Sequence[Hit],
    language: Language,
    unsupported: Literal["mark", "drop"] = "mark",
    similarity: Similarity | None = None,
    model: EntailmentModel | None = None,
) -> Cited:
    """A draft's sentences with their verdicts, reasons in `language`.

    A sentence that cites nothing gets the passage of `hits` that carries it, if one does. Unsupported sentences stay,
    marked, or are dropped; a draft of nothing else becomes an abstention. Raises what `similarity` and the model raise.
    """
    if cited.abstained:
        return cited
    checker = _Checker(hits, similarity, model)
    marks = [*cited.marks, *checker.found_for(cited)]
    cited = written(cited.text, sorted(marks, key=lambda mark: mark.place), cited.invented)
    verdicts = [checker.verdict(*sentence) for sentence in _sentences(cited)]
    if unsupported == "drop" and any(verdict.support == "unsupported" for verdict in verdicts):
        kept = [verdict.support != "unsupported" for verdict in verdicts]
        if not any(kept):
            said = ABSTENTION[language]
            return Cited(said, (), (AnswerSentence(said, (), True),), cited.invented, True)
        cited = _without(cited, kept)
        verdicts = [checker.verdict(*sentence) for sentence in _sentences(cited)]
    return _with_verdicts(cited, verdicts, checker, language)


def _sentences(cited: Cited) -> list[tuple[str, list[Citation]]]:
    return [(cited.text[start:end], cited_in(cited.text, cited.marks, start, end)) for start, end in cited.spans]


def _with_verdicts(cited: Cited, verdicts: Sequence[Verdict], checker: "_Checker", language: Language) -> Cited:
    said = tuple(
        replace(sentence, supported=found.support == "supported", verdict=found.support, reason=found.told(language))
        for sentence, found in zip(cited.sentences, verdicts, strict=True)
    )
    worst: dict[int, Verdict] = {}
    for (claim, quoted), whole in zip(_sentences(cited), verdicts, strict=True):
        for one in quoted:
            own = checker.verdict(claim, [one]) if len(quoted) > 1 else whole
            if one.n not in worst or _WORST[own.support] > _WORST[worst[one.n].support]:
                worst[one.n] = own
    citations = tuple(_judged(one, worst.get(one.n), language) for one in cited.citations)
    return replace(cited, sentences=said, citations=citations)


def _judged(one: Citation, found: Verdict | None, language: Language) -> Citation:
    """A citation that stands before the first sentence is about nothing."""
    found = found or Verdict("unsupported", -_MOST_ODDS, "unclear")
    return replace(one, supported=found.support == "supported", verdict=found.support, reason=found.told(language))


def _without(cited: Cited, kept: Sequence[bool]) -> Cited:
    """The draft without some of its sentences, and what they cite."""
    text, done, marks = "", 0, list[Mark]()
    last = len(cited.spans) - 1
    for number, keep in enumerate(kept):
        until = len(cited.text) if number == last else cited.spans[number + 1][0]
        here = [mark for mark in cited.marks if done <= mark.place < until or (number == last and mark.place >= until)]
        if keep:
            marks += [replace(mark, place=mark.place - done + len(text)) for mark in here]
            text += cited.text[done:until]
        elif number == last:
            text = text.rstrip()
        done = until
    return written(text, marks, cited.invented)


class _Checker:
    """Holds claims against the passages of an answer; a verdict is found once."""

    def __init__(self, hits: Sequence[Hit], similarity: Similarity | None, model: EntailmentModel | None) -> None:
        self._similarity = similarity
        self._hits = {hit.passage.id: hit for hit in reversed(hits)}
        self._model = model
        self._known: dict[tuple[str, tuple[tuple[str, int, int], ...]], Verdict] = {}

    def verdict(self, claim: str, citations: Sequence[Citation]) -> Verdict:
        """On a sentence and all that it cites together."""
        key = (claim, tuple((one.id, one.start, one.end) for one in citations))
        if key not in self._known:
            self._known[key] = self._judge(claim, citations)
        return self._known[key]

    def _judge(self, claim: str, citations: Sequence[Citation]) -> Verdict:
        if not citations:
            return Verdict("unsupported", -_MOST_ODDS, "uncited")
        return check(claim, _together([self._evidence(one) for one in citations]), self._similarity, self._model)

    def _evidence(self, one: Citation) -> Evidence:
        return evidence_of(self._hits[one.id].passage, one.start, one.end, self._hits[one.id].title)

    def found_for(self, cited: Cited) -> list[Mark]:
        """For each sentence that cites nothing what carries it best, if a passage does."""
        found = []
        for start, end in cited.spans:
            if not cited_in(cited.text, cited.marks, start, end):
                best = self._carrying(cited.text[start:end])
                found += [Mark(end, (best,))] if best else []
        return found

    def _carrying(self, claim: str) -> Citation | None:
        quotes = [citation(hit.passage, *find_quote(claim, hit.passage), 0) for hit in self._hits.values()]
        verdicts = [(self.verdict(claim, [quote]), quote) for quote in quotes]
        carried = [(verdict.odds, quote) for verdict, quote in verdicts if verdict.support == "supported"]
        return max(carried, key=lambda pair: pair[0])[1] if carried else None


def evidence_of(passage: Passage, start: int, end: int, title: str = "") -> Evidence:
    """A passage as the evidence for a claim, quoted from `start` to `end`."""
    above = " ".join([title, *passage.headings]).strip()
    return Evidence(passage.text[start:end], passage.text, above, passage.language)


def _together(found: Sequence[Evidence]) -> Evidence:
    distinct = list(dict.fromkeys(found))
    return Evidence(
        "\n".join(dict.fromkeys(one.quote for one in distinct)),
        "\n".join(dict.fromkeys(one.passage for one in distinct)),
        "\n".join(dict.fromkeys(one.above for one in distinct)),
        distinct[0].language,
    )


def check(
    claim: str, evidence: Evidence, similarity: Similarity | None = None, model: EntailmentModel | None = None
) -> Verdict:
    """Whether the evidence carries the claim."""
    found = signs(claim, evidence)
    cosine = None
    if similarity and not found.is_verbatim and not found.foreign:
        cosine = similarity(claim, evidence.quote, evidence.language)
    odds = log_odds(found.features, cosine)
    judged: Judged | None = None
    if model:
        (judged,) = model.judge([(f"{evidence.above}\n{evidence.passage}".strip(), claim)])
        odds = _with_model(odds, judged, found.foreign)
    return Verdict(_support(found, odds, judged), odds, *_reason(found, odds, judged, evidence))


def _support(found: Signs, odds: float, judged: Judged | None) -> Support:
    if found.quote or found.figure or found.unit or (judged and judged.contradicted > 0.5):
        return "unsupported"
    if found.foreign and not judged:  # its words say nothing
        return "partly" if not found.name else "unsupported"
    if odds >= 0 and not found.name and not found.opposite:
        return "supported"
    return "partly" if odds >= PARTLY else "unsupported"


def _reason(found: Signs, odds: float, judged: Judged | None, evidence: Evidence) -> tuple[Reason | None, str]:
    """What first keeps a claim from being supported; (None, '') if nothing does."""
    if found.quote:
        return "quote", found.quote
    if found.figure:
        return _about_figure(found.figure, evidence), found.figure
    if found.unit:
        return "unit", found.unit
    if found.name:
        return "name", found.name
    if judged and judged.contradicted > 0.5:
        return "contradicted", ""
    if found.foreign and not judged:
        return "foreign", ""
    if found.opposite:
        return "opposite", found.opposite
    if odds >= 0:
        return None, ""
    if found.denied:
        return "denied", ""
    if found.missing:
        return "words", ", ".join(found.missing[:_NAMED])
    if found.is_scattered:
        return "elsewhere", ""
    return "unclear", ""


def _about_figure(written: str, evidence: Evidence) -> Reason:
    """A date, a number that the quote's numbers add up to, or any other number."""
    readings = [reading for figure in figures(written, evidence.language).found for reading in figure.readings]
    claimed = [reading.value for reading in readings if isinstance(reading, Quantity)]
    if not claimed:
        return "date"
    quoted = figures(evidence.quote, evidence.language).found
    values = [reading.value for figure in quoted for reading in figure.readings if isinstance(reading, Quantity)]
    for (i, one), (j, other) in product(enumerate(values), repeat=2):
        if i < j and {one + other, abs(one - other)} & set(claimed):
            return "worked out"
    return "figure"


def _with_model(odds: float, judged: Judged, foreign: bool) -> float:
    """The model's log-odds and the signs', taken together; the model's alone where words say nothing."""
    entailed = min(max(judged.entailed, 1e-6), 1 - 1e-6)
    model = _limited(log(entailed / (1 - entailed)))
    return model if foreign else (_limited(odds) + model) / 2


def _limited(odds: float) -> float:
    return max(-_MOST_ODDS, min(_MOST_ODDS, odds))


# --- weights


@dataclass(frozen=True, slots=True)
class Weights:
    """One set for what words say, another where a cosine is known beside them."""

    words: Mapping[str, float]
    with_cosine: Mapping[str, float]


@lru_cache(maxsize=4)
def read_weights(file: Path = WEIGHTS_FILE) -> Weights:
    """Raises SettingsError if the file is not there or holds no weights."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        words, with_cosine = (
            {str(name): float(value) for name, value in found[group].items()} for group in ("words", "with_cosine")
        )
        return Weights(words, with_cosine)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"The weights of verification in {str(file)!r} cannot be read: {error!r}.", hint="Install Cita again."
        ) from error


def log_odds(features: Mapping[str, float], cosine: float | None = None) -> float:
    """That a claim with these features is carried; from 0 on it counts as supported."""
    weights = read_weights()
    known = {**features, "bias": 1.0}
    if cosine is None:
        return sum(weight * known[name] for name, weight in weights.words.items())
    known["cosine"] = cosine
    return sum(weight * known[name] for name, weight in weights.with_cosine.items())


class EmbedderSimilarity:
    """Implements Similarity with the embedder of the index."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, claim: str, quote: str, language: str) -> float | None:
        if not is_known(language, self._embedder.fingerprint):
            return None
        one, other = self._embedder.embed_passages([claim, quote])
        return float(one @ other)
