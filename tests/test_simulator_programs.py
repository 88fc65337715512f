"""Compiled C on our simulator against unicorn: registers and all of the program's memory at the end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from p4c.backend.cache import run_tool
from p4c.runtime.simulator.simulator import Simulator

from .simulator_machines import L2MEM, L2MEM_SIZE, State, run_ours, run_unicorn

slow = pytest.mark.slow
FOLDER = Path(__file__).parent
PROGRAMS = [
    FOLDER / "data" / "simulator" / "integer.c",
    FOLDER / "data" / "simulator" / "floating.c",
    FOLDER / "data" / "simulator" / "atomics.c",
    FOLDER.parent / "benchmarks" / "simulator_conv.c",
]
CODE = L2MEM + 0x1000
STACK_TOP = L2MEM + L2MEM_SIZE
COMPILE = (
    *(sys.executable, "-m", "ziglang", "cc", "-c", "-target", "riscv32-freestanding-none"),
    *("-mcpu=generic_rv32+m+a+f+c", "-mabi=ilp32f", "-ffreestanding", "-fomit-frame-pointer"),
    *("-fno-sanitize=undefined", "-fno-math-errno"),
)
LINK = (sys.executable, "-m", "ziglang", "ld.lld", "--omagic", f"-Ttext={CODE:#x}", "--entry=entry")


def build(source: Path, level: str, folder: Path) -> tuple[bytes, int]:
    """Everything from CODE to STACK_TOP with the program in place, and its entry."""
    unlinked, linked = folder / "program.o", folder / "program.elf"
    run_tool([*COMPILE, level, source, "-o", unlinked], timeout=300, what="compiling a test program")
    run_tool([*LINK, unlinked, "-o", linked], timeout=300, what="linking a test program")
    memory = bytearray(STACK_TOP - CODE)
    with linked.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments("PT_LOAD"):
            offset = segment["p_vaddr"] - CODE
            memory[offset : offset + segment["p_filesz"]] = segment.data()
        return bytes(memory), elf["e_entry"]


@pytest.mark.parametrize("level", ["-O2", pytest.param("-O1", marks=slow), pytest.param("-O3", marks=slow)])
@pytest.mark.parametrize("source", PROGRAMS, ids=lambda source: source.stem)
def test_compiled_program(source, level, tmp_path):
    memory, entry = build(source, level, tmp_path)
    end = L2MEM  # where the program returns to
    start = State((0, end, STACK_TOP, *[0] * 29), (0,) * 32, 0, 0, memory)
    with Simulator() as sim:
        ours = run_ours(sim, {}, start, entry, end, CODE)
        assert sim.instructions > 1000
    theirs = run_unicorn({}, start, entry, end, CODE)
    assert not ours.difference(theirs)
    assert ours.memory != memory
