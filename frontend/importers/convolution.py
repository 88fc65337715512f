"""Conv -> conv2d."""

from __future__ import annotations

from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer
from .weights import bias_operand, check_channel_axis, weights_operand
from .windows import read_window


def import_conv(ctx: Context, node: OnnxNode) -> None:
    """A 2-D convolution with quantized constant weights [O, I / groups, kh, kw]."""
    x = ctx.activation(node, 0)
    weights = weights_operand(ctx, node, 1)
    shape = weights.type.shape
    if len(shape) != 4:
        what = f"has weights of shape {list(shape)}, expected [O, I, kh, kw]: only 2-D convolutions are supported"
        ctx.fail(node, what, "Write a 1-D convolution as a 2-D one of height 1.", node.input(1))
    check_channel_axis(ctx, node, node.input(1), weights.type.params, 0)
    bias = bias_operand(ctx, node, 2, shape[0])
    sizes = ctx.graph.type_of(x).shape[2:]
    if len(sizes) != 2:
        what = f"takes an input of {len(sizes) + 2} axes, expected [N, C, H, W]"
        ctx.fail(node, what, "Reshape the input to four axes.", node.input(0))
    window = read_window(ctx, node, sizes, shape[2:])
    w = ctx.add_constant(ctx.constant_name(node.input(1)), weights)
    ctx.emit(
        node,
        "conv2d",
        [x, w, *bias],
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        groups=int(node.attrs.get("group", 1)),
    )


CONV = Importer("Conv", import_conv, "2-D; constant quantized weights; any kernel, strides, pads, dilations, groups")
