"""The reader while it learns: the embedder's BERT with three heads, and examples as batches of token ids."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rag.reader import TOKENS, lay
from training.embedder.encoder import device, read_transformer
from training.reader.examples import Example

LENGTHS = (64, 96, 128, TOKENS)
BATCH_TOKENS = 4096
FAR = -1e4


@dataclass(frozen=True, slots=True)
class Tokens:
    """An example as the reader sees it: `types` 0 for the question, 1 for the window; the answer's first and last
    token, 0 where there is none."""

    ids: Sequence[int]
    types: Sequence[int]
    first: int
    last: int


def tokens_of(tokenizer: Any, example: Example) -> Tokens | None:
    """None if the answer lies after what there is room for."""
    laid = lay(tokenizer, example.question, example.window)
    if not example.answer:
        return Tokens(laid.ids, laid.types, 0, 0)
    start, end = example.answer
    own = [laid.start + n for n, (a, b) in enumerate(laid.offsets) if a < end and b > start]
    return Tokens(laid.ids, laid.types, own[0], own[-1]) if own else None


@dataclass(frozen=True)
class Batch:
    """(B, T) each but `first` and `last`, (B,)."""

    ids: torch.Tensor
    mask: torch.Tensor
    types: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor


def batch_of(rows: Sequence[Tokens], length: int) -> Batch:
    ids, mask, types = (torch.zeros(len(rows), length, dtype=torch.int64) for _ in range(3))
    for n, row in enumerate(rows):
        size = len(row.ids)
        ids[n, :size], types[n, :size], mask[n, :size] = torch.tensor(row.ids), torch.tensor(row.types), 1
    first, last = (torch.tensor([getattr(row, name) for row in rows]) for name in ("first", "last"))
    here = device()
    return Batch(ids.to(here), mask.to(here), types.to(here), first.to(here), last.to(here))


def batches(rows: Iterable[Tokens | None]) -> Iterator[Batch]:
    """Batches of one length each, as soon as there are enough rows of it."""
    waiting: dict[int, list[Tokens]] = {length: [] for length in LENGTHS}
    for row in rows:
        if row:
            length = next(length for length in LENGTHS if len(row.ids) <= length)
            waiting[length].append(row)
            if len(waiting[length]) == BATCH_TOKENS // length:
                yield batch_of(waiting[length], length)
                waiting[length] = []


class ReaderModel(torch.nn.Module):
    """BERT over question and window, and heads over its states: where an answer starts and ends (Devlin et al. 2019,
    arXiv 1810.04805: the first token stands for none), and whether there is one."""

    def __init__(self, embedder: Path) -> None:
        super().__init__()
        self.transformer = read_transformer(embedder)
        self.heads = torch.nn.Linear(self.transformer.config.hidden_size, 3).to(device())
        torch.nn.init.normal_(self.heads.weight, std=0.02)
        self.transformer.embeddings.word_embeddings.requires_grad_(False)  # the embedder's are read
        self.transformer.embeddings.position_embeddings.requires_grad_(False)
        self.transformer.pooler = None

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores of each token as the answer's first and last one, (B, T), and of there being one, (B,)."""
        with torch.autocast(batch.ids.device.type, torch.bfloat16):
            found = self.transformer(input_ids=batch.ids, attention_mask=batch.mask, token_type_ids=batch.types)
        scores = self.heads(found.last_hidden_state.float())  # (B, T, 3)
        outside = batch.types == 0
        outside[:, 0] = False
        first, last = scores[..., :2].masked_fill(outside.unsqueeze(-1), FAR).unbind(-1)
        return first, last, scores[:, 0, 2]
