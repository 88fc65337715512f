"""The simulated machine around the instructions: memories, calls, faults, counters, MMIO, threads."""

from __future__ import annotations

import threading

import pytest

from p4c.compiler.errors import DeviceError, DeviceFault, InputError
from p4c.runtime.simulator.native import RETURN_ADDRESS, Reason
from p4c.runtime.simulator.simulator import Simulator

from .simulator_encoding import b_type, i_type, jal, li, r_type, s_type, u_type

TCM, FLASH, PSRAM, L2MEM, UART = 0x30100000, 0x40000000, 0x48000000, 0x4FF00000, 0x500CA000
A0, A1, A2, RA = 10, 11, 12, 1
MINSTRET, INSTRET, MCYCLEH, MHARTID, MISA = 0xB02, 0xC02, 0xB80, 0xF14, 0x301
RETURN = 0x8082  # c.jr ra
EBREAK, ECALL, FENCE_I = 0x00100073, 0x00000073, 0x0000100F


def code(*words: int) -> bytes:
    return b"".join(word.to_bytes(4 if word & 3 == 3 else 2, "little") for word in words)


def lw(rd: int, base: int) -> int:
    return i_type(0x03, rd, 2, base, 0)


def sw(rs2: int, base: int) -> int:
    return s_type(0x23, 2, base, rs2, 0)


def addi(rd: int, rs1: int, imm: int) -> int:
    return i_type(0x13, rd, 0, rs1, imm)


def csr(rd: int, funct3: int, number: int, rs1: int = 0) -> int:
    return i_type(0x73, rd, funct3, rs1, number)


@pytest.fixture
def sim():
    with Simulator() as simulator:
        yield simulator


def load(sim: Simulator, *words: int, at: int = L2MEM) -> int:
    sim.write(at, code(*words))
    return at


@pytest.mark.parametrize(("base", "size"), [(TCM, 8 << 10), (FLASH, 16 << 20), (PSRAM, 32 << 20), (L2MEM, 768 << 10)])
def test_memories_of_the_chip(sim, base, size):
    """Host access to both ends of each, zeros before, and nothing beside."""
    for address in (base, base + size - 4):
        assert sim.read(address, 4) == bytes(4)
        sim.write(address, b"abcd")
        assert sim.read(address, 4) == b"abcd"
    for address in (base - 1, base + size - 3):
        with pytest.raises(DeviceError, match="do not lie in one memory"):
            sim.read(address, 4)
        with pytest.raises(DeviceError, match="do not lie in one memory"):
            sim.write(address, bytes(4))


def test_sizes_are_configurable():
    with Simulator(flash_size=0, psram_size=4096) as sim:
        sim.write(PSRAM, bytes(4096))
        with pytest.raises(DeviceError):
            sim.read(FLASH, 1)
    with pytest.raises(DeviceError, match="65 bytes of flash"):
        Simulator(flash_size=65)
    with pytest.raises(InputError, match="chip revision 'v2'"):
        Simulator("v2")


@pytest.mark.parametrize("base", [TCM, FLASH, PSRAM, L2MEM])
def test_code_runs_from_every_memory(sim, base):
    entry = load(sim, r_type(0x33, A0, 0, A0, A1, 0), RETURN, at=base)
    result = sim.call(entry, 40, 2)
    assert (result.a0, result.instructions) == (42, 2)


def test_arguments_go_by_the_calling_convention(sim):
    """Integers and floats are counted apart: f(1, 2.5, -3) has them in a0, fa0, a1."""
    fcvt = r_type(0x53, A2, 1, A0, 0, 0x60)  # fcvt.w.s a2, fa0, rtz
    entry = load(sim, fcvt, r_type(0x33, A0, 0, A0, A1, 0), r_type(0x33, A0, 0, A0, A2, 0), RETURN)
    assert sim.call(entry, 1, 2.5, -3).a0 == 0
    with pytest.raises(ValueError, match="stack"):
        sim.call(entry, *range(9))


