"""Retrieval on SQuAD-type sets: dense, BM25 and the hybrid side by side, on the same passages and questions.

    python -m benchmarks.retrieval [--data ../shared/data/qa/squad-family] [--questions 1000] [--seed 0]

A passage is a paragraph, gold is the question's own; a paragraph over the embedder's window is embedded by its
beginning. Writes benchmarks/results/retrieval.md. Exits with 1 if on any set the hybrid is below the better of the two
on R@1 or MRR@10.
"""

import argparse
import json
import platform
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingest.analyse import detect_language
from ingest.catalog import Catalog, NewPassage
from ingest.embed import Embedder, open_embedder
from ingest.types import Passage, Source
from ingest.vectors import ExactIndex
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from settings import CODE, Settings

SETS = {
    "squad-v1.1-en": ("squad-v1.1-en.json", "squad-v1.1-en.json"),
    "xquad-en": ("xquad-en.json", "xquad-en.json"),
    "xquad-es": ("xquad-es.json", "xquad-es.json"),
    "squad-es-v1.1-small": ("squad-es-v1.1-small.json", "squad-es-v1.1-small.json"),
    "Spanish question, English passages": ("xquad-es.json", "xquad-en.json"),
    "English question, Spanish passages": ("xquad-en.json", "xquad-es.json"),
}


@dataclass(frozen=True)
class Scores:
    r1: float
    r5: float
    mrr: float

    @classmethod
    def of(cls, ranks: list[int | None]) -> "Scores":
        """Ranks are 1-based; None is a gold passage that was not found."""
        n = len(ranks)
        reciprocal = sum(1 / rank for rank in ranks if rank and rank <= 10)
        return cls(sum(r == 1 for r in ranks) / n, sum(r is not None and r <= 5 for r in ranks) / n, reciprocal / n)

    def __str__(self) -> str:
        return f"{self.r1:.3f} / {self.r5:.3f} / {self.mrr:.3f}"


def paragraphs(file: Path) -> tuple[list[str], list[tuple[str, str, int]]]:
    """Distinct paragraphs, and (question id, question, its paragraph's index) of the answerable ones."""
    index: dict[str, int] = {}
    questions = []
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            position = index.setdefault(paragraph["context"], len(index))
            for qa in paragraph["qas"]:
                if not qa.get("is_impossible"):
                    questions.append((qa["id"], qa["question"], position))
    return list(index), questions


def library(folder: Path, texts: list[str], embedder: Embedder) -> Catalog:
    """A catalogue with one passage for each text, in order: the passage's row is its index + 1."""
    catalog = Catalog(folder)
    vectors = embedder.embed_passages(texts)
    for position, text in enumerate(texts):
        path = f"passage{position}"
        passage = Passage(f"p{position}", path, 0, text, (), "paragraph", None, None, (), 0, detect_language(text))
        new = NewPassage(passage, text)
        source = Source("/library", path, len(text), 0, str(position), "indexed", passages=1)
        catalog.store(source, [new], {new.vector_key: vectors[position]})
    return catalog


def measure(catalog: Catalog, embedder: Embedder, settings: Settings, questions: list[tuple[str, int]]) -> Iterator:
    """(name, Scores) of each way to rank."""
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, embedder, lambda: exact, LateFeatures(), settings.retrieve)
    ways: dict[str, Callable[[str], list[str]]] = {
        "dense": lambda question: _ids(catalog, [key for key, _ in exact.search(embedder.embed_query(question), 10)]),
        "BM25": lambda question: [f"p{row - 1}" for row in catalog.search_terms(catalog.question_terms(question), 10)],
        "fused, not reranked": lambda question: [
            f"p{row - 1}"
            for row, _ in retriever.fused(question, retriever.candidates(question, catalog.question_terms(question)))[
                :10
            ]
        ],
        "hybrid": lambda question: [hit.passage.id for hit in retriever.retrieve(question, 10)],
    }
    for name, rank in ways.items():
        ranks: list[int | None] = []
        for question, gold in questions:
            ids = rank(question)
            ranks.append(ids.index(f"p{gold}") + 1 if f"p{gold}" in ids else None)
        yield name, Scores.of(ranks)


def _ids(catalog: Catalog, keys: list[str]) -> list[str]:
    rows = {key: row for row, key in catalog.rows_of_vectors(keys)}
    return [f"p{rows[key] - 1}" for key in keys]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data" / "qa" / "squad-family")
    parser.add_argument("--questions", type=int, default=1000, help="sampled from each set; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    worse = []
    rows = []
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.load(home)
        embedder = open_embedder(settings)
        for name, (asked, written) in SETS.items():
            texts, own = paragraphs(options.data / written)
            gold = {id: position for id, _, position in own}
            questions = [(question, gold[id]) for id, question, _ in paragraphs(options.data / asked)[1] if id in gold]
            if options.questions and len(questions) > options.questions:
                questions = random.Random(options.seed).sample(questions, options.questions)
            catalog = library(Path(home) / name, texts, embedder)
            scores = dict(measure(catalog, embedder, settings, questions))
            catalog.close()
            hybrid, singles = scores["hybrid"], (scores["dense"], scores["BM25"])
            if hybrid.r1 < max(s.r1 for s in singles) or hybrid.mrr < max(s.mrr for s in singles):
                worse.append(name)
            cells = " | ".join(map(str, scores.values()))
            rows.append(f"| {name} ({len(texts):,} passages, {len(questions):,} questions) | {cells} |")
            print(rows[-1], flush=True)
    table = ["| set | " + " | ".join(scores) + " |", "|---" * (len(scores) + 1) + "|", *rows]
    report = [
        "# Retrieval: R@1 / R@5 / MRR@10",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, embedder {embedder.fingerprint},",
        f"seed {options.seed}. Made by `python -m benchmarks.retrieval`; what is measured is said there.",
        "",
        *table,
        "",
    ]
    (CODE / "benchmarks" / "results" / "retrieval.md").write_text("\n".join(report), encoding="utf-8")
    print(f"Below the better of dense and BM25 on: {', '.join(worse) or 'no set'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
