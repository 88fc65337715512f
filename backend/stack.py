"""A bound on the stack of linked code: frame sizes from the instructions, depths over the call graph."""

from __future__ import annotations

from collections.abc import Iterator

import capstone
import networkx as nx
from capstone import riscv

from .elf import Elf, Symbol


class UnboundedStackError(Exception):
    """The code grows its stack by an amount, or calls in a way, that reading it does not tell."""


def stack_bound(elf: Elf, entry: str) -> int:
    """The most bytes of stack that `entry` and all it calls can use at once.

    A frame is the sum of all decrements of sp in a function, so it errs on the large side. Raises UnboundedStackError
    on recursion, on indirect calls and on decrements by a register.
    """
    calls = nx.DiGraph()
    frames: dict[str, int] = {}
    starts = {symbol.address: symbol.name for symbol in elf.functions}
    for function in elf.functions:
        frames[function.name], targets = _scan(elf, function)
        calls.add_node(function.name)
        for target, links in targets:
            # A jump inside the function is a branch of it; a call is one wherever it leads.
            if links or not function.address <= target < function.address + function.size:
                if target not in starts:
                    raise UnboundedStackError(f"{function.name} calls {target:#x}, which is no function")
                calls.add_edge(function.name, starts[target])
    reachable = calls.subgraph({entry, *nx.descendants(calls, entry)})
    if not nx.is_directed_acyclic_graph(reachable):
        raise UnboundedStackError("the code is recursive")
    depth: dict[str, int] = {}
    for name in reversed(list(nx.topological_sort(reachable))):
        depth[name] = frames[name] + max((depth[callee] for callee in reachable.successors(name)), default=0)
    return depth[entry]


def _scan(elf: Elf, function: Symbol) -> tuple[int, list[tuple[int, bool]]]:
    """Frame size of one function, and the addresses that it jumps to or, where the flag is set, calls."""
    frame, targets = 0, []
    # The register and value of an auipc, as long as it is the instruction just before.
    upper: dict[int, int] = {}
    for instruction in _instructions(elf, function):
        name = instruction.mnemonic.removeprefix("c.")
        operands = instruction.operands
        if name in ("addi", "addi16sp") and operands[0].reg == riscv.RISCV_REG_SP:
            frame += max(0, -operands[-1].imm)
        elif name in ("add", "sub", "mv") and operands[0].reg == riscv.RISCV_REG_SP:
            raise UnboundedStackError(f"{function.name} moves its stack pointer by a register")
        elif name in ("jal", "j", "call", "tail"):
            targets.append((instruction.address + operands[-1].imm, name in ("jal", "call")))
        elif name in ("jalr", "jr"):
            targets += [(target, name == "jalr") for target in _indirect(function, name, operands, upper)]
        upper = {operands[0].reg: instruction.address + (operands[1].imm << 12)} if name == "auipc" else {}
    return frame, targets


def _indirect(function: Symbol, name: str, operands: list[riscv.RISCVOp], upper: dict[int, int]) -> list[int]:
    """The target of jalr after auipc; a return has none."""
    registers = [operand.reg for operand in operands if operand.type == riscv.RISCV_OP_REG]
    bases = [operand.mem for operand in operands if operand.type == riscv.RISCV_OP_MEM]
    base = bases[0].base if bases else registers[-1]
    offset = bases[0].disp if bases else next((o.imm for o in operands if o.type == riscv.RISCV_OP_IMM), 0)
    if base in upper:
        return [(upper[base] + offset) & 0xFFFF_FFFF]
    if base == riscv.RISCV_REG_RA and (name == "jr" or len(registers) < 2):
        return []
    raise UnboundedStackError(f"{function.name} calls through a register")


def _instructions(elf: Elf, function: Symbol) -> Iterator[capstone.CsInsn]:
    """Base-ISA instructions of a function; words that capstone does not know are stepped over."""
    disassembler = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    disassembler.detail = True
    start, end = function.address - elf.base, function.address - elf.base + function.size
    while start < end:
        for instruction in disassembler.disasm(elf.flat[start:end], elf.base + start):
            start += instruction.size
            yield instruction
        # Vendor instructions are four bytes long; two low bits below 3 mean a compressed one.
        start += 4 if start < end and elf.flat[start] & 3 == 3 else 2
