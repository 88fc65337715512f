"""Every PIE instruction that the NumPy model knows, on the board under test and in the model, over random states.

On a chip, this settles what the sources leave open (UNCERTAIN in backend/pie/model.py): a test that fails there says
which instruction does otherwise, and from which state.
"""

from __future__ import annotations

import dataclasses
import struct
from random import Random

import numpy as np
import pytest

from p4c.backend.pie.model import FlatMemory, execute
from p4c.backend.pie.registers import ABI_NAMES
from p4c.backend.pie.state import CFG_MIS_LD, CFG_MIS_ST, CFG_WRITABLE, PieState
from p4c.backend.pie.table import Instruction, encode

from .board_code import ENABLE_PIE, BoardCode
from .simulator_encoding import li
from .simulator_pie import modelled, random_state, snapshot
from .simulator_timed import RETURN, Line, addi, lw, sw

STATES = 3
MANY_STATES = 60
# Cases in one program.
BATCH = 64
FAMILIES = sorted({instruction.family for instruction, _ in modelled()})

# A state in memory: q0 to q7, QACC, UA_STATE, then words: XACC, SAR, SAR_BYTES, FFT_BIT_WIDTH, CFG, x0 to x31.
Q, QACC, UA, WORDS, REGISTERS, SIZE = 0, 128, 192, 208, 232, 368
SPECIAL = ("xacc.l", "xacc.h", "sar", "sar.bytes", "fft.bit.width", "cfg")
QUARTERS = ("l.l", "l.h", "h.l", "h.h")
# Memory that instructions reach: pointers point into its middle third.
DATA = 48 << 10
# Not for instructions under test: the system's interrupts find their stack and their data by these.
SYSTEM_REGISTERS = {2, 3, 4}
NUMBERS = [number for number in range(1, 32) if number not in SYSTEM_REGISTERS]
# Registers whose values the calling function wants back.
SAVED = (1, 8, 9, *range(18, 28))
A0, A1, SP = 10, 11, 2
SAVE_AREA = 64
READS_OUT = "srcmb"


@dataclasses.dataclass
class Case:
    """An instruction with its operands and the state before it."""

    instruction: Instruction
    operands: dict[str, int]
    state: PieState

    @property
    def base(self) -> int:
        """A register that the instruction leaves alone, and that holds addresses meanwhile."""
        return next(number for number in (5, 6, 7, 16, 17) if number not in self.operands.values())


def packed(state: PieState) -> bytes:
    vectors = state.q.tobytes() + state.qacc.tobytes() + state.ua_state.tobytes()
    words = (state.xacc & 0xFFFFFFFF, state.xacc >> 32, state.sar, state.sar_byte, state.fft_bit_width, state.cfg)
    registers = [state.x(number) for number in range(32)]
    return (vectors + struct.pack("<38I", *words, *registers)).ljust(SIZE, b"\0")


def unpacked(data: bytes) -> PieState:
    state, words = PieState(), struct.unpack_from("<38I", data, WORDS)
    state.q[:] = np.frombuffer(data, np.uint8, 128, Q).reshape(8, 16)
    state.qacc[:] = np.frombuffer(data, np.uint8, 64, QACC)
    state.ua_state[:] = np.frombuffer(data, np.uint8, 16, UA)
    state.xacc = words[0] | (words[1] & 0xFF) << 32
    state.sar, state.sar_byte, state.fft_bit_width, state.cfg = words[2:6]
    for number, value in enumerate(words[6:]):
        state.set_x(number, value)
    return state


