"""What rewriting questions and assembling passages does: each beside leaving it out, on both halves of public sets.

    python -m benchmarks.questions [--data ../shared/data] [--cache FOLDER] [--only PART]...

- follow-ups: of questions that people asked without a conversation, how many the rules would touch. Some do lean on
  the paragraph they were written for ("When was this edict declared?"): those are rightly found.
- sides: HotpotQA's questions that compare, both passages in the top 5, with and without searching for each side.
- translation: XQuAD's questions over passages of the other and of the same language, with XQuAD's own translation as
  a model's: what a perfect translation would gain, and what it costs where none is needed.
- context: how often all gold passages are in what a model is given, for three budgets: the best first until one does
  not fit, and as Cita assembles it. Tokens are the embedder's.

Writes benchmarks/results/questions.md; with --only the other parts stay as they stand there.
"""

import argparse
import platform
import sys
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from unittest import mock

from evaluation.adapters import load
from evaluation.dataset import Dataset, Question, halves
from evaluation.library import CachedEmbedder, Library, build_library
from ingest.embed import Embedder, open_embedder
from ingest.vectors import ExactIndex
from models.types import ModelInfo
from rag import prompt
from rag.context import arrange, assemble
from rag.follow_up import leans
from rag.prompt import Prompt, fill_prompt
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.rewrite import DEEPER, Query, Rewritten, retrieve_all, rewrite
from rag.split import sides
from rag.types import Hit
from settings import CODE, Chunk, Context, Rewrite, Settings

RESULTS = CODE / "benchmarks" / "results" / "questions.md"
MODEL = ModelInfo(name="any", chat_template="<|im_start|>")
BUDGETS = (1000, 2000, 4000)
K = 8
STANDING_ALONE = (
    "xquad-en",
    "xquad-es",
    "squad-v1.1-en",
    "squad-es-v1.1-small",
    "hotpotqa-subset",
    "clapnq",
    "scifact",
)


