"""Texts to vectors and back to gradients: a BERT with mean pooling, in bfloat16, in batches of few lengths.

On a processor with instructions for bfloat16 that is several times as fast as float32, but each new shape of a batch
costs seconds: so texts are padded to one of LENGTHS, and a batch of one length always has as many texts.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel

LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 208, 256)
BATCH_TOKENS = 6144


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def read_transformer(folder: Path) -> Any:
    """In float32. Attention is written out: torch's own is slower on a processor (backwards twice)."""
    found = AutoModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True, use_safetensors=True)
    return found.float().to(device()).eval()


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    """With the special tokens, cut at the longest of LENGTHS."""
    longest = LENGTHS[-1]
    found = [np.array(encoding.ids, np.int32) for encoding in tokenizer.encode_batch_fast(list(texts))]
    return [ids if len(ids) <= longest else np.append(ids[: longest - 1], ids[-1:]) for ids in found]


def batches(texts: Sequence[NDArray[np.int32]], seed: int | None = None) -> list[tuple[int, list[int]]]:
    """Lengths, and the numbers of the texts of a batch: alike in length, in the order of a seed's chance. The last of a
    length may be short of texts; with a seed it is left out."""
    order = list(range(len(texts)))
    chance = random.Random(seed)
    if seed is not None:
        chance.shuffle(order)
    by_length: dict[int, list[int]] = defaultdict(list)
    for number in order:
        by_length[next(length for length in LENGTHS if len(texts[number]) <= length)].append(number)
    found = []
    for length, numbers in sorted(by_length.items()):
        size = BATCH_TOKENS // length
        parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        found += [(length, part) for part in parts if seed is None or len(part) == size]
    if seed is not None:
        chance.shuffle(found)
    return found


def padded(texts: Iterable[NDArray[np.int32]], length: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, (rows, length); rows that no text is for hold one token."""
    ids = np.zeros((rows, length), np.int64)
    mask = np.zeros((rows, length), np.int64)
    mask[:, 0] = 1
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return torch.from_numpy(ids).to(device()), torch.from_numpy(mask).to(device())


def encode(transformer: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Vectors of unit length, (B, D), float32."""
    with torch.autocast(ids.device.type, torch.bfloat16):
        hidden = transformer(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, D)
    weights = mask.unsqueeze(-1).float()
    mean = (hidden.float() * weights).sum(1) / weights.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1)


@torch.no_grad()
def vectors(transformer: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.float16]:
    """One row a text."""
    ids = token_ids(tokenizer, texts)
    found = np.zeros((len(texts), transformer.config.hidden_size), np.float16)
    for length, numbers in batches(ids):
        rows = encode(transformer, *padded((ids[number] for number in numbers), length, BATCH_TOKENS // length))
        found[numbers] = rows[: len(numbers)].half().cpu().numpy()
    return found
