"""Operators on stored integers (QOperator) and QONNX's quantizers: written out as QDQ, or refused in words."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from p4c.cli import main
from p4c.compiler.interpreter import run_graph
from p4c.runtime.oracle import Oracle

from .frontend_models import ModelBuilder, imported, problems, run_onnx
from .graphs import assert_device_identical, random_inputs

RANDOM = np.random.default_rng(21)
MICROSOFT = "com.microsoft"


class QBuilder(ModelBuilder):
    """Writes operators on integers: a quantized tensor is (tensor, scale, zero point)."""

    def params(self, exponent):
        scale = self.constant(2.0 ** -np.asarray(exponent, np.float64))
        return [scale, self.constant(np.zeros(np.shape(exponent)), np.int8)]

    def stored(self, x="x", exponent=4):
        params = self.params(exponent)
        return [self.node("QuantizeLinear", [x, *params]), *params]

    def weights(self, *shape, exponent=7):
        return [self.constant(RANDOM.integers(-128, 128, shape), np.int8), *self.params(exponent)]

    def bias(self, channels):
        return self.constant(RANDOM.integers(-4000, 4000, channels), np.int32)

    def real(self, tensor, params):
        return self.node("DequantizeLinear", [tensor, *params])


def convolution(build, exponents=7):
    y = build.params(2)
    b = build.bias(6)
    inputs = [*build.stored(), *build.weights(6, 3, 3, 3, exponent=exponents), *y, b]
    return build.node("QLinearConv", inputs, pads=[1, 1, 1, 1], strides=[2, 1]), y


def convolution_per_channel(build):
    return convolution(build, [5, 6, 7, 8, 6, 7])


def matmul(build):
    y = build.params(2)
    return build.node("QLinearMatMul", [*build.stored(), *build.weights(5, 7), *y]), y


def gemm(build):
    y = build.params(1)
    flat = build.stored()
    flat[0] = build.node("Flatten", flat[:1])
    inputs = [*flat, *build.weights(9, 60), build.bias(9), *y]
    return build.node("QGemm", inputs, domain=MICROSOFT, transB=1, alpha=1.0), y


def binary(op):
    def write(build):
        y = build.params(2)
        other = build.stored(build.node("Relu", [build.real(*split(build.stored()))]), 3)
        return build.node(op, [*build.stored(), *other, *y], domain=MICROSOFT), y

    return write


def split(quantized):
    return quantized[0], quantized[1:]


def unary(op, exponent=4, **attrs):
    def write(build):
        y = build.params(exponent)
        return build.node(op, [*build.stored(), *y], domain=MICROSOFT, **attrs), y

    return write


def concat(build):
    y = build.params(3)
    other = build.stored(build.node("Relu", [build.real(*split(build.stored()))]), 2)
    parts = [*build.stored(), *other]
    return build.node("QLinearConcat", [*y, *parts], domain=MICROSOFT, axis=1), y


def moved(build):
    """Pools and moves between operators work on integers."""
    y, layer = build.params(1), build.params(2)
    inputs = [*build.stored(), *build.weights(6, 3, 3, 3), *layer]
    pooled = build.node("MaxPool", [build.node("QLinearConv", inputs)], kernel_shape=[2, 2])
    flat = build.node(
        "Reshape", [build.node("Transpose", [pooled], perm=[0, 2, 3, 1]), build.constant([1, 12], np.int64)]
    )
    return build.node("QLinearMatMul", [flat, *layer, *build.weights(12, 4), *y]), y


POOL = {"kernel_shape": [2, 3], "strides": [1, 2], "pads": [1, 0, 0, 1]}
OPERATORS = {
    "conv": convolution,
    "conv per channel": convolution_per_channel,
    "matmul": matmul,
    "gemm": gemm,
    "add": binary("QLinearAdd"),
    "mul": binary("QLinearMul"),
    "average pool": unary("QLinearAveragePool", **POOL),
    "global average pool": unary("QLinearGlobalAveragePool", 5),
    "leaky relu": unary("QLinearLeakyRelu", alpha=0.1),
    "sigmoid": unary("QLinearSigmoid", 7),
    "concat": concat,
    "moved": moved,
}


def built(name):
    build = QBuilder()
    tensor, params = OPERATORS[name](build)
    return build.model(build.real(tensor, params), (1, 3, 4, 5))


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_on_integers(name):
    """onnxruntime runs its integer kernels, without saturating pairs of products; the chip gives the same."""
    model = built(name)
    result = imported(model)
    session = Oracle(result.model).session()
    inputs = random_inputs(result.graph, rows=4)
    ours = run_graph(result.graph, inputs)
    for row in range(4):
        (expected,) = session.run(inputs, row).values()
        np.testing.assert_array_equal(next(iter(ours.values()))[row : row + 1], expected)
    assert not any(node.op_type.startswith("QLinear") for node in result.qdq.graph.node)
    onnx.checker.check_model(result.qdq)
    assert_device_identical(result.graph)


def test_layers_are_compared_in_the_written_out_model(tmp_path, capsys):
    onnx.save(built("moved"), tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", x=RANDOM.normal(size=(3, 3, 4, 5)).astype(np.float32))
    assert main(["verify", str(tmp_path / "m.onnx"), "--data", str(tmp_path / "x.npz"), "--layers", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer["identical"] for layer in layers if layer["tensor"]] == [3] * sum(bool(x["tensor"]) for x in layers)
    assert sum(bool(layer["tensor"]) for layer in layers) >= 2


def test_dynamic_quantization():
    build = ModelBuilder()
    build.node("DynamicQuantizeLinear", ["x"], "q")
    build.nodes[-1].output.extend(["scale", "zero"])
    w = build.constant(np.eye(4), np.uint8)
    y = build.node("MatMulInteger", ["q", w, "zero"])
    real = build.node("Mul", [build.node("Cast", [y], to=onnx.TensorProto.FLOAT), "scale"])
    texts = problems(build.model(real))
    assert any("the operator DynamicQuantizeLinear belongs to dynamic quantization" in text for text in texts)
    assert any("the operator MatMulInteger belongs to dynamic quantization" in text for text in texts)


def test_layouts_of_integer_kernels():
    text = problems(built_pool(channels_last=1))[0]
    assert "has channels_last=1, expected 0" in text


def built_pool(**attrs):
    build = QBuilder()
    tensor, params = unary("QLinearGlobalAveragePool", **attrs)(build)
    return build.model(build.real(tensor, params), (1, 3, 4, 5))


def quant(build, x, exponent, bits, *, zero=0.0, **attrs):
    """QONNX's quantizer."""
    inputs = [x, build.constant(2.0 ** -np.asarray(exponent, np.float64)), build.constant(zero), build.constant(bits)]
    return build.node("Quant", inputs, domain="qonnx.custom_op.general", **attrs)


