"""What writes a model out: nodes in order, shared DequantizeLinear nodes, new constants, free names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...compiler.errors import Problem
from ...compiler.ir import Array
from ..constants import plain_attribute
from ..onnx_model import MARKERS, OnnxModel, OnnxNode

# Operators that move or select elements, so that it makes no difference whether these are integers or reals.
MOVES = frozenset(
    {"MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Identity"}
)


class WriteError(Exception):
    """An operator that cannot be written out; holds the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class Writer:
    """Collects the nodes of the written-out model."""

    def __init__(self, proto: onnx.ModelProto, model: OnnxModel) -> None:
        self.model_index, self._proto = model, proto
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._dequantized: dict[tuple[str, ...], str] = {}
        graph = proto.graph
        self._names = {name for node in graph.node for name in (*node.input, *node.output, node.name)}
        self._names |= {value.name for value in (*graph.input, *graph.initializer)}

    def keep(self, node: onnx.NodeProto) -> None:
        """Take a node over as it is."""
        self._nodes.append(node)

    def add(
        self,
        place: OnnxNode,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str] = (),
        word: str = "",
        attrs: Mapping[str, Any] | None = None,
    ) -> str:
        """Append a node for `place`, named like it unless a word is behind; returns its first output's name."""
        name = self.free(f"{place.name}.{word}") if word else place.name
        results = list(outputs) or [self.free(f"{place.output}.{word or 'real'}")]
        plain = {key: plain_attribute(value) for key, value in (attrs or {}).items()}
        self._nodes.append(helper.make_node(op, inputs, results, name=name, **plain))
        return results[0]

    def free(self, name: str) -> str:
        """A name that nothing has."""
        free, count = name, 1
        while free in self._names:
            free, count = f"{name}.{count}", count + 1
        self._names.add(free)
        return free

    def constant(self, name: str, array: Array) -> str:
        """A new constant; returns its name."""
        free = self.free(name)
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), free))
        return free

    def shape(self, tensor: str) -> tuple[int | None, ...] | None:
        """The shape of a tensor, as far as the file tells."""
        constant = self.model_index.constant(tensor)
        info = self.model_index.types.get(tensor)
        return constant.shape if constant is not None else info.shape if info else None

    def value(self, node: OnnxNode, index: int, role: str) -> Array:
        """A constant operand; a problem otherwise."""
        array = self.model_index.constant(node.input(index))
        if array is None:
            what = f"computes its {role} at run time, expected a constant"
            self.fail(node, what, f"Store the {role} in the model.", node.input(index))
        return array

    def dequantized(self, tensor: str, scale: str, zero_point: str, attrs: Mapping[str, Any]) -> str:
        """The reals of a tensor of integers; what only moves integers moves their reals instead."""
        key = (tensor, scale, zero_point, str(sorted(attrs.items())))
        if key not in self._dequantized:
            producer = self.model_index.producer(tensor)
            if producer is not None and producer.key in MOVES and self.model_index.constant(tensor) is None:
                self._move(producer, scale, zero_point, attrs)
            else:
                inputs = [name for name in (tensor, scale, zero_point) if name]
                place = OnnxNode(tensor, "", (), (tensor,))
                self._dequantized[key] = self.add(place, "DequantizeLinear", inputs, word="dequantized", attrs=attrs)
        return self._dequantized[key]

    def _move(self, node: OnnxNode, scale: str, zero_point: str, attrs: Mapping[str, Any]) -> None:
        """Repeat a node that moves integers on their reals."""
        real = self.dequantized(node.input(0), scale, zero_point, attrs)
        outputs = [self.free(f"{name}.dequantized") if name else "" for name in node.outputs]
        self.add(node, node.op, [real, *node.inputs[1:]], outputs, "dequantized", node.attrs)
        for name, output in zip(node.outputs, outputs, strict=True):
            self._dequantized[name, scale, zero_point, str(sorted(attrs.items()))] = output

    def poison(self, node: OnnxNode) -> None:
        """Stand for a node that has a problem, which has been noted."""
        self._nodes.append(helper.make_node("Poison", node.inputs[:1], node.outputs, name=node.name, domain=MARKERS))

    def fail(self, node: OnnxNode, what: str, advice: str, tensor: str = "") -> NoReturn:
        """Note a problem of a node."""
        raise WriteError(node.problem(what, advice, tensor))

    def model(self) -> onnx.ModelProto:
        """The written-out model, without nodes that nothing needs."""
        made = onnx.ModelProto()
        made.CopyFrom(self._proto)
        del made.graph.node[:]
        del made.graph.value_info[:]
        needed = {value.name for value in made.graph.output}
        kept: list[onnx.NodeProto] = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        made.graph.node.extend(reversed(kept))
        made.graph.initializer.extend(self._initializers)
        unneeded = {tensor.name for tensor in made.graph.initializer} - needed
        # Old files list initializers among the inputs too.
        for place in (made.graph.initializer, made.graph.input):
            for entry in [entry for entry in place if entry.name in unneeded]:
                place.remove(entry)
        used = {node.domain for node in made.graph.node}
        for entry in [e for e in made.opset_import if e.domain not in ("", "ai.onnx", *used)]:
            made.opset_import.remove(entry)
        return made
