"""The timing model on hand-written micro kernels: latencies, pairing, branches, the cost laws of kernels."""

from __future__ import annotations

import pytest

from p4c.backend.pie.table import REVISIONS
from p4c.backend.timing import constants
from p4c.runtime.simulator.timing import Timing

from .simulator_encoding import b_type, i_type, jal, r_type
from .simulator_timed import (
    A0,
    A1,
    A2,
    A3,
    A4,
    A5,
    CODE,
    DATA,
    NOP,
    RETURN,
    T3,
    T4,
    addi,
    code,
    cost,
    div,
    loop,
    lw,
    mul,
    sw,
    timed,
)

MAC = "esp.vmulas.s8.qacc q0, q1"
FUSED = "esp.vmulas.s8.qacc.ld.ip q2, a0, 16, q0, q1"
FADD, FDIV = r_type(0x53, 10, 7, 10, 11, 0), r_type(0x53, 10, 7, 10, 11, 0x0C)
FSQRT, FCVT = r_type(0x53, 10, 7, 10, 0, 0x2C), r_type(0x53, 10, 7, A0, 0, 0x68)
USE_F, FLW = r_type(0x53, 12, 7, 10, 11, 0), i_type(0x07, 10, 2, A0, 0)

# What anchors gave before the first kernel was written; a change of any is a commit of its own.
ANCHORS = {
    "integer_load": 2,
    "multiply": 3,
    "divide": 10,
    "pie_load": 2,
    "pie_alu": 1,
    "qacc_read_out": 2,
    "pie_to_scalar": 3,
    "fused_issue": 2,
    "unaligned": 1,
    "taken_branch": 0,
    "mispredict": 4,
    "jump": 1,
    "loop_setup": 3,
    "predictor_entries": 512,
    "return_entries": 8,
    "l1i_bytes": 16 << 10,
    "l1i_ways": 4,
    "l1d_bytes": 64 << 10,
    "l1d_ways": 2,
    "l1_line": 64,
    "l2_ways": 8,
    "l2_line": 128,
    "l1_to_l2mem": 10,
    "dirty_victim": 4,
    "l1_to_l2": 18,
    "l2_to_psram": 150,
    "l2_to_flash": 500,
}


def test_constants_are_those_of_the_anchors():
    table = {row.name: row.value for row in constants()}
    assert {name: table[name] for name in ANCHORS} == ANCHORS
    others = [row for row in constants() if row.name not in ANCHORS]
    assert all(row.source.startswith("assumed") for row in others)
    assert all(row.source.split(":")[0].split(";")[0] in ("fact", "fit", "assumed") for row in constants())


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        ([addi(A3, A3, 1)] * 10, 10),  # dependent additions
        ([lw(A3, A0), lw(A4, A0, 4), addi(A3, A3, 1)], 3),
        ([lw(A3, A0), addi(A3, A3, 1)], 3),  # load-use: one stall
        ([lw(A3, A0), NOP, addi(A3, A3, 1)], 3),
        ([mul(A3, A4, A5), addi(A3, A3, 1)], 4),
        ([mul(A3, A4, A5), mul(A2, A4, A5), mul(A5, A4, A4)], 3),  # pipelined
        ([div(A3, A4, A5), addi(A3, A3, 1)], 11),
        ([sw(A3, A0), lw(A3, A0)], 2),
        ([FLW, USE_F], 3),
        ([FADD, USE_F], 5),
        ([FDIV, USE_F], 17),
        ([FSQRT, USE_F], 17),
        ([FCVT, USE_F], 3),
    ],
)
def test_scalar_latencies(lines, cycles):
    assert cost(*lines).cycles == cycles


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        ([MAC] * 10, 10),
        (["esp.vld.128.ip q0, a0, 16", MAC], 3),  # load-use: one stall
        (["esp.vld.128.ip q0, a0, 16", "esp.vld.128.ip q3, a0, 16", MAC], 3),
        (["esp.vadd.s8 q0, q1, q2", MAC], 2),
        (["esp.srcmb.s8.qacc q0, a2, 1", "esp.vst.128.ip q0, a0, 0"], 3),
        (["esp.srcmb.s8.qacc q0, a2, 1", "esp.zero.qacc", "esp.vst.128.ip q0, a0, 0"], 3),
        (["esp.ld.qacc.h.h.128.ip a0, 16", MAC], 2),  # free, as measured kernels assume
        (["esp.movi.8.a q0, a3, 3", addi(A4, A3, 1)], 4),
        (["esp.srs.s.xacc a3, a2", addi(A4, A3, 1)], 4),
        (["esp.max.s8.a q0, t3", addi(A4, T3, 1)], 4),
        (["esp.movx.r.cfg a3", addi(A4, A3, 1)], 4),
        (["esp.vrelu.s8 q0, a2, a3", "esp.vrelu.s8 q0, a2, a3"], 2),
        (["esp.vld.128.ip q0, a0, 16", "esp.vst.128.ip q0, a1, 16"], 3),
        (["esp.ld.128.usar.ip q0, a0, 16", "esp.src.q q2, q0, q1"], 3),
        (["esp.addx2 a3, a4, a5", addi(A3, A3, 1)], 2),
    ],
)
def test_pie_latencies(lines, cycles):
    assert cost(*lines).cycles == cycles


