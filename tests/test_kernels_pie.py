"""Every PIE kernel over odd shapes on both chip revisions, through the real path, against the interpreter.

The scalar twins meet the same interpreter in test_kernels.py, so both forms are compared with each other too.
"""

from __future__ import annotations

import numpy as np
import pytest

from p4c.compiler.ir import Constant, TensorType

from .graphs import Net, assert_device_identical, compile_graph
from .test_kernels import CHANNELS, WINDOWS

# The same C on both; what differs are encodings, which have tests of their own.
REVISIONS = (pytest.param("v1", marks=pytest.mark.slow), "v3")

# What brings inputs and outputs into another order.
MOVES = {"permute_s8_ref", "transpose_s8"}


def chosen(model):
    return {step.kernel.name for step in model.plan.steps}


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_convolutions_over_channels(chip_rev):
    net = Net(11)
    for inputs, outputs in CHANNELS:
        x = net.input(inputs, 4, 6)
        y = net.conv(x, outputs, (3, 3), bias="off", pads=(1, 1, 1, 1), spread=24)
        net.output(net.quantize(y, 3))
        net.output(net.quantize(net.conv(x, outputs, (1, 1), bias="int32", spread=24), 3))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert "conv2d_s8" in chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_convolutions_over_windows(chip_rev):
    net = Net(12)
    for kernel, strides, pads, dilations, size in WINDOWS:
        for channels in (3, 16, 22):
            x = net.input(channels, *size)
            y = net.conv(x, 5, kernel, strides=strides, pads=pads, dilations=dilations, spread=12)
            net.output(net.quantize(y, 4))
    assert_device_identical(net.graph, chip_rev=chip_rev)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_large_kernels_and_many_channels(chip_rev):
    """Kernel rows that are longer than what is unrolled: trips that divide it, and trips of one column."""
    net = Net(13)
    for inputs, kernel, dilation in [
        (96, (3, 3), 1),
        (64, (5, 5), 1),
        (80, (2, 4), 2),
        (70, (3, 3), 1),
        (272, (1, 1), 1),
    ]:
        x = net.input(inputs, 6, 7)
        attrs = {"pads": (2, 2, 2, 2), "dilations": (dilation, dilation)} if kernel != (1, 1) else {}
        net.output(net.quantize(net.conv(x, 17, kernel, spread=4, **attrs), 3))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert chosen(model) - MOVES == {"conv2d_s8"}


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_requantization_of_every_kind(chip_rev):
    net = Net(14)
    layers = [
        {"bias": "off", "e": 7, "out": 3},
        {"bias": "int32", "e": 7, "out": 3},
        {"bias": "none", "e": 7, "out": 3, "qmin": 0},
        {"bias": "off", "e": range(3, 20), "out": 3, "qmin": -100, "qmax": 3},
        {"bias": "int32", "e": range(3, 20), "out": 3, "qmin": 0},
        {"bias": "grid", "e": 7, "out": 11},
    ]
    for layer in layers:
        exponents = layer["e"] if isinstance(layer["e"], int) else list(layer["e"])
        clamp = {key: layer[key] for key in ("qmin", "qmax") if key in layer}
        common = {"bias": layer["bias"], "e": exponents, "spread": 32}
        image = net.quantize(net.conv(net.input(2, 5, 5), 16, (1, 1), spread=24), 4)
        for y in (
            net.conv(image, 17, (2, 2), **common),
            net.conv(image, 17, (1, 1), **common),
            net.dense(net.input(6), 17, **common),
        ):
            net.output(net.quantize(y, layer["out"], **clamp))
        for kernel, strides in (((3, 3), (1, 1)), ((3, 3), (2, 2))):
            per_group = exponents if isinstance(exponents, int) else exponents[:16]
            y = net.conv(
                image, 16, kernel, groups=16, strides=strides, pads=(1, 1, 1, 1), **(common | {"e": per_group})
            )
            net.output(net.quantize(y, layer["out"], **clamp))
    net.output(net.dense(net.input(9), 5, bias="grid"))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert {"conv2d_s8", "fully_connected_s8", "depthwise3x3_s8", "depthwise2d_s8"} <= chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_depthwise_over_channels_and_windows(chip_rev):
    net = Net(15)
    for channels in (3, 7, 8, 15, 16, 17, 31, 32, 33, 48):
        x = net.input(channels, 5, 6)
        for strides, pads in (((1, 1), (1, 1, 1, 1)), ((1, 1), (0, 0, 0, 0)), ((2, 2), (0, 0, 1, 1))):
            y = net.conv(x, channels, (3, 3), bias="off", groups=channels, strides=strides, pads=pads, spread=32)
            net.output(net.quantize(y, 3))
    for height, width in ((1, 1), (1, 2), (2, 1), (3, 3), (4, 7), (7, 4)):
        for pads in ((1, 1, 1, 1), (1, 0, 1, 1), (0, 1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)):
            if height + pads[0] + pads[2] >= 3 and width + pads[1] + pads[3] >= 3:
                y = net.conv(net.input(17, height, width), 17, (3, 3), groups=17, pads=pads, spread=32)
                net.output(net.quantize(y, 4))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert {"depthwise3x3_s8", "depthwise2d_s8"} <= chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_depthwise_over_odd_kernels(chip_rev):
    net = Net(16)
    for kernel, strides, pads, dilations, size in WINDOWS:
        y = net.conv(
            net.input(20, *size), 20, kernel, groups=20, strides=strides, pads=pads, dilations=dilations, spread=32
        )
        net.output(net.quantize(y, 4))
    y = net.conv(net.input(25, 20, 20), 25, (7, 7), groups=25, strides=(1, 2), pads=(2, 2, 2, 2), spread=32)
    net.output(net.quantize(y, 3, qmin=0))
    assert_device_identical(net.graph, chip_rev=chip_rev)


