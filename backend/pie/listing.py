"""Disassembly of a code blob: PIE and hardware loops by our table, the base ISA (RV32IMAFC) by capstone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import capstone

from .disassembler import disassemble
from .table import decode


def listing(code: bytes, base: int, rev: str, symbols: Mapping[int, str]) -> Iterator[str]:
    """Lines of `address  word  text`, with a `<name>:` line where a symbol starts.

    `code` lies at address `base` and was built for chip revision `rev`; jumps, branches and hardware loops
    are followed by their target. What no table knows is shown as `.word` or `.half`.
    """
    machine = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    machine.detail = True
    offset = 0
    while offset < len(code):
        address = base + offset
        if address in symbols:
            yield f"{address:08x} <{symbols[address]}>:"
        size, text, target = _one(machine, code[offset : offset + 4], rev)
        word = int.from_bytes(code[offset : offset + size], "little")
        place = f"  # {_place(address + target, symbols)}" if target is not None else ""
        yield f"{address:08x}  {word:0{2 * size}x}{' ' * (8 - 2 * size)}  {text}{place}"
        offset += size


def _one(machine: capstone.Cs, code: bytes, rev: str) -> tuple[int, str, int | None]:
    """(size in bytes, text, distance to the target) of the instruction at the start of `code`."""
    # Our table goes first: many PIE words end in bits that base decoders take for 48 bits and more.
    word = int.from_bytes(code, "little")
    found = decode(word, rev) if len(code) == 4 else None
    if found:
        return 4, disassemble(word, rev) or "", found[1].get("target")
    for instruction in machine.disasm(code, 0, 1):
        text = f"{instruction.mnemonic} {instruction.op_str}".rstrip()
        return instruction.size, text, _target(instruction)
    size = 4 if len(code) == 4 and code[0] & 3 == 3 else min(2, len(code))
    directive = {4: ".word", 2: ".half", 1: ".byte"}[size]
    return size, f"{directive} {int.from_bytes(code[:size], 'little'):#x}", None


def _target(instruction: capstone.CsInsn) -> int | None:
    """The distance a direct jump or branch goes: its last operand, an immediate."""
    jumps = {capstone.CS_GRP_JUMP, capstone.CS_GRP_CALL, capstone.CS_GRP_BRANCH_RELATIVE}
    operands = instruction.operands
    if not jumps & set(instruction.groups) or not operands or operands[-1].type != capstone.CS_OP_IMM:
        return None
    return None if instruction.mnemonic in ("jalr", "c.jalr") else int(operands[-1].imm)


def _place(address: int, symbols: Mapping[int, str]) -> str:
    start = max((start for start in symbols if start <= address), default=None)
    if start is None:
        return f"{address:08x}"
    offset = f"+{address - start:#x}" if address > start else ""
    return f"{address:08x} <{symbols[start]}{offset}>"
