"""The integer form of softmax; part of the pass convert-to-integer.

%y = softmax(%x : i8 q(e=4)) {axis=1} : i8 q(e=7)  =>  %y = qsoftmax(%x, %table : i64[256]) {axis=1, bits=7}
"""

from __future__ import annotations

from ..errors import Problem
from ..ir import Constant, Graph, Node, TensorType
from ..ops.softmax import MAX_BITS, exp_table
from .integer_problems import operand_problems, problem, result_problems, unquantized_problem


def problems(graph: Graph, node: Node) -> list[Problem]:
    """Why a softmax has no integer form; empty when it has one."""
    found = operand_problems(graph, node, node.operands) + result_problems(node)
    if not found and node.type.params is None:
        found.append(unquantized_problem(graph, node))
    if found:
        return found
    bits = _exponent(node.type)
    if not 0 <= bits <= MAX_BITS:
        what = f"the result has the scale 2^{-bits}, expected 2^-{MAX_BITS} to 1"
        return [problem(node, what, "quantize the probabilities with the scale 2^-7", node.name)]
    return []


def convert(graph: Graph, node: Node) -> None:
    """Replace a softmax without problems by its integer form."""
    table = exp_table(_exponent(graph.type_of(node.operands[0])))
    name = graph.add_constant(f"{node.name}.table", Constant(TensorType("i64", table.shape), table))
    attrs = {**node.attrs, "bits": _exponent(node.type)}
    graph.nodes[node.name] = Node(node.name, "qsoftmax", (*node.operands, name), node.type, attrs, node.loc)


def _exponent(type_: TensorType) -> int:
    assert type_.params is not None and type_.params.exponent is not None  # noqa: PT018
    return type_.params.exponent
