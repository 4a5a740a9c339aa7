"""Hybrid retrieval beside that of other programs: the same passages, the same vectors, one machine, one run.

    python -m benchmarks.peers_retrieval --peers PYTHON [--data ../shared/data] [--questions 1000] [--seed 0]

LangChain's EnsembleRetriever (BM25Retriever and Chroma), LlamaIndex's query fusion retriever (BM25 and vectors) and
txtai's hybrid index, as benchmarks/peers/retrieval.py puts them together; PYTHON is one that has them
(benchmarks/peers/requirements-retrieval.txt). Each program, Cita too, runs in a process of its own, gets the vectors of
passages and questions ready made by Cita's embedder, and is asked for ten passages. R@1, R@5, MRR@10 and nDCG@10;
`p` by the paired randomisation test of MRR against Cita's; milliseconds a question by the wall and of the processor.

Writes benchmarks/results/peers.md. Exits with 1 if a program ranks better than Cita (MRR, p < .05) on any set.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import metrics
from evaluation.adapters import load
from evaluation.dataset import Dataset
from evaluation.library import build_library
from ingest.cores import usable_cores
from ingest.embed import Embedder, Vectors, open_embedder
from ingest.vectors import LiveIndex
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from settings import CODE, Settings

SETS = {"squad-v1.1-en": "en", "xquad-es": "es", "scifact": "en"}
PEERS = {"langchain": "LangChain ensemble", "llama-index": "LlamaIndex fusion", "txtai": "txtai hybrid"}
VERSIONS = (
    "langchain-classic",
    "langchain-community",
    "rank-bm25",
    "chromadb",
    "llama-index-core",
    "txtai",
    "faiss-cpu",
)
K = 10
BETTER = 0.05


class Looked:
    """An embedder whose vectors are ready made, but for questions that the search words otherwise ('heatwave': 'heat
    wave'): these it embeds, in the time of the search."""

    def __init__(self, embedder: Embedder, vectors: dict[str, Vectors]) -> None:
        self._embedder = embedder
        self._vectors = vectors
        self.fingerprint, self.window = embedder.fingerprint, embedder.window

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._embedder.offsets(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])

    def embed_query(self, text: str) -> Vectors:
        known = self._vectors.get(text)
        return self._embedder.embed_query(text) if known is None else known


def embedded_text(dataset: Dataset, row: int) -> str:
    """As evaluation/library.py has it embedded."""
    passage = dataset.passages[row]
    return f"{passage.title}\n{passage.text}" if passage.title else passage.text


def prepare(name: str, options: argparse.Namespace, embedder: Embedder, folder: Path) -> Dataset:
    """Writes a set and its vectors for all programs; the set."""
    dataset = sampled(load(name, options.data), options.questions, options.seed)
    folder.mkdir()
    passages = [embedded_text(dataset, row) for row in range(len(dataset.passages))]
    questions = [question.text for question in dataset.questions]
    np.savez(
        folder / "vectors.npz",
        passages=embedder.embed_passages(passages),
        questions=np.stack([embedder.embed_query(question) for question in questions]),
    )
    held = {"language": SETS[name], "passages": passages, "questions": questions}
    (folder / "set.json").write_text(json.dumps(held), encoding="utf-8")
    return dataset


def sampled(dataset: Dataset, count: int, seed: int) -> Dataset:
    questions = list(dataset.questions)
    if count and len(questions) > count:
        questions = random.Random(seed).sample(questions, count)
    return Dataset(dataset.name, tuple(questions), dataset.passages)


