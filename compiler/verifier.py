"""The verifier: finds every fault of a graph and prints each one inside the IR, under what is at fault."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .errors import IRError
from .ir import LAYOUTS, NUMPY_DTYPES, Constant, Graph, Node, QuantParams, TensorType
from .numerics import dtype_range
from .ops import OPS, OpDef, OpError
from .ops.definition import is_int
from .printer import statements
from .text import list_text, suggestion, value_text

# Graphs of up to this many statements are shown whole; of longer ones, this many around each fault.
WHOLE, CONTEXT = 30, 2


@dataclass(frozen=True)
class Fault:
    """One broken rule: the statement it stands at (kind and name as in printer.Statement), and what is wrong."""

    kind: str
    name: str
    what: str


def verify(graph: Graph, after: str) -> None:
    """Raise IRError when the graph, as it stands after the pass `after`, breaks any rule of the IR."""
    found = faults(graph)
    if not found:
        return
    rules = "a rule" if len(found) == 1 else f"{len(found)} rules"
    what = f"the graph after {after} breaks {rules} of the IR:\n{marked_text(graph, after, found)}"
    raise IRError(what, "correct the marked statements; if p4c itself wrote them, it has a bug, please report it")


def faults(graph: Graph) -> list[Fault]:
    """Every fault of the graph, in the order of its text; empty when it is valid."""
    return list(_Verifier(graph).run())


def marked_text(graph: Graph, after: str, found: Collection[Fault]) -> str:
    """The IR text with each fault on a line of its own under its statement; what is far from faults is left out."""
    listing = statements(graph, after)
    at = [[fault.what for fault in found if (fault.kind, fault.name) == (s.kind, s.name)] for s in listing]
    near = {index + step for index, texts in enumerate(at) if texts for step in range(-CONTEXT, CONTEXT + 1)}
    lines: list[str] = []
    for index, (statement, texts) in enumerate(zip(listing, at, strict=True)):
        if len(listing) <= WHOLE or index == 0 or index in near:
            lines += [statement.text, *(f"  // ^ error: {text}" for text in texts)]
        elif lines[-1] != "  // ...":
            lines.append("  // ...")
    return "\n".join(lines)


class _Verifier:
    """One run over a graph; `sound` holds the defined names whose types broke no rule."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.defined: set[str] = set()
        self.sound: set[str] = set()

    def run(self) -> Iterator[Fault]:
        graph = self.graph
        if not graph.outputs:
            yield Fault("graph", "", "there is no output")
        for name, type_ in graph.inputs.items():
            yield from self._define("input", name, type_, _border_faults(type_))
        for name, constant in graph.constants.items():
            yield from self._define("const", name, constant.type, _constant_faults(constant))
        for name, node in graph.nodes.items():
            body = [*_name_faults(name, node), *self._node_faults(node)]
            yield from self._define("node", name, node.type, iter(body))
        for name in dict.fromkeys(graph.outputs):
            for what in self._output_faults(name):
                yield Fault("output", name, what)

    def _define(self, kind: str, name: str, type_: TensorType, others: Iterator[str]) -> Iterator[Fault]:
        """Faults of a definition: its name, its type, then `others`."""
        if name in self.defined:
            yield Fault(kind, name, f"{value_text(name)} is defined twice")
        self.defined.add(name)
        broken = list(type_faults(type_))
        if not broken:
            self.sound.add(name)
        for what in (*broken, *others):
            yield Fault(kind, name, what)

    def _node_faults(self, node: Node) -> Iterator[str]:
        yield from self._operand_faults(node)
        op = OPS.get(node.op)
        if op is None:
            yield f"there is no op {node.op}{suggestion(node.op, OPS)}"
            return
        broken = [*_count_faults(op, node), *_attr_faults(op, node)]
        yield from broken
        yield from self._range_faults(op, node)
        if not broken and all(operand in self.sound for operand in node.operands):
            yield from self._rule_faults(op, node)
        for user in self.graph.users(node.name) if op.border else ():
            yield f"the result of {op.name} is an operand of {value_text(user.name)}, expected a graph output only"

    def _operand_faults(self, node: Node) -> Iterator[str]:
        for operand in dict.fromkeys(node.operands):
            if operand not in self.defined:
                late = operand in self.graph.nodes
                yield f"{value_text(operand)} is {'used before its definition' if late else 'not defined'}"

    def _rule_faults(self, op: OpDef, node: Node) -> Iterator[str]:
        """Faults by the op's own rules; its operands' types, their number and its attributes are in order."""
        types = [self.graph.type_of(operand) for operand in node.operands]
        try:
            shape = op.infer(node, types)
        except OpError as error:
            yield str(error)
            return
        if node.type.shape != shape:
            yield f"the result has shape {list_text(node.type.shape)}, expected {list_text(shape)}"
        # With the shape put right the other rules can be checked all the same.
        corrected = node.type.with_(shape=shape)
        if not list(type_faults(corrected)):
            yield from op.check(node.with_(type=corrected), types)

    def _range_faults(self, op: OpDef, node: Node) -> Iterator[str]:
        for operand, declared in zip(node.operands, op.operands, strict=False):
            allowed = op.ranges.get(declared.rstrip("?"))
            constant = self.graph.constants.get(operand)
            if allowed is None or constant is None:
                continue
            wrong = [value for value in np.unique(constant.array).tolist() if value not in allowed]
            if wrong:
                expected = f"{allowed[0]}..{allowed[-1]}" if isinstance(allowed, range) else f"one of {allowed}"
                yield f"{value_text(operand)} holds {wrong[0]}, expected {expected}"

    def _output_faults(self, name: str) -> Iterator[str]:
        if name not in self.defined:
            yield f"{value_text(name)} is not defined"
        elif name in self.sound:
            yield from _border_faults(self.graph.type_of(name))
        if self.graph.outputs.count(name) > 1:
            yield f"{value_text(name)} is an output {self.graph.outputs.count(name)} times"


