"""Small programs on the simulator with its timing model: what one stretch of code costs, caches warm."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from p4c.backend.pie.assembler import assemble
from p4c.runtime.simulator.simulator import Simulator
from p4c.runtime.simulator.timing import Counters, Timing

from .simulator_encoding import b_type, i_type, jal, r_type, s_type

CODE, DATA, PSRAM, FLASH, TCM = 0x4FF00000, 0x4FF20000, 0x48000000, 0x40000000, 0x30100000
A0, A1, A2, A3, A4, A5, T3, T4 = 10, 11, 12, 13, 14, 15, 28, 29
RETURN, NOP = 0x00008067, 0x00000013

Line = str | int


def addi(rd: int, rs1: int, imm: int) -> int:
    return i_type(0x13, rd, 0, rs1, imm)


def lw(rd: int, base: int, offset: int = 0) -> int:
    return i_type(0x03, rd, 2, base, offset)


def sw(rs2: int, base: int, offset: int = 0) -> int:
    return s_type(0x23, 2, base, rs2, offset)


def mul(rd: int, rs1: int, rs2: int) -> int:
    return r_type(0x33, rd, 0, rs1, rs2, 1)


def div(rd: int, rs1: int, rs2: int) -> int:
    return r_type(0x33, rd, 4, rs1, rs2, 1)


def code(lines: Sequence[Line], rev: str = "v3") -> bytes:
    words = [assemble(line, rev) if isinstance(line, str) else line for line in lines]
    return b"".join(struct.pack("<I", word)[: 4 if word & 3 == 3 else 2] for word in words)


def timed(rev: str = "v3", **timing: int) -> Simulator:
    return Simulator(rev, timing=Timing(**timing))


def cost(
    *lines: Line,
    before: Sequence[Line] = (),
    arguments: Sequence[int] = (DATA, DATA + 0x1000, 8),
    calls: int = 3,
    sim: Simulator | None = None,
    base: int = CODE,
) -> Counters:
    """What `lines` take in the last of some calls, from the first one's issue to where the next would issue."""
    sim = sim or timed()
    # A jump ends its cycle: the first instruction pairs with nothing before it.
    head, body = code(before, sim.chip_rev), code(lines, sim.chip_rev)
    sim.write(base, head + code([jal(0, 4)]) + body + code([NOP, RETURN]))
    sim.set_markers([base + len(head) + 4, base + len(head) + 4 + len(body)])
    for _ in range(calls):
        sim.take_marks()
        sim.call(base, *arguments)
    first, last = (mark.counters for mark in sim.take_marks())
    return last - first


def loop(*body: Line, counter: int = T4) -> list[Line]:
    """The body in a branch loop; its count is in `counter`."""
    size = len(code([*body, NOP]))
    return [*body, addi(counter, counter, -1), b_type(1, counter, 0, -size)]
