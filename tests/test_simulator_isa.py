"""RV32IMAFC on our simulator against unicorn, over random programs with edge-case operands."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from random import Random

import pytest

from p4c.runtime.simulator.native import Fault, Reason
from p4c.runtime.simulator.simulator import Simulator
from p4c.runtime.simulator.timing import Timing

from .simulator_encoding import (
    FFLAGS,
    FLOAT,
    FRM,
    FUSED,
    KINDS,
    LR,
    MIN_MAX,
    R_TYPE,
    S1,
    Unit,
    assemble,
    b_type,
    i_type,
    li,
    r_type,
    random_float,
    random_program,
    s_type,
)
from .simulator_machines import L2MEM, State, UnicornStepper, run_ours, run_unicorn, step_ours

DATA, DATA_SIZE = L2MEM + 0x20000, 0x2000
ROW = 32  # bytes
# So placed that programs cross a page border, with 2-byte and with 4-byte instructions.
CODE = L2MEM + 0xFC0

INTEGERS = (0, 1, 2, 31, 32, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF)
FLOATS = (
    *(0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001, 0xFFBFFFFF),
    *(0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800000, 0x00800001, 0x00FFFFFF),
    *(0x7F7FFFFF, 0xFF7FFFFF, 0x7F000000, 0x3F800000, 0xBF800000, 0x3F7FFFFF, 0x3F800001, 0x34000000),
    *(0x33800000, 0x33800001, 0x4B800000, 0x4B000001, 0x4EFFFFFF, 0x4F000000, 0xCF000000, 0xCF000001),
    *(0x4F7FFFFF, 0x4F800000, 0x3F000000, 0xBF000000, 0x3FC00000, 0xBFC00000, 0x40200000, 0x20000000),
)


def random_integer(rng: Random) -> int:
    return rng.choice(INTEGERS) if rng.randrange(3) == 0 else rng.getrandbits(32)


def random_float_bits(rng: Random) -> int:
    """Edge values, any bits, and values near each other in size, where additions round and cancel."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(FLOATS)
    if kind == 1:
        return rng.getrandbits(32)
    if kind == 2:
        return struct.unpack("<I", struct.pack("<f", rng.randrange(-300, 300) / 4))[0]
    return rng.getrandbits(1) << 31 | rng.randrange(100, 154) << 23 | rng.getrandbits(23)


def random_state(rng: Random) -> State:
    x = [0] + [random_integer(rng) for _ in range(31)]
    middle = DATA + DATA_SIZE // 2
    x[2], x[8], x[9] = middle - 4 * rng.randrange(64), middle + rng.randrange(4), middle + 4 * rng.randrange(64)
    f = tuple(random_float_bits(rng) for _ in range(32))
    return State(tuple(x), f, rng.randrange(5) << 5, rng.getrandbits(32), rng.randbytes(DATA_SIZE))


def compare(sim: Simulator, rng: Random, units: list[Unit]) -> None:
    start = random_state(rng)
    program = assemble(rng, units)
    code = {CODE: program}
    end = CODE + len(program)
    ours = run_ours(sim, code, start, CODE, end, DATA)
    theirs = run_unicorn(code, start, CODE, end, DATA)
    if ours != theirs:
        names = " ".join(unit.name for unit in units)
        pytest.fail(f"{ours.difference(theirs)} after {names}\n{program.hex()}")


def campaign(seed: int, programs: int, length: int, timing: Timing | None = None) -> None:
    with Simulator(timing=timing) as sim:
        for number in range(programs):
            rng = Random(f"{seed} {number}")
            kinds = KINDS if number % 2 else (*KINDS, random_float, random_float, random_float)
            compare(sim, rng, random_program(rng, length, kinds))


@pytest.mark.parametrize("seed", range(4))
def test_random_programs(seed):
    campaign(seed, programs=100, length=40)


def test_random_programs_with_the_timing_model():
    campaign(seed=4, programs=100, length=40, timing=Timing())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_random_programs_at_length(seed):
    campaign(seed, programs=1000, length=60)


