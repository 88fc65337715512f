"""The canonical markers: what every export form of a quantizer becomes, and nothing after asks who exported.

`p4c.Quantize` takes a real tensor and gives the tensor that its integers denote (scale * (q - zero_point)).
`p4c.Dequantize` takes integers that the file or the caller stores and gives the same.
`p4c.Table` takes a quantized tensor and gives the quantized value of an elementwise function of it.
`p4c.Poison` stands where a quantizer was recognized but is not supported; its problem has been noted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..compiler import numerics
from ..compiler.errors import Problem
from ..compiler.ir import Array, Constant, QuantParams, TensorType
from .onnx_model import MARKERS, OnnxNode

# Said once, instead of one problem per layer.
FLOAT_MODEL = Problem(
    "the model has no quantizer and its weights lie on no grid: this is a float model, expected a quantized one",
    "Train it with quantizers (quantization-aware), or quantize it with onnxruntime's quantize_static; "
    "p4c compiles the scales that the model has and chooses none.",
)


@dataclass(frozen=True)
class Quantizer:
    """The stored dtype, its params, and the clamp, which may be narrower than the dtype."""

    dtype: str
    params: QuantParams
    qmin: int
    qmax: int

    @classmethod
    def full_range(cls, dtype: str, params: QuantParams) -> Quantizer:
        """A quantizer that clamps where its dtype ends."""
        return cls(dtype, params, *numerics.dtype_range(dtype))

    @classmethod
    def power_of_two(cls, exponent: int) -> Quantizer:
        """Per-tensor int8 with scale 2^-exponent."""
        return cls.full_range("i8", QuantParams.power_of_two(exponent))

    def signed(self) -> Quantizer:
        """The same reals as int8 with zero point 0 where all codes less the zero point fit; else itself."""
        zeros = set(self.params.zero_point)
        low, high = self.qmin - max(zeros), self.qmax - min(zeros)
        if self.dtype != "u8" or len(zeros) > 1 or low < -128 or high > 127:
            return self
        return Quantizer("i8", replace(self.params, zero_point=(0,) * len(self.params.zero_point)), low, high)


def quantize_marker(node: OnnxNode, source: str, quantizer: Quantizer) -> OnnxNode:
    """The marker that takes `source` and takes the place of `node`, the last one of its form."""
    return _marker("Quantize", node, source, quantizer)


def dequantize_marker(node: OnnxNode, source: str, quantizer: Quantizer) -> OnnxNode:
    """The marker for stored integers; it takes the place of `node`."""
    return _marker("Dequantize", node, source, quantizer)


def poison_marker(node: OnnxNode, source: str) -> OnnxNode:
    """What stands in the place of a quantizer of `source` whose problem has been noted."""
    return OnnxNode(node.name, "Poison", (source,), node.outputs, {}, MARKERS, node.label or node.op)


def table_marker(
    node: OnnxNode, source: str, nodes: tuple[OnnxNode, ...], quantizer: Quantizer, *, axis: int | None
) -> OnnxNode:
    """The marker for what `nodes` compute from `source` and the quantizer `node` rounds; it takes its place.

    Its further inputs are the constants of the nodes, which differ along `axis` of the source or, if None, nowhere.
    """
    last = nodes[-1]
    made = {source, "", *(inner.output for inner in nodes)}
    constants = dict.fromkeys(name for inner in nodes for name in inner.inputs if name not in made)
    attrs = {"quantizer": quantizer, "nodes": nodes, "axis": axis}
    return OnnxNode(last.name, "Table", (source, *constants), node.outputs, attrs, MARKERS, last.op)


def _marker(op: str, node: OnnxNode, source: str, quantizer: Quantizer) -> OnnxNode:
    attrs = {"quantizer": quantizer}
    return OnnxNode(node.name, op, (source,), node.outputs[:1], attrs, MARKERS, node.label or node.op)


def quantizer_of(node: OnnxNode) -> Quantizer:
    """The quantizer of a marker."""
    quantizer = node.attrs["quantizer"]
    assert isinstance(quantizer, Quantizer)
    return quantizer


def quantize_constant(array: Array, quantizer: Quantizer) -> Constant:
    """A float constant as its quantizer's integers, rounded as onnxruntime rounds."""
    type_ = TensorType(quantizer.dtype, array.shape, quantizer.params)
    return Constant(type_, numerics.quantize(array, type_, quantizer.qmin, quantizer.qmax))


def describe(params: QuantParams) -> str:
    """Params in words: `scale 2^-5`, `scale 0.013, zero point 3`, `16 scales along axis 0`."""
    if params.axis is not None:
        return f"{len(params.scale)} scales along axis {params.axis}"
    exponent = params.exponent
    scale = f"2^{-exponent}" if exponent is not None else f"{params.scale[0]:.6g}"
    zero_point = f", zero point {params.zero_point[0]}" if params.zero_point[0] else ""
    return f"scale {scale}{zero_point}"


def valid_scales(scales: Array) -> bool:
    """True when every scale is a finite number above zero."""
    return scales.dtype.kind == "f" and bool(np.isfinite(scales).all() and (scales > 0).all())
