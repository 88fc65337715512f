"""Operands of layers with weights: weights as integers, biases as one number per output channel."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from ...compiler.ir import Array, Constant, QuantParams
from ..context import Context, ImporterError
from ..onnx_model import OnnxNode


def weights_operand(ctx: Context, node: OnnxNode, index: int) -> Constant:
    """The weights of a layer, quantized: per tensor or with one scale per output channel."""
    constant = ctx.constant_operand(node, index, "weights")
    if constant.type.dtype == "i64":
        no_scale(ctx, node, "weights", node.input(index))
    if not constant.type.quantized:
        # The pattern for folded weights has noted why these lie on no grid.
        raise ImporterError
    return constant


def no_scale(ctx: Context, node: OnnxNode, role: str, tensor: str) -> NoReturn:
    """Integers whose scale nothing tells."""
    what = f"has integers without a scale as its {role}, expected reals or a DequantizeLinear behind them"
    ctx.fail(node, what, f"Put a DequantizeLinear with the scale of the {role} in between.", tensor)


def check_channel_axis(ctx: Context, node: OnnxNode, tensor: str, params: QuantParams | None, axis: int) -> None:
    """Per-channel weights must have their scales along the output channels."""
    if params is not None and params.axis not in (None, axis):
        what = (
            f"has weights with one scale per index of axis {params.axis}, expected the output channels, axis {axis}"
        )
        ctx.fail(node, what, f"Quantize the weights per tensor, or per channel with axis={axis}.", tensor)


def check_finite(ctx: Context, node: OnnxNode, array: Array, tensor: str) -> None:
    """Constants must be numbers: no infinity, no NaN."""
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        what = f"takes a constant with {bad} of {array.size} values that are not finite"
        ctx.fail(node, what, "Train again: the parameters have diverged.", tensor)


def bias_operand(ctx: Context, node: OnnxNode, index: int, channels: int) -> list[str]:
    """The bias as a list of no or one operand: a constant [channels], f32 or integers with params."""
    if not node.input(index):
        return []
    constant = ctx.constant_operand(node, index, "bias")
    return [add_bias(ctx, node, node.input(index), constant, channels)]


def add_bias(ctx: Context, node: OnnxNode, tensor: str, constant: Constant, channels: int, *, axis: int = -1) -> str:
    """Add a bias constant, broadcast to one number per output channel, `axis` of the result; returns its name."""
    array, type_ = constant.array, constant.type
    if type_.dtype == "i64":
        no_scale(ctx, node, "bias", tensor)
    along = (1, 1, *array.shape)
    if array.size not in (1, channels) or along[axis] != array.size:
        what = f"has a bias of shape {list(array.shape)}, expected {[channels, *[1] * (-1 - axis)]}"
        ctx.fail(node, what, "Give one bias per output channel.", tensor)
    check_finite(ctx, node, array, tensor)
    params = type_.params
    if params is not None and params.axis is not None:
        params = QuantParams(params.scale, params.zero_point, 0)
    flat = np.ascontiguousarray(np.broadcast_to(array.ravel(), (channels,)))
    return ctx.add_constant(ctx.constant_name(tensor), Constant(type_.with_(shape=(channels,), params=params), flat))
