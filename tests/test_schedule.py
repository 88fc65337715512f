"""Where weights lie and how rows are tiled: the choices, and that values never depend on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p4c.backend import convolution_kernels
from p4c.backend.timing import cost_model
from p4c.compiler.schedule import Blocks, WeightUse, place_weights, rows_per_tile, tile_cycles

from .graphs import Net, assert_device_identical, compile_graph, random_inputs

uses = st.lists(st.builds(WeightUse, st.integers(0, 500), st.integers(1, 4)), max_size=8)


@given(uses, st.integers(0, 2000))
def test_weights_in_internal_memory_fit_the_budget(layers, budget):
    memories = place_weights(layers, budget)
    inside = sum(use.size for use, memory in zip(layers, memories, strict=True) if memory == "l2mem")
    assert inside <= budget
    # What was left out does not fit beside what is read more often or is larger.
    for use, memory in zip(layers, memories, strict=True):
        before = sum(
            other.size
            for other, where in zip(layers, memories, strict=True)
            if where == "l2mem" and (other.passes, other.size) >= (use.passes, use.size)
        )
        assert memory == "l2mem" or before + use.size > budget


def test_what_is_read_for_each_pixel_goes_to_internal_memory_first():
    layers = [WeightUse(100, 1), WeightUse(60, 49), WeightUse(40, 1)]
    assert place_weights(layers, 110) == ["psram", "l2mem", "l2mem"]
    assert place_weights(layers, 0) == ["psram"] * 3


@given(
    st.builds(
        Blocks,
        rows=st.integers(1, 64),
        step=st.integers(16, 8192),
        overlap=st.integers(0, 16384),
        output_row=st.integers(16, 8192),
        blocks=st.integers(1, 80),
        block=st.integers(16, 40000),
    )
)
def test_no_number_of_rows_is_cheaper_than_the_one_taken(layer):
    model = cost_model()
    best = rows_per_tile(layer, model)
    assert 1 <= best <= layer.rows
    assert tile_cycles(layer, best, model) == min(tile_cycles(layer, n, model) for n in range(1, layer.rows + 1))
    if layer.blocks == 1:
        assert best == layer.rows


def small_network():
    """Layers with shifts for each channel, pools, and a residual sum; more weights than a small budget holds."""
    net = Net(40)
    x = net.quantize(net.conv(net.input(3, 12, 12), 24, (3, 3), bias="off", pads=(1, 1, 1, 1), spread=24), 3)
    y = net.quantize(net.conv(x, 24, (3, 3), groups=24, pads=(1, 1, 1, 1), e=list(range(4, 12)) * 3, spread=24), 3)
    z = net.quantize(net.conv(y, 24, (1, 1), bias="int32", spread=32), 3)
    total = net.quantize(net.op("add", [x, z], dtype="f32"), 2)
    net.output(net.quantize(net.dense(net.same("max_pool", total, kernel=(3, 3), strides=(3, 3)), 40, spread=16), 1))
    return net.graph


@pytest.mark.parametrize("chip_rev", [pytest.param("v1", marks=pytest.mark.slow), "v3"])
def test_values_do_not_depend_on_the_budget(chip_rev):
    graph = small_network()
    inputs = random_inputs(graph)
    expected = np.asarray(assert_device_identical(graph, chip_rev=chip_rev).run(inputs))
    places = set()
    for budget in (0, 8 << 10, 16 << 10, 24 << 10, 64 << 10):
        model = compile_graph(graph, chip_rev=chip_rev, ram_budget=budget)
        np.testing.assert_array_equal(model.run(inputs), expected, strict=True)
        places.add((*(weights.region for weights in model.plan.weights), model.plan.arena_region))
        inside = [len(weights.data) for weights in model.plan.weights if weights.region == "l2mem"]
        arena = model.build.image.segment("arena")
        assert sum(inside) + (arena.size if arena.region == "l2mem" else 0) <= budget
    assert {("psram", "psram"), ("l2mem", "psram", "l2mem"), ("l2mem", "l2mem")} <= places


@pytest.mark.parametrize("chip_rev", [pytest.param("v1", marks=pytest.mark.slow), "v3"])
def test_tiles_of_rows_change_no_value(monkeypatch, chip_rev):
    """Every number of rows, on layers with borders, strides, single channels beside blocks, and 1x1 kernels."""
    for rows in (1, 2, 4, 5):
        monkeypatch.setattr(
            convolution_kernels, "rows_per_tile", lambda layer, model, rows=rows: min(rows, layer.rows)
        )
        net = Net(41)
        for channels, outputs, kernel, attrs in [
            (16, 33, (3, 3), {"pads": (1, 1, 1, 1)}),
            (20, 40, (3, 2), {"strides": (2, 1), "pads": (2, 0, 1, 1)}),
            (32, 48, (1, 1), {}),
            (32, 18, (1, 1), {"strides": (2, 2)}),
        ]:
            y = net.conv(net.input(channels, 8, 5), outputs, kernel, bias="off", spread=16, **attrs)
            net.output(net.quantize(y, 4))
        model = assert_device_identical(net.graph, chip_rev=chip_rev)
        tiles = [step.parameters["tile"] for step in model.plan.steps if step.kernel.name == "conv2d_s8"]
        assert len(tiles) == 4 and set(tiles) <= {1, rows, 4}  # noqa: PT018
