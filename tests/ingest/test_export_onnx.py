"""Every architecture that is exported gives in int8, and without a mask, the vectors of fp32."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from ingest.export_onnx import export

SIZE = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
DISTILBERT_SIZE = {"n_layers": 2, "dim": 64, "n_heads": 4, "hidden_dim": 128}
VOCABULARY = 200


def write_random_transformer(architecture: str, folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    size = DISTILBERT_SIZE if architecture == "distilbert" else SIZE
    config = AutoConfig.for_model(
        architecture, **size, vocab_size=VOCABULARY, max_position_embeddings=66, initializer_range=0.2
    )
    AutoModel.from_config(config).save_pretrained(folder, safe_serialization=True)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(
    ("architecture", "fused"), [("bert", 2), ("roberta", 2), ("xlm-roberta", 2), ("distilbert", 2), ("mpnet", 0)]
)
def test_int8_gives_the_vectors_of_fp32(architecture: str, fused: int, pooling: str, tmp_path: Path) -> None:
    write_random_transformer(architecture, tmp_path)
    graphs = {precision: tmp_path / f"{precision}.onnx" for precision in ("fp32", "int8")}
    for precision, graph in graphs.items():
        export(tmp_path, graph, pooling, precision)
    kinds = [node.op_type for node in onnx.load(graphs["int8"]).graph.node]
    assert kinds.count("MultiHeadAttention") == fused  # MPNet's has a bias for positions
    fp32, int8 = (
        onnxruntime.InferenceSession(graphs[name], providers=["CPUExecutionProvider"]) for name in ("fp32", "int8")
    )
    vectors = []
    for length in (3, 17, 60):
        ids = np.random.default_rng(length).integers(5, VOCABULARY, (1, length))
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        vectors.append((fp32.run(None, inputs)[0][0], int8.run(None, {"input_ids": ids})[0][0]))
    assert min(full @ quantised for full, quantised in vectors) > 0.99
    assert max(vectors[a][0] @ vectors[b][0] for a, b in ((0, 1), (1, 2), (0, 2))) < 0.95  # they are not all alike
