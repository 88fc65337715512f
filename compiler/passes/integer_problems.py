"""What every integer form demands of its operands and its result: int8, powers of two, zero point 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import Problem
from ..ir import Graph, Node


def problem(node: Node, what: str, advice: str, tensor: str) -> Problem:
    """A problem whose place is this node."""
    return Problem(what, advice, node.loc or node.name, node.op, tensor)


def operand_problems(graph: Graph, node: Node, operands: Sequence[str]) -> list[Problem]:
    """A problem for each of these operands that is not int8 with power-of-two scales and zero point 0."""
    found = []
    for operand in dict.fromkeys(operands):
        type_ = graph.type_of(operand)
        if type_.params is None:
            advice = "add a quantizer for this tensor in training"
            what = f"the operand is {type_.dtype} and has no quantizer, expected int8"
            found.append(problem(node, what, advice, operand))
        elif type_.dtype != "i8" or not type_.params.symmetric:
            zero_point = next(filter(None, type_.params.zero_point), 0)
            what = f"the operand is {type_.dtype} with zero point {zero_point}, expected int8 with 0"
            advice = "quantize symmetrically to int8 (zero point 0, for instance ActivationSymmetric in onnxruntime)"
            found.append(problem(node, what, advice, operand))
        elif type_.params.exponents is None:
            scale = next(scale for scale in type_.params.scale if math.frexp(scale)[0] != 0.5)
            what = f"the scale {scale:.9g} is no power of two"
            found.append(problem(node, what, scale_advice(scale), operand))
    return found


def result_problems(node: Node) -> list[Problem]:
    """The problem of a quantized result that is not int8 with one power-of-two scale and zero point 0."""
    params = node.type.params
    if params is None or (params.exponent is not None and params.symmetric and node.type.dtype == "i8"):
        return []
    what = f"the output is {node.type.dtype} with scale {params.scale[0]:.9g} and zero point {params.zero_point[0]}"
    advice = [] if params.exponent is not None else [scale_advice(params.scale[0])]
    if node.type.dtype == "u8":
        advice.append("quantize to int8, or clip the codes to 0..127, which is 7 unsigned bits")
    elif not params.symmetric:
        advice.append("quantize symmetrically, with zero point 0")
    return [problem(node, f"{what}, expected int8, a power of two and 0", "; ".join(advice), node.name)]


def scale_advice(scale: float) -> str:
    """What to make of a scale: the smallest power of two that loses no range."""
    mantissa, exponent = math.frexp(scale)
    return f"train with power-of-two scales, here 2^{exponent - (mantissa == 0.5)}"


def unquantized_problem(graph: Graph, node: Node) -> Problem:
    """The problem of a result that others take as reals."""
    takers = [f'"{user.loc or user.name}" ({user.op})' for user in graph.users(node.name)]
    takers += ["an output"] if node.name in graph.outputs else []
    what = f"the float32 result goes to {' and '.join(takers)}, expected one quantizer behind it"
    return problem(node, what, "add one activation quantizer for this tensor in training", node.name)
