"""Gemm and MatMul -> fully_connected of one row, conv2d of several; the Add of a MatMul's bias goes to the layer.

Rows are pixels of an image of height 1 with their elements as channels, so that a 1x1 convolution computes them all:

    MatMul(x : [1,T,K], W : [K,O])   =>   x as [1,1,T,K], transposed to [1,K,1,T]; conv2d; back to [1,T,O]
    MatMul(W : [O,K], x : [1,K,T])   =>   x as [1,K,1,T]; conv2d; back to [1,O,T]

An axis 0 of length 1 stays in its place: it is the batch.
"""

from __future__ import annotations

import math

import numpy as np

from ...compiler.ir import Constant
from ..context import Context, ImporterError
from ..onnx_model import OnnxNode
from .definition import Importer
from .weights import add_bias, check_channel_axis, weights_operand


def import_gemm(ctx: Context, node: OnnxNode) -> None:
    """alpha * x @ B + beta * C with constant B and C."""
    x = ctx.activation(node, 0)
    if node.attrs.get("transA", 0) and len(ctx.graph.type_of(x).shape) == 2:
        x = ctx.emit_move(node, "transpose", x, perm=(1, 0))
    weights = output_major(ctx, node, transposed=bool(node.attrs.get("transB", 0)))
    weights = scaled(ctx, node, weights, "alpha")
    bias: list[str] = []
    if node.input(2) and node.attrs.get("beta", 1.0) != 0:
        constant = scaled(ctx, node, ctx.constant_operand(node, 2, "bias"), "beta")
        bias = [add_bias(ctx, node, node.input(2), constant, weights.type.shape[0])]
    _emit_rows(ctx, node, x, weights, bias)


def import_matmul(ctx: Context, node: OnnxNode) -> None:
    """x @ W with constant W [K, O], or W @ x with constant W [O, K]."""
    _emit_matmul(ctx, node, [])


def _emit_matmul(ctx: Context, node: OnnxNode, bias: list[str]) -> None:
    if ctx.constant(node.input(0)) is not None:
        _emit_columns(ctx, node, bias)
        return
    x = ctx.activation(node, 0)
    _emit_rows(ctx, node, x, output_major(ctx, node, transposed=False), bias)


def output_major(ctx: Context, node: OnnxNode, *, transposed: bool) -> Constant:
    """The weights as [O, K]; `transposed` says that the model stores them so."""
    weights, tensor = weights_operand(ctx, node, 1), node.input(1)
    shape = weights.type.shape
    _check_matrix(ctx, node, "right", shape, tensor)
    check_channel_axis(ctx, node, tensor, weights.type.params, 0 if transposed else 1)
    if transposed:
        return weights
    params = weights.type.params
    if params is not None and params.axis is not None:
        params = type(params)(params.scale, params.zero_point, 0)
    turned = np.ascontiguousarray(weights.array.T)
    return Constant(weights.type.with_(shape=turned.shape, params=params), turned)


def scaled(ctx: Context, node: OnnxNode, constant: Constant, attribute: str) -> Constant:
    """A constant times Gemm's alpha or beta; exact, as both must be powers of two."""
    factor = float(node.attrs.get(attribute, 1.0))
    if factor == 1.0:
        return constant
    if factor <= 0 or math.frexp(factor)[0] != 0.5:
        what = f"has {attribute}={factor:g}, expected a power of two"
        ctx.fail(node, what, f"Multiply {attribute} into the constant before quantization.")
    params = constant.type.params
    if params is None:
        return Constant(constant.type, constant.array * np.float32(factor))
    scale = tuple(value * factor for value in params.scale)
    params = type(params)(scale, params.zero_point, params.axis)
    return Constant(constant.type.with_(params=params), constant.array)


def _check_matrix(ctx: Context, node: OnnxNode, side: str, shape: tuple[int, ...], tensor: str) -> None:
    if len(shape) != 2:
        what = f"has a {side} operand of shape {list(shape)}, expected two axes"
        ctx.fail(node, what, "Use a convolution or a layer with two-dimensional weights.", tensor)


