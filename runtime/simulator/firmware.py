"""The simulated board's firmware: firmware/core on firmware/ports/sim, built on first use and kept by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ...backend.cache import cache_dir
from ...backend.elf import Elf, read_elf
from ...backend.toolchain import COMMON_FLAGS, find_toolchain

FOLDER = Path(__file__).parents[2] / "firmware"
SOURCES = (FOLDER / "core", FOLDER / "ports" / "sim")

# The start of L2MEM, as firmware/ports/sim/sim.ld expects.
BASE = 0x4FF0_0000

# Without floating point, so that an interrupt need not save the registers of the code it interrupts.
EXTRA = ("-mcpu=generic_rv32+m+a+c", "-mabi=ilp32", "-Os", "-fdata-sections", "-Wno-unused-command-line-argument")


@cache
def firmware_elf() -> Elf:
    """The firmware, from the cache, or built now; ToolchainError when that fails."""
    return read_elf(firmware_path().read_bytes())


def firmware_path() -> Path:
    """The firmware's ELF file, whose symbols raw functions may call; see firmware_elf."""
    folder = cache_dir() / "firmware"
    path = folder / f"{_cache_key()}.elf"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        _build(path)
    return path


def _files() -> list[Path]:
    suffixes = {".c", ".h", ".S", ".ld"}
    return sorted(path for folder in SOURCES for path in folder.iterdir() if path.suffix in suffixes)


def _cache_key() -> str:
    key = hashlib.sha256()
    for word in (version("ziglang"), *COMMON_FLAGS, *EXTRA):
        key.update(f"{word}\n".encode())
    for path in _files():
        content = path.read_bytes()
        key.update(f"{path.name} {len(content)}\n".encode())
        key.update(content)
    return key.hexdigest()[:32]


def _build(path: Path) -> None:
    """Build in a folder of our own and move the result: a second process may be doing the same."""
    toolchain = find_toolchain("zig")
    with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        objects = []
        for source in _files():
            (folder / source.name).write_bytes(source.read_bytes())
        for source in _files():
            if source.suffix in {".c", ".S"}:
                objects.append(f"{source.stem}.o")
                toolchain.compile_object(folder, source.name, objects[-1], EXTRA)
        toolchain.link_image(folder, objects, "sim.ld", BASE, "firmware.elf")
        os.replace(folder / "firmware.elf", path)
