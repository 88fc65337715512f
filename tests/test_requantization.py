"""Requantization against exact rationals, in the compiler and in the kernels' C; and the bound on accumulators."""

from __future__ import annotations

import ctypes
import itertools
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4c.backend.cache import run_tool
from p4c.compiler.ir import Constant, Graph, Node, QuantParams, TensorType
from p4c.compiler.numerics import FLOOR, HALF_EVEN, shift_round
from p4c.compiler.passes.convert_to_integer import exact_requantization
from p4c.compiler.passes.prove_accumulators import accumulator_bound, prove_accumulators, value_range

from .graphs import CSRC

# What kernels accept: |acc| < 2^30 is proven, and a shift has 31 bits at most.
accumulators = st.one_of(st.integers(-300, 300), st.integers(1 - 2**30, 2**30 - 1))
# A bias in accumulator units: on the grid, at a half, at the finest fractions float64 has.
fractions = st.one_of(st.just(0.0), st.just(0.5), st.integers(1, 2**20 - 1).map(lambda n: n / 2**20))


def half_even(value: Fraction) -> int:
    """Python rounds a Fraction half to even."""
    return round(value)


def requantized(acc: int, units: float, shift: int) -> int:
    """acc + units by the integers of exact_requantization."""
    exact = exact_requantization(np.array([units]), np.array([shift]), np.array([True]))
    total = np.array([acc + int(exact.bias[0])], np.int64)
    return int(shift_round(total, exact.shift, exact.rounding)[0])


@given(accumulators, st.integers(-(2**20), 2**20), fractions, st.integers(1, 31))
def test_any_bias_rounds_as_the_exact_rational(acc, whole, fraction, shift):
    units = whole + fraction
    assert requantized(acc, units, shift) == half_even((acc + Fraction(units)) / 2**shift)


@given(accumulators, st.integers(-(2**20), 2**20), st.integers(-31, 0))
def test_without_shift_or_with_a_negative_one_nothing_is_rounded(acc, units, shift):
    assert requantized(acc, units, shift) == (acc + units) * 2**-shift


@pytest.mark.parametrize("shift", [1, 2, 7, 31])
def test_ties_go_to_the_even_neighbour(shift):
    half, one = 1 << (shift - 1), 1 << shift
    for quotient in (-3, -2, -1, 0, 1, 2):
        if abs(quotient * one + half) < 2**30 or shift < 31:
            assert requantized(quotient * one + half, 0, shift) == quotient + (quotient & 1)
    # A bias just off the tie decides by its side; the accumulator alone would be a tie.
    assert requantized(half, 2.0**-20, shift) == 1
    assert requantized(half, -(2.0**-20), shift) == 0
    assert requantized(-half, 2.0**-20, shift) == 0
    assert requantized(-half, -(2.0**-20), shift) == -1


def test_rounding_mode_follows_the_grid_channel_by_channel():
    exact = exact_requantization(np.array([5.0, 5.25, -5.25, -8.0]), np.array([4, 4, 4, 0]), np.full(4, True))
    assert exact.rounding.tolist() == [HALF_EVEN, FLOOR, FLOOR, HALF_EVEN]
    assert exact.bias.tolist() == [5, 5 + 8, -6 + 8, -8]
    assert (exact.bias.dtype, exact.shift.dtype, exact.rounding.dtype) == (np.int32, np.int8, np.int8)


@given(st.lists(st.tuples(st.integers(-(2**20), 2**20), fractions, st.integers(1, 31), st.booleans()), min_size=1))
def test_constant_channels_round_as_the_others_do(channels):
    wholes, parts, shift, summed = (np.array(values) for values in zip(*channels, strict=True))
    exact = exact_requantization(wholes + parts, shift, summed)
    for channel in np.flatnonzero(~summed):
        expected = half_even(Fraction(wholes[channel] + parts[channel]) / 2 ** int(shift[channel]))
        total = exact.bias[channel : channel + 1].astype(np.int64)
        at = slice(channel, channel + 1)
        assert int(shift_round(total, exact.shift[at], exact.rounding[at])[0]) == expected
    free = exact.rounding[~summed]
    assert len(set(free)) <= 1 or np.abs(wholes).max() + 2.0 ** int(shift.max()) >= 2**30
    if summed.any() and len(free) and len(set(exact.rounding[summed])) == 1 and shift.max() < 29:
        assert set(free) == set(exact.rounding[summed])


@given(st.integers(-(2**32) + 1, 2**32 - 1), st.integers(-31, 31), st.sampled_from([FLOOR, HALF_EVEN]))
def test_shift_round_is_exact(acc, shift, rounding):
    exact = Fraction(acc) / Fraction(2) ** shift
    expected = half_even(exact) if rounding == HALF_EVEN else exact.__floor__()
    assert int(shift_round(np.array(acc), np.array(shift), np.array(rounding))) == expected


