"""Which line of a source an instruction comes from, by the line tables of an ELF file."""

from __future__ import annotations

import io
from collections.abc import Iterator

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.lineprogram import LineProgram
from elftools.elf.elffile import ELFFile


def source_line(data: bytes, address: int) -> str:
    """`digits.c:41` for an address in the code of an ELF file; "" where its debug information does not say."""
    try:
        elf = ELFFile(io.BytesIO(data))
        if not elf.has_dwarf_info():
            return ""
        debug = elf.get_dwarf_info()
        programs = (debug.line_program_for_CU(unit) for unit in debug.iter_CUs())
        return next((line for program in programs if program for line in _lines(program, address)), "")
    except (DWARFError, ELFError, ValueError, KeyError, IndexError, AttributeError):
        return ""


def _lines(program: LineProgram, address: int) -> Iterator[str]:
    """The line whose instructions hold the address, if any."""
    before = None
    for state in (entry.state for entry in program.get_entries() if entry.state):
        if before and before.address <= address < state.address and before.line:
            yield f"{_file_name(program, before.file)}:{before.line}"
            return
        before = None if state.end_sequence else state


def _file_name(program: LineProgram, number: int) -> str:
    """The name of a file by its number, which counts from 1 in DWARF 4 and from 0 in DWARF 5."""
    entries = program.header["file_entry"]
    name = entries[number - (program.header["version"] < 5)].name
    return str(name.decode("utf-8", "replace")).rsplit("/", 1)[-1]
