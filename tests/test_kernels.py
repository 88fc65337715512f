"""Every scalar kernel over odd shapes, through the real path: passes, C, compiler, image and simulated chip.

Compiling is what costs time, so a test builds many layers as independent chains of one graph; what the chip gives for
three rows is compared with the interpreter on the graph as it was before the passes.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .graphs import Net, assert_device_identical
from .networks import networks

# Sizes that straddle the blocks of four pixels, four and sixteen channels.
CHANNELS = [
    (1, 3),
    (3, 1),
    (7, 8),
    (8, 7),
    (15, 16),
    (16, 17),
    (17, 15),
    (31, 32),
    (32, 33),
    (33, 31),
    (48, 1),
    (1, 48),
]

# kernel, strides, pads (top, left, bottom, right), dilations; height and width of the input.
WINDOWS = [
    ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), (5, 7)),
    ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (4, 9)),
    ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (7, 8)),
    ((3, 3), (2, 2), (0, 0, 1, 1), (1, 1), (8, 8)),
    ((5, 1), (3, 1), (2, 0, 1, 3), (1, 1), (9, 4)),
    ((1, 5), (1, 3), (0, 4, 0, 1), (1, 1), (3, 11)),
    ((3, 2), (1, 2), (2, 1, 3, 2), (2, 3), (6, 9)),
    ((2, 3), (2, 1), (1, 3, 0, 0), (3, 2), (8, 5)),
    # Kernel columns that lie in the padding alone, at the left, at the right, and where the image is one pixel wide.
    ((3, 3), (1, 1), (3, 3, 3, 3), (1, 1), (2, 2)),
    ((3, 3), (1, 1), (2, 2, 2, 2), (2, 2), (1, 1)),
    ((4, 4), (3, 3), (0, 5, 2, 6), (1, 1), (4, 3)),
    # A dilated window wider than the image; one output pixel; fewer pixels than a block of four.
    ((2, 2), (1, 1), (0, 4, 0, 4), (1, 5), (2, 3)),
    ((7, 7), (1, 1), (0, 0, 0, 0), (1, 1), (7, 7)),
    ((2, 2), (1, 1), (0, 0, 0, 0), (1, 1), (2, 4)),
]


def test_convolutions_over_channels():
    net = Net(1)
    for inputs, outputs in CHANNELS:
        x = net.input(inputs, 4, 6)
        y = net.conv(x, outputs, (3, 3), bias="off", pads=(1, 1, 1, 1), spread=24)
        net.output(net.quantize(y, 3))
    assert_device_identical(net.graph, pie=False)


def test_convolutions_over_windows():
    net = Net(2)
    for kernel, strides, pads, dilations, size in WINDOWS:
        x = net.input(3, *size)
        y = net.conv(x, 5, kernel, strides=strides, pads=pads, dilations=dilations, spread=24)
        net.output(net.quantize(y, 4))
    assert_device_identical(net.graph, pie=False)


def test_convolutions_in_groups():
    """Several groups, one per channel (depthwise), and one per channel with two outputs each."""
    net = Net(8)
    for inputs, outputs, groups in [
        (4, 6, 2),
        (9, 3, 3),
        (34, 34, 2),
        (1, 1, 1),
        (3, 3, 3),
        (17, 17, 17),
        (5, 10, 5),
    ]:
        x = net.input(inputs, 5, 6)
        for window in ({}, {"strides": (2, 1), "pads": (2, 0, 1, 3), "dilations": (1, 2)}):
            y = net.conv(x, outputs, (3, 2), bias="off", groups=groups, spread=48, **window)
            net.output(net.quantize(y, 4))
    model = assert_device_identical(net.graph, pie=False)
    assert {step.kernel.name for step in model.plan.steps} >= {"conv2d_s8_ref", "depthwise2d_s8_ref"}


def test_requantization_of_every_kind():
    """Shifts and roundings that are uniform or not, negative, zero and large; clamps; accumulators as they are."""
    net = Net(3)
    layers = [
        {"bias": "off", "e": 7, "out": 3},
        {"bias": "int32", "e": 7, "out": 3},
        {"bias": "none", "e": 7, "out": 3, "qmin": 0},
        {"bias": "grid", "e": range(3, 20), "out": 3},
        {"bias": "off", "e": range(3, 20), "out": -1, "qmin": -100, "qmax": 3},
        {"bias": "grid", "e": range(-12, 5), "out": 0},
        {"bias": "grid", "e": 7, "out": 11},
        {"bias": "grid", "e": 7, "out": 14, "qmin": -5, "qmax": 5},
        {"bias": "none", "e": 20, "out": -7},
    ]
    for layer in layers:
        x = net.input(2, 3, 5)
        exponents = layer["e"] if isinstance(layer["e"], int) else list(layer["e"])
        clamp = {key: layer[key] for key in ("qmin", "qmax") if key in layer}
        for y in (
            net.conv(x, 17, (2, 2), bias=layer["bias"], e=exponents, spread=32),
            net.dense(net.input(6), 17, bias=layer["bias"], e=exponents, spread=32),
        ):
            half = net.graph.nodes[y].operands[2] if layer["bias"] == "off" else None
            if half and layer["out"] == 3:
                # Some channels on the grid, others off it: both roundings in one layer.
                net.graph.constants[half].array[::3] = 0.0
            net.output(net.quantize(y, layer["out"], **clamp))
    for bias in ("grid", "off", "int32", "none"):
        net.output(net.conv(net.input(2, 3, 5), 5, (2, 2), bias=bias, e=[5, 6, 7, 8, 9]))
        net.output(net.dense(net.input(9), 5, bias=bias))
    plan = assert_device_identical(net.graph, pie=False).plan
    shifts = {step.parameters["requantize"].get("shift") for step in plan.steps if "requantize" in step.parameters}
    # All three forms were met: raw, one shift for all, shifts and roundings by channel.
    assert {None, 0, 8, -3, 31} <= shifts
    absent = [{name for name, at in step.constants.items() if at is None} for step in plan.steps]
    for form in ({"shifts", "roundings"}, {"roundings"}, {"shifts"}, set()):
        assert form in absent, form


def test_fully_connected_layers():
    net = Net(4)
    for inputs, outputs in [(1, 1), (1, 17), (3, 16), (16, 15), (17, 33), (48, 1), (100, 31)]:
        net.output(net.quantize(net.dense(net.input(inputs), outputs, bias="off", spread=24), 4))
    # Behind a channels-last tensor, directly from an input with four axes, and behind a transpose.
    for kind in ("conv", "input", "transpose"):
        x = net.input(3, 4, 5)
        if kind == "conv":
            x = net.quantize(net.conv(x, 7, (1, 1), spread=24), 4)
        if kind == "transpose":
            x = net.same("transpose", x, perm=(0, 3, 1, 2))
        flat = net.same("reshape", x, shape=(1, net.graph.type_of(x).elements))
        net.output(net.quantize(net.dense(flat, 9, spread=24), 3))
    model = assert_device_identical(net.graph, pie=False)
    assert [step.node.op for step in model.plan.steps].count("reshape") == 0


def test_pools_fused_and_alone():
    """Beside a convolution's result: windows that step their own size or more are fused, the others not."""
    net = Net(5)
    fused = [
        ((2, 2), (2, 2)),
        ((3, 2), (3, 2)),
        ((1, 1), (2, 3)),
        ((2, 1), (3, 1)),
        ((1, 3), (4, 5)),
        ((7, 8), (7, 8)),
    ]
    for kernel, strides in fused:
        y = net.quantize(net.conv(net.input(2, 7, 8), 17, pads=(1, 1, 1, 1), spread=24), 4)
        net.output(net.same("max_pool", y, kernel=kernel, strides=strides))
    alone = [((3, 3), (2, 2), (1, 1, 1, 1)), ((2, 2), (1, 1), (0, 0, 0, 0)), ((2, 3), (2, 3), (1, 2, 0, 1))]
    for kernel, strides, pads in alone:
        y = net.quantize(net.conv(net.input(2, 7, 8), 17, pads=(1, 1, 1, 1), spread=24), 4)
        net.output(net.same("max_pool", y, kernel=kernel, strides=strides, pads=pads))
        net.output(net.same("max_pool", net.stored_input(3, 6, 5), kernel=kernel, strides=strides, pads=pads))
    # A pool behind a pool, and one on reals whose quantizer comes later.
    y = net.same("max_pool", net.same("relu", net.conv(net.input(2, 8, 8), 5)), kernel=(2, 2), strides=(2, 2))
    net.output(net.same("max_pool", net.quantize(y, 4), kernel=(3, 3)))
    plan = assert_device_identical(net.graph, pie=False).plan
    ops = [step.node.op for step in plan.steps]
    assert ops.count("max_pool") == 2 * len(alone) + 1
    assert sum(step.scratch is not None for step in plan.steps) == len(fused) + 1


