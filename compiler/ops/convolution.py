"""conv2d on reals, and qconv2d, its integer form with explicit shifts and a fused max-pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..ir import Array, Node
from ..text import list_text
from .accumulate import (
    BOUND_ATTRS,
    SHIFT_RANGES,
    centered,
    check_integer,
    check_real,
    integer_result,
    real_result,
)
from .definition import AttrDef, OpDef, OpError, Types, keeps_order
from .pooling import max_pool, pooled_size
from .shifting import CLAMP_ATTRS

CONV_ATTRS = {
    "strides": AttrDef("ints", (1, 1), minimum=1),
    "pads": AttrDef("ints", (0, 0, 0, 0), minimum=0),
    "dilations": AttrDef("ints", (1, 1), minimum=1),
    "groups": AttrDef("int", 1, minimum=1),
}
POOL_ATTRS = {
    "pool_kernel": AttrDef("ints", (1, 1), minimum=1),
    "pool_strides": AttrDef("ints", (1, 1), minimum=1),
}


def conv_shape(node: Node, types: Types) -> tuple[int, ...]:
    """[N, O, OH, OW] of a convolution without its fused pool; pads are top, left, bottom, right."""
    x, w = types[0].shape, types[1].shape
    if len(x) != 4 or len(w) != 4:
        raise OpError(f"input {list_text(x)} and weights {list_text(w)}, expected four axes each")
    groups = node.int("groups")
    if x[1] != w[1] * groups or w[0] % groups:
        expected = f"[N,{groups}*C,H,W] and [{groups}*O,C,KH,KW]" if groups > 1 else "[N,C,H,W] and [O,C,KH,KW]"
        raise OpError(f"input {list_text(x)} and weights {list_text(w)}, expected {expected}")
    sizes = []
    for axis in (0, 1):
        padded = x[2 + axis] + node.ints("pads")[axis] + node.ints("pads")[axis + 2]
        window = (w[2 + axis] - 1) * node.ints("dilations")[axis] + 1
        if window > padded:
            raise OpError(f"a window of {window} does not fit a padded input of {padded}")
        sizes.append((padded - window) // node.ints("strides")[axis] + 1)
    return (x[0], w[0], sizes[0], sizes[1])


def accumulators(node: Node, types: Types, x: Array, w: Array) -> Array:
    """sum of (x - zx) * (w - zw) over each window, float64 [N, O, OH, OW], exact on integers."""
    x, w = centered(x, types[0]), centered(w, types[1])
    top, left, bottom, right = node.ints("pads")
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (dy, dx), (sy, sx), groups = node.ints("dilations"), node.ints("strides"), node.int("groups")
    window = ((w.shape[2] - 1) * dy + 1, (w.shape[3] - 1) * dx + 1)
    views = np.lib.stride_tricks.sliding_window_view(x, window, axis=(2, 3))[:, :, ::sy, ::sx, ::dy, ::dx]
    n, _, height, width = views.shape[:4]
    views = views.reshape(n, groups, -1, *views.shape[2:])
    w = w.reshape(groups, -1, *w.shape[1:])
    out = [np.tensordot(views[:, g], w[g], axes=([1, 4, 5], [1, 2, 3])) for g in range(groups)]
    return np.concatenate(out, axis=3).transpose(0, 3, 1, 2).reshape(n, -1, height, width)


def _evaluate_conv2d(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return real_result(node, types, arrays, accumulators(node, types, arrays[0], arrays[1]))


def _check_conv2d(node: Node, types: Types) -> Iterator[str]:
    yield from check_real(node, types)
    yield from keeps_order(node, types)


CONV2D = OpDef(
    name="conv2d",
    summary="2-D convolution of reals; a quantized result means that its quantizer is folded in",
    operands=("x", "w", "bias?"),
    attrs={**CONV_ATTRS, **CLAMP_ATTRS},
    infer=conv_shape,
    check=_check_conv2d,
    evaluate=_evaluate_conv2d,
)


def _pooled_shape(node: Node, types: Types) -> tuple[int, ...]:
    shape = conv_shape(node, types)
    kernel, strides = node.ints("pool_kernel"), node.ints("pool_strides")
    sizes = (pooled_size(shape[2 + axis], kernel[axis], strides[axis], 0) for axis in (0, 1))
    return (*shape[:2], *sizes)


def _check_qconv2d(node: Node, types: Types) -> Iterator[str]:
    yield from check_integer(node, types)
    # Pixels are read as they lie; those that are written are channels-last, if they have an order of their own.
    if node.type.layout != "nhwc":
        yield from keeps_order(node, types)


def _evaluate_qconv2d(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    stored = integer_result(node, arrays, accumulators(node, types, arrays[0], arrays[1]))
    return max_pool(stored, node.ints("pool_kernel"), node.ints("pool_strides"), (0, 0, 0, 0))


QCONV2D = OpDef(
    name="qconv2d",
    summary="clamp(((sum (x - zx)(w - zw) + bias) >> shift, rounded) + zy), then max-pool; int32 without shift",
    operands=("x", "w", "bias", "shift?", "rounding?"),
    attrs={**CONV_ATTRS, **CLAMP_ATTRS, **POOL_ATTRS, **BOUND_ATTRS},
    infer=_pooled_shape,
    check=_check_qconv2d,
    ranges=SHIFT_RANGES,
    evaluate=_evaluate_qconv2d,
)
