"""Softmax: the integer form against exact rationals, onnxruntime, and the simulated chip."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from p4c.compiler.interpreter import run_graph
from p4c.compiler.ops.softmax import exp_table
from p4c.compiler.passes import run_passes

from .frontend_models import ModelBuilder, assert_identical, imported, run_onnx
from .graphs import Net, assert_device_identical, plan_of


@pytest.mark.parametrize(("exponent", "bits"), [(4, 7), (2, 8), (0, 4), (6, 0), (5, 12)])
def test_integer_form_against_rationals(exponent, bits):
    net = Net(exponent)
    x = net.stored_input(3, 7, e=exponent)
    y = net.stored_output(net.quantize(net.op("softmax", [x], dtype="f32", axis=2), bits))
    stored = net.random.integers(-128, 128, (1, 3, 7)).astype(np.int8)
    stored[0, 0] = 5
    table = [Fraction(int(value)) for value in exp_table(exponent)]
    integer = run_passes(net.graph, lambda stage: None)
    assert [node.op for node in integer] == ["qsoftmax"]
    result = run_graph(integer, {x: stored})[y][0]
    for row, codes in zip(result, stored[0].tolist(), strict=True):
        powers = [table[max(codes) - code] for code in codes]
        expected = [min(round(power * 2**bits / sum(powers)), 127) for power in powers]
        assert row.tolist() == expected


def test_table_is_the_exponential():
    table = exp_table(4)
    assert (table[0], table[255]) == (1 << 31, round(2.0**31 * np.exp(-255 / 16)))
    assert (np.diff(table) < 0).all()


def test_kernel():
    net = Net(51)
    for shape, axis, e, bits in [
        ((10,), 1, 3, 7),
        ((3, 4, 5), 1, 4, 7),
        ((3, 4, 5), 3, 1, 8),
        ((1,), 1, 4, 7),
        ((2, 300), 2, 7, 11),
    ]:
        x = net.stored_input(*shape, e=e)
        net.output(net.quantize(net.op("softmax", [x], dtype="f32", axis=axis), bits))
    x = net.quantize(net.conv(net.input(3, 4, 4), 5, (1, 1)), 2)
    net.output(net.quantize(net.op("softmax", [x], dtype="f32", axis=1), 7))
    assert_device_identical(net.graph)


@pytest.mark.parametrize("axis", [-1, 1])
def test_importer(axis):
    build = ModelBuilder()
    y = build.node("Softmax", [build.quantizer("x", 4)], axis=axis)
    assert_identical(build.model(build.quantizer(y, 7), (1, 5, 40)))


@pytest.mark.parametrize("exponent", [1, 3, 5])
def test_integer_form_against_onnxruntime(exponent):
    """Float32 errs by some 2^-23, so among so few quotients none should fall onto the wrong side of a tie."""
    build = ModelBuilder()
    y = build.node("Softmax", [build.quantizer("x", exponent)])
    model = build.model(build.quantizer(y, 7), (1, 1000, 10))
    x = np.random.default_rng(exponent).normal(scale=40 / 2**exponent, size=(1, 1000, 10)).astype(np.float32)
    result = imported(model)
    integer = run_passes(result.graph, lambda stage: None)
    ours = run_graph(integer, {"x": x})[integer.outputs[0]]
    np.testing.assert_array_equal(ours, run_onnx(model, x)[0])


def test_what_has_no_integer_form():
    net = Net()
    x = net.stored_input(3)
    net.output(net.quantize(net.op("softmax", [x], dtype="f32", axis=1), -1))
    net.output(net.op("softmax", [x], dtype="f32", axis=1))
    with pytest.raises(Exception, match="the result has the scale 2\\^1, expected 2\\^-24 to 1") as caught:
        plan_of(net.graph)
    assert "the float32 result goes to an output, expected one quantizer behind it" in str(caught.value)