def test_moves_copies_and_clamps():
    net = Net(6)
    for shape in [(3, 4, 5), (1, 4, 5), (17, 1, 1), (33, 2, 2)]:
        net.output(net.same("max_pool", net.stored_input(*shape), kernel=(1, 1)))
    for perm in [(0, 2, 3, 1), (0, 3, 2, 1), (0, 1, 3, 2)]:
        net.output(net.same("transpose", net.stored_input(3, 4, 5), perm=perm))
    net.output(net.same("transpose", net.stored_input(3, 4), perm=(0, 2, 1)))
    net.output(net.same("reshape", net.stored_input(3, 4, 5), shape=(1, 60)))
    net.stored_output(net.same("reshape", net.stored_input(2, 3, dtype="u8"), shape=(1, 6)))
    net.output(net.same("relu", net.stored_input(3, 4, 5)))
    x = net.quantize(net.conv(net.input(2, 4, 4), 6), 3)
    net.output(net.same("clip", net.same("relu", net.same("max_pool", x, kernel=(2, 2))), min=-1.0, max=2.0))
    # Outputs in ONNX axis order, whatever order they were computed in.
    net.stored_output(net.quantize(net.conv(net.input(2, 4, 4), 6), 3))
    net.output(net.conv(net.input(2, 4, 4), 6))
    net.output(net.same("transpose", net.quantize(net.conv(net.input(2, 4, 4), 6), 3), perm=(0, 2, 3, 1)))
    # The input as it is, and one value as two outputs.
    x = net.input(2, 3, 3)
    for _ in range(2):
        net.output(x)
    assert_device_identical(net.graph, pie=False)


