"""The Plan and the records that a backend fills: kernels, buffers, steps, borders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .ir import Array, Graph, Node, TensorType

# A C initializer: a number or a nested record.
Fields = Mapping[str, "int | Fields"]


def number(fields: Fields, name: str) -> int:
    """A field that is a number and no record."""
    value = fields[name]
    assert isinstance(value, int)
    return value


@dataclass(frozen=True)
class Invocation:
    """A node with what a kernel is told about it."""

    graph: Graph
    node: Node

    def operand(self, index: int) -> TensorType:
        """The type of an operand."""
        return self.graph.type_of(self.node.operands[index])

    def constant(self, index: int) -> Array:
        """The stored elements of a constant operand."""
        return self.graph.constants[self.node.operands[index]].array


@dataclass(frozen=True)
class Condition:
    """One condition of a kernel's selection rule: what it says, and the test."""

    text: str
    holds: Callable[[Invocation], bool]


def no_constants(call: Invocation) -> dict[str, Array | None]:
    """The packing of a kernel without constant operands."""
    return {}


def no_overlays(call: Invocation) -> Mapping[int, int]:
    """The overlays of a kernel that must not write over any operand."""
    return {}


def read_once(call: Invocation) -> int:
    """How often a kernel reads all its constants past the L1 cache, if it reads them once."""
    return 1


def no_scratch(call: Invocation) -> int:
    """The scratch size of a kernel that needs none."""
    return 0


@dataclass(frozen=True)
class KernelDef:
    """One row of the kernel table.

    `symbol` is an always-inline C function in `header`: symbol((struct record){...}, inputs, constants, output and,
    with `uses_scratch`, scratch). `parameters` gives the record's fields, `constants` the packed arrays in argument
    order (None is passed as NULL). `operands` counts the operands that are activations; 0 stands for all of them,
    passed as one array. `overlays` says of operands, by index, how many bytes they must begin behind the
    result for it to be written over them, `passes` how often all constants come past the L1 cache; `pie` says that
    the kernel needs the vector unit.
    """

    name: str
    op: str
    header: str
    symbol: str
    record: str
    parameters: Callable[[Invocation], Fields]
    conditions: tuple[Condition, ...] = ()
    constants: Callable[[Invocation], dict[str, Array | None]] = no_constants
    scratch: Callable[[Invocation], int] = no_scratch
    uses_scratch: bool = False
    operands: int = 1
    overlays: Callable[[Invocation], Mapping[int, int]] = no_overlays
    passes: Callable[[Invocation], int] = read_once
    pie: bool = False

    def missing(self, call: Invocation) -> list[str]:
        """The texts of the conditions that do not hold for this node; empty when the kernel applies."""
        return [condition.text for condition in self.conditions if not condition.holds(call)]


@dataclass(frozen=True)
class Buffer:
    """Where a stored value lives: `place` is arena, input or output, `offset` counts from its base."""

    place: str
    offset: int
    size: int


@dataclass(frozen=True)
class View:
    """Where a value lies that has no memory of its own: `offset` bytes behind the beginning of `source`."""

    source: str
    offset: int


@dataclass(frozen=True)
class Weights:
    """Constants that lie in one memory: `name` is what C calls their address, `region` the memory."""

    name: str
    region: str
    data: bytes


@dataclass(frozen=True)
class Address:
    """Where a constant lies: `weights` names one of Plan.weights."""

    weights: str
    offset: int


@dataclass(frozen=True)
class Border:
    """One input or output as the host sees it.

    `name` is the ONNX tensor; `value` the stored value behind it, `type` its type. A float border is quantized by
    `qmin`..`qmax` (input) or dequantized with `bias` added along `bias_axis` (output); `real` says which it is.
    """

    name: str
    value: str
    type: TensorType
    real: bool
    qmin: int = 0
    qmax: int = 0
    bias: Array | None = None
    bias_axis: int = 1


@dataclass(frozen=True)
class Step:
    """One kernel call: operands and result are keys of Plan.buffers; constants lie in Plan.weights.

    `passed_over` holds the rows of the kernel table that stand above the chosen one, with what they would need.
    """

    node: Node
    kernel: KernelDef
    parameters: Fields
    operands: tuple[str, ...]
    constants: Mapping[str, Address | None]
    scratch: Buffer | None
    macs: int
    passed_over: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Everything that emit prints: steps in order, buffers, the packed weights by memory, borders.

    `arena_region` is the memory of the arena and of the input and output blocks; `views` says of values that lie in
    another one in which.
    """

    graph: Graph
    steps: Sequence[Step]
    buffers: Mapping[str, Buffer]
    arena_bytes: int
    arena_lower_bound: int
    input_bytes: int
    output_bytes: int
    weights: Sequence[Weights]
    arena_region: str
    inputs: Sequence[Border]
    outputs: Sequence[Border]
    views: Mapping[str, View] = field(default_factory=dict)

    @property
    def weights_bytes(self) -> int:
        """Bytes of all constants."""
        return sum(len(weights.data) for weights in self.weights)
