"""Retrieval on public sets: dense, BM25, both fused, and the whole search, with what each part of reranking brings.

    python -m benchmarks.retrieval [--data ../shared/data] [--work FOLDER] [--questions 1000] [--set NAME]... [--seed 0]

Passages and gold are as in evaluation/adapters.py; a passage over the embedder's window is embedded by its beginning.
FinanceBench is measured by the pages of the files, with the file named and not; its files are indexed as any are.
Vectors are kept in --work (default: a folder of its own, removed in the end). `-` stands for a search without that
group of signs. Writes benchmarks/results/retrieval.md. Exits with 1 if the search is significantly (p < .05, paired
randomisation) below the better of dense and BM25 in R@1 on any set.
"""

import argparse
import platform
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from engine import open_engine
from evaluation import adapters
from evaluation.dataset import Dataset, Question, halves
from evaluation.library import CachedEmbedder, Library, build_library
from evaluation.metrics import compare, judge, ndcg, recall, success
from evaluation.run import judge_hits, own_sources
from ingest.embed import open_embedder
from ingest.fulltext import Term
from ingest.types import Filters
from ingest.vectors import ExactIndex
from rag.rerank import Candidate, Features, LateFeatures, add_mentioned
from rag.retrieve import Retriever
from settings import CODE, Settings

SETS = (
    "squad-v1.1-en", "xquad-en", "xquad-es", "squad-es-v1.1-small", "Spanish question, English passages",
    "English question, Spanish passages", "clapnq", "hotpotqa-subset", "scifact",
)  # fmt: skip
GROUPS: dict[str, tuple[str, ...]] = {
    "scores": ("bm25", "bm25 over the best", "cosine", "cosine over the best"),
    "sentences": ("best sentence", "best two sentences"),
    "order": ("words side by side", "words near each other"),
    "forms": ("exact forms",),
    "surroundings": ("words with headings", "words with what stands before", "neighbours", "source in question"),
    "mentioned": ("mentioned",),
}
SINGLE = ("dense", "BM25")
SEARCH = "search"
DEPTH = 10

Ranks = dict[str, list[str]]  # ids of the set's passages, best first, by the way to rank


class Watched:
    """LateFeatures, which remembers what it gave."""

    def __init__(self) -> None:
        self._reranker = LateFeatures()
        self.given: list[tuple[Candidate, Features]] = []

    def features(self, question: str, terms: Sequence[Term], candidates: Sequence[Candidate]) -> Sequence[Features]:
        found = self._reranker.features(question, terms, candidates)
        self.given = list(zip(candidates, found, strict=True))
        return found

    def without(self, group: tuple[str, ...]) -> list[str]:
        candidates = [one for one, _ in self.given]
        left_out = {*group, "mentioned"}
        found = [{name: value for name, value in own.items() if name not in left_out} for _, own in self.given]
        if "mentioned" not in group:
            add_mentioned(candidates, found)
        scores = [one.fused + sum(own.values()) for one, own in zip(candidates, found, strict=True)]
        order = sorted(range(len(scores)), key=lambda number: -scores[number])
        return [candidates[number].passage.id for number in order]


def rank_all(
    library: Library, embedder: CachedEmbedder, settings: Settings, questions: Sequence[Question]
) -> list[Ranks]:
    """How each way ranks the passages for each question."""
    catalog, exact, watched = library.catalog, ExactIndex(library.catalog), Watched()
    retriever = Retriever(catalog, embedder, lambda: exact, watched, settings.retrieve)

    def given(rows: Sequence[int]) -> list[str]:
        passages = catalog.passages(rows)
        return library.ranking([passages[row].id for row in rows])[:DEPTH]

    found: list[Ranks] = []
    for question in questions:
        keys = [key for key, _ in exact.search(embedder.embed_query(question.text), DEPTH)]
        rows = {key: row for row, key in catalog.rows_of_vectors(keys)}
        terms = catalog.question_terms(question.text)
        hits = [hit.passage.id for hit in retriever.retrieve(question.text, DEPTH)]
        ranks: Ranks = {
            "dense": given([rows[key] for key in keys]),
            "BM25": given(list(catalog.search_terms(terms, DEPTH))),
            "fused": library.ranking([one.passage.id for one, _ in watched.given])[:DEPTH],
            SEARCH: library.ranking(hits),
        }
        ranks |= {f"- {name}": library.ranking(watched.without(group))[:DEPTH] for name, group in GROUPS.items()}
        found.append(ranks)
    return found


