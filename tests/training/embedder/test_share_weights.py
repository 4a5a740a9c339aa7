"""An int8 graph that reads its weights from the safetensors file beside it."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from ingest.export_onnx import export
from ingest.weights import weights_in
from tests.tiny_embedder import write_tiny_embedder
from training.embedder.encoder import read_transformer
from training.embedder.share_weights import share_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of float16 with its graph in int8, whole and sharing."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_embedder(folder, dimensions=64)
    read_transformer(folder).half().save_pretrained(folder, safe_serialization=True)
    export(folder, folder / "whole.onnx", "mean", "int8")
    share_weights(folder / "whole.onnx", folder / "model.safetensors", folder / "model_int8.onnx")
    return folder


def embedded(graph: Path) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(0).integers(5, 57, (6, 20))
    found: NDArray[np.float32] = session.run(None, {"input_ids": ids})[0]
    return found


def test_it_gives_the_vectors_of_the_whole_graph(folder: Path) -> None:
    whole, sharing = embedded(folder / "whole.onnx"), embedded(folder / "model_int8.onnx")
    assert sharing == pytest.approx(whole, abs=0.02)
    assert (whole * sharing).sum(1).min() > 0.999


def test_it_holds_no_large_weight_of_its_own(folder: Path) -> None:
    large = sum(weight.length for weight in weights_in(folder / "model.safetensors").values())
    whole, sharing = ((folder / name).stat().st_size for name in ("whole.onnx", "model_int8.onnx"))
    assert sharing < whole - large / 3


def test_another_file_beside_it_gives_other_vectors(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model_int8.onnx").write_bytes((folder / "model_int8.onnx").read_bytes())
    weights = bytearray((folder / "model.safetensors").read_bytes())
    place = weights_in(folder / "model.safetensors")["encoder.layer.0.output.dense.weight"]
    weights[place.offset : place.offset + place.length] = bytes(place.length)
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert not np.allclose(embedded(tmp_path / "model_int8.onnx"), embedded(folder / "model_int8.onnx"), atol=0.02)
