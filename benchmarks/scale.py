"""Search by words in large libraries: how long it takes, with and without filters, in the inverted index and in
SQLite's own full text.

    python -m benchmarks.scale [--data ../shared/data] [--passages 100000] [--copies 10] [--questions 300] [--seed 0]
                               [--keep FOLDER] [--out FILE]

The library grows from real passages (SQuAD in English and Spanish, CLAP NQ, HotpotQA, SciFact, tldr's pages): first
these, then made-up ones of which each is a real one with every other sentence from anywhere in the same language; three
of ten also have an identifier that no other has, so that the vocabulary grows, too. Sources have 20 passages. The
questions are the sets' own. `--copies` holds so many copies of the whole in one index: as many postings as a library of
that size, but no larger a vocabulary. Times are milliseconds of the clock, and of the processor, which other programs
do not disturb. `--keep` makes the library once. Writes benchmarks/results/scale.md.
"""

import argparse
import gc
import platform
import random
import resource
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from itertools import count, islice
from pathlib import Path

import numpy as np

from evaluation import adapters
from ingest.analyse import detect_language
from ingest.catalog import Catalog, NewPassage
from ingest.fulltext import FullText, Rows, Term
from ingest.postings import Postings, merge
from ingest.segments import STEM, View
from ingest.sentences import sentences
from ingest.types import Passage, Source
from settings import CODE

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
PER_SOURCE = 20
SHARES = (0.01, 0.1, 0.5)
LIMIT = 50  # passages, as the retriever asks for
WITH_IDENTIFIER = 0.3


def real_passages(data: Path) -> list[str]:
    found = dict.fromkeys(passage.text for name in SETS for passage in adapters.load(name, data).passages)
    with tarfile.open(data / TLDR) as pages:
        for member in pages:
            if member.name.endswith(".md") and (page := pages.extractfile(member)):
                found[page.read().decode(errors="replace")] = None
    return [text for text in found if text.strip()]


def grown(real: Sequence[str], seed: int) -> Iterator[tuple[str, str]]:
    """Passages without end, each with its language."""
    chance = random.Random(seed)
    by_language: dict[str, list[list[str]]] = {"en": [], "es": []}
    for text in real:
        language = detect_language(text)
        yield text, language
        by_language[language].append([text[start:end] for start, end in sentences(text)])
    loose = {language: [one for text in texts for one in text] for language, texts in by_language.items()}
    for number in count():
        language = "es" if chance.random() < len(by_language["es"]) / len(real) else "en"
        kept = list(chance.choice(by_language[language]))
        kept[1::2] = chance.choices(loose[language], k=len(kept[1::2]))
        if chance.random() < WITH_IDENTIFIER:
            kept.append(f"No. K{number:07}-{chance.choice('ABCDEF')}.")
        yield " ".join(kept), language


def fill(catalog: Catalog, passages: Iterator[tuple[str, str]]) -> None:
    vector = np.ones(4, np.float32)
    for number, texts in enumerate(iter(lambda: list(islice(passages, PER_SOURCE)), [])):
        path = f"{number % 100:02}/{number}.txt"
        new = [
            NewPassage(Passage(f"{number}#{n}", path, n, text, (), "paragraph", None, None, (), 0, language), "same")
            for n, (text, language) in enumerate(texts)
        ]
        source = Source("/library", path, 1, 1, str(number), "indexed", passages=len(new))
        catalog.store(source, new, {new[0].vector_key: vector})


@dataclass(frozen=True)
class Times:
    """Sorted milliseconds of searches, by the clock and of the processor."""

    clock: list[float]
    processor: list[float]

    def __str__(self) -> str:
        return " | ".join(f"{of[int(len(of) * at)]:.1f}" for of in (self.clock, self.processor) for at in (0.5, 0.95))


def timed(search: Callable[[str], object], questions: Sequence[str]) -> Times:
    times: tuple[list[float], list[float]] = ([], [])
    for question in questions:
        clock, processor = time.perf_counter(), time.process_time()
        search(question)
        times[0].append((time.perf_counter() - clock) * 1000)
        times[1].append((time.process_time() - processor) * 1000)
    return Times(sorted(times[0]), sorted(times[1]))


