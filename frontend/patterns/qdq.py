"""QuantizeLinear -> DequantizeLinear on a real tensor; DequantizeLinear alone on integers that the file stores.

A Clip of the integers between the two (QCDQ, as Brevitas exports ranges narrower than the type's) becomes the
quantizer's range. What uint8 holds in codes that fit into int8 is int8: Clips to 0..127, a zero point of 128.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from ...compiler.errors import Problem
from ...compiler.ir import Array, QuantParams
from ..onnx_model import OnnxModel, OnnxNode, element_name
from ..quantizer import Quantizer, dequantize_marker, describe, poison_marker, quantize_marker, valid_scales
from .fake_quant_clip import read_clip

DTYPES = {"int8": "i8", "uint8": "u8", "int32": "i32"}
ACCEPTED = "int8 or uint8 (and int32 for stored biases), one float32 scale per tensor or per output channel"


class UnsupportedError(Exception):
    """A QuantizeLinear or DequantizeLinear that is not supported; holds the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def match_qdq(model: OnnxModel, node: OnnxNode, problems: list[Problem]) -> OnnxNode | None:
    """Q -> DQ becomes Quantize; DQ on a constant or a graph input, Dequantize; Q at an output, Quantize."""
    try:
        if node.key == "DequantizeLinear":
            return _match_dequantize(model, node)
        if node.key == "QuantizeLinear" and node.output in model.outputs:
            return quantize_marker(node, node.input(0), read_quantizer(model, node))
    except UnsupportedError as fault:
        problems.append(fault.problem)
        return poison_marker(node, _real_source(model, node))
    return None


def _match_dequantize(model: OnnxModel, node: OnnxNode) -> OnnxNode:
    stored, low, high = _behind_clips(model, node.input(0))
    first = model.producer(stored)
    if first is None or first.key != "QuantizeLinear":
        first = model.producer(node.input(0))
    if first is None or (first.key != "QuantizeLinear" and model.constant(node.input(0)) is not None):
        return dequantize_marker(node, model.origin(node.input(0)), read_quantizer(model, node))
    if first.key != "QuantizeLinear":
        what = f'dequantizes the result of {first.key} "{first.name}", expected that of a QuantizeLinear'
        advice = "Move the operator behind the DequantizeLinear, so that every QuantizeLinear is followed by one."
        raise UnsupportedError(node.problem(what, advice, node.input(0)))
    quantizer, back = read_quantizer(model, first), read_quantizer(model, node)
    if quantizer != back:
        what = f'has {_words(back)}, but its QuantizeLinear "{first.name}" has {_words(quantizer)}'
        advice = "Give both the same scale, zero point and type: p4c takes the pair as one quantizer."
        raise UnsupportedError(node.problem(what, advice, node.input(0)))
    narrow = replace(quantizer, qmin=max(quantizer.qmin, low), qmax=min(quantizer.qmax, high))
    if narrow.qmin > narrow.qmax:
        what = f"clips the integers to {low}..{high}, which {quantizer.dtype} has none of"
        raise UnsupportedError(node.problem(what, "Give bounds within the type's range.", node.input(0)))
    return quantize_marker(node, first.input(0), narrow.signed())


def _behind_clips(model: OnnxModel, tensor: str) -> tuple[str, int, int]:
    """What Clips with constant bounds take, and the range of integers that they leave."""
    low, high = -(2**31), 2**31
    while (clamp := read_clip(model, tensor)) is not None:
        tensor = clamp.source
        low, high = max(low, math.ceil(max(clamp.low, low))), min(high, math.floor(min(clamp.high, high)))
    return tensor, low, high


def _real_source(model: OnnxModel, node: OnnxNode) -> str:
    """The real tensor behind a quantizer: from a DequantizeLinear back to its QuantizeLinear, if there is one."""
    source: OnnxNode | None = node
    while source is not None and source.inputs and source.key != "QuantizeLinear":
        source = model.producer(source.input(0))
    return node.input(0) if source is None or not source.inputs else source.input(0)


def _words(quantizer: Quantizer) -> str:
    return f"{quantizer.dtype}, {describe(quantizer.params)}"