def test_stack_pointer_is_given(sim):
    entry = load(sim, addi(A0, 2, 0), RETURN)
    assert sim.call(entry).a0 == 0x4FFC0000
    assert sim.call(entry, stack_top=0x4FF80000).a0 == 0x4FF80000


def fault(sim: Simulator, entry: int, *arguments: int, limit: int = 1000) -> DeviceFault:
    with pytest.raises(DeviceFault) as caught:
        sim.call(entry, *arguments, max_instructions=limit)
    return caught.value


def test_load_fault(sim):
    sim.symbolize = lambda address: f"p4c_test+{address - L2MEM:#x}"
    entry = load(sim, 0x0001, lw(A1, A0), RETURN)
    error = fault(sim, entry, 0x1234)
    assert (error.pc, error.address, error.symbol) == (L2MEM + 2, 0x1234, "p4c_test+0x2")
    assert str(error) == (
        "the program read 4 bytes at 0x00001234, where there is no memory (pc 0x4ff00002 in p4c_test+0x2)\n"
        "  help: Check the addresses given to the program: arena, weights, input, output and stack."
    )
    assert sim.get_x(A1) == 0


def test_store_faults(sim):
    entry = load(sim, sw(A1, A0), RETURN)
    for address in (0, FLASH, L2MEM + (768 << 10) - 2, 0xFFFFFFFE):
        error = fault(sim, entry, address)
        assert error.address == address
        assert "wrote 4 bytes" in str(error)
        assert "no writable memory" in str(error)
    assert sim.read(FLASH, 4) == bytes(4)


def test_fetch_faults(sim):
    jump = load(sim, 0x8502)  # c.jr a0
    for target in (0, UART, 0x4FFC0000):
        error = fault(sim, jump, target)
        assert (error.pc, error.address) == (target, target)
        assert "where there is no code" in str(error)
    # A 4-byte instruction whose second half is beyond the memory, and running off the end.
    last = L2MEM + (768 << 10) - 2
    assert fault(sim, load(sim, 0x0001, at=last)).pc == last + 2
    sim.write(last, b"\xff\xff")
    error = fault(sim, last)
    assert (error.pc, error.address) == (last, last + 2)


def test_fetch_fault_names_where_the_jump_came_from(sim):
    sim.symbolize = lambda address: "f" if address < L2MEM + 16 else ""
    entry = load(sim, addi(A0, 0, 0), 0x9502, RETURN)  # c.jalr a0
    assert "(pc 0x00000000 in f, ra 0x4ff00006 in f)" in str(fault(sim, entry))


def test_misaligned_accesses(sim):
    """Loads and stores may be misaligned, also over a page border; atomic operations may not."""
    border = L2MEM + 0x3FFE
    entry = load(sim, sw(A1, A0), lw(A0, A0), RETURN)
    assert sim.call(entry, border, 0x11223344).a0 == 0x11223344
    assert sim.read(border, 4) == bytes.fromhex("44332211")
    for funct5 in (0, 2, 3):  # amoadd.w, lr.w, sc.w
        entry = load(sim, r_type(0x2F, A1, 2, A0, 0, funct5 << 2), RETURN)
        error = fault(sim, entry, border)
        assert error.address == border
        assert "not aligned" in str(error)


def test_atomic_to_flash_is_a_store_fault(sim):
    assert "wrote 4 bytes" in str(fault(sim, load(sim, r_type(0x2F, A1, 2, A0, 0, 0), RETURN), FLASH))


def test_illegal_instruction(sim):
    error = fault(sim, load(sim, 0x0001, 0xFFFFFFF7))
    assert error.pc == L2MEM + 2
    assert "illegal instruction 0xfffffff7" in str(error)
    assert "illegal instruction 0x0000 " in str(fault(sim, load(sim, 0x0000)))