SOURCE = """
#include "p4c_kernel.h"
void rounded(const int32_t *acc, const int8_t *shift, const int8_t *rounding, int count, int32_t *out);
void rounded(const int32_t *acc, const int8_t *shift, const int8_t *rounding, int count, int32_t *out)
{
    for (int i = 0; i < count; i++) out[i] = p4c_shift_round(acc[i], shift[i], rounding[i]);
}
"""


def test_c_rounds_like_the_compiler(tmp_path):
    """p4c_shift_round on this machine, every undefined behaviour trapped; only what a byte keeps apart counts."""
    (tmp_path / "rounded.c").write_text(SOURCE)
    flags = ["-shared", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{CSRC}"]
    checks = ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, *checks, "rounded.c", "-o", "rounded.so"]
    run_tool(command, timeout=120, what="compiling the test", cwd=tmp_path)
    edges = [0, 1, 2, 3, 127, 128, 32767, 32768, 2**23, 2**29, 2**30 - 1]
    edges += [(1 << s) + d for s in range(1, 30) for d in (-1, 0, 1)] + [3 << s for s in range(28)]
    accs = np.array(sorted({sign * edge for edge in edges for sign in (1, -1)}))
    cases = np.array(list(itertools.product(accs, range(-31, 32), (FLOOR, HALF_EVEN))))
    acc, shift, rounding = cases[:, 0].astype(np.int32), *(cases[:, i].astype(np.int8) for i in (1, 2))
    out = np.zeros(len(cases), np.int32)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (acc, shift, rounding)]
    library = ctypes.CDLL(str(tmp_path / "rounded.so"))
    library.rounded(*pointers, len(cases), out.ctypes.data_as(ctypes.c_void_p))
    expected = shift_round(acc, shift, rounding)
    np.testing.assert_array_equal(np.clip(out, -129, 128), np.clip(expected, -129, 128))


@st.composite
def small_layers(draw):
    """(lowest and highest input, weights [O, K], bias [O]) with few enough taps to try every corner."""
    low, high = sorted(draw(st.lists(st.integers(-128, 127), min_size=2, max_size=2)))
    taps, channels = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    weight = st.lists(st.integers(-128, 127), min_size=taps, max_size=taps)
    weights = draw(st.lists(weight, min_size=channels, max_size=channels))
    bias = draw(st.lists(st.integers(-(2**20), 2**20), min_size=channels, max_size=channels))
    return (low, high), np.array(weights, np.int8), np.array(bias, np.int32)


def layer_graph(limits, weights, bias):
    """A fully connected layer behind a quantizer that clamps to `limits`."""
    graph, params = Graph("bound"), QuantParams.power_of_two(4)
    shape = (1, weights.shape[1])
    graph.inputs["x"] = TensorType("f32", shape)
    clamp = {"qmin": limits[0], "qmax": limits[1]}
    graph.add(Node("q", "quantize", ("x",), TensorType("i8", shape, params), clamp))
    graph.constants["w"] = Constant(TensorType("i8", weights.shape, params), weights)
    graph.constants["b"] = Constant(TensorType("i32", bias.shape), bias)
    result = TensorType("i32", (1, len(bias)))
    graph.add(Node("y", "qfully_connected", ("q", "w", "b"), result, {"qmin": 0, "qmax": 0, "acc_bound": 0}))
    graph.outputs = ["y"]
    return graph


@given(small_layers())
@settings(max_examples=60)
def test_accumulator_bound_is_the_largest_partial_sum(layer):
    """Over every corner of the input range, every subset of the taps (0: not added yet), with and without bias."""
    limits, weights, bias = layer
    corners = np.array(list(itertools.product((*limits, 0), repeat=weights.shape[1])))
    sums = corners @ weights.T.astype(np.int64)
    largest = max(np.abs(sums).max(), np.abs(sums + bias).max())
    graph = layer_graph(limits, weights, bias)
    assert accumulator_bound(graph, graph.nodes["y"]) == largest
    assert prove_accumulators(graph).nodes["y"].int("acc_bound") == largest


def test_value_range_is_seen_through_moves_and_not_through_others():
    graph = layer_graph((-3, 90), np.ones((1, 4), np.int8), np.zeros(1, np.int32))
    type_ = graph.type_of("q")
    graph.add(Node("r", "reshape", ("q",), type_.with_(shape=(1, 1, 2, 2)), {"shape": (1, 1, 2, 2)}))
    pool = {"kernel": (1, 2), "strides": (1, 1), "pads": (0, 0, 0, 0)}
    graph.add(Node("p", "max_pool", ("r",), type_.with_(shape=(1, 1, 2, 1)), pool))
    graph.add(Node("c", "relu", ("p",), graph.type_of("p")))
    graph.inputs["stored"] = type_
    assert [value_range(graph, name) for name in ("q", "r", "p")] == [(-3, 90)] * 3
    assert [value_range(graph, name) for name in ("c", "stored")] == [(-128, 127)] * 2
