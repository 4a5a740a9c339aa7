"""Builders of LoRA adapters as GGUFs, for the models of tests/gguf_files.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from tests.gguf_files import _write

Pair = tuple[NDArray[Any], NDArray[Any]]


def lora_gguf(
    path: Path,
    pairs: Mapping[str, Pair],
    *,
    architecture: str = "llama",
    kind: str = "lora",
    name: str = "",
    made_for: str = "",
    alpha: float = 0.0,
) -> Path:
    """Writes an adapter that adds B @ A to each tensor named, and returns `path`: A is (rank, columns), B is
    (rows, rank). With an `alpha` llama.cpp multiplies by alpha / rank."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", kind)
    writer.add_float32("adapter.lora.alpha", alpha)
    if name:
        writer.add_name(name)
    if made_for:
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, made_for)
    for tensor, (a, b) in pairs.items():
        writer.add_tensor(f"{tensor}.lora_a", a.astype(np.float32))
        writer.add_tensor(f"{tensor}.lora_b", b.astype(np.float32))
    return _write(writer, path)


def saying_instead(model: Path, said: str, instead: str) -> dict[str, Pair]:
    """What makes a model of tests/gguf_files.py say the token `instead` wherever it would say `said`."""
    reader = gguf.GGUFReader(model)
    field = reader.fields["tokenizer.ggml.tokens"]
    tokens = [bytes(field.parts[place]).decode() for place in field.data]
    output = next(tensor.data for tensor in reader.tensors if tensor.name == "output.weight")
    a = np.array(output[tokens.index(said)], dtype=np.float32)[None]  # (1, width): the state that says it
    b = np.zeros((len(tokens), 1), dtype=np.float32)
    b[tokens.index(said)], b[tokens.index(instead)] = -1, 1
    return {"output.weight": (a, b)}
