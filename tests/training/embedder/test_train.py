"""Batches of few shapes, and a student that comes to lie where the teacher puts the translation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ingest.embed import read_tokenizer
from tests.tiny_embedder import write_tiny_embedder
from training.embedder import encoder
from training.embedder.encoder import (
    BATCH_TOKENS,
    LENGTHS,
    batches,
    read_transformer,
    token_ids,
    vectors,
)
from training.embedder.train import Examples, Schedule, train

ENGLISH = ["house", "dog", "red car", "blue sky", "deep water", "long road", "old tree", "small town"]
TARGETS = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0][:8].astype(np.float16)
SPANISH = ["casa", "perro", "coche rojo", "cielo azul", "agua honda", "camino largo", "arbol viejo", "pueblo menor"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny_embedder(tmp_path / "model")
    return tmp_path / "model"


@given(st.lists(st.integers(1, LENGTHS[-1]), max_size=80))
def test_each_text_is_in_one_batch_whose_length_holds_it(lengths: list[int]) -> None:
    texts = [np.zeros(length, np.int32) for length in lengths]
    found = batches(texts)
    assert sorted(number for _, numbers in found for number in numbers) == list(range(len(texts)))
    assert all(len(texts[number]) <= length for length, numbers in found for number in numbers)


@given(st.integers(0, 3))
def test_batches_of_a_seed_have_one_shape_a_length_and_come_again(seed: int) -> None:
    texts = [np.zeros(1 + number % 200, np.int32) for number in range(3_000)]
    found = batches(texts, seed)
    assert all(len(numbers) == BATCH_TOKENS // length for length, numbers in found)
    assert found == batches(texts, seed)
    assert found != batches(texts, seed + 1)


def test_a_text_has_the_same_vector_alone_and_among_others(folder: Path) -> None:
    transformer, tokenizer = read_transformer(folder), read_tokenizer(folder)
    together = vectors(transformer, tokenizer, [*ENGLISH, "a" * 30])
    alone = np.concatenate([vectors(transformer, tokenizer, [text]) for text in ENGLISH])
    assert together[: len(ENGLISH)] == pytest.approx(alone, abs=0.02)  # bfloat16
    assert np.linalg.norm(together.astype(np.float32), axis=1) == pytest.approx(1, abs=0.01)


def test_a_text_over_the_window_is_cut_before_its_closing_token(folder: Path) -> None:
    tokenizer = read_tokenizer(folder)
    (ids,) = token_ids(tokenizer, ["a" * 90 + " " + "b c " * 200])
    assert len(ids) == LENGTHS[-1]
    assert ids[-1] == tokenizer.token_to_id("[SEP]")


def trained(folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float16]:
    """The vectors of the Spanish texts after training towards TARGETS."""
    monkeypatch.setattr(encoder, "BATCH_TOKENS", 64)
    monkeypatch.setattr("training.embedder.train.OTHERS", 4)
    tokenizer, student = read_tokenizer(folder), read_transformer(folder)
    texts = token_ids(tokenizer, SPANISH * 300)
    shares = np.ones(tokenizer.get_vocab_size(), np.float32)
    examples = Examples(texts, np.arange(len(texts)) % len(SPANISH), TARGETS, shares)
    train(student, examples, Schedule(rate=5e-2, share=1), seed)
    return vectors(student, tokenizer, SPANISH)


def test_the_student_comes_to_its_targets_and_a_seed_repeats_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = vectors(read_transformer(folder), read_tokenizer(folder), SPANISH).astype(np.float32)
    found, wanted = trained(folder, 0, monkeypatch), TARGETS.astype(np.float32)
    assert ((found @ wanted.T).argmax(1) == np.arange(len(SPANISH))).all()
    assert (found * wanted).sum(1).mean() > (before * wanted).sum(1).mean() + 0.5
    assert np.array_equal(found, trained(folder, 0, monkeypatch))


def test_layers_stay_the_teacher_s_and_each_piece_goes_its_share(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "BATCH_TOKENS", 64)
    monkeypatch.setattr("training.embedder.train.OTHERS", 4)
    tokenizer, student, teacher = read_tokenizer(folder), read_transformer(folder), read_transformer(folder)
    texts = token_ids(tokenizer, SPANISH * 20)
    shares = np.zeros(tokenizer.get_vocab_size(), np.float32)
    shares[tokenizer.token_to_id("##a")] = 1
    train(student, Examples(texts, np.arange(len(texts)) % len(SPANISH), TARGETS, shares), Schedule(), 0)
    before, after = teacher.state_dict(), student.state_dict()
    words = "embeddings.word_embeddings.weight"
    assert all(after[name].equal(before[name]) for name in before.keys() - {words})
    moved = (after[words] != before[words]).any(1).nonzero().flatten().tolist()
    assert moved == [tokenizer.token_to_id("##a")]


def test_a_run_that_is_stopped_leaves_what_it_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "BATCH_TOKENS", 32)
    monkeypatch.setattr("training.embedder.train.KEEP", 5)
    tokenizer = read_tokenizer(folder)
    texts = token_ids(tokenizer, SPANISH * 10)
    targets = vectors(read_transformer(folder), tokenizer, ENGLISH)
    student, kept = read_transformer(folder), []
    shares = np.ones(tokenizer.get_vocab_size(), np.float32)
    examples = Examples(texts, np.arange(len(texts)) % len(SPANISH), targets, shares)

    def keep() -> None:
        kept.append(student.embeddings.word_embeddings.weight.detach().clone())
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(student, examples, Schedule(share=1), 0, keep)
    assert not torch.equal(*kept)
