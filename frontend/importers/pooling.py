"""MaxPool -> max_pool; AveragePool, GlobalAveragePool and ReduceMean over H and W -> average_pool."""

from __future__ import annotations

from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer
from .windows import Window, read_window


def import_max_pool(ctx: Context, node: OnnxNode) -> None:
    """A 2-D maximum; auto_pad and ceil_mode become explicit pads."""
    if len(node.outputs) > 1 and node.outputs[1]:
        ctx.fail(node, "gives the indices of the maxima too, expected one output", "Leave the indices out.")
    window = _pool_window(ctx, node)
    ctx.emit_same_grid(node, "max_pool", kernel=window.kernel, strides=window.strides, pads=window.pads)


def import_average_pool(ctx: Context, node: OnnxNode) -> None:
    """A 2-D mean; with count_include_pad the declared padding counts, what ceil_mode adds never does."""
    x = ctx.activation(node, 0)
    window = _pool_window(ctx, node)
    counted = window.declared_pads if node.attrs.get("count_include_pad", 0) else (0, 0, 0, 0)
    # The end padding may be declared larger than the windows reach.
    counted = tuple(map(min, counted, window.pads))
    ctx.emit(
        node,
        "average_pool",
        [x],
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        counted_pads=counted,
    )


def import_global_average_pool(ctx: Context, node: OnnxNode) -> None:
    """The mean over H and W."""
    ctx.emit(node, "average_pool", [ctx.activation(node, 0)], kernel=_image_shape(ctx, node)[2:])


def import_reduce_mean(ctx: Context, node: OnnxNode) -> None:
    """The mean over H, W or both of [N, C, H, W]; without keepdims the axes vanish."""
    x, shape = ctx.activation(node, 0), _image_shape(ctx, node)
    axes = ctx.ints(node, 1, "axes") if node.input(1) else tuple(node.attrs.get("axes") or range(4))
    reduced = {axis % 4 for axis in axes}
    if not reduced or not reduced <= {2, 3}:
        what = f"takes the mean over the axes {sorted(reduced)} of [N, C, H, W], expected 2, 3 or both"
        ctx.fail(node, what, "Transpose the input, so that channels are axis 1.", node.input(0))
    kernel = tuple(size if axis in reduced else 1 for axis, size in enumerate(shape))[2:]
    if node.attrs.get("keepdims", 1):
        ctx.emit(node, "average_pool", [x], kernel=kernel)
        return
    inner = node.with_(outputs=(ctx.free_name(f"{node.output}.axes"),))
    mean = ctx.emit(inner, "average_pool", [x], kernel=kernel)
    target = tuple(size for axis, size in enumerate(shape) if axis not in reduced)
    ctx.emit(node, "reshape", [mean], shape=target)


def _image_shape(ctx: Context, node: OnnxNode) -> tuple[int, ...]:
    """The shape of the input, which must have four axes."""
    shape = ctx.type_of(node, 0).shape
    if len(shape) != 4:
        what = f"takes an input of shape {list(shape)}, expected [N, C, H, W]"
        ctx.fail(node, what, "Reshape the input to four axes.", node.input(0))
    return shape


def _pool_window(ctx: Context, node: OnnxNode) -> Window:
    window = read_window(ctx, node, _image_shape(ctx, node)[2:], tuple(node.attrs.get("kernel_shape", ())))
    if window.dilations != (1, 1):
        what = f"has dilations {list(window.dilations)}, expected [1, 1]"
        ctx.fail(node, what, "Use a pool without dilation.")
    return window


MAX_POOL = Importer("MaxPool", import_max_pool, "2-D; any kernel, strides, pads, auto_pad, ceil_mode; no dilations")
AVERAGE_POOL = Importer(
    "AveragePool",
    import_average_pool,
    "2-D; any kernel, strides, pads, auto_pad, ceil_mode, count_include_pad; no dilations",
)
GLOBAL_AVERAGE_POOL = Importer("GlobalAveragePool", import_global_average_pool, "four axes")
REDUCE_MEAN = Importer("ReduceMean", import_reduce_mean, "over H, W or both of [N, C, H, W]")