@pytest.mark.parametrize("rev", REVISIONS)
def test_fused_stream(rev):
    """16 MACs fused with loads take 32 cycles; loading what the next one multiplies stalls it."""
    good = [f"esp.vsmulas.s8.qacc.ld.incp q{k % 2}, a0, q{k % 2}, q4, {k}" for k in range(16)]
    bad = [f"esp.vsmulas.s8.qacc.ld.incp q{k % 2}, a0, q{1 - k % 2}, q4, {k}" for k in range(16)]
    assert cost(*good, sim=timed(rev)).cycles == 32
    assert cost(*bad, sim=timed(rev)).cycles == 32 + 15


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        ([MAC, addi(A3, A3, 1)], 1),
        ([addi(A3, A3, 1), MAC], 1),
        ([MAC, addi(A3, A3, 1)] * 5, 5),
        ([MAC, addi(A3, A3, 1), addi(A4, A4, 1)] * 4, 8),  # the second addi pairs with the next MAC, not this one
        ([addi(A3, A3, 1), addi(A4, A4, 1)], 2),  # two scalars never pair
        ([MAC, "esp.vld.128.ip q2, a0, 16"], 2),  # nor two of the unit
        (["esp.vld.128.ip q2, a0, 16", addi(A0, A0, 16)], 2),  # the second reads the first's result
        ([addi(A0, A0, 16), "esp.vld.128.ip q2, a0, 16"], 2),
        (["esp.vsadds.s8 q2, q0, a3", addi(A3, A3, 1)], 1),  # the first reads what was there before
        (["esp.movi.8.a q0, a3, 3", addi(A3, A4, 1)], 2),  # one result would hide the other
        ([MAC, lw(A3, A0)], 1),
        ([FUSED, addi(A3, A3, 1)], 3),  # a fused instruction is never the first of a pair
        ([addi(A3, A3, 1), FUSED], 2),  # only the second
        ([FUSED, addi(A3, A3, 1), FUSED], 4),
        ([FUSED, addi(A3, A3, 1), addi(A4, A4, 1), FUSED], 5),
        ([FUSED, addi(A0, A0, 64), FUSED], 5),  # wrapping a pointer between fused loads costs one
        ([FUSED, MAC, addi(A0, A0, 64), "esp.vld.128.ip q3, a0, 16", FUSED], 6),  # and nothing if one is split
        (["esp.addx2 a3, a4, a5", MAC], 1),  # a scalar among PIE's encodings
        (["esp.addx2 a3, a4, a5", addi(A3, A4, 1)], 2),
    ],
)
def test_pairs(lines, cycles):
    counters = cost(*lines)
    assert counters.cycles == cycles
    assert counters.cycles == counters.instructions - counters.pairs + counters.fused_cycles + counters.stalls


