"""An engine whose every search is written down beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ingest.types import Filters, Passage, Source
from rag.types import (
    ABSTENTION,
    Answer,
    AnswerSentence,
    Citation,
    Completed,
    Event,
    Hit,
    Retrieved,
    SearchResult,
    Timings,
)
from tests.fakes import LEASE, FakeEngine


def passage(path: str, text: str, page: int | None = None, page_to: int | None = None, **more: object) -> Passage:
    return replace(LEASE, id=f"{path}-{page}-{text}", path=path, text=text, page=page, page_to=page_to, **more)  # type: ignore[arg-type]


class ScriptedEngine(FakeEngine):
    """`found` gives the passages of each question, best first; `said` its answer, which cites the first `cited`
    passages, or abstains where there is none."""

    def __init__(
        self,
        found: Mapping[str, Sequence[Passage]],
        said: Mapping[str, str] | None = None,
        cited: int = 1,
        copies: Mapping[str, Sequence[Passage]] | None = None,
    ) -> None:
        super().__init__()
        self._found, self._said, self._cited, self._copies = found, said or {}, cited, copies or {}
        self.searched: list[tuple[str, int | None, Filters]] = []
        self.asked: list[tuple[str, str | None]] = []
        self.filtered: list[Filters] = []

    def sources(self) -> list[Source]:
        paths = dict.fromkeys(one.path for some in self._found.values() for one in some)
        return [Source("/library", path, 1, 0, "ab" * 32, "indexed", passages=1, title="") for path in paths]

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> SearchResult:
        self.searched.append((question, k, filters))
        return SearchResult(question, self._hits(question)[:k], 0.25)

    def _hits(self, question: str) -> tuple[Hit, ...]:
        found = self._found.get(question, ())
        return tuple(Hit(n, 1 / n, one, "", tuple(self._copies.get(one.text, ()))) for n, one in enumerate(found, 1))

    def ask(
        self, question: str, k: int | None = None, filters: Filters = Filters(), model: str | None = None
    ) -> Iterator[Event]:
        self.asked.append((question, model))
        self.filtered.append(filters)
        hits = self._hits(question)
        yield Retrieved(hits, 0.01)
        text, timings = self._said.get(question, ""), Timings(0.01, 0.02, 0.03)
        if not text:
            yield Completed(
                Answer(
                    question, ABSTENTION["en"], True, (), (AnswerSentence(ABSTENTION["en"], (), True),), "x", timings
                )
            )
            return
        citations = tuple(
            Citation(n, hit.passage.id, hit.passage.path, hit.passage.page, "", hit.passage.text, 0, 1, True)
            for n, hit in enumerate(hits[: self._cited], 1)
        )
        sentences = (AnswerSentence(text, tuple(c.n for c in citations), bool(citations)),)
        yield Completed(Answer(question, f"{text} [1]", False, citations, sentences, "x", timings))
