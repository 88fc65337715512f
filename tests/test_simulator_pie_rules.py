"""The SIMD unit around its arithmetic: enabling, alignment, QACC read twice, faults and their words."""

from __future__ import annotations

import ctypes
import re
import struct

import pytest

from p4c.backend.pie.assembler import assemble
from p4c.backend.pie.table import REVISIONS, decode, encode, instructions
from p4c.compiler.errors import DeviceFault
from p4c.runtime.simulator.native import Fault, Reason
from p4c.runtime.simulator.simulator import Simulator

from .simulator_encoding import i_type
from .simulator_pie import modelled

CODE, DATA, FLASH = 0x4FF00000, 0x4FF10000, 0x40000000
A0, A1, RETURN, PIE_STATE = 10, 11, 0x00008067, 0x7F2
ENABLE, DISABLE = i_type(0x73, 0, 6, 1, PIE_STATE), i_type(0x73, 0, 5, 0, PIE_STATE)
UNALIGNED = ("esp.vld.128.ip q0, a0, 16", "esp.vst.128.ip q0, a0, 16", "esp.vmulas.s8.qacc.ld.ip q0, a0, 16, q1, q2")
READ = "esp.srcmb.s8.qacc q0, a1, 1"
MAC = "esp.vmulas.s8.qacc q0, q1"
STORE_LOW = "esp.st.qacc.l.l.128.ip a0, 16"
REFILL = [f"esp.ld.qacc.{part}.128.ip a0, 16" for part in ("l.l", "l.h", "h.l", "h.h")]


def load(sim: Simulator, *lines: str | int) -> Simulator:
    words = [assemble(line, sim.chip_rev) if isinstance(line, str) else line for line in lines]
    sim.write(CODE, struct.pack(f"<{len(words) + 1}I", *words, RETURN))
    return sim


def run(*lines: str | int, rev: str = "v3", a0: int = DATA, strict: bool = True) -> Simulator:
    sim = load(Simulator(rev, strict=strict), *lines)
    if strict:
        sim.set_csr(PIE_STATE, 1)
    sim.call(CODE, a0, 0)
    return sim


def error_of(*lines: str | int, **how: object) -> str:
    with pytest.raises(DeviceFault) as error:
        run(*lines, **how)
    return str(error.value)


def test_every_word_decodes_to_something():
    """No modelled instruction is illegal or left out; the table holds nothing that is neither."""
    known = {instruction.mnemonic for instruction, _ in modelled()}
    others = {name for name in instructions() if name not in known}
    assert {name for name in others if not name.startswith(("esp.fft.", "esp.lp.", "esp.movx."))} == set()


@pytest.mark.parametrize("rev", REVISIONS)
def test_what_is_left_out_is_named(rev):
    left_out = [row for name, row in instructions().items() if name.startswith("esp.fft.") or name.endswith(".perf")]
    assert len(left_out) == 12
    for instruction in left_out:
        word = encode(instruction, {field.name: field.values[0] for field in instruction.encodings[rev].fields}, rev)
        assert f"{instruction.mnemonic} is not implemented by the simulator" in error_of(word, rev=rev)


@pytest.mark.parametrize(("rev", "other"), [("v1", "v3"), ("v3", "v1")])
def test_word_of_the_other_revision(rev, other):
    """Where it is nothing on this one; most words are some other instruction there."""
    words = {row.encodings[other].match: row for row in instructions().values() if other in row.encodings}
    foreign = {word: row.mnemonic for word, row in words.items() if decode(word, rev) is None}
    assert len(foreign) > 25
    sim = Simulator(rev)
    for word, name in foreign.items():
        wanted = f"illegal instruction {word:#010x}, which is {name} on chip revision {other} and nothing on {rev}"
        with pytest.raises(DeviceFault, match=re.escape(wanted)):
            load(sim, word).call(CODE)


def test_strict_needs_enabling():
    sim = load(Simulator(strict=True), "esp.zero.q q0")
    with pytest.raises(DeviceFault, match=r"esp.zero.q while the SIMD unit was off.*\n.*csrsi 0x7f2, 1"):
        sim.call(CODE)
    load(sim, ENABLE, "esp.zero.q q0").call(CODE)
    assert "was off" in error_of(DISABLE, "esp.vld.128.ip q0, a0, 16")
    load(Simulator(strict=True), "esp.addx2 a0, a0, a0").call(CODE)  # no instruction of the unit
    load(Simulator(), "esp.zero.q q0").call(CODE)