def test_measured_loops():
    """ESP-NN's comments: 4.06 and 6.0 cycles a pass on an ESP32-S31; the model is right and one too fast."""
    trips = 100
    fused = loop("esp.vmulas.s8.qacc.ld.ip q0, a0, 16, q2, q1", "esp.vldbc.8.xp q2, a1, a2", counter=T4)
    plain = loop("esp.vld.128.ip q0, a0, 16", "esp.vldbc.8.xp q2, a1, a2", "esp.vmulas.s8.qacc q0, q2", counter=T4)
    for body, cycles in ((fused, 4), (plain, 5)):
        assert cost(addi(T4, 0, trips), *body, arguments=(DATA, DATA + 4096, 0), calls=5).cycles == cycles * trips + 4


def test_branch_loop_is_free_when_woven():
    """Counter and branch pair with the unit's work; the last branch is mispredicted."""
    body = [MAC] * 8
    lines = [*body[:-2], addi(T4, T4, -1), MAC, MAC]
    lines = [addi(T4, 0, 50), *lines, b_type(1, T4, 0, -4 * len(lines))]
    assert cost(*lines, calls=6).cycles == 1 + 50 * 8 + 4 - 1  # the first MAC pairs with the set-up


def test_mispredicts():
    trips = 20
    counters = cost(addi(T4, 0, trips), *loop(NOP), calls=6)
    assert counters.cycles == 1 + 3 * trips + 4
    assert (counters.mispredicts, counters.branch_stalls) == (1, 4)
    never = cost(*[b_type(1, 0, 0, 8), NOP] * 8, calls=4)
    assert (never.cycles, never.mispredicts) == (16, 0)
    always = cost(*[b_type(0, 0, 0, 8), NOP] * 8, calls=4)
    assert (always.cycles, always.mispredicts) == (8, 0)


def test_alternating_branch_is_mispredicted():
    """Two-bit counters cannot follow; the branch goes either way by bit 0 of a counter."""
    lines = loop(i_type(0x13, A3, 7, T4, 1), b_type(0, A3, 0, 8), NOP)
    counters = cost(addi(T4, 0, 40), *lines, calls=5)
    assert counters.mispredicts >= 20


def test_jumps_and_returns():
    assert cost(jal(0, 8), NOP, NOP).cycles == 3
    sub = [jal(1, 12), NOP, jal(0, 8), RETURN]  # a call, its return, and a jump over the function
    counters = cost(addi(T3, 1, 0), *sub, addi(1, T3, 0))
    assert counters.cycles == 6 + 3
    assert counters.mispredicts == 0


def test_return_stack_holds_eight():
    """A chain of functions that call each other: eight returns are predicted, and no more."""

    def mispredicts(depth: int) -> int:
        function = [addi(2, 2, -16), sw(1, 2, 12), jal(1, 16), lw(1, 2, 12), addi(2, 2, 16), RETURN]
        return cost(
            addi(T3, 1, 0), jal(1, 12), addi(1, T3, 0), jal(0, 24 * depth + 8), *function * depth, RETURN
        ).mispredicts

    assert [mispredicts(depth) for depth in (1, 6, 7, 8, 9)] == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("rev", REVISIONS)
def test_hardware_loop(rev):
    """Set-up costs 1 + 3; passes cost nothing beyond their instructions."""
    trips, body = 25, [*[MAC] * 7, NOP]
    lines = [f"esp.lp.setupi 0, {trips}, {4 * len(body)}", *body]
    assert cost(*lines, sim=timed(rev)).cycles == 4 + 7 * trips
    assert cost(*lines, sim=timed(rev)).loop_stalls == 3


def dense_pixel(rows: int) -> list[str | int]:
    """One pixel of a convolution with two weight registers: fused MACs, and the epilogue of 6 cycles."""
    lines: list[str | int] = []
    for row in range(rows):
        held, following = 2 + row // 16 % 2, 3 - row // 16 % 2
        lines.append(f"esp.vsmulas.s8.qacc.ld.incp q{row % 2}, a0, q{row % 2}, q{held}, {row % 16}")
        if row % 16 == 14:  # the next 16 input channels, one row ahead of their use
            lines.append(f"esp.vld.128.ip q{following}, a1, 16")
    bias = [f"esp.ld.qacc.{part}.128.ip a2, 16" for part in ("l.l", "l.h", "h.l", "h.h")]
    return [*lines, "esp.srcmb.s8.qacc q4, a3, 1", *bias, "esp.vst.128.ip q4, a4, 16"]


