"""A light index over an ONNX graph: nodes, producers, users, types, and constants evaluated on demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from ..compiler.errors import Problem
from ..compiler.ir import Array
from .constants import evaluate

# The domain of the canonical markers that the patterns put in place of what they recognize.
MARKERS = "p4c"

# Never folded: ops that draw random numbers, and quantizers, which are recognized instead.
NOT_FOLDED = frozenset(
    {
        "RandomNormal",
        "RandomUniform",
        "RandomNormalLike",
        "RandomUniformLike",
        "Bernoulli",
        "Multinomial",
        "QuantizeLinear",
        "DequantizeLinear",
    }
)


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One ONNX node; `name` is its own and never empty, `label` is the operator to show for a marker."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    domain: str = ""
    label: str = ""

    @property
    def key(self) -> str:
        """The operator with its domain, as the importers' table names it."""
        return f"{self.domain}.{self.op}" if self.domain else self.op

    @property
    def output(self) -> str:
        """The first output; "" when there is none."""
        return self.outputs[0] if self.outputs else ""

    def input(self, index: int) -> str:
        """An input's tensor name; "" when it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def with_(self, **changes: Any) -> OnnxNode:  # noqa: ANN401
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def problem(self, what: str, advice: str, tensor: str = "", *, warning: bool = False) -> Problem:
        """A problem whose place is this node."""
        return Problem(what, advice, node=self.name, op=self.label or self.key, tensor=tensor, warning=warning)


@dataclass(frozen=True)
class TensorInfo:
    """What ONNX's inference knows of a tensor: element type (TensorProto's number), shape with None for unknown."""

    element: int
    shape: tuple[int | None, ...] | None

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The shape when every axis is known."""
        if self.shape is None or any(size is None for size in self.shape):
            return None
        return tuple(size for size in self.shape if size is not None)


class OnnxModel:
    """The main graph of a model whose shapes have been inferred; the patterns rewrite `nodes`."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        graph = proto.graph
        self.opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 0)
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in self.initializers]
        self.outputs = [value.name for value in graph.output]
        self.types = {value.name: tensor_info(value) for value in (*graph.input, *graph.value_info, *graph.output)}
        self.nodes = [_index_node(node) for node in graph.node]
        self._producers = {output: node for node in self.nodes for output in node.outputs if output}
        # Set by the patterns; a model without any quantizer is said to be a float model, once.
        self.quantized = False
        self._constants: dict[str, Array | None] = {}

    def producer(self, tensor: str) -> OnnxNode | None:
        """The node that computes a tensor, seen through Identity."""
        return self._producers.get(self.origin(tensor))

    def origin(self, tensor: str) -> str:
        """The tensor that `tensor` is another name of, seen through Identity."""
        node = self._producers.get(tensor)
        while node is not None and node.key == "Identity":
            tensor = node.input(0)
            node = self._producers.get(tensor)
        return tensor

    def users(self, tensor: str) -> list[OnnxNode]:
        """The nodes that take a tensor, in order."""
        return [node for node in self.nodes if tensor in node.inputs]

    def replace(self, old: OnnxNode, *new: OnnxNode) -> None:
        """Put nodes in the place of one; together they must define its outputs."""
        index = self.nodes.index(old)
        self.nodes[index : index + 1] = new
        self._producers.update({output: node for node in new for output in node.outputs if output})
        if self._constants.get(old.output) is not None:
            # What was constant now stands behind a marker, and so does all that was computed from it.
            self._constants.clear()

    def constant(self, tensor: str) -> Array | None:
        """The value of a tensor that depends on constants alone and on no marker, otherwise None."""
        if tensor not in self._constants:
            self._constants[tensor] = self._constant(tensor)
        return self._constants[tensor]

    def _constant(self, tensor: str) -> Array | None:
        if tensor in self.initializers:
            return numpy_helper.to_array(self.initializers[tensor])
        node = self._producers.get(tensor)
        if node is None or node.domain or node.op in NOT_FOLDED:
            return None
        if node.op == "Shape":
            return self._shape_value(node)
        if node.op == "CastLike" and node.input(1) in self.types:
            attrs = {"to": self.types[node.input(1)].element}
            node = node.with_(op="Cast", inputs=node.inputs[:1], attrs=attrs)
        values = {name: self.constant(name) for name in node.inputs if name}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) < len(values):
            return None
        return evaluate(node.op, node.inputs, node.outputs, node.attrs, known, self.opset).get(tensor)

    def _shape_value(self, node: OnnxNode) -> Array | None:
        info = self.types.get(node.input(0))
        shape = info.static_shape if info else None
        constant = self.constant(node.input(0)) if shape is None else None
        if constant is not None:
            shape = constant.shape
        if shape is None:
            return None
        return np.array(shape[node.attrs.get("start", 0) : node.attrs.get("end")], dtype=np.int64)

    def live_nodes(self) -> Iterator[OnnxNode]:
        """The nodes that the outputs need, in order."""
        needed, pending = set(self.outputs), list(self.outputs)
        while pending:
            node = self._producers.get(pending.pop())
            for name in node.inputs if node else ():
                if name and name not in needed:
                    needed.add(name)
                    pending.append(name)
        return (node for node in self.nodes if needed.intersection(node.outputs))


def element_name(element: int) -> str:
    """The name of an ONNX element type, as `float16`; "undefined" when it is not known."""
    known = element in onnx.TensorProto.DataType.values()
    return str(onnx.TensorProto.DataType.Name(element)).lower() if known else f"type {element}"


def tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    """The element type and shape that a value is declared with."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return TensorInfo(tensor.elem_type, None)
    sizes = (dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return TensorInfo(tensor.elem_type, tuple(sizes))


def _index_node(proto: onnx.NodeProto) -> OnnxNode:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    attrs = {attribute.name: _attribute(attribute) for attribute in proto.attribute}
    return OnnxNode(proto.name, proto.op_type, tuple(proto.input), tuple(proto.output), attrs, domain)


def _attribute(attribute: onnx.AttributeProto) -> Any:  # noqa: ANN401
    """An attribute's value: int, float, str, tuple, array; a graph stays a protobuf."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value if isinstance(value, int | float | onnx.GraphProto | None) else tuple(value)
