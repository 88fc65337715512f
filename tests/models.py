"""Small quantized ONNX models (QDQ, power-of-two scales) for the tests of driver, runtime and command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SHARED = Path(__file__).parent.parent.parent / "shared"


def shared(*path):
    """A file of the shared folder beside the repository; the test is skipped where there is none."""
    file = SHARED.joinpath(*path)
    if not file.exists():
        pytest.skip(f"there is no {file}: the shared folder is not beside the repository")
    return file


class OnnxNet:
    """An ONNX graph under construction. Every method returns the tensor it made; nodes are named Conv_0 and so on."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def input(self, shape, name="x", dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, array, name=""):
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, output="", **attrs):
        name = f"{op}_{sum(node.op_type == op for node in self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output or f"{name}_out"], name=name, **attrs))
        return self.nodes[-1].output[0]

    def scale(self, e, zero=0, dtype=np.int8):
        return [self.constant(np.float32(2.0**-e)), self.constant(np.array(zero, dtype))]

    def quantize(self, x, e, **zero):
        """QuantizeLinear and DequantizeLinear with scale 2^-e."""
        params = self.scale(e, **zero)
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, *params]), *params])

    def weights(self, *shape, e=6, spread=40, name=""):
        array = self.random.integers(-spread, spread, shape).astype(np.int8)
        return self.node("DequantizeLinear", [self.constant(array, name), *self.scale(e)])

    def bias(self, count, e=10):
        """Float biases off every grid, far enough from it for float32."""
        return self.constant(np.ldexp(self.random.integers(-2000, 2000, count) + 0.375, -e).astype(np.float32))

    def conv(self, x, inputs, outputs, kernel=3, **attrs):
        attrs.setdefault("pads", [kernel // 2] * 4)
        return self.node("Conv", [x, self.weights(outputs, inputs, kernel, kernel), self.bias(outputs)], **attrs)

    def gemm(self, x, inputs, outputs, name=""):
        return self.node("Gemm", [x, self.weights(outputs, inputs, name=name), self.bias(outputs)], transB=1)

    def output(self, x, name="", dtype=TensorProto.FLOAT):
        if name:
            self.node("Identity", [x], name)
        self.outputs.append(helper.make_value_info(name or x, helper.make_tensor_type_proto(dtype, None)))

    def model(self, opset=18):
        graph = helper.make_graph(self.nodes, "small", self.inputs, self.outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)

    def save(self, path):
        onnx.save(self.model(), path)
        return path


def small_net(seed=0, *, shape=(1, 1, 8, 8)):
    """Input quantizer, convolution, ReLU, max-pool, flatten, two fully connected layers; logits without quantizer."""
    net = OnnxNet(seed)
    x = net.quantize(net.input(shape), 4)
    x = net.quantize(net.node("Relu", [net.conv(x, shape[1], 5)]), 3)
    x = net.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Flatten", [x])
    x = net.quantize(net.node("Relu", [net.gemm(x, 5 * shape[2] * shape[3] // 4, 12, name="fc1.weight")]), 1)
    net.output(net.gemm(x, 12, 4, name="fc2.weight"), "logits")
    return net


def many_net(seed=0):
    """Two inputs and two outputs, one of them through a quantizer."""
    net = OnnxNet(seed)
    a = net.quantize(net.input((1, 6), "a"), 4)
    b = net.quantize(net.input((1, 2, 3, 3), "b"), 5)
    net.output(net.quantize(net.gemm(a, 6, 3), 2), "ya")
    net.output(net.conv(b, 2, 4), "yb")
    return net


def rows(count, shape=(1, 8, 8), seed=0):
    """float32 [count, *shape]."""
    return np.random.default_rng(seed).normal(scale=2.0, size=(count, *shape)).astype(np.float32)


def pixels(count, shape=(8, 8), seed=0):
    """uint8 [count, *shape]."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
