"""Trains the student: an English text and its translation are to land where the teacher puts the English one.

After Reimers and Gurevych 2020 (arXiv 2004.09813), with two terms: the distance from the teacher's vector, and how well
the vector finds the teacher's among those of others (InfoNCE, arXiv 1807.03748) -- the second is what a search needs.

Only the embeddings of pieces learn, each by how much of its use is in Spanish: the layers stay the teacher's. They lost
what makes a question like its passage when they learnt too, and Spanish gained nothing by it. A quarter of the texts
finds as much as all (docs/LOG.md).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.embedder.encoder import batches, device, encode, padded

TEMPERATURE = 0.05
OTHERS = 4096  # teacher's vectors of other texts that a vector is told apart from
REPORT, KEEP = 50, 1000  # steps


@dataclass(frozen=True)
class Schedule:
    """How much is learnt from what. `rate` is the highest: it rises over `warm_up` and falls to nothing in a line."""

    rate: float = 1e-3
    warm_up: float = 0.05  # share of the steps
    contrast: float = 0.2  # weight of telling apart, beside the distance
    share: float = 0.25  # of the texts that are gone through


@dataclass(frozen=True)
class Examples:
    """Texts as token ids, and the row of `targets`, the teacher's vectors, that each is to have. `shares`, (pieces,):
    how much of its way each piece goes, 0 to 1."""

    texts: Sequence[NDArray[np.int32]]
    rows: NDArray[np.int64]
    targets: NDArray[np.float16]
    shares: NDArray[np.float32]


def train(
    transformer: Any, examples: Examples, schedule: Schedule, seed: int, keep: Callable[[], None] = lambda: None
) -> None:
    """Trains in place. `keep` is called now and then, so that a run that is stopped leaves something."""
    plan = batches(examples.texts, seed)
    plan = plan[: round(len(plan) * schedule.share)]
    pieces = transformer.embeddings.word_embeddings.weight
    transformer.requires_grad_(False)
    pieces.requires_grad_(True)
    optimizer = torch.optim.AdamW([pieces], schedule.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, len(plan), schedule.warm_up))
    targets = torch.from_numpy(examples.targets)
    shares = torch.from_numpy(examples.shares).to(device())[:, None]
    chance = torch.Generator().manual_seed(seed)
    transformer.eval()  # no dropout: the teacher's vectors are what a text means, not labels to be wary of
    started, tokens = time.monotonic(), 0
    seen: list[tuple[float, float]] = []
    for step, (length, numbers) in enumerate(plan, 1):
        found = encode(transformer, *padded((examples.texts[number] for number in numbers), length, len(numbers)))
        wanted = targets[examples.rows[numbers]].to(device()).float()
        others = targets[torch.randint(len(targets), (OTHERS,), generator=chance)].to(device()).float()
        distance = 1 - (found * wanted).sum(-1).mean()
        apart = _told_apart(found, wanted, others)
        optimizer.zero_grad()
        loss: Any = distance + schedule.contrast * apart
        loss.backward()
        before = pieces.detach().clone()
        optimizer.step()
        rates.step()
        pieces.data = before + shares * (pieces.data - before)
        tokens += length * len(numbers)
        seen.append((distance.item(), apart.item()))
        if step % REPORT == 0 or step == len(plan):
            far, mixed = np.mean(seen[-REPORT:], 0)
            speed = tokens / (time.monotonic() - started)
            print(f"{step}/{len(plan)}: distance {far:.4f}, told apart {mixed:.4f}; {speed:,.0f} tokens/s", flush=True)
        if step % KEEP == 0:
            keep()


def _told_apart(found: torch.Tensor, wanted: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """InfoNCE over the batch's own and the others. An other that is the wanted one itself does not count."""
    vectors = torch.cat([wanted, others])
    scores = found @ vectors.T / TEMPERATURE  # (B, B + OTHERS)
    same = wanted @ vectors.T > 0.999
    same[torch.arange(len(found)), torch.arange(len(found))] = False
    scores = scores.masked_fill(same, -torch.inf)
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(found), device=found.device))


def _share(step: int, steps: int, warm_up: float) -> float:
    warm = max(1, round(steps * warm_up))
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / (steps - warm))
