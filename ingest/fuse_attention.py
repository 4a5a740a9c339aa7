"""ONNX Runtime's own attention in the place of the steps that an exporter writes it as.

Its MultiHeadAttention (com.microsoft, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md)
takes queries, keys and values as the projections give them, and never writes down all scores. What is not the plain
softmax(q k^T * scale) v, as attention under a mask or with a bias for positions, stays as it was.
"""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

DOMAIN = "com.microsoft"
_MOVES = ("Reshape", "Transpose")  # heads apart, and together again


def fuse_attention_in(file: Path, heads: int) -> None:
    """fuse_attention() of a graph's file, which is written anew."""
    import onnx

    model = onnx.load(file)
    if fuse_attention(model, heads):
        onnx.save(model, file)


def fuse_attention(model: "ModelProto", heads: int) -> int:
    """Changes the graph in place; how many attentions were fused. `heads`: those of each."""
    from onnx import helper

    graph = _Graph(model)
    fused = [node for softmax in graph.of_type("Softmax") if (node := graph.attention(softmax, heads))]
    for node in fused:
        graph.made_by[node.output[0]].CopyFrom(node)  # in the place of the last step
    if fused:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
        _drop_unused(model)
    return len(fused)


class _Graph:
    """Who makes each value, and who uses it."""

    def __init__(self, model: "ModelProto") -> None:
        self._nodes = list(model.graph.node)
        self._held = {tensor.name: tensor for tensor in model.graph.initializer}
        self.made_by = {made: node for node in self._nodes for made in node.output}
        self._users: defaultdict[str, list[NodeProto]] = defaultdict(list)
        for node in self._nodes:
            for used in node.input:
                self._users[used].append(node)

    def of_type(self, kind: str) -> "list[NodeProto]":
        return [node for node in self._nodes if node.op_type == kind]

    def attention(self, softmax: "NodeProto", heads: int) -> "NodeProto | None":
        """The node for the attention that has this softmax; None where there is more to it than scaling."""
        from onnx import helper

        scores, weighted = self.made_by.get(softmax.input[0]), self._only_user(softmax)
        if scores is None or weighted is None or {scores.op_type, weighted.op_type} != {"MatMul"}:
            return None
        query, key, value = (self._projected(name) for name in (*scores.input, weighted.input[1]))
        end = weighted
        while (following := self._only_user(end)) and following.op_type in _MOVES:
            end = following
        if end is weighted or value[1] != 1:
            return None
        return helper.make_node(
            "MultiHeadAttention",
            [query[0], key[0], value[0]],
            [end.output[0]],
            name=f"{softmax.name}/fused",
            domain=DOMAIN,
            num_heads=heads,
            scale=query[1] * key[1],
        )

    def _only_user(self, node: "NodeProto") -> "NodeProto | None":
        """Of what the node makes; its shape may be asked for as well."""
        users = [user for user in self._users[node.output[0]] if user.op_type != "Shape"]
        return users[0] if len(users) == 1 else None

    def _projected(self, name: str) -> tuple[str, float]:
        """What heads were made of, and what it was multiplied by on the way."""
        scale = 1.0
        while node := self.made_by.get(name):
            factor = self._number(node.input[1]) if node.op_type == "Mul" else None
            if factor is None and node.op_type not in _MOVES:
                break
            scale *= 1.0 if factor is None else factor
            name = node.input[0]
        return name, scale

    def _number(self, name: str) -> float | None:
        """A constant of one element."""
        from onnx import numpy_helper

        tensor = self._held.get(name)
        if tensor is None and (node := self.made_by.get(name)) and node.op_type == "Constant":
            tensor = node.attribute[0].t
        if tensor is None or (values := numpy_helper.to_array(tensor)).size != 1:
            return None
        return float(values.reshape(())[()])


def _drop_unused(model: "ModelProto") -> None:
    """Nodes and weights that nothing asks for any more; the graph is in order."""
    needed = {value.name for value in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    held = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(held)
