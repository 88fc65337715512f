"""Add, Sub, Mul -> add, sub, mul of two tensors; the Add of a MatMul's bias goes to the layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compiler.builder import append
from ...compiler.ir import Constant
from ..context import Context
from ..onnx_model import OnnxNode
from ..patterns.folded_weights import smallest_exponent
from ..quantizer import Quantizer, quantize_constant
from .definition import Importer
from .matmul import MADE, add_bias_of_matmul

ACCEPTS = "two quantized tensors, or one and a constant on a grid; shapes broadcast"


def importer(op: str) -> Callable[[Context, OnnxNode], None]:
    """The importer of an operator with two operands, which becomes the IR's `op`."""

    def run(ctx: Context, node: OnnxNode) -> None:
        if op == "add" and add_bias_of_matmul(ctx, node):
            return
        rank = max(len(ctx.type_of(node, index).shape) for index in (0, 1))
        ctx.emit(node, op, [_operand(ctx, node, index, rank) for index in (0, 1)])

    return run


def _operand(ctx: Context, node: OnnxNode, index: int, rank: int) -> str:
    """A quantized operand with that many axes, the missing ones in front."""
    constant = ctx.constant(node.input(index))
    if constant is not None:
        return _constant(ctx, node, index, constant, rank)
    value = ctx.activation(node, index)
    type_ = ctx.graph.type_of(value)
    if len(type_.shape) == rank:
        return value
    shape = (1,) * (rank - len(type_.shape)) + type_.shape
    name = ctx.free_name(f"{value}.axes")
    return append(ctx.graph, "reshape", name, [value], dtype=type_.dtype, params=type_.params, shape=shape)


def _constant(ctx: Context, node: OnnxNode, index: int, constant: Constant, rank: int) -> str:
    """A constant operand; a plain one lies on the coarsest grid that holds its values."""
    tensor = node.input(index)
    if not constant.type.quantized:
        exponent = smallest_exponent(constant.array)
        if exponent is None:
            what = "takes a float constant on no grid k * 2^-e with k in -128..127"
            ctx.fail(node, what, "Put a quantizer on the constant in training.", tensor)
        constant = quantize_constant(constant.array.astype(np.float32), Quantizer.power_of_two(exponent))
    params = constant.type.params
    if params is not None and params.axis is not None:
        what = "takes a constant with one scale per channel, expected one scale for the whole tensor"
        ctx.fail(node, what, "Quantize the constant per tensor.", tensor)
    shape = (1,) * (rank - constant.array.ndim) + constant.array.shape
    return ctx.add_constant(
        ctx.constant_name(tensor), Constant(constant.type.with_(shape=shape), constant.array.reshape(shape))
    )


ADD = Importer("Add", importer("add"), f"{ACCEPTS}; or the constant bias of a MatMul", ("add", *MADE))
SUB = Importer("Sub", importer("sub"), ACCEPTS, ("sub",))
MUL = Importer("Mul", importer("mul"), ACCEPTS, ("mul",))
