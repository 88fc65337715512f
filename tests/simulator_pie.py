"""One PIE instruction on random states, in the simulator and in the slow NumPy model."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Iterator
from random import Random

import numpy as np
import pytest

from p4c.backend.pie.model import execute, is_modelled
from p4c.backend.pie.state import CFG_WRITABLE, PieState
from p4c.backend.pie.table import PIE_REGISTERS, REVISIONS, Instruction, encode, instructions
from p4c.runtime.simulator.native import PieRegisters, Reason
from p4c.runtime.simulator.simulator import Simulator
from p4c.runtime.simulator.timing import Timing

CODE, DATA, DATA_SIZE = 0x30100000, 0x4FF00000, 0x50000
# Pointers point here: an indexed access reaches 256 KB further.
POINTER = DATA + 0x4000
QACC_ONES = ((1 << 31) - 1, -(1 << 31), (1 << 63) - 1, -(1 << 63))


class TestMemory:
    """A block with fixed content; what is written is noted and never seen again."""

    __test__ = False

    def __init__(self, data: bytes):
        self.data, self.written = data, {}

    def read(self, address: int, size: int) -> bytes:
        return self.data[address - DATA : address - DATA + size]

    def write(self, address: int, data: bytes) -> None:
        self.written[address] = data


def modelled() -> Iterator[tuple[Instruction, str]]:
    """Every instruction that the model executes, with every revision that encodes it."""
    for instruction in instructions().values():
        for rev in REVISIONS:
            encoding = instruction.encodings.get(rev)
            if is_modelled(instruction) and encoding and not encoding.alias_of:
                yield instruction, rev


class Pair:
    """A simulator and the model's memory, both holding the same bytes."""

    def __init__(self, rev: str, seed: int, timing: Timing | None = None):
        self.rev, self.rng = rev, Random(f"{rev}{seed}")
        data = self.rng.randbytes(DATA_SIZE)
        self.memory, self.sim = TestMemory(data), Simulator(rev, timing=timing)
        self.sim.write(DATA, data)

    def check(self, instruction: Instruction) -> None:
        """Compare the instruction on one random state, with random operands."""
        fields = instruction.encodings[self.rev].fields
        operands = {field.name: self.rng.choice(field.values) for field in fields}
        state = random_state(self.rng, instruction, operands, scalars(operands), POINTER)
        self.check_state(instruction, operands, state)

    def check_state(self, instruction: Instruction, operands: dict[str, int], state: PieState) -> None:
        """Run the instruction on a state in both, and compare everything that it may change."""
        word = encode(instruction, operands, self.rev)
        self.memory.written = {}
        numbers = scalars(operands)
        self.load(state, numbers, word)
        before = snapshot(state)
        execute(state, self.memory, instruction, operands, self.rev)
        stop = self.sim.run(1)
        different = self.differences(state, numbers)
        if stop.reason != Reason.LIMIT or self.sim.pc != CODE + 4 or different:
            told = f"{instruction.mnemonic} {operands} on {self.rev}, {word:#010x}, from {before}"
            pytest.fail(f"{told}: fault {stop.fault}, pc {self.sim.pc:#x}, {different}")

    def load(self, state: PieState, numbers: set[int], word: int) -> None:
        registers = PieRegisters(
            xacc=state.xacc,
            sar=state.sar,
            sar_byte=state.sar_byte,
            fft_bit_width=state.fft_bit_width,
            cfg=state.cfg,
        )
        for name in ("q", "qacc", "ua_state"):
            ctypes.memmove(getattr(registers, name), getattr(state, name).tobytes(), getattr(state, name).size)
        self.sim.set_pie(registers)
        for number in numbers:
            self.sim.set_x(number, state.x(number))
        self.sim.write(CODE, struct.pack("<I", word))
        self.sim.pc = CODE

    def differences(self, state: PieState, numbers: set[int]) -> list[str]:
        """Names of what the simulator holds otherwise than the model, with both values."""
        pairs = [(f"x{number}", self.sim.get_x(number), state.x(number)) for number in numbers]
        registers = self.sim.get_pie()
        for name in ("q", "qacc", "ua_state"):
            pairs.append((name, bytes(getattr(registers, name)), getattr(state, name).tobytes()))
        for name in ("xacc", "sar", "sar_byte", "fft_bit_width", "cfg"):
            pairs.append((name, getattr(registers, name), getattr(state, name)))
        for address, data in self.memory.written.items():
            pairs.append((f"memory at {address:#x}", self.sim.read(address, len(data)), data))
            self.sim.write(address, self.memory.read(address, len(data)))
        return [f"{name}: {found!r} not {wanted!r}" for name, found, wanted in pairs if found != wanted]

    def check_memory(self) -> None:
        """The simulator wrote nothing that the model did not."""
        assert self.sim.read(DATA, DATA_SIZE) == self.memory.data


