"""Writes a sentence-transformers encoder as one ONNX graph:

    python -m ingest.export_onnx MODEL OUT mean|cls fp32|int8

Run as its own process so that torch (half a gigabyte of memory) does not stay in the engine. Inputs `input_ids`
and, in fp32, `attention_mask` (batch, length) int64; output `embedding` (batch, dimensions) float32, of unit length.

A graph in int8 reads texts of one length, most often one alone, so that nothing is masked and attention can be ONNX
Runtime's own (ingest/fuse_attention.py). It quantises what is multiplied: weights once, per output channel;
activations as they come, with one scale for the whole tensor. A few channels of a BERT's activations are ten times as
large as the others, and would leave these a few bits: so each channel is divided by a power of how far it stands out,
and the weights that it meets are multiplied by that (after SmoothQuant, arXiv 2211.10438). The ranges are those of
random tokens: they belong to the weights more than to the text, and need no corpus.

Measured by benchmarks/embedding.py.
"""

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.fuse_attention import fuse_attention_in

if TYPE_CHECKING:
    import torch

OPSET = 17
EVENNESS = 0.4  # 0: channels as they are; 1: all of one range, and the unevenness in the weights. Best of .3 to .7
SAMPLES, SAMPLE_TOKENS = 24, 128


def export(model: Path, out: Path, pooling: str, precision: str) -> None:
    import torch
    from transformers import AutoModel

    transformer = AutoModel.from_pretrained(model, local_files_only=True, use_safetensors=True).float().eval()

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
            hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, D)
            if pooling == "cls":
                return torch.nn.functional.normalize(hidden[:, 0], dim=-1)
            if attention_mask is None:
                return torch.nn.functional.normalize(hidden.mean(1), dim=-1)
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=-1)

    example = torch.ones(2, 8, dtype=torch.int64)
    full = out if precision == "fp32" else out.with_suffix(".fp32.onnx")
    inputs = ["input_ids", "attention_mask"] if precision == "fp32" else ["input_ids"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's notes on shapes
        if precision == "int8":
            even_out(transformer)
        torch.onnx.export(
            Encoder(),
            (example,) * len(inputs),
            str(full),
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=["embedding"],
            dynamic_axes={"embedding": {0: "batch"}} | {name: {0: "batch", 1: "length"} for name in inputs},
        )
    if precision == "int8":
        quantise(full, out)
        fuse_attention_in(out, transformer.config.num_attention_heads)
        full.unlink()


def even_out(transformer: "torch.nn.Module") -> None:
    """Divides the channels that each linear layer gets by what sets them apart, and multiplies its weights by it."""
    import torch

    for parent, name, linear, largest in _linear_layers(transformer):
        factors = (largest / largest.median()).clamp(min=1e-3) ** EVENNESS
        linear.weight *= factors  # (out, in) * (in,)

        class Evened(torch.nn.Module):
            def __init__(self, linear: torch.nn.Module, inverse: torch.Tensor) -> None:
                super().__init__()
                self.linear = linear
                self.inverse = torch.nn.Buffer(inverse)

            def forward(self, hidden: torch.Tensor) -> torch.Tensor:
                evened: torch.Tensor = self.linear(hidden * self.inverse)
                return evened

        setattr(parent, name, Evened(linear, 1 / factors))


def _linear_layers(
    transformer: "torch.nn.Module",
) -> "list[tuple[torch.nn.Module, str, torch.nn.Linear, torch.Tensor]]":
    """Each linear layer over tokens: its parent, its name there, itself, and the largest value of each channel that
    came into it while random tokens were read."""
    import torch

    largest: dict[torch.nn.Module, torch.Tensor] = {}

    def look(layer: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if given[0].dim() == 3:  # (B, T, D); the pooler, which is not used, gets (B, D)
            values = given[0].abs().amax((0, 1))
            largest[layer] = torch.maximum(largest.get(layer, values), values)

    hooks = [
        layer.register_forward_pre_hook(look) for layer in transformer.modules() if isinstance(layer, torch.nn.Linear)
    ]
    generator = torch.Generator().manual_seed(0)
    config: Any = transformer.config
    tokens = min(SAMPLE_TOKENS, config.max_position_embeddings - 2)  # RoBERTa counts from 2
    for _ in range(SAMPLES):
        ids = torch.randint(config.vocab_size, (1, tokens), generator=generator)
        transformer(input_ids=ids, attention_mask=torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return [
        (parent, name, child, largest[child])
        for parent in list(transformer.modules())
        for name, child in parent.named_children()
        if isinstance(child, torch.nn.Linear) and child in largest
    ]


def quantise(full: Path, out: Path, *, seven_bits: bool = False) -> None:
    """`seven_bits`: of weights, so that sums do not overflow on processors without VNNI."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        full,
        out,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=seven_bits,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},  # not what attention multiplies with each other
    )


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", ORT_DISABLE_TELEMETRY="1")
    export(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
