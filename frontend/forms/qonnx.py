"""QONNX: Quant nodes with scale, zero point and number of bits, on weights, activations and biases."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...compiler.errors import Problem
from ...compiler.ir import Array
from ..onnx_model import OnnxNode
from .writer import Writer

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
# Both names mean rounding half to even.
ROUNDING = ("ROUND", "HALF_EVEN")
QONNX_WARNING = Problem(
    "the model has QONNX Quant nodes, which onnxruntime does not run: verify compares with its QDQ form",
    "`--emit onnx` writes that form.",
    warning=True,
)


def is_qonnx(node: OnnxNode) -> bool:
    """True for a node of QONNX's domains."""
    return node.domain in DOMAINS


def _quant(writer: Writer, node: OnnxNode) -> None:
    """x, scale, zero point, bits."""
    bits = _number_of_bits(writer, node)
    low, high = _range(writer, node, bits)
    mode = str(node.attrs.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDING:
        writer.fail(node, f"has rounding_mode {mode}, expected ROUND", "Train with rounding half to even.")
    constant = writer.model_index.constant(node.input(0))
    if bits <= 8:
        _quantize(writer, node, low, high)
    elif constant is not None:
        _store(writer, node, constant, low, high)
    else:
        what = f"quantizes an activation to {bits} bits, expected 8 or fewer"
        writer.fail(node, what, "Train with 8 bits; only biases may have more.", node.input(0))


def _number_of_bits(writer: Writer, node: OnnxNode) -> int:
    bits = writer.value(node, 3, "number of bits")
    if bits.size != 1 or not 1 <= float(bits.reshape(())) <= 32 or float(bits.reshape(())) % 1:
        what = f"quantizes to {bits.ravel().tolist()} bits, expected one whole number from 1 to 32"
        writer.fail(node, what, "Train with a fixed number of bits.", node.input(3))
    return int(bits.reshape(()))


def _range(writer: Writer, node: OnnxNode, bits: int) -> tuple[int, int]:
    """The integers of that many bits; `narrow` leaves out the last one: the lowest if signed, else the highest."""
    signed, narrow = bool(node.attrs.get("signed", 1)), bool(node.attrs.get("narrow", 0))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    low, high = (low + narrow, high) if signed else (low, high - narrow)
    if low >= high:
        writer.fail(node, f"has no range: {low}..{high}", "Train with two bits or more.", node.input(3))
    return low, high


def _params(writer: Writer, node: OnnxNode) -> tuple[Array, Array, Mapping[str, int]]:
    """Scale and zero point as a number, or as a vector along the axis in the attributes."""
    scale, zero = (writer.value(node, at, role).astype(np.float64) for at, role in ((1, "scale"), (2, "zero point")))
    if (zero % 1).any():
        what = f"has the zero point {zero.ravel()[0]:g}, expected whole numbers"
        writer.fail(node, what, "Train with zero points that are integers.", node.input(2))
    long = [axis for axis, size in enumerate(scale.shape) if size > 1]
    if len(long) > 1:
        what = f"has scales of shape {list(scale.shape)}, expected one number or one for each index of one axis"
        writer.fail(node, what, "Quantize per tensor or per output channel.", node.input(1))
    if not long:
        return scale.reshape(-1)[:1].reshape(()), zero.reshape(-1)[:1].reshape(()), {}
    rank = len(writer.shape(node.input(0)) or scale.shape)
    axis = rank - scale.ndim + long[0]
    return scale.ravel(), np.broadcast_to(zero, scale.shape).ravel(), {"axis": axis}


def _quantize(writer: Writer, node: OnnxNode, low: int, high: int) -> None:
    """QuantizeLinear, a Clip where the range is narrower than the type's, DequantizeLinear."""
    scale, zero, attrs = _params(writer, node)
    # Ranges without negative integers fit int8 too, up to seven bits.
    dtype = np.int8 if low >= -128 and high <= 127 else np.uint8
    names = [
        writer.constant(f"{node.name}.scale", scale.astype(np.float32)),
        writer.constant(f"{node.name}.zero_point", zero.astype(dtype)),
    ]
    stored = writer.add(node, "QuantizeLinear", [node.input(0), *names], word="quantized", attrs=attrs)
    if (low, high) != (np.iinfo(dtype).min, np.iinfo(dtype).max):
        ends = (("low", low), ("high", high))
        bounds = [writer.constant(f"{node.name}.{word}", np.array(bound, dtype)) for word, bound in ends]
        stored = writer.add(node, "Clip", [stored, *bounds], word="clipped")
    writer.add(node, "DequantizeLinear", [stored, *names], node.outputs, attrs=attrs)


def _store(writer: Writer, node: OnnxNode, reals: Array, low: int, high: int) -> None:
    """A constant of more than 8 bits, a bias, as int32 with its scale."""
    scale, zero, attrs = _params(writer, node)
    along = [-1 if axis == attrs.get("axis") else 1 for axis in range(reals.ndim)]
    steps = scale.reshape(along) if attrs else scale
    integers = np.clip(np.rint(reals.astype(np.float64) / steps) + zero.max(), low, high)
    if zero.any():
        writer.fail(node, "has a zero point on a bias, expected 0", "Quantize biases symmetrically.", node.input(2))
    stored = writer.constant(f"{node.name}.integers", integers.astype(np.int32))
    name = writer.constant(f"{node.name}.scale", scale.astype(np.float32))
    writer.add(node, "DequantizeLinear", [stored, name], node.outputs, attrs=attrs)


def _bipolar(writer: Writer, node: OnnxNode) -> None:
    what = "quantizes to one bit, -1 and 1, expected 2 to 8 bits"
    writer.fail(node, what, "Train weights and activations with 2 to 8 bits.", node.input(0))


QONNX: Mapping[str, Callable[[Writer, OnnxNode], None]] = {
    f"{domain}.{op}": form for domain in DOMAINS for op, form in (("Quant", _quant), ("BipolarQuant", _bipolar))
}