def test_network_of_everything():
    """One chain: buffers are reused from layer to layer, and layers of equal shape share a function."""
    net = Net(7)
    x = net.input(3, 16, 16)
    x = net.quantize(net.same("relu", net.conv(x, 16, pads=(1, 1, 1, 1), spread=32)), 3)
    for _ in range(2):
        x = net.quantize(net.conv(x, 16, bias="int32", pads=(1, 1, 1, 1), spread=12), 3)
    x = net.same("max_pool", x, kernel=(2, 2), strides=(2, 2))
    x = net.quantize(net.conv(x, 33, (2, 3), bias="grid", strides=(2, 1), dilations=(1, 2), spread=12), 3)
    x = net.same("max_pool", x, kernel=(2, 2))
    x = net.quantize(net.dense(net.same("reshape", x, shape=(1, net.graph.type_of(x).elements)), 20, spread=12), 2)
    net.output(net.dense(x, 10, bias="off"))
    model = assert_device_identical(net.graph, rows=5)
    source = model.build.sources["p4c_net.c"].decode()
    assert source.count("p4c_net_conv2d_1(") == 2, "the function of the second convolution and its one call"


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks(max_blocks=6), st.integers(0, 1000), st.booleans())
def test_random_networks_on_the_chip(graph, seed, pie):
    assert_device_identical(graph, seed=seed, pie=pie)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_convolutions_on_the_chip(seed):
    net = Net(seed)
    pick = net.random.integers
    for _ in range(14):
        inputs, outputs = (int(pick(1, 50)) for _ in range(2))
        size, strides, dilations = ([int(v) for v in pick(1, high, 2)] for high in (12, 4, 4))
        kernel, pads = [int(v) for v in pick(1, 5, 2)], [int(v) for v in pick(0, 4, 4)]
        for axis in (0, 1):
            window = (kernel[axis] - 1) * dilations[axis] + 1
            pads[axis] += max(0, window - size[axis] - pads[axis] - pads[axis + 2])
        attrs = {"strides": tuple(strides), "pads": tuple(pads), "dilations": tuple(dilations)}
        bias = ["off", "grid", "int32", "none"][int(pick(4))]
        y = net.quantize(net.conv(net.input(inputs, *size), outputs, tuple(kernel), bias=bias, spread=16, **attrs), 4)
        shape = net.graph.type_of(y).shape[2:]
        if pick(2):
            window = tuple(min(axis, int(pick(1, 4))) for axis in shape)
            y = net.same("max_pool", y, kernel=window, strides=tuple(int(v) for v in pick(1, 4, 2)))
        net.output(y)
    assert_device_identical(net.graph, pie=bool(seed % 2))
