"""Retrieval on public sets: dense, BM25, both fused, and the whole search, with what each step and each part of
reranking brings.

    python -m benchmarks.retrieval [--data ../shared/data] [--work FOLDER] [--questions 1000] [--set NAME]... [--seed 0]
                                   [--embedder NAME_OR_FOLDER] [--dense] [--out FILE]

Passages and gold are as in evaluation/adapters.py; a passage over the embedder's window is embedded by its beginning.
FinanceBench is measured by the pages of the files, with the file named and not; its files are indexed as any are.
Vectors are kept in --work (default: a folder of its own, removed in the end), by their embedder. `-` stands for a
search without that group of signs, `- fields` for one in which titles and headings are not looked for by BM25 (where
there are any). --embedder measures another one than the settings name, --dense only what the vectors find by
themselves, in the sets that bring their passages along.

Writes benchmarks/results/retrieval.md, with --embedder or --dense only what --out names; with --set the results of
other sets stay as they stand there, if they are of the same embedder. Exits with 1 if a step is significantly (p < .05,
paired randomisation) worse in R@1 than leaving it out: the fusion than the better of dense and BM25, the reranking than
the fusion or itself without one of its parts, the fields than none, the search than the better of dense and BM25; with
2 if the file that it should write is of another embedder.
"""

import argparse
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest import mock

from engine import open_engine
from evaluation import adapters
from evaluation.dataset import Dataset, Question, halves
from evaluation.library import CachedEmbedder, Library, build_library
from evaluation.metrics import compare, judge, ndcg, recall, success
from evaluation.run import judge_hits, own_sources
from ingest import segments
from ingest.embed import open_embedder
from ingest.fulltext import Term
from ingest.types import Filters
from ingest.vectors import ExactIndex
from rag.rerank import Candidate, Features, LateFeatures, add_mentioned
from rag.retrieve import Retriever
from settings import CODE, Settings

SETS = (
    "squad-v1.1-en", "xquad-en", "xquad-es", "squad-es-v1.1-small",
    "Spanish question, English passages", "English question, Spanish passages", "clapnq", "hotpotqa-subset", "scifact",
    "flores-es-en", "flores-en-es", "ntrex-es-en", "ntrex-en-es", "tico19-es-en", "tico19-en-es",
    "tldr-en", "tldr-es", "tldr-es-en", "tldr-en-es",
)  # fmt: skip
PAGES = "financebench"
GROUPS: dict[str, tuple[str, ...]] = {
    "scores": ("bm25", "bm25 over the best", "cosine", "cosine over the best"),
    "sentences": ("best sentence", "best two sentences"),
    "order": ("words side by side", "words near each other"),
    "forms": ("exact forms",),
    "surroundings": ("words with headings", "words with what stands before", "neighbours", "source in question"),
    "mentioned": ("mentioned",),
}
DENSE, BM25 = "dense", "BM25"
SINGLE = (DENSE, BM25)
FUSED, SEARCH, NO_FIELDS = "fused", "search", "- fields"
SIGNIFICANT = 0.05
DEPTH = 10
RESULTS = CODE / "benchmarks" / "results" / "retrieval.md"
MEASURES = "| set (questions) | way | R@1 | R@5 | nDCG@10 | all@5 | R@1, half tuned on | R@1, other half |"
STEPS = "| set (questions) | step | R@1 without | with | better, worse | p |"
FOUND = "| evidence page in the first 10 | |"

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


def given(library: Library, rows: Sequence[int]) -> list[str]:
    passages = library.catalog.passages(rows)
    return library.ranking([passages[row].id for row in rows])[:DEPTH]


def nearest(library: Library, exact: ExactIndex, embedder: CachedEmbedder, question: Question) -> list[str]:
    keys = [key for key, _ in exact.search(embedder.embed_query(question.text), DEPTH)]
    rows = {key: row for row, key in library.catalog.rows_of_vectors(keys)}
    return given(library, [rows[key] for key in keys])


def rank_dense(library: Library, embedder: CachedEmbedder, questions: Sequence[Question]) -> list[Ranks]:
    exact = ExactIndex(library.catalog)
    return [{DENSE: nearest(library, exact, embedder, question)} for question in questions]


