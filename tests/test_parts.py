"""Concat, Slice, Split and Pad: against onnxruntime, through the passes, and on the simulated chip."""

from __future__ import annotations

import numpy as np
import pytest

from p4c.compiler.errors import ModelError

from .frontend_models import ModelBuilder, assert_identical, problems
from .graphs import Net, assert_device_identical, plan_of

# Axis of a concat, and the shapes of its parts.
CONCATS = [
    (1, [(3, 4, 5), (2, 4, 5)]),
    (1, [(16, 2, 3), (1, 2, 3), (17, 2, 3), (1, 2, 3)]),
    (2, [(5, 2, 3), (5, 4, 3)]),
    (3, [(5, 2, 3), (5, 2, 1), (5, 2, 4)]),
    (1, [(7,), (9,)]),
    (2, [(3, 2), (3, 5)]),
    (1, [(1, 1, 1), (16, 1, 1)]),
]


@pytest.mark.parametrize("inner", [False, True])
def test_concat_kernel(inner):
    """Parts that are inputs in ONNX order, or that layers have made in their own."""
    net = Net(41)
    for axis, shapes in CONCATS:
        parts = [net.stored_input(*shape) for shape in shapes]
        if inner and len(shapes[0]) == 3:
            parts = [net.same("max_pool", part, kernel=(1, 1)) for part in parts[:-1]] + parts[-1:]
        type_ = net.graph.type_of(parts[0])
        net.output(net.op("concat", [*parts, parts[0]], dtype="i8", params=type_.params, axis=axis))
    assert_device_identical(net.graph)


SLICES = [
    ((5, 6, 7), (0, 1, 0, 2), (1, 4, 6, 7), (1, 1, 2, 3)),
    ((17, 3, 3), (0, 16, 0, 0), (1, 17, 3, 3), (1, 1, 1, 1)),
    ((1, 4, 4), (0, 0, 3, 1), (1, 1, 4, 3), (1, 1, 1, 1)),
]
PADS = [
    ((5, 3, 2), (0, 0, 1, 2, 0, 0, 3, 0)),
    ((16, 2, 2), (0, 3, 0, 0, 0, 1, 0, 1)),
    ((1, 2, 3), (0, 2, 1, 1, 0, 0, 0, 0)),
    ((9,), (0, 2, 0, 5)),
]


@pytest.mark.parametrize("inner", [False, True])
def test_slice_and_pad_kernels(inner):
    net = Net(42)
    for op, shape, attrs in [
        *(("slice", shape, {"starts": a, "ends": b, "steps": s}) for shape, a, b, s in SLICES),
        *(("pad", shape, {"pads": pads}) for shape, pads in PADS),
    ]:
        x = net.stored_input(*shape)
        x = net.same("max_pool", x, kernel=(1, 1)) if inner and len(shape) == 3 else x
        net.output(net.same(op, x, **attrs))
    assert_device_identical(net.graph)


def test_two_branches():
    """Quantizers of the concat go to its branches, and into their layers; a pad into the convolution behind it."""
    net = Net(43)
    x = net.input(3, 8, 8)
    a = net.conv(x, 16, (1, 1))
    b = net.same("relu", net.conv(net.same("pad", x, pads=(0, 0, 1, 0, 0, 0, 1, 2)), 5, (3, 3)))
    c = net.same("slice", x, starts=(0, 1, 0, 0), ends=(1, 3, 8, 8), steps=(1, 1, 1, 1))
    joined = net.op("concat", [a, b, c], dtype="f32", axis=1)
    y = net.quantize(net.same("relu", joined), 2)
    net.output(net.quantize(net.conv(y, 4, (3, 3), spread=16), 1))
    plan = assert_device_identical(net.graph).plan
    assert sorted(step.node.op for step in plan.steps if step.node.op.startswith("q")) == ["qconv2d"] * 3
    assert "pad" not in [step.node.op for step in plan.steps]


@pytest.mark.parametrize("value", [0.0, 3.25, -8.0, 0.3, 1e9, -1e9])
def test_pads_of_reals_with_any_value(value):
    """The quantizer behind a pad goes in front of it, and quantizes its value too; its clamp may have no zero."""
    net = Net(44)
    x = net.conv(net.input(2, 3, 3), 5, (1, 1))
    padded = net.same("pad", x, pads=(0, 0, 1, 1, 0, 0, 1, 1), value=value)
    net.output(net.quantize(padded, 3, qmin=5))
    ops = [step.node.op for step in assert_device_identical(net.graph).plan.steps]
    assert ops.index("pad") > ops.index("qconv2d")


@pytest.mark.parametrize("value", [0.25, -2.0])
def test_convolutions_keep_pads_with_another_value_than_zero(value):
    net = Net(45)
    padded = net.same("pad", net.input(2, 5, 6, e=4), pads=(0, 0, 1, 1, 0, 0, 2, 1), value=value)
    net.output(net.quantize(net.conv(padded, 7), 1))
    assert "pad" in [step.node.op for step in assert_device_identical(net.graph).plan.steps]


def test_pad_of_bytes_with_a_zero_point_and_a_value():
    build = ModelBuilder()
    x = build.qdq("x", 0.25, 100, np.uint8)
    inputs = [x, build.constant([0, 1, 0, 2], np.int64), build.constant(-2.5)]
    graph = assert_identical(build.model(build.node("Pad", inputs), (1, 4))).graph
    assert_device_identical(graph)


