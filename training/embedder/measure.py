"""How a model finds the translation of a sentence among all, and the paragraph of a question, in both languages."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.embed import read_tokenizer
from training.embedder.encoder import read_transformer, vectors


def measure(data: Path, model: Path) -> None:
    """Prints a line a set. DATA is the folder of all public sets, or `parallel` alone."""
    transformer = read_transformer(model)
    tokenizer = read_tokenizer(model)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return vectors(transformer, tokenizer, texts).astype(np.float32)

    for path in sorted((data / "parallel").glob("eval_*.tsv")):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        english, spanish = (embed([line[side] for line in lines]) for side in (0, 1))
        right = np.arange(len(lines))
        report(f"{path.stem} es->en", spanish, english, right)
        report(f"{path.stem} en->es", english, spanish, right)
    family = data / "qa" / "squad-family"
    sets = {
        name: _squad(family / f"{name}.json")
        for name in ("xquad-en", "xquad-es", "squad-es-v1.1-small", "squad-v1.1-en")
    }
    found = {name: (embed(passages), embed(questions)) for name, (passages, questions, _) in sets.items()}
    for name, (_, _, gold) in sets.items():
        report(name, found[name][1], found[name][0], np.array(gold))
    right = np.array(sets["xquad-es"][2])
    report("question es, passage en", found["xquad-es"][1], found["xquad-en"][0], right)
    report("question en, passage es", found["xquad-en"][1], found["xquad-es"][0], right)


def report(name: str, questions: NDArray[np.float32], passages: NDArray[np.float32], right: NDArray[np.int64]) -> None:
    scores = questions @ passages.T
    rank = (scores > scores[np.arange(len(right)), right][:, None]).sum(1)
    print(f"{name:32} R@1 {(rank == 0).mean():.3f}  R@5 {(rank < 5).mean():.3f}", flush=True)


def _squad(path: Path) -> tuple[list[str], list[str], list[int]]:
    """Paragraphs, questions, and the number of each question's paragraph."""
    paragraphs: list[str] = []
    questions: list[str] = []
    right: list[int] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                questions.append(asked["question"])
                right.append(len(paragraphs))
            paragraphs.append(paragraph["context"])
    return paragraphs, questions, right