def test_groups():
    net = Net(17)
    for groups, inputs, outputs in ((2, 6, 4), (3, 9, 33), (4, 4, 8), (5, 5, 5)):
        y = net.conv(net.input(inputs, 5, 5), outputs, (3, 3), groups=groups, pads=(1, 1, 1, 1), spread=32)
        net.output(net.same("max_pool", net.quantize(y, 4), kernel=(2, 2), strides=(2, 2)))
        net.output(net.conv(net.input(inputs, 5, 5), outputs, (3, 3), groups=groups, spread=32))
    assert_device_identical(net.graph)
    assert_device_identical(net.graph, pie=False)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_first_layers_on_one_channel(chip_rev):
    net = Net(20)
    cases = [
        (28, 28, (1, 1, 1, 1), 16, "off"),
        (8, 8, (1, 1, 1, 1), 33, "int32"),
        (5, 7, (0, 0, 0, 0), 16, "off"),
        (6, 9, (1, 0, 1, 1), 5, "grid"),
        (9, 30, (0, 1, 1, 0), 17, "none"),
        (4, 33, (1, 1, 0, 0), 16, "off"),
        (2, 2, (1, 1, 1, 1), 2, "off"),
    ]
    for height, width, pads, outputs, bias in cases:
        for qmin in (-128, 0):
            y = net.quantize(net.conv(net.input(1, height, width), outputs, pads=pads, bias=bias), 3, qmin=qmin)
            net.output(net.same("max_pool", y, kernel=(2, 2), strides=(2, 2)))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert chosen(model) - MOVES == {"conv2d_first_s8"}


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_pools_fused_and_alone(chip_rev):
    net = Net(18)
    for kernel, strides in [((2, 2), (2, 2)), ((3, 2), (3, 2)), ((1, 1), (2, 3)), ((1, 3), (4, 5)), ((7, 8), (7, 8))]:
        image = net.quantize(net.conv(net.input(2, 7, 8), 17, pads=(1, 1, 1, 1), spread=24), 4)
        y = net.quantize(net.conv(image, 33, pads=(1, 1, 1, 1), spread=12), 4)
        net.output(net.same("max_pool", y, kernel=kernel, strides=strides))
        net.output(net.same("max_pool", image, kernel=kernel, strides=strides))
    for kernel, strides in [((3, 3), (2, 2)), ((2, 2), (1, 1))]:
        image = net.quantize(net.conv(net.input(2, 7, 8), 35, pads=(1, 1, 1, 1), spread=24), 4)
        net.output(net.same("max_pool", image, kernel=kernel, strides=strides))
        net.output(net.same("max_pool", image, kernel=kernel, strides=strides, pads=(1, 1, 1, 1)))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert "max_pool_s8" in chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_elementwise(chip_rev):
    """Sums, differences and products on equal and different grids, in place and not; requantization; clamps."""
    net = Net(22)

    def image(e):
        return net.quantize(net.conv(net.input(2, 5, 6), 17, (1, 1), spread=24), e)

    for first, second, out in ((4, 4, 3), (4, 6, 4), (6, 3, 2), (4, 5, 5), (3, 3, 6), (4, 10, 3), (4, 11, 3)):
        for op in ("add", "sub", "mul"):
            y = net.op(op, [image(first), image(second)], dtype="f32")
            net.output(net.quantize(y, out, qmin=0 if first == 4 else -128))
    x = image(5)
    net.output(net.quantize(net.op("add", [x, x], dtype="f32"), 4))
    net.output(net.quantize(x, 3))
    net.output(net.quantize(x, 6))
    net.output(net.same("clip", net.same("max_pool", x, kernel=(2, 2)), min=-0.5, max=1.0))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert {"add_s8", "mul_s8", "requantize_s8", "clamp_s8", "add_s8_ref"} <= chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_requantization_to_finer_and_coarser_grids(chip_rev):
    """All shifts that matter and some beyond; one vector, two, and more; clamps; in place and not."""
    net = Net(43)
    for index, shift in enumerate((-20, -9, -8, -7, -6, -4, -3, -2, -1, 0, 1, 5, 8, 20)):
        channels, size = ((16, (1, 1)), (9, (2, 1)), (33, (3, 1)))[index // 2 % 3]
        clamp = [{}, {"qmin": 0}, {"qmin": -100, "qmax": 101}][index % 3]
        x = net.quantize(net.conv(net.input(2, *size), channels, (1, 1), spread=48), 6)
        net.output(net.quantize(x, 6 - shift, **clamp))
        net.output(net.same("relu", x))
        made = net.quantize(net.conv(net.input(2, *size), channels, (1, 1), spread=48), 6)
        net.output(net.quantize(net.quantize(made, 6 - shift, **clamp), 6, qmin=-50))
    model = assert_device_identical(net.graph, rows=6, chip_rev=chip_rev)
    shifts = {step.node.int("shift") for step in model.plan.steps if step.kernel.name == "requantize_s8"}
    assert {-20, -9, -8, -7, -6, -4, -3, -2, -1, 1, 5, 8, 20} <= shifts
    assert "requantize_s8_ref" not in chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_runs_that_are_repeated(chip_rev):
    """Gates: an image and one pixel, on either side, in groups of one to four vectors and more; in place and not."""
    net = Net(42)
    for channels, size, grids in (
        (7, (3, 2), (4, 4, 3)),
        (16, (1, 3), (4, 6, 4)),
        (17, (5, 1), (6, 3, 2)),
        (33, (2, 2), (4, 5, 5)),
        (64, (2, 3), (3, 3, 3)),
        (100, (2, 2), (4, 10, 3)),
        (2100, (1, 2), (4, 4, 4)),
    ):
        image = net.quantize(net.conv(net.input(2, *size), channels, (1, 1), spread=24), grids[0])
        pixel = net.input(channels, 1, 1, e=grids[1])
        for op in ("add", "sub", "mul"):
            for operands in ([image, pixel], [pixel, image]):
                y = net.op(op, operands, dtype="f32")
                net.output(net.quantize(y, grids[2], qmin=-100 if channels == 33 else -128))
        made = net.quantize(net.conv(net.input(2, *size), channels, (1, 1), spread=24), 4)
        net.output(net.quantize(net.op("mul", [made, pixel], dtype="f32"), 3, qmax=99))
    # Rows of 16 elements that hold no image; one that are no whole vectors; two axes that are repeated.
    for rows, row in (((5, 32), (1, 32)), ((5, 20), (1, 20)), ((4, 3, 2), (4, 1, 1)), ((16, 3, 2), (1, 3, 2))):
        y = net.op("mul", [net.input(*rows), net.input(*row)], dtype="f32")
        net.output(net.quantize(y, 3))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    kernels = [step.kernel.name for step in model.plan.steps]
    # Where neither factor is 1, sums stay scalar.
    assert (kernels.count("add_repeated_s8"), kernels.count("mul_repeated_s8")) == (24, 22)


def test_scalar_code_has_no_vector_instruction():
    net = Net(19)
    x = net.quantize(net.conv(net.input(3, 8, 8), 16, pads=(1, 1, 1, 1), spread=24), 4)
    net.output(net.dense(net.same("reshape", x, shape=(1, 1024)), 10))
    scalar, vector = compile_graph(net.graph, pie=False), compile_graph(net.graph)
    assert all(name.endswith("_ref") for name in chosen(scalar))
    assert "kernels/p4c_pie.h" in vector.build.sources
    assert "kernels/p4c_pie.h" not in scalar.build.sources


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_channels_beyond_whole_blocks(chip_rev):
    """One to seven channels more than blocks of 16, one by one where that is cheaper: all borders and roundings."""
    net = Net(33)
    for rest, window in zip((1, 2, 3, 4, 5, 6, 7), WINDOWS, strict=False):
        kernel, strides, pads, dilations, size = window
        x = net.input(24, *size)
        y = net.conv(x, 16 + rest, kernel, bias="off", strides=strides, pads=pads, dilations=dilations, spread=12)
        net.output(net.quantize(y, 4))
    for bias, exponents in (("int32", [*range(3, 20)] * 2), ("off", [*range(4, 21)] * 2), ("none", 7)):
        x = net.input(16, 5, 4)
        y = net.conv(x, 34, (3, 3), bias=bias, e=exponents, pads=(1, 1, 1, 1), spread=32)
        net.output(net.quantize(y, 3, qmin=-90, qmax=100))
    # Too long a kernel to be written out, and a dilated one.
    for kernel, dilation in (((3, 3), 1), ((2, 3), 2)):
        x = net.input(200, 6, 7)
        net.output(net.quantize(net.conv(x, 1, kernel, pads=(1, 1, 1, 1), dilations=(dilation,) * 2, spread=4), 3))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    rests = [step.parameters["rest"] for step in model.plan.steps if step.kernel.name == "conv2d_s8"]
    assert {0, 1, 2, 3, 4, 6} <= set(rests)


@pytest.mark.parametrize("pie", [True, False])
def test_results_over_their_operands(pie):
    """Depthwise layers and pools whose result lies over the image they read, in both forms of each kernel."""
    net = Net(34)
    for index, (kernel, strides, pads, dilations, size) in enumerate(WINDOWS):
        channels = (17, 32, 3)[index % 3]
        x = net.quantize(net.conv(net.input(4, *size), channels, (1, 1), spread=48), 4)
        attrs = {"groups": channels, "strides": strides, "pads": pads, "dilations": dilations}
        net.output(net.quantize(net.conv(x, channels, kernel, spread=32, **attrs), 4))
    pools = [((3, 3), (1, 1), (1, 1, 1, 1)), ((2, 2), (2, 2), (0, 0, 0, 0)), ((3, 2), (1, 2), (2, 0, 1, 1))]
    for kernel, strides, pads in pools:
        window = {"kernel": kernel, "strides": strides, "pads": pads}
        x = net.quantize(net.conv(net.input(4, 9, 7), 20, (1, 1), spread=48), 4)
        net.output(net.quantize(net.op("average_pool", [x], dtype="f32", **window), 4))
        # A relu that two layers read stays, and no convolution takes the pool in.
        x = net.quantize(net.conv(net.input(4, 9, 7), 20, (1, 1), spread=48), 4)
        net.output(net.same("max_pool", net.same("max_pool", x, kernel=(1, 1)), **window))
    model = assert_device_identical(net.graph, pie=pie)
    buffers = model.plan.buffers
    overlaid = set()
    for step in model.plan.steps:
        x, y = buffers[step.operands[0]], buffers[step.node.name]
        if x.place == y.place == "arena" and -x.size < x.offset - y.offset < y.size:
            overlaid.add(step.node.op)
    assert {"qconv2d", "max_pool", "qaverage_pool"} <= overlaid


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_layers_that_round_in_both_ways(chip_rev):
    """Float biases of which some lie on the grid: two roundings in one block, for every kernel with weights."""
    net = Net(36)
    image = net.quantize(net.conv(net.input(4, 6, 5), 20, (1, 1), spread=48), 4)
    for e in (7, list(range(4, 12)) * 3):

        def exponents(n, e=e):
            return e if isinstance(e, int) else e[:n]

        for y in (
            net.conv(image, 20, (3, 3), bias="off", e=exponents(20), pads=(1, 1, 1, 1), spread=16),
            net.conv(image, 19, (1, 1), bias="off", e=exponents(19), spread=24),
            net.conv(image, 20, (3, 3), bias="off", e=exponents(20), groups=20, pads=(1, 1, 1, 1), spread=48),
            net.conv(image, 20, (2, 3), bias="off", e=exponents(20), groups=20, strides=(2, 1), spread=48),
            net.conv(dense_input(net, 3, 6, 8), 7, (3, 3), bias="off", e=exponents(7), pads=(1, 1, 1, 1), spread=32),
            net.conv(net.input(3, 5, 20), 10, (3, 3), bias="off", e=exponents(10), pads=(1, 1, 1, 1), spread=32),
            net.conv(net.input(64, 3, 4), 18, (3, 3), bias="off", e=exponents(18), pads=(1, 1, 1, 1), spread=8),
            net.dense(net.input(40), 21, bias="off", e=exponents(21), spread=24),
        ):
            net.graph.constants[net.graph.nodes[y].operands[2]].array[::3] = 0.0
            net.output(net.quantize(y, 3, qmin=-100))
    pooled = net.conv(net.input(16, 6, 6), 16, (3, 3), bias="off", spread=16)
    net.graph.constants[net.graph.nodes[pooled].operands[2]].array[5] = 1.0
    net.output(net.same("max_pool", net.quantize(pooled, 3), kernel=(2, 2), strides=(2, 2)))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    layers = [step for step in model.plan.steps if step.node.op in ("qconv2d", "qfully_connected")]
    assert not [step.kernel.name for step in layers if step.kernel.name.endswith("_ref")]
    assert sum(step.constants["roundings"] is not None for step in layers) == 17
    assert any(step.parameters.get("rest") for step in layers)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_means_tables_and_layouts(chip_rev):
    """Counts that are powers of two and others, clipped windows, whole rows; tables; planes from pixels and back."""
    net = Net(37)
    codes = np.random.default_rng(37).integers(-128, 128, 256).astype(np.int8)
    table = net.graph.add_constant("codes", Constant(TensorType("i8", (256,)), codes))
    for channels, size, kernel, strides, pads, e in [
        (20, (6, 5), (2, 2), (2, 1), (0, 0, 0, 0), 4),
        (33, (5, 7), (5, 7), (1, 1), (0, 0, 0, 0), 6),
        (16, (8, 8), (8, 8), (1, 1), (0, 0, 0, 0), 2),
        (17, (4, 6), (3, 2), (1, 2), (1, 1, 0, 1), 5),
        (3, (7, 3), (4, 3), (3, 1), (0, 0, 2, 0), 4),
    ]:
        x = net.quantize(net.conv(net.input(16, *size), channels, (1, 1), spread=48), 4)
        for counted in ((0, 0, 0, 0), pads):
            window = {"kernel": kernel, "strides": strides, "pads": pads, "counted_pads": counted}
            y = net.op("average_pool", [x], dtype="f32", **window)
            net.output(net.quantize(y, e, qmin=-100))
        params = net.graph.type_of(x).params
        net.output(net.op("table", [x, table], dtype="i8", params=params))
    for channels, size in ((16, (4, 4)), (24, (2, 8)), (40, (4, 8)), (8, (5, 16)), (9, (48, 48))):
        net.output(net.same("max_pool", net.stored_input(channels, *size), kernel=(1, 1)))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert {"average_pool_s8", "table_s8", "transpose_s8"} <= chosen(model)
    assert "average_pool_s8_ref" not in chosen(model)


def dense_input(net, channels, height, width):
    """An input whose pixels come channels-last, as exported from frameworks that hold images so."""
    return net.same("transpose", net.input(height, width, channels), perm=(0, 3, 1, 2))


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_first_layers_on_dense_pixels(chip_rev):
    """Every alignment of a pixel, kernel rows of one vector and of several, and one channel without a pool."""
    net = Net(30)
    for channels, kernel, outputs in [
        *((channels, (3, 3), 17) for channels in (1, 2, 3, 5, 7, 8, 12, 15)),
        *((1, (10, 4), 33), (3, (7, 7), 16), (5, (1, 1), 3), (15, (2, 9), 9), (4, (4, 4), 12)),
    ]:
        x = dense_input(net, channels, 13, 11)
        pads = (0, 0, 0, 0) if kernel == (1, 1) else (1, 1, 1, 1)
        y = net.conv(x, outputs, kernel, bias="off", strides=(2, 2), pads=pads, spread=12)
        net.output(net.quantize(y, 4))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert chosen(model) - MOVES == {"conv2d_s8"}
    assert not any(step.node.op in ("transpose", "convert_layout") for step in model.plan.steps[:1])


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_dense_pixels_over_windows(chip_rev):
    net = Net(31)
    for kernel, strides, pads, dilations, size in WINDOWS:
        for channels, outputs in ((1, 16), (3, 7), (3, 16)):
            x = dense_input(net, channels, *size)
            y = net.conv(x, outputs, kernel, strides=strides, pads=pads, dilations=dilations, spread=12)
            net.output(net.quantize(y, 4))
    assert_device_identical(net.graph, chip_rev=chip_rev)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_pairs_of_pixels(chip_rev):
    """At most eight output channels: all counts, strides and borders, one shift and a shift for each channel."""
    net = Net(32)
    for channels, outputs, kernel, strides, pads, e in [
        (3, 8, (3, 3), (2, 2), (0, 0, 1, 1), 7),
        (3, 7, (3, 3), (1, 1), (1, 1, 1, 1), range(5, 12)),
        (1, 2, (5, 5), (1, 1), (2, 2, 2, 2), 7),
        (2, 3, (1, 4), (2, 3), (0, 3, 0, 4), 7),
        (4, 5, (2, 6), (1, 2), (1, 0, 0, 2), range(6, 11)),
        (15, 8, (3, 3), (1, 1), (0, 1, 0, 1), 7),
        (3, 8, (7, 7), (2, 2), (3, 3, 3, 3), 7),
    ]:
        x = dense_input(net, channels, 9, 12)
        exponents = e if isinstance(e, int) else list(e)
        y = net.conv(x, outputs, kernel, bias="int32", e=exponents, strides=strides, pads=pads, spread=24)
        net.output(net.quantize(y, 3, qmin=-100))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert "conv2d_pairs_s8" in chosen(model)
    assert [step.kernel.name for step in model.plan.steps].count("conv2d_pairs_s8") >= 5


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_first_layers_on_planar_rows(chip_rev):
    """Widths that straddle the 16 lanes, all borders, both strides, channels that fill no group of 8; and pools."""
    net = Net(35)
    for channels, outputs, kernel, strides, pads, size, e in [
        (3, 8, (3, 3), (2, 2), (0, 0, 1, 1), (5, 34), 7),
        (3, 16, (3, 3), (1, 1), (1, 1, 1, 1), (4, 16), range(4, 20)),
        (2, 17, (5, 5), (1, 1), (2, 2, 2, 2), (6, 33), 7),
        (4, 7, (3, 5), (1, 2), (1, 2, 0, 2), (4, 47), range(4, 11)),
        (15, 9, (1, 1), (1, 1), (0, 0, 0, 0), (2, 31), 7),
        (3, 3, (2, 4), (2, 1), (3, 9, 1, 7), (5, 17), 7),
        (7, 24, (4, 2), (1, 2), (0, 0, 3, 1), (6, 64), 7),
        (2, 2, (1, 1), (1, 2), (0, 0, 0, 0), (3, 35), 7),
        (3, 5, (7, 7), (2, 2), (3, 3, 3, 3), (9, 40), range(3, 8)),
    ]:
        exponents = e if isinstance(e, int) else list(e)
        common = {"bias": "off", "e": exponents, "strides": strides, "pads": pads, "spread": 24}
        net.output(net.quantize(net.conv(net.input(channels, *size), outputs, kernel, **common), 3, qmin=-120))
    # Kernel rows apart, and columns that lie in the padding alone.
    for channels, kernel, pads, dilation in ((3, (3, 3), (2, 1, 2, 1), 2), (1, (5, 1), (0, 1, 0, 1), 2)):
        attrs = {"pads": pads, "dilations": (dilation, 1)}
        y = net.conv(net.input(channels, 10, 18), 17, kernel, bias="off", spread=24, **attrs)
        net.output(net.quantize(y, 3, qmin=0))
    for outputs, pool, steps in ((20, (2, 2), (2, 2)), (8, (3, 2), (1, 2))):
        y = net.quantize(
            net.conv(net.input(3, 8, 18), outputs, (3, 3), bias="int32", pads=(1, 1, 1, 1), spread=24), 3
        )
        net.output(net.same("max_pool", y, kernel=pool, strides=steps))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert [step.kernel.name for step in model.plan.steps if step.node.op == "qconv2d"] == ["conv2d_planar_s8"] * 13


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_pairs_of_pixels_with_groups(chip_rev):
    """Which random networks found wrong: few output channels in groups, on pixels without gaps."""
    net = Net(29)
    for channels, outputs, groups in ((32, 2, 2), (32, 8, 4), (16, 4, 2), (48, 6, 3)):
        image = net.input(channels, 3, 5)
        net.output(net.quantize(net.conv(image, outputs, groups=groups, pads=(0, 1, 0, 2), spread=20), 3))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert "conv2d_pairs_s8" in chosen(model)


@pytest.mark.parametrize("chip_rev", REVISIONS)
def test_one_output_channel(chip_rev):
    """As masks and reconstructions of images have: results without padding, each a dot product."""
    net = Net(30)
    for channels, kernel, attrs in (
        (16, (3, 3), {"pads": (1, 1, 1, 1)}),
        (17, (1, 1), {}),
        (33, (3, 2), {"pads": (1, 0, 1, 1), "strides": (2, 1)}),
        (5, (3, 3), {"pads": (2, 2, 2, 2), "dilations": (2, 2)}),
    ):
        image = net.quantize(net.conv(net.input(3, 6, 7), channels, (1, 1), spread=24), 3)
        y = net.quantize(net.conv(image, 1, kernel, bias="off", spread=24, **attrs), 1, qmin=-60)
        net.output(net.same("relu", y))
        net.output(y)
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    assert chosen(model) - MOVES - {"clamp_s8", "clamp_s8_ref"} == {"conv2d_s8"}
