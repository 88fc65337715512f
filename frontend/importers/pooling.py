"""MaxPool -> max_pool."""

from __future__ import annotations

from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer
from .windows import read_window


def import_max_pool(ctx: Context, node: OnnxNode) -> None:
    """A 2-D maximum; auto_pad and ceil_mode become explicit pads."""
    if len(node.outputs) > 1 and node.outputs[1]:
        ctx.fail(node, "gives the indices of the maxima too, expected one output", "Leave the indices out.")
    shape = ctx.type_of(node, 0).shape
    if len(shape) != 4:
        what = f"takes an input of shape {list(shape)}, expected [N, C, H, W]"
        ctx.fail(node, what, "Reshape the input to four axes.", node.input(0))
    window = read_window(ctx, node, shape[2:], tuple(node.attrs.get("kernel_shape", ())))
    if window.dilations != (1, 1):
        what = f"has dilations {list(window.dilations)}, expected [1, 1]"
        ctx.fail(node, what, "Use a pool without dilation.")
    ctx.emit_same_grid(node, "max_pool", kernel=window.kernel, strides=window.strides, pads=window.pads)


MAX_POOL = Importer("MaxPool", import_max_pool, "2-D; any kernel, strides, pads, auto_pad, ceil_mode; no dilations")