@pytest.mark.parametrize("line", UNALIGNED)
@pytest.mark.parametrize("rev", REVISIONS)
def test_strict_alignment(line, rev):
    told = error_of(line, rev=rev, a0=DATA + 5)
    assert f"{line.split()[0]}: address 0x4ff10005 is no multiple of 16 and would be silently rounded down" in told
    assert run(line, rev=rev, a0=DATA + 5, strict=False).get_x(A0) == DATA + 5 + 16
    split = run("esp.movx.w.cfg a1", line, rev=rev, a0=DATA + 5, strict=False)
    split.set_csr(PIE_STATE, 1)


@pytest.mark.parametrize("rev", REVISIONS)
def test_strict_takes_what_hardware_splits_and_usar(rev):
    for cfg, line in ((2, UNALIGNED[0]), (1, UNALIGNED[1]), (2, UNALIGNED[2]), (0, "esp.ld.128.usar.ip q0, a0, 16")):
        sim = load(Simulator(rev, strict=True), ENABLE, "esp.movx.w.cfg a1", line)
        sim.call(CODE, DATA + 5, cfg)


@pytest.mark.parametrize(("size", "line"), [(8, "esp.vld.l.64.ip q0, a0, 8"), (2, "esp.vldbc.16.ip q0, a0, 2")])
def test_strict_alignment_is_the_access_size(size, line):
    run(line, a0=DATA + size)
    assert f"is no multiple of {size} " in error_of(line, a0=DATA + size // 2)


@pytest.mark.parametrize("second", [READ, MAC, STORE_LOW, "esp.vsmulas.s8.qacc q0, q1, 3"])
def test_strict_qacc_read_twice(second):
    told = error_of(READ, second)
    assert f"{second.split()[0]} read QACC, which an instruction before had read out" in told
    run(READ, second, strict=False)
    for fresh in (["esp.zero.qacc"], ["esp.mov.s8.qacc q0"], ["esp.ldqa.s8.128.ip a0, 16"], REFILL):
        run(READ, *fresh, second)


def test_strict_qacc_quarters():
    """A quarter that was loaded may be read; a MAC needs all four."""
    run(READ, REFILL[0], STORE_LOW)
    assert "read QACC" in error_of(READ, *REFILL[:3], MAC)
    assert "read QACC" in error_of(READ, *REFILL[1:], STORE_LOW)
    run(READ, *REFILL[:2], "esp.vcmulas.s8.qacc.l q0, q1")
    assert "read QACC" in error_of(READ, *REFILL[:2], "esp.vcmulas.s8.qacc.h q0, q1")
    run(MAC, STORE_LOW, STORE_LOW, MAC, READ)  # a store does not shift


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("esp.vld.128.ip q0, a0, 16", Fault.LOAD),
        ("esp.vmulas.s8.qacc.ld.ip q0, a0, 16, q1, q2", Fault.LOAD),
        ("esp.vst.128.ip q0, a0, 16", Fault.STORE),
        ("esp.vmulas.s8.qacc.st.ip q0, a0, 16, q1, q2", Fault.STORE),
    ],
)
def test_a_fault_has_no_effect(line, fault):
    sim = load(Simulator(), line)
    registers = sim.get_pie()
    ctypes.memset(registers.q, 0x11, 128)
    sim.set_pie(registers)
    for address in (0, 0xFFFFFFF0, *([FLASH] if fault == Fault.STORE else [])):
        sim.set_x(A0, address)
        sim.pc = CODE
        stop = sim.run(1)
        assert (stop.reason, stop.fault, stop.address, stop.size) == (Reason.FAULT, fault, address, 16)
        assert bytes(sim.get_pie()) == bytes(registers)
        assert (sim.get_x(A0), sim.pc) == (address, CODE)


def test_split_access_across_pages_and_out_of_memory():
    end = 0x4FFC0000
    for line, fault in (("esp.vld.128.ip q0, a0, 16", Fault.LOAD), ("esp.vst.128.ip q0, a0, 16", Fault.STORE)):
        sim = load(Simulator(), "esp.movx.w.cfg a1", line)
        sim.call(CODE, DATA + 4096 - 5, 3)
        with pytest.raises(DeviceFault) as error:
            sim.call(CODE, end - 5, 3)
        assert error.value.address == end - 5
        assert sim.run(1).fault == fault


def test_vector_store_to_code_is_seen():
    """Two instructions ahead of the store lies the word that it replaces."""
    sim = load(Simulator(), "esp.vst.128.ip q0, a0, 16", i_type(0x13, A1, 0, 0, 1), i_type(0x13, A1, 0, 0, 2))
    assert sim.call(CODE, DATA).a0 == DATA + 16
    assert sim.get_x(A1) == 2
    registers = sim.get_pie()
    ctypes.memmove(registers.q[0], sim.read(CODE, 8) + struct.pack("<II", i_type(0x13, A1, 0, 0, 77), RETURN), 16)
    sim.set_pie(registers)
    sim.call(CODE, CODE)
    assert sim.get_x(A1) == 77
