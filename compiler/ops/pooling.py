"""max_pool: keeps its input's grid, so it is the same op on reals and on stored integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..ir import Array, Node
from ..text import list_text
from .definition import AttrDef, OpDef, OpError, Types, keeps_type_and_order


def pooled_size(size: int, kernel: int, stride: int, pads: int) -> int:
    """Output length of one axis; OpError when no window fits."""
    if kernel > size + pads:
        raise OpError(f"a pooling window of {kernel} does not fit a padded input of {size + pads}")
    return (size + pads - kernel) // stride + 1


def max_pool(x: Array, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int]) -> Array:
    """Maximum over windows of [N, C, H, W]; pads (top, left, bottom, right) never win."""
    low = -np.inf if x.dtype == np.float32 else np.iinfo(x.dtype).min
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=low)
    views = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), axis=(2, 3))
    out: Array = views[:, :, :: strides[0], :: strides[1]].max(axis=(4, 5))
    return out


def _infer(node: Node, types: Types) -> tuple[int, ...]:
    shape = types[0].shape
    if len(shape) != 4:
        raise OpError(f"input {list_text(shape)}, expected four axes")
    kernel, strides, pads = node.ints("kernel"), node.ints("strides"), node.ints("pads")
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=True)):
        raise OpError(f"pads {list_text(pads)} for the window {list_text(kernel)}, expected each smaller than it")
    sizes = (pooled_size(shape[2 + a], kernel[a], strides[a], pads[a] + pads[a + 2]) for a in (0, 1))
    return (*shape[:2], *sizes)


def _check(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type_and_order(node, types)
    params = types[0].params
    if params is not None and params.axis not in (None, 0, 1):
        yield f"the operand has a scale for each index of axis {params.axis}, which is pooled, expected one scale"


def _evaluate(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return max_pool(arrays[0], node.ints("kernel"), node.ints("strides"), node.ints("pads"))


MAX_POOL = OpDef(
    name="max_pool",
    summary="maximum over each window of [N, C, H, W]; padding never wins",
    operands=("x",),
    attrs={
        "kernel": AttrDef("ints", minimum=1, length=2),
        "strides": AttrDef("ints", (1, 1), minimum=1),
        "pads": AttrDef("ints", (0, 0, 0, 0), minimum=0),
    },
    infer=_infer,
    check=_check,
    evaluate=_evaluate,
)
