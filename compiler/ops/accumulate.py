"""What the multiply-accumulate ops share: accumulators, requantization, and their type rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node, TensorType
from ..text import list_text
from .definition import AttrDef, Types
from .shifting import MAX_SHIFT, check_quantized

# The proven bound on |accumulator|; 0 as long as it is not proven.
# `float32_ties` are the channels in which float32, and so onnxruntime, may round onto a tie (compiler/float32.py).
BOUND_ATTRS = {"acc_bound": AttrDef("int", 0, minimum=0), "float32_ties": AttrDef("ints", (), minimum=0)}

# What the constants of an integer multiply-accumulate may hold.
SHIFT_RANGES = {"shift": range(-MAX_SHIFT, MAX_SHIFT + 1), "rounding": (numerics.FLOOR, numerics.HALF_EVEN)}


def centered(array: Array, type_: TensorType) -> Array:
    """q - zero_point as float64 (exact for every integer below 2^53); f32 unchanged but for the width."""
    if type_.params is None:
        return array.astype(np.float64)
    return array.astype(np.float64) - numerics.broadcast_params(type_.params, array.ndim)[1]


def per_channel(values: Array, rank: int) -> Array:
    """A vector over axis 1, shaped to broadcast against a tensor of that rank."""
    return values.reshape([1, -1] + [1] * (rank - 2))


def real_result(node: Node, types: Types, arrays: Sequence[Array], accumulators: Array) -> Array:
    """Result of the real-valued op from its accumulators, in float32 as onnxruntime computes it.

    float32(acc) * scale + float32(bias), then the quantizer if one was folded into the node.
    """
    scale: Array = np.ones(1, np.float32)
    for type_ in types[:2]:
        if type_.params is not None:
            scale = scale * np.array(type_.params.scale, dtype=np.float32)
    reals = accumulators.astype(np.float32) * per_channel(scale, accumulators.ndim)
    if len(arrays) > 2:
        reals = reals + per_channel(numerics.dequantize(arrays[2], types[2]), reals.ndim)
    if node.type.params is None:
        return reals.astype(np.float32)
    return numerics.quantize(reals, node.type, node.int("qmin"), node.int("qmax"))


def check_real(node: Node, types: Types) -> Iterator[str]:
    """Faults of a real-valued multiply-accumulate: bias length, result type, clamp."""
    channels = node.type.shape[1]
    if len(types) > 2 and types[2].shape != (channels,):
        yield f"the bias has shape {list_text(types[2].shape)}, expected [{channels}]"
    for name, type_ in zip(("input", "weights", "bias"), types, strict=False):
        if type_.dtype != "f32" and type_.params is None:
            yield f"the {name} is {type_.dtype} without quantization parameters, expected f32 or a quantized tensor"
    yield from check_channels(types)
    if node.type.dtype != "f32":
        yield from check_quantized(node)


def check_channels(types: Types) -> Iterator[str]:
    """Faults of the axis that per-channel parameters of the input or the weights run along."""
    x, w = types[0].params, types[1].params
    if x is not None and x.axis is not None:
        yield "the input has per-channel scales, expected one scale for the whole tensor"
    if w is not None and w.axis not in (None, 0):
        yield f"the weights have a scale for each index of axis {w.axis}, expected axis 0, the output channels"


def integer_result(node: Node, arrays: Sequence[Array], accumulators: Array) -> Array:
    """Result of the integer op: acc + bias, then shifted, rounded and clamped if it has shifts; exact."""
    acc = np.rint(accumulators).astype(np.int64) + per_channel(arrays[2].astype(np.int64), accumulators.ndim)
    if len(arrays) == 3:
        return acc.astype(np.int32)
    shift, rounding = (per_channel(array, acc.ndim) for array in arrays[3:5])
    assert node.type.params is not None
    rounded = numerics.shift_round(acc, shift, rounding) + node.type.params.zero_point[0]
    out: Array = np.clip(rounded, node.int("qmin"), node.int("qmax")).astype(node.type.numpy)
    return out


def check_integer(node: Node, types: Types) -> Iterator[str]:
    """Faults of an integer multiply-accumulate: operand and result types, vector lengths."""
    channels = types[1].shape[0]
    for name, type_, dtype in zip(("bias", "shift", "rounding"), types[2:], ("i32", "i8", "i8"), strict=False):
        if type_.dtype != dtype or type_.shape != (channels,):
            yield f"the {name} is {type_.dtype}{list_text(type_.shape)}, expected {dtype}[{channels}]"
    if any(not type_.quantized for type_ in types[:2]):
        found = " and ".join(type_.dtype for type_ in types[:2])
        yield f"input and weights are {found}, not both with quantization parameters, expected quantized tensors"
    yield from check_channels(types)
    if len(types) == 4:
        yield "there is a shift but no rounding, expected both or neither"
    if len(types) == 3 and node.type.dtype != "i32":
        yield f"the result is {node.type.dtype}, expected i32 accumulators, as there is no shift"
    if len(types) == 5:
        yield from check_quantized(node)
        if node.type.params is not None and node.type.params.axis is not None:
            yield "the result has per-channel scales, expected one scale for the whole tensor"
