"""The stored integers of a QDQ export of a plain sequence of layers, in its order, with power-of-two scales."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper


@dataclass(frozen=True)
class Layer:
    """A layer's int8 weights and their exponent, its float bias, and the exponent of what it takes."""

    weights: npt.NDArray[np.int8]
    exponent: int
    bias: npt.NDArray[np.float32]
    input_exponent: int


def read_layers(path: Path) -> list[Layer]:
    """The layers of Conv and Gemm nodes, each behind a quantizer of activations and with one of its weights."""
    graph = onnx.load(path).graph
    arrays = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    layers, quantized, exponent = [], {}, 0
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            scale = arrays[node.input[1]].item()
            if node.input[0] in arrays:
                weights, exponent_of_weights = arrays[node.input[0]], round(-np.log2(scale))
                quantized[node.output[0]] = (stored(weights, exponent_of_weights), exponent_of_weights)
            else:
                exponent = round(-np.log2(scale))
        elif node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            integers, scale = arrays[node.input[0]].copy(), arrays[node.input[1]].item()
            quantized[node.output[0]] = integers, round(-np.log2(scale))
            arrays[node.output[0]] = integers * np.float32(scale)
        elif node.op_type == "DequantizeLinear" and node.input[0] in quantized:
            quantized[node.output[0]] = quantized[node.input[0]]
        elif node.op_type in ("Conv", "Gemm"):
            layers.append(Layer(*quantized[node.input[1]], arrays[node.input[2]], exponent))
    return layers


def stored(reals: npt.NDArray[np.float32], exponent: int) -> npt.NDArray[np.int8]:
    """The int8 numbers that stand for reals on the grid 2^-exponent."""
    return np.clip(np.rint(reals * np.float32(2.0**exponent)), -128, 127).astype(np.int8)
