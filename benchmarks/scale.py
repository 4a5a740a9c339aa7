"""How search grows with the library: 10,000, 100,000 and 1,000,000 passages.

    python -m benchmarks.scale [--keep FOLDER] [--passages 10000 100000 1000000] [--questions 60] [--seed 0]
                               [--embedder NAME] [--data ../shared/data] [--seconds 0] [--out FILE]

The libraries grow from 6,000 real passages (of SQuAD in English and Spanish, CLAP NQ, HotpotQA, SciFact, tldr's
pages): first these, embedded, then made-up ones. A made-up passage is a real one with every other sentence from
anywhere in the same language; three of ten also have an identifier that no other has, so that the vocabulary grows,
too. Its vector is that of the real passage, plus half that of one from which it has a sentence, plus noise half as
long, at unit length.
Sources have 20 passages, in folders that hold 0.1 %, 1 %, 10 %, 50 % and the rest of the library. They are stored by
the catalogue's own code; how long that takes a passage is said for each library, without reading and embedding.

The questions are the sets' own, others for each filter, so that each is embedded once. Each library is searched by a
process of its own through the engine's retriever: opened with its files in the system's memory, then with each filter
once and once more for each question. Milliseconds of the clock, and of the processor, which other programs do not
disturb as much. `recall`: how many of the 100 nearest passages by exact comparison are among those that the vector
search finds. Libraries are kept by the name of their embedder. `--seconds`: stop making them after so long; the same
command goes on later. Writes benchmarks/results/scale.md.
"""

import argparse
import json
import math
import os
import platform
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from evaluation import adapters
from ingest.analyse import detect_language
from ingest.catalog import Catalog, NewPassage
from ingest.cores import usable_cores
from ingest.embed import DEFAULT_MODEL, Embedder, Vectors, open_embedder
from ingest.filters import Rows
from ingest.sentences import sentences
from ingest.types import Filters, Passage, Source
from ingest.vectors import LiveIndex
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from settings import CODE, Embed, Retrieve, Settings

SETS = (
    "squad-v1.1-en",
    "squad-v2.0-en",
    "squad-es-v1.1-small",
    "squad-es-v2.0-small",
    "clapnq",
    "hotpotqa-subset",
    "scifact",
)
TLDR = Path("collections", "tldr-en-es", "tldr-en-es.tar.gz")
REAL = 6_000  # passages
PER_SOURCE = 20
NOTED = 50_000  # passages after which it is noted how long they took
SHARES = {"a": 0.001, "b": 0.01, "c": 0.1, "d": 0.5}  # by folder
WITH_IDENTIFIER = 0.3
OTHER, NOISE = 0.5, 0.5  # lengths, beside the passage's own vector
RECALLED = 20  # questions
NEAREST = 100  # passages, as the retriever asks for
FILTERS = {
    "none": Filters(),
    "a folder, 0.1 %": Filters(within=("a",)),
    "a folder, 1 %": Filters(within=("b",)),
    "a folder, 10 %": Filters(within=("c",)),
    "a folder, 50 %": Filters(within=("d",)),
    "a type, 33 %": Filters(types=("pdf",)),
    "a language": Filters(languages=("es",)),
    "dates, 20 %": Filters(since="2020", until="2021"),
    "a folder, a type and dates": Filters(("d",), ("pdf",), (), (), "2018", "2023"),
}
MISSPELT = "none, the question with a slip"
WATCHED = ("storing", "words", "matrix", "chroma")  # stages of making a library


def real_passages(data: Path, seed: int) -> list[str]:
    """Some of all sets, in any order."""
    found = dict.fromkeys(passage.text for name in SETS for passage in adapters.load(name, data).passages)
    with tarfile.open(data / TLDR) as pages:
        for member in pages:
            if member.name.endswith(".md") and (page := pages.extractfile(member)):
                found[page.read().decode(errors="replace")] = None
    texts = [text for text in found if text.strip()]
    return random.Random(seed).sample(texts, min(REAL, len(texts)))


def real_questions(data: Path, seed: int) -> list[str]:
    asked = sorted({question.text for name in SETS for question in adapters.load(name, data).questions})
    random.Random(seed).shuffle(asked)
    return asked


# --- the libraries


