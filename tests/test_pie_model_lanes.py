"""The slow NumPy model of PIE, family by family over lanes: arithmetic, shifts, moves, complex and scalar forms."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from p4c.backend.pie.model import PieState
from p4c.backend.pie.state import limits_of

from .pie_states import DECIMAL_MODES, q, rounded, run, set_x, vectors, with_q, x

BINARY = {
    "vadd": lambda a, b: a + b,
    "vsub": lambda a, b: a - b,
    "vmax": max,
    "vmin": min,
    "vcmp.eq": lambda a, b: -(a == b),
    "vcmp.lt": lambda a, b: -(a < b),
    "vcmp.gt": lambda a, b: -(a > b),
}


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.sampled_from(["s8", "u8", "s16", "u16", "s32", "u32"]), st.sampled_from(list(BINARY)))
def test_binary_families(a, b, lanes, family):
    state = with_q(q1=a, q2=b)
    low, high = limits_of(lanes)
    pairs = list(zip(state.lanes(1, lanes), state.lanes(2, lanes), strict=True))
    run(state, "v1", f"esp.{family}.{lanes} q3, q1, q2")
    exact = [BINARY[family](*pair) for pair in pairs]
    if family.startswith("vcmp"):
        expected = [value % (high - low + 1) for value in exact]
        assert [int(v) % (high - low + 1) for v in state.lanes(3, lanes)] == expected
    else:
        assert state.lanes(3, lanes).tolist() == [min(max(v, low), high) for v in exact]


def test_vmul_saturates_as_seen_on_chip():
    a = [10, 16, 0, 255, 128, 64, 32, 4, 1, 2, 3, 5, 8, 15, 20, 100]
    b = [10, 16, 0, 1, 2, 4, 8, 64, 1, 2, 3, 5, 8, 15, 20, 100]
    state = with_q(q0=np.array(a, "u1"), q1=np.array(b, "u1"))
    run(state, "v1", "esp.vmul.u8 q2, q0, q1")
    assert q(state, 2, "u1") == [100, 255, 0, 255, 255, 255, 255, 255, 1, 4, 9, 25, 64, 225, 255, 255]
    run(state, "v3", "esp.vmul.u8 q2, q0, q1, trunc")
    assert q(state, 2, "u1") == [i * j & 255 for i, j in zip(a, b, strict=True)]


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.integers(0, 15), st.sampled_from(list(DECIMAL_MODES)))
def test_vmul_shifts_by_sar_and_rounds(a, b, shift, mode):
    state = set_x(with_q(q0=a, q1=b), a0=shift)
    products = [int(i) * int(j) for i, j in zip(state.lanes(0, "s8"), state.lanes(1, "s8"), strict=True)]
    exact = [rounded(p, shift, mode) for p in products]
    run(state, "v3", "esp.movx.w.sar a0", f"esp.vmul.s8 q2, q0, q1, 1, {mode}")
    assert q(state, 2, "i1") == [min(max(v, -128), 127) for v in exact]
    run(state, "v3", f"esp.vmul.s16.s8xs8 q3, q4, q0, q1, {mode}")
    assert q(state, 3, "<i2") + q(state, 4, "<i2") == exact


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.integers(-128, 127), st.integers(0, 10))
def test_relu_forms(a, slopes, alpha, shift):
    state = set_x(with_q(q0=a, q1=slopes, q2=a), a0=alpha, a1=shift, a2=0)
    values, factors = state.lanes(0, "s8"), state.lanes(1, "s8")
    run(state, "v1", "esp.vrelu.s8 q0, a0, a1", "esp.vprelu.s8 q3, q2, q1, a1", "esp.vrelu.s8 q2, a2, a2")
    narrow = lambda v: min(max(v, -128), 127)  # noqa: E731
    assert q(state, 0, "i1") == [v if v > 0 else narrow(v * alpha >> shift) for v in values]
    assert q(state, 3, "i1") == [v if v > 0 else narrow(v * f >> shift) for v, f in zip(values, factors, strict=True)]
    assert q(state, 2, "i1") == [max(v, 0) for v in values]


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.sampled_from([8, 16, 32]))
def test_shifts_by_lane_amounts(a, amounts, bits):
    state = with_q(q0=a, q1=amounts)
    field = {8: 16, 16: 32, 32: 64}[bits]
    run(state, "v1", f"esp.vsld.{bits} q2, q0, q1", f"esp.vsrd.{bits} q3, q0, q1")
    for left, number in ((1, 2), (-1, 3)):
        for value, raw, result in zip(*(state.lanes(n, f"s{bits}") for n in (0, 1, number)), strict=True):
            amount = left * ((raw + field // 2) % field - field // 2)
            exact = value << amount if amount >= 0 else value >> -amount
            assert (result - exact) % (1 << bits) == 0


def test_shifts_by_sar():
    lanes = np.array([1, 0x40000000, 0x80000001, 0xFFFFFFFF], "<u4")
    state = set_x(with_q(q0=lanes), a0=33)
    run(state, "v1", "esp.movx.w.sar a0", "esp.vsl.32 q1, q0", "esp.vsr.u32 q2, q0", "esp.vsr.s32 q3, q0")
    assert q(state, 1, "<u4") == [2, 0x80000000, 2, 0xFFFFFFFE]
    assert q(state, 2, "<u4") == [0, 0x20000000, 0x40000000, 0x7FFFFFFF]
    assert q(state, 3, "<u4") == [0, 0x20000000, 0xC0000000, 0xFFFFFFFF]
    run(state, "v3", "esp.vsl.u32 q1, q0", "esp.vsl.s32 q4, q0", "esp.vsr.u32 q2, q0, rne")
    assert q(state, 1, "<u4") == [2, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF]
    assert q(state, 4, "<u4") == [2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE]
    assert q(state, 2, "<u4") == [0, 0x20000000, 0x40000000, 0x80000000]


def test_clamps_and_absolute_values():
    bytes_ = np.array([-128, -127, -1, 0, 1, 100, 126, 127] * 2, "i1")
    state = set_x(with_q(q0=bytes_, q1=np.array([-32768, -129, -128, 0, 127, 128, 129, 32767], "<i2")), a0=100, a1=-2)
    run(state, "v3", "esp.vabs.8 q2, q0", "esp.vsat.s8 q3, q0, a0, a1", "esp.vsat.s8 q4, q0, a1, a0")
    run(state, "v3", "esp.vclamp.s16 q5, q1, 7", "esp.vsadds.s8 q6, q0, a0", "esp.vssubs.u8 q7, q0, a0")
    assert q(state, 2, "i1")[:8] == [127, 127, 1, 0, 1, 100, 126, 127]
    assert q(state, 3, "i1")[:8] == q(state, 4, "i1")[:8] == [-2, -2, -1, 0, 1, 100, 100, 100]
    assert q(state, 5, "<i2") == [-128, -128, -128, 0, 127, 127, 127, 127]
    assert q(state, 6, "i1")[:8] == [-28, -27, 99, 100, 101, 127, 127, 127]
    assert q(state, 7, "u1")[:8] == [28, 29, 155, 0, 0, 0, 26, 27]


def test_horizontal_results_and_single_lanes():
    state = set_x(with_q(q0=np.array([-7, 120, -128, 3] * 4, "i1")), a4=0x12345680)
    run(state, "v3", "esp.max.s8.a q0, a0", "esp.min.s8.a q0, a1", "esp.max.u8.a q0, a2", "esp.min.u8.a q0, a3")
    assert [x(state, f"a{n}") for n in range(4)] == [120, 0xFFFFFF80, 249, 3]
    run(state, "v3", "esp.movi.8.a q0, a0, 2", "esp.movi.16.a q0, a1, 7", "esp.movi.32.a q0, a2, 1")
    assert [x(state, f"a{n}") for n in range(3)] == [0x80, 0x0380, 0x038078F9]
    run(state, "v3", "esp.movi.8.q q0, a4, 15", "esp.movi.16.q q0, a4, 1", "esp.movi.32.q q0, a4, 1")
    assert state.q[0].tobytes().hex() == "f978805680563412f9788003f9788080"


def test_zips_and_their_inverses():
    a, b, c = (np.arange(16, dtype="u1") + n for n in (0, 100, 200))
    for lanes in (8, 16, 32):
        state = with_q(q0=a, q1=b)
        run(state, "v1", f"esp.vzip.{lanes} q0, q1")
        mixed = np.stack([v.view(f"<u{lanes // 8}") for v in (a, b)], axis=1).ravel()
        assert state.q[:2].tobytes() == mixed.tobytes()
        run(state, "v1", f"esp.vunzip.{lanes} q0, q1")
        assert state.q[:2].tobytes() == a.tobytes() + b.tobytes()
    # Three planes of colour from 48 interleaved bytes and back.
    state = with_q(q0=a, q1=b, q2=c)
    run(state, "v3", "esp.vzipt.8 q0, q1, q2")
    assert state.q[:3].tobytes() == bytes(itertools.chain(*zip(a, b, c, strict=True)))
    run(state, "v3", "esp.vunzipt.8 q0, q1, q2")
    assert state.q[:3].tobytes() == a.tobytes() + b.tobytes() + c.tobytes()


def test_shifts_of_pairs_as_seen_on_chip():
    low, high = bytes(range(16)), bytes(range(16, 32))
    state = with_q(q0=low, q1=high)
    run(state, "v1", "esp.slci.2q q0, q1, 2")
    assert q(state, 0, "u1") == [29, 30, 31, *range(13)]
    assert q(state, 1, "u1") == [0, 0, 0, *range(16, 29)]
    state = with_q(q0=high, q1=low)
    run(state, "v1", "esp.srci.2q q0, q1, 0")
    assert q(state, 0, "u1") == [*range(17, 32), 0]
    assert q(state, 1, "u1") == list(range(1, 17))
    # Vendor idiom: keep the first 5 bytes, blank the rest.
    state = set_x(with_q(q0=high), a0=15 - 5, a1=0)
    run(state, "v3", "esp.slcxxp.2q q7, q0, a0, a1", "esp.srcxxp.2q q0, q7, a0, a1")
    assert q(state, 0, "u1") == [16, 17, 18, 19, 20, *[0] * 11]


def test_complex_products():
    state = with_q(
        q0=np.array([100, 200, 50, -100, 3, 4, 0, 1], "<i2"), q1=np.array([10, 20, -5, 10, 2, 0, 0, 1], "<i2")
    )
    run(state, "v1", "esp.cmul.s16 q2, q0, q1, 0", "esp.cmul.s16 q3, q0, q1, 3", "esp.vcmulas.s16.qacc.h q0, q1")
    assert q(state, 2, "<i2") == [-3000, 4000, 750, 1000, 0, 0, 0, 0]
    assert q(state, 3, "<i2") == [0, 0, 0, 0, 6, -8, 1, 0]
    assert state.accumulators("s16").tolist() == [0, 0, 0, 0, 6, 8, -1, 0]


def test_scalar_arithmetic():
    state = set_x(PieState(), a0=100, a1=25, a2=5, t0=-1)
    run(state, "v1", "esp.addx2 t1, a0, a1", "esp.addx4 t2, a0, a1", "esp.subx2 t3, a0, a1", "esp.subx4 t4, a0, a1")
    assert [x(state, name) for name in ("t1", "t2", "t3", "t4")] == [150, 200, 50, 0]
    run(state, "v1", "esp.sat a0, a1, a2", "esp.sat t0, a1, a2", "esp.addx2 zero, a1, a1")
    assert (x(state, "a0"), x(state, "t0"), x(state, "zero")) == (25, 5, 0)
