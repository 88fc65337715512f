"""The hardware loops: trip counts, nesting, their CSRs, and the rules that a strict simulator enforces."""

from __future__ import annotations

import struct

import pytest

from p4c.backend.pie.assembler import assemble
from p4c.backend.pie.table import REVISIONS
from p4c.compiler.errors import DeviceFault
from p4c.runtime.simulator.native import Fault, Reason
from p4c.runtime.simulator.simulator import Simulator

from .simulator_encoding import b_type, i_type, jal

CODE = 0x4FF00000
A0, A1, A2, RETURN = 10, 11, 12, 0x00008067
NOP, C_NOP, EBREAK = 0x00000013, 0x0001, 0x00100073
LOOP_STATE, PIE_STATE, START0, COUNT0 = 0x7F1, 0x7F2, 0x7C6, 0x7C8
BODY = [0x00150513, *[NOP] * 7]  # addi a0, a0, 1


def addi(register: int, value: int) -> int:
    return i_type(0x13, register, 0, register, value)


def code(*words: int) -> bytes:
    return b"".join(struct.pack("<I", word)[: 4 if word & 3 == 3 else 2] for word in words)


def simulator(*words: int, rev: str = "v3", strict: bool = False, address: int = CODE) -> Simulator:
    sim = Simulator(rev, strict=strict)
    sim.write(address, code(*words))
    if strict:
        sim.set_csr(LOOP_STATE, 1)
        sim.set_csr(PIE_STATE, 1)
    return sim


def fault_of(*words: int, a1: int = 3) -> tuple[Fault, DeviceFault]:
    """The fault of a program in a strict simulator; in one that is not strict it runs through."""
    simulator(*words).call(CODE, 0, a1)
    sim = simulator(*words, strict=True)
    with pytest.raises(DeviceFault) as error:
        sim.call(CODE, 0, a1)
    sim.pc = error.value.pc
    return Fault(sim.run(1).fault), error.value


@pytest.mark.parametrize("rev", REVISIONS)
@pytest.mark.parametrize("count", [1, 2, 3, 100, 5000])
def test_body_runs_count_times(rev, count):
    setup = assemble(f"esp.lp.setup 0, a1, {4 * len(BODY)}", rev)
    result = simulator(setup, *BODY, RETURN, rev=rev, strict=True).call(CODE, 0, count)
    assert (result.a0, result.instructions) == (count, count * len(BODY) + 2)


@pytest.mark.parametrize("loop", [0, 1])
def test_immediate_set_up(loop):
    setup = assemble(f"esp.lp.setupi {loop}, 4095, {4 * len(BODY)}", "v3")
    assert simulator(setup, *BODY, RETURN, strict=True).call(CODE, 0).a0 == 4095


@pytest.mark.parametrize("counted", ["esp.lp.counti 1, 7", "esp.lp.count 1, a1"])
def test_set_up_in_parts(counted):
    parts = [f"esp.lp.starti 1, {4 * 3}", f"esp.lp.endi 1, {4 * (1 + len(BODY))}", counted]
    words = [assemble(part, "v3") for part in parts]
    assert simulator(*words, *BODY, RETURN, strict=True).call(CODE, 0, 7).a0 == 7


def test_set_up_through_csrs():
    sim = simulator(*BODY, RETURN)
    for number, value in enumerate((CODE, CODE + 4 * (len(BODY) - 1), 6)):
        sim.set_csr(START0 + number, value)
    assert sim.call(CODE, 0).a0 == 6
    assert [sim.get_csr(START0 + number) for number in range(3)] == [CODE, CODE + 4 * (len(BODY) - 1), 0]


def test_guest_writes_count_inside_the_body():
    """csrwi count, 1 in the body: this pass is the last."""
    csrwi = i_type(0x73, 0, 5, 1, COUNT0)
    setup = assemble("esp.lp.setup 0, a1, 12", "v3")
    assert simulator(setup, addi(A0, 1), csrwi, NOP, RETURN).call(CODE, 0, 50).a0 == 1


@pytest.mark.parametrize("inner", [0, 1])
def test_nested(inner):
    outer = assemble(f"esp.lp.setupi {1 - inner}, 5, {4 * (len(BODY) + 3)}", "v3")
    words = [outer, addi(A2, 1), assemble(f"esp.lp.setupi {inner}, 11, {4 * len(BODY)}", "v3"), *BODY, NOP]
    assert simulator(*words, RETURN, strict=True).call(CODE, 0).a0 == 55


def test_nested_with_one_end():
    words = [assemble("esp.lp.setupi 1, 5, 12", "v3"), assemble("esp.lp.setupi 0, 11, 8", "v3"), NOP, addi(A0, 1)]
    assert simulator(*words, RETURN).call(CODE, 0).a0 == 55


def test_body_of_one_instruction():
    assert simulator(assemble("esp.lp.setupi 0, 9, 4", "v3"), addi(A0, 1), RETURN).call(CODE, 0).a0 == 9


@pytest.mark.parametrize("last", [C_NOP, NOP])
def test_compressed_last_instruction(last):
    setup = assemble("esp.lp.setupi 0, 9, 8", "v3")
    assert simulator(setup, addi(A0, 1), last, RETURN).call(CODE, 0).a0 == 9


