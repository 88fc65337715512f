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
# People's own code: warnings are theirs, and it may have variables.
RAW_FLAGS = (
    *("-c", "-O2", "-g", "-Wall", "-ffreestanding", "-fomit-frame-pointer", "-mcmodel=medany", "-fno-pic"),
    *("-fno-common", "-mabi=ilp32f"),
)
CXX_FLAGS = ("-std=c++17", "-fno-exceptions", "-fno-rtti")


@dataclass(frozen=True)
class Toolchain:
    """How to call one compiler and its linker; `program` is looked up on PATH, "" for a Python package's.

    `linker_prefix` stands before options that are meant for the linker.
    """

    name: str
    program: str
    compile: tuple[str, ...]
    link: tuple[str, ...]
    linker_prefix: str = ""

    def version(self) -> str:
        """The compiler's first version line; ToolchainError when it cannot be run."""
        argument = "version" if not self.program else "--version"
        return run_tool([*self._first(), argument], timeout=LINK_TIMEOUT, what=self.name).splitlines()[0]

    def _first(self) -> tuple[str, ...]:
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
        self._run([*self._first(), *flags, source, "-o", result], folder, COMPILE_TIMEOUT, "compiling the model")

    def compile_raw(self, folder: Path, source: Path, result: str) -> None:
        """Compile anybody's C, C++ or assembly to folder/result; headers beside it and in folder are found."""
        flags = (*self.compile, *RAW_FLAGS, *_dialect(source), f"-I{folder}")
        self._run(
            [*self._first(), *flags, str(source), "-o", result], folder, COMPILE_TIMEOUT, f"compiling {source.name}"
        )

    def preprocess(self, folder: Path, source: Path) -> str:
        """The text of a C or C++ file as the compiler reads it: macros, conditions and headers resolved."""
        what = f"reading {source.name}"
        argv = [*self._first(), *self.compile, *_dialect(source), f"-I{folder}", "-E", str(source)]
        return run_tool(argv, timeout=COMPILE_TIMEOUT, what=what, cwd=folder)

    def link_raw(self, folder: Path, objects: Sequence[str], base: int, result: str) -> None:
        """Link the objects of anybody's code at `base`."""
        symbol = f"{self.linker_prefix}--defsym=P4C_BASE={base:#x}"
        argv = [*self._first(), *self.link, symbol, "-T", "raw.ld", *objects, "-o", result]
        self._run(argv, folder, LINK_TIMEOUT, "linking the code")

    def link_image(self, folder: Path, objects: Sequence[str], script: str, base: int, result: str) -> None:
        """Link objects with a linker script at `base`."""
        symbol = f"{self.linker_prefix}--defsym=P4C_BASE={base:#x}"
        argv = [*self._first(), *self.link, symbol, "-T", script, *objects, "-o", result]
        self._run(argv, folder, LINK_TIMEOUT, "linking the model")

    def _run(self, argv: Sequence[str], folder: Path, timeout: int, what: str) -> None:
        run_tool(argv, timeout=timeout, what=what, cwd=folder)


def _dialect(source: Path) -> tuple[str, ...]:
    """The flags of a source's language, by its suffix; none for assembly."""
    if source.suffix.lower() == ".s":
        return ()
    return ("-std=gnu11",) if source.suffix == ".c" else CXX_FLAGS


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
                *("cc", "-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+a+f+c"),
                *("-fno-sanitize=undefined", "-fno-stack-protector", "-mllvm", "-enable-misched=false"),
            ),
            link=("ld.lld", "--no-warnings"),
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