def read_quantizer(model: OnnxModel, node: OnnxNode) -> Quantizer:
    """Scale, zero point and type of a QuantizeLinear or DequantizeLinear; raises UnsupportedError."""
    if node.attrs.get("block_size"):
        what = f"quantizes in blocks of {node.attrs['block_size']} along axis {node.attrs.get('axis', 1)}"
        what += ", expected one scale per tensor or per output channel"
        raise UnsupportedError(node.problem(what, "Export with block_size 0.", node.input(0)))
    scale = _constant(model, node, 1, "scale")
    zero_point = _constant(model, node, 2, "zero point") if node.input(2) else None
    dtype = _dtype(model, node, zero_point)
    _check_scale(node, scale)
    axis = _axis(model, node, scale.size) if scale.size > 1 else None
    zeros = np.zeros(scale.size, np.int64) if zero_point is None else zero_point.astype(np.int64).ravel()
    if zeros.size != scale.size:
        what = f"has {scale.size} scales and {zeros.size} zero points, expected as many"
        raise UnsupportedError(node.problem(what, "Give one zero point per scale.", node.input(2)))
    params = QuantParams(tuple(map(float, scale.ravel())), tuple(map(int, zeros)), axis)
    return Quantizer.full_range(dtype, params)


def _axis(model: OnnxModel, node: OnnxNode, scales: int) -> int:
    """The axis of per-channel scales, counted from the front."""
    axis = int(node.attrs.get("axis", 1))
    info, constant = model.types.get(node.input(0)), model.constant(node.input(0))
    shape = constant.shape if constant is not None else info.shape if info else None
    if shape is None:
        return axis
    front = axis + len(shape) if axis < 0 else axis
    if not 0 <= front < len(shape) or shape[front] not in (scales, None):
        what = (
            f"has {scales} scales along axis {axis} of a tensor of shape {list(shape)}, expected one for each index"
        )
        raise UnsupportedError(node.problem(what, "Give one scale per index of that axis.", node.input(1)))
    return front


def _constant(model: OnnxModel, node: OnnxNode, index: int, role: str) -> Array:
    value = model.constant(node.input(index))
    if value is None:
        what = f"computes its {role} at run time, expected a constant"
        advice = "Export with static quantization: the scale must be fixed after training."
        raise UnsupportedError(node.problem(what, advice, node.input(index)))
    return value


def _dtype(model: OnnxModel, node: OnnxNode, zero_point: Array | None) -> str:
    """The stored dtype: the zero point's type; without one the integers' or, for QuantizeLinear, uint8."""
    stored = _stored_type(model, node)
    name = stored if zero_point is None else str(zero_point.dtype)
    if node.op == "DequantizeLinear" and stored not in DTYPES and stored != "undefined":
        name = stored
    if name not in DTYPES or (node.op == "QuantizeLinear" and name == "int32"):
        what = f"quantizes to {name}; accepted: {ACCEPTED}"
        raise UnsupportedError(node.problem(what, "Export with 8-bit quantization.", node.input(2) or node.input(0)))
    if node.op == "DequantizeLinear" and stored not in (name, "undefined"):
        what = f"has a zero point of type {name} for integers of type {stored}, expected the same type"
        raise UnsupportedError(node.problem(what, f"Store the zero point as {stored}.", node.input(2)))
    return DTYPES[name]


def _stored_type(model: OnnxModel, node: OnnxNode) -> str:
    """The ONNX type of the integers, "undefined" when inference does not know it."""
    if node.op == "QuantizeLinear":
        element = node.attrs.get("output_dtype", 0) or TensorProto.UINT8
    else:
        constant = model.constant(node.input(0))
        if constant is not None:
            return str(constant.dtype)
        info = model.types.get(node.input(0))
        element = info.element if info else TensorProto.UNDEFINED
    return element_name(element)


def _check_scale(node: OnnxNode, scale: Array) -> None:
    tensor = node.input(1)
    if scale.dtype != np.float32:
        what = f"has a scale of type {scale.dtype}, expected float32"
        raise UnsupportedError(node.problem(what, "Export the model in float32.", tensor))
    if scale.ndim > 1 and scale.size > 1:
        what = f"has a scale of shape {list(scale.shape)}, expected one number or a vector"
        raise UnsupportedError(node.problem(what, "Export with one scale per tensor or per output channel.", tensor))
    if not valid_scales(scale):
        what = f"has the scale {scale.ravel().min():g}, expected finite scales above zero"
        advice = "Calibrate again: the tensor was constant zero, or its range was not measured."
        raise UnsupportedError(node.problem(what, advice, tensor))
