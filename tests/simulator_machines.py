"""The same program on our simulator and on unicorn, and what each leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import unicorn
from unicorn import riscv_const

from p4c.runtime.simulator.native import Fault, Reason
from p4c.runtime.simulator.simulator import Simulator

L2MEM, L2MEM_SIZE = 0x4FF00000, 0xC0000
FCSR, MSCRATCH = 0x003, 0x340
FPU_ON = 0x6000  # mstatus.FS
MASK = 0xFFFFFFFF
EBREAK = (0x00100073).to_bytes(4, "little")
MAX_INSTRUCTIONS = 10**9
ALL_REGISTERS = [
    *(riscv_const.UC_RISCV_REG_X0 + number for number in range(32)),
    *(riscv_const.UC_RISCV_REG_F0 + number for number in range(32)),
    *(riscv_const.UC_RISCV_REG_FCSR, riscv_const.UC_RISCV_REG_MSCRATCH),
]


@dataclass(frozen=True)
class State:
    """Registers, flags and a stretch of memory: what two machines must agree about."""

    x: tuple[int, ...]
    f: tuple[int, ...]
    fcsr: int
    mscratch: int
    memory: bytes

    def difference(self, other: State) -> str:
        """Names of what differs, with both values; empty when nothing does."""
        pairs = [("fcsr", self.fcsr, other.fcsr), ("mscratch", self.mscratch, other.mscratch)]
        pairs += [(f"x{i}", a, b) for i, (a, b) in enumerate(zip(self.x, other.x, strict=True))]
        pairs += [(f"f{i}", a, b) for i, (a, b) in enumerate(zip(self.f, other.f, strict=True))]
        pairs += [(f"byte {i}", a, b) for i, (a, b) in enumerate(zip(self.memory, other.memory, strict=True))]
        return ", ".join(f"{name}: {a:#x} not {b:#x}" for name, a, b in pairs if a != b)


def load_ours(sim: Simulator, code: dict[int, bytes], start: State, memory: int) -> None:
    for address, data in code.items():
        sim.write(address, data)
    sim.write(memory, start.memory)
    for number in range(32):
        sim.set_x(number, start.x[number])
        sim.set_f(number, start.f[number])
    sim.set_csr(FCSR, start.fcsr)
    sim.set_csr(MSCRATCH, start.mscratch)


def state_of_ours(sim: Simulator, memory: int, size: int) -> State:
    return State(
        tuple(sim.get_x(number) for number in range(32)),
        tuple(sim.get_f(number) for number in range(32)),
        sim.get_csr(FCSR),
        sim.get_csr(MSCRATCH),
        sim.read(memory, size),
    )


def run_ours(sim: Simulator, code: dict[int, bytes], start: State, pc: int, end: int, memory: int) -> State:
    """Run from pc; the program ends by reaching `end`, where an ebreak is put."""
    load_ours(sim, {**code, end: EBREAK}, start, memory)
    sim.pc = pc
    stop = sim.run(MAX_INSTRUCTIONS)
    assert stop.reason == Reason.FAULT, f"ended for reason {Reason(stop.reason).name}"
    assert stop.pc == end, f"ended at {stop.pc:#x}"
    return state_of_ours(sim, memory, len(start.memory))


def step_ours(sim: Simulator, code: bytes, start: State, pc: int, memory: int) -> tuple[int, State] | None:
    """One instruction; where it led and what it did, or None if it is illegal."""
    load_ours(sim, {pc: code}, start, memory)
    sim.pc = pc
    stop = sim.run(1)
    if stop.fault in (Fault.ILLEGAL, Fault.BREAKPOINT):
        return None
    return sim.pc, state_of_ours(sim, memory, len(start.memory))


def load_unicorn(code: dict[int, bytes], start: State, memory: int) -> unicorn.Uc:
    machine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
    machine.mem_map(L2MEM, L2MEM_SIZE)
    for address, data in code.items():
        machine.mem_write(address, data)
    machine.mem_write(memory, start.memory)
    machine.reg_write(riscv_const.UC_RISCV_REG_MSTATUS, FPU_ON)
    for number in range(1, 32):
        machine.reg_write(riscv_const.UC_RISCV_REG_X0 + number, start.x[number])
    for number in range(32):
        # unicorn's core has D too: 32-bit values are boxed into 64 bits by ones above them.
        machine.reg_write(riscv_const.UC_RISCV_REG_F0 + number, start.f[number] | MASK << 32)
    machine.reg_write(riscv_const.UC_RISCV_REG_FCSR, start.fcsr)
    machine.reg_write(riscv_const.UC_RISCV_REG_MSCRATCH, start.mscratch)
    return machine


def state_of_unicorn(machine: unicorn.Uc, memory: int, size: int) -> State:
    values = machine.reg_read_batch(ALL_REGISTERS)
    x, f = (tuple(value & MASK for value in values[first : first + 32]) for first in (0, 32))
    return State(x, f, values[64], values[65], bytes(machine.mem_read(memory, size)))


def run_unicorn(code: dict[int, bytes], start: State, pc: int, end: int, memory: int) -> State:
    machine = load_unicorn(code, start, memory)
    machine.emu_start(pc, end)
    return state_of_unicorn(machine, memory, len(start.memory))


class UnicornStepper:
    """Single instructions from the same start on one unicorn, which takes a while to make."""

    def __init__(self, start: State, pc: int, memory: int) -> None:
        self.machine = load_unicorn({}, start, memory)
        self.context = self.machine.context_save()
        self.start, self.pc, self.memory = start, pc, memory

    def step(self, code: bytes) -> tuple[int, State] | None:
        """As step_ours(); unicorn tells illegal instructions and breakpoints by the same exceptions."""
        self.machine.context_restore(self.context)
        self.machine.ctl_flush_tb()  # or it executes translations of earlier steps
        self.machine.mem_write(self.pc, code)
        self.machine.mem_write(self.memory, self.start.memory)
        try:
            self.machine.emu_start(self.pc, 0, count=1)
        except unicorn.UcError as error:
            if error.errno not in (unicorn.UC_ERR_EXCEPTION, unicorn.UC_ERR_INSN_INVALID):
                raise
            return None
        pc = self.machine.reg_read(riscv_const.UC_RISCV_REG_PC)
        return pc, state_of_unicorn(self.machine, self.memory, len(self.start.memory))
