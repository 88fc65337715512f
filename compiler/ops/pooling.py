"""max_pool, one op on reals and on integers, as it keeps its input's grid; average_pool and its integer form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import list_text
from .definition import AttrDef, OpDef, OpError, Types, keeps_order, keeps_type_and_order
from .shifting import CLAMP_ATTRS, SHIFT_ATTRS, check_quantized, check_shift


def pooled_size(size: int, kernel: int, stride: int, pads: int) -> int:
    """Output length of one axis; OpError when no window fits."""
    if kernel > size + pads:
        raise OpError(f"a pooling window of {kernel} does not fit a padded input of {size + pads}")
    return (size + pads - kernel) // stride + 1


def max_pool(
    x: Array, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int] = (1, 1)
) -> Array:
    """Maximum over windows of [N, C, H, W]; pads (top, left, bottom, right) never win."""
    low = -np.inf if x.dtype == np.float32 else np.iinfo(x.dtype).min
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=low)
    views = np.lib.stride_tricks.sliding_window_view(padded, _spans(kernel, dilations), axis=(2, 3))
    views = views[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    out: Array = views.max(axis=(4, 5))
    return out


def _spans(kernel: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    """How far a window reaches along each axis."""
    return tuple((size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True))


def _infer(node: Node, types: Types) -> tuple[int, ...]:
    shape = types[0].shape
    if len(shape) != 4:
        raise OpError(f"input {list_text(shape)}, expected four axes")
    kernel, strides, pads = node.ints("kernel"), node.ints("strides"), node.ints("pads")
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=True)):
        raise OpError(f"pads {list_text(pads)} for the window {list_text(kernel)}, expected each smaller than it")
    spans = _spans(kernel, node.ints("dilations") if "dilations" in node.attrs else (1, 1))
    sizes = (pooled_size(shape[2 + a], spans[a], strides[a], pads[a] + pads[a + 2]) for a in (0, 1))
    return (*shape[:2], *sizes)


def _check(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type_and_order(node, types)
    params = types[0].params
    if params is not None and params.axis not in (None, 0, 1):
        yield f"the operand has a scale for each index of axis {params.axis}, which is pooled, expected one scale"


def _check_max_pool(node: Node, types: Types) -> Iterator[str]:
    yield from _check(node, types)
    inside = max_pool(np.zeros((1, 1, *types[0].shape[2:]), np.float32), *_max_window(node))
    if np.isneginf(inside).any():
        yield "a window lies on padding alone, expected an element in each"


def _max_window(node: Node) -> tuple[tuple[int, ...], ...]:
    return tuple(node.ints(name) for name in ("kernel", "strides", "pads", "dilations"))


def _evaluate(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return max_pool(arrays[0], *_max_window(node))


WINDOW_ATTRS = {
    "kernel": AttrDef("ints", minimum=1, length=2),
    "strides": AttrDef("ints", (1, 1), minimum=1),
    "pads": AttrDef("ints", (0, 0, 0, 0), minimum=0),
}

MAX_POOL = OpDef(
    name="max_pool",
    summary="maximum over each window of [N, C, H, W]; padding never wins",
    operands=("x",),
    attrs={**WINDOW_ATTRS, "dilations": AttrDef("ints", (1, 1), minimum=1)},
    infer=_infer,
    check=_check_max_pool,
    evaluate=_evaluate,
)

# `counted_pads` is the padding that counts as zeros: all of `pads`, none of it, or what ceil_mode has not added.
AVERAGE_ATTRS = {**WINDOW_ATTRS, "counted_pads": AttrDef("ints", (0, 0, 0, 0), minimum=0)}


def window_sums(node: Node, x: Array) -> Array:
    """The sum over each window of [N, C, H, W], padding as zeros, in the dtype of x."""
    top, left, bottom, right = node.ints("pads")
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    views = np.lib.stride_tricks.sliding_window_view(padded, node.ints("kernel"), axis=(2, 3))
    strides = node.ints("strides")
    out: Array = views[:, :, :: strides[0], :: strides[1]].sum(axis=(4, 5), dtype=x.dtype)
    return out


def window_counts(node: Node, shape: Sequence[int]) -> Array:
    """The number of elements that each window over an input of that shape averages, int64 [OH, OW]."""
    counts = [_axis_counts(node, axis, shape[2 + axis]) for axis in (0, 1)]
    out: Array = counts[0][:, None] * counts[1][None, :]
    return out


def _axis_counts(node: Node, axis: int, size: int) -> Array:
    kernel, before, after = node.ints("kernel")[axis], node.ints("pads")[axis], node.ints("pads")[axis + 2]
    outputs = pooled_size(size, kernel, node.ints("strides")[axis], before + after)
    starts = np.arange(outputs) * node.ints("strides")[axis] - before
    counted = node.ints("counted_pads")
    ends = np.minimum(starts + kernel, size + counted[axis + 2])
    out: Array = ends - np.maximum(starts, -counted[axis])
    return out


def _check_average(node: Node, types: Types) -> Iterator[str]:
    if any(c > pad for c, pad in zip(node.ints("counted_pads"), node.ints("pads"), strict=True)):
        counted, pads = (list_text(node.ints(name)) for name in ("counted_pads", "pads"))
        yield f"the counted pads are {counted}, expected at most the pads {pads}"
    elif (window_counts(node, types[0].shape) < 1).any():
        yield "a window has no element to average, expected one or more in each"
    yield from keeps_order(node, types)


def _check_average_pool(node: Node, types: Types) -> Iterator[str]:
    if types[0].dtype != "f32" and types[0].params is None:
        yield f"the operand is {types[0].dtype} without quantization parameters, expected f32 or quantized"
    if types[0].params is not None and types[0].params.axis is not None:
        yield "the operand has per-channel scales, expected one scale for the whole tensor"
    if node.type.dtype != "f32":
        yield from check_quantized(node)
    yield from _check_average(node, types)


def _evaluate_average_pool(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    reals = numerics.dequantize(arrays[0], types[0]).astype(np.float64)
    with np.errstate(all="ignore"):
        sums = window_sums(node, reals).astype(np.float32)
        means: Array = sums / window_counts(node, arrays[0].shape).astype(np.float32)
    if node.type.params is None:
        return means
    return numerics.quantize(means, node.type, node.int("qmin"), node.int("qmax"))


AVERAGE_POOL = OpDef(
    name="average_pool",
    summary="mean of reals over each window of [N, C, H, W] and the counted pads; a quantized result has its "
    "quantizer folded in",
    operands=("x",),
    attrs={**AVERAGE_ATTRS, **CLAMP_ATTRS},
    infer=_infer,
    check=_check_average_pool,
    evaluate=_evaluate_average_pool,
)


def _check_qaverage_pool(node: Node, types: Types) -> Iterator[str]:
    yield from check_shift(node, types)
    yield from _check_average(node, types)


def _evaluate_qaverage_pool(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    shift = node.int("shift")
    sums = window_sums(node, arrays[0].astype(np.int64)) << max(-shift, 0)
    counts = window_counts(node, arrays[0].shape) << max(shift, 0)
    means = numerics.divide_half_even(sums, counts)
    out: Array = np.clip(means, node.int("qmin"), node.int("qmax")).astype(node.type.numpy)
    return out


QAVERAGE_POOL = OpDef(
    name="qaverage_pool",
    summary="clamp(half_even(sum * 2^-shift / count), qmin, qmax) of stored integers over each window",
    operands=("x",),
    attrs={**AVERAGE_ATTRS, **SHIFT_ATTRS, **CLAMP_ATTRS},
    infer=_infer,
    check=_check_qaverage_pool,
    evaluate=_evaluate_qaverage_pool,
)