@dataclass
class Shelf:
    """A set's passages, searched; each search is made once."""

    library: Library
    retriever: Retriever
    parts: dict[str, set[str]] = field(init=False)
    _known: dict[tuple[str, int], tuple[Hit, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parts = defaultdict(set)
        for part, whole in self.library.given.items():
            self.parts[whole].add(part)

    def search(self, text: str, k: int) -> tuple[Hit, ...]:
        if (text, k) not in self._known:
            self._known[text, k] = self.retriever.retrieve(text, k)
        return self._known[text, k]

    def found(self, hits: Sequence[Hit]) -> list[str]:
        """The set's own passages, in the order of the hits; a part stands for the whole."""
        return self.library.ranking([hit.passage.id for hit in hits])


class Bench:
    def __init__(self, data: Path, cache: Path) -> None:
        self.data = data
        self.settings = Settings.load(cache / "home")
        self.embedder: Embedder = CachedEmbedder(open_embedder(self.settings), cache)

    @contextmanager
    def shelf(self, name: str, chunks: Chunk | None = None) -> Iterator[tuple[Dataset, Shelf]]:
        dataset = load(name, self.data)
        with tempfile.TemporaryDirectory() as folder:
            library = build_library(dataset, Path(folder) / "index", self.embedder, chunks)
            exact = ExactIndex(library.catalog)
            retriever = Retriever(library.catalog, self.embedder, lambda: exact, LateFeatures(), self.settings.retrieve)
            yield dataset, Shelf(library, retriever)
            library.catalog.close()


def follow_ups(bench: Bench) -> Iterator[str]:
    yield "| set | half | questions | touched |\n|---|---|--:|--:|"
    for name in STANDING_ALONE:
        for half, part in zip(("tune", "report"), halves(load(name, bench.data)), strict=True):
            touched = sum(leans(question.text) for question in part.questions)
            yield f"| {name} | {half} | {len(part.questions)} | {touched} ({touched / len(part.questions):.1%}) |"


def compared_sides(bench: Bench) -> Iterator[str]:
    yield "| HotpotQA | half | questions | as asked | with sides |\n|---|---|--:|--:|--:|"
    with bench.shelf("hotpotqa-subset") as (dataset, shelf):
        for half, part in zip(("tune", "report"), halves(dataset), strict=True):
            for kind, asked in (
                ("all", part.questions),
                ("that compare", [question for question in part.questions if sides(question.text)]),
            ):
                plain = sum(_both(question, shelf.search(question.text, 5), shelf) for question in asked)
                with_sides = sum(_both(question, _rewritten(question, shelf, 5), shelf) for question in asked)
                yield f"| {kind} | {half} | {len(asked)} | {plain} | {with_sides} |"


def _both(question: Question, hits: Sequence[Hit], shelf: Shelf) -> bool:
    return set(question.gold) <= set(shelf.found(hits))


def _rewritten(question: Question, shelf: Shelf, k: int) -> tuple[Hit, ...]:
    return retrieve_all(rewrite(question.text, Rewrite()), shelf.search, k)


def translation(bench: Bench) -> Iterator[str]:
    yield "| question, passages | half | questions | R@1 / R@5 | with its translation |\n|---|---|--:|--:|--:|"
    texts = {name: {q.id: q.text for q in load(f"xquad-{name}", bench.data).questions} for name in ("en", "es")}
    for written in ("en", "es"):
        with bench.shelf(f"xquad-{written}") as (dataset, shelf):
            for asked, other in (("en", "es"), ("es", "en")):
                for half, part in zip(("tune", "report"), halves(dataset), strict=True):
                    plain, both = [], []
                    for question in part.questions:
                        own, foreign = texts[asked][question.id], texts[other][question.id]
                        queries = (Query(own), Query(foreign, "translation"))
                        plain.append(_rank(question, shelf.search(own, DEEPER * K), shelf))
                        both.append(_rank(question, retrieve_all(Rewritten(own, queries), shelf.search, K), shelf))
                    yield f"| {asked}, {written} | {half} | {len(plain)} | {_recall(plain)} | {_recall(both)} |"


def _rank(question: Question, hits: Sequence[Hit], shelf: Shelf) -> int:
    return next((rank for rank, id in enumerate(shelf.found(hits), 1) if id in question.gold), sys.maxsize)


def _recall(ranks: Sequence[int]) -> str:
    return " / ".join(f"{sum(rank <= k for rank in ranks) / len(ranks):.3f}" for k in (1, 5))


def context(bench: Bench) -> Iterator[str]:
    yield "| set | half | questions | budget | best first | assembled |\n|---|---|--:|--:|--:|--:|"
    for name, chunks, most in (("hotpotqa-subset", None, 0), ("clapnq", Chunk(), 0), ("squad-v1.1-en", None, 100)):
        with bench.shelf(name, chunks) as (dataset, shelf):
            for half, part in zip(("tune", "report"), halves(dataset), strict=True):
                asked = [question for question in part.questions if question.gold]
                asked = asked[:: max(1, len(asked) // most)] if most else asked
                for budget in BUDGETS:
                    plain = sum(_whole(q, _best_first(q, shelf, budget, bench), shelf) for q in asked)
                    assembled = sum(_whole(q, _assembled(q, shelf, budget, bench), shelf) for q in asked)
                    n = len(asked)
                    yield f"| {name} | {half} | {n} | {budget} | {plain / n:.3f} | {assembled / n:.3f} |"


def _whole(question: Question, filled: Prompt, shelf: Shelf) -> bool:
    """Whether every part of every gold passage is in the prompt, itself or as a copy of what is."""
    given = {hit.passage.id for hit in filled.hits} | {copy.id for hit in filled.hits for copy in hit.copies}
    return all(shelf.parts[whole] <= given for whole in question.gold)


def _best_first(question: Question, shelf: Shelf, budget: int, bench: Bench) -> Prompt:
    def prefix(hits: Sequence[Hit], fit: Callable[[Sequence[Hit]], bool]) -> list[Hit]:
        return list(hits[: bisect_right(range(1, len(hits) + 1), False, key=lambda count: not fit(hits[:count]))])

    with mock.patch.object(prompt, "_fitting", prefix):
        hits = shelf.search(question.text, K)
        return fill_prompt(question.text, hits, MODEL, "en", _counter(bench.embedder), budget, 0)


def _assembled(question: Question, shelf: Shelf, budget: int, bench: Bench) -> Prompt:
    more = _rewritten(question, shelf, DEEPER * K)
    hits = assemble(more, K, shelf.retriever.neighbours, Context())
    return fill_prompt(question.text, hits, MODEL, "en", _counter(bench.embedder), budget, 0, arrange)


def _counter(embedder: Embedder) -> Callable[[str], int]:
    return lambda text: len(embedder.offsets(text))


PARTS: dict[str, Callable[[Bench], Iterator[str]]] = {
    "follow-ups": follow_ups,
    "sides": compared_sides,
    "translation": translation,
    "context": context,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="keeps the vectors for the next time")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    parts = read_parts(RESULTS.read_text(encoding="utf-8")) if options.only and RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options.data, options.cache or Path(temporary))
        for name in options.only or PARTS:
            lines = []
            for line in PARTS[name](bench):
                lines.append(line)
                print(line, flush=True)
            parts[name] = "\n".join(lines)
    report = [
        "# Questions and context",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}. Made by",
        "`python -m benchmarks.questions`; what is measured is said there.",
        *(f"\n## {name.capitalize()}\n\n{parts[name]}" for name in PARTS if name in parts),
    ]
    RESULTS.write_text("\n".join(report) + "\n", encoding="utf-8")
    return 0


def read_parts(report: str) -> dict[str, str]:
    """The tables of a report, by the names of their parts."""
    sections = (section.split("\n\n", 1) for section in f"\n{report}".split("\n## ")[1:])
    return {title.lower(): table.strip("\n") for title, table in sections}


if __name__ == "__main__":
    sys.exit(main())
