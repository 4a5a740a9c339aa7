"""The reader while it learns, and what is shipped of it."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer

from ingest.embed import read_tokenizer
from ingest.weights import mapped, weights_in
from rag.reader import QUESTION_TOKENS, TOKENS
from tests.tiny_embedder import write_tiny_embedder
from training.reader.examples import Example, Texts
from training.reader.measure import auc, measured
from training.reader.model import FAR, ReaderModel, batch_of, batches, tokens_of
from training.reader.package import package
from training.reader.texts import Asked, Lines
from training.reader.train import Schedule, loss_of, train

EXAMPLE = Example("ab cd", "ef ghi ab.", (3, 6))
DIMENSIONS = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedder") / "tiny"
    write_tiny_embedder(folder, dimensions=DIMENSIONS)
    return folder


@pytest.fixture
def tokenizer(folder: Path) -> Tokenizer:
    found: Tokenizer = read_tokenizer(folder)
    return found


@pytest.fixture
def model(folder: Path) -> ReaderModel:
    torch.manual_seed(0)
    return ReaderModel(folder)


def test_an_answer_s_tokens_are_those_of_its_characters(tokenizer: Tokenizer) -> None:
    tokens = tokens_of(tokenizer, EXAMPLE)
    assert tokens is not None
    own = [tokenizer.id_to_token(number) for number in tokens.ids[tokens.first : tokens.last + 1]]
    assert own == ["g", "##h", "##i"]
    assert tokens.types == [0] * 6 + [1] * (len(tokens.ids) - 6)


def test_what_is_too_long_is_cut_and_an_answer_after_the_cut_makes_no_example(tokenizer: Tokenizer) -> None:
    long = "a" * 99 + " " + "b " * 300
    tokens = tokens_of(tokenizer, Example(long, long))
    assert tokens is not None
    assert len(tokens.ids) == TOKENS
    assert tokens.types.index(1) == QUESTION_TOKENS + 2
    assert tokens_of(tokenizer, Example("a", long, (len(long) - 2, len(long) - 1))) is None


def test_batches_are_of_one_length_and_lose_nothing_but_the_last_ones(tokenizer: Tokenizer) -> None:
    row = tokens_of(tokenizer, EXAMPLE)
    found = list(batches([row, None] * 150))
    assert [batch.ids.shape for batch in found] == [(64, 64), (64, 64)]
    assert all((batch.first == row.first).all() for batch in found if row)


def test_an_answer_begins_in_the_window_or_nowhere(model: ReaderModel, tokenizer: Tokenizer) -> None:
    tokens = tokens_of(tokenizer, EXAMPLE)
    assert tokens is not None
    first, last, answers = model(batch_of([tokens], 64))
    assert answers.shape == (1,)
    for scores in (first, last):
        assert (scores[0, 1:6] == FAR).all()
        assert (scores[0, [0, *range(6, len(tokens.ids))]] > FAR).all()
        assert (scores[0, len(tokens.ids) :] == FAR).all()


def test_it_learns(model: ReaderModel, tokenizer: Tokenizer) -> None:
    text = "Bo had 12 eggs. Dan ate."
    asked = [
        Asked("how many had Bo", "en", text, ((text.index("12"), "12"),), "x"),
        Asked("who is Gus", "en", text, (), "x"),
    ]
    texts = Texts(asked, [Lines(("Bo had 12 in Fez.", "So."), ("Bo tuvo 12.", "Y."))], {"en": {}, "es": {}})
    pair = [tokens for one in (Example("how many had Bo", text, (7, 9)), Example("who is Gus", text))
            if (tokens := tokens_of(tokenizer, one))]  # fmt: skip
    batch, kept = batch_of(pair, 64), []
    before = loss_of(model.eval(), batch).item()
    train(model, tokenizer, texts, Schedule(steps=20, rate=3e-3, warm_up=2), 0, kept.append)
    assert loss_of(model.eval(), batch).item() < 0.8 * before
    assert kept == [20]
    assert "en " in measured(model, tokenizer, asked)
    assert model.transformer.embeddings.word_embeddings.weight.grad is None


def test_the_rate_rises_and_falls_and_questions_of_people_become_more() -> None:
    schedule = Schedule(steps=1000)
    rates = [schedule.rate_at(step) for step in range(1000)]
    assert max(rates) == rates[schedule.warm_up] == schedule.rate
    assert rates[0] < rates[30] < rates[60]
    assert rates[390] == schedule.rate > rates[500] > rates[999]
    assert [schedule.by_rule_at(step) for step in (0, 750, 999)] == pytest.approx([0.8, 0.15, 0.15])


def test_auc_is_how_often_the_answered_one_has_more() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([1.0])) == 1.0
    assert auc(np.array([2.0, 0.0]), np.array([1.0, 0.0])) == pytest.approx(0.625)


def test_what_is_shipped_reads_as_what_has_learnt(model: ReaderModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
    row = tokens_of(tokenizer, EXAMPLE)
    assert row is not None
    first, last, answers = (scores.detach().numpy() for scores in model.eval()(batch_of([row], len(row.ids))))
    package(model, tmp_path)
    weights = weights_in(tmp_path / "model.safetensors")
    assert not any("word_embeddings" in name for name in weights)
    session = onnxruntime.InferenceSession(tmp_path / "model_int8.onnx", providers=["CPUExecutionProvider"])
    pieces = model.transformer.embeddings.word_embeddings.weight.detach().numpy()
    given = {"embedded": pieces[list(row.ids)][None], "types": np.array([row.types])}
    hidden = session.run(None, given)[0][0]
    heads, bias = (mapped(tmp_path / "model.safetensors", f"heads.{name}") for name in ("weight", "bias"))
    scores = hidden @ heads.astype(np.float32).T + bias
    own = [0, *range(6, len(row.ids))]
    assert scores[own, 0] == pytest.approx(first[0, own], abs=0.05)
    assert scores[own, 1] == pytest.approx(last[0, own], abs=0.05)
    assert scores[0, 2] == pytest.approx(answers[0], abs=0.05)
    whole = sum(weight.length for weight in weights.values())
    assert (tmp_path / "model_int8.onnx").stat().st_size < whole
