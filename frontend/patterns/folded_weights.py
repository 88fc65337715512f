"""Float weights without a node that quantizes them: an exporter folded it, and only the values tell the exponent."""

from __future__ import annotations

import math

import numpy as np

from ...compiler.errors import Problem
from ...compiler.ir import Array
from ..onnx_model import OnnxModel, OnnxNode
from ..quantizer import FLOAT_MODEL, Quantizer, poison_marker, quantize_marker

# Layers with weights.
LAYERS = frozenset({"Conv", "Gemm", "MatMul"})


def recover_folded_weights(model: OnnxModel, problems: list[Problem]) -> None:
    """Put a marker before every layer that takes plain float weights; the exponent found is a warning.

    Runs after all other patterns: an exponent that the file holds is never recovered from values.
    """
    markers: dict[str, str] = {}
    for node in list(model.live_nodes()):
        index = _weights_index(model, node)
        tensor = node.input(index)
        array = model.constant(tensor) if node.key in LAYERS and tensor not in markers else None
        if array is None or array.dtype.kind != "f":
            if node.key in LAYERS and tensor in markers:
                model.replace(node, _taking(node, index, markers[tensor]))
            continue
        marker = _recover(model, node, tensor, array, problems)
        markers[tensor] = marker.output
        model.replace(node, marker, _taking(node, index, marker.output))


def _weights_index(model: OnnxModel, node: OnnxNode) -> int:
    """Which operand the weights are: the second one, or the first of a MatMul with a constant on the left."""
    return 0 if node.key == "MatMul" and model.constant(node.input(0)) is not None else 1


def _taking(node: OnnxNode, index: int, weights: str) -> OnnxNode:
    return node.with_(inputs=(*node.inputs[:index], weights, *node.inputs[index + 1 :]))


def _recover(model: OnnxModel, node: OnnxNode, tensor: str, array: Array, problems: list[Problem]) -> OnnxNode:
    place = OnnxNode(node.name, node.op, (tensor,), (f"{tensor}.quantized",))
    exponent = smallest_exponent(array)
    if exponent is None:
        problems.append(_off_grid(node, tensor, array) if model.quantized else FLOAT_MODEL)
        return poison_marker(place, tensor)
    model.quantized = True
    what = (
        f"the weights carry no exponent; 2^-{exponent} was recovered from their values as the coarsest grid that fits"
    )
    advice = "The exponent of the training may be larger; results are the same. Nothing needs to be done."
    problems.append(node.problem(what, advice, tensor, warning=True))
    return quantize_marker(place, tensor, Quantizer.power_of_two(exponent))


def smallest_exponent(array: Array) -> int | None:
    """The smallest e for which every value is k * 2^-e with k in -128..127; None when there is none."""
    values = array[array != 0].astype(np.float64)
    if not values.size:
        return 0
    if not np.isfinite(values).all():
        return None
    mantissa, power = np.frexp(values)
    whole = np.rint(np.ldexp(mantissa, 53)).astype(np.int64)
    lowest_bit = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    exponent = int((53 - power - lowest_bit).max())
    integers = np.ldexp(values, exponent)
    return exponent if integers.min() >= -128 and integers.max() <= 127 else None


def _off_grid(node: OnnxNode, tensor: str, array: Array) -> Problem:
    finite = array[np.isfinite(array)].astype(np.float64)
    if finite.size < array.size:
        what = f"has weights with {array.size - finite.size} values that are not finite"
        return node.problem(what, "Train again: the weights have diverged.", tensor)
    exponent = math.floor(math.log2(127 / np.abs(finite).max()))
    scaled = np.ldexp(finite, exponent)
    deviation = np.abs(scaled - np.clip(np.rint(scaled), -128, 127))
    worst = int(deviation.argmax())
    what = (
        f"has float weights on no grid k * 2^-e with k in -128..127; on the best one, e = {exponent}, "
        f"element {worst} = {finite.ravel()[worst]:.9g} is {deviation.max():.3g} steps off"
    )
    return node.problem(
        what, "Put a quantizer on the weights in training, or store them as int8 behind DequantizeLinear.", tensor
    )
