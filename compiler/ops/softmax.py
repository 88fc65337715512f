"""softmax of reals along an axis, and qsoftmax, its integer form with a table of exponentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import list_text, type_text
from .definition import AttrDef, OpDef, OpError, Types
from .shifting import CLAMP_ATTRS, check_quantized
from .table import CODES

# Exponentials are stored in units of 2^-31, so that 1 is one of them.
EXP_BITS = 31
# Results are at most 1; more bits than this and all but zeros saturate.
MAX_BITS = 24


def _shape(node: Node, types: Types) -> tuple[int, ...]:
    if node.int("axis") >= len(types[0].shape):
        raise OpError(f"axis {node.int('axis')} for the operand {list_text(types[0].shape)}")
    return types[0].shape


def _check_row(node: Node, types: Types) -> Iterator[str]:
    for name, type_ in (("operand", types[0]), ("result", node.type)):
        if type_.layout != "row" and not type_.order_free:
            yield f"the {name} has layout {type_.layout}, expected row"
        if type_.params is not None and type_.params.axis is not None:
            yield f"the {name} has per-channel scales, expected one scale for the whole tensor"


def _check_softmax(node: Node, types: Types) -> Iterator[str]:
    if types[0].dtype != "f32" and types[0].params is None:
        yield f"the operand is {types[0].dtype} without quantization parameters, expected f32 or quantized"
    if node.type.dtype != "f32":
        yield from check_quantized(node)
    yield from _check_row(node, types)


def _evaluate_softmax(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    axis = node.int("axis")
    reals = numerics.dequantize(arrays[0], types[0]).astype(np.float64)
    with np.errstate(all="ignore"):
        powers = np.exp(reals - reals.max(axis=axis, keepdims=True))
        quotients: Array = (powers / powers.sum(axis=axis, keepdims=True)).astype(np.float32)
    if node.type.params is None:
        return quotients
    return numerics.quantize(quotients, node.type, node.int("qmin"), node.int("qmax"))


SOFTMAX = OpDef(
    name="softmax",
    summary="exp(x) / sum of exp(x) along an axis of reals; a quantized result has its quantizer folded in",
    operands=("x",),
    attrs={"axis": AttrDef("int", minimum=0), **CLAMP_ATTRS},
    infer=_shape,
    check=_check_softmax,
    evaluate=_evaluate_softmax,
)


def exp_table(exponent: int) -> Array:
    """exp(-d * 2^-exponent) in units of 2^-31 for each distance d from the maximum, int64 [256]."""
    distances = np.ldexp(np.arange(CODES, dtype=np.float64), -exponent)
    out: Array = np.rint(np.ldexp(np.exp(-distances), EXP_BITS)).astype(np.int64)
    return out


def _check_qsoftmax(node: Node, types: Types) -> Iterator[str]:
    if types[0].dtype != "i8" or types[0].params is None or not types[0].params.symmetric:
        yield f"the operand is {type_text(types[0])}, expected quantized i8 with zero point 0"
    if types[1].dtype != "i64" or types[1].shape != (CODES,):
        yield f"the table is {type_text(types[1])}, expected i64[{CODES}]"
    if node.int("bits") > MAX_BITS:
        yield f"bits is {node.int('bits')}, expected 0..{MAX_BITS}"
    yield from check_quantized(node)
    yield from _check_row(node, types)


def _evaluate_qsoftmax(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    axis, x = node.int("axis"), arrays[0].astype(np.int64)
    powers = arrays[1][x.max(axis=axis, keepdims=True) - x]
    quotients = numerics.divide_half_even(powers << node.int("bits"), powers.sum(axis=axis, keepdims=True))
    out: Array = np.clip(quotients, node.int("qmin"), node.int("qmax")).astype(node.type.numpy)
    return out


QSOFTMAX = OpDef(
    name="qsoftmax",
    summary="p = table[max - x] along an axis; clamp(half_even(p * 2^bits / sum of p), qmin, qmax) of integers",
    operands=("x", "table"),
    attrs={"axis": AttrDef("int", minimum=0), "bits": AttrDef("int", 7, minimum=0), **CLAMP_ATTRS},
    infer=_shape,
    check=_check_qsoftmax,
    ranges={"table": range((1 << EXP_BITS) + 1)},
    evaluate=_evaluate_qsoftmax,
)