class Growth:
    """Sources without end: those of the real passages (with their vectors), then made-up ones. Each can be made by
    itself."""

    def __init__(self, real: Sequence[str], vectors: Vectors, seed: int) -> None:
        self._seed = seed
        self._texts: dict[str, list[list[str]]] = {"en": [], "es": []}  # in sentences
        vectors_of: dict[str, list[Vectors]] = {"en": [], "es": []}
        languages = [detect_language(text) for text in real]
        for text, language, vector in zip(real, languages, vectors, strict=True):
            self._texts[language].append([text[start:end] for start, end in sentences(text)])
            vectors_of[language].append(vector)
        self._vectors = {language: np.stack(found) for language, found in vectors_of.items() if found}
        self._real = list(zip(real, languages, vectors, strict=True))
        self._spanish = len(self._texts["es"]) / len(real)

    def source(self, number: int, among: int) -> tuple[Source, list[NewPassage], Mapping[str, Vectors]]:
        """The source of that number among so many."""
        chance, noise = random.Random(f"{self._seed} {number}"), np.random.default_rng((self._seed, number))
        start = number * PER_SOURCE
        own = self._real[start : start + PER_SOURCE]
        language = own[0][1] if own else "es" if chance.random() < self._spanish else "en"
        made = [*own, *(self._made_up(start + n, language, chance, noise) for n in range(len(own), PER_SOURCE))]
        place = chance.random()
        folder = [*SHARES, "rest"][int(np.searchsorted(np.cumsum(list(SHARES.values())), place))]
        folder = next(iter(SHARES)) if number == among // 2 else folder  # the smallest has one in any library
        path = f"{folder}/{number:06}.{'pdf' if number % 3 == 0 else 'md'}"
        new = [
            NewPassage(Passage(f"{number}-{n}", path, n, text, (), "paragraph", None, None, (), 0, spoken), text)
            for n, (text, spoken, _) in enumerate(made)
        ]
        source = Source(
            "/library", path, 1, 1, str(number), "indexed", passages=len(new), language=language,
            metadata={"created": f"{2015 + number % 10}-05-01"},
        )  # fmt: skip
        return source, new, {one.vector_key: vector for one, (_, _, vector) in zip(new, made, strict=True)}

    def _made_up(
        self, number: int, language: str, chance: random.Random, noise: np.random.Generator
    ) -> tuple[str, str, Vectors]:
        texts, vectors = self._texts[language], self._vectors[language]
        one = chance.randrange(len(texts))
        others = [chance.randrange(len(texts)) for _ in texts[one][1::2]] or [one]
        kept = list(texts[one])
        kept[1::2] = [chance.choice(texts[other]) for other in others[: len(kept[1::2])]]
        if chance.random() < WITH_IDENTIFIER:
            kept.append(f"No. K{number:07}-{chance.choice('ABCDEF')}.")
        scale = NOISE / np.sqrt(vectors.shape[1])
        vector = vectors[one] + OTHER * vectors[others[0]] + scale * noise.standard_normal(vectors.shape[1])
        return " ".join(kept), language, (vector / np.linalg.norm(vector)).astype(np.float32)


