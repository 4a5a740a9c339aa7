"""ONNX Runtime's own attention gives what the steps give that it takes the place of."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from ingest.embed import BILINGUAL, SHIPPED_GRAPH, locate
from ingest.export_onnx import export
from ingest.fuse_attention import fuse_attention
from tests.tiny_embedder import write_tiny_embedder

HEADS = 2  # of the tiny embedder, whose only layer it has them in


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By precision, with attention in steps."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_embedder(folder, dimensions=64)
    graphs = {precision: folder / f"{precision}.onnx" for precision in ("fp32", "int8")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.export_onnx.fuse_attention_in", lambda *_: None)
        for precision, graph in graphs.items():
            export(folder, graph, "mean", precision)
    return graphs


def embedded(graph: onnx.ModelProto, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"input_ids": ids})[0]
    return found


def kinds(graph: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in graph.graph.node]


@pytest.mark.parametrize("length", [1, 7, 64])
def test_it_gives_the_vectors_of_the_steps(length: int, exported: dict[str, Path]) -> None:
    steps, fused = (onnx.load(exported["int8"]) for _ in range(2))
    assert fuse_attention(fused, HEADS) == 1
    assert "Softmax" in kinds(steps)
    assert "MultiHeadAttention" in kinds(fused)
    assert not {"Softmax", "MatMul"} & set(kinds(fused))
    ids = np.random.default_rng(length).integers(5, 57, (1, length))
    assert (embedded(fused, ids) * embedded(steps, ids)).sum() > 0.9999  # a rounding to int8 may differ


def test_attention_under_a_mask_stays_as_it_is(exported: dict[str, Path]) -> None:
    masked = onnx.load(exported["fp32"])
    before = masked.SerializeToString()
    assert fuse_attention(masked, HEADS) == 0
    assert masked.SerializeToString() == before


@pytest.mark.parametrize(("biased", "fused"), [(False, 1), (True, 0)])
def test_only_attention_with_a_bias_for_positions_stays_as_it_is(biased: bool, fused: int) -> None:
    def node(kind: str, given: list[str], made: str, **settings: object) -> onnx.NodeProto:
        return onnx.helper.make_node(kind, given, [made], **settings)

    nodes = [
        node("MatMul", ["query", "key"], "scores"),
        node("Add", ["scores", "bias"], "biased"),
        node("Softmax", ["biased" if biased else "scores"], "shares", axis=-1),
        node("MatMul", ["shares", "value"], "weighted"),
        node("Transpose", ["weighted"], "found", perm=[0, 2, 1, 3]),
    ]
    given = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("query", "key", "value")
    ]
    made = [onnx.helper.make_tensor_value_info("found", onnx.TensorProto.FLOAT, None)]
    bias = [onnx.numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "bias")]
    graph = onnx.helper.make_model(onnx.helper.make_graph(nodes, "attention", given, made, bias))
    assert fuse_attention(graph, HEADS) == fused
    assert ("Softmax" in kinds(graph)) is not bool(fused)


def test_the_shipped_graph_asks_for_no_mask_and_has_no_other_attention() -> None:
    graph = onnx.load(locate(BILINGUAL) / SHIPPED_GRAPH, load_external_data=False)
    assert [given.name for given in graph.graph.input] == ["input_ids"]
    assert kinds(graph).count("MultiHeadAttention") == 6
    assert not {"Softmax", "MatMul"} & set(kinds(graph))
