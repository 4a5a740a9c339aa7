"""The extractive generator: the sentences of the best passages that answer, quoted word for word, or an abstention.

Needs no model but the embedder. gather candidates -> rank -> is it enough? -> choose -> quote, the value asked for
first. What speaks for a candidate stands in rag/answer_signs.py, how far it is trusted in rag/answers.toml.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Literal

from ingest.analyse import fold, words
from ingest.catalog import Catalog
from ingest.embed import Embedder
from ingest.filters import DATES
from ingest.types import Source
from models.types import EXTRACTIVE
from rag.abstain import Ranked, is_enough, missing_words, probability, rank
from rag.answer_signs import Ask, asks_for_list
from rag.answer_type import Kind
from rag.answer_weights import Weights, read_weights
from rag.candidates import Candidate, Gatherer
from rag.cite import citation
from rag.conflict import READ_WORDS, Claim, find_conflict
from rag.linked import leading, linked
from rag.pieces import whole_list
from rag.prompt import Prompt
from rag.tables import Range, cells
from rag.types import ABSTENTION, Abstain, AnswerSentence, Citation, Hit, Length, Refusal, Side, Support

MOST_COPIES = 2  # of a hit that are looked at
NEAREST = 3  # pieces that are shown where there is no answer
# Kinds of which a value is put first; how near to the question's words it must stand, and how many times as near as the
# next of its kind. Of places and other names half would be wrong.
PUT_FIRST: Mapping[Kind, tuple[float, float]] = {
    "time": (0.2, 1.25),
    "money": (0.2, 1.25),
    "number": (0.2, math.inf),
    "person": (0.4, 1.25),
}
SHORT = 8  # words of a sentence that needs no value before it
# What the reader takes for the answer is put first, too, from these log-odds on, where a kind is asked for or none: of
# 805 answers on articles that nothing was fitted on 28 %, of which 88 % are right.
READ_OF_KIND, READ_OF_NONE = 3.0, 5.0
_AROUND = " \t\n.,;:()[]\"'“”«»"
LED_TO = 2  # pieces of a passage that another leads to
LED_TO_WORDS = 5  # that such an answer may be longer
_TOO_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Limits:
    """Sentences in an answer; `words` after which none is added; how far `below` the best, in log-odds, another may be.
    A list or row that is asked for is whole however long the answer, and so are the sides of a conflict."""

    sentences: int
    words: int
    below: float


# XQuAD in Spanish, the half of its articles not tuned on: 71.0 % of 300 answers hold the expected one in 41.1 words
# with 60 words at most, 70.7 % in 39.6 with 55, 69.7 % in 38.3 with 45.
LIMITS: Mapping[Length, Limits] = {
    "short": Limits(1, 60, 0.0),
    "middle": Limits(3, 55, 1.0),
    "long": Limits(6, 150, 2.0),
}
# How sure the cell that a question names exactly is, of which two in three answer it (TAT-QA: 51 of 77): enough unless
# abstention is strict.
NAMED = 0.3
WORDS_LESS = 0.3  # of the question's weight, that such a row may have less than the best piece
NEARLY = 3.0  # in log-odds: below the best, a row that is not named exactly


@dataclass(frozen=True, slots=True)
class Quoted:
    """A part of an answer: `text` as it is said, with the value asked for and the table's header before the quote."""

    text: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Extract:
    """An extractive answer: what is quoted, or why nothing is. `probability` is how likely the documents hold it."""

    quoted: tuple[Quoted, ...]
    probability: float
    conflict: tuple[Side, ...] = ()
    refusal: Refusal | None = None

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple({part.citation.n: part.citation for part in self.quoted}.values())

    @property
    def sentences(self) -> tuple[AnswerSentence, ...]:
        return tuple(AnswerSentence(part.text, (part.citation.n,), True, "supported") for part in self.quoted)

    def pieces(self) -> Iterator[str]:
        """The answer with its citations, a part at a time; what ends in a stop goes on in its line."""
        inline = all(part.text.endswith((".", "!", "?")) and "\n" not in part.text for part in self.quoted)
        for number, part in enumerate(self.quoted):
            between = "" if not number else " " if inline and not self.conflict else "\n"
            yield f"{between}{part.text} [{part.citation.n}]"


