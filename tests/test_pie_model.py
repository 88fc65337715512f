"""The slow NumPy model of PIE against facts: rounding, saturation, lanes, alignment, vendor idioms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4c.backend.pie.assembler import ROUNDING
from p4c.backend.pie.model import UNCERTAIN, FlatMemory, NotModelledError, PieState, execute, is_modelled, step
from p4c.backend.pie.op import WRAPS_ON_V1
from p4c.backend.pie.table import REVISIONS, instructions

from .pie_states import BASE, DECIMAL_MODES, q, rounded, run, set_x, vectors, with_q, x

int32 = st.integers(-(1 << 31), (1 << 31) - 1)


# Rounding and read-out.


@pytest.mark.parametrize(
    ("sixteenths", "expected"),
    [
        (88, [5, 6, 6, 5, 6, 5, 6]),
        (40, [2, 3, 3, 2, 3, 2, 2]),
        (26, [1, 2, 2, 1, 2, 2, 2]),
        (17, [1, 2, 2, 1, 1, 1, 1]),
        (16, [1, 1, 1, 1, 1, 1, 1]),
        (-16, [-1, -1, -1, -1, -1, -1, -1]),
        (-17, [-2, -1, -2, -1, -1, -1, -1]),
        (-26, [-2, -1, -2, -1, -2, -2, -2]),
        (-40, [-3, -2, -3, -2, -3, -2, -2]),
        (-88, [-6, -5, -6, -5, -6, -5, -6]),
        (8, [0, 1, 1, 0, 1, 0, 0]),
        (-8, [-1, 0, -1, 0, -1, 0, 0]),
    ],
)
def test_every_rounding_mode_of_srcmb(sixteenths, expected):
    for mode, result in zip(DECIMAL_MODES, expected, strict=True):
        for rev in REVISIONS:
            state = set_x(PieState(), a0=4)
            state.qacc = np.full(16, sixteenths, "<i4").view(np.uint8)
            state.write_cfg(ROUNDING[mode] << 4)
            run(state, rev, "esp.srcmb.s8.qacc q3, a0, 1")
            assert q(state, 3, "i1") == [result] * 16, (mode, rev)
        state.write_cfg(0)
        run(state, "v3", f"esp.srcmb.s8.qacc q3, a0, 1, {mode}")
        assert q(state, 3, "i1") == [result] * 16


@settings(max_examples=40, deadline=None)
@given(st.lists(int32, min_size=16, max_size=16), st.integers(0, 31), st.sampled_from(list(DECIMAL_MODES)))
def test_srcmb_is_the_decimal_quotient_saturated(values, shift, mode):
    state = set_x(PieState(), a0=shift)
    state.qacc = np.array(values, "<i4").view(np.uint8)
    run(state, "v3", f"esp.srcmb.s8.qacc q0, a0, 1, {mode}")
    assert q(state, 0, "i1") == [min(max(rounded(v, shift, mode), -128), 127) for v in values]
    run(state, "v3", f"esp.srcmb.s8.qacc q1, a0, 0, {mode}")
    assert q(state, 1, "u1") == [rounded(v, shift, mode) & 255 for v in values]


@settings(max_examples=40, deadline=None)
@given(st.lists(int32, min_size=16, max_size=16), st.lists(st.integers(0, 31), min_size=16, max_size=16))
def test_srcmb_q_shifts_each_lane(values, shifts):
    state = with_q(q7=np.array(shifts, "i1"))
    state.qacc = np.array(values, "<i4").view(np.uint8)
    state.write_cfg(0x60)
    run(state, "v1", "esp.srcmb.s8.q.qacc q0, q7, 1")
    expected = [min(max(rounded(v, s, "rne"), -128), 127) for v, s in zip(values, shifts, strict=True)]
    assert q(state, 0, "i1") == expected


def test_negative_amounts_of_srcmb_q_shift_left():
    state = with_q(q7=np.full(16, -2, "i1"))
    state.qacc = np.array([5, -5, 40, -40] * 4, "<i4").view(np.uint8)
    run(state, "v3", "esp.srcmb.s8.q.qacc q0, q7, 1")
    assert q(state, 0, "i1") == [20, -20, 127, -128] * 4


def test_unnecessary_rounding_is_noted():
    state = set_x(PieState(), a0=1)
    state.write_cfg(0x70)
    state.qacc = np.full(16, 4, "<i4").view(np.uint8)
    run(state, "v1", "esp.srcmb.s8.qacc q0, a0, 1", "esp.movx.r.cfg a1")
    assert x(state, "a1") == 0x70
    state.qacc = np.full(16, 5, "<i4").view(np.uint8)
    run(state, "v1", "esp.srcmb.s8.qacc q0, a0, 1", "esp.movx.r.cfg a1")
    assert x(state, "a1") == 0x78


def test_saturation_is_noted_until_cfg_is_read():
    state = with_q(q0=np.full(16, 127, "i1"))
    run(state, "v1", "esp.vadd.s8 q1, q0, q0", "esp.movx.r.cfg a0")
    assert x(state, "a0") == 0
    state.write_cfg(0x100)
    run(state, "v1", "esp.vadd.s8 q1, q0, q0", "esp.movx.r.cfg a0", "esp.movx.r.cfg a1")
    assert (x(state, "a0"), x(state, "a1")) == (0x104, 0x100)


# Multiply-accumulate.


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.sampled_from(["s8", "u8", "s16", "u16"]), st.sampled_from(REVISIONS))
def test_multiply_accumulate_forms(a, b, lanes, rev):
    kind = lanes.replace("s", "i").replace("u", "u")
    dtype = f"<{kind[0]}{int(lanes[1:]) // 8}"
    left, right = (np.frombuffer(v, dtype).astype(object) for v in (a, b))
    state = with_q(q1=a, q2=b)
    run(state, rev, "esp.zero.qacc", "esp.zero.xacc")
    run(state, rev, f"esp.vmulas.{lanes}.qacc q1, q2", f"esp.vsmulas.{lanes}.qacc q1, q2, 5")
    run(state, rev, f"esp.vmulas.{lanes}.xacc q1, q2")
    assert state.accumulators(lanes).tolist() == (left * right + left * right[5]).tolist()
    assert state.xacc == int((left * right).sum()) & ((1 << 40) - 1)


def test_accumulator_lanes_are_in_channel_order():
    state = with_q(q0=np.arange(16, dtype="i1") - 8, q1=np.ones(16, "i1"))
    memory = FlatMemory(BASE, np.arange(16, dtype="<i4") * -1000)
    set_x(state, a0=BASE, a1=BASE + 64)
    memory.data += bytes(64)
    quarters = ("l.l", "l.h", "h.l", "h.h")
    run(state, "v3", *(f"esp.ld.qacc.{p}.128.ip a0, 16" for p in quarters), memory=memory)
    run(state, "v3", "esp.vmulas.s8.qacc q0, q1", memory=memory)
    run(state, "v3", *(f"esp.st.qacc.{p}.128.ip a1, 16" for p in quarters), memory=memory)
    stored = np.frombuffer(memory.read(BASE + 64, 64), "<i4")
    assert stored.tolist() == [n * -1000 + n - 8 for n in range(16)]
    assert (x(state, "a0"), x(state, "a1")) == (BASE + 64, BASE + 128)


def test_fused_forms_use_the_old_registers():
    weights, inputs, following = (np.arange(16, dtype="i1") + n for n in (1, 20, 40))
    state = set_x(with_q(q1=weights, q0=inputs), a1=BASE, a2=BASE + 16)
    memory = FlatMemory(BASE, following.tobytes() + bytes(48))
    run(state, "v3", "esp.vsmulas.s8.qacc.ld.incp q1, a1, q1, q0, 3", memory=memory)
    assert state.accumulators("s8").tolist() == [int(w) * 23 for w in weights]
    assert q(state, 1, "i1") == following.tolist()
    assert x(state, "a1") == BASE + 16
    run(state, "v3", "esp.vadd.s8.st.incp q0, a2, q0, q0, q0", memory=memory)
    assert memory.read(BASE + 16, 16) == inputs.tobytes()
    assert q(state, 0, "i1") == (inputs * 2).tolist()
    set_x(state, a1=BASE + 3, a3=-48)
    run(state, "v1", "esp.vmulas.s8.qacc.ldbc.incp q5, a1, q0, q0", memory=memory)
    assert (q(state, 5, "i1"), x(state, "a1")) == ([43] * 16, BASE + 4)
    run(state, "v1", "esp.vmulas.s8.xacc.ld.xp q6, a1, a3, q0, q0", memory=memory)
    assert (q(state, 6, "i1"), x(state, "a1")) == (following.tolist(), BASE + 4 - 48)


@pytest.mark.parametrize(("start", "sat", "end"), [(2**31 - 5, 1, 2**31 - 1), (2**31 - 5, 0, -(2**31) + 16124)])
def test_accumulators_saturate_unless_told_to_wrap(start, sat, end):
    state = with_q(q0=np.full(16, 127, "i1"))
    state.qacc = np.full(16, start, "<i4").view(np.uint8)
    run(state, "v3", f"esp.vmulas.s8.qacc q0, q0, {sat}")
    assert state.accumulators("s8").tolist() == [end] * 16


def test_xacc_saturates_at_40_bits_and_reads_back():
    state = set_x(with_q(q0=np.full(8, -32768, "<i2"), q1=np.full(8, 32767, "<i2")), a0=BASE, a2=0)
    memory = FlatMemory(BASE, (-(2**39)).to_bytes(8, "little", signed=True) + bytes(24))
    run(state, "v1", "esp.ld.xacc.ip a0, 8", "esp.vmulas.s16.xacc q0, q1", "esp.st.s.xacc.ip a0, 8", memory=memory)
    assert int.from_bytes(memory.read(BASE + 8, 8), "little", signed=True) == -(2**39)
    run(state, "v1", "esp.st.u.xacc.ip a0, 8", "esp.srs.s.xacc a1, a2", memory=memory)
    assert int.from_bytes(memory.read(BASE + 16, 8), "little") == 2**39
    assert x(state, "a1") == 2**31


@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**39), 2**39 - 1), st.integers(0, 39), st.sampled_from(list(DECIMAL_MODES)))
def test_srs_rounds_saturates_and_writes_back(value, shift, mode):
    state = set_x(PieState(), a1=shift)
    state.xacc = value & (2**40 - 1)
    state.write_cfg(ROUNDING[mode] << 4)
    run(state, "v1", "esp.srs.s.xacc a0, a1")
    exact = rounded(value, shift, mode)
    assert x(state, "a0") == min(max(exact, -(2**31)), 2**31 - 1) & 0xFFFFFFFF
    assert state.xacc == exact & (2**40 - 1)


def test_xacc_moves():
    state = set_x(PieState(), a0=0xABCDEF01, a1=0x42)
    run(state, "v3", "esp.movx.w.xacc.l a0", "esp.movx.w.xacc.h a1", "esp.movx.r.xacc.l a2", "esp.movx.r.xacc.h a3")
    assert (x(state, "a2"), x(state, "a3"), state.xacc) == (0xABCDEF01, 0x42, 0x42ABCDEF01)
    run(state, "v3", "esp.movx.w.xacc.l a1")
    assert state.xacc == 0x4200000042


@pytest.mark.parametrize(("source", "lanes"), [("s8", 16), ("u8", 16), ("s16", 8), ("u16", 8)])
def test_accumulators_take_extended_lanes(source, lanes):
    state = set_x(with_q(q3=np.arange(240, 256, dtype="u1")), a0=BASE)
    memory = FlatMemory(BASE, state.q[3].tobytes())
    run(state, "v3", f"esp.mov.{source}.qacc q3")
    expected = state.lanes(3, source).tolist()
    assert state.accumulators(source).tolist() == expected
    assert len(expected) == lanes
    run(state, "v3", "esp.zero.qacc", f"esp.ldqa.{source}.128.ip a0, 16", memory=memory)
    assert state.accumulators(source).tolist() == expected


# Memory.


@pytest.mark.parametrize("offset", range(16))
def test_low_address_bits_are_dropped_unless_cfg_splits(offset):
    memory = FlatMemory(BASE, bytes(range(64)))
    state = set_x(PieState(), a0=BASE + offset, a1=BASE + 32 + offset)
    run(state, "v3", "esp.vld.128.ip q0, a0, 16", "esp.vld.l.64.ip q1, a0, 0", memory=memory)
    assert q(state, 0, "u1") == list(range(16))
    assert q(state, 1, "u1") == [*range(16 + offset // 8 * 8, 24 + offset // 8 * 8), *[0] * 8]
    assert x(state, "a0") == BASE + 16 + offset
    state.write_cfg(3)
    run(state, "v3", "esp.vld.128.ip q2, a0, 0", "esp.vst.128.ip q2, a1, -16", memory=memory)
    assert q(state, 2, "u1") == list(range(16 + offset, 32 + offset))
    assert memory.read(BASE + 32 + offset, 16) == bytes(range(16 + offset, 32 + offset))
    assert x(state, "a1") == BASE + 16 + offset


@pytest.mark.parametrize(("cfg", "loaded", "stored"), [(0, 0, 32), (1, 0, 37), (2, 5, 32), (3, 5, 37)])
def test_loads_and_stores_are_split_apart(cfg, loaded, stored):
    memory = FlatMemory(BASE, bytes(range(64)))
    state = set_x(PieState(), a0=BASE + 5, a1=BASE + 37)
    state.write_cfg(cfg)
    run(state, "v1", "esp.vld.128.ip q0, a0, 0", "esp.vst.128.ip q0, a1, 0", memory=memory)
    assert state.q[0].tobytes() == bytes(range(loaded, loaded + 16))
    assert memory.read(BASE + stored, 16) == state.q[0].tobytes()
    # Loads for splicing stay aligned: the splice does the rest.
    run(state, "v1", "esp.ld.128.usar.ip q1, a0, 0", memory=memory)
    assert (state.q[1].tobytes(), state.sar_byte) == (bytes(range(16)), 5)


@pytest.mark.parametrize("offset", range(16))
@pytest.mark.parametrize("rev", REVISIONS)
def test_unaligned_copies_by_splicing(offset, rev):
    memory = FlatMemory(BASE, bytes(range(64)) + bytes(64))
    wanted = bytes(range(offset, offset + 16))
    state = set_x(PieState(), a0=BASE + offset, a1=BASE + 64)
    run(state, rev, "esp.ld.128.usar.ip q0, a0, 16", "esp.vld.128.ip q1, a0, 16", memory=memory)
    run(state, rev, "esp.src.q q2, q0, q1", "esp.srcq.128.st.incp q0, q1, a1", memory=memory)
    assert state.q[2].tobytes() == wanted
    assert memory.read(BASE + 64, 16) == wanted
    assert x(state, "a1") == BASE + 80
    run(state, rev, "esp.src.q.qup q3, q0, q1", memory=memory)
    assert state.q[3].tobytes() == wanted
    assert state.q[0].tobytes() == state.q[1].tobytes()
    run(state, rev, "esp.src.q.ld.ip q4, a0, 16, q0, q1", memory=memory)
    assert q(state, 4, "u1") == list(range(32, 48))
    assert state.q[0].tobytes() == bytes((offset + n) % 16 + 16 for n in range(16))


def test_broadcast_extend_and_halves():
    data = np.arange(16, dtype="<i2") * -257
    memory = FlatMemory(BASE, data)
    state = set_x(PieState(), a0=BASE + 2, a1=BASE, a2=-2)
    run(
        state,
        "v1",
        "esp.vldbc.16.xp q0, a0, a2",
        "esp.vldbc.8.ip q1, a0, 1",
        "esp.vldbc.32.ip q2, a0, 4",
        memory=memory,
    )
    assert q(state, 0, "<i2") == [-257] * 8
    assert q(state, 1, "i1") == [0] * 16
    assert state.q[2].tobytes() == data.tobytes()[:4] * 4
    assert x(state, "a0") == BASE + 5
    run(state, "v1", "esp.vldext.s16.ip q3, q4, a1, 16", "esp.vldext.u8.ip q5, q6, a1, -16", memory=memory)
    assert q(state, 3, "<i4") + q(state, 4, "<i4") == data[:8].tolist()
    assert q(state, 5, "<u2") + q(state, 6, "<u2") == list(data.tobytes()[16:])
    run(state, "v1", "esp.vldhbc.16.incp q3, q4, a1", "esp.vld.h.64.ip q3, a1, 8", memory=memory)
    assert q(state, 4, "<i2") == np.repeat(data[4:8], 2).tolist()
    assert q(state, 3, "<i2") == [*np.repeat(data[:2], 2).tolist(), *data[8:12].tolist()]


def test_vendor_table_look_up():
    """256 int8 results by gathers of words, as ESP-DL does it: indices, ldxq, per-lane shifts, unzip."""
    table = (np.arange(256) * 7 % 251 - 125).astype("i1")
    inputs = np.array([-128, -127, -1, 0, 1, 2, 126, 127], "i1")
    memory = FlatMemory(BASE, table.tobytes() + inputs.tobytes() + bytes(8))
    for rev in REVISIONS:
        state = set_x(with_q(q7=np.full(16, 128, "u1")), a0=BASE + 264, a1=BASE + 256, a3=BASE)
        state.q[5], state.q[6] = (np.full(8, n, "<u2").view(np.uint8) for n in (3, 2))
        gathers = [f"esp.ldxq.32 q{3 + n // 4}, q2, a3, {n % 4}, {n}" for n in range(8)]
        run(state, rev, "esp.vld.l.64.ip q4, a1, 8", "esp.xorq q4, q4, q7", "esp.vext.u8 q0, q1, q4", memory=memory)
        run(state, rev, "esp.vsrd.16 q2, q0, q6", *gathers, "esp.andq q0, q0, q5", memory=memory)
        run(state, rev, "esp.vsld.16 q0, q0, q5", "esp.vext.u16 q2, q1, q0", memory=memory)
        run(state, rev, "esp.vsrd.32 q3, q3, q2", "esp.vsrd.32 q4, q4, q1", "esp.vunzip.16 q3, q4", memory=memory)
        run(state, rev, "esp.zero.q q4", "esp.vunzip.8 q3, q4", "esp.vst.l.64.ip q3, a0, 8", memory=memory)
        assert memory.read(BASE + 264, 8) == table[inputs.astype(int) + 128].tobytes()


def test_gather_and_scatter_keep_the_base():
    memory = FlatMemory(BASE, bytes(range(64)))
    state = set_x(with_q(q1=np.array([0, 5, 9, 2, 0, 0, 0, 7], "<u2")), a0=BASE)
    run(state, "v3", "esp.ldxq.32 q0, q1, a0, 2, 7", "esp.stxq.32 q0, q1, a0, 2, 1", memory=memory)
    assert q(state, 0, "u1") == [0] * 8 + [28, 29, 30, 31] + [0] * 4
    assert memory.read(BASE + 20, 4) == bytes([28, 29, 30, 31])
    assert x(state, "a0") == BASE
    # An index has no sign: 40000 words lie above the base.
    far = FlatMemory(BASE + 160000, bytes([1, 2, 3, 4]))
    state = set_x(with_q(q1=np.full(8, 40000, "<u2")), a0=BASE)
    run(state, "v3", "esp.ldxq.32 q0, q1, a0, 0, 0", memory=far)
    assert q(state, 0, "u1")[:4] == [1, 2, 3, 4]


# Coverage.


def random_state(rng):
    state = PieState()
    state.q, state.qacc = rng.integers(0, 256, (8, 16), np.uint8), rng.integers(0, 256, 64, np.uint8)
    state.xacc, state.cfg, state.sar = int(rng.integers(2**40)), int(rng.integers(8)) << 4, int(rng.integers(64))
    for number in range(32):
        state.set_x(number, (1 << 18) + 8 * number + int(rng.integers(32)))
    return state


def outcome(row, operands, rev, seed):
    """Everything an instruction can change, from a random state."""
    state, memory = random_state(np.random.default_rng(seed)), FlatMemory(0, bytes(range(256)) * 2048)
    execute(state, memory, row, operands, rev)
    assert state.q.dtype == state.qacc.dtype == np.uint8
    assert (state.q.shape, state.qacc.shape) == ((8, 16), (64,))
    assert 0 <= state.xacc < 1 << 40
    registers = [state.x(number) for number in range(32)]
    return state.q.tobytes(), state.qacc.tobytes(), state.xacc, state.sar_byte, state.cfg, registers, memory.data


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32))
def test_every_modelled_instruction_executes_alike_on_both_revisions(seed):
    rng = np.random.default_rng(seed)
    for row in instructions().values():
        if not is_modelled(row):
            continue
        results = {}
        shared = next(iter(row.encodings.values()))
        operands = {f.name: f.values[rng.integers(len(f.values))] for f in shared.fields[: shared.shown]}
        for rev in row.encodings:
            results[rev] = outcome(row, operands, rev, seed)
        if row.family not in WRAPS_ON_V1 and len(results) == 2:
            assert results["v1"] == results["v3"], row.mnemonic


def test_what_is_not_modelled_is_named():
    missing = {row.family for row in instructions().values() if not is_modelled(row)}
    loops = {"lp.count", "lp.counti", "lp.endi", "lp.setup", "lp.setupi", "lp.starti"}
    fft = {"fft.ams", "fft.bitrev", "fft.cmul", "fft.r2bf", "fft.vst"}
    assert missing == loops | fft | {"movx.r.perf", "movx.w.perf"}
    with pytest.raises(NotModelledError, match=r"esp\.fft\.bitrev is not modelled"):
        run(PieState(), "v3", "esp.fft.bitrev q0, a0")
    with pytest.raises(NotModelledError, match="0x00000013 is no PIE instruction"):
        step(PieState(), FlatMemory(0, b""), 0x13, "v1")
    assert all(len(row) == 2 for row in UNCERTAIN)
