"""Elementwise subgraphs become tables: every activation in every form against onnxruntime, and on the chip."""

from __future__ import annotations

import math

import numpy as np
import pytest

from p4c.compiler.ir import Constant, TensorType
from p4c.compiler.passes import run_passes
from p4c.compiler.passes.prove_accumulators import value_range

from .frontend_models import ModelBuilder, assert_identical, imported, problems
from .graphs import Net, assert_device_identical

RANDOM = np.random.default_rng(12)

# What one operator with default attributes is.
UNARY = [
    *("Abs", "Neg", "Exp", "Erf", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Selu", "Celu"),
    *("Softplus", "Softsign", "ThresholdedRelu", "Sign", "Floor", "Ceil", "Round", "Sin", "Mish", "Gelu", "Atan"),
]


def silu(build, x):
    return build.node("Mul", [x, build.node("Sigmoid", [x])])


def hard_swish(build, x):
    inner = build.clip(build.node("Add", [x, build.constant(3)]), 0, 6)
    return build.node("Div", [build.node("Mul", [inner, x]), build.constant(6)])


def gelu(build, x):
    inner = build.node("Erf", [build.node("Div", [x, build.constant(math.sqrt(2))])])
    half = build.node("Mul", [x, build.constant(0.5)])
    return build.node("Mul", [half, build.node("Add", [build.constant([1.0]), inner])])


def tanh_gelu(build, x):
    cube = build.node("Mul", [build.node("Pow", [x, build.constant(3)]), build.constant(0.044715)])
    inner = build.node("Tanh", [build.node("Mul", [build.node("Add", [x, cube]), build.constant(0.7978846)])])
    return build.node(
        "Mul", [build.node("Mul", [x, build.constant(0.5)]), build.node("Add", [inner, build.constant(1)])]
    )


def prelu(build, x):
    return build.node("PRelu", [x, build.constant([0.25])])


def quantized_slope(build, x):
    return build.node("PRelu", [x, build.dq([[3]], 0.125)])


def where(build, x):
    mask = build.node("Greater", [x, build.constant(0)])
    return build.node("Where", [mask, x, build.node("Mul", [x, build.constant(0.1)])])


def root(build, x):
    return build.node("Sqrt", [build.node("Relu", [x])])


def affine(build, x):
    return build.node("Sub", [build.node("Mul", [x, build.constant(0.7)]), build.constant(-0.3)])


def seen_through(build, x):
    other = build.node("Identity", [build.node("Dropout", [build.node("Identity", [x])])])
    return build.node("Max", [build.node("Tanh", [other]), build.constant(-0.5)])


FORMS = [silu, hard_swish, gelu, tanh_gelu, prelu, quantized_slope, where, root, affine, seen_through]


def only_table(result):
    assert [node.op for node in result.graph if node.op != "dequantize"] == ["quantize", "table"]
    return next(node for node in result.graph if node.op == "table")


@pytest.mark.parametrize("op", UNARY)
def test_operators(op):
    build = ModelBuilder()
    y = build.node(op, [build.quantizer("x", 4)])
    node = only_table(assert_identical(build.model(build.quantizer(y, 5), (1, 700), opset=20)))
    assert node.loc.startswith(op)


@pytest.mark.parametrize("form", FORMS)
def test_decomposed_forms(form):
    build = ModelBuilder()
    y = form(build, build.quantizer("x", 4))
    only_table(assert_identical(build.model(build.quantizer(y, 5, "clip"), (1, 3, 10, 20))))


def test_bytes_with_zero_points():
    build = ModelBuilder()
    y = build.node("Sigmoid", [build.qdq("x", 0.037, 113, np.uint8)])
    node = only_table(assert_identical(build.model(build.qdq(y, 1 / 255, 0, np.uint8), (1, 500))))
    assert node.type.dtype == "u8"
    build = ModelBuilder()
    y = build.node("Tanh", [build.qdq("x", 0.037, 113, np.uint8)])
    only_table(assert_identical(build.model(build.qdq(y, 1 / 127, -3, np.int8), (1, 500))))


def test_custom_domain_and_narrow_clamp():
    build = ModelBuilder()
    y = build.node("Gelu", [build.quantizer("x", 4)], domain="com.microsoft")
    only_table(assert_identical(build.model(build.quantizer(y, 5, "minmax", -20, 100), (1, 500))))


def test_input_behind_moves_and_two_quantizers_of_one_activation():
    build = ModelBuilder()
    x = build.node("MaxPool", [build.quantizer("x", 4)], kernel_shape=[2, 2])
    y = silu(build, x)
    result = assert_identical(build.model([build.quantizer(y, 5), build.quantizer(y, 3)], (1, 3, 6, 6)))
    assert [node.op for node in result.graph].count("table") == 2


def test_bounds_alone_are_no_table():
    build = ModelBuilder()
    y = build.clip(build.node("Relu", [build.quantizer("x", 4)]), 0, 6)
    result = assert_identical(build.model(build.quantizer(y, 3), (1, 500)))
    assert "table" not in [node.op for node in result.graph]


def test_input_exponent_reaches_a_table():
    build = ModelBuilder()
    result = imported(build.model(build.quantizer(build.node("Tanh", ["x"]), 7)), input_exponents={"": 4})
    assert [node.op for node in result.graph] == ["quantize", "table", "dequantize"]


def test_what_is_no_table():
    build = ModelBuilder()
    x, other = build.quantizer("x", 4), build.quantizer(build.node("Relu", ["x"]), 3)
    two = build.quantizer(build.node("Tanh", [build.node("Add", [x, other])]), 4)
    slopes = build.quantizer(build.node("PRelu", [x, build.constant(np.ones((2, 4)) / 3)]), 4)
    bare = build.node("Sigmoid", [x])
    found = problems(build.model([two, slopes, bare]))
    for op in ("Tanh", "PRelu", "Sigmoid"):
        assert any(f"the operator {op} is computed by a table, which takes one 8-bit" in text for text in found)


def test_what_onnxruntime_refuses():
    build = ModelBuilder()
    y = build.node("Mod", [build.quantizer("x", 4), build.constant(2)])
    (text,) = problems(build.model(build.quantizer(y, 4)))
    assert 'node "Mod_' in text
    assert "onnxruntime cannot evaluate it: " in text


def test_kernel():
    net = Net(31)
    for shape, dtype, result in [
        ((3, 5, 7), "i8", "i8"),
        ((16, 2, 2), "i8", "i8"),
        ((257,), "u8", "i8"),
        ((9,), "i8", "u8"),
    ]:
        x = net.stored_input(*shape, dtype=dtype)
        array = net.random.integers(0, 256, 256).astype(np.uint8).view(np.uint8 if result == "u8" else np.int8)
        table = net.graph.add_constant("table", Constant(TensorType(result, (256,)), array))
        params = net.graph.type_of(x).params
        y = net.op("table", [x, table], dtype=result, params=params)
        if len(shape) == 3:
            y = net.quantize(net.conv(y, 17, (1, 1), bias="grid"), 1)
            y = net.op("table", [y, table], dtype=result, params=params)
        net.output(y)
    assert_device_identical(net.graph)


def test_range_of_a_table_bounds_the_accumulators():
    net = Net()
    table = net.graph.add_constant("t", Constant(TensorType("i8", (256,)), np.linspace(-5, 90, 256).astype(np.int8)))
    x = net.stored_input(8)
    y = net.op("table", [x, table], dtype="i8", params=net.graph.type_of(x).params)
    net.output(net.dense(y, 2))
    assert value_range(run_passes(net.graph, lambda stage: None), y) == (-5, 90)


def batch_norm(build, x, channels):
    scale, bias, mean = (build.constant(RANDOM.normal(size=channels)) for _ in range(3))
    variance = build.constant(RANDOM.uniform(0.1, 3, channels))
    return build.node("BatchNormalization", [x, scale, bias, mean, variance])


def slopes(build, x, channels):
    return build.node("PRelu", [x, build.constant(RANDOM.uniform(-1, 1, (channels, 1, 1)))])


def swish_of_products(build, x, channels):
    y = build.node("Mul", [x, build.constant(RANDOM.normal(size=(1, channels, 1, 1)))])
    return silu(build, build.node("Add", [y, build.constant(RANDOM.normal(size=(channels, 1, 1)))]))


def columns(build, x, channels):
    return build.node("Mul", [x, build.constant(RANDOM.normal(size=5))])


@pytest.mark.parametrize("channels", [1, 3, 16, 17])
@pytest.mark.parametrize("form", [batch_norm, slopes, swish_of_products, columns])
def test_tables_of_channels(form, channels):
    """In the order of the input, and in the middle of a network."""
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    inside = build.node("Conv", [x, build.dq(RANDOM.integers(-9, 9, (channels, channels, 1, 1)), 0.125)])
    tables = [build.quantizer(form(build, y, channels), 4) for y in (x, build.quantizer(inside, 3))]
    behind = build.node("Conv", [tables[1], build.dq(RANDOM.integers(-9, 9, (2, channels, 1, 1)), 0.125)])
    outputs = [*tables, build.quantizer(behind, 1)]
    graph = assert_identical(build.model(outputs, (1, channels, 3, 5))).graph
    found = [node for node in graph if node.op == "table"]
    rows = channels if form is not columns else 5
    assert [graph.type_of(node.operands[1]).shape for node in found] == [(256,) if rows == 1 else (rows, 256)] * 2
    assert_device_identical(graph)


def test_vectors_of_batch_normalizations_and_slopes():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    y = build.quantizer(batch_norm(build, x, 7), 4)
    y = build.quantizer(build.node("PRelu", [y, build.constant(RANDOM.uniform(size=7))]), 4)
    assert_device_identical(assert_identical(build.model(y, (1, 7))).graph)


def test_sums_and_products_with_vectors_on_a_grid_are_no_tables():
    build = ModelBuilder()
    y = build.node("Mul", [build.quantizer("x", 4), build.constant(RANDOM.integers(-9, 9, (3, 1, 1)) / 8)])
    graph = assert_identical(build.model(build.quantizer(y, 4), (1, 3, 4, 4))).graph
    assert "table" not in [node.op for node in graph]


def test_batch_normalization_that_was_not_folded():
    build = ModelBuilder()
    layer = build.node("Conv", [build.quantizer("x", 4), build.dq(RANDOM.integers(-9, 9, (3, 3, 1, 1)), 0.125)])
    text = problems(build.model(build.quantizer(batch_norm(build, layer, 3), 4), (1, 3, 2, 2)))[0]
    assert "the operator BatchNormalization is not supported" in text
    assert "Fold it into the convolution before quantization" in text