def measured(questions: Sequence[Question], found: Sequence[Ranks], way: str) -> dict[str, list[float]]:
    """R@1, R@5, nDCG@10 and whether all right passages are in the first five, by question."""
    judged = [judge(question.gold, ranks[way]) for question, ranks in zip(questions, found, strict=True)]
    return {
        "R@1": [success(one, 1) for one in judged],
        "R@5": [success(one, 5) for one in judged],
        "nDCG@10": [ndcg(one, 10) for one in judged],
        "all@5": [float(recall(one, 5) >= 1) for one in judged],
    }


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def measure(dataset: Dataset, found: Sequence[Ranks]) -> tuple[list[str], bool]:
    """Rows of the table, and whether the search is significantly below the better of dense and BM25."""
    questions = dataset.questions
    tune = {question.id for question in halves(dataset)[0].questions}
    figures = {way: measured(questions, found, way) for way in found[0]}
    best = max(SINGLE, key=lambda way: mean(figures[way]["R@1"]))
    compared = compare(figures[best]["R@1"], figures[SEARCH]["R@1"])
    rows = []
    for way, values in figures.items():
        first = list(zip(values["R@1"], (question.id in tune for question in questions), strict=True))
        by_half = [[value for value, is_tuned in first if is_tuned is half] for half in (True, False)]
        cells = [f"{mean(column):.3f}" for column in (*values.values(), *by_half)]
        rows.append(f"| {dataset.name} ({len(questions):,}) | {way} | {' | '.join(cells)} |")
    return rows, compared.after < compared.before and compared.p < 0.05


def financebench(data: Path, home: Path) -> list[str]:
    """Rows for the share of questions with a page of the evidence among the first 10 passages."""
    dataset = adapters.load("financebench", data)
    settings = Settings.load(home)
    engine = open_engine(settings)
    rows = []
    try:
        if dataset.documents is not None:
            engine.add_folders([dataset.documents])
        engine.index()
        for name, filters in (("file named", own_sources), ("file not named", lambda _: Filters())):
            found = [
                success(judge_hits(question, engine.search(question.text, DEPTH, filters(question)).hits), DEPTH)
                for question in dataset.questions
            ]
            rows.append(f"| financebench, {name} | {int(sum(found))} of {len(found)} |")
    finally:
        engine.close()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--questions", type=int, default=1000, help="sampled from each set; 0: all")
    parser.add_argument("--set", action="append", dest="sets", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    rows: list[str] = []
    pages: list[str] = []
    worse = []
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        settings = Settings.load(work / "home")
        embedder = CachedEmbedder(open_embedder(settings), work / "vectors")
        for name in options.sets or [*SETS, "financebench"]:
            if name == "financebench":
                pages = financebench(options.data, work / "financebench")
                print("\n".join(pages), flush=True)
                continue
            dataset = adapters.load(name, options.data)
            questions = [question for question in dataset.questions if question.gold]
            if options.questions and len(questions) > options.questions:
                questions = random.Random(options.seed).sample(questions, options.questions)
            dataset = replace(dataset, questions=tuple(questions))
            library = build_library(dataset, Path(folder) / name, embedder)
            own, is_worse = measure(dataset, rank_all(library, embedder, settings, questions))
            library.catalog.close()
            worse += [name] if is_worse else []
            rows += own
            print("\n".join(own), flush=True)
    said = f"Significantly below the better of dense and BM25 in R@1: {', '.join(worse) or 'no set'}."
    report = [
        "# Retrieval",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, embedder {embedder.fingerprint},",
        f"seed {options.seed}. Made by `python -m benchmarks.retrieval`; what is measured is said there.",
        "",
        "| set (questions) | way | R@1 | R@5 | nDCG@10 | all@5 | R@1, half tuned on | R@1, other half |",
        "|" + "---|" * 8,
        *rows,
        "",
        said,
        "",
        *(["| evidence page in the first 10 | |", "|---|---|", *pages, ""] if pages else []),
    ]
    (CODE / "benchmarks" / "results" / "retrieval.md").write_text("\n".join(report), encoding="utf-8")
    print(said)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
