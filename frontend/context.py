"""What importers work with: the graph under construction, the tensors imported so far, the problems found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from ..compiler import numerics
from ..compiler.builder import make_node
from ..compiler.errors import Problem
from ..compiler.ir import Array, Attr, Constant, Graph, QuantParams, TensorType
from ..compiler.ops import OpError
from .moving import apply_op
from .onnx_model import OnnxModel, OnnxNode
from .quantizer import FLOAT_MODEL, Quantizer

# Ops whose result lies on their operand's grid: looked through when the quantizer of a tensor is sought.
GRID_KEEPING = frozenset({"relu", "clip", "max_pool", "reshape", "transpose", "slice", "pad"})


# No chip of the family addresses more external memory than so many bytes.
MAX_ELEMENTS = 1 << 26
SIZE_ADVICE = "Make the network, or its input, smaller: the chip's memory does not hold that."
SHAPE_ADVICE = "Check the shapes of the model: they do not fit each other."


class ImporterError(Exception):
    """Ends the import of one node; its outputs become unknown. `problem` is None when it has been noted before."""

    def __init__(self, problem: Problem | None = None) -> None:
        super().__init__(problem)
        self.problem = problem


class Context:
    """State of one import. `values` maps an ONNX tensor to the IR value that it became."""

    def __init__(self, model: OnnxModel, graph: Graph, problems: list[Problem]) -> None:
        self.model, self.graph, self.problems = model, graph, problems
        self.values: dict[str, str] = {}
        self.constants: dict[str, Constant] = {}
        # Quantizers that the options put on graph inputs, by IR value.
        self.input_quantizers: dict[str, Quantizer] = {}
        # Float inputs that reach a layer, in order.
        self.unquantized_inputs: dict[str, None] = {}
        # Tensors behind a problem: what is said about them would only repeat it.
        self.poisoned: set[str] = set()

    # Operands

    def operand(self, node: OnnxNode, index: int) -> str:
        """The IR value of an operand; constants are added to the graph."""
        tensor = node.input(index)
        if tensor in self.values:
            return self.values[tensor]
        constant = self.constant(tensor)
        if constant is not None:
            return self.add_constant(tensor, constant)
        if tensor in self.poisoned:
            raise ImporterError
        what = f'takes "{tensor}" as operand {index}, which no node before it gives'
        raise ImporterError(node.problem(what, "Check the names in the model, or export it again.", tensor))

    def type_of(self, node: OnnxNode, index: int) -> TensorType:
        """The type of an operand."""
        constant = self.constant(node.input(index))
        if constant is not None:
            return constant.type
        return self.graph.type_of(self.operand(node, index))

    def constant(self, tensor: str) -> Constant | None:
        """A constant tensor, quantized or plain; None for one that depends on the inputs."""
        if tensor in self.constants:
            return self.constants[tensor]
        array = self.model.constant(tensor) if tensor else None
        return None if array is None else plain_constant(array)

    def constant_operand(self, node: OnnxNode, index: int, role: str) -> Constant:
        """An operand that must be constant; a problem otherwise."""
        tensor = node.input(index)
        constant = self.constant(tensor)
        if constant is None:
            if tensor in self.poisoned:
                raise ImporterError
            what = f"computes its {role} at run time, expected a constant"
            self.fail(node, what, f"Store the {role} in the model.", tensor)
        return constant

    def ints(self, node: OnnxNode, index: int, role: str) -> tuple[int, ...]:
        """A constant operand that lists integers."""
        return tuple(int(value) for value in self.constant_operand(node, index, role).array.ravel())

    def scalar(self, node: OnnxNode, index: int, role: str) -> float:
        """A constant operand with one element, as a real."""
        constant = self.constant_operand(node, index, role)
        array = numerics.dequantize(constant.array, constant.type)
        if array.size != 1:
            what = f"has a {role} of shape {list(array.shape)}, expected one number"
            self.fail(node, what, f"Give one {role} for the whole tensor.", node.input(index))
        return float(array.reshape(()))

    def activation(self, node: OnnxNode, index: int) -> str:
        """The IR value of an operand that must be quantized; without a quantizer a problem is noted."""
        value = self.operand(node, index)
        type_ = self.graph.type_of(value)
        if type_.quantized or value in self.poisoned:
            return value
        self._missing_quantizer(node, node.input(index), value)
        return value

    def grid_source(self, value: str) -> str:
        """The value that put `value` on its grid: the way back through ops that keep it."""
        while value in self.graph.nodes and self.graph.nodes[value].op in GRID_KEEPING:
            value = self.graph.nodes[value].operands[0]
        return value

    def _missing_quantizer(self, node: OnnxNode, tensor: str, value: str) -> None:
        if not self.model.quantized:
            self.problems.append(FLOAT_MODEL)
            return
        source = self.grid_source(value)
        if source in self.graph.inputs:
            self.unquantized_inputs[source] = None
            problem = Problem(
                "the model has no quantizer on this input, and the first layer needs an int8 one",
                f"Give its exponent (scale 2^-e) with --input-exponent {source}=5 or, for every input, "
                "--input-exponent 5; or let p4c pick it from data with --calibrate data.npz.",
                tensor=source,
            )
            self.problems.append(problem)
            return
        producer = self.model.producer(tensor)
        made_by = f', made by {producer.key} "{producer.name}",' if producer else ""
        what = f"takes a float tensor{made_by} that has no quantizer"
        advice = "Put a quantizer on it in training (QuantizeLinear and DequantizeLinear, or fake quantization 2^-e)."
        self.problems.append(node.problem(what, advice, tensor))

    # Results

    def emit(
        self,
        node: OnnxNode,
        op: str,
        operands: Sequence[str],
        *,
        dtype: str = "f32",
        params: QuantParams | None = None,
        **attrs: Attr,
    ) -> str:
        """Append an IR node for the node's first output; a broken shape rule becomes a problem."""
        self.values[node.output] = self.emit_part(
            node, node.output, op, operands, dtype=dtype, params=params, **attrs
        )
        return self.values[node.output]

    def emit_part(
        self,
        node: OnnxNode,
        name: str,
        op: str,
        operands: Sequence[str],
        *,
        dtype: str = "f32",
        params: QuantParams | None = None,
        **attrs: Attr,
    ) -> str:
        """Append an IR node for a part of what the node computes, named like `name`; ONNX has no tensor for it."""
        name = self.free_name(name)
        try:
            made = make_node(self.graph, op, name, operands, dtype=dtype, params=params, loc=node.name, **attrs)  # type: ignore[arg-type]
        except OpError as fault:
            self.fail(node, str(fault), SHAPE_ADVICE, node.input(0))
        for shape in (*(self.graph.type_of(operand).shape for operand in operands), made.type.shape):
            if 0 in shape and self.poisoned.intersection(operands):
                raise ImporterError
            if 0 in shape:
                what = f"takes or gives a tensor of shape {list(shape)}, expected sizes of 1 or more"
                self.fail(node, what, "Remove the layer: it computes nothing.", node.output)
            if math.prod(shape) > MAX_ELEMENTS:
                what = f"takes or gives a tensor of shape {list(shape)}, expected at most {MAX_ELEMENTS:,} elements"
                self.fail(node, what, SIZE_ADVICE, node.output)
        self.graph.add(made)
        if self.poisoned.intersection(operands):
            self.poisoned.add(name)
        return name

    def emit_move(self, node: OnnxNode, op: str, value: str, *, name: str = "", **attrs: Attr) -> str:
        """emit_part of a one-operand op that keeps the dtype and params of `value`."""
        type_ = self.graph.type_of(value)
        name = name or f"{node.output}.{op}"
        return self.emit_part(node, name, op, [value], dtype=type_.dtype, params=type_.params, **attrs)

    def emit_same_grid(self, node: OnnxNode, op: str, **attrs: Attr) -> None:
        """Append a one-operand op that keeps its operand's dtype and params; constants are evaluated."""
        constant = self.constant(node.input(0))
        if constant is not None:
            self._apply_to_constant(node, op, constant, attrs)
            return
        type_ = self.type_of(node, 0)
        self.emit(node, op, [self.operand(node, 0)], dtype=type_.dtype, params=type_.params, **attrs)

    def _apply_to_constant(self, node: OnnxNode, op: str, constant: Constant, attrs: dict[str, Attr]) -> None:
        try:
            made = apply_op(op, constant, attrs)
        except OpError as fault:
            self.fail(node, str(fault), SHAPE_ADVICE, node.input(0))
        if made is None:
            what = "reshapes weights with one scale per channel, whose channels do not stay one axis"
            self.fail(node, what, "Quantize the weights in the shape in which the layer takes them.", node.input(0))
        self.set_constant(node, made)

    def alias(self, node: OnnxNode) -> None:
        """Let the node's first output be another name of its first operand."""
        constant = self.constant(node.input(0))
        if constant is not None:
            self.constants[node.output] = constant
        else:
            self.values[node.output] = self.operand(node, 0)

    def set_constant(self, node: OnnxNode, constant: Constant) -> None:
        """Let the node's first output be a constant; it enters the graph when a layer takes it."""
        self.constants[node.output] = constant

    def constant_name(self, tensor: str) -> str:
        """The name for a constant: that of the tensor in the file that holds it, before quantizers and transposes."""
        node = self.model.producer(tensor)
        while node is not None and node.inputs and self.constant(node.input(0)) is not None:
            tensor = node.input(0)
            node = self.model.producer(tensor)
        return self.model.origin(tensor)

    def add_constant(self, name: str, constant: Constant) -> str:
        """Add a constant to the graph, or find it there; returns its name."""
        present = self.graph.constants.get(name)
        if present is not None and present.type == constant.type and np.array_equal(present.array, constant.array):
            return name
        return self.graph.add_constant(name, constant)

    def free_name(self, name: str) -> str:
        """`name`, or the first free variant of it."""
        free, count = name, 1
        while free in self.graph:
            free, count = f"{name}.{count}", count + 1
        return free

    # Problems

    def fail(self, node: OnnxNode, what: str, advice: str, tensor: str = "") -> NoReturn:
        """Note a problem of the node and end its import."""
        raise ImporterError(node.problem(what, advice, tensor))

    def poison(self, node: OnnxNode) -> None:
        """Let the node's outputs be what inference knows of them, so that the import can go on behind a problem."""
        for tensor in filter(None, node.outputs):
            self.poisoned.add(tensor)
            info = self.model.types.get(tensor)
            shape = info.static_shape if info else None
            if shape is not None and 0 < math.prod(shape) <= MAX_ELEMENTS and tensor not in self.graph:
                self.graph.inputs[tensor] = TensorType("f32", shape)
                self.values[tensor] = tensor


def plain_constant(array: Array) -> Constant:
    """An unquantized constant: f32 for floats, i64 for the rest (shapes, axes)."""
    dtype = "f32" if array.dtype.kind == "f" else "i64"
    type_ = TensorType(dtype, array.shape)
    return Constant(type_, array.astype(type_.numpy))
