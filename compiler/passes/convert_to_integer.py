"""Turn ops on reals into integer ops; layers with weights get int32 bias, shift and rounding per channel.

    %q = conv2d(%x : i8 q(e=5), %w : i8 q(e=7), %b : f32) : i8 q(e=4)
    =>
    %q = qconv2d(%x, %w, %bias : i32[O], %shift : i8[O] = 8, %rounding : i8[O]) : i8 q(e=4)

Rounding (design: Numerics). With bias b in accumulator units and shift s >= 1, an integer b rounds half to even. Any
other b can meet no tie, and floor((acc + floor(b) + 2^(s-1)) >> s) is exact. Without a quantizer the accumulators
leave the device as int32 and the graph's `dequantize` adds what is left of the bias. Ops with one shift for the whole
tensor are in shift_ops.py, softmax is in softmax_form.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .. import numerics
from ..errors import ModelError, Problem
from ..float32 import GEMM_BLOCK, tie_channels
from ..ir import Array, Constant, Graph, Node, TensorType
from ..ops.shifting import MAX_SHIFT
from . import shift_ops, softmax_form
from .integer_problems import operand_problems, problem, result_problems, unquantized_problem
from .prove_accumulators import value_range
from .unquantized_outputs import (
    accumulator_params,
    channel_axis,
    give_accumulators,
    moves_to_output,
    on_grid,
    whole_bias,
)

# What finds the problems of a node, and what replaces a node without any; both take the graph and the node.
Form = tuple[Callable[[Graph, Node], list[Problem]], Callable[[Graph, Node], None]]

INTEGER_OPS = {"conv2d": "qconv2d", "fully_connected": "qfully_connected"}
# Op on reals -> the op that stands in its place.
ALL_INTEGER_OPS = {**INTEGER_OPS, **shift_ops.FORMS, "softmax": "qsoftmax"}


def convert_to_integer(graph: Graph) -> Graph:
    """Replace each op on reals by its integer form; raises ModelError with every op that has no exact integer form.

    In the error's `rest` an input stands for the result of each of these, and is no output.
    """
    result = graph.copy()
    problems: list[Problem] = []
    for node in graph:
        form = _form(graph, node)
        if form is None:
            continue
        find, convert = form
        found = find(graph, node)
        problems += found
        if found:
            result.inputs[node.name] = result.nodes.pop(node.name).type
        else:
            convert(result, node)
    # Of a graph with problems, only what is computed.
    result.outputs = [name for name in result.outputs if not problems or name not in result.inputs]
    result.remove_unused()
    if problems:
        rest = result if result.outputs else None
        raise ModelError(problems, rest=rest, after="convert-to-integer")
    return result


def _form(graph: Graph, node: Node) -> Form | None:
    if node.op in INTEGER_OPS:
        return _problems, _convert
    if node.op == "softmax":
        return softmax_form.problems, softmax_form.convert
    return (shift_ops.problems, shift_ops.convert) if shift_ops.applies(graph, node) else None


def _problems(graph: Graph, node: Node) -> list[Problem]:
    found = operand_problems(graph, node, node.operands[:2])
    for role, operand in zip(("weights are", "bias is"), node.operands[1:], strict=False):
        if operand not in graph.constants:
            found.append(problem(node, f"the {role} computed, expected a constant", "store it in the file", operand))
    found += result_problems(node)
    # Accumulators that only leave the network stay integers; the host makes them reals.
    if not found and node.type.params is None and not _may_leave(graph, node):
        found.append(unquantized_problem(graph, node))
    return found or [*_shift_problems(graph, node), *_bias_problems(graph, node)]


def _may_leave(graph: Graph, node: Node) -> bool:
    """True for reals that only an output takes, whose channels lie along an axis there if that matters."""
    moves = moves_to_output(graph, node)
    alike = len(set(accumulator_exponents(graph, node).tolist())) == 1 and on_grid(bias_units(graph, node))
    return moves is not None and (alike or channel_axis(node, moves) is not None)


def _shift_problems(graph: Graph, node: Node) -> Iterator[Problem]:
    if node.type.params is None:
        return
    shift = shifts(graph, node)
    for channel in np.flatnonzero(np.abs(shift) > MAX_SHIFT)[:1].tolist():
        what = f"channel {channel} needs a shift by {shift[channel]}, expected -{MAX_SHIFT} to {MAX_SHIFT}"
        advice = "choose the exponents of input, weights and output nearer to each other"
        yield Problem(what, advice, node.loc or node.name, node.op, node.name)


def _bias_problems(graph: Graph, node: Node) -> Iterator[Problem]:
    if len(node.operands) < 3:
        return
    units = bias_units(graph, node)
    faults = [(~np.isfinite(units), ", expected a finite number")]
    if node.type.params is not None:
        faults.append(((units != np.floor(units)) & (shifts(graph, node) < 1), " with no shift to round it"))
        faults.append((np.abs(units) >= 2**31, ", over 32 bits"))
    for wrong, reason in faults:
        for channel in np.flatnonzero(wrong)[:1].tolist():
            what = f"the bias of channel {channel} is {units[channel]:g} accumulator units{reason}"
            advice = "store int32 biases with scale sx * sw"
            yield Problem(what, advice, node.loc or node.name, node.op, node.operands[2])
            return


def accumulator_exponents(graph: Graph, node: Node) -> Array:
    """e per output channel, accumulators denoting acc * 2^-e; int64 [O]."""
    x, w = (graph.type_of(operand).params for operand in node.operands[:2])
    assert x is not None and w is not None and x.exponent is not None and w.exponents is not None  # noqa: PT018
    exponents = np.array(w.exponents, dtype=np.int64) + x.exponent
    return np.broadcast_to(exponents, (graph.type_of(node.operands[1]).shape[0],))


def shifts(graph: Graph, node: Node) -> Array:
    """Right shift per output channel of a node with a quantized result; int64 [O]."""
    assert node.type.params is not None and node.type.params.exponent is not None  # noqa: PT018
    return accumulator_exponents(graph, node) - node.type.params.exponent


def bias_units(graph: Graph, node: Node) -> Array:
    """The bias in accumulator units, float64 [O], exact; zeros when there is none."""
    exponents = accumulator_exponents(graph, node)
    if len(node.operands) < 3:
        return np.zeros(len(exponents))
    bias = graph.constants[node.operands[2]]
    # In float32, as onnxruntime dequantizes it.
    reals = numerics.dequantize(bias.array, bias.type).astype(np.float64)
    return np.ldexp(reals, exponents)


# Constant results are written as biases below this, which every kernel takes.
MAX_CONSTANT = 1 << 30


@dataclass(frozen=True)
class Requantization:
    """int32 bias, shift and rounding of each output channel."""

    bias: Array
    shift: Array
    rounding: Array


def exact_requantization(units: Array, shift: Array, summed: Array) -> Requantization:
    """The integers that round acc + units exactly as half-to-even of the real would; see the module's text.

    All arrays are [O]. Where nothing is `summed` (no weight but zero) the result is constant, and where the shift is
    not positive nothing is rounded: such channels round as the others do, so that a layer mixes no more than it must.
    """
    whole = np.floor(units).astype(np.int64)
    on_grid = units == whole
    half = np.where(on_grid, 0, np.int64(1) << np.maximum(shift - 1, 0))
    rounding = np.where(on_grid, numerics.HALF_EVEN, numerics.FLOOR)
    result = np.rint(np.ldexp(units, -shift))
    constant = ~summed & (shift > 0) & (np.abs(np.ldexp(result, shift)) < MAX_CONSTANT)
    bias = np.where(constant, np.ldexp(result, shift).astype(np.int64), whole + half)
    bound = rounding[~constant & (shift > 0)]
    common = numerics.FLOOR if len(bound) and (bound == numerics.FLOOR).all() else numerics.HALF_EVEN
    rounding = np.where(constant | (shift <= 0), common, rounding)
    return Requantization(bias.astype(np.int32), shift.astype(np.int8), rounding.astype(np.int8))


def _convert(result: Graph, node: Node) -> None:
    units = bias_units(result, node)
    if node.type.params is None:
        _convert_unquantized(result, node, units)
        return
    weights = result.constants[node.operands[1]].array
    summed = np.any(weights.reshape(len(weights), -1), axis=1)
    exact = exact_requantization(units, shifts(result, node), np.asarray(summed))
    vectors = (("bias", "i32", exact.bias), ("shift", "i8", exact.shift), ("rounding", "i8", exact.rounding))
    extra = [_vector(result, f"{node.name}.{name}", dtype, array) for name, dtype, array in vectors]
    ties = _float32_ties(result, node, units)
    result.nodes[node.name] = _integer(node, node.name, node.type, extra).with_(attrs={"float32_ties": ties})


def _float32_ties(graph: Graph, node: Node, units: Array) -> tuple[int, ...]:
    """The channels in which onnxruntime's float32 may round the bias onto a tie."""
    weights = graph.constants[node.operands[1]].array.astype(np.float64).reshape(len(units), -1)
    largest = max(abs(bound) for bound in value_range(graph, node.operands[0]))
    magnitude = np.abs(weights).sum(axis=1) * largest + np.abs(units)
    blocks = -(-weights.shape[1] // GEMM_BLOCK) if node.op == "fully_connected" else 1
    return tie_channels(units, magnitude, shifts(graph, node), blocks)


def _convert_unquantized(result: Graph, node: Node, units: Array) -> None:
    moves, exponents = moves_to_output(result, node), accumulator_exponents(result, node)
    assert moves is not None
    bias = _vector(result, f"{node.name}.bias", "i32", whole_bias(units))
    name = node.name if moves else result.free_name(f"{node.name}.acc")
    acc = TensorType("i32", node.type.shape, accumulator_params(exponents, 1))
    float_bias = [] if on_grid(units) else [_float_bias(result, node)]
    give_accumulators(result, node, _integer(node, name, acc, [bias]), moves, exponents, float_bias)


def _float_bias(result: Graph, node: Node) -> str:
    bias = result.constants[node.operands[2]]
    if bias.type.params is None:
        return node.operands[2]
    reals = numerics.dequantize(bias.array, bias.type)
    return result.add_constant(f"{node.operands[2]}.f32", Constant(TensorType("f32", reals.shape), reals))


def _vector(result: Graph, name: str, dtype: str, array: Array) -> str:
    return result.add_constant(name, Constant(TensorType(dtype, array.shape), array))


def _integer(node: Node, name: str, type_: TensorType, extra: Sequence[str]) -> Node:
    attrs = dict(node.attrs)
    if node.op == "conv2d":
        attrs |= {"pool_kernel": (1, 1), "pool_strides": (1, 1)}
    attrs |= {"acc_bound": 0, "float32_ties": ()}
    return Node(name, INTEGER_OPS[node.op], (*node.operands[:2], *extra), type_, attrs, node.loc)