def expected_quant(x, exponent, bits, signed, narrow):
    """QONNX's definition: clamp(round(x / s)) * s."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    low, high = (low + narrow, high) if signed else (low, high - narrow)
    return np.clip(np.rint(x * 2.0**exponent), low, high) * 2.0**-exponent


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("bits", [2, 4, 7, 8])
def test_quant_nodes_mean_what_qonnx_says(bits, narrow, signed):
    """Against QONNX's own formula, by onnxruntime on the written-out model and by the interpreter."""
    build = ModelBuilder()
    y = quant(build, "x", 3, float(bits), signed=signed, narrow=narrow, rounding_mode="ROUND")
    result = imported(build.model(y, (1, 500)))
    x = RANDOM.normal(scale=12.0, size=(1, 500)).astype(np.float32)
    expected = expected_quant(x, 3, bits, signed, narrow)
    np.testing.assert_array_equal(run_onnx(result.qdq, x)[0], expected)
    np.testing.assert_array_equal(run_graph(result.graph, {"x": x})[y], expected)


def test_a_qonnx_network():
    """Weights per channel, a bias of 16 bits, activations of 8 and 4 bits; initializers that are inputs too."""
    build = ModelBuilder()
    x = quant(build, "x", 4, 8.0)
    w = quant(
        build,
        build.constant(RANDOM.normal(size=(5, 3, 3, 3))),
        np.array([5, 6, 5, 4, 6.0]).reshape(5, 1, 1, 1),
        6.0,
        narrow=1,
        zero=0.0,
    )
    b = quant(build, build.constant(RANDOM.normal(size=5)), np.array([9, 10, 9, 8, 10.0]), 16.0)
    hidden = quant(build, build.node("Relu", [build.node("Conv", [x, w, b])]), 2, 4.0, signed=0)
    model = build.model(hidden, (1, 3, 6, 6))
    for tensor in model.graph.initializer:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    result = imported(model)
    assert result.warnings[0].what.startswith("the model has QONNX Quant nodes")
    assert list(result.graph.inputs) == ["x"]
    rows = RANDOM.normal(scale=2.0, size=(1, 3, 6, 6)).astype(np.float32)
    np.testing.assert_array_equal(run_graph(result.graph, {"x": rows})[hidden], run_onnx(result.qdq, rows)[0])
    assert_device_identical(result.graph)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda b: quant(b, "x", 4, 16.0), "quantizes an activation to 16 bits, expected 8 or fewer"),
        (lambda b: quant(b, "x", 4, 8.5), "quantizes to [8.5] bits, expected one whole number from 1 to 32"),
        (lambda b: quant(b, "x", 4, 1.0, narrow=1), "has no range: 0..0"),
        (lambda b: quant(b, "x", 4, 8.0, rounding_mode="FLOOR"), "has rounding_mode FLOOR, expected ROUND"),
        (lambda b: quant(b, "x", 4, 8.0, zero=0.5), "has the zero point 0.5, expected whole numbers"),
        (lambda b: quant(b, "x", np.ones((2, 2)), 8.0), "has scales of shape [2, 2], expected one number or one for"),
        (
            lambda b: b.node("BipolarQuant", ["x", b.constant(1.0)], domain="qonnx.custom_op.general"),
            "quantizes to one bit, -1 and 1, expected 2 to 8 bits",
        ),
    ],
)
def test_what_is_refused_of_qonnx(write, expected):
    build = ModelBuilder()
    texts = problems(build.model(write(build)))
    assert expected in texts[0]


def test_emit_onnx(tmp_path, capsys):
    """The written-out model is a file that onnxruntime runs and p4c reads again, with the same result."""
    onnx.save(built("conv"), tmp_path / "m.onnx")
    assert main([str(tmp_path / "m.onnx"), "--emit", "onnx", "-o", str(tmp_path / "out.onnx")]) == 0
    assert "out.onnx: QDQ, as p4c reads it" in capsys.readouterr().out.replace("\n", "")
    written = onnx.load(tmp_path / "out.onnx")
    x = RANDOM.normal(size=(1, 3, 4, 5)).astype(np.float32)
    again = imported(written)
    np.testing.assert_array_equal(run_onnx(written, x)[0], next(iter(run_graph(again.graph, {"x": x}).values())))
    (tmp_path / "folder").mkdir()
    assert main([str(tmp_path / "m.onnx"), "--emit", "onnx", "-o", str(tmp_path / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "m.onnx", "out.onnx"]