def test_csrs(sim):
    """Read-only ones refuse writes and unknown ones everything; reading needs no write permission."""
    assert sim.call(load(sim, csr(A0, 2, MISA), RETURN)).a0 == 0x40001125
    assert sim.call(load(sim, csr(A0, 2, MHARTID), RETURN)).a0 == 0
    for word in (csr(0, 1, MHARTID), csr(A0, 2, MHARTID, A0), csr(0, 5, INSTRET), csr(A0, 2, 0x123)):
        assert "illegal instruction" in str(fault(sim, load(sim, word)))
    for number in (0x7F1, 0x7F2):  # enabling of hardware loops and SIMD
        assert sim.call(load(sim, csr(0, 6, number, 1), csr(A0, 2, number), RETURN)).a0 == 1
    with pytest.raises(KeyError):
        sim.get_csr(0x123)
    with pytest.raises(KeyError):
        sim.set_csr(MHARTID, 1)


def test_instruction_counters(sim):
    """A counter reads the instructions before the reading one; what is written is read by the next."""
    assert sim.call(load(sim, 0x0001, 0x0001, csr(A0, 2, INSTRET), RETURN)).a0 == 2
    assert sim.instructions == 4
    entry = load(sim, addi(A1, 0, 100), csr(0, 1, MINSTRET, A1), csr(A0, 2, INSTRET), RETURN)
    assert sim.call(entry).a0 == 100
    assert sim.instructions == 8
    sim.set_csr(MCYCLEH, 5)
    assert sim.get_csr(0xC80) == 5


def test_breakpoint_and_host_call(sim):
    entry = load(sim, 0x0001, EBREAK, RETURN)
    assert "ebreak" in str(fault(sim, entry))
    assert "ebreak" in str(fault(sim, load(sim, 0x9002)))
    sim.pc = load(sim, 0x0001, ECALL, RETURN)
    sim.set_x(RA, RETURN_ADDRESS)
    stop = sim.run(100)
    assert (stop.reason, stop.pc, stop.instructions) == (Reason.HOST_CALL, L2MEM + 2, 1)
    sim.pc += 4
    assert sim.run(100).reason == Reason.RETURN
    assert "ecall" in str(fault(sim, load(sim, ECALL)))


def test_instruction_limit(sim):
    """Exact to the instruction, and the run can go on."""
    entry = load(sim, *li(A0, 1000), addi(A0, A0, -1), b_type(1, A0, 0, -4), RETURN)
    assert sim.call(entry, max_instructions=2003).instructions == 2003
    error = fault(sim, entry, limit=2002)
    assert "did not return within 2002 instructions" in str(error)
    assert sim.run(1).reason == Reason.RETURN
    sim.pc = entry
    assert [sim.run(1).reason for _ in range(3)] == [Reason.LIMIT] * 3
    assert sim.pc == L2MEM + 12


def test_slices_add_up(sim, monkeypatch):
    """run() comes back to Python now and then; the counts must not show it."""
    monkeypatch.setattr("p4c.runtime.simulator.simulator.SLICE_INSTRUCTIONS", 7)
    entry = load(sim, *li(A0, 1000), addi(A0, A0, -1), b_type(1, A0, 0, -4), RETURN)
    assert sim.call(entry).instructions == 2003
    assert sim.run(0).instructions == 0


@pytest.mark.parametrize("fence", [FENCE_I, 0x0001])
@pytest.mark.parametrize("offset", [0, 0xFFE - 8])
def test_code_that_changes_itself(sim, fence, offset):
    """A store replaces an instruction that was executed before, also one that lies across a page border."""
    start = L2MEM + offset
    target = start + 8
    new = addi(A0, A0, 100)
    words = (sw(A1, A2), fence, *([0x0001] if fence == 0x0001 else []), addi(A0, A0, 1), RETURN)
    load(sim, *words, at=start)
    old = int.from_bytes(sim.read(target, 4), "little")
    assert old == addi(A0, A0, 1)
    assert sim.call(start, 5, old, target).a0 == 6
    assert sim.call(start, 5, new, target).a0 == 105
    assert sim.call(start, 5, old, target).a0 == 6