@pytest.mark.parametrize("offset", range(-36, 4, 4))
def test_body_across_pages(offset):
    address = CODE + 4096 + offset
    setup = assemble(f"esp.lp.setup 0, a1, {4 * len(BODY)}", "v3")
    sim = simulator(setup, *BODY, RETURN, strict=True, address=address)
    assert sim.call(address, 0, 20).a0 == 20


def test_runs_may_stop_anywhere():
    sim = simulator(assemble("esp.lp.setupi 0, 9, 8", "v3"), addi(A0, 1), NOP, EBREAK)
    sim.pc = CODE
    while sim.run(1).reason == Reason.LIMIT:
        pass
    assert (sim.get_x(A0), sim.instructions) == (9, 19)


def test_a_branch_out_is_no_end_of_the_body():
    """The branch in the middle reaches the instruction behind the loop; the loop does not go on."""
    words = [assemble("esp.lp.setupi 0, 9, 12", "v3"), addi(A0, 1), b_type(0, 0, 0, 8), NOP, RETURN]
    sim = simulator(*words)
    assert sim.call(CODE, 0).a0 == 1
    assert sim.get_csr(COUNT0) == 9


def test_strict_count_of_zero():
    fault, error = fault_of(assemble("esp.lp.setup 0, a1, 32", "v3"), *BODY, RETURN, a1=0)
    assert fault == Fault.LOOP_COUNT
    assert "esp.lp.setup set up a loop that runs no time" in str(error)


def test_strict_alignment():
    setup = assemble("esp.lp.setup 0, a1, 32", "v3")
    assert fault_of(C_NOP, setup, *BODY, RETURN)[0] == Fault.LOOP_ALIGNMENT
    setup = assemble("esp.lp.setup 0, a1, 34", "v3")
    fault, error = fault_of(setup, C_NOP, *BODY, RETURN)
    assert (fault, error.address) == (Fault.LOOP_ALIGNMENT, CODE + 34)
    assert ".balign 4" in str(error)


def test_strict_length():
    fault, _ = fault_of(assemble("esp.lp.setup 0, a1, 28", "v3"), *BODY[1:], RETURN)
    assert fault == Fault.LOOP_SHORT
    short = [C_NOP] * 14
    assert fault_of(assemble("esp.lp.setup 0, a1, 28", "v3"), *short, NOP, RETURN)[0] == Fault.LOOP_SHORT
    setup = assemble("esp.lp.setup 0, a1, 32", "v3")
    simulator(setup, *short, NOP, RETURN, strict=True).call(CODE, 0, 3)


@pytest.mark.parametrize(
    "last",
    [
        assemble("esp.vld.128.ip q0, a2, 0", "v3"),
        assemble("esp.vmax.s8 q0, q0, q0", "v3"),
        0x00357553,  # fadd.s fa0, fa0, fa3
        0x00062007,  # flw ft0, 0(a2)
        0x6200,  # c.flw fs0, 0(a2)
    ],
)
def test_strict_last_instruction(last):
    words = [i_type(0x37, A2, 0, 0, CODE >> 20), assemble("esp.lp.setup 0, a1, 32", "v3"), *BODY[1:], last, RETURN]
    words[0] = 0x4FF00637  # lui a2, 0x4ff00
    fault, error = fault_of(*words)
    assert (fault, error.address) == (Fault.LOOP_LAST, CODE + 36)


def test_strict_scalar_of_pie_may_be_last():
    """esp.addx2 shares PIE's encodings and is an integer instruction."""
    words = [assemble("esp.lp.setup 0, a1, 32", "v3"), *BODY[1:], assemble("esp.addx2 a0, a0, a1", "v3"), RETURN]
    simulator(*words, strict=True).call(CODE, 0, 3)


def test_strict_rules_hold_for_parts_too():
    words = [assemble(part, "v3") for part in ("esp.lp.starti 0, 12", "esp.lp.endi 0, 8", "esp.lp.counti 0, 2")]
    fault, error = fault_of(*words, NOP, RETURN)
    assert (fault, error.pc) == (Fault.LOOP_SHORT, CODE + 12)


def test_strict_branch_out():
    words = [assemble("esp.lp.setup 0, a1, 32", "v3"), *BODY[1:], b_type(0, 0, 0, 8), NOP, RETURN]
    fault, error = fault_of(*words)
    assert (fault, error.address) == (Fault.LOOP_LEFT, CODE + 40)
    words = [assemble("esp.lp.setup 0, a1, 32", "v3"), jal(5, 40), *BODY[1:], NOP, RETURN, 0x00028067]
    assert fault_of(*words)[0] == Fault.LOOP_LEFT  # a call


def test_strict_needs_enabling():
    sim = Simulator(strict=True)
    sim.write(CODE, code(assemble("esp.lp.setup 0, a1, 32", "v3"), *BODY, RETURN))
    with pytest.raises(DeviceFault, match="csrsi 0x7f1, 1"):
        sim.call(CODE, 0, 3)
