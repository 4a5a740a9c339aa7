"""An ONNX graph in int8 that reads its weights out of the safetensors file beside it.

So the folder holds each weight once, in float16. What is quantised is so when the graph is loaded: ONNX Runtime works
out what depends on nothing but weights then (constant folding), which gives the same int8 weights as quantising ahead.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ingest.weights import Weight, weights_in

PREFIX = "transformer."  # of weights in the graph that ingest/export_onnx.py makes
LEAST_BYTES = 4096  # what is smaller stays in the graph


def share_weights(graph: Path, weights: Path, out: Path) -> None:
    """Writes the int8 graph that ingest/export_onnx.py made of the weights, so that it reads them from their file,
    which must lie in the same folder as `out`."""
    model = onnx.load(graph)
    known = weights_in(weights)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {made: node for node in model.graph.node for made in node.output}
    shared: list[TensorProto] = []
    first: list[NodeProto] = []
    for weight, taken in _embeddings(held, known):
        shared.append(_outside(weight, known[weight], weights.name))
        for gather in [node for node in model.graph.node if node.op_type == "Gather" and node.input[0] == taken]:
            _gather_halves(model.graph.node, gather, weight)
        del held[taken]
    for node in [node for node in model.graph.node if node.op_type == "MatMulInteger"]:
        weight = _weight_of(node)
        shared.append(_outside(weight, known[weight], weights.name))
        quantised = node.input[1]
        name = quantised.removesuffix("_quantized")
        evened = made_by[node.input[0].removesuffix("_quantized")]  # activations by what their channels are divided by
        given = (_without_identity(name, made_by) for name in evened.input)
        inverse = next(numpy_helper.to_array(held[name]) for name in given if name in held)
        factors = numpy_helper.from_array(1 / inverse, f"{name}_factors")
        zeros = numpy_helper.from_array(np.zeros(known[weight].shape[0], np.int8), f"zeros_{known[weight].shape[0]}")
        held |= {factors.name: factors, zeros.name: zeros}
        first += _quantised(weight, factors.name, f"{name}_scale", zeros.name, quantised)
        del held[quantised]
    nodes = [*first, *model.graph.node]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*held.values(), *shared])
    out.write_bytes(model.SerializeToString())


def _embeddings(held: Mapping[str, TensorProto], known: Mapping[str, Weight]) -> Iterator[tuple[str, str]]:
    """Large weights that are looked up: their names in the file and in the graph."""
    for name, weight in known.items():
        if PREFIX + name in held and len(held[PREFIX + name].raw_data) >= LEAST_BYTES and len(weight.shape) == 2:
            yield name, PREFIX + name


def _weight_of(node: NodeProto) -> str:
    """`/transformer/encoder/layer.0/output/dense/linear/MatMul_quant` multiplies by `encoder.layer.0.output.dense`."""
    return ".".join(node.name.strip("/").split("/")[1:-2]) + ".weight"


def _without_identity(name: str, made_by: Mapping[str, NodeProto]) -> str:
    """What is equal in the graph is held once, and passed on by nodes that do nothing."""
    while name in made_by and made_by[name].op_type == "Identity":
        name = made_by[name].input[0]
    return name


def _outside(name: str, weight: Weight, file: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=weight.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", weight.offset), ("length", weight.length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _gather_halves(nodes: "list[NodeProto]", gather: NodeProto, weight: str) -> None:
    """Looks up float16 and makes what was found float32."""
    found = gather.output[0]
    gather.input[0], gather.output[0] = weight, f"{found}_half"
    place = list(nodes).index(gather) + 1
    nodes.insert(place, helper.make_node("Cast", [f"{found}_half"], [found], to=TensorProto.FLOAT))


def _quantised(weight: str, factors: str, scale: str, zeros: str, out: str) -> list[NodeProto]:
    """int8 of the weight (out, in) float16, turned to (in, out). In few steps: while a graph is loaded what each of
    them makes is held until all are done, four bytes a weight before it is quantised."""
    return [
        helper.make_node("Cast", [weight], [f"{out}_full"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{out}_full", factors], [f"{out}_evened"]),
        helper.make_node("QuantizeLinear", [f"{out}_evened", scale, zeros], [f"{out}_turned"], axis=0),
        helper.make_node("Transpose", [f"{out}_turned"], [out], perm=[1, 0]),
    ]
