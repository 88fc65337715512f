"""The slow reference model of PIE: executes one instruction exactly, by family, lane type and addressing.

Results come from Python integers and follow the published facts; where sources disagree or are silent the
choice made is a row of UNCERTAIN. FFT, performance-counter and hardware-loop instructions are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from .accumulators import ACCUMULATOR_FAMILIES
from .assembler import assemble
from .complex_numbers import COMPLEX_FAMILIES
from .elementwise import ELEMENTWISE_FAMILIES
from .moves import MOVE_FAMILIES, spliced
from .op import Families, Op
from .state import (
    CFG_MIS_LD,
    CFG_MIS_ST,
    XACC_BITS,
    FlatMemory,
    Lanes,
    Memory,
    PieState,
    bits_of,
    lane_value,
    to_bytes,
    to_lanes,
)
from .table import Instruction, decode

__all__ = [
    "UNCERTAIN",
    "FlatMemory",
    "Memory",
    "NotModelledError",
    "PieState",
    "execute",
    "is_modelled",
    "run",
    "step",
]

# What the sources leave open, and what the model does: (instructions, choice).
UNCERTAIN = (
    ("srcmb, srcmb.q", "QACC keeps its value; code must not read it again, silicon may write the shifted value"),
    ("srcmb", "the amount is the low 6 bits of rs1"),
    ("srcmb.q", "amounts are the signed lanes of qw, limited to -63..63; a negative one shifts left"),
    ("srcmb.u8, srcmb.u16", "accumulators are read without a sign"),
    ("srcmb on v1", "the last operand is sat, as on v3: 1 saturates, 0 keeps the low bits"),
    ("movx.r/w.xacc", "XACC splits 32 + 8 bits; .h reads with its sign extended"),
    ("vmul, cmul", "saturate on v1 too, as on-chip tests saw; a vendor text says that they keep the low bits"),
    ("vmul.wide", "results go to qz (low half) and qv, as the vendor text says; one on-chip test saw zeros"),
    ("vrelu, vprelu on v1", "round by CFG and saturate; the amount is the low 6 bits of rs1"),
    ("vsl, vsld, vsrd on v1", "keep the low bits; vendor code for v3 asks for `trunc` where v1 has no operand"),
    ("vsr on v1", "rounds by CFG, as on v3"),
    ("vsld, vsrd", "lanes are signed; amounts are the low 4, 5 or 6 bits of each lane with sign; right shifts round"),
    ("vsat", "bounds are the low lane bits of the registers"),
    ("sat", "the result is clamped between the signed rs0 and rs1, in either order"),
    ("cmul", "sel4 bit 0 picks the half, bit 1 conjugates qx; the other half of qz is kept"),
    ("vcmulas", ".l and .h multiply the low and high lanes into QACC_L and QACC_H"),
    ("slcxxp, srcxxp", "shift by rs1[3:0] + 1 bytes, then rs1 += rs2"),
    ("vldhbc.16.incp", "each halfword of the low half is doubled into qu, of the high half into qz"),
    ("vmulas.qacc.ldbc.incp", "increments by the element size"),
    ("stores fused with arithmetic", "store what qu held before"),
    ("a load into the register the same instruction computes", "the load wins"),
    ("two results in one register", "vext, vmul.wide: qz wins; zips: the last operand wins"),
    ("ld.128.usar", "always takes the aligned 16 bytes, whatever mis_ld says; SAR is kept"),
    ("vxrm 7", "rounds down and sets rm_exc where bits are lost"),
    ("vxsat", "any saturation sets it while vxsat_en is set"),
    ("ldxq, stxq", "the index is unsigned, rs1 is kept"),
)

# The quarters of QACC in memory order.
_QUARTERS = ("ll", "lh", "hl", "hh")

COMPUTE: Families = {**ACCUMULATOR_FAMILIES, **COMPLEX_FAMILIES, **ELEMENTWISE_FAMILIES, **MOVE_FAMILIES}


class NotModelledError(NotImplementedError):
    """An instruction that the model does not execute; the text names it."""


def step(state: PieState, memory: Memory, word: int, rev: str) -> Instruction:
    """Execute the instruction that a word encodes on a chip revision; NotModelledError if there is none."""
    found = decode(word, rev)
    if found is None:
        raise NotModelledError(f"{word:#010x} is no PIE instruction of chip revision {rev}")
    execute(state, memory, *found, rev)
    return found[0]


def run(state: PieState, memory: Memory, text: str, rev: str) -> None:
    """Execute lines of PIE assembly text, one after the other."""
    for line in filter(None, map(str.strip, text.splitlines())):
        step(state, memory, assemble(line, rev), rev)


def is_modelled(instruction: Instruction) -> bool:
    """Whether `execute` knows the instruction."""
    return instruction.family in COMPUTE or instruction.family in LOADS or instruction.family in STORES


def execute(state: PieState, memory: Memory, instruction: Instruction, operands: Mapping[str, int], rev: str) -> None:
    """Execute one instruction with the given operand values (register numbers, immediates) on a chip revision."""
    if not is_modelled(instruction):
        raise NotModelledError(f"{instruction.mnemonic} is not modelled (family {instruction.family})")
    op = Op(state, instruction, operands, rev)
    form, _, addressing = instruction.memory.rpartition(".")
    family = instruction.family
    # Operands are read before anything is written: a fused store takes the old register, a MAC the old lanes.
    stored = STORES.get(family, _full)(op) if form == "st" or family == "store.indexed" else b""
    if family in COMPUTE:
        COMPUTE[family](op)
    size = len(stored) or _load_size(op)
    address = _address(op, size, bool(stored)) if size else 0
    if stored:
        memory.write(address, stored)
    elif size:
        LOADS.get(family, _load_full if form == "ld" else _load_broadcast)(op, memory.read(address, size))
    if addressing:
        op.set_x("rs1", op.x("rs1") + _increment(op, addressing, size))


def _address(op: Op, size: int, store: bool) -> int:
    """Where the access goes: on its natural alignment, unless CFG lets the hardware split it."""
    address = op.x("rs1")
    if op.row.family.endswith("indexed"):
        address += 4 * int(op.get("qw", "u16")[op.operands["sel8"]])
    split = op.state.cfg & (CFG_MIS_ST if store else CFG_MIS_LD) and op.row.family != "load.usar"
    return (address if split else address & -size) & 0xFFFFFFFF


def _increment(op: Op, addressing: str, size: int) -> int:
    if addressing == "incp":
        return size
    return op.operands["off"] if addressing == "ip" else op.x("rs2")


def _load_size(op: Op) -> int:
    """How many bytes the instruction loads; 0 if none."""
    family, memory = op.row.family, op.row.memory
    if family in ("load.broadcast", "load.indexed") or memory == "ldbc.incp":
        return bits_of(op.lanes) // 8
    if family in ("load.low", "load.high", "load.xacc"):
        return 8
    return 16 if memory.startswith("ld") else 0


def _bytes(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).copy()


def _load_full(op: Op, data: bytes) -> None:
    op.state.q[op.operands["qu"]] = _bytes(data)


def _load_low(op: Op, data: bytes) -> None:
    op.state.q[op.operands["qu"], :8] = _bytes(data)


def _load_high(op: Op, data: bytes) -> None:
    op.state.q[op.operands["qu"], 8:] = _bytes(data)


def _load_broadcast(op: Op, data: bytes) -> None:
    op.state.q[op.operands["qu"]] = _bytes(data * (16 // len(data)))


def _load_extend(op: Op, data: bytes) -> None:
    _put_pair(op, to_lanes(_bytes(data), op.lanes), f"{op.lanes[0]}{2 * bits_of(op.lanes)}")


def _load_duplicate(op: Op, data: bytes) -> None:
    _put_pair(op, np.repeat(to_lanes(_bytes(data), op.lanes), 2), op.lanes)


def _put_pair(op: Op, values: Lanes, lanes: str) -> None:
    low, high = np.split(values, 2)
    op.put("qz", high, lanes)
    op.put("qu", low, lanes)


def _load_usar(op: Op, data: bytes) -> None:
    op.state.sar_byte = op.x("rs1") & 15
    _load_full(op, data)


def _load_indexed(op: Op, data: bytes) -> None:
    first = 4 * op.operands["sel4"]
    op.state.q[op.operands["qu"], first : first + 4] = _bytes(data)


def _load_qacc_lanes(op: Op, data: bytes) -> None:
    op.state.set_accumulators(to_lanes(_bytes(data), op.lanes), op.lanes)


def _load_qacc_quarter(op: Op, data: bytes) -> None:
    op.state.qacc[_quarter(op)] = _bytes(data)


def _load_xacc(op: Op, data: bytes) -> None:
    op.state.xacc = int.from_bytes(data, "little") & ((1 << XACC_BITS) - 1)


def _load_ua(op: Op, data: bytes) -> None:
    op.state.ua_state = _bytes(data)


def _full(op: Op) -> bytes:
    return bytes(op.state.q[op.operands["qu"]])


def _store_indexed(op: Op) -> bytes:
    first = 4 * op.operands["sel4"]
    return _full(op)[first : first + 4]


def _store_xacc(op: Op) -> bytes:
    value = lane_value(op.state.xacc, f"{op.lanes[0]}{XACC_BITS}")
    return value.to_bytes(8, "little", signed=op.lanes[0] == "s")


def _quarter(op: Op) -> slice:
    """The bytes of QACC that .l.l, .l.h, .h.l or .h.h name."""
    first = 16 * _QUARTERS.index(op.row.family[-2:])
    return slice(first, first + 16)


LOADS: Mapping[str, Callable[[Op, bytes], None]] = {
    "load.128": _load_full,
    "load.low": _load_low,
    "load.high": _load_high,
    "load.broadcast": _load_broadcast,
    "load.extend": _load_extend,
    "load.duplicate": _load_duplicate,
    "load.usar": _load_usar,
    "load.indexed": _load_indexed,
    "load.qacc.lanes": _load_qacc_lanes,
    "load.xacc": _load_xacc,
    "load.ua": _load_ua,
    **{f"load.qacc.{part}": _load_qacc_quarter for part in _QUARTERS},
}

STORES: Mapping[str, Callable[[Op], bytes]] = {
    "store.128": _full,
    "store.low": lambda op: _full(op)[:8],
    "store.high": lambda op: _full(op)[8:],
    "store.indexed": _store_indexed,
    "store.spliced": lambda op: to_bytes(spliced(op), "u8").tobytes(),
    "store.xacc": _store_xacc,
    "store.ua": lambda op: op.state.ua_state.tobytes(),
    **{f"store.qacc.{part}": lambda op: op.state.qacc[_quarter(op)].tobytes() for part in _QUARTERS},
}
