"""Integer arithmetic against exact rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4c.compiler import numerics
from p4c.compiler.ir import NUMPY_DTYPES, QuantParams, TensorType
from p4c.compiler.numerics import FLOOR, HALF_EVEN, shift_round
from p4c.compiler.ops.elementwise import quantized_bound


def rounded(value, rounding):
    """A Fraction rounded to an integer; Python's round is half to even."""
    return math.floor(value) if rounding == FLOOR else round(value)


def shift_by_rationals(acc, shift, rounding):
    return rounded(Fraction(acc) / Fraction(2) ** shift, rounding)


SHIFTS = (-31, -8, -1, 0, 1, 2, 3, 7, 8, 15, 24, 30, 31)


@pytest.mark.parametrize("rounding", [FLOOR, HALF_EVEN])
@pytest.mark.parametrize("shift", SHIFTS)
def test_shift_round_at_ties_and_limits(shift, rounding):
    half = (1 << shift >> 1) if shift > 0 else 1
    near = [sign * multiple * half + step for multiple in range(9) for sign in (1, -1) for step in (-1, 0, 1)]
    accumulators = [*near, 2**31 - 1, -(2**31), 2**32 - 1, 1 - 2**32]
    expected = [shift_by_rationals(acc, shift, rounding) for acc in accumulators]
    # As the graph holds them: i8 vectors, of which an i8 -128 must not wrap.
    found = shift_round(np.array(accumulators), np.array([shift], np.int8), np.array([rounding], np.int8))
    assert found.tolist() == expected
    assert found.dtype == np.int64


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-31, 31), st.sampled_from([0, 6])), min_size=1)
)
def test_shift_round_elementwise(rows):
    acc, shift, rounding = (np.array(column) for column in zip(*rows, strict=True))
    expected = [shift_by_rationals(*row) for row in rows]
    assert shift_round(acc.astype(np.int32), shift.astype(np.int8), rounding.astype(np.int8)).tolist() == expected


def test_a_float_bias_meets_no_tie():
    """Design, Numerics: for a bias off the grid, floor((acc + floor(b) + 2^(s-1)) >> s) is half-even of the real."""
    for shift in range(1, 6):
        for bias in (Fraction(1, 3), Fraction(-7, 4), Fraction(2**shift, 2) + Fraction(1, 1024), Fraction(-9, 2)):
            for acc in range(-70, 70):
                preloaded = np.array([acc + math.floor(bias) + (1 << shift - 1)])
                found = shift_round(preloaded, np.array([shift]), np.array([FLOOR]))
                assert found.tolist() == [round((acc + bias) / 2**shift)]


@pytest.mark.parametrize("dtype", ["i8", "u8", "i16"])
@pytest.mark.parametrize(("exponent", "zero_point"), [(0, 0), (4, 0), (-3, 5), (7, 100)])
def test_quantize_with_power_of_two_scales(dtype, exponent, zero_point):
    type_ = TensorType(dtype, (1,), QuantParams((2.0**-exponent,), (zero_point,)))
    steps = np.arange(-700, 700)
    reals = (steps * 2.0 ** (-exponent - 2)).astype(np.float32)
    low, high = numerics.dtype_range(dtype)
    expected = [min(max(round(Fraction(int(step), 4)) + zero_point, low), high) for step in steps]
    assert numerics.quantize(reals, type_, low, high).tolist() == expected
    assert numerics.quantize(np.array([np.inf, -np.inf], np.float32), type_, low, high).tolist() == [high, low]
    narrow = [min(max(value, -3), 5) if dtype != "u8" else min(max(value, 3), 5) for value in expected]
    assert numerics.quantize(reals, type_, 3 if dtype == "u8" else -3, 5).tolist() == narrow


def test_dequantize_is_exact_for_powers_of_two():
    q = np.arange(-128, 128, dtype=np.int8)
    type_ = TensorType("i8", (256,), QuantParams((2.0**-5,), (-3,)))
    assert numerics.dequantize(q, type_).tolist() == [(value + 3) / 32 for value in range(-128, 128)]
    assert numerics.dequantize(q, type_.with_(params=None)).tolist() == list(range(-128, 128))


def test_params_along_an_axis():
    params = QuantParams((0.5, 2.0), (1, -1), axis=1)
    type_ = TensorType("i8", (2, 2, 1), params)
    q = np.array([[[3], [3]], [[-5], [7]]], np.int8)
    assert numerics.dequantize(q, type_).tolist() == [[[1.0], [8.0]], [[-3.0], [16.0]]]
    assert numerics.quantize(numerics.dequantize(q, type_), type_, -128, 127).tolist() == q.tolist()
    scale, zero_point = numerics.broadcast_params(params, 3)
    assert (scale.shape, scale.dtype, zero_point.dtype) == ((1, 2, 1), np.float32, np.int64)


@pytest.mark.parametrize("dtype", [name for name in NUMPY_DTYPES if name != "f32"])
def test_dtype_range(dtype):
    info = np.iinfo(NUMPY_DTYPES[dtype])
    assert numerics.dtype_range(dtype) == (info.min, info.max)


@pytest.mark.parametrize("bound", [0.0, 6.0, -1.0, 0.03125, 0.09375, 100.0, -100.0, math.inf, -math.inf])
def test_clamping_stored_integers_is_clamping_the_reals(bound):
    type_ = TensorType("i8", (1,), QuantParams((2.0**-4,), (7,)))
    reals = np.linspace(-12, 12, 2001, dtype=np.float32)
    stored = numerics.quantize(reals, type_, -128, 127)
    upper = numerics.quantize(np.minimum(reals, np.float32(bound)), type_, -128, 127)
    lower = numerics.quantize(np.maximum(reals, np.float32(bound)), type_, -128, 127)
    assert np.minimum(stored, quantized_bound(bound, type_)).tolist() == upper.tolist()
    assert np.maximum(stored, quantized_bound(bound, type_)).tolist() == lower.tolist()


@pytest.mark.parametrize(
    ("scale", "exponents"),
    [
        ((0.5,), (1,)),
        ((4.0,), (-2,)),
        ((2.0**-149,), (149,)),
        ((0.5, 1.0), (1, 0)),
        ((0.75,), None),
        ((0.5, 0.1), None),
    ],
)
def test_exponents(scale, exponents):
    params = QuantParams(scale, (0,) * len(scale), None if len(scale) == 1 else 0)
    assert params.exponents == exponents
    assert params.exponent == (exponents[0] if exponents and len(scale) == 1 else None)