def random_case(rng: Random, instruction: Instruction, rev: str, data: int, cfg: int) -> Case:
    """Operands but the system's registers; addresses within the data. Bits of CFG that `cfg` has are set."""
    operands = {
        field.name: rng.choice(
            [value for value in field.values if field.kind != "g" or value not in SYSTEM_REGISTERS]
        )
        for field in instruction.encodings[rev].fields
    }
    state = random_state(rng, instruction, operands, range(32), data + DATA // 3)
    state.cfg = state.cfg & CFG_WRITABLE | cfg
    if instruction.family.endswith("indexed"):
        # Indices of lanes of at most 8 bytes.
        state.q[:] = (state.q.view(np.uint16) & 0x7FF).view(np.uint8)
    return Case(instruction, operands, state)


def load_lines(block: int) -> list[Line]:
    """Bring the state at `block` into the core, and what CFG holds then back into it."""
    lines: list[Line] = [*li(A0, block), *li(A1, block + WORDS)]
    lines += [f"esp.vld.128.ip q{number}, a0, 16" for number in range(8)]
    lines += [f"esp.ld.qacc.{quarter}.128.ip a0, 16" for quarter in QUARTERS]
    lines += ["esp.ld.ua.state.ip a0, 16"]
    for index, name in enumerate(SPECIAL):
        lines += [lw(12, A1, 4 * index), f"esp.movx.w.{name} a2"]
    # Bits that cannot be written stay as instructions before left them.
    return [*lines, "esp.movx.r.cfg a2", sw(12, A1, 4 * SPECIAL.index("cfg"))]


def store_lines(block: int, family: str) -> list[Line]:
    """The other way; integer registers are saved before, since these lines need some.

    What QACC holds behind srcmb is open, and nothing reads it.
    """
    lines: list[Line] = [*li(A1, block + WORDS)]
    for index, name in enumerate(SPECIAL):
        lines += [f"esp.movx.r.{name} a2", sw(12, A1, 4 * index)]
    lines += li(A0, block)
    lines += [f"esp.vst.128.ip q{number}, a0, 16" for number in range(8)]
    if family.startswith(READS_OUT):
        lines += [addi(A0, A0, UA - QACC)]
    else:
        lines += [f"esp.st.qacc.{quarter}.128.ip a0, 16" for quarter in QUARTERS]
    return [*lines, "esp.st.ua.state.ip a0, 16"]


def case_lines(case: Case, rev: str, before: int, after: int) -> list[Line]:
    """Load, execute, store; integer registers last and first, through one that the instruction leaves alone."""
    base = case.base
    loads = [lw(number, base, REGISTERS + 4 * number) for number in NUMBERS if number != base]
    stores = [sw(number, base, REGISTERS + 4 * number) for number in NUMBERS if number != base]
    word = encode(case.instruction, case.operands, rev)
    return [
        *load_lines(before),
        *li(base, before),
        *loads,
        word,
        *li(base, after),
        *stores,
        *store_lines(after, case.instruction.family),
    ]


def program(cases: list[Case], rev: str, before: int, after: int) -> list[Line]:
    lines: list[Line] = [addi(SP, SP, -SAVE_AREA)]
    lines += [sw(number, SP, 4 * index) for index, number in enumerate(SAVED)]
    lines += [ENABLE_PIE]
    for index, case in enumerate(cases):
        lines += case_lines(case, rev, before + index * SIZE, after + index * SIZE)
    lines += [lw(number, SP, 4 * index) for index, number in enumerate(SAVED)]
    return [*lines, addi(SP, SP, SAVE_AREA), *li(A0, 0), RETURN]


def differences(found: PieState, wanted: PieState, registers: set[int]) -> list[str]:
    pairs = [(ABI_NAMES[number], found.x(number), wanted.x(number)) for number in sorted(registers)]
    pairs += [
        (name, getattr(found, name).tobytes(), getattr(wanted, name).tobytes()) for name in ("q", "qacc", "ua_state")
    ]
    names = ("xacc", "sar", "sar_byte", "fft_bit_width", "cfg")
    pairs += [(name, getattr(found, name), getattr(wanted, name)) for name in names]
    return [f"{name}: {is_!r}, expected {expected!r}" for name, is_, expected in pairs if is_ != expected]


def compare(board, device, family: str, states: int, seed: int) -> None:
    rev, rng = board.chip_rev, Random(f"{board.chip_rev}{family}{seed}")
    # Where both are 0 the chip drops an address's low bits, which the virtual board's strict simulator calls a fault.
    cfg = CFG_MIS_LD | CFG_MIS_ST if device.simulated else 0
    of_family = [instruction for instruction, on in modelled() if (instruction.family, on) == (family, rev)]
    with BoardCode(board) as code:
        memory = FlatMemory(code.block(before := rng.randbytes(DATA)), before)
        cases = [random_case(rng, one, rev, memory.base, cfg) for one in of_family for _ in range(states)]
        blocks, results = code.block(SIZE * BATCH), code.block(SIZE * BATCH)
        for first in range(0, len(cases), BATCH):
            batch = cases[first : first + BATCH]
            board.firmware.write(blocks, b"".join(packed(case.state) for case in batch))
            with BoardCode(board) as part:
                part.call(part.put(program(batch, rev, blocks, results), rev))
            loaded, stored = code.read(blocks, SIZE * len(batch)), code.read(results, SIZE * len(batch))
            for index, case in enumerate(batch):
                place = slice(index * SIZE, (index + 1) * SIZE)
                check(case, rev, unpacked(loaded[place]), unpacked(stored[place]), memory)
        assert code.read(memory.base, DATA) == bytes(memory.data)


def check(case: Case, rev: str, state: PieState, found: PieState, memory: FlatMemory) -> None:
    """Execute the case in the model from the state that the board had, and compare."""
    # The program read CFG after it had loaded it, which clears the note that something saturated before.
    state.read_cfg()
    before = snapshot(state)
    execute(state, memory, case.instruction, case.operands, rev)
    if case.instruction.family.startswith(READS_OUT):
        found.qacc[:] = state.qacc
    if different := differences(found, state, set(NUMBERS) - {case.base}):
        told = f"{case.instruction.mnemonic} {case.operands} on {rev}, from {before}"
        pytest.fail(f"{told}: {different}")


@pytest.mark.parametrize("family", FAMILIES)
def test_family_agrees_with_the_model(board, device, family):
    compare(board, device, family, STATES, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_family_agrees_with_the_model_over_many_states(board, device, family):
    compare(board, device, family, MANY_STATES, seed=2)