def rank_all(
    library: Library, embedder: CachedEmbedder, settings: Settings, questions: Sequence[Question]
) -> list[Ranks]:
    """How each way ranks the passages for each question."""
    catalog, exact, watched = library.catalog, ExactIndex(library.catalog), Watched()
    retriever = Retriever(catalog, embedder, lambda: exact, watched, settings.retrieve)
    found: list[Ranks] = []
    for question in questions:
        terms = catalog.question_terms(question.text)
        hits = [hit.passage.id for hit in retriever.retrieve(question.text, DEPTH)]
        ranks: Ranks = {
            DENSE: nearest(library, exact, embedder, question),
            BM25: given(library, list(catalog.search_terms(terms, DEPTH))),
            FUSED: library.ranking([one.passage.id for one, _ in watched.given])[:DEPTH],
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


def measure(dataset: Dataset, found: Sequence[Ranks]) -> tuple[list[str], list[str], list[str]]:
    """Rows of the table of figures, rows of the table of steps, the steps significantly worse than without them."""
    questions = dataset.questions
    tune = {question.id for question in halves(dataset)[0].questions}
    figures = {way: measured(questions, found, way) for way in found[0]}
    name, rows = f"{dataset.name} ({len(questions):,})", []
    for way, values in figures.items():
        first = list(zip(values["R@1"], (question.id in tune for question in questions), strict=True))
        by_half = [[value for value, is_tuned in first if is_tuned is half] for half in (True, False)]
        cells = [f"{mean(column):.3f}" for column in (*values.values(), *by_half)]
        rows.append(f"| {name} | {way} | {' | '.join(cells)} |")
    steps, worse = [], []
    for step, before, after in steps_of({way: mean(values["R@1"]) for way, values in figures.items()}):
        compared = compare(figures[before]["R@1"], figures[after]["R@1"])
        cells = [f"{compared.before:.3f}", f"{compared.after:.3f}", f"{compared.better}, {compared.worse}"]
        steps.append(f"| {name} | {step} | {' | '.join(cells)} | {compared.p:.3f} |")
        if compared.after < compared.before and compared.p < SIGNIFICANT:
            worse.append(f"{step} on {dataset.name}")
    return rows, steps, worse


def steps_of(first: Mapping[str, float]) -> Iterator[tuple[str, str, str]]:
    """Each step by name, with the way to rank without it and the way with it, of the ways with these R@1; none where
    there is one way only."""
    if set(first) == {DENSE}:
        return
    best = max(SINGLE, key=lambda way: first[way])
    yield f"fusion (over {best})", best, FUSED
    yield "reranking", FUSED, SEARCH
    yield f"all (over {best})", best, SEARCH
    for way in first:
        if way.startswith("- "):
            yield way.removeprefix("- "), way, SEARCH


def merged(known: str, header: str, rows: Sequence[str], measured_anew: Sequence[str]) -> list[str]:
    """The rows of a table: those of the report `known` that are of other sets than were measured anew, and these."""
    _, found, table = known.partition(f"{header}\n")
    kept = [
        row
        for row in table.split("\n\n")[0].splitlines()[1:]
        if found and not any(row.startswith((f"| {name} (", f"| {name},")) for name in measured_anew)
    ]
    order = [*SETS, PAGES]
    return sorted([*kept, *rows], key=lambda row: next((n for n, s in enumerate(order) if _is_of(row, s)), len(order)))


def _is_of(row: str, name: str) -> bool:
    return row.startswith((f"| {name} (", f"| {name}, file"))


@contextmanager
def no_fields() -> Iterator[None]:
    """While it lasts, titles and headings weigh next to nothing in what is indexed."""
    weightless = {name: (1e-6, length) for name, (_, length) in segments.FIELDS.items() if name != "body"}
    caches = (segments._named, segments._headed)
    with mock.patch.dict(segments.FIELDS, weightless):
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


def financebench(data: Path, settings: Settings) -> list[str]:
    """Rows for the share of questions with a page of the evidence among the first 10 passages."""
    dataset = adapters.load("financebench", data)
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


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--questions", type=int, default=1000, help="sampled from each set; 0: all")
    parser.add_argument("--set", action="append", dest="sets", metavar="NAME", choices=adapters.SETS, help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embedder", metavar="NAME_OR_FOLDER", help="in place of embed.model of the settings")
    parser.add_argument("--dense", action="store_true", help="only what the vectors find by themselves")
    parser.add_argument("--out", type=Path, metavar="FILE", help="in place of benchmarks/results/retrieval.md")
    options = parser.parse_args(arguments)
    if options.dense and PAGES in (options.sets or ()):
        parser.error(f"--dense does not measure {PAGES}, which is documents that Cita reads itself")
    if options.out and not options.out.absolute().parent.is_dir():
        parser.error(f"there is no folder {str(options.out.absolute().parent)!r} to write --out to")
    if options.out is None and not options.embedder and not options.dense:
        options.out = RESULTS
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    names = options.sets or [*SETS, *([] if options.dense else [PAGES])]
    chosen = {"embed": {"model": options.embedder}} if options.embedder else {}
    figures: list[str] = []
    steps: list[str] = []
    pages: list[str] = []
    worse: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        settings = Settings.load(work / "home", **chosen)
        embedder = CachedEmbedder(open_embedder(settings), work / "vectors")
        known = options.out.read_text(encoding="utf-8") if options.sets and options.out and options.out.exists() else ""
        if known and f"embedder {embedder.fingerprint}," not in known:
            print(f"{options.out} is not of {embedder.fingerprint}: name another --out.", file=sys.stderr)
            return 2
        for name in names:
            started = time.process_time()
            if name == PAGES:
                pages = financebench(options.data, Settings.load(work / PAGES, **chosen))
                print("\n".join(pages), flush=True)
                continue
            dataset = adapters.load(name, options.data)
            questions = [question for question in dataset.questions if question.gold]
            if options.questions and len(questions) > options.questions:
                questions = random.Random(options.seed).sample(questions, options.questions)
            dataset = replace(dataset, questions=tuple(questions))
            found = rank(dataset, Path(folder), embedder, settings, options.dense)
            own, own_steps, own_worse = measure(dataset, found)
            figures, steps, worse = figures + own, steps + own_steps, worse + own_worse
            print("\n".join([*own, *own_steps]), f"\n{time.process_time() - started:.0f} s of processor", flush=True)
        embedder.close()
    if options.out:
        figures, steps, pages = (
            merged(known, header, rows, names) for header, rows in ((MEASURES, figures), (STEPS, steps), (FOUND, pages))
        )
        options.out.write_text(report(figures, steps, pages, embedder.fingerprint, options.seed), encoding="utf-8")
    if not options.dense:
        print(f"Significantly worse than left out: {', '.join(worse) or 'nothing'}.")
    return 1 if worse else 0


def report(figures: Sequence[str], steps: Sequence[str], pages: Sequence[str], fingerprint: str, seed: int) -> str:
    lines = [
        "# Retrieval",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, embedder {fingerprint},",
        f"seed {seed}. Made by `python -m benchmarks.retrieval`; what is measured is said there.",
        "",
        *([MEASURES, "|" + "---|" * 8, *figures, ""] if figures else []),
        *(["## Each step beside leaving it out", "", STEPS, "|" + "---|" * 6, *steps, ""] if steps else []),
        *([FOUND, "|---|---|", *pages, ""] if pages else []),
    ]
    return "\n".join(lines)


def rank(
    dataset: Dataset, folder: Path, embedder: CachedEmbedder, settings: Settings, is_dense: bool = False
) -> list[Ranks]:
    """How each way, or with `is_dense` that one, ranks the passages for each question of a set; catalogues are made in
    `folder`."""
    library = build_library(dataset, folder / dataset.name, embedder)
    with closing(library.catalog):
        if is_dense:
            return rank_dense(library, embedder, dataset.questions)
        found = rank_all(library, embedder, settings, dataset.questions)
    if any(passage.title for passage in dataset.passages):
        with no_fields():
            library = build_library(dataset, folder / f"{dataset.name}, no fields", embedder)
            exact = ExactIndex(library.catalog)
            retriever = Retriever(library.catalog, embedder, lambda: exact, LateFeatures(), settings.retrieve)
            for ranks, question in zip(found, dataset.questions, strict=True):
                hits = retriever.retrieve(question.text, DEPTH)
                ranks[NO_FIELDS] = library.ranking([hit.passage.id for hit in hits])
            library.catalog.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
