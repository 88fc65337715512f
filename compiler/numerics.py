"""Exact integer arithmetic that the ops, passes and kernels' tests share (design: Numerics)."""

from __future__ import annotations

import numpy as np

from .ir import Array, QuantParams, TensorType

# Rounding modes of a shift, numbered as the chip's vxrm field.
FLOOR, HALF_EVEN = 0, 6

# Below this bound every accumulator is exact in float32, so onnxruntime's float arithmetic is exact too.
EXACT_ACCUMULATOR = 1 << 24


def shift_round(accumulator: Array, shift: Array, rounding: Array) -> Array:
    """accumulator * 2^-shift rounded to an integer, int64 in and out, broadcasting.

    `rounding` holds FLOOR or HALF_EVEN per element; a negative shift multiplies exactly. |accumulator| < 2^32 and
    -31 <= shift <= 31, so nothing overflows.
    """
    acc = accumulator.astype(np.int64)
    right = np.maximum(shift, 0).astype(np.int64)
    floor = acc >> right
    remainder = acc - (floor << right)
    half = (np.int64(1) << right) >> 1
    up = (remainder > half) | ((remainder == half) & (right > 0) & (floor & 1 == 1))
    rounded = floor + np.where(rounding == HALF_EVEN, up, False)
    return rounded << np.maximum(-shift.astype(np.int64), 0)


def divide_half_even(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator rounded half to even, int64 in and out, broadcasting; the denominator is positive."""
    floor, remainder = np.divmod(numerator, denominator)
    up = (2 * remainder > denominator) | ((2 * remainder == denominator) & (floor & 1 == 1))
    out: Array = floor + up
    return out


def quantize(x: Array, type_: TensorType, qmin: int, qmax: int) -> Array:
    """ONNX QuantizeLinear in float32: clamp(half_even(x / scale) + zero_point, qmin, qmax)."""
    assert type_.params is not None
    scale, zero_point = broadcast_params(type_.params, x.ndim)
    # A quotient beyond float32 is an infinity, which the clamp takes in.
    with np.errstate(over="ignore"):
        rounded = np.rint(x.astype(np.float32) / scale)
    return np.clip(rounded.astype(np.float64) + zero_point, qmin, qmax).astype(type_.numpy)


def dequantize(q: Array, type_: TensorType) -> Array:
    """float32(q - zero_point) * scale, in float32 as ONNX DequantizeLinear; f32 passes through."""
    if type_.params is None:
        return q.astype(np.float32)
    scale, zero_point = broadcast_params(type_.params, q.ndim)
    return (q.astype(np.int64) - zero_point).astype(np.float32) * scale


def broadcast_params(params: QuantParams, rank: int) -> tuple[Array, Array]:
    """(scale float32, zero_point int64), shaped to broadcast against a tensor of that rank."""
    scale = params.along(params.scale, rank, np.float32)
    return scale, params.along(params.zero_point, rank, np.int64)


def dtype_range(dtype: str) -> tuple[int, int]:
    """The smallest and largest integer of an IR dtype."""
    bits = int(dtype[1:])
    return (0, (1 << bits) - 1) if dtype[0] == "u" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
