"""relu and clip: they keep their input's grid, on reals and on stored integers alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node, TensorType
from .definition import AttrDef, OpDef, Types, keeps_type_and_order, same_shape


def quantized_bound(bound: float, type_: TensorType) -> int:
    """The stored integer that `bound` quantizes to, clamped to the dtype; valid for per-tensor params.

    Rounding is monotonic, so clamping stored values there equals clamping the reals before quantization.
    """
    assert type_.params is not None
    low, high = numerics.dtype_range(type_.dtype)
    if np.isinf(bound):
        return low if bound < 0 else high
    one = type_.with_(shape=(1,))
    return int(numerics.quantize(np.array([bound], dtype=np.float32), one, low, high)[0])


def _evaluate_relu(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    zero = 0 if types[0].params is None else types[0].params.zero_point[0]
    out: Array = np.maximum(arrays[0], arrays[0].dtype.type(zero))
    return out


def _evaluate_clip(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    low, high = clip_bounds(node)
    if types[0].params is None:
        return np.clip(arrays[0], np.float32(low), np.float32(high))
    return np.clip(arrays[0], quantized_bound(low, types[0]), quantized_bound(high, types[0]))


def clip_bounds(node: Node) -> tuple[float, float]:
    """The real bounds of a relu or clip; where min is above max, ONNX says that everything becomes max."""
    if node.op == "relu":
        return 0.0, float("inf")
    low, high = node.attrs["min"], node.attrs["max"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    return min(low, high), high


def _check(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type_and_order(node, types)
    if types[0].params is not None and types[0].params.axis is not None:
        yield "the input has per-channel scales, expected one scale for the whole tensor"


RELU = OpDef("relu", "max(x, 0)", ("x",), same_shape, _evaluate_relu, check=_check)
CLIP = OpDef(
    name="clip",
    summary="min(max(x, min), max)",
    operands=("x",),
    attrs={"min": AttrDef("float", float("-inf")), "max": AttrDef("float", float("inf"))},
    infer=same_shape,
    check=_check,
    evaluate=_evaluate_clip,
)