def _emit_rows(ctx: Context, node: OnnxNode, x: str, weights: Constant, bias: list[str]) -> None:
    """The layer for rows along the last axis of x."""
    shape, (outputs, length) = ctx.graph.type_of(x).shape, weights.type.shape
    if len(shape) < 2 or shape[-1] != length:
        what = f"takes an input of shape {list(shape)}, expected [..., {length}]"
        ctx.fail(node, what, "Put a Flatten or Reshape in front of it.", node.input(0))
    rows = math.prod(shape[:-1])
    if rows > 1:
        w = _pointwise(ctx, node.input(1), weights)
        pixels = ctx.emit_move(node, "reshape", x, shape=(1, 1, rows, length))
        image = ctx.emit_move(node, "transpose", pixels, perm=(0, 3, 1, 2))
        y = ctx.emit_part(node, f"{node.output}.image", "conv2d", [image, w, *bias])
        _give(ctx, node, ctx.emit_move(node, "transpose", y, perm=(0, 2, 3, 1)), (*shape[:-1], outputs))
        return
    w = ctx.add_constant(ctx.constant_name(node.input(1)), weights)
    if len(shape) == 2:
        ctx.emit(node, "fully_connected", [x, w, *bias])
        return
    row = ctx.emit_move(node, "reshape", x, shape=(1, length))
    y = ctx.emit_part(node, f"{node.output}.row", "fully_connected", [row, w, *bias])
    _give(ctx, node, y, (*shape[:-1], outputs))


def _emit_columns(ctx: Context, node: OnnxNode, bias: list[str]) -> None:
    """The layer for columns of x [..., K, T], with constant W [O, K] on the left."""
    weights, tensor = weights_operand(ctx, node, 0), node.input(0)
    x = ctx.activation(node, 1)
    shape = ctx.graph.type_of(x).shape
    _check_matrix(ctx, node, "left", weights.type.shape, tensor)
    check_channel_axis(ctx, node, tensor, weights.type.params, 0)
    outputs, length = weights.type.shape
    if len(shape) < 2 or shape[-2] != length:
        what = f"takes an input of shape {list(shape)}, expected [..., {length}, N]"
        ctx.fail(node, what, "Put a Reshape in front of it.", node.input(1))
    images, columns, w = math.prod(shape[:-2]), shape[-1], _pointwise(ctx, tensor, weights)
    # A transpose that exchanges an axis of length 1 moves nothing and vanishes.
    planes = ctx.emit_move(node, "reshape", x, shape=(1, images, length, columns))
    image = ctx.emit_move(node, "transpose", planes, perm=(0, 2, 1, 3))
    y = ctx.emit_part(node, f"{node.output}.image", "conv2d", [image, w, *bias])
    y = ctx.emit_move(node, "transpose", y, perm=(0, 2, 1, 3))
    _give(ctx, node, y, (*shape[:-2], outputs, columns))


def _give(ctx: Context, node: OnnxNode, value: str, shape: tuple[int, ...]) -> None:
    """Let the node's output be a value in that shape."""
    ctx.values[node.output] = ctx.emit_move(node, "reshape", value, name=node.output, shape=shape)


def _pointwise(ctx: Context, tensor: str, weights: Constant) -> str:
    """Weights [O, K] as those of a 1x1 convolution, added to the graph."""
    shape = (*weights.type.shape, 1, 1)
    constant = Constant(weights.type.with_(shape=shape), weights.array.reshape(shape))
    return ctx.add_constant(ctx.constant_name(tensor), constant)


def add_bias_of_matmul(ctx: Context, node: OnnxNode) -> bool:
    """Give a MatMul its bias if that is what this Add adds: one operand its result, the other a constant vector."""
    for index in (0, 1):
        layer = ctx.model.producer(node.input(index))
        if layer is not None and layer.key == "MatMul" and ctx.constant(node.input(1 - index)) is not None:
            return _add_bias_to(ctx, node, index, layer)
    return False


def _add_bias_to(ctx: Context, node: OnnxNode, index: int, layer: OnnxNode) -> bool:
    """Import the layer again with its bias and the Add's result, unless others need its result without."""
    tensor = node.input(index)
    if tensor in ctx.poisoned:
        # The MatMul's own problem has been noted.
        raise ImporterError
    if len(ctx.model.users(tensor)) > 1 or tensor in ctx.model.outputs:
        return False
    constant = ctx.constant(node.input(1 - index))
    assert constant is not None
    axis = -1 if ctx.constant(layer.input(0)) is None else -2
    channels = ctx.type_of(node, index).shape[axis]
    bias = add_bias(ctx, node, node.input(1 - index), constant, channels, axis=axis)
    _emit_matmul(ctx, layer.with_(outputs=node.outputs), [bias])
    return True


MADE = ("fully_connected", "conv2d", "transpose")
GEMM = Importer("Gemm", import_gemm, "constant quantized B, constant C, alpha and beta powers of two", MADE)
MATMUL = Importer(
    "MatMul", import_matmul, "[..., K] by constant quantized weights [K, O]; or [O, K] by [..., K, T]", MADE
)
