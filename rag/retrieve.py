"""Passages for a question: dense and lexical candidates, fused, then reranked.

The fusion is a weighted sum of scores, not of ranks (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for
Hybrid Retrieval"): BM25 divided by the most it could have given this question, plus the cosine times a weight that says
how far the embedder is to be trusted with the two languages at hand. Every candidate gets both scores, whichever side
found it. benchmarks/retrieval.py measures it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from errors import UsageError, VectorIndexError
from ingest.analyse import detect_language
from ingest.catalog import Catalog
from ingest.embed import DEFAULT_MODEL, Embedder, Vectors
from ingest.fulltext import Term
from ingest.types import Filters, Passage
from ingest.vectors import ExactIndex, VectorIndex
from rag.duplicates import Group, collapse
from rag.rerank import Reranker
from rag.types import Hit
from settings import Retrieve

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever

RERANKED = 50
MOST_CANDIDATES = 10_000

# How much a cosine weighs beside BM25 by whether question and passage are in the embedder's language. Tuned on the
# development halves of SQuAD, XQuAD and SQuAD-es for all-MiniLM-L6-v2, which knows English only (docs/LOG.md).
_SAME_KNOWN = 0.75
_SAME_UNKNOWN = 0.1
_ACROSS = 1.25
_ENGLISH_ONLY = (DEFAULT_MODEL,)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Catalogue rows with both their scores; `lexical` is BM25 over its bound, `cosines` are to the question."""

    rows: tuple[int, ...]
    lexical: tuple[float, ...]
    cosines: tuple[float, ...]


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

    def retrieve(self, question: str, k: int | None = None, filters: Filters = Filters()) -> tuple[Hit, ...]:
        """The best `k` passages that fit the filters, best first.

        Raises UsageError if the question is empty, `k` is below 1, or a filter names nothing that is indexed.
        """
        if not question.strip():
            raise UsageError("The question is empty.", hint="Type a question.")
        if k is not None and k < 1:
            raise UsageError(f"Cannot find {k} passages.", hint="Ask for at least 1.")
        wanted = k or self._settings.k
        with self._catalog.snapshot():  # what is indexed meanwhile is not seen by halves
            terms = self._catalog.question_terms(question)
            groups = self._groups(question, terms, filters, wanted)
            ranked = self._rerank(terms, groups)[:wanted]
            titles = self._catalog.titles([group.row for group in ranked])
        return tuple(
            Hit(rank, group.score, group.passage, titles.get(group.row, ""), tuple(group.copies))
            for rank, group in enumerate(ranked, start=1)
        )

    def neighbours(self, ids: Sequence[str]) -> dict[str, list[Passage]]:
        """The passages right before and after each of these in its source; see Catalog.neighbours."""
        return self._catalog.neighbours(ids)

    def _groups(self, question: str, terms: Sequence[Term], filters: Filters, wanted: int) -> list[Group]:
        """The best passages before reranking, near-duplicates together. Where these fill the candidates, more are
        looked for."""
        asked = wanted
        while True:
            found = self.candidates(question, terms, filters, asked)
            order = self.fused(question, found)
            groups = list(collapse(self._read(order), max(RERANKED, wanted)))
            limit = max(self._settings.candidates, asked)
            if len(groups) >= wanted or len(order) < limit or limit >= MOST_CANDIDATES:
                return groups
            asked = min(4 * limit, MOST_CANDIDATES)

    def _read(self, order: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float, Passage]]:
        """With their passages, in portions: most are not looked at."""
        for start in range(0, len(order), RERANKED):
            portion = order[start : start + RERANKED]
            passages = self._catalog.passages([row for row, _ in portion])
            yield from ((row, score, passages[row]) for row, score in portion if row in passages)

    def candidates(
        self, question: str, terms: Sequence[Term], filters: Filters = Filters(), wanted: int = 0
    ) -> Candidates:
        """The passages that either side finds, with the scores of both; from each side the settings' number of them,
        and never fewer than are `wanted`."""
        query = self._embedder.embed_query(question)
        fitting = self._catalog.rows_within(filters)
        rows = None if fitting is None else set(fitting.tolist())
        limit = max(self._settings.candidates, wanted)
        lexical = self._catalog.search_terms(terms, limit, rows)
        if rows is not None:
            lexical = dict(sorted(lexical.items(), key=lambda item: -item[1])[:limit])
        cosines = self._dense(query, limit, rows)
        self._complete(terms, query, lexical, cosines)
        bound = sum(term.bound for term in terms) or 1.0
        order = tuple(sorted(lexical.keys() | cosines.keys()))
        return Candidates(
            order,
            tuple(min(lexical.get(row, 0.0) / bound, 1.0) for row in order),
            tuple(cosines.get(row, 0.0) for row in order),
        )

    def _dense(self, query: Vectors, limit: int, rows: set[int] | None) -> dict[int, float]:
        if rows is not None:
            cosines = self._cosines(query, rows)
            return dict(sorted(cosines.items(), key=lambda item: -item[1])[:limit])
        index = self._vectors()
        try:
            nearest = dict(index.search(query, limit))
        except VectorIndexError:  # search goes on from the catalogue
            nearest = dict(ExactIndex(self._catalog).search(query, limit))
        return {row: nearest[key] for row, key in self._catalog.rows_of_vectors(list(nearest))}

    def _complete(
        self, terms: Sequence[Term], query: Vectors, lexical: dict[int, float], cosines: dict[int, float]
    ) -> None:
        """Gives what one side found the other side's score."""
        cosines |= self._cosines(query, lexical.keys() - cosines.keys())
        lexical |= self._catalog.search_terms(terms, 0, cosines.keys() - lexical.keys())

    def _cosines(self, query: Vectors, rows: set[int]) -> dict[int, float]:
        vectors = self._catalog.vectors_of_rows(sorted(rows))
        if not vectors:
            return {}
        scores = np.stack(list(vectors.values())) @ query
        return dict(zip(vectors, map(float, scores), strict=True))

    def fused(self, question: str, found: Candidates) -> list[tuple[int, float]]:
        """Rows and their fused scores, best first."""
        languages = self._catalog.languages(found.rows)
        asked_in = detect_language(question)
        scores = [
            (row, lexical + self._dense_weight(asked_in, languages.get(row, "en")) * cosine)
            for row, lexical, cosine in zip(found.rows, found.lexical, found.cosines, strict=True)
        ]
        return sorted(scores, key=lambda item: (-item[1], item[0]))

    def _dense_weight(self, asked_in: str, written_in: str) -> float:
        if self._embedder.fingerprint.split("/")[0] not in _ENGLISH_ONLY or asked_in == written_in == "en":
            return _SAME_KNOWN
        return _SAME_UNKNOWN if asked_in == written_in else _ACROSS

    def _rerank(self, terms: Sequence[Term], groups: Sequence[Group]) -> list[Group]:
        bonus = self._reranker.scores(terms, [group.passage for group in groups])
        ranked = [replace(group, score=group.score + more) for group, more in zip(groups, bonus, strict=True)]
        return sorted(ranked, key=lambda group: (-group.score, group.passage.path, group.passage.position))


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