def test_half_of_an_instruction_changes(sim):
    """A 2-byte store into the second half of a decoded 4-byte instruction, over the page border."""
    start = L2MEM + 0xFFE
    load(sim, addi(A0, 0, 1), RETURN, at=start)
    assert sim.call(start).a0 == 1
    store = load(sim, s_type(0x23, 1, A0, A1, 0), RETURN, at=L2MEM + 0x8000)
    sim.call(store, start + 2, addi(A0, 0, 7) >> 16)
    assert sim.call(start).a0 == 7
    sim.write(start + 2, (addi(A0, 0, 9) >> 16).to_bytes(2, "little"))
    assert sim.call(start).a0 == 9


def test_loading_replaces_code(sim):
    for value in (1, 2):
        assert sim.call(load(sim, addi(A0, 0, value), RETURN)).a0 == value
    sim.write(L2MEM, bytes(0x2000))
    assert "illegal" in str(fault(sim, L2MEM))


def test_data_next_to_code(sim):
    """Stores to a page that holds code still reach memory, and loads see them."""
    entry = load(sim, sw(A1, A0), lw(A0, A0), RETURN)
    assert sim.call(entry, L2MEM + 0x100, 77).a0 == 77


def test_mmio(sim):
    accesses = []

    def read(offset: int, size: int) -> int:
        accesses.append(("read", offset, size))
        return 0x80 + offset

    def write(offset: int, size: int, value: int) -> None:
        accesses.append(("write", offset, size, value))

    sim.map_mmio(UART, 0x80, read, write)
    byte = load(sim, s_type(0x23, 0, A0, A1, 0), i_type(0x03, A0, 0, A0, 1), RETURN)
    assert sim.call(byte, UART + 4, 0x1FF).a0 == 0xFFFFFF85
    assert accesses == [("write", 4, 1, 0xFF), ("read", 5, 1)]
    word = load(sim, lw(A0, A0), RETURN)
    assert sim.call(word, UART + 0x7C).a0 == 0xFC
    for address in (UART + 0x80, UART - 4):
        assert "no memory" in str(fault(sim, word, address))
    assert "not aligned" in str(fault(sim, word, UART + 2))
    with pytest.raises(ValueError, match="cannot be mapped"):
        sim.map_mmio(L2MEM + 4096, 4096, read, write)


def test_instances_run_in_parallel():
    """Threads, each with a simulator and a result of its own."""
    results = {}

    def work(count: int) -> None:
        with Simulator(psram_size=0) as sim:
            body = (addi(A0, A0, 3), addi(A1, A1, -1), b_type(1, A1, 0, -8))
            entry = load(sim, *li(A1, count), addi(A0, 0, 0), *body, RETURN)
            results[count] = sim.call(entry)

    threads = [threading.Thread(target=work, args=(count,)) for count in range(100_000, 100_008)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {count: (result.a0, result.instructions) for count, result in results.items()} == {
        count: (3 * count, 3 * count + 4) for count in range(100_000, 100_008)
    }


def test_registers_from_the_host(sim):
    sim.set_x(0, 5)
    sim.set_x(31, -1)
    sim.set_f(31, 0x3F800000)
    assert (sim.get_x(0), sim.get_x(31), sim.get_f(31)) == (0, 0xFFFFFFFF, 0x3F800000)


def test_jump_and_link_to_itself(sim):
    """jalr ra, ra reads the register before it writes it; x0 takes no result."""
    entry = load(sim, u_type(0x17, 5, 0), i_type(0x67, 5, 0, 5, 12), EBREAK, addi(A0, 5, 0), jal(0, 4), RETURN)
    assert sim.call(entry).a0 == L2MEM + 8
