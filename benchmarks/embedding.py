"""What int8 costs in quality and brings in speed: the default embedder in fp32 and int8, side by side.

    python -m benchmarks.embedding [--data ../shared/data] [--questions 1000] [--seed 0] [--work FOLDER [--only SET]]

Quality: dense search alone (exact cosines), over the passages of four sets. MRR@10 and R@1 with both precisions, and
with the questions or the passages in int8 only, as when an index outlives a change of the setting; against fp32 by the
paired randomisation test of evaluation/metrics.py. Agreement: cosines of each passage's two vectors.
Speed: the same 200 paragraphs and 200 questions, in texts a second by the wall, and by the second of processor time,
which counts the work whatever else the machine does. `together`: texts in one batch, sorted by length.

Writes benchmarks/results/embedding.md. Exits with 1 if int8 is worse than fp32 on any set, at p < .05, on either
measure.
"""

import argparse
import hashlib
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from evaluation import metrics
from evaluation.adapters import load
from evaluation.dataset import Dataset
from ingest.cores import usable_cores
from ingest.embed import Embedder, Vectors, open_embedder
from settings import CODE, Embed, Settings

SETS = ("squad-v1.1-en", "xquad-en", "xquad-es", "scifact")
PAIRS = {
    "int8": ("int8", "int8"),
    "questions int8, passages fp32": ("int8", "fp32"),
    "questions fp32, passages int8": ("fp32", "int8"),
}
BATCHES = (1, 8, 32)
TIMED = 200
WORSE = 0.05


@dataclass(frozen=True)
class Embedded:
    """Vectors of a set's questions and passages, rows in the order of the set."""

    questions: Vectors
    passages: Vectors


def kept(dataset: Dataset, precision: str, embedder: Embedder, options: argparse.Namespace) -> Embedded:
    """Made once."""
    of = f"{embedder.fingerprint} {precision} {options.questions} {options.seed}"
    file = options.work / f"{dataset.name}-{hashlib.sha256(of.encode()).hexdigest()[:8]}.npz"
    if not file.exists():
        made = embedded(dataset, embedder)
        np.savez(file, questions=made.questions, passages=made.passages)
    with np.load(file) as found:
        return Embedded(found["questions"], found["passages"])


def embedded(dataset: Dataset, embedder: Embedder) -> Embedded:
    texts = [f"{each.title}\n{each.text}" if each.title else each.text for each in dataset.passages]
    asked = [embedder.embed_query(question.text) for question in dataset.questions]
    return Embedded(np.stack(asked), embedder.embed_passages(texts))


def judged(dataset: Dataset, questions: Vectors, passages: Vectors) -> list[tuple[metrics.Judged, ...]]:
    """Of each question where its gold is among the ten nearest passages."""
    ids = [passage.id for passage in dataset.passages]
    found = []
    for question, vector in zip(dataset.questions, questions, strict=True):
        nearest = np.argsort(-(passages @ vector), kind="stable")[:10]
        found.append(metrics.judge(question.gold, [ids[row] for row in nearest]))
    return found


def quality(dataset: Dataset, fp32: Embedded, int8: Embedded) -> tuple[list[list[str]], bool]:
    """A row for fp32 and for each pair, and whether any pair is worse."""
    made = {"fp32": fp32, "int8": int8}
    before = judged(dataset, fp32.questions, fp32.passages)
    measures: dict[str, Callable[[tuple[metrics.Judged, ...]], float]] = {
        "R@1": lambda one: metrics.success(one, 1),
        "MRR@10": metrics.reciprocal_rank,
    }
    base = {name: [measure(one) for one in before] for name, measure in measures.items()}
    rows = [[dataset.name, "fp32", *(f"{np.mean(values):.4f}" for values in base.values()), "", "", ""]]
    worse = False
    for name, (asking, asked) in PAIRS.items():
        after = judged(dataset, made[asking].questions, made[asked].passages)
        found = {key: metrics.compare(base[key], [measure(one) for one in after]) for key, measure in measures.items()}
        worse |= any(each.p < WORSE and each.after < each.before for each in found.values())
        means = [f"{each.after:.4f}" for each in found.values()]
        mrr = found["MRR@10"]
        rows.append(["", name, *means, f"{mrr.better} / {mrr.worse}", *(f"{each.p:.2f}" for each in found.values())])
    return rows, worse


