"""The canonical markers -> quantize, quantized constants, and quantized graph inputs."""

from __future__ import annotations

from ...compiler import numerics
from ...compiler.ir import Constant, TensorType
from ..context import Context
from ..onnx_model import OnnxNode
from ..quantizer import Quantizer, describe, quantize_constant, quantizer_of
from .definition import Importer
from .weights import check_finite


def import_quantize(ctx: Context, node: OnnxNode) -> None:
    """Weights become integers here; an activation gets a quantize op, unless it lies on that grid by one before."""
    quantizer, tensor = quantizer_of(node), node.input(0)
    constant = ctx.constant(tensor)
    if constant is not None:
        reals = numerics.dequantize(constant.array, constant.type)
        check_finite(ctx, node, reals, node.input(0))
        ctx.set_constant(node, quantize_constant(reals, quantizer))
        return
    _check_activation(ctx, node, quantizer)
    x = ctx.operand(node, 0)
    _check_option(ctx, node, x, quantizer)
    if _quantized_alike(ctx, x, quantizer):
        ctx.values[node.output] = x
        return
    ctx.emit(
        node,
        "quantize",
        [x],
        dtype=quantizer.dtype,
        params=quantizer.params,
        qmin=quantizer.qmin,
        qmax=quantizer.qmax,
    )


def _check_activation(ctx: Context, node: OnnxNode, quantizer: Quantizer) -> None:
    if quantizer.params.axis is not None:
        what = f"quantizes an activation with {describe(quantizer.params)}, expected one scale for the whole tensor"
        advice = "Quantize activations per tensor; only weights and biases may have one scale per channel."
        ctx.fail(node, what, advice, node.input(0))


def _check_option(ctx: Context, node: OnnxNode, value: str, quantizer: Quantizer) -> None:
    """An exponent from the options must not come on top of the model's own input quantizer."""
    source = ctx.grid_source(value)
    added = ctx.input_quantizers.get(source)
    if added is not None and added.params != quantizer.params:
        what = (
            f"quantizes the input with {describe(quantizer.params)}, --input-exponent with {describe(added.params)}"
        )
        ctx.fail(node, what, "Leave --input-exponent out: the model has its own input quantizer.", node.input(0))


def _quantized_alike(ctx: Context, value: str, quantizer: Quantizer) -> bool:
    """True when the value lies on this very grid, and within its clamp."""
    if quantizer == Quantizer.full_range(quantizer.dtype, quantizer.params):
        type_ = ctx.graph.type_of(value)
        return type_.dtype == quantizer.dtype and type_.params == quantizer.params
    made = ctx.graph.nodes.get(value)
    if made is None or made.op != "quantize":
        return False
    clamp = (made.int("qmin"), made.int("qmax"))
    alike = made.type.dtype == quantizer.dtype and made.type.params == quantizer.params
    return alike and clamp == (quantizer.qmin, quantizer.qmax)


def import_dequantize(ctx: Context, node: OnnxNode) -> None:
    """Stored integers: a constant with its params, or a graph input that takes integers."""
    quantizer, tensor = quantizer_of(node), node.input(0)
    array = ctx.model.constant(tensor)
    if array is not None:
        type_ = TensorType(quantizer.dtype, array.shape, quantizer.params)
        ctx.set_constant(node, Constant(type_, array.astype(type_.numpy)))
        return
    _check_activation(ctx, node, quantizer)
    present = ctx.type_of(node, 0)
    type_ = TensorType(quantizer.dtype, present.shape, quantizer.params)
    if present.quantized and present != type_:
        what = f"reads the input with {describe(quantizer.params)}, but another node reads it with other parameters"
        ctx.fail(node, what, "Give every DequantizeLinear of the input the same scale and zero point.", tensor)
    ctx.graph.inputs[tensor] = type_
    ctx.values[node.output] = tensor


QUANTIZE = Importer(
    "p4c.Quantize", import_quantize, "int8 or uint8; per tensor, for weights per channel too", ("quantize",)
)
DEQUANTIZE = Importer(
    "p4c.Dequantize", import_dequantize, "constants and graph inputs of 8-bit integers, int32 biases"
)