def table_program(word: int, count: int) -> bytes:
    """Apply one instruction (f10, f11, f12, x10, x11 -> f13, x13) to `count` rows of DATA.

    A row is 8 words: a, b, c (to f10, f11, f12; a and b also to x10, x11), then the program's f13, x13
    and the exceptions raised.
    """
    body = [
        *(i_type(0x07, 10 + n, 2, 5, 4 * n) for n in range(3)),
        *(i_type(0x03, 10 + n, 2, 5, 4 * n) for n in range(2)),
        i_type(0x73, 0, 5, 0, FFLAGS),  # csrwi fflags, 0
        word,
        s_type(0x27, 2, 5, 13, 12),
        s_type(0x23, 2, 5, 13, 16),
        i_type(0x73, 14, 2, 0, FFLAGS),  # csrr a4, fflags
        s_type(0x23, 2, 5, 14, 20),
        i_type(0x13, 5, 0, 5, ROW),
    ]
    words = [*li(5, DATA), *li(6, DATA + ROW * count), *body, b_type(1, 5, 6, -4 * len(body))]
    return b"".join(word.to_bytes(4, "little") for word in words)


def run_table(run: Callable[..., State], word: int, rows: Sequence[tuple[int, int, int]]) -> list[tuple[int, ...]]:
    memory = b"".join(struct.pack("<8I", *row, *[0] * 5) for row in rows)
    start = State((0,) * 32, (0,) * 32, 0, 0, memory)
    program = table_program(word, len(rows))
    end = run({CODE: program}, start, CODE, CODE + len(program), DATA)
    return list(struct.iter_unpack("<8I", end.memory))


def compare_tables(word: int, rows: Sequence[tuple[int, int, int]]) -> None:
    with Simulator() as sim:
        ours = run_table(partial(run_ours, sim), word, rows)
    theirs = run_table(run_unicorn, word, rows)
    different = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    assert not different, f"{len(different)} rows, the first {different[0]}"


@cache
def float_rows() -> list[tuple[int, int, int]]:
    """Every pair of edge values with a third one, and random triples."""
    rng = Random("floats")
    rows = [(a, b, rng.choice(FLOATS)) for a in FLOATS for b in FLOATS]
    return rows + [tuple(random_float_bits(rng) for _ in range(3)) for _ in range(1500)]


def float_word(funct7: int, funct3: int, rs2: int) -> int:
    return r_type(0x53, 13, funct3, 10, rs2, funct7)


FLOAT_WORDS = {
    f"{name} rm={rounding}": float_word(funct7, rounding if funct3 is None else funct3, 11 if rs2 is None else rs2)
    for name, (funct7, funct3, rs2, _) in FLOAT.items()
    for rounding in (range(5) if funct3 is None else range(1))
} | {
    f"{name} rm={rounding}": r_type(opcode, 13, rounding, 10, 11, 12 << 2)
    for name, opcode in FUSED.items()
    for rounding in range(5)
}


@pytest.mark.parametrize("name", FLOAT_WORDS)
def test_float_instruction(name):
    compare_tables(FLOAT_WORDS[name], float_rows())


@pytest.mark.parametrize("name", MIN_MAX)
def test_min_max(name):
    """unicorn 2.1 gives a NaN where an operand is a signaling one, as manuals before 2.2 of F did; now the
    result is the other operand, and only the exception tells."""
    funct7, funct3, _, _ = MIN_MAX[name]
    word = float_word(funct7, funct3, 11)
    signaling = [row for row in float_rows() if is_signaling(row[0]) or is_signaling(row[1])]
    compare_tables(word, [row for row in float_rows() if row not in signaling])
    with Simulator() as sim:
        results = run_table(partial(run_ours, sim), word, signaling)
    for a, b, _, result, _, flags, *_ in results:
        numbers = [value for value in (a, b) if value & 0x7FFFFFFF <= 0x7F800000]
        assert (result, flags) == (numbers[0] if numbers else 0x7FC00000, 0x10)


def is_signaling(bits: int) -> bool:
    return bits & 0x7FFFFFFF > 0x7F800000 and not bits & 0x00400000


@pytest.mark.parametrize("name", R_TYPE)
def test_integer_instruction(name):
    opcode, funct3, funct7 = R_TYPE[name]
    rows = [(a, b, 0) for a in INTEGERS for b in INTEGERS]
    for rs2 in (11, 0, 31) if opcode == 0x13 else (11,):  # rs2 is the amount of shifts by a constant
        compare_tables(r_type(opcode, 13, funct3, 10, rs2, funct7), rows)


