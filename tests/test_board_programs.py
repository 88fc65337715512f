"""Programs of a few instructions on the board under test: what one thing takes, beside the timing model's estimate.

Each shows one constant of backend/timing.tsv, or a rule of docs/timing.md. On a chip they say which one is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from p4c.runtime.simulator.simulator import Simulator
from p4c.runtime.simulator.timing import Timing

from .board_code import ENABLE_PIE, BoardCode
from .device_report import Row
from .simulator_encoding import b_type, i_type, jal, li, r_type
from .simulator_timed import A0, A1, A2, A3, A4, A5, NOP, RETURN, T3, T4, Line, addi, code, div, loop, lw, mul, sw

# Runs of each; the fastest counts, since a system's interrupts only ever cost time.
RUNS = 5
# How far a figure may be from its estimate: this is to find what is wrong.
FACTOR = 2.0
CSRR_MCYCLE = i_type(0x73, T3, 2, 0, 0xB00)
RA, T5, T6 = 1, 30, 31
MAC = "esp.vmulas.s8.qacc q0, q1"
READ_OUT = "esp.srcmb.s8.qacc q0, a4, 1"
LOAD, NEXT_LINE = lw(A3, A1), addi(A1, A1, 64)
FUSED = "esp.vmulas.s8.qacc.ld.ip q2, a1, 0, q0, q1"


@dataclass(frozen=True)
class Program:
    """Lines that are repeated so often and then measured, with `data` bytes of a memory behind a1.

    Registers: a1, a2 and a3 point to the data, whose first word is its own address; a4 is 3, a5 is 7.
    """

    name: str
    lines: Sequence[Line]
    repeat: int = 64
    data: int = 4096
    region: str = "l2mem"

    def text(self, data: int) -> list[Line]:
        body = [line for _ in range(self.repeat) for line in self.lines]
        before = [ENABLE_PIE, addi(T5, RA, 0), addi(A4, 0, 3), addi(A5, 0, 7)]
        before += [line for register in (A1, A2, A3) for line in li(register, data)]
        measured = [CSRR_MCYCLE, addi(T6, T3, 0), *body, CSRR_MCYCLE, r_type(0x33, A0, 0, T3, T6, 0x20)]
        return [*before, *measured, addi(RA, T5, 0), RETURN]


def counted(trips: int, *body: Line) -> list[Line]:
    return [addi(T4, 0, trips), *loop(*body, counter=T4)]


def random_branches(trips: int) -> list[Line]:
    """A branch over nothing, taken by the lowest bit of a xorshift generator, which no predictor follows."""
    left, right, xor = (0x13, A3, 1, A5), (0x13, A3, 5, A5), r_type(0x33, A5, 4, A5, A3, 0)
    shifts = r_type(*left, 13, 0), r_type(*right, 17, 0), r_type(*left, 5, 0)
    random = [line for shift in shifts for line in (shift, xor)]
    return counted(trips, *random, i_type(0x13, A3, 7, A5, 1), b_type(0, A3, 0, 8), NOP)


PROGRAMS = (
    Program("dependent additions", [addi(A4, A4, 1)]),
    Program("loads, each the next one's address", [lw(A3, A3)]),
    Program("multiplications, dependent", [mul(A4, A4, A5)]),
    Program("divisions, dependent", [div(A4, A4, A5), addi(A4, A4, 100)]),
    Program("float additions, dependent", [r_type(0x53, 10, 7, 10, 11, 0)]),
    Program("float divisions, dependent", [r_type(0x53, 10, 7, 10, 11, 0x0C)]),
    Program("branches not taken", [b_type(1, 0, 0, 8)]),
    Program("branches taken", [b_type(0, 0, 0, 8), NOP]),
    Program("jumps", [jal(0, 8), NOP]),
    Program("a loop of two instructions", counted(500, NOP), repeat=1),
    Program("random branches", random_branches(500), repeat=1),
    Program("a call and its return", [jal(1, 12), NOP, jal(0, 8), RETURN], repeat=16),
    Program("vector MACs", [MAC]),
    Program("vector MACs, each with a scalar addition", [MAC, addi(A4, A4, 1)]),
    Program("vector MACs with fused loads", [FUSED]),
    Program("fused MACs that multiply what the last one loaded", ["esp.vmulas.s8.qacc.ld.ip q0, a1, 0, q0, q1"]),
    Program("vector loads, each multiplied at once", ["esp.vld.128.ip q0, a1, 0", MAC]),
    Program("unaligned vector loads", ["esp.ld.128.usar.ip q0, a1, 0", "esp.src.q q2, q0, q1"]),
    Program("a read-out stored at once", [READ_OUT, "esp.zero.qacc", "esp.vst.128.ip q0, a1, 0"]),
    Program("vector to scalar", ["esp.movi.8.a q0, a4, 3", addi(A5, A4, 1)]),
    Program("vector additions", ["esp.vadd.s8 q0, q1, q2"]),
    Program("16 KB of L2MEM, a load for each line", [LOAD, NEXT_LINE], repeat=256, data=16 << 10),
    Program("96 KB of L2MEM, a load for each line", counted(1536, LOAD, NEXT_LINE), 1, 96 << 10),
    Program("96 KB of L2MEM, a store for each line", counted(1536, sw(A4, A1), NEXT_LINE), 1, 96 << 10),
    Program("96 KB of PSRAM, a load for each line", counted(1536, LOAD, NEXT_LINE), 1, 96 << 10, "psram"),
    Program(
        "1 MB of PSRAM, a load for each line",
        [*li(T4, 16384), *loop(LOAD, NEXT_LINE)],
        *(1, 1 << 20, "psram"),
    ),
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(board, device, report, program):
    """On a chip near the estimate; a simulated board counts as many instructions as the simulator."""
    if program.region == "psram" and not board.heap().total_psram:
        pytest.skip("the board has no PSRAM")
    with BoardCode(board) as place:
        data = place.block(program.data, program.region)
        start = struct.pack("<I", data)
        board.firmware.write(data, start)
        text = code(program.text(data), board.chip_rev)
        address = place.block(text)
        measured = min(place.call(address) for _ in range(RUNS))

    def on_simulator(timing: Timing | None) -> int:
        with Simulator(board.chip_rev, timing=timing) as chip:
            chip.write(address, text)
            chip.write(data, start)
            return min(chip.call(address).a0 for _ in range(RUNS))

    estimated = on_simulator(Timing(l2_kb=256, clock_mhz=round(device.clock / 1e6)))
    report.programs.append(Row(program.name, estimated, measured))
    if device.simulated:
        assert measured == on_simulator(None)
    else:
        assert 1 / FACTOR < measured / estimated < FACTOR
