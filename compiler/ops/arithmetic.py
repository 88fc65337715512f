"""add, sub and mul of two tensors, on reals and on stored integers; axes of length 1 are repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import list_text
from .definition import AttrDef, OpDef, OpError, Types
from .shifting import CLAMP_ATTRS, SHIFT_ATTRS, check_quantized, check_shift, shifted

# Sums of int8 times factors up to this stay below 2^24, where float32 and so onnxruntime is exact.
MAX_FACTOR = 1 << 15


def _broadcast_shape(node: Node, types: Types) -> tuple[int, ...]:
    x, y = types[0].shape, types[1].shape
    if len(x) != len(y) or any(1 not in (a, b) and a != b for a, b in zip(x, y, strict=True)):
        raise OpError(f"operands {list_text(x)} and {list_text(y)}, expected as many axes, of equal length or 1")
    return tuple(map(max, x, y))


def _check_order(node: Node, types: Types) -> Iterator[str]:
    for name, type_ in zip("xy", types, strict=True):
        if not type_.same_order(node.type):
            yield f"operand {name} has layout {type_.layout} and the result {node.type.layout}, expected the same"


def _check_real(node: Node, types: Types) -> Iterator[str]:
    for name, type_ in zip("xy", types, strict=True):
        if type_.dtype != "f32" and type_.params is None:
            yield f"the operand {name} is {type_.dtype} without quantization parameters, expected f32 or quantized"
        if type_.params is not None and type_.params.axis is not None:
            yield f"the operand {name} has per-channel scales, expected one scale for the whole tensor"
    if node.type.dtype != "f32":
        yield from check_quantized(node)
    yield from _check_order(node, types)


def _real(name: str, summary: str, function: Callable[[Array, Array], Array]) -> OpDef:
    def evaluate(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
        x, y = (numerics.dequantize(array, type_) for array, type_ in zip(arrays, types, strict=True))
        # What is no number or beyond float32 is what onnxruntime has there too.
        with np.errstate(all="ignore"):
            reals = function(x, y)
        if node.type.params is None:
            return reals
        return numerics.quantize(reals, node.type, node.int("qmin"), node.int("qmax"))

    return OpDef(
        name=name,
        summary=summary,
        operands=("x", "y"),
        attrs=CLAMP_ATTRS,
        infer=_broadcast_shape,
        check=_check_real,
        evaluate=evaluate,
    )


ADD = _real("add", "x + y of reals; a quantized result has its quantizer folded in", np.add)
SUB = _real("sub", "x - y of reals; a quantized result has its quantizer folded in", np.subtract)
MUL = _real("mul", "x * y of reals; a quantized result has its quantizer folded in", np.multiply)


def _check_integer(node: Node, types: Types) -> Iterator[str]:
    yield from check_shift(node, types)
    yield from _check_order(node, types)


def _check_qadd(node: Node, types: Types) -> Iterator[str]:
    yield from _check_integer(node, types)
    factors = node.ints("factors")
    if any(not 0 < abs(factor) <= MAX_FACTOR for factor in factors):
        yield f"the factors are {list_text(factors)}, expected 1 to {MAX_FACTOR} or their negatives"


def _evaluate_qadd(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    a, b = node.ints("factors")
    return shifted(node, arrays[0].astype(np.int64) * a + arrays[1].astype(np.int64) * b)


def _evaluate_qmul(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return shifted(node, arrays[0].astype(np.int64) * arrays[1].astype(np.int64))


QADD = OpDef(
    name="qadd",
    summary="clamp(half_even((x * factors[0] + y * factors[1]) * 2^-shift), qmin, qmax) of stored integers",
    operands=("x", "y"),
    attrs={"factors": AttrDef("ints", (1, 1)), **SHIFT_ATTRS, **CLAMP_ATTRS},
    infer=_broadcast_shape,
    check=_check_qadd,
    evaluate=_evaluate_qadd,
)
QMUL = OpDef(
    name="qmul",
    summary="clamp(half_even(x * y * 2^-shift), qmin, qmax) of stored integers",
    operands=("x", "y"),
    attrs={**SHIFT_ATTRS, **CLAMP_ATTRS},
    infer=_broadcast_shape,
    check=_check_integer,
    evaluate=_evaluate_qmul,
)
