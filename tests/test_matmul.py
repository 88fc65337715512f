"""MatMul and Gemm of every shape: against onnxruntime, through the passes, and on the simulated chip."""

from __future__ import annotations

import numpy as np
import pytest

from p4c.compiler.interpreter import run_graph

from .frontend_models import ModelBuilder, assert_identical, imported, one_problem, run_onnx
from .graphs import assert_device_identical, plan_of, random_inputs

RANDOM = np.random.default_rng(11)


def weights(build, *shape, scale=2.0**-7, **attrs):
    return build.dq(RANDOM.integers(-128, 128, shape), scale, **attrs)


def biased(build, product, shape, index):
    """The product and a constant on the grid of its accumulators, on either side of an Add."""
    operands = [product, build.constant(RANDOM.integers(-900, 900, shape) * 2.0**-11)]
    return build.node("Add", operands if index == 0 else operands[::-1])


@pytest.mark.parametrize("bias", [None, 0, 1])
@pytest.mark.parametrize("shape", [(1, 5, 7), (1, 2, 3, 17), (1, 1, 16), (1, 33, 16), (1, 1, 1, 9)])
def test_rows(shape, bias):
    build = ModelBuilder()
    y = build.node("MatMul", [build.quantizer("x", 4), weights(build, shape[-1], 18)])
    if bias is not None:
        y = biased(build, y, (18,), bias)
    graph = assert_identical(build.model(build.quantizer(build.node("Relu", [y]), 2), shape)).graph
    assert sum(node.op in ("conv2d", "fully_connected") for node in graph) == 1
    assert_device_identical(graph)


@pytest.mark.parametrize("bias", [None, 0, 1])
@pytest.mark.parametrize("shape", [(1, 7, 5), (1, 17, 33), (1, 3, 7, 4), (1, 16, 1)])
def test_columns(shape, bias):
    build = ModelBuilder()
    y = build.node("MatMul", [weights(build, 6, shape[-2]), build.quantizer("x", 4)])
    if bias is not None:
        y = biased(build, y, (6, 1), bias)
    assert_device_identical(assert_identical(build.model(build.quantizer(y, 2), shape)).graph)


def test_scales_of_channels():
    """The scales of a matrix on the right lie along its columns, of one on the left along its rows."""
    build = ModelBuilder()
    scales = 2.0 ** -np.arange(5, 9)
    y = build.node("MatMul", [build.quantizer("x", 4), weights(build, 3, 4, scale=scales, axis=1)])
    y = build.node("MatMul", [weights(build, 4, 2, scale=scales, axis=0), build.quantizer(y, 3)])
    assert_device_identical(assert_identical(build.model(build.quantizer(y, 1), (1, 2, 3))).graph)


def test_tokens_pass_from_layer_to_layer_without_a_copy():
    """Between two layers over the same rows nothing is moved."""
    build = ModelBuilder()
    y = build.quantizer(build.node("MatMul", [build.quantizer("x", 4), weights(build, 16, 32)]), 1)
    y = build.quantizer(build.node("Relu", [build.node("MatMul", [y, weights(build, 32, 16)])]), 0)
    graph = assert_identical(build.model(y, (1, 10, 16))).graph
    assert [step.node.op for step in plan_of(graph).steps] == ["qconv2d", "qconv2d"]


def test_turned_input():
    build = ModelBuilder()
    x = build.node("Reshape", [build.quantizer("x", 4), build.constant([5, 3], np.int64)])
    y = build.node("Gemm", [x, weights(build, 5, 6)], transA=1)
    y = build.node("Reshape", [build.quantizer(y, 2), build.constant([1, 3, 6], np.int64)])
    model = build.model(y, (1, 15))
    graph = imported(model).graph
    for row in random_inputs(graph)["x"]:
        (expected,) = run_onnx(model, row[None])
        assert np.array_equal(run_graph(graph, {"x": row[None]})[y], expected)
    plan_of(graph)


def test_reshape_between_image_and_rows():
    """An image as rows of channels, as vision transformers and mixers write it."""
    build = ModelBuilder()
    flat = build.node("Reshape", [build.quantizer("x", 4), build.constant([1, 16, 12], np.int64)])
    rows = build.node("Transpose", [flat], perm=[0, 2, 1])
    y = build.node("MatMul", [rows, weights(build, 16, 8)])
    graph = assert_identical(build.model(build.quantizer(y, 2), (1, 16, 3, 4))).graph
    assert_device_identical(graph)


@pytest.mark.parametrize(
    ("operands", "expected"),
    [
        (lambda b, x: [weights(b, 2, 3, 4), x], "has a left operand of shape [2, 3, 4], expected two axes"),
        (lambda b, x: [weights(b, 2, 3), x], "takes an input of shape [1, 4, 5], expected [..., 3, N]"),
        (lambda b, x: [x, weights(b, 4, 3)], "takes an input of shape [1, 4, 5], expected [..., 4]"),
        (lambda b, x: [weights(b, 4, 4, scale=[0.5] * 4, axis=1), x], "expected the output channels, axis 0"),
    ],
)
def test_what_is_refused(operands, expected):
    build = ModelBuilder()
    y = build.node("MatMul", operands(build, build.quantizer("x", 4)))
    assert expected in one_problem(build.model(build.quantizer(y, 2), (1, 4, 5)))