def type_faults(type_: TensorType) -> Iterator[str]:
    """Faults of a type by itself."""
    if type_.dtype not in NUMPY_DTYPES:
        yield f"there is no dtype {type_.dtype}, expected one of {', '.join(NUMPY_DTYPES)}"
        return
    if not isinstance(type_.shape, tuple) or any(not is_int(size) or size < 1 for size in type_.shape):
        yield f"the shape is {type_.shape!r}, expected integers of 1 or more"
        return
    if type_.layout not in LAYOUTS:
        yield f"there is no layout {type_.layout}, expected one of {', '.join(LAYOUTS)}"
    elif type_.layout != "row" and len(type_.shape) != 4:
        yield f"the layout is {type_.layout} with {len(type_.shape)} axes, expected four"
    if type_.params is not None:
        yield from _params_faults(type_.params, type_)


def _params_faults(params: QuantParams, type_: TensorType) -> Iterator[str]:
    if type_.dtype == "f32":
        yield "the type is f32 with quantization parameters, expected an integer dtype or none"
        return
    if params.axis is not None and not (is_int(params.axis) and 0 <= params.axis < len(type_.shape)):
        yield f"the scales run along axis {params.axis}, expected an axis of {len(type_.shape)}"
    else:
        expected = 1 if params.axis is None else type_.shape[params.axis]
        for name, values in (("scales", params.scale), ("zero points", params.zero_point)):
            if len(values) != expected:
                along = "per tensor" if params.axis is None else f"along axis {params.axis}"
                yield f"there are {len(values)} {name} {along}, expected {expected}"
    scales = [scale for scale in params.scale if not _is_scale(scale)]
    if scales:
        yield f"{_count('scale', scales, params.scale)} {scales[0]!r}, expected a positive finite float32"
    low, high = dtype_range(type_.dtype)
    zero_points = [value for value in params.zero_point if not is_int(value) or not low <= value <= high]
    if zero_points:
        wrong = _count("zero point", zero_points, params.zero_point)
        yield f"{wrong} {zero_points[0]!r}, expected an integer in {low}..{high}"


def _is_scale(value: object) -> bool:
    if not isinstance(value, float) or not 0 < value < math.inf:
        return False
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value)) == value


def _count(what: str, wrong: Sequence[object], values: Sequence[object]) -> str:
    return f"the {what} is" if len(values) == 1 else f"{len(wrong)} of {len(values)} {what}s are wrong, the first is"


def _border_faults(type_: TensorType) -> Iterator[str]:
    if type_.layout != "row" and not type_.order_free:
        yield f"an input or output has layout {type_.layout}, expected row, the ONNX axis order"


def _constant_faults(constant: Constant) -> Iterator[str]:
    expected = NUMPY_DTYPES.get(constant.type.dtype)
    if expected is not None and constant.array.dtype != expected:
        yield f"the array's elements are {constant.array.dtype}, expected {np.dtype(expected)}"
    if constant.array.shape != constant.type.shape:
        yield f"the array has shape {list_text(constant.array.shape)}, expected {list_text(constant.type.shape)}"


def _name_faults(key: str, node: Node) -> Iterator[str]:
    if key != node.name:
        yield f"the node is filed under {value_text(key)}, expected its own name {value_text(node.name)}"


def _count_faults(op: OpDef, node: Node) -> Iterator[str]:
    if not op.required <= len(node.operands) <= op.most:
        yield f"{op.name} has {len(node.operands)} operands, expected ({', '.join(op.operands)})"


def _attr_faults(op: OpDef, node: Node) -> Iterator[str]:
    for key in node.attrs:
        if key not in op.attrs:
            yield f"{op.name} has no attribute {key}{suggestion(key, op.attrs)}"
    for key, attr in op.attrs.items():
        if key not in node.attrs:
            yield f"the attribute {key} is missing"
        elif fault := attr.fault(node.attrs[key]):
            yield f"the attribute {key} {fault}"
