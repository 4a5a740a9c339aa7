"""An entailment model's folder is read by its labels; a wrong folder says what is wrong."""

import json
from pathlib import Path

import pytest

from errors import UsageError
from rag.entail import FolderEntailment, Labels, read_labels
from tests.rag.test_cross_encoder import model_folder

PAIRS = [("the notice period", "dogs bark"), ("a period", "the notice"), ("dogs bark", "dogs bark")]


def labelled(folder: Path, *labels: str) -> FolderEntailment:
    """A model of random weights with these labels."""
    model_folder(folder, len(labels))
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(number): label for number, label in enumerate(labels)}
    config["label2id"] = {label: number for number, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(config))
    return FolderEntailment(folder)


def test_the_labels_say_which_score_is_which(tmp_path: Path) -> None:
    """The same weights (seeded) under two orders of the labels."""
    one = labelled(tmp_path / "one", "contradiction", "entailment", "neutral").judge(PAIRS)
    other = labelled(tmp_path / "other", "ENTAILMENT", "CONTRADICTION", "NEUTRAL").judge(PAIRS)
    assert [(j.entailed, j.contradicted) for j in one] == [(j.contradicted, j.entailed) for j in other]
    assert all(min(j.entailed, j.contradicted) > 0 and j.entailed + j.contradicted < 1 for j in one)
    assert len({j.entailed for j in one}) == 3  # it reads both


def test_a_model_of_two_nameless_labels_says_supported_by_the_second(tmp_path: Path) -> None:
    named = labelled(tmp_path / "named", "refuted", "supported").judge(PAIRS)
    nameless = labelled(tmp_path / "nameless", "LABEL_0", "LABEL_1").judge(PAIRS)
    assert [j.entailed for j in nameless] == [j.entailed for j in named]
    assert [j.contradicted for j in nameless] == [0.0] * 3


def test_a_model_of_one_label_gives_a_probability(tmp_path: Path) -> None:
    assert all(0 < j.entailed < 1 for j in labelled(tmp_path / "one", "LABEL_0").judge(PAIRS))


def test_a_model_that_says_nothing_of_entailment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only joy, anger") as error:
        labelled(tmp_path / "moods", "joy", "anger").judge(PAIRS)
    assert "verify.model" in error.value.hint
    assert read_labels({0: "not_entailment", 1: "entailment"}, tmp_path) == Labels(1)


def test_a_folder_without_a_model_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no entailment model") as error:
        FolderEntailment(tmp_path).judge(PAIRS)
    assert "verify.model" in error.value.hint
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="cannot be loaded"):
        FolderEntailment(tmp_path).judge(PAIRS)
    assert FolderEntailment(tmp_path / "none").judge([]) == []
