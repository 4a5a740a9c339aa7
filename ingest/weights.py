"""Where tensors of float16 lie in a safetensors file (https://github.com/huggingface/safetensors#format)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes `offset` to `offset + length` of the file."""

    shape: tuple[int, ...]
    offset: int
    length: int


def weights_in(path: Path) -> dict[str, Weight]:
    """By name. Raises OSError, ValueError or KeyError of a file that cannot be read or is none."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        described = json.loads(file.read(size))
    found = {}
    for name, tensor in described.items():
        if name != "__metadata__" and tensor["dtype"] == "F16":
            start, end = tensor["data_offsets"]
            found[name] = Weight(tuple(tensor["shape"]), 8 + size + start, end - start)
    return found


def mapped(path: Path, name: str) -> NDArray[np.float16]:
    """A tensor that stays on the disk: of it only what is looked at comes into memory."""
    weight = weights_in(path)[name]
    return np.memmap(path, np.float16, "r", weight.offset, weight.shape)
