"""The student's files: what is prepared of it, what it learns from, what is shipped."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ingest.embed import read_tokenizer
from tests.tiny_embedder import write_tiny_embedder
from training.embedder import student
from training.embedder.encoder import read_transformer
from training.embedder.pairs import evaluation_texts
from training.embedder.student import draw_back, examples_of, package, save, shares_of


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


def test_all_spanish_texts_and_a_share_of_the_english_are_trained_on_with_the_same_targets(
    folders: tuple[Path, Path],
) -> None:
    work = folders[0]
    pairs = [[f"english {'a' * (n % 20)}", f"spanish {'b' * (n % 20)}", "tatoeba", "sentence"] for n in range(200)]
    (work / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    np.save(work / "targets.npy", np.zeros((200, 64), np.float16))
    examples = examples_of(work, 0)
    assert examples.rows[:200].tolist() == list(range(200))
    english = examples.rows[200:]
    assert 15 < len(english) < 50
    assert len(examples.texts) == len(examples.rows)
    lengths = [len(examples.texts[number]) for number in range(200)]
    assert [len(text) for text in examples.texts[200:]] == [lengths[row] for row in english]


def test_a_piece_s_share_is_how_much_of_its_use_is_in_spanish(folders: tuple[Path, Path]) -> None:
    pairs = [["a b", "b c", "tatoeba", "sentence"], ["a d", "c d", "tatoeba", "sentence"], ["e", "f", "x", "passage"]]
    (folders[0] / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    shares, places = shares_of(folders[0]), read_tokenizer(folders[0]).get_vocab()
    assert shares.shape == (len(places),)
    assert {letter: float(shares[places[letter]]) for letter in "abcdef"} == {
        "a": 0.0, "b": 0.5, "c": 1.0, "d": 0.5, "e": 0.0, "f": 0.0,
    }  # fmt: skip


def test_in_the_end_each_piece_goes_back_the_further_the_more_english_uses_it(folders: tuple[Path, Path]) -> None:
    teacher, work = folders
    described = json.loads((work / "tokenizer.json").read_text())
    described["model"]["vocab"]["casa"] = len(described["model"]["vocab"])
    (work / "tokenizer.json").write_text(json.dumps(described))
    pairs = [["a b", "b c casa", "tatoeba", "sentence"], ["a d casa", "c d", "tatoeba", "sentence"]]
    (work / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    trained, known = read_transformer(work), read_transformer(teacher).embeddings.word_embeddings.weight.detach()
    trained.resize_token_embeddings(len(described["model"]["vocab"]))
    before = trained.embeddings.word_embeddings.weight.detach().clone()
    draw_back(trained, work)
    after, places = trained.embeddings.word_embeddings.weight.detach(), read_tokenizer(work).get_vocab()
    for piece, share in (("a", 0.0), ("b", 0.25), ("c", 1.0)):
        place = places[piece]
        assert torch.allclose(after[place], share * before[place] + (1 - share) * known[place]), piece
    assert torch.equal(after[places["casa"]], before[places["casa"]])  # that the teacher has not


def test_both_sides_of_the_evaluation_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "eval_one.tsv").write_text("Good morning.\tBuenos días.\nA dog.\tUn perro.\n")
    (tmp_path / "all_train.tsv").write_text("Yes.\tSí.\n")
    assert evaluation_texts(tmp_path) == ["Good morning.", "Buenos días.", "A dog.", "Un perro."]
