"""Why a search found what it found: each candidate with its ranks, scores and features, and what became of it."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.analyse import compounds, forms, terms
from ingest.fulltext import Term
from ingest.segments import FORM
from ingest.types import Passage
from rag.rewrite import Rewritten, retrieve_all
from rag.types import CandidateScores, Dropped, Explanation, Hit, Match, QuestionTerm, SearchExplanation

if TYPE_CHECKING:
    from rag.retrieve import Search

# A number with its separators, or letters and digits with the accents on them; what may hold several of these.
_WORD = re.compile(r"\d+(?:[.,]\d+)+|(?:[^\W_][\u0300-\u036f]*)+")
_CHUNK = re.compile(r"\w(?:\S*\w)?")


Explained = tuple[tuple[Hit, ...], SearchExplanation]


def explain_all(rewritten: Rewritten, search: Callable[[str, int], Explained], k: int) -> Explained:
    """What retrieve_all() gives, each hit with the explanation of the query that found it, and what the question's own
    search went through. `search` gives the best so many for a text, explained."""
    found: list[Explained] = []

    def searched(text: str, count: int) -> Sequence[Hit]:
        found.append(search(text, count))
        return found[-1][0]

    hits = retrieve_all(rewritten, searched, k)
    own, explanation = found[0]
    if len(found) == 1:
        return hits, explanation
    shown = {passage.id for hit in hits for passage in (hit.passage, *hit.copies)}
    beyond = [
        Dropped(hit.passage, "beyond", hit.explanation)
        for hit in own
        if hit.explanation and hit.passage.id not in shown
    ]
    scores = {hit.explanation.score for hit in own if hit.explanation and hit.passage.id in shown}
    queries = tuple(query.text for query in rewritten.queries[1:])
    return hits, replace(
        explanation,
        dropped=(*beyond, *(one for one in explanation.dropped if one.passage.id not in shown)),
        candidates=tuple(replace(one, is_hit=one.score in scores) for one in explanation.candidates),
        queries=queries,
    )


class Clock:
    """How long the steps of a search take, in seconds by step; a step may come several times."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Explainer:
    """Of one search."""

    def __init__(self, search: "Search") -> None:
        found = search.found
        self._terms = search.terms
        self._lexical = dict(zip(found.rows, found.lexical, strict=True))
        self._cosines = dict(zip(found.rows, found.cosines, strict=True))
        self._fused = dict(search.order)
        self._lexical_ranks = _ranks({row: score for row, score in self._lexical.items() if score}, found.limit)
        self._dense_ranks = _ranks(self._cosines, found.limit)
        self._fused_ranks = {row: rank for rank, (row, _) in enumerate(search.order, start=1)}
        self._features = {one.group.row: one.features for one in search.ranked}
        self._hits = {one.group.row for one in search.hits}
        self._copies = {copy.id: one.group.passage.id for one in search.hits for copy in one.group.copies}

    def explain(self, row: int, passage: Passage) -> Explanation:
        return Explanation(
            lexical_rank=self._lexical_ranks.get(row),
            dense_rank=self._dense_ranks.get(row),
            fused_rank=self._fused_ranks[row],
            lexical=self._lexical[row],
            cosine=self._cosines[row],
            fused=self._fused[row],
            features=dict(self._features.get(row, {})),
            matches=matches(passage, self._terms),
        )

    def dropped(self, candidates: Iterable[tuple[int, Passage]]) -> Iterator[Dropped]:
        """Those that are no hits."""
        for row, passage in candidates:
            if row not in self._hits:
                of = self._copies.get(passage.id, "")
                yield Dropped(passage, "duplicate" if of else "beyond", self.explain(row, passage), of)

    def scores(self) -> tuple[CandidateScores, ...]:
        """Of all candidates, best first."""
        found = [
            CandidateScores(
                self._lexical[row],
                self._cosines[row],
                fused + sum(self._features.get(row, {}).values()),
                row in self._hits,
            )
            for row, fused in self._fused.items()
        ]
        return tuple(sorted(found, key=lambda one: -one.score))

    def terms(self) -> tuple[QuestionTerm, ...]:
        return tuple(QuestionTerm(term.word, term.frequency, term.idf) for term in self._terms)


def matches(passage: Passage, question: Sequence[Term]) -> tuple[Match, ...]:
    """The question's words and identifiers in the passage's text, in whatever form full-text search finds them."""
    asked = {key: term.word for term in reversed(question) for key in term.stems}
    return tuple(found for chunk in _CHUNK.finditer(passage.text) for found in _in_chunk(chunk, passage, asked))


def _in_chunk(chunk: re.Match[str], passage: Passage, asked: Mapping[str, str]) -> Iterator[Match]:
    """The whole of a chunk without white space where that is asked for ('GPT-4'), else its words."""
    language, start = passage.language, chunk.start()
    if not chunk[0].isalpha():
        for whole in compounds(chunk[0], language):
            if whole.whole in asked:
                yield Match(asked[whole.whole], *chunk.span())
                return
    for token in _WORD.finditer(chunk[0]):
        keys = (*terms(token[0], language), *(FORM + form for form in forms(token[0], language)))
        if word := next((asked[key] for key in keys if key in asked), None):
            yield Match(word, start + token.start(), start + token.end())


def _ranks(scores: Mapping[int, float], limit: int) -> dict[int, int]:
    """Places from 1 of the best `limit`."""
    best = sorted(scores, key=lambda row: (-scores[row], row))[:limit]
    return {row: rank for rank, row in enumerate(best, start=1)}