def speed(home: Path, paragraphs: list[str], questions: list[str]) -> list[list[str]]:
    """A row for each way to embed. The ways take turns, twice, and the better turn counts."""
    ways = {f"fp32, {batch} together": Embed(precision="fp32", batch=batch) for batch in BATCHES}
    ways["int8, one by one"] = Embed(precision="int8")
    embedders = {name: open_embedder(Settings.load(home, embed=embed)) for name, embed in ways.items()}
    best: dict[tuple[str, str], tuple[float, float]] = {}
    for _ in range(2):
        for name, embedder in embedders.items():
            for kind, texts in (("paragraphs", paragraphs), ("questions", questions)):
                wall, processor = time.perf_counter(), time.process_time()
                embedder.embed_passages(texts)
                turn = len(texts) / (time.perf_counter() - wall), len(texts) / (time.process_time() - processor)
                best[name, kind] = max(best.get((name, kind), turn), turn, key=lambda each: each[1])
    return [
        [name, *(f"{figure:.0f}" for kind in ("paragraphs", "questions") for figure in best[name, kind])]
        for name in ways
    ]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--questions", type=int, default=1000, help="sampled from each set; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where vectors are kept: what was stopped goes on there")
    parser.add_argument("--only", choices=SETS, help="embeds that set into --work, and measures nothing")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: NOTHING MEASURED.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        options.work = options.work or Path(folder)
        options.work.mkdir(parents=True, exist_ok=True)
        return measure(options)


def measure(options: argparse.Namespace) -> int:
    """1 if int8 is worse."""
    load_before = os.getloadavg()[0]
    rows: list[list[str]] = []
    agreement: list[list[str]] = []
    worse = []
    fp32 = open_embedder(Settings.load(options.work, embed=Embed(precision="fp32")))
    int8 = open_embedder(Settings.load(options.work, embed=Embed(precision="int8")))
    names = [options.only] if options.only else SETS
    sets = [_sampled(load(name, options.data), options.questions, options.seed) for name in names]
    made = [(kept(dataset, "fp32", fp32, options), kept(dataset, "int8", int8, options)) for dataset in sets]
    if options.only:
        return 0
    for dataset, (before, after) in zip(sets, made, strict=True):
        of_set, is_worse = quality(dataset, before, after)
        rows += of_set
        worse += [dataset.name] if is_worse else []
        cosines = (before.passages * after.passages).sum(axis=1)
        counted = f"{len(dataset.passages):,} passages, {len(dataset.questions):,} questions"
        agreement.append([dataset.name, counted, f"{cosines.mean():.5f}", f"{cosines.min():.5f}"])
        print(*("\t".join(row) for row in of_set), sep="\n", flush=True)
    squad, chance = sets[0], random.Random(options.seed)
    timed = speed(
        options.work,
        [passage.text for passage in chance.sample(squad.passages, min(TIMED, len(squad.passages)))],
        [question.text for question in chance.sample(squad.questions, min(TIMED, len(squad.questions)))],
    )
    quality_header = ["set", "vectors", "R@1", "MRR@10", "questions better / worse", "p of R@1", "p of MRR"]
    speed_header = ["way", "paragraphs a second", "a processor second", "questions a second", "a processor second"]
    report = [
        "# int8 beside fp32: the default embedder",
        "",
        f"{date.today()}, {platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}, embedder",
        f"{fp32.fingerprint}, seed {options.seed}, load before it began {load_before:.1f}.",
        "Made by `python -m benchmarks.embedding`; what is measured is said there.",
        "",
        *_table(quality_header, rows),
        "",
        *_table(["set", "", "mean cosine", "least"], agreement),
        "",
        *_table(speed_header, timed),
        "",
        f"Worse than fp32 (p < {WORSE}) on: {', '.join(worse) or 'no set'}",
        "",
    ]
    text = "\n".join(report)
    print(text)
    (CODE / "benchmarks" / "results" / "embedding.md").write_text(text, encoding="utf-8")
    return 1 if worse else 0


def _sampled(dataset: Dataset, count: int, seed: int) -> Dataset:
    questions = list(dataset.questions)
    if count and len(questions) > count:
        questions = random.Random(seed).sample(questions, count)
    return Dataset(dataset.name, tuple(questions), dataset.passages)


if __name__ == "__main__":
    sys.exit(main())
