"""quantize and dequantize, the markers between reals and stored integers; requantize, from one grid to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import list_text, type_text
from .definition import AttrDef, OpDef, Types, keeps_order, same_shape
from .shifting import CLAMP_ATTRS, SHIFT_ATTRS, check_quantized, check_shift, shifted


def _check_quantize(node: Node, types: Types) -> Iterator[str]:
    yield from check_quantized(node)
    yield from keeps_order(node, types)


def _evaluate_quantize(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    reals = numerics.dequantize(arrays[0], types[0])
    return numerics.quantize(reals, node.type, node.int("qmin"), node.int("qmax"))


QUANTIZE = OpDef(
    name="quantize",
    summary="clamp(half_even(x / scale) + zero_point, qmin, qmax), the scale from the result's type",
    operands=("x",),
    attrs=CLAMP_ATTRS,
    infer=same_shape,
    check=_check_quantize,
    evaluate=_evaluate_quantize,
)


def _check_dequantize(node: Node, types: Types) -> Iterator[str]:
    if node.type.dtype != "f32" or types[0].params is None:
        yield f"{type_text(types[0])} -> {type_text(node.type)}, expected a quantized operand and an f32 result"
    channels = types[0].shape[node.int("axis") :][:1]
    if len(types) > 1 and (types[1].dtype != "f32" or types[1].shape != channels):
        yield f"the bias is {type_text(types[1])}, expected f32{list_text(channels)}"
    yield from keeps_order(node, types)


def along(vector: Array, axis: int, rank: int) -> Array:
    """A vector shaped so that it repeats along every other axis of a tensor of that rank."""
    return vector.reshape([-1 if at == axis else 1 for at in range(rank)])


def _evaluate_dequantize(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    reals = numerics.dequantize(arrays[0], types[0])
    if len(arrays) > 1:
        reals = reals + along(arrays[1], node.int("axis"), reals.ndim)
    return reals.astype(np.float32)


DEQUANTIZE = OpDef(
    name="dequantize",
    summary="float32(x - zero_point) * scale + bias[index of axis]; only at a graph's output, run by the host",
    operands=("x", "bias?"),
    attrs={"axis": AttrDef("int", 1, minimum=0)},
    infer=same_shape,
    check=_check_dequantize,
    evaluate=_evaluate_dequantize,
    border=True,
)


def _check_requantize(node: Node, types: Types) -> Iterator[str]:
    yield from check_shift(node, types)
    yield from keeps_order(node, types)


def _evaluate_requantize(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return shifted(node, arrays[0].astype(np.int64))


REQUANTIZE = OpDef(
    name="requantize",
    summary="clamp(half_even(x * 2^-shift), qmin, qmax) of stored integers",
    operands=("x",),
    attrs={**SHIFT_ATTRS, **CLAMP_ATTRS},
    infer=same_shape,
    check=_check_requantize,
    evaluate=_evaluate_requantize,
)
