"""Every rounding tie and saturation edge of the read-outs and of MAC chains, in the simulator and in the model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from p4c.backend.pie.state import CFG_SAT_ENABLE, CFG_VXRM_SHIFT, PieState
from p4c.backend.pie.table import REVISIONS, instructions

from .simulator_pie import Pair

MODES = range(8)
AMOUNTS = (0, 1, 2, 8, 15, 31, 32, 40, 63)
LANES = {"s8": (-128, 127), "u8": (0, 255), "s16": (-32768, 32767), "u16": (0, 65535)}
RS1 = 10


def edges(low, high, amount, bits):
    """Around every tie near zero and at both ends of the lane type, and the ends of the accumulators."""
    half = (1 << amount) >> 1
    near = (*range(-2, 3), low - 1, low, high - 1, high)
    ties = [(value << amount) + half + off for value in near for off in (-half, -1, 0, 1)]
    ends = [(1 << (bits - 1)) + off for off in (-2, -1, 0, 1)]
    return [value & ((1 << bits) - 1) for value in (*ties, *ends)]


def states(values, bits):
    """QACC full of the values, in as many states as it takes."""
    lanes, dtype = 512 // bits, np.uint32 if bits == 32 else np.uint64
    for first in range(0, len(values), lanes):
        state = PieState()
        chunk = (values[first : first + lanes] * lanes)[:lanes]
        state.qacc[:] = np.array(chunk, dtype).view(np.uint8)
        yield state


def operands_of(instruction, rev, **values):
    """The given operands, as far as the instruction has them; 1 for the others."""
    return {field.name: values.get(field.name, 1) for field in instruction.encodings[rev].fields}


@pytest.mark.parametrize("rev", REVISIONS)
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("form", ["qacc", "q.qacc"])
def test_read_out(rev, lanes, form):
    instruction = instructions()[f"esp.srcmb.{lanes}.{form}"]
    pair, bits = Pair(rev, 3), 4 * int(lanes[1:])
    for amount, mode, sat, noted in itertools.product(AMOUNTS, MODES, (0, 1), (0, CFG_SAT_ENABLE)):
        for state in states(edges(*LANES[lanes], amount, bits), bits):
            state.cfg = mode << CFG_VXRM_SHIFT | noted
            state.set_x(RS1, amount)
            state.q[2] = np.full(128 // int(lanes[1:]), amount, f"u{int(lanes[1:]) // 8}").view(np.uint8)
            operands = operands_of(instruction, rev, rs1=RS1, qw=2, sat=sat, rm=7)
            pair.check_state(instruction, operands, state)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("mode", MODES)
def test_rounding_operand_of_v3(lanes, mode):
    """The instruction's own mode, whatever CFG says; 7 means CFG."""
    instruction, pair, bits = instructions()[f"esp.srcmb.{lanes}.qacc"], Pair("v3", 4), 4 * int(lanes[1:])
    for amount, dynamic in itertools.product((1, 5, 31), MODES):
        for state in states(edges(*LANES[lanes], amount, bits), bits):
            state.cfg = dynamic << CFG_VXRM_SHIFT
            state.set_x(RS1, amount)
            pair.check_state(instruction, operands_of(instruction, "v3", rs1=RS1, rm=mode), state)


@pytest.mark.parametrize("rev", REVISIONS)
@pytest.mark.parametrize("sign", "su")
def test_xacc_read_out(rev, sign):
    instruction, pair = instructions()[f"esp.srs.{sign}.xacc"], Pair(rev, 5)
    for amount, mode, sat in itertools.product(AMOUNTS, MODES, (0, 1)):
        for value in edges(-(1 << 31), (1 << 31) - 1, amount, 40):
            state = PieState()
            state.xacc, state.cfg = value, mode << CFG_VXRM_SHIFT
            state.set_x(RS1, amount)
            pair.check_state(instruction, operands_of(instruction, rev, rs1=RS1, rd=11, sat=sat, rm=7), state)


@pytest.mark.parametrize("rev", REVISIONS)
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("name", ["vmulas", "vsmulas"])
def test_accumulators_saturate_lane_by_lane(rev, lanes, name):
    """One product from the end: some lanes overflow, in either direction, and the others do not."""
    instruction, pair = instructions()[f"esp.{name}.{lanes}.qacc"], Pair(rev, 6)
    width, bits = int(lanes[1:]), 4 * int(lanes[1:])
    count, (low, high) = 128 // width, LANES[lanes]
    ends = [(1 << (bits - 1)) - 1, 1 << (bits - 1), (1 << bits) - 1, 0]
    for x, y, noted, off in itertools.product((low, high, 1), (low, high), (0, CFG_SAT_ENABLE), (-1, 0, 1)):
        state = PieState()
        near = [(ends[lane % 4] - (x * y if lane % 3 else 0) + off) & ((1 << bits) - 1) for lane in range(count)]
        state.qacc[:] = np.array(near, np.uint32 if bits == 32 else np.uint64).view(np.uint8)
        kind = f"{'i' if low else 'u'}{width // 8}"
        state.q[0], state.q[1] = (np.full(count, value, kind).view(np.uint8) for value in (x, y))
        state.cfg = noted
        pair.check_state(instruction, operands_of(instruction, rev, qx=0, qy=1), state)
