"""What a filter costs a search, by how much of the library it keeps.

    python -m benchmarks.filters [--passages 100000] [--searches 40] [--seed 0] [--keep FOLDER] [--out FILE]

The library is made up: sources of 10 passages in folders that hold 0.1 %, 1 %, 10 %, 50 % and the rest of it, each
passage 60 words drawn by Zipf's law, its vector (384 numbers) near one of 1,000 centres. Questions are 6 of the less
common words, their vectors near a centre, so embedding costs nothing here. Measured are the steps of the engine's own
search: the filter's passages found and the nearest of them by the vectors, the first time and later; those with the
question's words; all else; and the whole. Milliseconds of the clock, and of the processor, which other programs do not
disturb as much. `--keep` makes the library once. Writes benchmarks/results/filters.md.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.scale import SHARES, timed
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Vectors
from ingest.types import Filters, Passage, Source
from ingest.vectors import LiveIndex
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from settings import CODE, Retrieve

PER_SOURCE = 10
WORDS = 60
VOCABULARY = 30_000
DIMENSIONS = 384
CENTRES = 1_000
FILTERS = {
    "none": Filters(),
    "a folder, 0.1 %": Filters(within=("a",)),
    "a folder, 1 %": Filters(within=("b",)),
    "a folder, 10 %": Filters(within=("c",)),
    "a folder, 50 %": Filters(within=("d",)),
    "a type, 33 %": Filters(types=("pdf",)),
    "a tag, 14 %": Filters(tags=("tag3",)),
    "a language, 25 %": Filters(languages=("es",)),
    "dates, 20 %": Filters(since="2020", until="2021"),
    "a note and its links": Filters(within=("[[00007]]",)),
    "a folder, type, tag and dates": Filters(("d",), ("pdf",), ("tag3",), (), "2018", "2023"),
}


class Library:
    """The made-up documents and questions."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._words = np.array([f"{'bcdfghklmn'[n % 10]}{'aeiou'[n % 5]}word{n:05d}" for n in range(VOCABULARY)])
        shares = 1 / np.arange(1, VOCABULARY + 1)
        self._shares = shares / shares.sum()
        self._centres = self._random.standard_normal((CENTRES, DIMENSIONS)).astype(np.float32)

    def vectors(self, count: int) -> Vectors:
        noise = self._random.standard_normal((count, DIMENSIONS)).astype(np.float32)
        found = self._centres[self._random.integers(CENTRES, size=count)] + noise
        unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit

    def sources(self, passages: int) -> Iterator[tuple[Source, list[NewPassage], Vectors]]:
        count = passages // PER_SOURCE
        places = self._random.permutation((np.arange(count) + 0.5) / count)
        for n in range(count):
            ends = np.cumsum(list(SHARES.values()))
            folder = [*SHARES, "rest"][int(np.searchsorted(ends, places[n]))]
            path = f"{folder}/{n:05d}.{'pdf' if n % 3 == 0 else 'md'}"
            language = "es" if n % 4 == 0 else "en"
            texts = self._words[self._random.choice(VOCABULARY, (PER_SOURCE, WORDS), p=self._shares)]
            found = [
                NewPassage(
                    Passage(f"{n}-{i}", path, i, " ".join(text), (), "paragraph", None, None, (), WORDS, language),
                    f"{n}-{i}",
                )
                for i, text in enumerate(texts)
            ]
            source = Source(
                "/library", path, 1, 1, str(n), "indexed", passages=PER_SOURCE, language=language,
                metadata={"created": f"{2015 + n % 10}-05-01"}, tags=(f"tag{n % 7}",), links=(f"{7 * n % count:05d}",),
            )  # fmt: skip
            yield source, found, self.vectors(PER_SOURCE)

    def questions(self, count: int) -> list[str]:
        return [" ".join(self._words[self._random.integers(50, 3000, 6)]) for _ in range(count)]


class Given:
    """An embedder whose vectors are given."""

    fingerprint = "given/1"
    dimensions = DIMENSIONS
    window = 256

    def __init__(self, known: dict[str, Vectors]) -> None:
        self._known = known

    def embed_query(self, text: str) -> Vectors:
        return self._known[text]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        raise NotImplementedError


def make(folder: Path, passages: int, seed: int) -> None:
    with closing(Catalog(folder)) as catalog:
        for source, new, vectors in Library(seed).sources(passages):
            catalog.store(source, new, {one.vector_key: vectors[n] for n, one in enumerate(new)})
        catalog.note_run({})
        with closing(LiveIndex(folder, catalog)) as live:
            live.update()


def measure(folder: Path, searches: int, seed: int) -> Iterator[str]:
    with closing(Catalog(folder)) as catalog, closing(LiveIndex(folder, catalog)) as live:
        library = Library(seed + 1)
        questions = library.questions(searches)
        vectors = library.vectors(searches)
        embedder = Given({question: vectors[n] for n, question in enumerate(questions)})
        retriever = Retriever(catalog, embedder, lambda: live, LateFeatures(), Retrieve())
        retriever.retrieve(questions[0])  # opens what is opened late
        for name, filters in FILTERS.items():
            with catalog.snapshot():
                first, *runs = [timed(retriever, question, filters) for question in questions]
            rows = catalog.rows_within(filters)
            passages = catalog.count_passages() if rows is None else len(rows)
            of_steps = [median(run.steps[step] for run in runs) for step in ("filter", "dense", "lexical")]
            wall = np.percentile([run.clock for run in runs], [50, 95])
            cells = [
                name,
                f"{passages:,}",
                f"{first.steps['filter']:.1f}",
                f"{first.steps['dense']:.1f}",
                *(f"{step:.1f}" for step in (*of_steps, median(run.clock for run in runs) - sum(of_steps))),
                f"{wall[0]:.1f} / {wall[1]:.1f}",
                f"{median(run.processor for run in runs):.1f}",
            ]
            yield f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=40, help="with each filter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where the library is, or is made")
    parser.add_argument("--out", type=Path, default=CODE / "benchmarks" / "results" / "filters.md")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    try:
        if not (folder / "catalog.db").exists():
            make(folder, options.passages, options.seed)
        rows = []
        for row in measure(folder, options.searches, options.seed):
            rows.append(row)
            print(row, flush=True)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    report = [
        "# What a filter costs a search",
        "",
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},",
        f"{options.passages:,} made-up passages, {options.searches} searches with each filter, seed {options.seed}.",
        "Made by `python -m benchmarks.filters`; what is measured is said there. Milliseconds, medians where not said",
        "otherwise. The first search with a filter also finds its passages, which are kept until the library changes.",
        "",
        "| filter | passages | first: filter | first: vectors | filter | vectors | words | the rest"
        " | whole: p50 / p95 | processor |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]
    options.out.write_text("\n".join(report), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
