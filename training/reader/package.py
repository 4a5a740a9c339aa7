"""What is shipped of a reader: its weights in float16, without the pieces' vectors that are the embedder's, and a graph
in int8 for ONNX Runtime that reads them."""

import json
import tempfile
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file

from ingest.embed import BILINGUAL, SHIPPED
from ingest.export_onnx import even_out, quantise
from ingest.fuse_attention import fuse_attention_in
from training.embedder.share_weights import share_weights
from training.reader.model import ReaderModel

SHARED = "transformer.embeddings.word_embeddings."
OPSET = 17


class _Encoder(torch.nn.Module):
    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, embedded: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.transformer(inputs_embeds=embedded, token_type_ids=types).last_hidden_state
        return found


def package(model: ReaderModel, out: Path) -> None:
    """Writes the folder. The weights are rounded in place."""
    out.mkdir(parents=True, exist_ok=True)
    model.cpu().eval()
    halves = {
        name: weight.half().contiguous() for name, weight in model.state_dict().items() if weight.is_floating_point()
    }
    named = {name.removeprefix("transformer."): half for name, half in halves.items() if not name.startswith(SHARED)}
    save_file(named, out / "model.safetensors")
    model.load_state_dict(halves, strict=False)
    config = {"embedder": BILINGUAL, "embedder_sha256": SHIPPED[BILINGUAL]}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    transformer = model.transformer
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's notes on shapes
        even_out(transformer)
        full, whole = Path(folder) / "full.onnx", Path(folder) / "whole.onnx"
        names = ("embedded", "types", "hidden")
        torch.onnx.export(
            _Encoder(transformer),
            (torch.zeros(1, 8, transformer.config.hidden_size), torch.zeros(1, 8, dtype=torch.int64)),
            str(full),
            dynamo=False,
            opset_version=OPSET,
            input_names=names[:2],
            output_names=names[2:],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
        )
        quantise(full, whole, seven_bits=True)
        fuse_attention_in(whole, transformer.config.num_attention_heads)
        share_weights(whole, out / "model.safetensors", out / "model_int8.onnx")
