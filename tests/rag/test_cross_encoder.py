"""A cross-encoder folder reorders what it reads, beside the late features; a wrong folder says what is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from errors import UsageError
from ingest.fulltext import Term
from rag.cross_encoder import NAME, CrossEncoderReranker, FolderScorer
from rag.rerank import Candidate, LateFeatures
from tests.fakes import LEASE

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "notice", "period", "dogs", "bark", "the", "a"]
TERMS = [Term("notice", ("notic",), 1.0, 1)]


def model_folder(folder: Path, labels: int = 1) -> Path:
    """A BERT of random weights (seeded) with a vocabulary of a few words."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(1)
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, num_labels=labels, initializer_range=1.0,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def candidates(*texts: str) -> list[Candidate]:
    return [Candidate(replace(LEASE, text=text, headings=()), "known", 0.5, 0.5, 0.5, 0.5, 0.5) for text in texts]


def test_the_model_scores_what_it_reads_and_leaves_the_rest(tmp_path: Path) -> None:
    plain = LateFeatures()
    reranker = CrossEncoderReranker(FolderScorer(model_folder(tmp_path / "model")), plain, best=3, weight=0.5)
    passages = candidates("the notice", "a period", "dogs bark", "bark")
    found = reranker.features("notice", TERMS, passages)
    gained = [features.get(NAME) for features in found]
    assert gained[3] is None
    assert sorted(score for score in gained if score is not None)[::2] == [0, 0.5]  # worst and best of the three
    without = [{name: value for name, value in features.items() if name != NAME} for features in found]
    assert without == plain.features("notice", TERMS, passages)
    assert reranker.features("notice", TERMS, passages) == found
    assert reranker.features("notice", TERMS, []) == []


def test_a_folder_without_a_model_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cross-encoder") as error:
        FolderScorer(tmp_path).scores("notice", ["the notice"])
    assert "rerank.model" in error.value.hint
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="cannot be loaded"):
        FolderScorer(tmp_path).scores("notice", ["the notice"])


def test_a_model_of_several_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gives 3 scores"):
        FolderScorer(model_folder(tmp_path / "model", labels=3)).scores("notice", ["the notice"])
