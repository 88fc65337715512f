"""`p4c doctor`: what works on this machine, each thing tried and not only looked up."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..backend.cache import cache_dir
from ..backend.toolchain import find_toolchain
from ..compiler.errors import DeviceError, P4CError
from .board.packets import Command, Flag, Packet, encode
from .board.ports import candidates, look
from .simulated_board import SimulatedBoard
from .simulator.simulator import Simulator

PACKAGES = ("onnx", "onnxruntime", "numpy", "ziglang")


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: whether it works, what was found, and what to do if it does not."""

    name: str
    good: bool
    text: str
    advice: str = ""


def examine(toolchain: str) -> list[Finding]:
    """Try everything that p4c needs; never raises for what is broken."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("python", lambda: f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("packages", lambda: ", ".join(f"{name} {version(name)}" for name in PACKAGES)),
        ("cache folder", lambda: str(cache_dir())),
        ("toolchain", lambda: _toolchain(toolchain)),
        ("simulator", _simulator),
        ("firmware", _firmware),
        ("serial ports", _ports),
    )
    return [_finding(name, check) for name, check in checks]


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except P4CError as error:
        problem = error.problems[0]
        return Finding(name, False, problem.what, problem.advice)
    except Exception as error:  # whatever is broken here must not hide the other findings
        advice = "Reinstall p4c (pip install --force-reinstall p4c); if that does not help, please report this."
        return Finding(name, False, f"{type(error).__name__}: {error}", advice)


def _toolchain(name: str) -> str:
    """Compile a function, which shows more than a version does."""
    toolchain = find_toolchain(name)
    with tempfile.TemporaryDirectory(prefix="p4c-") as folder:
        Path(folder, "probe.c").write_text("int probe(int x);\nint probe(int x) { return 3 * x; }\n")
        toolchain.compile_object(Path(folder), "probe.c", "probe.o")
    return f"{name} {toolchain.version()} compiles for riscv32"


def _simulator() -> str:
    """Run `addi a0, a0, 1; ret`."""
    with Simulator() as simulator:
        simulator.write(0x4FF0_0000, bytes.fromhex("13051500 67800000"))
        result = simulator.call(0x4FF0_0000, 41)
    return f"works: {result.instructions} instructions gave {result.a0}"


def _firmware() -> str:
    """Build it, start it on a simulated chip, and let it echo a packet."""
    request = Packet(Command.PING, b"p4c")
    with SimulatedBoard() as board:
        board.feed(encode(request))
        board.run()
        good = board.take() == encode(Packet(Command.PING, b"p4c", Flag.ANSWER))
    if not good:
        raise DeviceError("the firmware on the simulated chip did not answer PING", "please report this")
    return "works: the firmware on a simulated chip answers"


def _ports() -> str:
    """Every port with what answers there; a port without a board is nothing bad."""
    found = [look(port) for port in candidates()]
    described = [f"{one.port.name}: {one.board or one.text}" for one in found]
    return ", ".join(described) if described else f"none ({sys.platform}); the simulator needs none"
