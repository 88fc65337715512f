"""A simulated core with devices: traps and their registers, the UART, the timer, waiting."""

from __future__ import annotations

import pytest

from p4c.backend.pie.assembler import assemble
from p4c.runtime.simulator.native import Fault, Reason
from p4c.runtime.simulator.simulator import Simulator

from .simulator_encoding import b_type, i_type, li, s_type

L2MEM, HANDLER, UART, TIMER = 0x4FF00000, 0x4FF01000, 0x500CA000, 0x500E2000
A0, A1, A2, A3, T0, T1 = 10, 11, 12, 13, 5, 6
LOOP_STATE, MSTATUS, MIE, MTVEC, MEPC, MCAUSE, MTVAL, MIP = 0x7F1, 0x300, 0x304, 0x305, 0x341, 0x342, 0x343, 0x344
STATUS_MIE, STATUS_MPIE = 8, 0x80
TIMER_BIT, UART_BIT = 1 << 7, 1 << 11
ECALL, EBREAK, MRET, WFI, NOP = 0x00000073, 0x00100073, 0x30200073, 0x10500073, 0x00000013


def code(*words):
    return b"".join(word.to_bytes(4, "little") for word in words)


def lw(rd, base, offset=0):
    return i_type(0x03, rd, 2, base, offset)


def sw(value, base, offset=0):
    return s_type(0x23, 2, base, value, offset)


def csrr(rd, number):
    return i_type(0x73, rd, 2, 0, number)


def csrw(number, rs):
    return i_type(0x73, 0, 1, rs, number)


@pytest.fixture
def machine():
    """Handler: a1 = mcause, a2 = mepc, a3 = mtval, all interrupts off, wfi."""
    with Simulator(flash_size=0, psram_size=0, strict=True) as sim:
        sim.attach_devices()
        sim.write(HANDLER, code(csrr(A1, MCAUSE), csrr(A2, MEPC), csrr(A3, MTVAL), csrw(MIE, 0), WFI))
        sim.set_csr(MTVEC, HANDLER)
        sim.pc = L2MEM
        yield sim


def trap(sim, *words):
    """cause, pc relative to the program's start, value; None where nothing trapped."""
    sim.write(L2MEM, code(*words))
    sim.pc = L2MEM
    assert sim.run(1000).reason == Reason.WAIT
    assert sim.pc == HANDLER + 20
    return sim.get_x(A1), sim.get_x(A2) - L2MEM, sim.get_x(A3)


def test_exceptions_have_the_manuals_causes(machine):
    at = li(T0, 0x1000)
    assert trap(machine, NOP, 0xFFFFFFFF) == (2, 4, 0xFFFFFFFF)
    assert trap(machine, EBREAK) == (3, 0, L2MEM)
    assert trap(machine, *at, lw(A0, T0, 4)) == (5, 8, 0x1004)
    assert trap(machine, *at, sw(A0, T0)) == (7, 8, 0x1000)
    assert trap(machine, ECALL)[:2] == (11, 0)
    assert trap(machine, *at, i_type(0x67, 0, 0, T0, 0)) == (1, 0x1000 - L2MEM, 0x1000)


def test_misaligned_device_registers(machine):
    at = li(T0, UART)
    assert trap(machine, *at, lw(A0, T0, 2)) == (4, 8, UART + 2)
    assert trap(machine, *at, sw(A0, T0, 2)) == (6, 8, UART + 2)


def test_simd_that_is_off_is_illegal(machine):
    word = assemble("esp.zero.q q0", "v3")
    assert trap(machine, word) == (2, 0, word)


def test_status_over_a_trap_and_back(machine):
    machine.write(HANDLER, code(csrr(A1, MSTATUS), *li(T0, L2MEM + 8), csrw(MEPC, T0), MRET))
    machine.set_csr(MSTATUS, STATUS_MIE)
    machine.write(L2MEM, code(ECALL, EBREAK, csrr(A2, MSTATUS), WFI))
    assert machine.run(1000).reason == Reason.WAIT
    assert (machine.get_x(A1) & 0x88, machine.get_x(A2) & 0x88) == (STATUS_MPIE, STATUS_MIE | STATUS_MPIE)


def test_a_handler_that_faults_ends_the_run(machine):
    machine.write(HANDLER, code(EBREAK))
    machine.write(L2MEM, code(NOP, ECALL))
    stop = machine.run(1000)
    assert (stop.reason, stop.fault, stop.pc, stop.instructions) == (Reason.FAULT, Fault.BREAKPOINT, HANDLER, 1)


def test_without_a_handler_faults_end_the_run(machine):
    machine.set_csr(MTVEC, 0)
    machine.write(L2MEM, code(EBREAK))
    assert machine.run(10).fault == Fault.BREAKPOINT


def test_without_devices_nothing_is_new():
    with Simulator() as sim:
        sim.write(L2MEM, code(WFI, MRET))
        sim.set_csr(MTVEC, HANDLER)
        sim.pc = L2MEM
        stop = sim.run(10)
        assert (stop.fault, stop.pc, stop.instructions) == (Fault.ILLEGAL, L2MEM + 4, 1)


