"""Convolutions and pools over [N, C, L], and groups of every kind: against onnxruntime and on the simulated chip."""

from __future__ import annotations

import numpy as np
import pytest

from p4c.compiler.passes import run_passes
from p4c.frontend.reader import import_model

from .frontend_models import ModelBuilder, assert_identical, problems
from .graphs import assert_device_identical

RANDOM = np.random.default_rng(3)


def weights(build, *shape):
    return build.dq(RANDOM.integers(-128, 128, shape), 2.0**-7)


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"strides": [2], "pads": [1, 2]},
        {"dilations": [3], "pads": [3, 0]},
        {"auto_pad": "SAME_UPPER", "strides": [3]},
        {"group": 3},
    ],
)
def test_convolution(attrs):
    build = ModelBuilder()
    inputs = [
        build.quantizer("x", 5),
        weights(build, 6, 6 // attrs.get("group", 1), 3),
        build.constant(np.arange(6) / 8),
    ]
    assert_identical(build.model(build.node("Conv", inputs, **attrs), (1, 6, 17)))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("attrs", [{}, {"strides": [2], "pads": [1, 0]}, {"strides": [2], "ceil_mode": 1}])
def test_pools(op, attrs):
    build = ModelBuilder()
    y = build.node(op, [build.quantizer("x", 5)], kernel_shape=[3], **attrs)
    assert_identical(build.model(build.quantizer(y, 4), (1, 3, 18)))


@pytest.mark.parametrize("shape", [(1, 17, 18), (1, 3, 1), (1, 16, 7, 5), (1, 33, 1, 15)])
def test_global_maxima(shape):
    build = ModelBuilder()
    result = assert_identical(build.model(build.node("GlobalMaxPool", [build.quantizer("x", 5)]), shape))
    assert "max_pool" in [node.op for node in run_passes(result.graph, lambda stage: None)]
    for options in ({}, {"pie": False}):
        assert_device_identical(result.graph, **options)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_means(keepdims):
    build = ModelBuilder()
    x = build.quantizer("x", 5)
    means = [
        build.node("GlobalAveragePool", [x]),
        build.node("ReduceMean", [x, build.constant([-1], np.int64)], keepdims=keepdims),
    ]
    assert_identical(build.model([build.quantizer(y, 6) for y in means], (1, 3, 18)))


def keyword_network():
    """Layers over one axis in a row, as keyword networks have them."""
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    for channels, attrs in ((16, {"strides": [2], "pads": [1, 1]}), (16, {"group": 16, "pads": [1, 1]}), (20, {})):
        shape = (channels, (8 if channels == 16 and "strides" in attrs else 16) // attrs.get("group", 1), 3)
        x = build.node("Conv", [x, weights(build, *shape), build.constant(RANDOM.normal(size=channels))], **attrs)
        x = build.quantizer(build.node("Relu", [x]), 2)
    x = build.node("MaxPool", [x], kernel_shape=[2], strides=[2])
    x = build.quantizer(build.node("ReduceMean", [x, build.constant([2], np.int64)], keepdims=0), 3)
    return build.model(build.node("Gemm", [x, weights(build, 4, 20)], transB=1), (1, 8, 33))


def test_layers_in_a_row_stay_images():
    """Nothing is moved between layers: the reshapes to images and back vanish."""
    result = assert_identical(keyword_network())
    graph = run_passes(result.graph, lambda stage: None)
    moves = [node.op for node in graph if node.op in ("reshape", "convert_layout")]
    assert moves == ["reshape"]
    assert_device_identical(result.graph)


def test_tensors_are_those_of_the_model():
    model = keyword_network()
    names = {name for node in model.graph.node for name in (*node.input, *node.output)} | {"x"}
    assert set(import_model(model.SerializeToString()).tensors.values()) <= names


def test_more_axes():
    build = ModelBuilder()
    x = build.quantizer("x", 5)
    results = [
        build.node("Conv", [x, weights(build, 2, 3, 1, 1, 1)]),
        build.node("MaxPool", [x], kernel_shape=[1, 1, 1]),
    ]
    texts = "\n".join(problems(build.model(results, (1, 3, 2, 2, 2))))
    assert "takes an input of shape [1, 3, 2, 2, 2], expected [N, C, H, W] or [N, C, L]" in texts
    assert "takes an input of 5 axes, expected [N, C, H, W] or [N, C, L]" in texts
    build = ModelBuilder()
    y = build.node("Conv", [build.quantizer("x", 5), weights(build, 2, 3, 3)])
    (text,) = problems(build.model(y, (1, 3, 5, 5)))[:1]
    assert "has weights of shape [2, 3, 3] for an input of 4 axes, expected as many" in text


@pytest.mark.parametrize(
    ("channels", "outputs", "group"),
    [(6, 6, 6), (4, 8, 4), (16, 16, 16), (17, 34, 17), (8, 4, 2), (6, 9, 3), (32, 32, 2), (3, 3, 1)],
)
def test_groups(channels, outputs, group):
    """Depthwise with and without multiplier, and groups of several channels."""
    build = ModelBuilder()
    w = build.dq(
        RANDOM.integers(-128, 128, (outputs, channels // group, 3, 2)), 2.0 ** -RANDOM.integers(5, 9, outputs), axis=0
    )
    inputs = [build.quantizer("x", 4), w, build.constant(RANDOM.normal(size=outputs))]
    y = build.quantizer(build.node("Conv", inputs, group=group, pads=[1, 0, 1, 1], strides=[1, 2]), 1)
    assert_device_identical(assert_identical(build.model(y, (1, channels, 6, 7))).graph)