class Stopwatch:
    """Seconds of the clock and of the processor by what they went to, kept in a file beside the library."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.rows: list[tuple[str, int, float, float]] = json.loads(file.read_text()) if file.exists() else []

    def note(self, what: str, passages: int, started: tuple[float, float]) -> None:
        """`passages`: how many were in the library by then."""
        clock, processor = now()
        self.rows.append((what, passages, clock - started[0], processor - started[1]))
        self._file.write_text(json.dumps(self.rows))

    def note_child(self, what: str, passages: int, child: "subprocess.Popen[bytes]") -> None:
        started = now()
        if child.wait():
            raise RuntimeError(f"making {what} failed")
        self.note(what, passages, started)

    def last(self, what: str) -> float:
        """Milliseconds of the processor a passage, of the last that were noted."""
        rows = [(0, 0.0), *((passages, processor) for name, passages, _, processor in self.rows if name == what)]
        (before, _), (there, processor) = rows[-2:] if len(rows) > 1 else (rows[0], rows[0])
        return 1000 * processor / (there - before) if there > before else 0.0

    def spent(self, what: str) -> tuple[float, float]:
        of = [(clock, processor) for name, _, clock, processor in self.rows if name == what]
        return sum(clock for clock, _ in of), sum(processor for _, processor in of)


def now() -> tuple[float, float]:
    """By the clock, and of the processor with that of the processes that were waited for."""
    times = os.times()
    return time.perf_counter(), times.user + times.system + times.children_user + times.children_system


def embedded(texts: Sequence[str], embedder: Embedder, file: Path, until: float) -> Vectors:
    """Of the real passages, as many as there is time for; they are made once."""
    known = [np.load(file)] if file.exists() else []
    while (there := sum(map(len, known))) < len(texts) and time.monotonic() < until:
        known.append(embedder.embed_passages(texts[there : there + 500]))
        np.save(file, np.concatenate(known))
    found: Vectors = np.concatenate(known)
    return found


def make(folder: Path, growth: Growth, passages: int, until: float) -> bool:
    """Goes on with the library until it is whole, or it is late. Whether it is whole."""
    watch = Stopwatch(folder.with_suffix(".json"))
    if watch.spent("chroma")[0]:
        return True
    with closing(Catalog(folder)) as catalog:
        there = catalog.count_passages()
        while there < passages and time.monotonic() < until:
            goal, started = min(passages, there - there % NOTED + NOTED), now()
            while there < goal and time.monotonic() < until:
                catalog.store(*growth.source(there // PER_SOURCE, passages // PER_SOURCE))
                there += PER_SOURCE
            watch.note("storing", there, started)
        if there < passages or time.monotonic() > until:
            return False
        watch.note_child("words", there, start_words(folder))  # not beside: while it reads, SQLite's log only grows
        started = now()
        catalog.matrix.save()
        watch.note("matrix", there, started)
        started = now()
        with closing(LiveIndex(folder, catalog)) as live:
            live.update()
        watch.note("chroma", there, started)
    return True


def start_words(folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "benchmarks.scale", "--keep", str(folder.parent), "--words", str(folder)]
    return subprocess.Popen(command, cwd=CODE)


def make_words(folder: Path) -> None:
    with closing(Catalog(folder)) as catalog:
        catalog.full_text.save()


# --- the measurements


@dataclass(frozen=True)
class Run:
    """A search: milliseconds of the clock by step and in all, and of the processor."""

    steps: Mapping[str, float]
    clock: float
    processor: float


def timed(retriever: Retriever, question: str, filters: Filters) -> Run:
    clock, processor = time.perf_counter(), time.process_time()
    steps = retriever._search(question, None, filters).seconds
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return Run({name: 1000 * seconds for name, seconds in steps.items()}, 1000 * clock, 1000 * processor)


def measured(folder: Path, embedder: Embedder, questions: Sequence[str], each: int) -> dict[str, Any]:
    """Of one library, in a process that has done nothing else."""
    started, asked = time.perf_counter(), iter(questions)
    with closing(Catalog(folder)) as catalog, closing(LiveIndex(folder, catalog, lazy=True)) as live:
        retriever = Retriever(catalog, embedder, lambda: live, LateFeatures(), Retrieve())
        retriever.retrieve(next(asked))
        found: dict[str, Any] = {"opened": time.perf_counter() - started, "serves": live.name, "filters": {}}
        found["again"] = timed(retriever, next(asked), Filters()).clock
        for name, filters in FILTERS.items():
            found["filters"][name] = of_filter(catalog, retriever, filters, list(islice(asked, each + 1)))
        found["filters"][MISSPELT] = of_filter(
            catalog, retriever, Filters(), [misspelt(question) for question in islice(asked, each + 1)]
        )
        found["memory"] = memory()
        rows = catalog.rows_within(FILTERS["a language"])
        few = list(islice(asked, RECALLED))
        found["recall"] = {
            "none": recall(catalog, retriever, live, embedder, few, None),
            "a language": recall(catalog, retriever, live, embedder, few, rows),
        }
        view = catalog.full_text.segments.view()
        found["keys"] = sum(part.key_count for part, _ in view.parts) if view else 0
    return found


def of_filter(catalog: Catalog, retriever: Retriever, filters: Filters, questions: Sequence[str]) -> dict[str, Any]:
    with catalog.snapshot():
        first, *runs = [timed(retriever, question, filters) for question in questions]
        rows = catalog.rows_within(filters)
    return {
        "passages": catalog.count_passages() if rows is None else len(rows),
        "first": first.clock,
        "clock": percentiles([run.clock for run in runs]),
        "processor": percentiles([run.processor for run in runs]),
        "steps": {step: median(run.steps.get(step, 0.0) for run in runs) for step in first.steps},
    }


def percentiles(values: Sequence[float]) -> list[float]:
    return [float(value) for value in np.percentile(values, [50, 95])]


def misspelt(question: str) -> str:
    """With two letters of its longest word swapped."""
    word = max(question.split(), key=len)
    return question.replace(word, f"{word[:2]}{word[3:4]}{word[2:3]}{word[4:]}", 1)


def recall(
    catalog: Catalog, retriever: Retriever, live: LiveIndex, embedder: Embedder, questions: Sequence[str],
    rows: Rows | None,
) -> float:  # fmt: skip
    """How many of the nearest by exact comparison the search finds."""
    queries = np.stack([embedder.embed_query(question) for question in questions])
    best: list[dict[int, float]] = [{} for _ in questions]
    all_rows = np.arange(1, catalog.count_passages() + 1) if rows is None else rows
    for start in range(0, len(all_rows), 20_000):
        found = catalog.vectors_of_rows(all_rows[start : start + 20_000].tolist())
        cosines = np.stack(list(found.values())) @ queries.T
        for number, query in enumerate(cosines.T):
            near = np.argpartition(-query, min(NEAREST, len(query) - 1))[:NEAREST]
            known = list(found)
            best[number] |= {known[place]: float(query[place]) for place in near}
            best[number] = dict(sorted(best[number].items(), key=lambda item: -item[1])[:NEAREST])
    shares = [
        len(retriever._nearest(live, query, NEAREST, rows).keys() & right.keys()) / len(right)
        for query, right in zip(queries, best, strict=True)
    ]
    return sum(shares) / len(shares)


def memory() -> dict[str, float]:
    """Megabytes: of its own, and of files that it has mapped, which the system may drop."""
    of = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(of[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


# --- the report


def report(options: argparse.Namespace, folder: Path, found: Mapping[int, dict[str, Any]], load: float) -> list[str]:
    """`folder`: where the libraries are."""
    sizes = list(found)
    return [
        "# How search grows with the library",
        "",
        f"{date.today()}, {platform.machine()}, {usable_cores()} cores, {total_memory():.0f} GB of memory, Python",
        f"{platform.python_version()}, seed {options.seed}, load before it began {load:.1f}; {options.questions}",
        f"questions with each filter, embedded by {options.embedder}. Made by `python -m benchmarks.scale`;",
        "what is measured is said there. Milliseconds where not said otherwise.",
        "",
        "## Whole searches: p50 / p95 by the clock (p50 of the processor)",
        "",
        *table(
            ["filter", *(f"{size:,} passages" for size in sizes)],
            [[name, *(cell(found[size]["filters"][name]) for size in sizes)] for name in (*FILTERS, MISSPELT)],
        ),
        "",
        "The first search with each filter, which also finds its passages:",
        "",
        *table(
            ["filter", *(f"{size:,}" for size in sizes)],
            [
                [name, *(f"{found[size]['filters'][name]['first']:.0f}" for size in sizes)]
                for name in (*FILTERS, MISSPELT)
            ],
        ),
        "",
        "## Where it goes: p50 of each step",
        "",
        *steps(found),
        "",
        "## The library",
        "",
        *table(["", *(f"{size:,}" for size in sizes)], about(folder, found)),
        "",
    ]


def cell(of: Mapping[str, Any]) -> str:
    return f"{of['clock'][0]:.1f} / {of['clock'][1]:.1f} ({of['processor'][0]:.1f})"


def steps(found: Mapping[int, dict[str, Any]]) -> list[str]:
    columns = [(size, name) for size in found for name in ("none", "a folder, 50 %")]
    known = dict.fromkeys(step for size, name in columns for step in found[size]["filters"][name]["steps"])
    rows = [
        [step, *(f"{found[size]['filters'][name]['steps'].get(step, 0.0):.1f}" for size, name in columns)]
        for step in known
    ]
    return table(["step", *(f"{size:,}: {name}" for size, name in columns)], rows)


def about(folder: Path, found: Mapping[int, dict[str, Any]]) -> Iterator[list[str]]:
    watches = {size: Stopwatch(folder / f"{size}.json") for size in found}
    yield ["opened, with its first search (s)", *(f"{one['opened']:.2f}" for one in found.values())]
    yield ["the search after it", *(f"{one['again']:.0f}" for one in found.values())]
    yield ["nearest vectors, unfiltered, from", *(one["serves"] for one in found.values())]
    yield [f"recall of the {NEAREST} nearest", *(f"{one['recall']['none']:.3f}" for one in found.values())]
    yield ["... in a language", *(f"{one['recall']['a language']:.3f}" for one in found.values())]
    yield ["memory of its own, embedder included (MB)", *(f"{one['memory']['RssAnon']:.0f}" for one in found.values())]
    yield ["mapped files in memory (MB)", *(f"{one['memory']['RssFile']:.0f}" for one in found.values())]
    yield ["keys of the inverted index", *(f"{one['keys']:,}" for one in found.values())]
    for what in ("catalog.db", "postings-*", "vectors-*", "chroma-*"):
        yield [f"{what} on disk (MB)", *(f"{on_disk(folder / str(size), what) / 1e6:.0f}" for size in found)]
    for what in WATCHED:
        spent = {size: watch.spent(what) for size, watch in watches.items()}
        yield [
            f"{what}: of the processor, a passage",
            *(f"{1000 * processor / size:.2f}" for size, (_, processor) in spent.items()),
        ]
    last = (watch.last("storing") for watch in watches.values())
    yield [f"storing the last {NOTED:,}, a passage", *(f"{processor:.2f}" for processor in last)]


def on_disk(folder: Path, pattern: str) -> int:
    found = (file for path in folder.glob(pattern) for file in (path, *path.rglob("*")))
    return sum(file.stat().st_size for file in found if file.is_file())


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def total_memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="where the libraries are, or are made (11 GB); else they are removed")
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=60, help="with each filter")
    parser.add_argument("--embedder", default=DEFAULT_MODEL, metavar="NAME")
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0, help="of making libraries at once; 0: all that it takes")
    parser.add_argument("--out", type=Path, default=CODE / "benchmarks" / "results" / "scale.md")
    parser.add_argument("--words", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.words:
        make_words(options.words)
        return 0
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        options.keep = options.keep or Path(folder)
        return made_and_measured(options)


def made_and_measured(options: argparse.Namespace) -> int:
    folder = options.keep / Path(options.embedder).name
    folder.mkdir(parents=True, exist_ok=True)
    embedder = open_embedder(Settings.load(folder, embed=Embed(model=options.embedder)))
    if options.measure:
        print(
            json.dumps(
                measured(options.measure, embedder, real_questions(options.data, options.seed), options.questions)
            )
        )
        return 0
    if not made(options, folder, embedder):
        print("Not all is made yet: run it again.", file=sys.stderr)
        return 3
    load, found = os.getloadavg()[0], {}
    for size in options.passages:
        command = [sys.executable, "-m", "benchmarks.scale", *sys.argv[1:]]
        command += ["--keep", str(options.keep), "--measure", str(folder / f"{size}")]
        found[size] = json.loads(subprocess.run(command, cwd=CODE, check=True, stdout=subprocess.PIPE).stdout)
        print(size, json.dumps(found[size]), flush=True)
    options.out.write_text("\n".join(report(options, folder, found, load)), encoding="utf-8")
    return 0


def made(options: argparse.Namespace, folder: Path, embedder: Embedder) -> bool:
    until = time.monotonic() + (options.seconds or math.inf)
    real = real_passages(options.data, options.seed)
    vectors = embedded(real, embedder, folder / "real.npy", until)
    if len(vectors) < len(real):
        return False
    growth = Growth(real, vectors, options.seed)
    return all(make(folder / f"{passages}", growth, passages, until) for passages in options.passages)


if __name__ == "__main__":
    sys.exit(main())
