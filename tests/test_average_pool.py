"""Average pools: against exact rationals, onnxruntime with every tie, and on the simulated chip."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from p4c.compiler.interpreter import run_graph
from p4c.compiler.numerics import divide_half_even
from p4c.compiler.passes import run_passes

from .frontend_models import ModelBuilder, assert_identical, problems, run_onnx
from .graphs import Net, assert_device_identical, plan_of

# kernel, strides, pads, counted pads; height and width of the input.
WINDOWS = [
    ((2, 2), (2, 2), (0, 0, 0, 0), (0, 0, 0, 0), (6, 7)),
    ((3, 3), (1, 1), (1, 1, 1, 1), (0, 0, 0, 0), (4, 5)),
    ((3, 3), (2, 1), (1, 1, 1, 1), (1, 1, 1, 1), (4, 5)),
    ((3, 2), (2, 2), (0, 1, 2, 0), (0, 1, 1, 0), (5, 6)),
    ((5, 4), (1, 3), (4, 3, 0, 2), (0, 0, 0, 0), (3, 7)),
    ((7, 9), (1, 1), (0, 0, 0, 0), (0, 0, 0, 0), (7, 9)),
    ((1, 1), (1, 2), (0, 0, 0, 0), (0, 0, 0, 0), (3, 4)),
]


def test_division_against_rationals():
    for denominator in (1, 2, 3, 4, 7, 9, 64, 125):
        values = np.arange(-700, 700)
        expected = [round(Fraction(int(value), denominator)) for value in values]
        assert divide_half_even(values, np.array(denominator)).tolist() == expected


def average(net, x, window, **options):
    kernel, strides, pads, counted, _ = window
    attrs = {"kernel": kernel, "strides": strides, "pads": pads, "counted_pads": counted}
    return net.op("average_pool", [x], dtype="f32", **attrs, **options)


def exact_mean(plane, window, row, column):
    """The mean of one window as a Fraction, by plain loops."""
    (kernel_h, kernel_w), strides, pads, counted, (height, width) = window
    total, count = 0, 0
    for i, j in itertools.product(range(kernel_h), range(kernel_w)):
        y, x = row * strides[0] - pads[0] + i, column * strides[1] - pads[1] + j
        if 0 <= y < height and 0 <= x < width:
            total += int(plane[y][x])
        count += -counted[0] <= y < height + counted[2] and -counted[1] <= x < width + counted[3]
    return Fraction(total, count)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shift", [-2, 0, 1, 3])
def test_integer_form_against_rationals(window, shift):
    net = Net(shift + 5)
    x = net.stored_input(2, *window[-1], e=4)
    y = net.quantize(average(net, x, window), 4 - shift, qmin=-100)
    net.stored_output(y)
    stored = net.random.integers(-128, 128, net.graph.inputs[x].shape).astype(np.int8)
    integer = run_passes(net.graph, lambda stage: None)
    assert "qaverage_pool" in [node.op for node in integer]
    means = run_graph(integer, {x: stored})[y]
    np.testing.assert_array_equal(run_graph(net.graph, {x: stored})[y], means)
    for n, c, row, column in itertools.product(*map(range, means.shape)):
        exact = exact_mean(stored[n, c], window, row, column) / Fraction(2) ** shift
        assert means[n, c, row, column] == min(max(round(exact), -100), 127)


def test_kernel():
    net = Net(21)
    for window in WINDOWS:
        for channels in (1, 3, 16, 17):
            x = net.quantize(net.same("relu", net.stored_input(channels, *window[-1])), 4)
            net.output(net.quantize(average(net, x, window), 3 + channels % 4, qmax=90))
    assert_device_identical(net.graph)


def test_sums_beyond_words_have_no_kernel():
    net = Net()
    x = net.stored_input(1, 8, 8, e=0)
    net.output(net.quantize(net.op("average_pool", [x], dtype="f32", kernel=(8, 8)), 28))
    with pytest.raises(Exception, match="sums and counts, shifted, are below 2\\^30"):
        plan_of(net.graph)


@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize(
    "attrs",
    [
        {"kernel_shape": [2, 3]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [1, 2], "pads": [0, 2, 1, 0]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 0, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [2, 2], "auto_pad": "VALID"},
    ],
)
def test_importer(attrs, count_include_pad):
    build = ModelBuilder()
    y = build.node("AveragePool", [build.quantizer("x", 5)], count_include_pad=count_include_pad, **attrs)
    assert_identical(build.model(build.quantizer(y, 5), (1, 2, 8, 6), opset=19))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(("axes", "opset"), [([2, 3], 18), ([-1, -2], 17), ([3], 18), ([2], 18)])
def test_means(axes, opset, keepdims):
    build = ModelBuilder()
    x = build.quantizer("x", 5)
    if opset >= 18:
        y = build.node("ReduceMean", [x, build.constant(axes, np.int64)], keepdims=keepdims)
    else:
        y = build.node("ReduceMean", [x], axes=axes, keepdims=keepdims)
    pooled = build.node("GlobalAveragePool", [x])
    assert_identical(build.model([build.quantizer(y, 6), build.quantizer(pooled, 4)], (1, 3, 5, 5), opset=opset))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        *[([1], (1, 3, 5, 5)), ([1, 3], (1, 3, 5, 4)), ([1, 2, 3], (1, 2, 3, 4)), ([1], (1, 6)), ([2], (1, 3, 7))],
        *[([1], (1, 3, 7)), ([2, 4], (1, 2, 3, 4, 5)), ([-2], (1, 4, 6))],
    ],
)
def test_reductions_over_any_axes(op, axes, shape, keepdims):
    build = ModelBuilder()
    y = build.node(op, [build.quantizer("x", 5), build.constant(axes, np.int64)], keepdims=keepdims)
    assert_device_identical(assert_identical(build.model(build.quantizer(y, 6), shape)).graph)


def test_reductions_over_the_batch():
    build = ModelBuilder()
    y = build.node("ReduceMean", [build.quantizer("x", 5)])
    text = problems(build.model(build.quantizer(y, 5), (1, 3, 5, 5)))[0]
    assert "reduces the axes [0, 1, 2, 3], expected axes from 1 on: axis 0 is the batch" in text


@pytest.mark.parametrize("op", ["AveragePool", "GlobalAveragePool"])
@pytest.mark.parametrize(("height", "width"), [(1, 2), (3, 3), (2, 6), (5, 5), (7, 7), (8, 8), (25, 5), (49, 10)])
@pytest.mark.parametrize("shift", [-1, 0, 1, 3])
def test_every_sum_rounds_as_in_onnxruntime(op, height, width, shift):
    """Each sum that a window can have, ties among them: onnxruntime divides the sum, so it sees every tie."""
    count = height * width
    sums = np.arange(-128 * count, 127 * count + 1, max(1, count // 8))
    base, rest = np.divmod(sums, count)
    x = (base[:, None] + (np.arange(count) < rest[:, None])).reshape(1, -1, height, width).astype(np.float32)
    assert x.min() >= -128
    assert x.max() <= 127
    build = ModelBuilder()
    attrs = {"kernel_shape": [height, width]} if op == "AveragePool" else {}
    pooled = build.node(op, [build.quantizer("x", 0)], **attrs)
    model = build.model(build.quantizer(pooled, -shift), x.shape)
    exact = np.clip(divide_half_even(sums << max(-shift, 0), np.array(count << max(shift, 0))), -128, 127)
    np.testing.assert_array_equal(run_onnx(model, x)[0].ravel() / 2.0**shift, exact)
