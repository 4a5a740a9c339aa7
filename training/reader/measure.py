"""How well a reader tells what a paragraph answers from what only looks so: SQuAD 2.0's questions, of the articles that
it did not learn from, with their own paragraphs."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rag.windows import windows
from training.reader.examples import Example
from training.reader.model import ReaderModel, batch_of, tokens_of
from training.reader.texts import Asked

SIDE_BY_SIDE = 32


@torch.no_grad()
def log_odds(model: ReaderModel, tokenizer: Any, asked: Sequence[Asked]) -> NDArray[np.float64]:
    """Of there being an answer in each one's paragraph: that of its likeliest window."""
    rows = [
        (len(tokens.ids), number, tokens)
        for number, one in enumerate(asked)
        for start, end in windows(one.paragraph)
        if (tokens := tokens_of(tokenizer, Example(one.question, one.paragraph[start:end])))
    ]
    rows.sort(key=lambda row: row[0])
    found = np.full(len(asked), -np.inf)
    model.eval()
    for start in range(0, len(rows), SIDE_BY_SIDE):
        part = rows[start : start + SIDE_BY_SIDE]
        *_, answers = model(batch_of([tokens for *_, tokens in part], -(-part[-1][0] // 16) * 16))
        np.maximum.at(found, [number for _, number, _ in part], answers.double().cpu().numpy())
    model.train()
    return found


def auc(answered: NDArray[np.float64], unanswered: NDArray[np.float64]) -> float:
    """How often what is answered gets more than what is not; .5 by chance."""
    more = answered[:, None] > unanswered
    same = answered[:, None] == unanswered
    return float((more + 0.5 * same).mean())


def measured(model: ReaderModel, tokenizer: Any, asked: Sequence[Asked], most: int = 500) -> str:
    """By language, over at most so many questions of each."""
    said = []
    for language in sorted({one.language for one in asked}):
        own = [one for one in asked if one.language == language]
        own = random.Random(0).sample(own, min(most, len(own)))
        odds, there = log_odds(model, tokenizer, own), np.array([bool(one.answers) for one in own])
        said.append(f"{language} {auc(odds[there], odds[~there]):.3f}")
    return ", ".join(said)
