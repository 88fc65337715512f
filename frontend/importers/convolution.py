"""Conv -> conv2d."""

from __future__ import annotations

from ...compiler.ir import Constant
from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer
from .weights import bias_operand, check_channel_axis, weights_operand
from .windows import emit_on_image, image_operand, read_window


def import_conv(ctx: Context, node: OnnxNode) -> None:
    """A convolution with quantized constant weights [O, I / groups, kh, kw], or [O, I / groups, k] over one axis."""
    x = image_operand(ctx, node, ctx.activation(node, 0))
    axes = len(ctx.type_of(node, 0).shape) - 2
    weights = weights_operand(ctx, node, 1)
    shape = weights.type.shape
    if len(shape) != axes + 2:
        what = f"has weights of shape {list(shape)} for an input of {axes + 2} axes, expected as many"
        ctx.fail(node, what, "Export a 1-D or 2-D convolution.", node.input(1))
    check_channel_axis(ctx, node, node.input(1), weights.type.params, 0)
    bias = bias_operand(ctx, node, 2, shape[0])
    window = read_window(ctx, node, ctx.type_of(node, 0).shape[2:], shape[2:])
    if axes == 1:
        shape = (*shape[:2], 1, shape[2])
        weights = Constant(weights.type.with_(shape=shape), weights.array.reshape(shape))
    w = ctx.add_constant(ctx.constant_name(node.input(1)), weights)
    emit_on_image(
        ctx,
        node,
        "conv2d",
        [x, w, *bias],
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        groups=int(node.attrs.get("group", 1)),
    )


CONV = Importer(
    "Conv",
    import_conv,
    "1-D and 2-D; constant quantized weights; any kernel, strides, pads, dilations, groups",
    ("conv2d",),
)
