"""Writes a sentence-transformers BERT with mean pooling as one ONNX graph: `python -m ingest.export_onnx MODEL OUT`.

Run as its own process so that torch (half a gigabyte of memory) does not stay in the engine. Inputs `input_ids`
and `attention_mask` (batch, length) int64; output `embedding` (batch, dimensions) float32, of unit length.
"""

import os
import sys
import warnings
from pathlib import Path

OPSET = 17


def export(model: Path, out: Path) -> None:
    import torch
    from transformers import AutoModel

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = AutoModel.from_pretrained(model, local_files_only=True, use_safetensors=True).eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, D)
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=-1)

    example = torch.ones(2, 8, dtype=torch.int64)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's notes on shapes
        torch.onnx.export(
            Encoder(),
            (example, example),
            str(out),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={
                "input_ids": {0: "batch", 1: "length"},
                "attention_mask": {0: "batch", 1: "length"},
                "embedding": {0: "batch"},
            },
        )


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    export(Path(sys.argv[1]), Path(sys.argv[2]))
