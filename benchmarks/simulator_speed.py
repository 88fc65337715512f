"""How many instructions per second the simulator executes on this machine, on a compiled int8 convolution."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from elftools.elf.elffile import ELFFile

from p4c.backend.cache import run_tool
from p4c.runtime.simulator.simulator import Simulator
from p4c.runtime.simulator.timing import Timing

SOURCE = Path(__file__).with_name("simulator_conv.c")
BASE = 0x4FF00000
COMPILE = (
    *(sys.executable, "-m", "ziglang", "cc", "-c", "-O2", "-target", "riscv32-freestanding-none"),
    *("-mcpu=generic_rv32+m+a+f+c", "-mabi=ilp32f", "-ffreestanding", "-fomit-frame-pointer"),
    "-fno-sanitize=undefined",
)
LINK = (sys.executable, "-m", "ziglang", "ld.lld", "--omagic", f"-Ttext={BASE:#x}", "--entry=entry")
ROUNDS = 20


def load(sim: Simulator, folder: Path) -> int:
    """Compile the convolution into the simulator's memory; returns its entry address."""
    unlinked, linked = folder / "conv.o", folder / "conv.elf"
    run_tool([*COMPILE, SOURCE, "-o", unlinked], timeout=300, what="compiling the convolution")
    run_tool([*LINK, unlinked, "-o", linked], timeout=300, what="linking the convolution")
    with linked.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments("PT_LOAD"):
            sim.write(segment["p_vaddr"], segment.data())
        return int(elf["e_entry"])


def main() -> None:
    """Print both speeds, without and with the timing model."""
    for timing in (None, Timing()):
        measure(timing)


def measure(timing: Timing | None) -> None:
    """Print the best and the median of some rounds: other work on the machine only ever slows one down."""
    with tempfile.TemporaryDirectory() as folder, Simulator(timing=timing) as sim:
        entry = load(sim, Path(folder))
        speeds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            instructions = sim.call(entry).instructions
            speeds.append(instructions / (time.perf_counter() - start) / 1e6)
        speeds.sort()
        best, median = speeds[-1], speeds[ROUNDS // 2]
        print(f"{instructions} instructions per call, {'with' if timing else 'without'} the timing model")
        print(f"{best:.0f} M instructions/s at best, {median:.0f} M in the median of {ROUNDS} calls")


if __name__ == "__main__":
    main()
