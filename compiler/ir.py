"""The IR: types, nodes and graphs. The manual is IR.md beside this file.

A quantized value denotes real numbers, scale * (q - zero_point), and every op is defined on what its operands
denote. So there is one `quantize` marker and no dequantize between ops; only a graph's border has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Attr = int | float | str | tuple[int, ...]

NUMPY_DTYPES: Mapping[str, type[np.generic]] = {
    "i8": np.int8,
    "u8": np.uint8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f32": np.float32,
}

# Physical orders of a value in memory; those with axis 1 last are for four axes. The shape of a type always is the
# logical one, in ONNX axis order. Pixels begin at multiples of VECTOR elements in nhwc; nhwc_dense has no gaps.
LAYOUTS = ("row", "nhwc", "nhwc_dense")
VECTOR = 16


@dataclass(frozen=True)
class QuantParams:
    """What stored integers denote: scale * (q - zero_point).

    `scale` holds float32 values and `zero_point` integers, one of each when `axis` is None (per tensor),
    otherwise one per index of that axis (per channel).
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...] = (0,)
    axis: int | None = None

    @classmethod
    def power_of_two(cls, exponent: int) -> QuantParams:
        """Per-tensor params with scale 2^-exponent and zero point 0."""
        return cls((math.ldexp(1.0, -exponent),))

    @property
    def exponents(self) -> tuple[int, ...] | None:
        """e for each scale = 2^-e; None unless every scale is a power of two."""
        pairs = [math.frexp(scale) for scale in self.scale]
        if any(mantissa != 0.5 for mantissa, _ in pairs):
            return None
        return tuple(1 - power for _, power in pairs)

    @property
    def exponent(self) -> int | None:
        """e of a per-tensor scale = 2^-e; None when per channel or not a power of two."""
        exponents = self.exponents
        return exponents[0] if exponents is not None and self.axis is None else None

    def step_of(self, value: float) -> float:
        """Where a real lies on a per-tensor grid, in steps from the one of 0; an integer on the grid."""
        return float(np.float32(value)) / self.scale[0] + self.zero_point[0]

    def is_step(self, value: float, low: int, high: int) -> bool:
        """True when a per-tensor grid with integers low..high has a step at that real, or ends before it."""
        step = self.step_of(value)
        return not low <= step <= high or step == round(step)

    @property
    def symmetric(self) -> bool:
        """True when every zero point is 0."""
        return not any(self.zero_point)

    def along(self, values: tuple[Any, ...], rank: int, dtype: type[np.generic]) -> Array:
        """`values` (scale or zero_point) shaped so that it broadcasts against a tensor of that rank."""
        array = np.array(values, dtype=dtype)
        if self.axis is None:
            return array.reshape(())
        return array.reshape([-1 if axis == self.axis else 1 for axis in range(rank)])


