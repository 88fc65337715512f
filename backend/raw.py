"""Any C, C++ or assembly as code for a board: compiled, and linked at the address that the board has given.

A small entry of our own, `int p4c_raw_call(void)`, is what boards can call: it takes the arguments out of the record
p4c_raw_arguments in the code's memory, where the host has put them, calls the function and leaves the result there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from ..compiler.errors import InputError, ToolchainError
from .c_declarations import Source
from .c_signature import POINTER, Parameter, Signature, parse_signature, read_signature
from .closing import Closing
from .elf import Elf, read_elf, read_symbols
from .pie.header import header_text
from .pie.statements import mentions_pie
from .raw_tools import ASSEMBLY, RawTools, UndefinedError, is_cplusplus
from .toolchain import Toolchain
from .writer import CWriter

ENTRY, ARGUMENTS = "p4c_raw_call", "p4c_raw_arguments"
# For code without vector instructions, which are what differs.
DEFAULT_REVISION = "v3"
SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".S", ".s")
# Where code is linked to find out its size; any address with the low bits of an aligned one.
PROBE_BASE = 0x4FF4_0000


@dataclass(frozen=True)
class Record:
    """The record of arguments: where each lies, where the result lies, and its size in bytes."""

    offsets: tuple[int, ...]
    result: int
    size: int

    @staticmethod
    def of(signature: Signature) -> Record:
        """Laid out as C lays out a struct: each field at a multiple of its size, in order, the result last."""
        offsets, end = [], 0
        for dtype in (*map(field_type, signature.parameters), signature.result or POINTER):
            end += -end % dtype.itemsize
            offsets.append(end)
            end += dtype.itemsize
        return Record(tuple(offsets[:-1]), offsets[-1], end)


def field_type(parameter: Parameter) -> np.dtype[np.generic]:
    """The type of an argument in the record: a pointer is an address."""
    return POINTER if parameter.pointer else parameter.dtype


class RawCode(Closing):
    """Compiled sources, to be linked at any address. A context manager: it holds a temporary folder.

    `signature` is that of the function, as declared or else as the preprocessed sources say. `chip_rev` is "" where
    nobody knows it: then there can be no vector instructions.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        function: str,
        declaration: str,
        toolchain: Toolchain,
        chip_rev: str,
        firmware: Path | None,
        flags: Sequence[str] = (),
    ) -> None:
        self._firmware = firmware
        _check(sources, function, firmware)
        self._temporary = tempfile.TemporaryDirectory(prefix="p4c-raw-")
        self._folder = Path(self._temporary.name)
        self._tools = RawTools(toolchain, self._folder, flags, chip_rev or DEFAULT_REVISION)
        try:
            self._prepare(chip_rev or DEFAULT_REVISION)
            texts = {path.resolve(): self._tools.read(path.resolve()) for path in sources}
            if not chip_rev and any(map(mentions_pie, texts.values())):
                what = "the board does not say its chip revision, and vector instructions of the wrong one crash it"
                raise InputError(what, 'connect with chip_rev="v3" or "v1", as the board\'s boot log says')
            known = [Source(text, is_cplusplus(path)) for path, text in texts.items() if path.suffix not in ASSEMBLY]
            self.signature = parse_signature(declaration) if declaration else read_signature(known, function)
            if self.signature.name != function:
                what = f"signature= declares {self.signature.name}, expected {function}"
                raise InputError(what, "give the declaration of the function that is to be called")
            self._compile(texts)
        except BaseException:
            self.close()
            raise

    def link(self, base: int) -> Elf:
        """The code at an address. ToolchainError for what it calls and nobody defines."""
        try:
            self._tools.link(self._objects, base, "raw.elf")
        except UndefinedError as error:
            raise ToolchainError(error.problems[0].what, self._advice(error.names)) from error
        return read_elf((self._folder / "raw.elf").read_bytes())

    def close(self) -> None:
        """Remove the temporary folder."""
        self._temporary.cleanup()

    def _advice(self, missing: Sequence[str]) -> str:
        """What to do about symbols that nobody defines."""
        declared = (header.read_text(encoding="utf-8") for header in (self._folder / "hosted").iterdir())
        library = set(re.findall(r"\b(\w+)\(", " ".join(declared))).intersection(missing)
        advice = 'define it in a source, without static, and in C++ as extern "C"'
        if library:
            whose = "this firmware has" if self._firmware else "bare code has"
            advice = f"{whose} no C library with {', '.join(sorted(library))}: {advice}"
        return advice + ("" if self._firmware else ", or give the ELF of a firmware that has it with firmware=")

    def _provided(self) -> str:
        """The firmware's symbols for the linker, each for whoever refers to it and does not define it himself."""
        if self._firmware is None:
            return ""
        try:
            symbols = read_symbols(self._firmware.read_bytes())
        except OSError as error:
            raise InputError(f"{self._firmware} cannot be read: {error.strerror}", "check the path") from error
        except InputError as error:
            advice = "give the .elf file that the board was flashed from"
            raise InputError(f"{self._firmware} is no ELF file of a RISC-V chip", advice) from error
        named = (symbol for symbol in symbols if re.fullmatch(r"[A-Za-z_]\w*", symbol.name))
        return "".join(f"PROVIDE({symbol.name} = {symbol.address:#x});\n" for symbol in named)

    def _prepare(self, chip_rev: str) -> None:
        """Put the linker script and our headers into the folder."""
        csrc = files(f"{__package__}.csrc")
        script = (csrc / "raw.ld").read_text(encoding="utf-8")
        (self._folder / "raw.ld").write_text(script + self._provided(), encoding="utf-8")
        for name in ("p4c_support.h", "p4c_raw_memory.h", "p4c_raw_cplusplus.h"):
            (self._folder / name).write_bytes((csrc / name).read_bytes())
        (self._folder / "p4c_pie.h").write_text(header_text(chip_rev), encoding="utf-8")
        (self._folder / "hosted").mkdir()
        for header in (csrc / "hosted").iterdir():
            if header.name.endswith(".h"):
                (self._folder / "hosted" / header.name).write_bytes(header.read_bytes())

    def _compile(self, texts: Mapping[Path, str]) -> None:
        # A firmware brings its own memcpy and memset.
        entry = self._folder / "p4c_raw_entry.c"
        constructors = any(map(is_cplusplus, texts))
        text = entry_text(self.signature, support=self._firmware is None, constructors=constructors)
        entry.write_text(text, encoding="utf-8")
        self._objects = [
            self._tools.compile(path, text, str(index)) for index, (path, text) in enumerate(texts.items())
        ]
        self._objects.append(self._tools.compile(entry, "", "entry"))


