"""Gemm, and MatMul with the Add of its bias -> fully_connected."""

from __future__ import annotations

import math

import numpy as np

from ...compiler.ir import Constant
from ..context import Context, ImporterError
from ..onnx_model import OnnxNode
from .definition import Importer
from .weights import add_bias, check_channel_axis, weights_operand


def import_gemm(ctx: Context, node: OnnxNode) -> None:
    """alpha * x @ B + beta * C with constant B and C; x is not transposed."""
    if node.attrs.get("transA", 0):
        ctx.fail(node, "has transA=1, expected 0", "Transpose the input with a Transpose node.", node.input(0))
    x = ctx.activation(node, 0)
    weights = output_major(ctx, node, transposed=bool(node.attrs.get("transB", 0)))
    weights = scaled(ctx, node, weights, "alpha")
    bias: list[str] = []
    if node.input(2) and node.attrs.get("beta", 1.0) != 0:
        constant = scaled(ctx, node, ctx.constant_operand(node, 2, "bias"), "beta")
        bias = [add_bias(ctx, node, node.input(2), constant, weights.type.shape[0])]
    _emit(ctx, node, x, weights, bias)


def import_matmul(ctx: Context, node: OnnxNode) -> None:
    """x @ W with constant W [K, O]."""
    x = ctx.activation(node, 0)
    _emit(ctx, node, x, output_major(ctx, node, transposed=False), [])


def output_major(ctx: Context, node: OnnxNode, *, transposed: bool) -> Constant:
    """The weights as [O, K]; `transposed` says that the model stores them so."""
    weights = weights_operand(ctx, node, 1)
    shape, tensor = weights.type.shape, node.input(1)
    if len(shape) != 2:
        what = f"has a right operand of shape {list(shape)}, expected two axes"
        ctx.fail(node, what, "Use a convolution or a layer with two-dimensional weights.", tensor)
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


def _emit(ctx: Context, node: OnnxNode, x: str, weights: Constant, bias: list[str]) -> None:
    shape = ctx.graph.type_of(x).shape
    if len(shape) != 2:
        what = f"takes an input of shape {list(shape)}, expected [N, {weights.type.shape[1]}]"
        ctx.fail(node, what, "Put a Flatten or Reshape in front of it.", node.input(0))
    w = ctx.add_constant(ctx.constant_name(node.input(1)), weights)
    ctx.emit(node, "fully_connected", [x, w, *bias])


def add_bias_of_matmul(ctx: Context, node: OnnxNode) -> bool:
    """Give a MatMul its bias if that is what this Add adds: one operand its result, the other a constant vector."""
    for index in (0, 1):
        layer = ctx.model.producer(node.input(index))
        constant = ctx.constant(node.input(1 - index))
        if layer is not None and constant is not None and layer.key == "MatMul":
            return _add_bias_to(ctx, node, index, constant)
    return False


def _add_bias_to(ctx: Context, node: OnnxNode, index: int, constant: Constant) -> bool:
    """Replace the layer that makes operand `index` by one with a bias, unless others need its result without."""
    tensor = node.input(index)
    name = ctx.operand(node, index)
    layer = ctx.graph.nodes.get(name)
    if layer is None:
        # The MatMul's own problem has been noted.
        raise ImporterError
    if len(ctx.model.users(tensor)) > 1 or tensor in ctx.model.outputs or len(layer.operands) > 2:
        return False
    bias = add_bias(ctx, node, node.input(1 - index), constant, layer.type.shape[1])
    ctx.graph.nodes.pop(name)
    ctx.emit(node.with_(name=layer.loc), "fully_connected", [*layer.operands, bias])
    return True


GEMM = Importer(
    "Gemm",
    import_gemm,
    "constant quantized B, constant C, transA=0, alpha and beta powers of two",
    ("fully_connected",),
)
MATMUL = Importer("MatMul", import_matmul, "[N, K] by constant quantized weights [K, O]", ("fully_connected",))
