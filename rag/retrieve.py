"""Passages for a question: dense and lexical candidates, fused, then reranked.

The fusion is a weighted sum of scores, not of ranks (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for
Hybrid Retrieval"): BM25 divided by the most it could have given this question, plus the cosine times a weight that says
how far the embedder is to be trusted with the two languages at hand. Every candidate gets both scores, whichever side
found it. benchmarks/retrieval.py measures it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from errors import UsageError, VectorIndexError
from ingest.analyse import detect_language, words
from ingest.catalog import Catalog
from ingest.embed import Embedder, Vectors
from ingest.filters import Rows
from ingest.fulltext import Term
from ingest.types import Filters, Passage
from ingest.vectors import ExactIndex, VectorIndex
from rag.duplicates import Group, collapse
from rag.explain import Clock, Explainer
from rag.fusion import ACROSS, LanguageMatch, language_match, read_weights
from rag.rerank import Candidate, Features, Reranker
from rag.sources import SourceNames
from rag.types import Dropped, Hit, SearchExplanation
from rag.wording import reworded
from settings import Retrieve

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever

RERANKED = 50
SHARE = 15  # of these for passages in the question's language, and for those in others, if there are so many
DROPPED = 50  # candidates that are no hits and are explained
MOST_CANDIDATES = 10_000

ENDING = 200  # characters of the passage before, where a table's title stands
SOURCE = 0.3  # what a source that the question names weighs beside BM25
CLEARLY_NAMED = 0.8
MOST_NAMED = 3  # sources that are searched by themselves
MENTIONING = 3  # candidates whose texts are searched for the titles of others
SHORTEST_NAME = 4  # characters of a title

_IN_BRACKETS = re.compile(r"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Catalogue rows with what the search knows of them: `lexical` is BM25 over its bound, `cosines` are to the
    question, `named` says how well the question names the source. Each side found at most `limit` of them."""

    rows: tuple[int, ...]
    lexical: tuple[float, ...]
    cosines: tuple[float, ...]
    named: tuple[float, ...]
    matches: tuple[LanguageMatch, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class _Library:
    """What a search knows of the library before it begins: the names of its sources, the languages of its passages."""

    revision: tuple[str, ...]
    names: SourceNames
    languages: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage with its near-duplicates, its fused score, and what reranking added to that."""

    group: Group
    features: Features

    @property
    def score(self) -> float:
        return self.group.score + sum(self.features.values())


@dataclass(frozen=True, slots=True)
class Search:
    """What one search went through: the candidates, all of them by fused score, the best of these reranked, of which
    the first `wanted` are its hits; seconds by step."""

    terms: Sequence[Term]
    found: Candidates
    order: Sequence[tuple[int, float]]
    ranked: Sequence[Ranked]
    wanted: int
    seconds: dict[str, float]

    @property
    def hits(self) -> Sequence[Ranked]:
        return self.ranked[: self.wanted]


class Retriever:
    """Finds passages in a catalogue. `vectors` gives the nearest-neighbour index that is good at the moment."""

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        vectors: Callable[[], VectorIndex],
        reranker: Reranker,
        settings: Retrieve,
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._vectors = vectors
        self._reranker = reranker
        self._settings = settings
        self._weights = read_weights()
        self._library = _Library((), SourceNames({}), frozenset())

    def retrieve(self, question: str, k: int | None = None, filters: Filters = Filters()) -> tuple[Hit, ...]:
        """The best `k` passages that fit the filters, best first.

        Raises UsageError if the question is empty, `k` is below 1, or a filter names nothing that is indexed.
        """
        with self._catalog.snapshot():  # what is indexed meanwhile is not seen by halves
            return self._hits(self._search(question, k, filters))

    def explain(
        self, question: str, k: int | None = None, filters: Filters = Filters()
    ) -> tuple[tuple[Hit, ...], SearchExplanation]:
        """What retrieve() gives, each hit with its explanation, and what the search went through. Raises as retrieve()
        does."""
        with self._catalog.snapshot():
            search = self._search(question, k, filters)
            explainer = Explainer(search)
            hits = tuple(
                replace(hit, explanation=explainer.explain(one.group.row, hit.passage))
                for hit, one in zip(self._hits(search), search.hits, strict=True)
            )
            dropped = [*explainer.dropped(self._first(search)), *self._kept_out(question, search.wanted, filters)]
        dropped.sort(key=lambda one: -one.explanation.score)
        seconds = search.seconds
        return hits, SearchExplanation(explainer.terms(), tuple(dropped[:DROPPED]), explainer.scores(), seconds)

    def _search(self, question: str, k: int | None, filters: Filters) -> Search:
        if not question.strip():
            raise UsageError("The question is empty.", hint="Type a question.")
        if k is not None and k < 1:
            raise UsageError(f"Cannot find {k} passages.", hint="Ask for at least 1.")
        wanted, clock = k or self._settings.k, Clock()
        with clock.step("terms"):
            question = reworded(question, self._catalog.taken_apart)
            terms = self._catalog.question_terms(question)
        found, order, groups = self._groups(question, terms, filters, wanted, clock)
        with clock.step("rerank"):
            ranked = self._rerank(question, terms, found, order, groups)
        return Search(terms, found, order, ranked, wanted, clock.seconds)

    def _hits(self, search: Search) -> tuple[Hit, ...]:
        titles = self._catalog.titles([one.group.row for one in search.hits])
        return tuple(
            Hit(rank, one.score, one.group.passage, titles.get(one.group.row, ""), tuple(one.group.copies))
            for rank, one in enumerate(search.hits, start=1)
        )

    def _first(self, search: Search) -> Iterator[tuple[int, Passage]]:
        """The best candidates, with enough of them that are no hits."""
        for row, _, passage in islice(self._read(search.order), DROPPED + len(search.hits)):
            yield row, passage

    def _kept_out(self, question: str, wanted: int, filters: Filters) -> Iterator[Dropped]:
        """What would be a hit but for the filters."""
        rows = self._catalog.rows_within(filters)
        if rows is None:
            return
        kept, free = set(rows.tolist()), self._search(question, wanted, Filters())
        explainer = Explainer(free)
        for one in free.hits:
            if one.group.row not in kept:
                explanation = explainer.explain(one.group.row, one.group.passage)
                yield Dropped(one.group.passage, "filtered", explanation)

    def wanted(self, k: int | None) -> int:
        """How many passages a search gives that asks for `k`."""
        return self._settings.k if k is None else k

    def neighbours(self, ids: Sequence[str]) -> dict[str, list[Passage]]:
        """The passages right before and after each of these in its source; see Catalog.neighbours."""
        return self._catalog.neighbours(ids)

    def _groups(
        self, question: str, terms: Sequence[Term], filters: Filters, wanted: int, clock: Clock
    ) -> tuple[Candidates, list[tuple[int, float]], list[Group]]:
        """The candidates, their order, and the best of them, near-duplicates together. Where these fill the
        candidates, more are looked for."""
        asked = wanted
        while True:
            found = self.candidates(question, terms, filters, asked, clock)
            with clock.step("fuse"):
                order = self.fused(found)
            with clock.step("collapse"):
                groups = list(collapse(self._read(shared_order(order, found)), max(RERANKED, wanted)))
            if len(groups) >= wanted or len(order) < found.limit or found.limit >= MOST_CANDIDATES:
                return found, order, groups
            asked = min(4 * found.limit, MOST_CANDIDATES)

    def _read(self, order: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float, Passage]]:
        """With their passages, in portions: most are not looked at."""
        for start in range(0, len(order), RERANKED):
            portion = order[start : start + RERANKED]
            passages = self._catalog.passages([row for row, _ in portion])
            yield from ((row, score, passages[row]) for row, score in portion if row in passages)

    def candidates(
        self,
        question: str,
        terms: Sequence[Term],
        filters: Filters = Filters(),
        wanted: int = 0,
        clock: Clock | None = None,
    ) -> Candidates:
        """The passages that either side finds, with the scores of both; from each side the settings' number of them,
        and never fewer than are `wanted`. `clock` is told how long the steps take."""
        clock, limit = clock or Clock(), max(self._settings.candidates, wanted)
        with clock.step("filter"):
            rows = self._catalog.rows_within(filters)
        with clock.step("embed"):
            query = self._embedder.embed_query(question)
        with clock.step("lexical"):
            lexical = self._catalog.search_terms(terms, limit, rows)
        with clock.step("dense"):
            cosines = self._dense(query, limit, rows)
            others = self._in_other_languages(question, filters, rows)
            if others is not None and len(others):
                cosines |= self._dense(query, SHARE, others)
        with clock.step("sources"):
            named = self._known_library().names.named(question)
            self._search_named(terms, query, rows, named, lexical, cosines)
        with clock.step("complete"):
            self._complete(terms, query, lexical, cosines)
            origins = self._catalog.origins(sorted(lexical.keys() | cosines.keys()))
            order = tuple(sorted(origins))  # in a damaged catalogue a passage may have lost its source
        bound, asked = sum(term.bound for term in terms) or 1.0, detect_language(question)
        known = self._embedder.fingerprint
        return Candidates(
            order,
            tuple(min(lexical.get(row, 0.0) / bound, 1.0) for row in order),
            tuple(cosines.get(row, 0.0) for row in order),
            tuple(named.get(origins[row][0], 0.0) for row in order),
            tuple(language_match(asked, origins[row][1], known) for row in order),
            limit,
        )

    def _in_other_languages(self, question: str, filters: Filters, rows: Rows | None) -> Rows | None:
        """Of the passages at `rows` (None: of all) those that are not in the question's language; None where no or all
        passages are in it, or a language was asked for. The nearest of all may be of one language only: an embedder
        finds alike what it cannot read."""
        languages, asked = self._known_library().languages, detect_language(question)
        if filters.languages or languages <= {asked} or asked not in languages:
            return None
        found = self._catalog.rows_within(Filters(languages=tuple(sorted(languages - {asked}))))
        return found if rows is None or found is None else np.intersect1d(found, rows, assume_unique=True)

    def _known_library(self) -> "_Library":
        """Made anew when the catalogue has changed."""
        revision = self._catalog.revision
        if self._library.revision != revision:
            self._library = _Library(revision, SourceNames(self._catalog.source_names()), self._catalog.languages())
        return self._library

    def _search_named(
        self,
        terms: Sequence[Term],
        query: Vectors,
        rows: Rows | None,
        named: Mapping[str, float],
        lexical: dict[int, float],
        cosines: dict[int, float],
    ) -> None:
        """Adds the best passages of the sources that the question clearly names: others may fill the candidates."""
        clear = sorted((path for path, value in named.items() if value >= CLEARLY_NAMED), key=lambda path: -named[path])
        if rows is None and 0 < len(clear) <= MOST_NAMED:
            own = self._catalog.rows_within(Filters(within=tuple(clear)))
            if own is not None and len(own) > RERANKED:
                lexical |= self._catalog.search_terms(terms, RERANKED, own)
                cosines |= self._dense(query, RERANKED, own)

    def _dense(self, query: Vectors, limit: int, rows: Rows | None) -> dict[int, float]:
        try:
            return self._nearest(self._vectors(), query, limit, rows)
        except VectorIndexError:  # search goes on from the catalogue
            return self._nearest(ExactIndex(self._catalog), query, limit, rows)

    def _nearest(self, index: VectorIndex, query: Vectors, limit: int, rows: Rows | None) -> dict[int, float]:
        if rows is not None:
            return self._catalog.nearest(query, limit, rows)
        nearest = dict(index.search(query, limit))
        return {row: nearest[key] for row, key in self._catalog.rows_of_vectors(list(nearest))}

    def _complete(
        self, terms: Sequence[Term], query: Vectors, lexical: dict[int, float], cosines: dict[int, float]
    ) -> None:
        """Gives what one side found the other side's score."""
        vectors = self._catalog.vectors_of_rows(sorted(lexical.keys() - cosines.keys()))
        if vectors:
            scores = np.stack(list(vectors.values())) @ query
            cosines.update(zip(vectors, map(float, scores), strict=True))
        lexical |= self._catalog.search_terms(terms, 0, cosines.keys() - lexical.keys())

    def fused(self, found: Candidates) -> list[tuple[int, float]]:
        """Rows and their fused scores, best first."""
        scores = [
            (row, lexical + self._weights.cosine[match] * cosine + SOURCE * named)
            for row, lexical, cosine, named, match in zip(
                found.rows, found.lexical, found.cosines, found.named, found.matches, strict=True
            )
        ]
        return sorted(scores, key=lambda item: (-item[1], item[0]))

    def _rerank(
        self,
        question: str,
        terms: Sequence[Term],
        found: Candidates,
        order: Sequence[tuple[int, float]],
        groups: Sequence[Group],
    ) -> list[Ranked]:
        candidates = self._looked_at(found, order, groups)
        features = self._reranker.features(question, terms, candidates)
        ranked = [Ranked(*pair) for pair in zip(groups, features, strict=True)]
        return sorted(ranked, key=lambda one: (-one.score, one.group.passage.path, one.group.passage.position))

    def _looked_at(
        self, found: Candidates, order: Sequence[tuple[int, float]], groups: Sequence[Group]
    ) -> list[Candidate]:
        if not groups:
            return []
        rows = [group.row for group in groups]
        titles, before = self._catalog.titles(rows), self._catalog.endings_before(rows, ENDING)
        place = {row: number for number, row in enumerate(found.rows)}
        fused = {(group.passage.path, group.passage.position): group.score for group in groups}
        best = max(order[0][1], 1e-6)
        best_lexical, best_cosine = max(found.lexical), max(found.cosines)

        def beside(passage: Passage) -> float:
            near = (fused.get((passage.path, passage.position + step), 0.0) for step in (-1, 1))
            return max(*near, 0.0) / best

        mentioned = _mentioned([(group.passage, titles.get(group.row, "")) for group in groups])
        return [
            Candidate(
                group.passage,
                found.matches[n],
                found.lexical[n],
                found.cosines[n],
                group.score,
                best_lexical,
                best_cosine,
                titles.get(group.row, ""),
                before.get(group.row, ""),
                beside(group.passage),
                found.named[n],
                by,
            )
            for group, by in zip(groups, mentioned, strict=True)
            for n in [place[group.row]]
        ]


def shared_order(order: Sequence[tuple[int, float]], found: Candidates) -> list[tuple[int, float]]:
    """The order, but that SHARE of the first RERANKED are in the question's language and SHARE in others."""
    matches = dict(zip(found.rows, found.matches, strict=True))
    other, own = ([one for one in order if (matches[one[0]] in ACROSS) is across] for across in (True, False))
    sure = {row for row, _ in (*own[:SHARE], *other[:SHARE])}
    room = RERANKED - len(sure)
    more = [one for one in order if one[0] not in sure]
    first = sure.union(row for row, _ in more[:room])
    return [*(one for one in order if one[0] in first), *more[room:]]


def _mentioned(found: Sequence[tuple[Passage, str]]) -> list[int | None]:
    """For each passage and its title, the number of the first one, of another source, whose text has that title (but
    for what that has in brackets); of the first few only."""
    first = [(passage.path, f" {' '.join(words(passage.text))} ") for passage, _ in found[:MENTIONING]]
    by: list[int | None] = []
    for passage, title in found:
        name = " ".join(words(_IN_BRACKETS.sub("", title)))
        others = (n for n, (path, text) in enumerate(first) if path != passage.path and f" {name} " in text)
        by.append(next(others, None) if len(name) >= SHORTEST_NAME else None)
    return by


def as_langchain(retriever: Retriever, k: int | None = None, filters: Filters = Filters()) -> "BaseRetriever":
    """The retriever as LangChain knows one. Each Document has the passage's text and id; its metadata holds the Hit
    under 'hit', and source, page and section for chains that are not ours."""
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class CitaRetriever(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
            return [_document(hit) for hit in retriever.retrieve(query, k, filters)]

    def _document(hit: Hit) -> Document:
        passage = hit.passage
        metadata = {"hit": hit, "source": passage.path, "page": passage.page, "section": passage.section}
        return Document(id=passage.id, page_content=passage.text, metadata=metadata)

    return CitaRetriever()