def by_cita(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What benchmarks/peers/retrieval.py prints, for Cita: as the engine retrieves."""
    settings = Settings.load(folder / "home")
    dataset = sampled(load(name, options.data), options.questions, options.seed)
    held = np.load(folder / "vectors.npz")
    texts = [embedded_text(dataset, row) for row in range(len(dataset.passages))]
    vectors = dict(zip([question.text for question in dataset.questions], held["questions"], strict=True))
    vectors |= dict(zip(texts, held["passages"], strict=True))
    embedder = Looked(open_embedder(Settings.load(options.home)), vectors)
    started = time.perf_counter()
    library = build_library(dataset, settings.index, embedder)
    live = LiveIndex(settings.index, library.catalog)
    live.update()
    build = time.perf_counter() - started
    rows = {passage.id: row for row, passage in enumerate(dataset.passages)}
    retriever = Retriever(library.catalog, embedder, lambda: live, LateFeatures(), settings.retrieve)

    def search(question: str) -> list[int]:
        found = [hit.passage.id for hit in retriever.retrieve(question, K)]
        return [rows[id] for id in library.ranking(found)]

    search(dataset.questions[0].text)
    started, processor = time.perf_counter(), time.process_time()
    rankings = [search(question.text) for question in dataset.questions]
    took, processor = time.perf_counter() - started, time.process_time() - processor
    live.close()
    library.catalog.close()
    return {"rankings": rankings, "build": build, "search": took, "search_processor": processor}


def asked(command: list[str]) -> dict[str, Any] | None:
    """What a program answered; None where it failed, which is said."""
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)
        return None
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def rows_of(dataset: Dataset, answers: dict[str, dict[str, Any]]) -> tuple[list[list[str]], list[str]]:
    """A row for each program, and those that rank better than Cita."""
    ids = [passage.id for passage in dataset.passages]
    judged = {
        name: [
            metrics.judge(question.gold, [ids[row] for row in ranking])
            for question, ranking in zip(dataset.questions, answer["rankings"], strict=True)
        ]
        for name, answer in answers.items()
    }
    ranks = {name: [metrics.reciprocal_rank(one) for one in found] for name, found in judged.items()}
    rows, better = [], []
    for name, found in judged.items():
        compared = metrics.compare(ranks["Cita"], ranks[name])
        if compared.p < BETTER and compared.after > compared.before:
            better.append(name)
        means = [
            np.mean([metrics.success(one, 1) for one in found]),
            np.mean([metrics.success(one, 5) for one in found]),
            compared.after,
            np.mean([metrics.ndcg(one) for one in found]),
        ]
        answer, n = answers[name], len(dataset.questions)
        rows.append(
            [
                "" if rows else f"{dataset.name} ({len(ids):,} passages, {n:,} questions)",
                name,
                *(f"{mean:.3f}" for mean in means),
                "" if name == "Cita" else f"{compared.p:.4f}",
                f"{1000 * answer['search'] / n:.1f}",
                f"{1000 * answer['search_processor'] / n:.1f}",
                f"{answer['build']:.1f}",
            ]
        )
    return rows, better


def versions(python: str) -> str:
    code = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run([python, "-c", code, *VERSIONS], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="a Python that has the other programs")
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--questions", type=int, default=1000, help="sampled from each set; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cita", nargs=2, metavar=("SET", "FOLDER"), help="(used by itself) Cita's part")
    parser.add_argument("--home", type=Path, help="(used by itself) where the embedder's graph lies")
    options = parser.parse_args()
    if options.cita:
        name, folder = options.cita
        print(json.dumps(by_cita(name, options, Path(folder))))
        return 0
    if not options.peers or not options.data.is_dir():
        missing = f"No data at {options.data}" if options.peers else "No --peers"
        print(f"{missing}: NOTHING MEASURED.", file=sys.stderr)
        return 0
    load_before = os.getloadavg()[0]
    rows: list[list[str]] = []
    better: list[str] = []
    with tempfile.TemporaryDirectory() as work:
        home = Path(work) / "home"
        embedder = open_embedder(Settings.load(home))
        for name in SETS:
            folder = Path(work) / name
            dataset = prepare(name, options, embedder, folder)
            given = ["--data", str(options.data), "--questions", str(options.questions), "--seed", str(options.seed)]
            ours = [
                sys.executable,
                "-m",
                "benchmarks.peers_retrieval",
                "--cita",
                name,
                str(folder),
                "--home",
                str(home),
            ]
            answers = {"Cita": asked([*ours, *given])}
            script = str(CODE / "benchmarks" / "peers" / "retrieval.py")
            answers |= {title: asked([options.peers, script, way, str(folder)]) for way, title in PEERS.items()}
            found, ahead = rows_of(dataset, {title: answer for title, answer in answers.items() if answer})
            rows += found
            better += [f"{title} on {name}" for title in ahead]
            print(*("\t".join(row) for row in found), sep="\n", flush=True)
    header = ["set", "", "R@1", "R@5", "MRR@10", "nDCG@10", "p", "ms a question", "processor ms", "build, s"]
    text = "\n".join(
        [
            "# Hybrid retrieval beside other programs",
            "",
            f"{date.today()}, {platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}, load",
            f"before it began {load_before:.1f}, seed {options.seed}. {versions(options.peers)}.",
            "Made by `python -m benchmarks.peers_retrieval --peers PYTHON`; what is measured is said there.",
            "",
            *(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)),
            "",
            f"Better than Cita (MRR, p < {BETTER}): {', '.join(better) or 'none'}",
            "",
        ]
    )
    print(text)
    (CODE / "benchmarks" / "results" / "peers.md").write_text(text, encoding="utf-8")
    return int(bool(better))


if __name__ == "__main__":
    sys.exit(main())