ECHO = (
    *li(T0, UART),
    lw(T1, T0, 0x1C),  # bytes that wait
    b_type(1, T1, 0, 12),
    WFI,
    b_type(0, 0, 0, -12),
    lw(A0, T0),
    i_type(0x13, A0, 0, A0, 1),
    sw(A0, T0),
    b_type(0, 0, 0, -28),
)


def test_the_uart_carries_bytes_both_ways(machine):
    """A program that sends each byte back plus one."""
    machine.write(L2MEM, code(*ECHO))
    assert machine.run(1000).reason == Reason.WAIT
    sent = bytes(range(256)) * 3
    machine.uart_feed(sent)
    assert machine.run(100_000).reason == Reason.WAIT
    assert machine.uart_take() == bytes((byte + 1) % 256 for byte in sent)
    assert machine.uart_take() == b""


def test_the_fifo_tells_of_128_bytes(machine):
    machine.uart_feed(bytes(200))
    machine.write(L2MEM, code(*li(T0, UART), lw(A0, T0, 0x1C), WFI))
    machine.run(100)
    assert machine.get_x(A0) == 128


def test_bytes_interrupt_where_they_may(machine):
    loop = b_type(0, 0, 0, 0)
    machine.write(L2MEM, code(*li(T0, UART), i_type(0x13, T1, 0, 0, 1), sw(T1, T0, 0x0C), loop))
    machine.set_csr(MIE, UART_BIT)
    machine.uart_feed(b"x")
    assert machine.run(200_000).reason == Reason.LIMIT
    assert machine.get_csr(MIP) == UART_BIT
    machine.set_csr(MSTATUS, STATUS_MIE)
    machine.run(10)
    assert (machine.get_x(A1), machine.get_x(A2)) == (0x8000000B, L2MEM + 16)


def test_the_timer_rings_at_its_time(machine):
    """360 cycles are 16 ticks; the alarm is seen at the end of a slice."""
    machine.set_csr(MIE, TIMER_BIT)
    machine.set_csr(MSTATUS, STATUS_MIE)
    at = (*li(T0, TIMER), *li(T1, 16000), sw(T1, T0, 0x20), i_type(0x13, T1, 0, 0, 1), sw(T1, T0, 0x64))
    machine.write(L2MEM, code(*at, b_type(0, 0, 0, 0)))
    assert machine.run(300_000).reason == Reason.LIMIT
    assert machine.run(200_000).reason == Reason.WAIT
    assert machine.get_x(A1) == 0x80000007
    assert 360_000 <= machine.instructions < 360_000 + 65536 + 10


def test_an_alarm_that_is_not_heard_comes_as_a_watchdog(machine):
    """100 ms are 36,000,000 cycles."""
    at = (*li(T0, TIMER), i_type(0x13, T1, 0, 0, 1), sw(0, T0, 0x20), sw(T1, T0, 0x64))
    machine.write(L2MEM, code(*at, b_type(0, 0, 0, 0)))
    assert machine.run(35_900_000).reason == Reason.LIMIT
    assert machine.run(200_000).reason == Reason.WAIT
    assert (machine.get_x(A1), machine.get_x(A2)) == (0x80000018, L2MEM + 4 * len(at))
    machine.pc = L2MEM + 4 * len(at)
    assert machine.run(200_000).reason == Reason.LIMIT


def test_time_passes_while_it_waits(machine):
    read = (*li(T0, TIMER), sw(0, T0, 4), lw(A0, T0, 0x44), lw(A1, T0, 0x40), WFI, b_type(0, 0, 0, -16))
    machine.write(L2MEM, code(*read))
    machine.run(100)
    before = machine.get_x(A0)
    machine.pass_time(0.5)
    machine.run(100)
    assert 8_000_000 <= machine.get_x(A0) - before < 8_000_100
    for _ in range(600):
        machine.pass_time(0.5)
    machine.run(100)
    assert machine.get_x(A1) == 1


def test_an_interrupt_rests_a_hardware_loop(machine):
    """A loop over many slices, interrupted in its body by the end of one: the count comes out as without."""
    handler = (*li(T0, UART), lw(T1, T0), i_type(0x13, A2, 0, A2, 1), MRET)
    machine.write(HANDLER, code(*handler))
    start = (*li(T0, UART), i_type(0x13, T1, 0, 0, 1), sw(T1, T0, 0x0C))
    body = (i_type(0x13, A0, 0, A0, 1), *[NOP] * 7)
    machine.write(L2MEM, code(*start, assemble("esp.lp.setup 0, a1, 32", "v3"), *body, WFI))
    machine.set_csr(LOOP_STATE, 1)
    machine.set_x(A1, 50_000)
    assert machine.run(70_000).reason == Reason.LIMIT
    machine.set_csr(MIE, UART_BIT)
    machine.set_csr(MSTATUS, STATUS_MIE)
    for _ in range(4):
        machine.uart_feed(b"x")
        machine.run(66_001)
    machine.run(1_000_000)
    assert (machine.get_x(A0), machine.get_x(A2)) == (50_000, 4)
