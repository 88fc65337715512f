"""The compiler's own library, which has what the chip has no instructions for: double, division of 64 bits, ..

That of zig (compiler-rt) also has much of math.h. It comes as source in the ziglang package; it is compiled once, in
some seconds, for the chip's float ABI, and kept in the cache folder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from .cache import cache_dir, run_tool
from .toolchain import COMPILE_TIMEOUT, LINK_TIMEOUT, ZIG_TARGET, Toolchain

WORDS = ("build-lib", "-fcompiler-rt", *ZIG_TARGET, "-OReleaseFast", "-fstrip")


def compiler_libraries(toolchain: Toolchain) -> tuple[Path, ...]:
    """Archives for the linker, behind the objects; ToolchainError when there are none.

    Those of a GNU compiler are libgcc and, where it comes with a C library, libm.
    """
    if not toolchain.program:
        return (_archive(toolchain),)
    return tuple(path for name in ("libm.a", "libgcc.a") if (path := _gnu_archive(toolchain, name)).is_absolute())


def _gnu_archive(toolchain: Toolchain, name: str) -> Path:
    """Where a GNU compiler has a library; it gives the bare name of one that it does not find."""
    # Some compare this text with a list, and know no longer one.
    argv = [*toolchain.command(), "-march=rv32imafc", "-mabi=ilp32f", f"-print-file-name={name}"]
    return Path(run_tool(argv, timeout=LINK_TIMEOUT, what=f"looking for {name}").strip())


def _archive(toolchain: Toolchain) -> Path:
    key = hashlib.sha256("\n".join((toolchain.version(), *WORDS)).encode()).hexdigest()[:32]
    folder = cache_dir() / "compiler-rt"
    path = folder / f"{key}.a"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        # In a folder of our own, and moved: a second process may be doing the same.
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as name:
            (Path(name) / "empty.zig").touch()
            argv = [*toolchain.command(), *WORDS, "empty.zig", "-femit-bin=library.a"]
            run_tool(argv, timeout=COMPILE_TIMEOUT, what="compiling the compiler's library", cwd=Path(name))
            os.replace(Path(name) / "library.a", path)
    return path
