"""MaxPool, GlobalMaxPool -> max_pool; AveragePool, GlobalAveragePool, ReduceMean behind [N, C] -> average_pool."""

from __future__ import annotations

from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer
from .windows import Window, emit_on_image, image_operand, read_window


def import_max_pool(ctx: Context, node: OnnxNode) -> None:
    """A maximum; auto_pad and ceil_mode become explicit pads."""
    if len(node.outputs) > 1 and node.outputs[1]:
        ctx.fail(node, "gives the indices of the maxima too, expected one output", "Leave the indices out.")
    window = _pool_window(ctx, node)
    x = image_operand(ctx, node, ctx.operand(node, 0))
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
    """The mean over all or some axes behind [N, C]; without keepdims they vanish."""
    x = image_operand(ctx, node, ctx.activation(node, 0))
    shape = ctx.type_of(node, 0).shape
    rank = len(shape)
    axes = ctx.ints(node, 1, "axes") if node.input(1) else tuple(node.attrs.get("axes") or range(rank))
    reduced = {axis % rank for axis in axes}
    if not reduced or min(reduced) < 2:
        what = f"takes the mean over the axes {sorted(reduced)} of [N, C, ...], expected axes from 2 on"
        ctx.fail(node, what, "Transpose the input, so that channels are axis 1.", node.input(0))
    kernel = tuple(size if axis in reduced else 1 for axis, size in enumerate(shape))[2:]
    attrs = {"kernel": (1,) * (4 - rank) + kernel}
    kept = tuple(1 if axis in reduced else size for axis, size in enumerate(shape))
    if not node.attrs.get("keepdims", 1):
        kept = tuple(size for axis, size in enumerate(shape) if axis not in reduced)
    mean = ctx.emit_part(node, f"{node.output}.image", "average_pool", [x], dtype="f32", params=None, **attrs)
    ctx.emit(node, "reshape", [mean], shape=kept)


def _pool_window(ctx: Context, node: OnnxNode) -> Window:
    sizes = ctx.type_of(node, 0).shape[2:]
    if len(sizes) not in (1, 2):
        what = f"takes an input of {len(sizes) + 2} axes, expected [N, C, H, W] or [N, C, L]"
        ctx.fail(node, what, "Reshape the input to four axes.", node.input(0))
    window = read_window(ctx, node, sizes, tuple(node.attrs.get("kernel_shape", ())))
    if window.dilations != (1, 1):
        what = f"has dilations {list(window.dilations)}, expected [1, 1]"
        ctx.fail(node, what, "Use a pool without dilation.")
    return window


MAX_POOL = Importer(
    "MaxPool",
    import_max_pool,
    "1-D and 2-D; any kernel, strides, pads, auto_pad, ceil_mode; no dilations",
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
REDUCE_MEAN = Importer("ReduceMean", import_reduce_mean, "over axes behind [N, C]", ("average_pool",))
