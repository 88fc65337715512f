"""Reading ELF files: flat bytes, symbols, sections, and the depth of the stack."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from ..compiler.errors import InputError

# More than any memory of the chip, and little enough to allocate for a damaged file.
MAX_EXTENT = 64 << 20


@dataclass(frozen=True)
class Section:
    """A section with its address, size in bytes and flags as readelf prints them."""

    name: str
    address: int
    size: int
    flags: str


@dataclass(frozen=True)
class Symbol:
    """A defined symbol; `kind` is function, object or notype."""

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True)
class Elf:
    """A linked image: the flat bytes at `base`, sections and symbols by address, and the file itself, `data`."""

    base: int
    entry: int
    flat: bytes
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    data: bytes = field(repr=False, default=b"")

    @property
    def functions(self) -> list[Symbol]:
        """Functions in address order."""
        return [symbol for symbol in self.symbols if symbol.kind == "function"]

    def symbolize(self, address: int) -> str:
        """`function+0x12` for an address inside a function or constant, "" elsewhere."""
        sized = [symbol for symbol in self.symbols if symbol.kind != "notype"]
        index = bisect_right([symbol.address for symbol in sized], address) - 1
        if index < 0 or address >= sized[index].address + max(sized[index].size, 1):
            return ""
        offset = address - sized[index].address
        return sized[index].name + (f"+{offset:#x}" if offset else "")


def read_elf(data: bytes) -> Elf:
    """Parse a linked ELF; the flat bytes are those of its allocated sections, gaps as zeros.

    Raises InputError when the bytes are not a little-endian RISC-V ELF or are cut short.
    """
    with _readable(data) as file:
        return replace(_read(file), data=data)


def read_symbols(data: bytes) -> tuple[Symbol, ...]:
    """The symbols of any ELF by address, as of a firmware whose sections lie far apart; see read_elf."""
    with _readable(data) as file:
        return tuple(_symbols(file))


@contextmanager
def _readable(data: bytes) -> Iterator[ELFFile]:
    """The bytes as a file of the right machine; InputError for whatever goes wrong with it."""
    try:
        file = ELFFile(io.BytesIO(data))
        if file["e_machine"] != "EM_RISCV" or file.elfclass != 32:
            raise ValueError(f"machine {file['e_machine']}, {file.elfclass} bits, expected 32-bit RISC-V")
        yield file
    except (ELFError, ValueError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(f"not a readable ELF file: {error}", "give a model.elf that p4c wrote") from error


def _read(file: ELFFile) -> Elf:
    allocated = [s for s in file.iter_sections() if s["sh_flags"] & 2 and s["sh_size"]]
    base = min(section["sh_addr"] for section in allocated)
    extent = max(section["sh_addr"] + section["sh_size"] for section in allocated) - base
    if extent > MAX_EXTENT:
        raise ValueError(f"its sections span {extent:,} bytes, expected at most {MAX_EXTENT:,}")
    flat = bytearray(extent)
    for section in allocated:
        if section["sh_type"] != "SHT_NOBITS":
            start = section["sh_addr"] - base
            flat[start : start + section["sh_size"]] = section.data()
    sections = tuple(
        Section(s.name, s["sh_addr"], s["sh_size"], _flags(s["sh_flags"])) for s in file.iter_sections() if s.name
    )
    return Elf(base, file["e_entry"], bytes(flat), sections, tuple(_symbols(file)))


def _flags(bits: int) -> str:
    return "".join(letter for bit, letter in ((2, "A"), (1, "W"), (4, "X")) if bits & bit)


def _symbols(file: ELFFile) -> Iterator[Symbol]:
    kinds = {"STT_FUNC": "function", "STT_OBJECT": "object", "STT_NOTYPE": "notype"}
    found = []
    for table in file.iter_sections():
        if isinstance(table, SymbolTableSection):
            for symbol in table.iter_symbols():
                kind = kinds.get(symbol["st_info"]["type"])
                if kind and symbol.name and symbol["st_shndx"] != "SHN_UNDEF":
                    found.append(Symbol(symbol.name, symbol["st_value"], symbol["st_size"], kind))
    yield from sorted(found, key=lambda symbol: (symbol.address, symbol.name))


def function_sizes(elf: Elf) -> Sequence[Symbol]:
    """Functions, the largest first."""
    return sorted(elf.functions, key=lambda symbol: (-symbol.size, symbol.name))