@pytest.mark.parametrize("taps", [1, 4, 9])
def test_cost_law_of_dense_convolution(taps):
    """2 * rows + inputs + 6 per pixel and 16 output channels, over 8 pixels in a branch loop."""
    rows, pixels = 16 * taps, 8
    body = dense_pixel(rows)
    back = [addi(A0, A0, -2048)] * (rows * 16 // 2048) + [addi(A0, A0, -(rows * 16 % 2048))]
    inner = [*body[:-4], addi(A2, A2, -32), *body[-4:-2], *body[-2:]]
    lines = [addi(T4, 0, pixels), *loop(*inner, *back, addi(A1, A1, -16 * taps), addi(A2, A2, -32))]
    arguments = (DATA, DATA + 0x2000, DATA + 0x3000, 5, DATA + 0x4000)
    counters = cost(*lines, arguments=arguments, calls=4)
    law = 2 * rows + taps + 6
    scalars = 4 + len(back)  # not woven here: pointers back, counter, branch
    assert counters.cycles == pytest.approx(pixels * (law + scalars) + 4, rel=0.01)
    assert counters.fused_cycles == pixels * rows


def test_cost_law_of_depthwise():
    """9 MACs, 12 loads and the epilogue of 6: 27 cycles per pixel, all scalar work woven in."""
    macs = [f"esp.vmulas.s8.qacc q{k % 4}, q{4 + k % 2}" for k in range(9)]
    loads = [f"esp.vld.128.ip q{k % 2 + 6}, a0, 0" for k in range(12)]
    epilogue = ["esp.srcmb.s8.qacc q7, a3, 1", *["esp.ld.qacc.l.l.128.ip a2, 0"] * 4, "esp.vst.128.ip q7, a4, 0"]
    woven = [line for mac, load in zip(macs, loads, strict=False) for line in (load, mac)]
    body = [*woven[:3], addi(T4, T4, -1), *woven[3:], *loads[9:], *epilogue]
    lines = [addi(T4, 0, 30), *body, b_type(1, T4, 0, -4 * len(body))]
    assert cost(*lines, arguments=(DATA, DATA, DATA, 5, DATA + 64), calls=6).cycles == 1 + 30 * 27 + 4 - 1


def test_residual_add():
    """5 cycles per 16 elements: ldqa, vmulas, srcmb, vld, vst in a rotated loop."""
    body = [
        "esp.vmulas.s8.qacc q1, q2",
        "esp.srcmb.s8.qacc q3, a2, 1",
        "esp.ldqa.s8.128.ip a0, 16",
        "esp.vld.128.ip q1, a1, 16",
        addi(T4, T4, -1),
        "esp.vst.128.ip q3, a4, 16",
    ]
    lines = [addi(T4, 0, 40), *body, b_type(1, T4, 0, -4 * len(body))]
    assert cost(*lines, arguments=(DATA, DATA + 4096, 0, 0, DATA + 8192), calls=6).cycles == 1 + 40 * 5 + 4 - 1


def test_mcycle_reads_the_estimate():
    read = i_type(0x73, A3, 2, 0, 0xB00), i_type(0x73, A4, 2, 0, 0xB00)
    sim = timed()
    sim.write(CODE, code([read[0], *[div(A5, A5, A2)] * 4, read[1], r_type(0x33, A0, 0, A4, A3, 0x20), RETURN]))
    assert [sim.call(CODE, 0, 0, 3).a0 for _ in range(3)] == [32] * 3
    assert sim.counters.cycles > sim.counters.instructions


def test_labels():
    assert Timing(l2_kb=128, clock_mhz=400).describe() == "estimate, 400 MHz, 128 KB L2 cache"
    assert Timing().milliseconds(720_000) == 2.0