def test_many_parts_and_constant_parts_have_no_kernel():
    net = Net()
    x = net.stored_input(2)
    params = net.graph.type_of(x).params
    net.output(net.op("concat", [x] * 17, dtype="i8", params=params, axis=1))
    w = net.weights((1, 3), 4)
    net.output(net.op("concat", [x, w], dtype="i8", params=params, axis=1))
    with pytest.raises(ModelError) as caught:
        plan_of(net.graph)
    assert ["at most 16 parts" in str(caught.value), "all parts are computed" in str(caught.value)] == [True, True]


def test_concat_importer():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    other = build.quantizer(build.node("Relu", ["x"]), 2)
    same = build.node("Concat", [x, build.node("Relu", [x]), x], axis=1)
    mixed = build.node("Concat", [x, other], axis=-1)
    results = [build.quantizer(same, 4), build.quantizer(mixed, 3)]
    assert_identical(build.model(results, (1, 2, 3, 4)))


@pytest.mark.parametrize(
    ("starts", "ends", "extra"),
    [([1], [3], [[2]]), ([-3, 0], [-1, 1000], [[-1, 1]]), ([0, 1, 0, 2], [1, 4, 3, 4], []), ([0], [7], [[1], [2]])],
)
def test_slice_importer(starts, ends, extra):
    build = ModelBuilder()
    numbers = [build.constant(values, np.int64) for values in (starts, ends, *extra)]
    assert_identical(build.model(build.node("Slice", [build.quantizer("x", 4), *numbers]), (1, 5, 3, 4)))


def test_split_importer():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    build.node("Split", [x], "a", axis=1, num_outputs=2)
    build.nodes[-1].output.append("b")
    build.node("Split", [x, build.constant([1, 3], np.int64)], "c", axis=-1)
    build.nodes[-1].output.append("d")
    assert_identical(build.model(["a", "b", "c", "d"], (1, 5, 3, 4)))


@pytest.mark.parametrize("axes", [None, [2, 3], [-1, 1]])
def test_pad_importer(axes):
    build = ModelBuilder()
    inputs = [
        build.quantizer("x", 4),
        build.constant([0, 0, 1, 2, 0, 0, 3, 1] if axes is None else [1, 2, 0, 3], np.int64),
    ]
    inputs += [] if axes is None else [build.constant(0.0), build.constant(axes, np.int64)]
    assert_identical(build.model(build.node("Pad", inputs), (1, 2, 3, 4)))


def test_what_is_refused():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    pads = build.constant([0, 1, 0, 1], np.int64)
    results = [
        build.node("Pad", [x, pads], mode="reflect"),
        build.node("Pad", [x, pads, build.constant(1.51)]),
        build.node("Pad", [x, pads, build.constant(-8.5)]),
        build.node("Pad", [x, build.constant([0, -1, 0, 0], np.int64)]),
        build.node("Slice", [x, *(build.constant([value], np.int64) for value in (3, 0, 1, -1))]),
    ]
    texts = problems(build.model(results, (1, 4)))
    expected = [
        "has mode reflect, expected constant",
        "pads with 1.51, expected a multiple of 0.0625 from -8 to 7.9375",
        "pads with -8.5, expected a multiple of 0.0625 from -8 to 7.9375",
        "has pads [0, -1, 0, 0], expected numbers from 0 up",
        "has steps [-1], expected 1 or more",
    ]
    assert all(text in found for text, found in zip(expected, texts, strict=True))


def test_many_axes():
    """Five and six axes, of which those that stay together are one: as pixel shuffles and windows of images have."""
    net = Net(46)
    x = net.stored_input(2, 3, 4, 5, 6)
    for perm in ((0, 1, 4, 2, 5, 3), (0, 5, 4, 3, 2, 1), (0, 2, 3, 1, 4, 5)):
        net.output(net.same("transpose", x, perm=perm))
    net.output(net.same("slice", x, starts=(0, 0, 1, 0, 2, 0), ends=(1, 2, 3, 4, 5, 6), steps=(1, 1, 1, 2, 1, 5)))
    net.output(net.same("pad", x, pads=(0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0)))
    other = net.stored_input(2, 3, 1, 1, 6, e=5)
    for op in ("add", "mul"):
        net.output(net.quantize(net.op(op, [x, other], dtype="f32"), 3))
    assert_device_identical(net.graph)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_pixel_shuffle(mode):
    """As exporters write DepthToSpace out."""
    build = ModelBuilder()
    sizes, perm = (
        ([1, 2, 2, 3, 4, 5], [0, 3, 4, 1, 5, 2]) if mode == "DCR" else ([1, 3, 2, 2, 4, 5], [0, 1, 4, 2, 5, 3])
    )
    x = build.node("Reshape", [build.quantizer("x", 4), build.constant(sizes, np.int64)])
    y = build.node("Transpose", [x], perm=perm)
    y = build.node("Reshape", [y, build.constant([1, 3, 8, 10], np.int64)])
    assert_device_identical(assert_identical(build.model(y, (1, 12, 4, 5))).graph)
