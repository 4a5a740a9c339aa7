"""The student's files, and the way back towards its teacher."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_embedder import write_tiny_embedder
from training.embedder import student
from training.embedder.encoder import read_transformer
from training.embedder.pairs import evaluation_texts
from training.embedder.student import drawn_back, examples_of, package

WORDS = "embeddings.word_embeddings.weight"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A teacher and a student of other weights."""
    for seed, name in enumerate(("teacher", "student")):
        write_tiny_embedder(tmp_path / name, seed=seed, dimensions=64)
    monkeypatch.setattr(student, "locate", lambda _: tmp_path / "teacher")
    return tmp_path / "teacher", tmp_path / "student"


def test_layers_come_to_lie_between_and_pieces_stay(folders: tuple[Path, Path]) -> None:
    teacher, before = (read_transformer(folder).state_dict() for folder in folders)
    drawn = drawn_back(read_transformer(folders[1]), read_transformer(folders[0]), 0.25).state_dict()
    assert drawn[WORDS].equal(before[WORDS])
    for name in drawn.keys() - {WORDS}:
        if drawn[name].is_floating_point():
            assert drawn[name].numpy() == pytest.approx(
                0.25 * before[name].numpy() + 0.75 * teacher[name].numpy(), abs=1e-6
            )


def test_what_is_shipped_can_be_read_and_is_in_float16(folders: tuple[Path, Path], tmp_path: Path) -> None:
    package(folders[1], tmp_path / "out", 0.5)
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "model_int8.onnx", "modules.json", "tokenizer.json", "config.json"} <= files
    assert read_transformer(tmp_path / "out").config.hidden_size == 64
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "out", folders[1])]
    assert sizes[0] < 0.6 * sizes[1]


def test_all_spanish_texts_and_a_share_of_the_english_are_trained_on_with_the_same_targets(
    folders: tuple[Path, Path],
) -> None:
    work = folders[0]
    pairs = [[f"english {'a' * number}", f"spanish {'b' * number}", "tatoeba", "sentence"] for number in range(20)]
    (work / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    np.save(work / "targets.npy", np.zeros((20, 64), np.float16))
    examples = examples_of(work, 0)
    assert examples.rows[:20].tolist() == list(range(20))
    english = examples.rows[20:]
    assert 0 < len(english) < 15
    assert len(examples.texts) == len(examples.rows)
    lengths = [len(examples.texts[number]) for number in range(20)]
    assert [len(text) for text in examples.texts[20:]] == [lengths[row] for row in english]


def test_both_sides_of_the_evaluation_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "eval_one.tsv").write_text("Good morning.\tBuenos días.\nA dog.\tUn perro.\n")
    (tmp_path / "all_train.tsv").write_text("Yes.\tSí.\n")
    assert evaluation_texts(tmp_path) == ["Good morning.", "Buenos días.", "A dog.", "Un perro."]