def _check(sources: Sequence[Path], function: str, firmware: Path | None) -> None:
    """InputError for files that are not there, or that nobody can compile, and for what is no name."""
    if not sources:
        raise InputError("no source was given", "give one file or several")
    for path in (*sources, *([firmware] if firmware else [])):
        if not path.is_file():
            raise InputError(f"there is no file {path}", "check the path")
    for path in sources:
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path} is no source that can be compiled", f"give files in {', '.join(SUFFIXES)}")
    if not re.fullmatch(r"[A-Za-z_]\w*", function):
        raise InputError(f"{function!r} is no name of a C function", "give the name alone, without parameters")


def entry_text(signature: Signature, *, support: bool, constructors: bool = False) -> str:
    """The C of the entry: with `support` also what compilers call, with `constructors` those of C++ run first."""
    out = CWriter()
    out.line("#include <stdint.h>")
    out.line("#include <stdbool.h>")
    if support:
        out.line('#include "p4c_raw_memory.h"')
    if constructors:
        out.line('#include "p4c_raw_cplusplus.h"')
    types = ["void *" if parameter.pointer else c_type(parameter.dtype) for parameter in signature.parameters]
    result = c_type(signature.result) if signature.result is not None else "void"
    out.line(f"extern {result} {signature.name}({', '.join(types) or 'void'});")
    out.line("struct")
    with out.block():
        for index, type_ in enumerate(types):
            out.line(f"{type_} a{index};")
        out.line(f"{'uint32_t' if result == 'void' else result} result;")
    out.line(f"volatile {ARGUMENTS} __attribute__((used));")
    out.line(f"int {ENTRY}(void)")
    with out.block():
        # The code may use the vector unit, which is off after reset.
        out.line('__asm__ volatile("csrsi 0x7f2, 1");')
        if constructors:
            out.line("p4c_raw_construct();")
        call = f"{signature.name}({', '.join(f'{ARGUMENTS}.a{index}' for index in range(len(types)))});"
        out.line(call if result == "void" else f"{ARGUMENTS}.result = {call}")
        out.line("return 0;")
    return out.text()


def c_type(dtype: np.dtype[np.generic]) -> str:
    """The C type of a NumPy type."""
    return {"bool": "bool", "float32": "float", "float64": "double"}.get(dtype.name, f"{dtype.name}_t")