def searches(full_text: FullText, total: int, questions: Sequence[str]) -> Iterator[tuple[str, Times]]:
    """Each way to search, with its times. The rows of a filter are whole sources, anywhere."""
    yield "terms of the question", timed(full_text.question_terms, questions)
    terms = {question: full_text.question_terms(question) for question in questions}
    yield "all passages", timed(lambda question: full_text.search_terms(terms[question], LIMIT), questions)
    for share in SHARES:
        kept = np.random.default_rng(0).random(total // PER_SOURCE + 1) < share
        rows = (np.flatnonzero(np.repeat(kept, PER_SOURCE)) + 1).astype(np.int64)
        yield f"{share:.0%} of the passages", timed(_within(full_text, terms, rows), questions)
    few = np.arange(1, total, max(total // LIMIT, 1), dtype=np.int64)
    yield (
        f"the scores of {len(few)} passages",
        timed(lambda question: full_text.search_terms(terms[question], 0, few), questions),
    )


def _within(full_text: FullText, terms: Mapping[str, Sequence[Term]], rows: Rows) -> Callable[[str], object]:
    return lambda question: full_text.search_terms(terms[question], LIMIT, rows)


def copied(view: View, copies: int) -> View:
    """As many postings as a library of so many times the passages has."""
    ((part, _),) = view.parts
    step = int(part.rows.max())
    shifted = []
    for copy in range(copies):
        arrays = dict(part.arrays) | {"rows": part.rows + copy * step, "owners": part.arrays["owners"] + copy * step}
        shifted.append((Postings(arrays), np.ones(len(part), bool)))
    return View(((merge(shifted), None),), view.total * copies)


def measured(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    real = real_passages(options.data)
    chance = random.Random(options.seed)
    asked = [question.text for name in SETS for question in adapters.load(name, options.data).questions]
    questions = chance.sample(asked, min(options.questions, len(asked)))
    if not (folder / "catalog.db").exists():
        with closing(Catalog(folder)) as catalog:
            fill(catalog, islice(grown(real, options.seed), options.passages))
            start = time.process_time()
            catalog.full_text.save()
            yield f"Inverted index made in {time.process_time() - start:.0f} s of the processor."
    size = sum(file.stat().st_size for file in folder.glob(f"{STEM}-*"))
    start = time.perf_counter()
    with closing(Catalog(folder)) as catalog:
        total = catalog.count_passages()
        catalog.search_terms(catalog.question_terms("first question"), LIMIT)
        opened = time.perf_counter() - start
        view = catalog.full_text.segments.view()
        assert view is not None
        yield (
            f"{total:,} passages: opened, with a first search, in {opened:.2f} s; inverted index {size / 1e6:.0f} MB,"
            f" {sum(part.key_count for part, _ in view.parts):,} keys; catalogue"
            f" {catalog.path.stat().st_size / 1e6:.0f} MB."
        )
        yield ""
        yield "| what is searched | clock p50 | p95 | processor p50 | p95 |"
        yield "|---|---:|---:|---:|---:|"
        for what, times in searches(catalog.full_text, total, questions):
            yield f"| {what} | {times} |"
        if options.copies > 1:
            large = copied(view, options.copies)
            catalog.full_text.segments.view = lambda: large  # type: ignore[method-assign]
            gc.collect()
            for what, times in searches(catalog.full_text, large.total, questions):
                yield f"| {large.total:,} (copies): {what} | {times} |"
        catalog.full_text.segments.view = lambda: None  # type: ignore[method-assign]
        for what, times in islice(
            searches(catalog.full_text, total, questions[:20]), 3
        ):  # with more rows it takes minutes
            yield f"| SQLite's full text: {what} | {times} |"
        yield ""
        yield f"Most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--out", type=Path, default=CODE / "benchmarks" / "results" / "scale.md")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    lines = [
        "# Search by words in large libraries",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, seed {options.seed}. Made by",
        "`python -m benchmarks.scale`; what is measured is said there. Milliseconds.",
        "",
    ]
    with tempfile.TemporaryDirectory() as home:
        for line in measured(options.keep or Path(home), options):
            print(line, flush=True)
            lines.append(line)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
