"""Trains the reader: first mostly on questions made by rule, of which there is no end, then on those of people."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.reader.examples import Example, Texts, by_rule, of_people
from training.reader.model import Batch, ReaderModel, batches, tokens_of

REPORT, KEEP = 50, 500  # steps


@dataclass(frozen=True)
class Schedule:
    """`rate` is the highest: it rises over `warm_up` steps, and falls in a line over the last `falling` of all.
    `by_rule`: the share of questions made by rule at first, which falls in a line to `by_rule_last` at three quarters
    of the way."""

    steps: int = 2600
    rate: float = 1.5e-4
    warm_up: int = 60
    falling: float = 0.6
    by_rule: float = 0.8
    by_rule_last: float = 0.15

    def rate_at(self, step: int) -> float:
        left = 1 - step / self.steps
        return self.rate * min(1.0, (step + 1) / self.warm_up) * min(1.0, max(0.02, left / self.falling))

    def by_rule_at(self, step: int) -> float:
        return self.by_rule + (self.by_rule_last - self.by_rule) * min(1.0, step / self.steps / 0.75)


def train(
    model: ReaderModel, tokenizer: Any, texts: Texts, schedule: Schedule, seed: int, keep: Callable[[int], None]
) -> None:
    """Trains in place; `keep` is called with the step now and then, and in the end."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, schedule.rate, betas=(0.9, 0.98), weight_decay=0.01)
    model.train()
    started, losses = time.monotonic(), list[float]()
    step = 0

    def rows() -> Iterator[Example | None]:
        while True:
            make = by_rule if chance.random() < schedule.by_rule_at(step) else of_people
            yield make(texts, chance)

    read = (tokens_of(tokenizer, example) if example else None for example in rows())
    for step, batch in enumerate(islice(batches(read), schedule.steps)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        loss = loss_of(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % REPORT == 0:
            minutes = (time.monotonic() - started) / 60
            print(f"{step + 1}/{schedule.steps}: loss {np.mean(losses[-REPORT:]):.3f}; {minutes:.1f} min", flush=True)
        if (step + 1) % KEEP == 0 or step + 1 == schedule.steps:
            keep(step + 1)


def loss_of(model: ReaderModel, batch: Batch) -> torch.Tensor:
    """Cross-entropy of the answer's first and last token, the mean of both, and of there being an answer."""
    first, last, answers = model(batch)
    spans = functional.cross_entropy(first, batch.first) + functional.cross_entropy(last, batch.last)
    return spans / 2 + functional.binary_cross_entropy_with_logits(answers, (batch.first > 0).float())