@dataclass(frozen=True, slots=True)
class Judged:
    """A question, the candidates from its hits, best first, and how likely the hits hold its answer."""

    ask: Ask
    ranked: Ranked
    hits: tuple[Hit, ...]
    probability: float
    cell: Candidate | None = None  # the row with the cell that the question names

    def refusal(self, reason: Literal["unsure", "model"]) -> Refusal:
        """What comes nearest, and what is missing."""
        nearest = tuple(
            _citation(self.hits[one.n - 1], (one.piece.start, one.piece.end), n, supported=False)
            for n, one in enumerate(self.ranked.candidates[:NEAREST], start=1)
        )
        return Refusal(reason, nearest, missing_words(self.ask, self.hits))


class ExtractiveGenerator:
    """Implements rag.generate.Generator. Thread-safe; nothing to load or close."""

    info = EXTRACTIVE

    def __init__(
        self, catalog: Catalog, embedder: Embedder, abstain: Abstain = "balanced", weights: Weights | None = None
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._gatherer = Gatherer(catalog, embedder)
        self._abstain = abstain
        self._weights = weights or read_weights()

    def count_tokens(self, text: str) -> int:
        return len(self._embedder.offsets(text))

    def generate(self, prompt: Prompt) -> Iterator[str]:
        """Yields one part of the answer with its citation at a time, [n] being the nth of the prompt's hits."""
        extract = self.extract(prompt)
        places = {one.id: n for n, hit in enumerate(prompt.hits, start=1) for one in (hit.passage, *hit.copies)}
        if extract.refusal:
            yield ABSTENTION[prompt.language]
        renumbered = [
            replace(part, citation=replace(part.citation, n=places[part.citation.id])) for part in extract.quoted
        ]
        yield from replace(extract, quoted=tuple(renumbered)).pieces()

    def close(self) -> None:
        pass

    def extract(self, prompt: Prompt, length: Length = "middle") -> Extract:
        """The answer from the prompt's hits, or what comes nearest."""
        judged = self.judge(prompt)
        if not is_enough(judged.probability, self._abstain, self._weights):
            return Extract((), judged.probability, refusal=judged.refusal("unsure"))
        return self.quote(judged, length)

    def judge(self, prompt: Prompt) -> "Judged":
        """The candidates from the prompt's hits, and how likely they hold the answer."""
        hits = _with_copies(prompt.hits)
        ask, candidates = self._gatherer.gather(prompt.question, prompt.language, hits)
        ranked = rank(candidates, self._weights)
        sure = probability(ask, ranked, self._weights)
        cell = named_best(ranked)
        return Judged(ask, ranked, hits, max(sure, NAMED) if cell and cell.cell and cell.cell.exact else sure, cell)

    def quote(self, judged: "Judged", length: Length = "middle") -> Extract:
        """The answer, however unsure; there is a candidate."""
        if conflicting := self.conflict(judged):
            return conflicting
        if judged.cell:
            return Extract(tuple(_quoted(judged.ask, [judged.cell], judged.hits)), judged.probability)
        chosen = choose(judged.ranked, length)
        led_to = self._led_to(judged, chosen[0], length)
        if led_to:  # what the reader sees in the first step of two is not the answer
            best = replace(chosen[0], read=None)
            chosen = _joined([best, *chosen[1:]], led_to, LIMITS[length])
        return Extract(tuple(_quoted(judged.ask, chosen, judged.hits)), judged.probability)

    def _led_to(self, judged: Judged, best: Candidate, length: Length) -> list[Candidate]:
        """Pieces of a passage that the best piece's leads to, or that leads to it, where they add to that."""
        if LIMITS[length].sentences == 1 or best.piece.header:
            return []
        found: list[Candidate] = []
        beside = (best.n - 1, judged.ask.question, judged.hits)
        for n in chain(linked(*beside), leading(*beside)):
            while len(found) < LED_TO:
                said = " ".join([best.text, *(one.text for one in found)])
                one = self._gatherer.adding(judged.ask, n + 1, judged.hits[n], said)
                if not one or one in found:
                    break
                found.append(one)
            if found:
                return found
        return []

    def refusal(self, judged: "Judged") -> Refusal | None:
        """Why a model need not be asked: what was found hardly holds the answer. None if it is to be asked."""
        enough = is_enough(judged.probability, self._abstain, self._weights, for_model=True)
        return None if enough else judged.refusal("unsure")

    def conflict(self, judged: "Judged") -> Extract | None:
        """What the sources give as different answers, side by side; None if they agree."""
        claims = find_conflict(judged.ask, judged.ranked, judged.hits, judged.cell)
        return self._conflicting(claims, judged.hits, judged.probability) if claims else None

    def _conflicting(self, claims: Sequence[Claim], hits: Sequence[Hit], sure: float) -> Extract:
        quoted, sides = [], []
        for n, claim in enumerate(claims, start=1):
            hit = hits[claim.candidate.n - 1]
            day = self._day(hit)
            dated = f"{claim.value.text} ({day})" if day else claim.value.text
            citation = _citation(hit, (claim.candidate.piece.start, claim.candidate.piece.end), n)
            quoted.append(Quoted(f"{dated} – {_shown(claim.candidate, hit, citation.quote)}", citation))
            sides.append(Side(claim.value.text, (n,), day))
        return Extract(tuple(quoted), sure, tuple(sides))

    def _day(self, hit: Hit) -> str:
        """The document's own day, else the file's; '' for a source that is gone."""
        sources = self._catalog.sources_at(hit.passage.path)
        return day_of(sources[0]) if sources else ""


def _with_copies(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits, each followed by those near-duplicates that have other words than it: a single one may be the point."""
    found: list[Hit] = []
    for hit in hits:
        found.append(hit)
        said = [set(words(hit.passage.text))]
        for copy in hit.copies:
            own = set(words(copy.text))
            if own not in said and len(said) <= MOST_COPIES:
                said.append(own)
                found.append(replace(hit, passage=copy, copies=()))
    return tuple(found)


def day_of(source: Source) -> str:
    """The day that a document says it is of, else when its file was last changed (ISO 8601); '' if neither is known."""
    said = next((source.metadata[name][:10] for name in DATES if source.metadata.get(name)), "")
    if said or source.mtime_ns <= 0:
        return said
    return datetime.fromtimestamp(source.mtime_ns / 1e9).astimezone().date().isoformat()


def choose(ranked: Ranked, length: Length = "middle") -> list[Candidate]:
    """The candidates of the answer: the best, then others nearly as good as they are read."""
    best, limits = ranked.candidates[0], LIMITS[length]
    others = slice(1, limits.sentences)
    near = [
        one
        for one, score in zip(ranked.candidates[others], ranked.scores[others], strict=True)
        if score >= ranked.scores[0] - limits.below
    ]
    chosen, said = [best], len(best.text.split())
    for one in near:
        if said + len(one.text.split()) <= limits.words and not any(_alike(one, other) for other in chosen):
            chosen.append(one)
            said += len(one.text.split())
    return [best, *sorted(chosen[1:], key=lambda one: (one.n, one.piece.start))]


def _joined(chosen: Sequence[Candidate], led_to: Sequence[Candidate], limits: Limits) -> list[Candidate]:
    """The best of the pieces, those that its passage leads to, and of the others those that still fit, each once."""
    kept = [chosen[0]]
    said = len(chosen[0].text.split())
    for most, some in ((limits.words + LED_TO_WORDS, led_to), (limits.words, chosen[1:])):
        for one in some:
            size = len(one.text.split())
            if len(kept) < limits.sentences and said + size <= most and not _has(kept, one):
                kept.append(one)
                said += size
    return kept


def _has(kept: Sequence[Candidate], one: Candidate) -> bool:
    return any((one.n, one.piece) == (other.n, other.piece) or _alike(one, other) for other in kept)


def named_best(ranked: Ranked) -> Candidate | None:
    """The row with the cell that the question names, by the most of its words, where little speaks for other pieces;
    None if there is none."""
    if not ranked.candidates:
        return None
    least = ranked.candidates[0].signs["words"]
    found: list[tuple[bool, float, int, Candidate]] = []
    for n, (one, score) in enumerate(zip(ranked.candidates, ranked.scores, strict=True)):
        words_less = least - one.signs["words"]
        if one.cell and (
            words_less <= WORDS_LESS if one.cell.exact else words_less <= 0 and score >= ranked.scores[0] - NEARLY
        ):
            found.append((one.cell.exact, round(one.cell.weight, 6), -n, one))
    return max(found, key=lambda each: each[:3])[3] if found else None


def _alike(one: Candidate, other: Candidate) -> bool:
    a, b = set(words(one.text)), set(words(other.text))
    return len(a & b) >= _TOO_ALIKE * min(len(a), len(b))


def _quoted(ask: Ask, chosen: Sequence[Candidate], hits: Sequence[Hit]) -> list[Quoted]:
    """The chosen pieces, or the list that the best of them belongs to where one is asked for."""
    best = chosen[0]
    text = hits[best.n - 1].passage.text
    around = whole_list(text, best.piece)
    if around and (asks_for_list(ask.question) or best.text.rstrip().endswith(":")):
        hit = hits[best.n - 1]
        return [Quoted(text[slice(*around)], _citation(hit, around, 1))]
    quoted = []
    for number, one in enumerate(chosen):
        hit = hits[one.n - 1]
        citation = _citation(hit, (one.piece.start, one.piece.end), number + 1)
        said = _shown(one, hit, citation.quote)
        value = "" if number else put_first(ask, one, hit)
        quoted.append(Quoted(f"{value} – {said}" if value else said, citation))
    return quoted


def put_first(ask: Ask, candidate: Candidate, hit: Hit) -> str:
    """The value that answers by itself, where it is clear which of the piece's it is and the piece is not short; the
    cell under the column that the question names, in a table."""
    piece = candidate.piece
    if candidate.cell:
        return candidate.cell.said
    if piece.header:
        return _cell(ask, hit.passage.text[slice(*piece.header)], candidate.text, hit.passage.language)
    if len(candidate.text.split()) <= SHORT:
        return ""
    value = _read_value(ask, candidate, hit) or _near_value(ask, candidate)
    return "" if fold(candidate.text).startswith(fold(value)) else value


def _read_value(ask: Ask, candidate: Candidate, hit: Hit) -> str:
    """What the reader takes for the answer, where it is sure enough and that is short."""
    read = candidate.read
    if not read or read.odds < (READ_OF_KIND if ask.kind else READ_OF_NONE):
        return ""
    said = hit.passage.text[read.start : read.end].strip(_AROUND).split()
    return " ".join(said) if len(said) <= READ_WORDS else ""


def _near_value(ask: Ask, candidate: Candidate) -> str:
    """The value of the kind asked for that stands nearest to the question's words, unless the reader sees another."""
    if not candidate.values or ask.kind not in PUT_FIRST:
        return ""
    first, *others = candidate.values
    near, clear = PUT_FIRST[ask.kind]
    if first.nearness < near or (others and first.nearness < clear * others[0].nearness):
        return ""
    start, read = candidate.piece.start, candidate.read
    if read and not (start + first.value.start < read.end and read.start < start + first.value.end):
        return ""
    return first.value.text


def _cell(ask: Ask, header: str, row: str, language: str) -> str:
    columns, own = cells(header), cells(row)
    if len(columns) != len(own) or len(own) < 2:
        return ""
    shares = [ask.share(ask.places(column, language)) for column in columns]
    labels = [ask.share(ask.places(cell, language)) for cell in own]
    best = max(range(len(columns)), key=lambda n: shares[n] - labels[n])
    return own[best] if shares[best] > 0 and not labels[best] else ""


def _shown(candidate: Candidate, hit: Hit, quote: str) -> str:
    header = candidate.piece.header
    return f"{hit.passage.text[slice(*header)]}\n{quote}" if header else quote


def _citation(hit: Hit, place: Range, n: int, *, supported: bool = True) -> Citation:
    verdict: Support | None = "supported" if supported else None
    return replace(citation(hit.passage, *place, n), supported=supported, verdict=verdict)
