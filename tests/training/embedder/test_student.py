"""The student's files: what is prepared of it, what it learns from, what is shipped."""

import json
from pathlib import Path

import numpy as np
import pytest

from ingest.embed import read_tokenizer
from tests.tiny_embedder import write_tiny_embedder
from training.embedder import student
from training.embedder.encoder import read_transformer
from training.embedder.pairs import evaluation_texts
from training.embedder.student import examples_of, learning_pieces, package, save


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A teacher and a student of other weights."""
    for seed, name in enumerate(("teacher", "student")):
        write_tiny_embedder(tmp_path / name, seed=seed, dimensions=64)
    monkeypatch.setattr(student, "locate", lambda _: tmp_path / "teacher")
    return tmp_path / "teacher", tmp_path / "student"


def test_what_is_shipped_can_be_read_and_is_in_float16(folders: tuple[Path, Path], tmp_path: Path) -> None:
    save(read_transformer(folders[1]), folders[1], tmp_path / "saved")
    package(tmp_path / "saved", tmp_path / "out")
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "model_int8.onnx", "modules.json", "tokenizer.json", "config.json"} <= files
    assert read_transformer(tmp_path / "out").config.hidden_size == 64
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "out", folders[1])]
    assert sizes[0] < 0.6 * sizes[1]


def test_each_spanish_text_is_trained_on_with_the_vector_of_its_english(folders: tuple[Path, Path]) -> None:
    work = folders[0]
    pairs = [["one", "a b", "tatoeba", "sentence"], ["two", "c", "tatoeba", "sentence"], ["three", "d", "x", "passage"]]
    (work / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    targets = np.arange(3 * 64, dtype=np.float16).reshape(3, 64)
    np.save(work / "targets.npy", targets)
    examples = examples_of(work)
    tokenizer = read_tokenizer(work)
    assert [tokenizer.decode(text.tolist()) for text in examples.texts] == ["a b", "c", "d"]
    assert np.array_equal(examples.targets, targets)
    assert np.array_equal(examples.learning, learning_pieces(work))


def test_what_english_uses_does_not_learn(folders: tuple[Path, Path]) -> None:
    work, teacher = folders[1], folders[0]
    pairs = [["a b", "b c", "tatoeba", "sentence"]] * 999 + [
        ["a d c", "c d", "tatoeba", "sentence"],
        ["e", "f", "x", "passage"],
    ]
    (work / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    described = json.loads((work / "tokenizer.json").read_text())
    described["model"]["vocab"]["casa"] = len(described["model"]["vocab"])
    (work / "tokenizer.json").write_text(json.dumps(described))
    places = read_tokenizer(work).get_vocab()
    assert set(read_tokenizer(teacher).get_vocab()) == set(places) - {"casa"}
    learning = learning_pieces(work)
    assert learning.shape == (len(places),)
    assert {piece for piece, place in places.items() if learning[place]} == {
        "c",
        "casa",
    }  # "c": 1,000 uses of 1,001 in Spanish


def test_both_sides_of_the_evaluation_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "eval_one.tsv").write_text("Good morning.\tBuenos días.\nA dog.\tUn perro.\n")
    (tmp_path / "all_train.tsv").write_text("Yes.\tSí.\n")
    assert evaluation_texts(tmp_path) == ["Good morning.", "Buenos días.", "A dog.", "Un perro."]
