"""The student's files: what is prepared of it, its first state, and what is shipped of it in the end."""

import copy
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ingest.embed import locate, read_tokenizer
from ingest.export_onnx import export
from training.embedder.encoder import device, read_transformer, token_ids, vectors
from training.embedder.pairs import Pair, by_source, evaluation_texts, passages, read_pairs, sampled, without
from training.embedder.share_weights import share_weights
from training.embedder.train import Examples
from training.embedder.vocabulary import Floats, first_embeddings, spanish_shares, with_spanish, word_weights

TEACHER = "all-MiniLM-L6-v2"
ENGLISH_SHARE = 0.15  # of the English texts that are trained on beside all Spanish ones


def prepare(data: Path, work: Path, seed: int) -> None:
    """Writes the texts, the vocabulary, the first embeddings and the teacher's vectors into `work`. `data` is the
    folder of parallel text."""
    work.mkdir(parents=True, exist_ok=True)
    pairs = sampled(without(read_pairs(data), evaluation_texts(data)), seed)
    pairs += list(passages(pairs, seed))
    print(f"{len(pairs):,} pairs", flush=True)
    (work / "pairs.jsonl").write_text(
        "".join(json.dumps([pair.english, pair.spanish, pair.source, pair.kind]) + "\n" for pair in pairs)
    )
    teacher, tokenizer = read_transformer(locate(TEACHER)), read_tokenizer(locate(TEACHER))
    short = [pair for pair in pairs if pair.kind != "passage"]
    english, spanish = [pair.english for pair in short], [pair.spanish for pair in short]
    sentences = (pair for pair in short if pair.kind == "sentence")
    extended = with_spanish(tokenizer, *(word_weights(tokenizer, texts) for texts in by_source(sentences)))
    extended.save(str(work / "tokenizer.json"))
    known = teacher.embeddings.word_embeddings.weight.detach().cpu().numpy()
    np.save(work / "embeddings.npy", first_embeddings(known, extended, english, spanish, teacher=tokenizer))
    print("vocabulary", extended.get_vocab_size(), flush=True)
    np.save(work / "targets.npy", vectors(teacher, tokenizer, [pair.english for pair in pairs]))


def read_prepared(work: Path) -> list[Pair]:
    with (work / "pairs.jsonl").open(encoding="utf-8") as lines:
        return [Pair(*json.loads(line)) for line in lines]


def student_of(work: Path) -> Any:
    """The teacher with the pieces for Spanish."""
    student = read_transformer(locate(TEACHER))
    embeddings = torch.from_numpy(np.load(work / "embeddings.npy"))
    student.resize_token_embeddings(len(embeddings), mean_resizing=False)
    student.embeddings.word_embeddings.weight.data.copy_(embeddings)
    return student


def examples_of(work: Path, seed: int) -> Examples:
    pairs = read_prepared(work)
    chance = random.Random(seed)
    english = [number for number in range(len(pairs)) if chance.random() < ENGLISH_SHARE]
    texts = [pair.spanish for pair in pairs] + [pairs[number].english for number in english]
    rows = np.concatenate([np.arange(len(pairs)), np.array(english, np.int64)])
    return Examples(token_ids(read_tokenizer(work), texts), rows, np.load(work / "targets.npy"), shares_of(work))


def shares_of(work: Path) -> Floats:
    """How much each piece learns: how much of its use in the sentences is in Spanish."""
    pairs = [pair for pair in read_prepared(work) if pair.kind == "sentence"]
    return spanish_shares(read_tokenizer(work), [pair.english for pair in pairs], [pair.spanish for pair in pairs])


def draw_back(student: Any, work: Path) -> None:
    """Each piece that the teacher has back towards where it was: of what it learnt it keeps the square of its share in
    Spanish. English comes near to the teacher's again, and Spanish loses little."""
    teacher, places = read_transformer(locate(TEACHER)), read_tokenizer(locate(TEACHER)).get_vocab()
    known = [(place, places[piece]) for piece, place in read_tokenizer(work).get_vocab().items() if piece in places]
    here, there = (torch.tensor(column, device=device()) for column in zip(*known, strict=True))
    shares = torch.from_numpy(shares_of(work) ** 2).to(device())[here, None]
    pieces = student.embeddings.word_embeddings.weight.data
    pieces[here] = shares * pieces[here] + (1 - shares) * teacher.embeddings.word_embeddings.weight.data[there]


def save(student: Any, work: Path, out: Path) -> None:
    """As a folder that sentence-transformers reads."""
    out.mkdir(parents=True, exist_ok=True)
    teacher = locate(TEACHER)
    for name in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json", "tokenizer_config.json"):
        (out / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(teacher / name, out / name)
    copy.deepcopy(student).half().save_pretrained(out, safe_serialization=True)
    shutil.copyfile(work / "tokenizer.json", out / "tokenizer.json")


def package(student: Path, out: Path) -> None:
    """What is shipped: the student's folder with a graph that reads the same weights."""
    shutil.copytree(student, out, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        export(out, whole, "mean", "int8")
        share_weights(whole, out / "model.safetensors", out / "model_int8.onnx")
