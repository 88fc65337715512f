"""The integer forms of ops with one shift for the whole tensor; part of the pass convert-to-integer.

%r = quantize(%x : i8 q(e=5)) : i8 q(e=3)                  =>  %r = requantize(%x) {shift=2}
%s = sub(%x : i8 q(e=5), %y : i8 q(e=3)) : i8 q(e=4)       =>  %s = qadd(%x, %y) {factors=[1,-4], shift=1}
%m = average_pool(%x : i8 q(e=5)) : i8 q(e=4)              =>  %m = qaverage_pool(%x) {shift=1}
%p = mul(%x : i8 q(e=5), %y : i8 q(e=3)) : i8 q(e=4)       =>  %p = qmul(%x, %y) {shift=4}
"""

from __future__ import annotations

from ..errors import Problem
from ..ir import Graph, Node
from ..ops.arithmetic import MAX_FACTOR
from ..ops.shifting import MAX_SHIFT
from .integer_problems import operand_problems, problem, result_problems, unquantized_problem

FORMS = {"quantize": "requantize", "add": "qadd", "sub": "qadd", "mul": "qmul", "average_pool": "qaverage_pool"}
NEARER = "choose the exponents of operands and result nearer to each other"


def applies(graph: Graph, node: Node) -> bool:
    """True for the ops of FORMS; quantizers of reals are the host's or a problem of lowering."""
    return node.op in FORMS and (node.op != "quantize" or graph.type_of(node.operands[0]).quantized)


def problems(graph: Graph, node: Node) -> list[Problem]:
    """Why a node has no exact integer form; empty when it has one."""
    found = operand_problems(graph, node, node.operands) + result_problems(node)
    if not found and node.type.params is None:
        found.append(unquantized_problem(graph, node))
    if found:
        return found
    exponents = [_exponent(graph, name) for name in node.operands]
    if node.op in ("add", "sub") and 1 << max(exponents) - min(exponents) > MAX_FACTOR:
        what = f"the operands' exponents are {exponents[0]} and {exponents[1]}, expected at most 15 apart"
        found.append(problem(node, what, NEARER, node.name))
    shift = _accumulator_exponent(graph, node) - _exponent(graph, node.name)
    if abs(shift) > MAX_SHIFT:
        what = f"the result needs a shift by {shift}, expected -{MAX_SHIFT} to {MAX_SHIFT}"
        found.append(problem(node, what, NEARER, node.name))
    return found


def convert(graph: Graph, node: Node) -> None:
    """Replace a node without problems by its integer form; a constant operand comes second."""
    attrs = dict(node.attrs)
    attrs["shift"] = _accumulator_exponent(graph, node) - _exponent(graph, node.name)
    swapped = len(node.operands) == 2 and node.operands[0] in graph.constants
    operands = node.operands[::-1] if swapped else node.operands
    if node.op in ("add", "sub"):
        factors = _factors(graph, node)
        attrs["factors"] = factors[::-1] if swapped else factors
    graph.nodes[node.name] = Node(node.name, FORMS[node.op], operands, node.type, attrs, node.loc)


def _factors(graph: Graph, node: Node) -> tuple[int, ...]:
    """What brings the operands onto the finer of their grids, the second negative for sub."""
    exponents = [_exponent(graph, name) for name in node.operands]
    x, y = (1 << max(exponents) - exponent for exponent in exponents)
    return (x, -y if node.op == "sub" else y)


def _accumulator_exponent(graph: Graph, node: Node) -> int:
    """e of the exact result, which denotes accumulator * 2^-e."""
    exponents = [_exponent(graph, name) for name in node.operands]
    return sum(exponents) if node.op == "mul" else max(exponents)


def _exponent(graph: Graph, name: str) -> int:
    params = graph.type_of(name).params
    assert params is not None and params.exponent is not None  # noqa: PT018
    return params.exponent
