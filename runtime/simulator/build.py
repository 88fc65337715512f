"""Building the simulator's shared library on first use, and finding it again ever after.

The file name in the cache holds a hash of everything that decides its bytes, so a changed source, flag,
compiler or host makes a new file and never a wrong one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from ...backend.cache import cache_dir, run_tool
from ...backend.pie.decode_header import decode_table_text
from .timing_header import timing_header_text

# By name, so that a file half written beside them breaks no build.
PROGRAMS = (
    *(
        "compressed.c",
        "csr.c",
        "decode.c",
        "devices.c",
        "execute_fast.c",
        "execute_timed.c",
        "float32.c",
        "loops.c",
        "machine.c",
    ),
    *("memory.c",),
    *("pie_accumulate.c", "pie_arithmetic.c", "pie_decode.c", "pie_memory.c", "pie_move.c", "pie_readout.c"),
    *("pie_shift.c", "pie_state.c", "sim.c", "timing.c", "timing_slots.c"),
)
HEADERS = (
    *(
        "cache.h",
        "execute_handlers.h",
        "execute_loop.h",
        "float32.h",
        "instructions.h",
        "machine.h",
        "pie.h",
        "pie_lanes.h",
    ),
    *("sim.h", "state.h", "timing.h"),
)

# Two headers are made while building, from these.
TIMING_SOURCES = ("timing.tsv", "timing.py")
PIE_TABLE_SOURCES = ("decode_header.py", "fields.tsv", "instructions.tsv", "table.py")

# Seconds. The first build on a machine also makes zig unpack and build its own parts: half a minute on a
# slow one.
BUILD_TIMEOUT = 600

# -mcpu=baseline: the cache may lie on a home folder that machines with different processors share.
FLAGS = (
    *("-shared", "-std=c11", "-O3", "-mcpu=baseline", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Werror", "-fno-sanitize=undefined"),
)

FOLDER = Path(__file__).parent
BACKEND = FOLDER.parents[1] / "backend"
_SUFFIXES = {"win32": ".dll", "darwin": ".dylib"}


def library_path() -> Path:
    """The shared library for this host, built if the cache does not hold it yet."""
    folder = cache_dir() / "simulator"
    path = folder / f"{_cache_key()}{_SUFFIXES.get(sys.platform, '.so')}"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        _build(path)
    return path


def _cache_key() -> str:
    key = hashlib.sha256()
    host = (sysconfig.get_platform(), platform.machine(), version("ziglang"))
    for word in (*host, *FLAGS):
        key.update(f"{word}\n".encode())
    sources = [FOLDER / name for name in (*PROGRAMS, *HEADERS, "timing_header.py")]
    tables = [BACKEND / name for name in TIMING_SOURCES] + [BACKEND / "pie" / name for name in PIE_TABLE_SOURCES]
    for path in (*sources, *tables):
        content = path.read_bytes()
        key.update(f"{path.name} {len(content)}\n".encode())
        key.update(content)
    return key.hexdigest()[:32]


def _build(path: Path) -> None:
    """Build in a folder of our own and move the result: a second process may be doing the same."""
    programs = [str(FOLDER / name) for name in PROGRAMS]
    with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
        result = Path(folder) / path.name
        (Path(folder) / "pie_tables.h").write_text(decode_table_text(), encoding="utf-8")
        (Path(folder) / "timing_constants.h").write_text(timing_header_text(), encoding="utf-8")
        include = ("-I", str(FOLDER), "-I", folder)
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *include, *programs, "-o", str(result)]
        run_tool(command, timeout=BUILD_TIMEOUT, what="building the simulator")
        try:
            os.replace(result, path)
        except PermissionError:
            # Windows does not replace a library that is loaded: then another process was first.
            if not path.exists():
                raise
