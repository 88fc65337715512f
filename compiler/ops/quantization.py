"""quantize and dequantize: the markers between reals and stored integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import list_text, type_text
from .definition import AttrDef, OpDef, Types, keeps_order, same_shape

QUANTIZED_DTYPES = ("i8", "u8", "i16")


def _check_quantize(node: Node, types: Types) -> Iterator[str]:
    yield from check_quantized(node)
    yield from keeps_order(node, types)


def check_quantized(node: Node) -> Iterator[str]:
    """Faults of a result that a quantizer gives: its type, and the attributes qmin and qmax against it."""
    if node.type.params is None or node.type.dtype not in QUANTIZED_DTYPES:
        yield f"the result is {type_text(node.type)}, expected quantized {', '.join(QUANTIZED_DTYPES)}"
        return
    low, high = numerics.dtype_range(node.type.dtype)
    if not low <= node.int("qmin") <= node.int("qmax") <= high:
        yield f"qmin..qmax is {node.int('qmin')}..{node.int('qmax')}, expected a range within {low}..{high}"


def _evaluate_quantize(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    reals = numerics.dequantize(arrays[0], types[0])
    return numerics.quantize(reals, node.type, node.int("qmin"), node.int("qmax"))


QUANTIZE = OpDef(
    name="quantize",
    summary="clamp(half_even(x / scale) + zero_point, qmin, qmax), the scale from the result's type",
    operands=("x",),
    attrs={"qmin": AttrDef("int", -128), "qmax": AttrDef("int", 127)},
    infer=same_shape,
    check=_check_quantize,
    evaluate=_evaluate_quantize,
)


def _check_dequantize(node: Node, types: Types) -> Iterator[str]:
    if node.type.dtype != "f32" or types[0].params is None:
        yield f"{type_text(types[0])} -> {type_text(node.type)}, expected a quantized operand and an f32 result"
    channels = types[0].shape[1:2]
    if len(types) > 1 and (types[1].dtype != "f32" or types[1].shape != channels):
        yield f"the bias is {type_text(types[1])}, expected f32{list_text(channels)}"
    yield from keeps_order(node, types)


def _evaluate_dequantize(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    reals = numerics.dequantize(arrays[0], types[0])
    if len(arrays) > 1:
        reals = reals + arrays[1].reshape([-1] + [1] * (reals.ndim - 2))
    return reals.astype(np.float32)


DEQUANTIZE = OpDef(
    name="dequantize",
    summary="float32(x - zero_point) * scale + bias[channel]; only at a graph's output, run by the host",
    operands=("x", "bias?"),
    infer=same_shape,
    check=_check_dequantize,
    evaluate=_evaluate_dequantize,
    border=True,
)
