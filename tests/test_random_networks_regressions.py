"""What random networks found wrong, each as the smallest network that shows it."""

from __future__ import annotations

import numpy as np
import pytest

from p4c.compiler.errors import ModelError

from .frontend_models import ModelBuilder, assert_identical, imported, one_problem
from .graphs import Net, assert_device_identical, plan_of

RANDOM = np.random.default_rng(31)


def weights(build, *shape, exponent=7):
    return build.dq(RANDOM.integers(-128, 128, shape), 2.0**-exponent)


def test_clip_between_the_steps_of_a_grid():
    """It has no integer for what it clips to: a table behind which a quantizer stands, or an error."""
    build = ModelBuilder()
    clipped = build.clip(build.quantizer("x", 4), -0.3, 2.7)
    with_quantizer = build.model(build.quantizer(clipped, 6), (1, 300))
    assert "table" in [node.op for node in assert_identical(with_quantizer).graph]
    text = one_problem(build.model(build.node("MatMul", [clipped, weights(build, 300, 2)]), (1, 300)))
    assert "clips a quantized tensor at -0.3, which is no multiple of its scale 0.0625" in text
    assert_identical(build.model(build.clip(build.quantizer("x", 4), -0.25, 300.0), (1, 300)))


def test_clip_behind_parts_on_another_grid():
    """1.0 is no step of the second part's grid; as a bound of the quantizer behind it is exact."""
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    parts = build.node("Concat", [x, build.quantizer(build.node("Relu", [x]), -2)], axis=1)
    graph = assert_identical(build.model(build.quantizer(build.clip(parts, -1.0, 1.0), 0), (1, 50))).graph
    assert_device_identical(graph)


def test_float_weights_on_the_left():
    """The exponent of folded weights is recovered on either side of a MatMul."""
    build = ModelBuilder()
    w = build.constant(RANDOM.integers(-128, 128, (4, 6)) / 64)
    y = build.node("MatMul", [w, build.quantizer("x", 4)])
    result = assert_identical(build.model(build.quantizer(y, 1), (1, 6, 5)))
    assert any("was recovered from their values" in warning.what for warning in result.warnings)


def test_windows_on_padding_alone():
    build = ModelBuilder()
    y = build.node("MaxPool", [build.quantizer("x", 4)], kernel_shape=[2], dilations=[2], pads=[1, 1])
    text = one_problem(build.model(build.quantizer(y, 4), (1, 2, 1)))
    assert "has a window that lies on padding alone, expected an element of the input in each" in text


def test_activations_behind_operators_that_keep_a_grid():
    """Slice, Pad, Concat, ReduceMax, Dropout: what they give lies on the grid of what they take."""
    build = ModelBuilder()
    x = build.node("Dropout", [build.quantizer("x", 4)])
    padded = build.node("Pad", [x, build.constant([0, 0, 1, 0, 0, 2], np.int64)])
    joined = build.node("Concat", [padded, padded], axis=2)
    cut = build.node("Slice", [joined, *(build.constant([n], np.int64) for n in (1, 9, 2))])
    top = build.node("ReduceMax", [cut, build.constant([1], np.int64)], keepdims=1)
    outputs = [build.quantizer(build.node("Tanh", [value]), 6) for value in (padded, joined, cut, top)]
    assert_device_identical(assert_identical(build.model(outputs, (1, 3, 4))).graph)


@pytest.mark.parametrize("bias", ["grid", "off", "int32"])
@pytest.mark.parametrize("exponents", [5, (5, 6, 7, 5)])
def test_accumulators_that_move_on_their_way_out(exponents, bias):
    """A layer without quantizer behind whose result is reshaped or transposed: the host adds what is left."""
    net = Net(61)
    image = net.conv(net.input(3, 2, 5), 4, (1, 1), e=exponents, bias=bias)
    rows = net.same("reshape", net.same("transpose", image, perm=(0, 2, 3, 1)), shape=(1, 10, 4))
    net.output(rows)
    line = net.conv(net.input(3, 1, 5), 4, (1, 1), e=exponents, bias=bias)
    net.output(net.same("reshape", line, shape=(1, 4, 5)))
    spread = net.conv(net.input(3, 6, 2), 4, (1, 1), e=exponents, bias=bias)
    moved = net.same("transpose", spread, perm=(0, 2, 3, 1))
    net.output(net.same("reshape", moved, shape=(1, 3, 4, 4)))
    assert_device_identical(net.graph)


def test_accumulators_whose_channels_end_up_along_no_axis():
    net = Net(62)
    y = net.conv(net.input(3, 2, 5), 4, (1, 1), bias="off")
    net.output(net.same("reshape", y, shape=(1, 40)))
    with pytest.raises(ModelError) as caught:
        plan_of(net.graph)
    assert "the float32 result goes to" in str(caught.value)


def test_equal_layers_of_reals_with_different_quantizers():
    """Each has its own: computing the layer once would leave no place for the second quantizer."""
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    outputs = [build.quantizer(build.node("Softmax", [x], axis=1), e) for e in (7, 6)]
    graph = imported(build.model(outputs, (1, 9))).graph
    assert [step.node.op for step in plan_of(graph).steps] == ["qsoftmax", "qsoftmax"]