ILLEGAL_WORDS = {
    "zeros": 0x00000000,
    "reserved opcode": 0xFFFFFFF7,
    "ld": i_type(0x03, 10, 3, 8, 0),
    "lwu": i_type(0x03, 10, 6, 8, 0),
    "sd": s_type(0x23, 3, 8, 10, 0),
    "fld": i_type(0x07, 10, 3, 8, 0),
    "fadd.d": r_type(0x53, 13, 0, 10, 11, 0x01),
    "fcvt.l.s": r_type(0x53, 13, 0, 10, 2, 0x60),
    "fadd.s with rounding mode 5": r_type(0x53, 13, 5, 10, 11, 0),
    "slli by 32": i_type(0x13, 10, 1, 10, 32),
    "srai with a stray bit": i_type(0x13, 10, 5, 10, 0x600),
    "add with funct7 3": r_type(0x33, 10, 0, 10, 11, 3),
    "branch funct3 2": r_type(0x63, 8, 2, 10, 11, 0),
    "jalr funct3 1": i_type(0x67, 10, 1, 10, 0),
    "lr.w with rs2": r_type(0x2F, 10, 2, S1, 1, LR << 2),
    "amoadd.d": r_type(0x2F, 10, 3, S1, 1, 0),
    "addiw": i_type(0x1B, 10, 0, 10, 0),
    "sret": 0x10200073,
    "c.addi4spn of 0": 0x0004,
    "c.fld": 0x2000,
    "c.fsd": 0xA000,
    "c.addi16sp of 0": 0x6101,
    "c.lui of 0": 0x6501,
    "c.srli by 32": 0x9001,
    "c.subw": 0x9C01,
    "c.slli by 32": 0x1502,
    "c.fldsp": 0x2002,
    "c.lwsp to x0": 0x4002,
    "c.jr x0": 0x8002,
    "c.fsdsp": 0xA002,
}


@pytest.mark.parametrize("name", ILLEGAL_WORDS)
def test_illegal(name):
    """What the manual reserves, or gives to extensions that this core has not."""
    word = ILLEGAL_WORDS[name]
    with Simulator() as sim:
        sim.write(CODE, word.to_bytes(4, "little"))
        for pointer in (8, 9):
            sim.set_x(pointer, DATA)
        sim.pc = CODE
        stop = sim.run(1)
    assert (stop.reason, stop.fault, stop.pc, stop.instructions) == (Reason.FAULT, Fault.ILLEGAL, CODE, 0)
    assert stop.word == (word if word & 3 == 3 else word & 0xFFFF)


def test_reserved_rounding_mode_in_frm():
    with Simulator() as sim:
        sim.write(CODE, r_type(0x53, 13, 7, 10, 11, 0).to_bytes(4, "little"))
        sim.set_csr(FRM, 5)
        sim.pc = CODE
        assert sim.run(1).fault == Fault.ILLEGAL


def is_reserved(half: int) -> bool:
    """16-bit encodings that RV32FC has not, yet unicorn executes: D's, as its core has D, and some reserved ones."""
    quadrant, funct3, bit12 = half & 3, half >> 13, half >> 12 & 1
    if quadrant == 1:
        return funct3 == 4 and bit12 == 1 and half >> 10 & 3 != 2  # c.srli and c.srai by 32 and more, c.subw, c.addw
    double = funct3 in (1, 5)
    return double or (funct3 == 4 if quadrant == 0 else funct3 == 0 and bit12 == 1)  # reserved; c.slli by 32 and more


def compare_compressed(halves: Iterable[int]) -> None:
    """One step each, with every register pointing into memory."""
    x = (0, *(DATA + 0x1000 + 4 * number for number in range(31)))
    start = State(x, tuple(range(32)), 0, 0, bytes(range(0x80)))
    unicorn = UnicornStepper(start, CODE, x[1])
    with Simulator() as sim:
        for half in halves:
            code = half.to_bytes(2, "little")
            ours = step_ours(sim, code, start, CODE, x[1])
            theirs = None if is_reserved(half) else unicorn.step(code)
            assert ours == theirs, f"{half:#06x}"


@pytest.mark.parametrize("quadrant", range(3))
def test_some_compressed_instructions(quadrant):
    compare_compressed(range(quadrant, 0x10000, 4 * 61))


def test_stack_adjustment():
    """c.addi16sp, which random programs leave out, by every amount."""
    compare_compressed(0x6101 | bit12 << 12 | low << 2 for bit12 in (0, 1) for low in range(32))


@pytest.mark.slow
@pytest.mark.parametrize("quadrant", range(3))
def test_every_compressed_instruction(quadrant):
    compare_compressed(range(quadrant, 0x10000, 4))
