"""ONNX models of single layers: QDQ, int8 weights, int32 biases, scales of powers of two, full-range random data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Exponents of inputs and weights; a result's follows from the size of its sums.
INPUT_E, WEIGHTS_E = 4, 7


class LayerModel:
    """An ONNX model under construction; its random integers come from a fixed seed."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def constant(self, array: np.generic | np.ndarray) -> str:
        """A constant."""
        self.constants.append(numpy_helper.from_array(np.asarray(array), f"constant{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, op: str, *inputs: str, **attrs: object) -> str:
        """A node with one output."""
        self.nodes.append(helper.make_node(op, inputs, [f"{op}{len(self.nodes)}"], **attrs))
        return self.nodes[-1].output[0]

    def quantize(self, x: str, e: int) -> str:
        """QuantizeLinear and DequantizeLinear, int8 by 2^-e."""
        params = [self.constant(np.float32(2.0**-e)), self.constant(np.int8(0))]
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *params), *params)

    def input(self, *shape: int, e: int = INPUT_E) -> str:
        """A quantized float input of batch 1."""
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, *shape)))
        return self.quantize(name, e)

    def integers(self, shape: Sequence[int], bound: int, dtype: type[np.generic], e: int) -> str:
        """Random integers below a bound, dequantized by 2^-e."""
        array = self.random.integers(-bound, bound, shape).astype(dtype)
        params = [self.constant(np.float32(2.0**-e)), self.constant(dtype(0))]
        return self.node("DequantizeLinear", self.constant(array), *params)

    def weighted(self, op: str, x: str, shape: Sequence[int], *, relu: bool = False, **attrs: object) -> str:
        """A Conv or Gemm with int8 weights and int32 bias, and the quantizer of its result."""
        weights = self.integers(shape, 128, np.int8, WEIGHTS_E)
        bias = self.integers(shape[:1], 1 << 14, np.int32, INPUT_E + WEIGHTS_E)
        y = self.node(op, x, weights, bias, **attrs)
        # The deviation of the sums becomes about 32, so that some results saturate and most do not.
        shift = round(np.log2(74 * 74 * np.sqrt(np.prod(shape[1:])) / 32))
        return self.quantize(self.node("Relu", y) if relu else y, INPUT_E + WEIGHTS_E - shift)

    def save(self, output: str, path: Path) -> None:
        """Write the model with one output."""
        value = helper.make_value_info(output, helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None))
        graph = helper.make_graph(self.nodes, "layer", self.inputs, [value], self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)


Build = Callable[[LayerModel], str]


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    size: tuple[int, int],
    *,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    group: int = 1,
    relu: bool = False,
    pool: bool = False,
    nhwc: bool = False,
) -> Build:
    """A convolution, with a 2x2 max-pool behind it, or on channels-last images."""

    def build(net: LayerModel) -> str:
        x = net.input(*size, inputs) if nhwc else net.input(inputs, *size)
        x = net.node("Transpose", x, perm=(0, 3, 1, 2)) if nhwc else x
        shape = (outputs, inputs // group, kernel, kernel)
        y = net.weighted("Conv", x, shape, relu=relu, strides=strides, pads=pads, group=group)
        return net.node("MaxPool", y, kernel_shape=(2, 2), strides=(2, 2)) if pool else y

    return build


def gemm(inputs: int, outputs: int) -> Build:
    """A fully connected layer."""
    return lambda net: net.weighted("Gemm", net.input(inputs), (outputs, inputs), transB=1)


def add(channels: int, size: int, *, residual: bool = False) -> Build:
    """A sum of two images with different exponents; with `residual` a convolution makes the first of them."""

    def build(net: LayerModel) -> str:
        x, y = net.input(channels, size, size), net.input(channels, size, size, e=INPUT_E + 2)
        x = net.weighted("Conv", x, (channels, channels, 1, 1)) if residual else x
        return net.quantize(net.node("Add", x, y), INPUT_E - 1)

    return build


def gate(channels: int, size: int) -> Build:
    """An image that a convolution makes, times one pixel."""

    def build(net: LayerModel) -> str:
        x, y = net.input(channels, size, size), net.input(channels, 1, 1, e=INPUT_E + 2)
        x = net.weighted("Conv", x, (channels, channels, 1, 1))
        return net.quantize(net.node("Mul", x, y), INPUT_E - 1)

    return build


def requantize(channels: int, size: int) -> Build:
    """An image that a convolution makes on a coarse grid, brought onto a finer one."""

    def build(net: LayerModel) -> str:
        x = net.weighted("Conv", net.input(channels, size, size), (channels, channels, 1, 1))
        return net.quantize(net.node("Relu", x), INPUT_E - 1)

    return build


def concat(channels: tuple[int, ...], size: int) -> Build:
    """Images that convolutions make of one, put together channel behind channel."""

    def build(net: LayerModel) -> str:
        x = net.input(16, size, size)
        parts = [net.weighted("Conv", x, (each, 16, 1, 1)) for each in channels]
        return net.node("Concat", *parts, axis=1)

    return build
