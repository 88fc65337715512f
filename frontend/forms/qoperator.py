"""QOperator: operators on stored integers with scales and zero points as operands, as onnxruntime quantizes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...compiler.ir import Array
from ..onnx_model import OnnxNode
from .writer import Writer

MICROSOFT = "com.microsoft"
Form = Callable[[Writer, OnnxNode], None]
# Attributes that only say how an integer kernel lays its data out.
LAYOUT_ATTRS = ("channels_last", "opset")
DYNAMIC_ADVICE = (
    "Quantize statically, with calibration data: the scales of activations must be constants of the model."
)


def _convolution(writer: Writer, node: OnnxNode) -> None:
    """x, sx, zx, w, sw, zw, sy, zy, bias."""
    operands = [_operand(writer, node, 0), _operand(writer, node, 3, axis=0), *_bias(writer, node, 8, (1, 4))]
    real = writer.add(node, "Conv", operands, attrs=node.attrs)
    _quantize(writer, node, real, 6)


def _matmul(writer: Writer, node: OnnxNode) -> None:
    """a, sa, za, b, sb, zb, sy, zy."""
    real = writer.add(node, "MatMul", [_operand(writer, node, 0, axis=0), _operand(writer, node, 3, axis=1)])
    _quantize(writer, node, real, 6)


def _gemm(writer: Writer, node: OnnxNode) -> None:
    """a, sa, za, b, sb, zb, bias, sy, zy; without sy the result is real."""
    axis = 0 if node.attrs.get("transB", 0) else 1
    operands = [_operand(writer, node, 0), _operand(writer, node, 3, axis=axis), *_bias(writer, node, 6, (1, 4))]
    if not node.input(7):
        writer.add(node, "Gemm", operands, node.outputs, attrs=node.attrs)
        return
    _quantize(writer, node, writer.add(node, "Gemm", operands, attrs=node.attrs), 7)


def _binary(op: str) -> Form:
    """a, sa, za, b, sb, zb, sy, zy."""

    def write(writer: Writer, node: OnnxNode) -> None:
        real = writer.add(node, op, [_operand(writer, node, 0), _operand(writer, node, 3)])
        _quantize(writer, node, real, 6)

    return write


def _unary(op: str) -> Form:
    """x, sx, zx, sy, zy."""

    def write(writer: Writer, node: OnnxNode) -> None:
        if node.attrs.get("channels_last", 0):
            what = "has channels_last=1, expected 0"
            writer.fail(node, what, "Export before onnxruntime's layout optimizations.", node.input(0))
        attrs = {key: value for key, value in node.attrs.items() if key not in LAYOUT_ATTRS}
        real = writer.add(node, op, [_operand(writer, node, 0)], attrs=attrs)
        _quantize(writer, node, real, 3)

    return write


def _concat(writer: Writer, node: OnnxNode) -> None:
    """sy, zy, then x, sx, zx of each part."""
    parts = [_operand(writer, node, index) for index in range(2, len(node.inputs), 3)]
    _quantize(writer, node, writer.add(node, "Concat", parts, attrs=node.attrs), 0)


def _dynamic(writer: Writer, node: OnnxNode) -> None:
    what = f"the operator {node.key} belongs to dynamic quantization, which measures scales at run time"
    writer.fail(node, what, DYNAMIC_ADVICE, node.input(0))


def _operand(writer: Writer, node: OnnxNode, index: int, *, axis: int = 0) -> str:
    """The reals of a quantized operand; the axis is that of scales per channel."""
    scale = writer.value(node, index + 1, "scale")
    attrs = {"axis": axis} if scale.size > 1 else {}
    return writer.dequantized(node.input(index), node.input(index + 1), node.input(index + 2), attrs)


def _bias(writer: Writer, node: OnnxNode, index: int, scales: tuple[int, int]) -> list[str]:
    """The reals of an int32 bias, whose scale is the product of those of input and weights."""
    if not node.input(index):
        return []
    x, w = (writer.value(node, at, "scale") for at in scales)
    product: Array = x.reshape(()) * (w.reshape(()) if w.size == 1 else w.ravel())
    scale = writer.constant(f"{node.input(index)}.scale", product.astype(np.float32))
    return [writer.dequantized(node.input(index), scale, "", {"axis": 0} if product.ndim else {})]


def _quantize(writer: Writer, node: OnnxNode, real: str, index: int) -> None:
    """The result's integers, from its scale at `index` and the zero point behind it."""
    params = [name for name in (node.input(index), node.input(index + 1)) if name]
    writer.add(node, "QuantizeLinear", [real, *params], node.outputs, "quantized")


WRITTEN: Mapping[str, Form] = {
    "QLinearConv": _convolution,
    "QLinearMatMul": _matmul,
    f"{MICROSOFT}.QGemm": _gemm,
    f"{MICROSOFT}.QLinearAdd": _binary("Add"),
    f"{MICROSOFT}.QLinearMul": _binary("Mul"),
    f"{MICROSOFT}.QLinearConcat": _concat,
    f"{MICROSOFT}.QLinearAveragePool": _unary("AveragePool"),
    f"{MICROSOFT}.QLinearGlobalAveragePool": _unary("GlobalAveragePool"),
    f"{MICROSOFT}.QLinearReduceMean": _unary("ReduceMean"),
    f"{MICROSOFT}.QLinearLeakyRelu": _unary("LeakyRelu"),
    f"{MICROSOFT}.QLinearSigmoid": _unary("Sigmoid"),
    f"{MICROSOFT}.QLinearSoftmax": _unary("Softmax"),
}
DYNAMIC = (
    *("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"),
    *(f"{MICROSOFT}.DynamicQuantizeMatMul", f"{MICROSOFT}.MatMulIntegerToFloat"),
)
QOPERATOR: Mapping[str, Form] = {**WRITTEN, **dict.fromkeys(DYNAMIC, _dynamic)}