@dataclass(frozen=True)
class TensorType:
    """Element type, logical shape (ONNX axis order), quantization, and physical layout."""

    dtype: str
    shape: tuple[int, ...]
    params: QuantParams | None = None
    layout: str = "row"

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory, padding included."""
        size = np.dtype(self.numpy).itemsize
        if self.channels_last:
            return self.shape[0] * self.shape[2] * self.shape[3] * self.pitch * size
        return self.elements * size

    @property
    def channels_last(self) -> bool:
        """True when axis 1 of four is the innermost one in memory."""
        return self.layout != "row" and len(self.shape) == 4

    @property
    def pitch(self) -> int:
        """Elements from one pixel to the next in channels-last order: the channels, rounded up to whole vectors.

        A single channel is dense, and so is nhwc_dense. What the padding holds is undefined.
        """
        channels = self.shape[1]
        return channels if channels == 1 or self.layout == "nhwc_dense" else -(-channels // VECTOR) * VECTOR

    @property
    def numpy(self) -> type[np.generic]:
        """The NumPy scalar type of an element."""
        return NUMPY_DTYPES[self.dtype]

    @property
    def quantized(self) -> bool:
        """True when elements are integers that denote reals."""
        return self.params is not None

    @property
    def order_free(self) -> bool:
        """True when every layout is the same bytes: not four axes, one channel, or one pixel without padding."""
        if len(self.shape) != 4 or self.shape[1] == 1:
            return True
        return self.shape[2] * self.shape[3] == 1 and self.shape[1] % VECTOR == 0

    def same_order(self, other: TensorType) -> bool:
        """True when both are the same bytes, or one of the types has only one order of bytes."""
        if self.layout == other.layout or self.order_free or other.order_free:
            return True
        return self.channels_last and other.channels_last and self.pitch == other.pitch

    def with_(self, **changes: Any) -> TensorType:  # noqa: ANN401
        """A copy with some fields replaced."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Node:
    """One operation; `name` is the value it defines, which keeps the ONNX tensor's name.

    `loc` is the ONNX node's name, "" for what the compiler made.
    """

    name: str
    op: str
    operands: tuple[str, ...]
    type: TensorType
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    loc: str = ""

    def with_(self, **changes: Any) -> Node:  # noqa: ANN401
        """A copy with some fields replaced; attributes given as `attrs` are merged into the old ones."""
        if "attrs" in changes:
            changes["attrs"] = {**self.attrs, **changes["attrs"]}
        return replace(self, **changes)

    def ints(self, name: str) -> tuple[int, ...]:
        """An attribute that is a tuple of ints."""
        value = self.attrs[name]
        assert isinstance(value, tuple)
        return value

    def int(self, name: str) -> int:
        """An attribute that is an int."""
        value = self.attrs[name]
        assert isinstance(value, int)
        return value


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant operand: stored elements in logical order and their type."""

    type: TensorType
    array: Array


@dataclass
class Graph:
    """A network: inputs, constants, nodes in topological order keyed by result name, outputs.

    Names are unique over inputs, constants and nodes. Passes take a Graph and return a new one; `copy` is shallow
    because types, nodes and constants are immutable.
    """

    name: str
    inputs: dict[str, TensorType] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def copy(self) -> Graph:
        """A graph that can be changed without changing this one."""
        return Graph(self.name, dict(self.inputs), dict(self.constants), dict(self.nodes), list(self.outputs))

    def type_of(self, name: str) -> TensorType:
        """The type of a value; KeyError when there is none of that name."""
        if name in self.nodes:
            return self.nodes[name].type
        if name in self.constants:
            return self.constants[name].type
        return self.inputs[name]

    def __contains__(self, name: object) -> bool:
        return name in self.nodes or name in self.constants or name in self.inputs

    def add(self, node: Node) -> str:
        """Append a node and return its name; the name must be new."""
        if node.name in self:
            raise ValueError(f"value {node.name!r} is defined twice")
        self.nodes[node.name] = node
        return node.name

    def insert_before(self, place: str, node: Node) -> str:
        """Add a node in front of the node called `place` and return its name; the name must be new."""
        self.add(node)
        del self.nodes[node.name]
        before = {place: [node, self.nodes[place]]}
        self.nodes = {n.name: n for old in self.nodes.values() for n in before.get(old.name, [old])}
        return node.name

    def add_constant(self, name: str, constant: Constant) -> str:
        """Add a constant under `name`, or under the next free variant of it; returns the name used."""
        free = self.free_name(name)
        self.constants[free] = constant
        return free

    def free_name(self, name: str) -> str:
        """`name`, or the next variant of it that no value has."""
        free, count = name, 1
        while free in self:
            free, count = f"{name}.{count}", count + 1
        return free

    def users(self, name: str) -> list[Node]:
        """The nodes that take `name` as an operand, in order, each once."""
        return [node for node in self.nodes.values() if name in node.operands]

    def sole_user(self, name: str) -> Node | None:
        """The only node that uses `name`; None when there are several, none, or it also is an output."""
        users = self.users(name)
        return users[0] if len(users) == 1 and name not in self.outputs else None

    def replace_uses(self, old: str, new: str) -> None:
        """Let every user of `old`, and the outputs, take `new` instead."""
        for name, node in self.nodes.items():
            if old in node.operands:
                operands = tuple(new if operand == old else operand for operand in node.operands)
                self.nodes[name] = node.with_(operands=operands)
        self.outputs = [new if output == old else output for output in self.outputs]

    def remove_unused(self) -> None:
        """Drop nodes and constants that no output needs; inputs stay."""
        needed, pending = set(self.outputs), list(self.outputs)
        while pending:
            node = self.nodes.get(pending.pop())
            for operand in node.operands if node else ():
                if operand not in needed:
                    needed.add(operand)
                    pending.append(operand)
        self.nodes = {name: node for name, node in self.nodes.items() if name in needed}
        self.constants = {name: const for name, const in self.constants.items() if name in needed}

    def __iter__(self) -> Iterator[Node]:
        return iter(list(self.nodes.values()))


def graphs_equal(a: Graph, b: Graph) -> bool:
    """True when both graphs are the same in every respect, order included; NaN equals NaN."""
    same = a.name == b.name and a.outputs == b.outputs and list(a.inputs.items()) == list(b.inputs.items())
    same = same and list(a.nodes.items()) == list(b.nodes.items()) and list(a.constants) == list(b.constants)
    return same and all(_constants_equal(constant, b.constants[name]) for name, constant in a.constants.items())


def _constants_equal(a: Constant, b: Constant) -> bool:
    if a.type != b.type or a.array.dtype != b.array.dtype or a.array.shape != b.array.shape:
        return False
    # The signs tell -0.0 from 0.0.
    floats = a.array.dtype.kind == "f"
    signs = bool(np.array_equal(np.signbit(a.array), np.signbit(b.array))) if floats else True
    return signs and bool(np.array_equal(a.array, b.array, equal_nan=floats))
