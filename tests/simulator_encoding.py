"""A small RV32IMAFC encoder for the simulator's tests: tables of formats, and random operands for each.

Written from the manual and apart from the simulator's own tables, so that a slip in one shows in the other.
Random programs run straight on or jump forward, and reach memory only through x2, x8 and x9, which no
instruction overwrites: so every program ends, whatever its registers hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

SP, S0, S1 = 2, 8, 9
POINTERS = (SP, S0, S1)
DESTINATIONS = [number for number in range(32) if number not in POINTERS]
SHORT_DESTINATIONS = [10, 11, 12, 13, 14, 15]  # of the 3-bit fields x8..x15

# name: opcode, funct3, funct7
R_TYPE = {
    "add": (0x33, 0, 0x00),
    "sub": (0x33, 0, 0x20),
    "sll": (0x33, 1, 0x00),
    "slt": (0x33, 2, 0x00),
    "sltu": (0x33, 3, 0x00),
    "xor": (0x33, 4, 0x00),
    "srl": (0x33, 5, 0x00),
    "sra": (0x33, 5, 0x20),
    "or": (0x33, 6, 0x00),
    "and": (0x33, 7, 0x00),
    "mul": (0x33, 0, 0x01),
    "mulh": (0x33, 1, 0x01),
    "mulhsu": (0x33, 2, 0x01),
    "mulhu": (0x33, 3, 0x01),
    "div": (0x33, 4, 0x01),
    "divu": (0x33, 5, 0x01),
    "rem": (0x33, 6, 0x01),
    "remu": (0x33, 7, 0x01),
    "slli": (0x13, 1, 0x00),
    "srli": (0x13, 5, 0x00),
    "srai": (0x13, 5, 0x20),
}
I_TYPE = {"addi": 0, "slti": 2, "sltiu": 3, "xori": 4, "ori": 6, "andi": 7}
LOADS = {"lb": (0x03, 0), "lh": (0x03, 1), "lw": (0x03, 2), "lbu": (0x03, 4), "lhu": (0x03, 5), "flw": (0x07, 2)}
STORES = {"sb": (0x23, 0), "sh": (0x23, 1), "sw": (0x23, 2), "fsw": (0x27, 2)}
BRANCHES = {"beq": 0, "bne": 1, "blt": 4, "bge": 5, "bltu": 6, "bgeu": 7}
LR, SC = 2, 3
ATOMICS = {
    "amoswap.w": 1,
    "amoadd.w": 0,
    "amoxor.w": 4,
    "amoand.w": 12,
    "amoor.w": 8,
    "amomin.w": 16,
    "amomax.w": 20,
    "amominu.w": 24,
    "amomaxu.w": 28,
}
# name: funct7, funct3 or None for a rounding mode, fixed rs2 or None, destination is an x register
FLOAT = {
    "fadd.s": (0x00, None, None, False),
    "fsub.s": (0x04, None, None, False),
    "fmul.s": (0x08, None, None, False),
    "fdiv.s": (0x0C, None, None, False),
    "fsqrt.s": (0x2C, None, 0, False),
    "fsgnj.s": (0x10, 0, None, False),
    "fsgnjn.s": (0x10, 1, None, False),
    "fsgnjx.s": (0x10, 2, None, False),
    "fcvt.w.s": (0x60, None, 0, True),
    "fcvt.wu.s": (0x60, None, 1, True),
    "fmv.x.w": (0x70, 0, 0, True),
    "fclass.s": (0x70, 1, 0, True),
    "feq.s": (0x50, 2, None, True),
    "flt.s": (0x50, 1, None, True),
    "fle.s": (0x50, 0, None, True),
    "fcvt.s.w": (0x68, None, 0, False),
    "fcvt.s.wu": (0x68, None, 1, False),
    "fmv.w.x": (0x78, 0, 0, False),
}
# Not in random programs: unicorn has an older manual's result for signaling NaNs.
MIN_MAX = {"fmin.s": (0x14, 0, None, False), "fmax.s": (0x14, 1, None, False)}
FUSED = {"fmadd.s": 0x43, "fmsub.s": 0x47, "fnmsub.s": 0x4B, "fnmadd.s": 0x4F}
CSR_OPS = {"csrrw": 1, "csrrs": 2, "csrrc": 3, "csrrwi": 5, "csrrsi": 6, "csrrci": 7}
FFLAGS, FRM, FCSR, MSCRATCH = 0x001, 0x002, 0x003, 0x340
ROUNDING_MODES = (0, 1, 2, 3, 4, 7)


def r_type(opcode: int, rd: int, funct3: int, rs1: int, rs2: int, funct7: int) -> int:
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def i_type(opcode: int, rd: int, funct3: int, rs1: int, imm: int) -> int:
    return (imm & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def s_type(opcode: int, funct3: int, rs1: int, rs2: int, imm: int) -> int:
    return r_type(opcode, imm & 0x1F, funct3, rs1, rs2, imm >> 5 & 0x7F)


def b_type(funct3: int, rs1: int, rs2: int, offset: int) -> int:
    low = offset & 0x1E | offset >> 11 & 1
    return r_type(0x63, low, funct3, rs1, rs2, offset >> 6 & 0x40 | offset >> 5 & 0x3F)


def u_type(opcode: int, rd: int, imm: int) -> int:
    return (imm & 0xFFFFF) << 12 | rd << 7 | opcode


def jal(rd: int, offset: int) -> int:
    imm = offset >> 1 & 0x80000 | (offset & 0x7FE) << 8 | offset >> 3 & 0x100 | offset >> 12 & 0xFF
    return u_type(0x6F, rd, imm)


def li(rd: int, value: int) -> list[int]:
    """lui and addi that put `value` into rd."""
    return [u_type(0x37, rd, (value + 0x800) >> 12), i_type(0x13, rd, 0, rd, value)]


def scatter(value: int, *places: tuple[int, int, int]) -> int:
    """Fields (high, low, to) of an immediate, each moved to bit `to`: how the C extension writes them."""
    return sum((value >> low & ((2 << high - low) - 1)) << to for high, low, to in places)


@dataclass(frozen=True)
class Unit:
    """Instructions that belong together: `encode` is given the distance to a later unit, or 0."""

    name: str
    size: int
    encode: Callable[[int], bytes]
    jumps: bool = False


def fixed(name: str, *words: int) -> Unit:
    data = b"".join(word.to_bytes(2 if word & 3 != 3 else 4, "little") for word in words)
    return Unit(name, len(data), lambda _: data)


def jump(name: str, size: int, encode: Callable[[int], int]) -> Unit:
    return Unit(name, size, lambda offset: encode(offset).to_bytes(size, "little"), jumps=True)


def random_base(rng: Random) -> Unit:
    rd, rs1, rs2 = rng.choice(DESTINATIONS), rng.randrange(32), rng.randrange(32)
    kind = rng.randrange(8)
    if kind < 4:
        name, (opcode, funct3, funct7) = rng.choice(list(R_TYPE.items()))
        return fixed(name, r_type(opcode, rd, funct3, rs1, rs2, funct7))
    if kind < 6:
        name, funct3 = rng.choice(list(I_TYPE.items()))
        return fixed(name, i_type(0x13, rd, funct3, rs1, rng.randrange(4096)))
    name, opcode = rng.choice((("lui", 0x37), ("auipc", 0x17)))
    return fixed(name, u_type(opcode, rd, rng.randrange(1 << 20)))


def random_memory(rng: Random) -> Unit:
    kind = rng.randrange(5)
    if kind < 2:
        name, (opcode, funct3) = rng.choice(list(LOADS.items()))
        rd = rng.randrange(32) if name == "flw" else rng.choice(DESTINATIONS)
        return fixed(name, i_type(opcode, rd, funct3, rng.choice(POINTERS), rng.randrange(-2048, 2048)))
    if kind < 4:
        name, (opcode, funct3) = rng.choice(list(STORES.items()))
        base, offset = rng.choice(POINTERS), rng.randrange(-2048, 2048)
        return fixed(name, s_type(opcode, funct3, base, rng.randrange(32), offset))
    if rng.randrange(3) == 0:
        return random_reservation(rng)
    name, funct5 = rng.choice(list(ATOMICS.items()))
    return fixed(name, atomic(rng, funct5, S1, rng.randrange(32)))


def atomic(rng: Random, funct5: int, base: int, rs2: int) -> int:
    return r_type(0x2F, rng.choice(DESTINATIONS), 2, base, rs2, funct5 << 2 | rng.randrange(4))


def random_reservation(rng: Random) -> Unit:
    """lr.w and an sc.w that succeeds, then one that must fail; or one that fails at another address.

    Nothing stands between them: after a store of the same core the manual leaves both outcomes open.
    """
    base = rng.choice((S1, SP))
    words = [atomic(rng, LR, S1, 0), atomic(rng, SC, base, rng.randrange(32)), atomic(rng, SC, S1, rng.randrange(32))]
    return fixed("lr.w sc.w sc.w", *words)


def random_jump(rng: Random) -> Unit:
    rd, rs1, rs2 = rng.choice(DESTINATIONS), rng.randrange(32), rng.randrange(32)
    match rng.choice(("branch", "branch", "branch", "jal", "jalr", "c.j", "c.jal", "c.b", "c.jr", "c.jalr")):
        case "branch":
            name, funct3 = rng.choice(list(BRANCHES.items()))
            return jump(name, 4, lambda offset: b_type(funct3, rs1, rs2, offset))
        case "jal":
            return jump("jal", 4, lambda offset: jal(rd, offset))
        case "jalr":
            base = rng.choice([number for number in DESTINATIONS if number])
            return _through_register("jalr", base, lambda: i_type(0x67, rd, 0, base, 1))  # bit 0 is dropped
        case "c.b":
            name, funct3 = rng.choice((("c.beqz", 6), ("c.bnez", 7)))
            places = ((8, 8, 12), (4, 3, 10), (7, 6, 5), (2, 1, 3), (5, 5, 2))
            register = rng.randrange(8)
            return jump(name, 2, lambda offset: funct3 << 13 | register << 7 | scatter(offset, *places) | 1)
        case "c.jr" | "c.jalr" as name:
            base = rng.choice([number for number in DESTINATIONS if number])
            link = name == "c.jalr"
            return _through_register(name, base, lambda: 0x8002 | link << 12 | base << 7)
        case name:
            funct3 = 1 if name == "c.jal" else 5
            places = (
                *((11, 11, 12), (4, 4, 11), (9, 8, 9), (10, 10, 8)),
                *((6, 6, 7), (7, 7, 6), (3, 1, 3), (5, 5, 2)),
            )
            return jump(name, 2, lambda offset: funct3 << 13 | scatter(offset, *places) | 1)


def _through_register(name: str, base: int, last: Callable[[], int]) -> Unit:
    """auipc, addi, jump: `last` encodes the jump to the address in `base`."""
    word = last()
    short = word & 3 != 3

    def encode(offset: int) -> bytes:
        words = (u_type(0x17, base, 0), i_type(0x13, base, 0, base, offset))
        return b"".join(value.to_bytes(4, "little") for value in words) + word.to_bytes(2 if short else 4, "little")

    return Unit(name, 10 if short else 12, encode, jumps=True)


def random_compressed(rng: Random) -> Unit:
    rd = rng.choice(DESTINATIONS)
    full, short = rng.randrange(1, 32), rng.randrange(8)
    short_rd, base = rng.choice(SHORT_DESTINATIONS) - 8, rng.choice((0, 1))
    imm6 = rng.randrange(64)
    signed6 = scatter(imm6, (5, 5, 12), (4, 0, 2))
    shift = (imm6 & 31) << 2
    word = scatter(rng.randrange(32) << 2, (5, 3, 10), (2, 2, 6), (6, 6, 5)) | base << 7
    stack_load = scatter(rng.randrange(64) << 2, (5, 5, 12), (4, 2, 4), (7, 6, 2))
    stack_store = scatter(rng.randrange(64) << 2, (5, 2, 9), (7, 6, 7))
    stack_offset = scatter(rng.randrange(1, 256) << 2, (5, 4, 11), (9, 6, 7), (2, 2, 6), (3, 3, 5))
    arithmetic = 0x8001 | short_rd << 7
    choices = {
        "c.addi4spn": stack_offset | short_rd << 2,
        "c.lw": 0x4000 | word | short_rd << 2,
        "c.flw": 0x6000 | word | short << 2,
        "c.sw": 0xC000 | word | short << 2,
        "c.fsw": 0xE000 | word | short << 2,
        "c.addi": 0x0001 | rd << 7 | signed6,
        "c.li": 0x4001 | rd << 7 | signed6,
        "c.lui": 0x6001 | rd << 7 | (signed6 or 4),
        "c.srli": arithmetic | shift,
        "c.srai": arithmetic | 0x0400 | shift,
        "c.andi": arithmetic | 0x0800 | signed6,
        "c.sub": arithmetic | 0x0C00 | short << 2,
        "c.xor": arithmetic | 0x0C20 | short << 2,
        "c.or": arithmetic | 0x0C40 | short << 2,
        "c.and": arithmetic | 0x0C60 | short << 2,
        "c.slli": 0x0002 | rd << 7 | shift,
        "c.lwsp": 0x4002 | (rd or 1) << 7 | stack_load,
        "c.flwsp": 0x6002 | full << 7 | stack_load,
        "c.mv": 0x8002 | rd << 7 | full << 2,
        "c.add": 0x9002 | rd << 7 | full << 2,
        "c.swsp": 0xC002 | stack_store | full << 2,
        "c.fswsp": 0xE002 | stack_store | full << 2,
        "c.nop": 0x0001,
    }
    name = rng.choice(list(choices))
    return fixed(name, choices[name])


def random_float(rng: Random) -> Unit:
    fd, fs1, fs2 = rng.randrange(32), rng.randrange(32), rng.randrange(32)
    rounding = rng.choice(ROUNDING_MODES)
    if rng.randrange(5) == 0:
        name, opcode = rng.choice(list(FUSED.items()))
        return fixed(name, r_type(opcode, fd, rounding, fs1, fs2, rng.randrange(32) << 2))
    name, (funct7, funct3, rs2, to_x) = rng.choice(list(FLOAT.items()))
    rd = rng.choice(DESTINATIONS) if to_x else fd
    funct3 = rounding if funct3 is None else funct3
    return fixed(name, r_type(0x53, rd, funct3, fs1, fs2 if rs2 is None else rs2, funct7))


def random_csr(rng: Random) -> Unit:
    """CSR accesses that leave a valid rounding mode in frm."""
    rd = rng.choice(DESTINATIONS)
    if rng.randrange(2):
        return fixed("csrrwi", i_type(0x73, rd, 5, rng.randrange(5), FRM))
    name, funct3 = rng.choice(list(CSR_OPS.items()))
    return fixed(name, i_type(0x73, rd, funct3, rng.randrange(32), rng.choice((FFLAGS, MSCRATCH))))


KINDS: tuple[Callable[[Random], Unit], ...] = (
    random_base,
    random_memory,
    random_jump,
    random_compressed,
    random_float,
    random_csr,
)


def random_program(rng: Random, length: int, kinds: tuple[Callable[[Random], Unit], ...] = KINDS) -> list[Unit]:
    return [rng.choice(kinds)(rng) for _ in range(length)]


def assemble(rng: Random, units: list[Unit]) -> bytes:
    """Lay the units out; each jump goes to one of the next eight, or to the end."""
    starts = [0]
    for unit in units:
        starts.append(starts[-1] + unit.size)
    code = b""
    for index, unit in enumerate(units):
        offset = starts[rng.randrange(index + 1, min(index + 9, len(units) + 1))] - starts[index]
        code += unit.encode(offset if unit.jumps else 0)
    return code