def random_state(
    rng: Random, instruction: Instruction, operands: dict[str, int], numbers: Iterable[int], pointer: int
) -> PieState:
    """A state with these integer registers; an instruction that reaches memory does so behind `pointer`."""
    state = PieState()
    for number in numbers:
        state.set_x(number, rng.choice((rng.getrandbits(32), rng.randrange(64), 0x80000000, 0x7FFFFFFF, 0)))
    if instruction.memory or instruction.family.endswith("indexed"):
        step = rng.choice((0, 1, -1, 16, -16, 48, -4096, rng.randrange(-4096, 4096)))
        state.set_x(operands.get("rs2", 8), step)
        state.set_x(operands["rs1"], pointer + rng.choice((0, 16, 4080, rng.randrange(4096))))
    state.cfg = rng.getrandbits(32) & (CFG_WRITABLE | 0xC)
    state.sar, state.sar_byte, state.fft_bit_width = rng.randrange(64), rng.randrange(16), rng.randrange(16)
    state.ua_state[:] = random_bytes(rng, 16)
    state.xacc = rng.choice((rng.getrandbits(40), rng.getrandbits(20), (1 << 39) - 5, 1 << 39, (1 << 40) - 3))
    for number in range(8):
        state.q[number] = random_vector(rng)
    amount = state.x(operands["rs1"]) & 63 if "rs1" in operands else rng.randrange(64)
    state.qacc[:] = random_accumulators(rng, instruction.lanes, amount)
    return state


def scalars(operands: dict[str, int]) -> set[int]:
    """The integer registers that an instruction may see or change."""
    return {*PIE_REGISTERS, *(operands[name] for name in ("xd", "xs0", "xs1", "xs2") if name in operands)}


def snapshot(state: PieState) -> dict[str, object]:
    """What a message says about the state before."""
    registers = [state.x(number) for number in PIE_REGISTERS]
    return {"q": state.q.tobytes(), "qacc": state.qacc.tobytes(), "cfg": state.cfg, "x8-15, x24-31": registers}


def random_bytes(rng: Random, size: int) -> np.ndarray:
    return np.frombuffer(rng.randbytes(size), np.uint8)


def random_vector(rng: Random) -> np.ndarray:
    """Random lanes, small ones, or the edges of a lane type."""
    kind = rng.randrange(5)
    if kind == 0:
        return np.array([rng.randrange(-3, 4) for _ in range(16)], np.int8).view(np.uint8)
    if kind == 1:
        return np.array([rng.choice((0, 0x7F, 0x80, 0xFF, 1)) for _ in range(16)], np.uint8)
    if kind == 2:
        return np.array([rng.choice((0, 0x7FFF, 0x8000, 0xFFFF, 1)) for _ in range(8)], np.uint16).view(np.uint8)
    if kind == 3:
        edges = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1)
        return np.array([rng.choice(edges) for _ in range(4)], np.uint32).view(np.uint8)
    return random_bytes(rng, 16)


def random_accumulators(rng: Random, lanes: str, amount: int) -> np.ndarray:
    """Accumulators about the ties and saturation edges of a read-out by `amount`, or at their own ends."""
    bits, dtype = (64, np.uint64) if lanes[1:] == "16" else (32, np.uint32)
    values = []
    for _ in range(512 // bits):
        near = rng.choice((0, 127, -128, 255, 32767, -32768, 65535, rng.randrange(-300, 300)))
        tie = (near << amount) + rng.choice((0, (1 << amount) >> 1)) + rng.choice((-1, 0, 1))
        end = rng.choice(QACC_ONES) + rng.choice((0, 1, -1, rng.randrange(-1 << 15, 1 << 15)))
        values.append(rng.choice((tie, tie, tie, end, rng.getrandbits(bits))) & ((1 << bits) - 1))
    return np.array(values, dtype).view(np.uint8)
