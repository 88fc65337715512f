"""MaxPool, GlobalMaxPool, ReduceMax -> max_pool; AveragePool, GlobalAveragePool, ReduceMean -> average_pool."""

from __future__ import annotations

import math

from ...compiler.ir import QuantParams
from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer
from .windows import Window, check_elements, emit_on_image, image_operand, read_window


def import_max_pool(ctx: Context, node: OnnxNode) -> None:
    """A maximum; auto_pad and ceil_mode become explicit pads."""
    if len(node.outputs) > 1 and node.outputs[1]:
        ctx.fail(node, "gives the indices of the maxima too, expected one output", "Leave the indices out.")
    window = _pool_window(ctx, node)
    x = image_operand(ctx, node, ctx.operand(node, 0))
    check_elements(ctx, node, window, ctx.type_of(node, 0).shape[2:])
    type_ = ctx.graph.type_of(x)
    emit_on_image(
        ctx,
        node,
        "max_pool",
        [x],
        dtype=type_.dtype,
        params=type_.params,
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
    )


def import_global_max_pool(ctx: Context, node: OnnxNode) -> None:
    """The maximum over H and W, or over L."""
    x = image_operand(ctx, node, ctx.operand(node, 0))
    type_ = ctx.graph.type_of(x)
    emit_on_image(ctx, node, "max_pool", [x], dtype=type_.dtype, params=type_.params, kernel=type_.shape[2:])


def import_average_pool(ctx: Context, node: OnnxNode) -> None:
    """A mean; with count_include_pad the declared padding counts, what ceil_mode adds never does."""
    x = image_operand(ctx, node, ctx.activation(node, 0))
    window = _pool_window(ctx, node)
    if window.dilations != (1, 1):
        what = f"has dilations {list(window.dilations)}, expected [1, 1]"
        ctx.fail(node, what, "Use an average pool without dilation.")
    if not node.attrs.get("count_include_pad", 0):
        check_elements(ctx, node, window, ctx.type_of(node, 0).shape[2:])
    counted = window.declared_pads if node.attrs.get("count_include_pad", 0) else (0, 0, 0, 0)
    # The end padding may be declared larger than the windows reach.
    counted = tuple(map(min, counted, window.pads))
    emit_on_image(
        ctx,
        node,
        "average_pool",
        [x],
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        counted_pads=counted,
    )


def import_global_average_pool(ctx: Context, node: OnnxNode) -> None:
    """The mean over H and W, or over L."""
    x = image_operand(ctx, node, ctx.activation(node, 0))
    emit_on_image(ctx, node, "average_pool", [x], kernel=ctx.graph.type_of(x).shape[2:])


def import_reduce_mean(ctx: Context, node: OnnxNode) -> None:
    """The mean over some axes; without keepdims they vanish."""
    x = ctx.activation(node, 0)
    _emit_reduction(ctx, node, x, "average_pool", "f32", None)


def import_reduce_max(ctx: Context, node: OnnxNode) -> None:
    """The maximum over some axes; without keepdims they vanish."""
    x = ctx.operand(node, 0)
    type_ = ctx.graph.type_of(x)
    _emit_reduction(ctx, node, x, "max_pool", type_.dtype, type_.params)


def _emit_reduction(ctx: Context, node: OnnxNode, x: str, op: str, dtype: str, params: QuantParams | None) -> None:
    """A pool over all of the reduced axes, which become the height of an image behind all others as its channels.

    What is reduced over the height, the width or both, or the only axis behind [N, C], is that image itself.
    """
    shape = ctx.graph.type_of(x).shape
    rank = len(shape)
    axes = ctx.ints(node, 1, "axes") if node.input(1) else tuple(node.attrs.get("axes") or range(rank))
    reduced = sorted({axis % rank for axis in axes})
    if 0 in reduced:
        what = f"reduces the axes {reduced}, expected axes from 1 on: axis 0 is the batch"
        ctx.fail(node, what, "Name the axes, without the first one.", node.input(0))
    if rank in (3, 4) and reduced[0] >= 2:
        image = image_operand(ctx, node, x)
        kernel = (1,) * (4 - rank) + tuple(shape[axis] if axis in reduced else 1 for axis in range(2, rank))
    else:
        kept = [axis for axis in range(rank) if axis not in reduced]
        ordered = ctx.emit_move(node, "transpose", x, perm=(*kept, *reduced))
        kernel = (math.prod(shape[axis] for axis in reduced), 1)
        channels = math.prod(shape[axis] for axis in kept[1:])
        image = ctx.emit_move(node, "reshape", ordered, shape=(shape[0], channels, *kernel))
    pooled = ctx.emit_part(node, f"{node.output}.image", op, [image], dtype=dtype, params=params, kernel=kernel)
    result = tuple(1 if axis in reduced else size for axis, size in enumerate(shape))
    if not node.attrs.get("keepdims", 1):
        result = tuple(size for axis, size in enumerate(shape) if axis not in reduced)
    ctx.emit(node, "reshape", [pooled], dtype=dtype, params=params, shape=result)


def _pool_window(ctx: Context, node: OnnxNode) -> Window:
    sizes = ctx.type_of(node, 0).shape[2:]
    if len(sizes) not in (1, 2):
        what = f"takes an input of {len(sizes) + 2} axes, expected [N, C, H, W] or [N, C, L]"
        ctx.fail(
            node, what, "Reshape it to these axes; layers over three axes of space are not compiled.", node.input(0)
        )
    return read_window(ctx, node, sizes, tuple(node.attrs.get("kernel_shape", ())))


MAX_POOL = Importer(
    "MaxPool",
    import_max_pool,
    "1-D and 2-D; any kernel, strides, pads, dilations, auto_pad, ceil_mode",
    ("max_pool",),
)
GLOBAL_MAX_POOL = Importer("GlobalMaxPool", import_global_max_pool, "three or four axes", ("max_pool",))
AVERAGE_POOL = Importer(
    "AveragePool",
    import_average_pool,
    "1-D and 2-D; any kernel, strides, pads, auto_pad, ceil_mode, count_include_pad; no dilations",
    ("average_pool",),
)
GLOBAL_AVERAGE_POOL = Importer(
    "GlobalAveragePool", import_global_average_pool, "three or four axes", ("average_pool",)
)
REDUCED = "over any axes but the batch"
REDUCE_MEAN = Importer("ReduceMean", import_reduce_mean, REDUCED, ("average_pool", "transpose"))
REDUCE_MAX = Importer("ReduceMax", import_reduce_max, REDUCED, ("max_pool", "transpose"))
