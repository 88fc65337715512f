"""What a toolchain does with anybody's sources: read them, compile them, link them at an address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..compiler.errors import InputError, ToolchainError
from .cache import run_tool
from .compiler_library import compiler_libraries
from .pie.statements import mentions_pie, with_words
from .toolchain import COMPILE_TIMEOUT, LINK_TIMEOUT, Toolchain

# Warnings are the writer's, and there may be variables.
FLAGS = (
    *("-O2", "-g", "-Wall", "-ffreestanding", "-fomit-frame-pointer", "-mcmodel=medany", "-fno-pic", "-fno-common"),
    # Only what the function needs goes to the board.
    *("-ffunction-sections", "-fdata-sections"),
)
ABI = "-mabi=ilp32f"
C_FLAGS = ("-std=gnu11",)
CXX_FLAGS = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
ASSEMBLY = (".S", ".s")
# Headers that come with every compiler.
HEADERS = "stdint.h, stddef.h, stdbool.h, stdarg.h, limits.h, float.h"


class UndefinedError(ToolchainError):
    """A link that misses symbols; `names` are these."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        listed = ", ".join(self.names)
        super().__init__(f"the code refers to {listed}, and nothing defines {'it' if len(names) == 1 else 'them'}")


class RawTools:
    """A toolchain at work in one folder, for one chip revision, with `flags` of the user's own for the compiler."""

    def __init__(self, toolchain: Toolchain, folder: Path, flags: Sequence[str], chip_rev: str) -> None:
        self._toolchain, self._folder, self._chip_rev = toolchain, folder, chip_rev
        # Paths in the user's flags count from where he is.
        self._flags = (*flags, f"-I{folder}", "-idirafter", str(folder / "hosted"))
        self._libraries: tuple[Path, ...] = ()

    def read(self, source: Path) -> str:
        """The text of a source as the compiler reads it: macros, conditions and headers resolved."""
        if source.suffix == ".s":
            return source.read_text(encoding="utf-8", errors="replace")
        words = (*_dialect(source), *self._flags, "-ffreestanding", "-E", str(source))
        return self._compiler(words, source, "reading")

    def compile(self, source: Path, text: str, name: str) -> str:
        """Compile a source, whose text is known, to an object of that name in the folder; the object's file name."""
        result = f"{name}.o"
        if mentions_pie(text):
            self._assemble(source, text, name)
        else:
            self._compiler(
                (*_dialect(source), *FLAGS, *self._flags, "-c", str(source), "-o", str(self._folder / result)), source
            )
        return result

    def link(self, objects: Sequence[str], base: int, result: str) -> None:
        """Link objects at an address with raw.ld; UndefinedError for what nobody defines.

        The compiler's library is used when something is missing without it.
        """
        try:
            self._link(objects, base, result)
        except UndefinedError:
            if self._libraries:
                raise
            self._libraries = compiler_libraries(self._toolchain)
            self._link(objects, base, result)

    def _link(self, objects: Sequence[str], base: int, result: str) -> None:
        toolchain = self._toolchain
        options = [f"{toolchain.linker_prefix}{word}" for word in (f"--defsym=P4C_BASE={base:#x}", "--gc-sections")]
        files = (*objects, *map(str, self._libraries))
        argv = [*toolchain.command(), *toolchain.link, *options, "-T", "raw.ld", *files, "-o", result]
        try:
            run_tool(argv, timeout=LINK_TIMEOUT, what="linking the code", cwd=self._folder)
        except ToolchainError as error:
            found = re.findall(r"undefined (?:symbol: (.+)|reference to [`'](.+)')", _output(error))
            names = [one or other for one, other in found]
            if not names:
                raise
            raise UndefinedError(list(dict.fromkeys(names))) from error

    def _assemble(self, source: Path, text: str, name: str) -> None:
        """Compile by way of assembly text, where the PIE instructions become words."""
        # What compilers write has debug information already.
        debug = ["-g"] if source.suffix in ASSEMBLY else []
        if not debug:
            words = (*_dialect(source), *FLAGS, *self._toolchain.textual, *self._flags)
            written = self._folder / f"{name}.s"
            self._compiler((*words, "-S", str(source), "-o", str(written)), source)
            text = written.read_text(encoding="utf-8")
        try:
            text = with_words(text, self._chip_rev)
        except InputError as error:
            problem = error.problems[0]
            raise InputError(f"{source.name}: {problem.what}", problem.advice) from error
        changed = self._folder / f"{name}.words.s"
        changed.write_text(text, encoding="utf-8")
        self._compiler((*debug, "-c", str(changed), "-o", str(self._folder / f"{name}.o")), source)

    def _compiler(self, words: Sequence[str], source: Path, doing: str = "compiling") -> str:
        argv = [*self._toolchain.command(), *self._toolchain.compile, ABI, *words]
        try:
            return run_tool(argv, timeout=COMPILE_TIMEOUT, what=f"{doing} {source.name}")
        except ToolchainError as error:
            raise _explained(error) from error


def is_cplusplus(source: Path) -> bool:
    """True for C++, by the suffix."""
    return source.suffix not in (".c", *ASSEMBLY)


def _dialect(source: Path) -> tuple[str, ...]:
    """The flags of a source's language; none for assembly."""
    return () if source.suffix in ASSEMBLY else CXX_FLAGS if is_cplusplus(source) else C_FLAGS


def _output(error: ToolchainError) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


def _explained(error: ToolchainError) -> ToolchainError:
    """The error with an advice for those who wrote the source, where the compiler complains of that."""
    output = _output(error)
    missing = re.search(r"'([^']+)' file not found|error: (\S+): No such file or directory", output)
    if missing:
        advice = (
            f'put {missing[1] or missing[2]} beside the source, or its folder into flags=["-I.."]. There is no C '
            f"library for bare code, only {HEADERS}, and string.h, stdio.h, stdlib.h and math.h with the commonest "
            "functions; declare other functions of a firmware by hand, and give its ELF with firmware="
        )
    elif re.search(r"\berror:", output, re.IGNORECASE):
        advice = "correct the source, or what flags= says; the exception's notes have all that the compiler said"
    else:
        return error
    changed = ToolchainError(error.problems[0].what, advice)
    changed.add_note(output)
    return changed
