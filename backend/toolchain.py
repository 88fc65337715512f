"""The C compilers that build images: ziglang from PyPI by default, GNU toolchains by name."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..compiler.errors import InputError, ToolchainError
from .cache import run_tool

# Seconds; a compile takes about one, but the first on a machine unpacks caches.
COMPILE_TIMEOUT = 180
LINK_TIMEOUT = 60

# -mcmodel=medany and -fno-jump-tables make code independent of its address, which every compile proves.
COMMON_FLAGS = (
    *("-c", "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"),
    *("-ffreestanding", "-fomit-frame-pointer", "-mcmodel=medany", "-fno-jump-tables", "-fno-pic"),
    *("-ffunction-sections", "-fno-common", "-mabi=ilp32f"),
)


ZIG_TARGET = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+a+f+c")


@dataclass(frozen=True)
class Toolchain:
    """How to call one compiler and its linker; `program` is looked up on PATH, "" for a Python package's.

    `linker_prefix` stands before options that are meant for the linker, `textual` makes it take instructions in
    inline assembly that it does not know when it writes assembly.
    """

    name: str
    program: str
    compile: tuple[str, ...]
    link: tuple[str, ...]
    linker_prefix: str = ""
    textual: tuple[str, ...] = ()

    def version(self) -> str:
        """The compiler's first version line; ToolchainError when it cannot be run."""
        argument = "version" if not self.program else "--version"
        return run_tool([*self.command(), argument], timeout=LINK_TIMEOUT, what=self.name).splitlines()[0]

    def command(self) -> tuple[str, ...]:
        """The words that start it; ToolchainError when it is not there."""
        return (sys.executable, "-m", "ziglang") if not self.program else (self._path(),)

    def _path(self) -> str:
        path = shutil.which(self.program)
        if path is None:
            advice = f"install {self.program} and put it on PATH, or leave out --toolchain to use the built-in zig"
            raise ToolchainError(f"the compiler {self.program} was not found", advice)
        return path

    def compile_object(self, folder: Path, source: str, result: str, extra: Sequence[str] = ()) -> None:
        """Compile folder/source to folder/result; the same text gives the same bytes in any folder."""
        maps = [f"-ffile-prefix-map={folder}=.", *([] if self.program else [_ziglang_map()])]
        flags = (*self.compile, *COMMON_FLAGS, *maps, *extra)
        self._run([*self.command(), *flags, source, "-o", result], folder, COMPILE_TIMEOUT, "compiling the model")

    def link_image(self, folder: Path, objects: Sequence[str], script: str, base: int, result: str) -> None:
        """Link objects with a linker script at `base`."""
        symbol = f"{self.linker_prefix}--defsym=P4C_BASE={base:#x}"
        argv = [*self.command(), *self.link, symbol, "-T", script, *objects, "-o", result]
        self._run(argv, folder, LINK_TIMEOUT, "linking the model")

    def _run(self, argv: Sequence[str], folder: Path, timeout: int, what: str) -> None:
        run_tool(argv, timeout=timeout, what=what, cwd=folder)


def _ziglang_map() -> str:
    """Keeps the place of the compiler's own headers out of debug information."""
    spec = find_spec("ziglang")
    places = list(spec.submodule_search_locations or []) if spec else []
    return f"-ffile-prefix-map={places[0] if places else 'ziglang'}=ziglang"


def _gnu(program: str) -> Toolchain:
    """A GNU compiler; it links through its own driver, which finds its linker."""
    machine = ("-march=rv32imafc_zicsr", "-mabi=ilp32f")
    link = (*machine, "-nostdlib", "-nostartfiles", "-static", "-Wl,--no-warn-rwx-segments")
    return Toolchain(program, program, machine, link, linker_prefix="-Wl,")


TOOLCHAINS: dict[str, Toolchain] = {
    toolchain.name: toolchain
    for toolchain in (
        Toolchain(
            name="zig",
            program="",
            compile=(
                *("cc", *ZIG_TARGET),
                *("-fno-sanitize=undefined", "-fno-stack-protector", "-mllvm", "-enable-misched=false"),
            ),
            link=("ld.lld", "--no-warnings"),
            textual=("-fno-integrated-as",),
        ),
        _gnu("riscv64-unknown-elf-gcc"),
        _gnu("riscv32-esp-elf-gcc"),
    )
}


def find_toolchain(name: str) -> Toolchain:
    """The toolchain of that name; InputError when there is none."""
    if name not in TOOLCHAINS:
        raise InputError(f"there is no toolchain {name!r}", f"choose one of {', '.join(TOOLCHAINS)}")
    return TOOLCHAINS[name]
