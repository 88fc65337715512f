"""Functions of anybody's C on a board: compiled, linked where the board has room, called with NumPy arguments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...backend.c_signature import ANYTHING, POINTER, Parameter
from ...backend.closing import Closing
from ...backend.pie.listing import listing
from ...backend.raw import ARGUMENTS, DEFAULT_REVISION, ENTRY, PROBE_BASE, RawCode, Record
from ...backend.source_lines import source_line
from ...compiler.errors import DeviceError, DeviceFault, InputError
from ...compiler.ir import Array
from .link import RefusedError
from .own import CAUSES, FIRST_RULE, OwnFirmware
from .p4jit import P4Jit
from .packets import ErrorCode
from .program import MEMORIES
from .transport import ConnectionLostError

# Blocks begin on cache lines, so that writing one back touches no other.
ALIGNMENT = 128


class RawFunction(Closing):
    """A function in a board's memory; made by Board.jit. A context manager; closing it frees its memory there.

    `cycles` are those of the last call by the board's counter, 0 where its firmware has none; Board.counts says what.
    """

    def __init__(self, firmware: P4Jit, code: RawCode, region: str, chip_rev: str) -> None:
        self.signature, self.region = code.signature, region
        self._firmware, self._chip_rev = firmware, chip_rev
        self._record = Record.of(code.signature)
        self.cycles = 0
        # Linked twice: for its size, then at the address of a block of that size, which changes no size.
        probe = code.link(PROBE_BASE)
        self.address = allocated(firmware, len(probe.flat), region, "the code")
        try:
            self.elf = code.link(self.address)
            if len(self.elf.flat) > len(probe.flat):
                raise DeviceError(
                    "the code is larger at its address than before", "please report this with the sources"
                )
            firmware.write(self.address, self.elf.flat)
            if firmware.read(self.address, len(self.elf.flat)) != self.elf.flat:
                what = f"the code reads back otherwise than it was written at {self.address:#010x}"
                raise DeviceError(what, "lower --baud or check the cable")
        except BaseException:
            with contextlib.suppress(DeviceError):
                self.close()
            raise

    def __call__(self, *arguments: object, timeout: float = 10.0) -> Any:  # noqa: ANN401
        """Call it: numbers for numbers, arrays of the exact dtype for pointers; returns what it returns, or None.

        Arrays are copied to the board, and back into themselves behind pointers without const. InputError for
        arguments that do not fit, DeviceFault for a crash, DeviceError when it takes more than `timeout` seconds.
        Whatever happens, no memory of the board stays taken; Ctrl-C ends the call on boards with p4c's own firmware.
        """
        self._check_open()
        parameters = self.signature.parameters
        if len(arguments) != len(parameters):
            what = f"{self.signature.name} takes {len(parameters)} arguments, {len(arguments)} were given"
            raise InputError(what, f"call {self.signature}")
        checked = [
            _checked(p, index, value) for index, (p, value) in enumerate(zip(parameters, arguments, strict=True), 1)
        ]
        blocks: list[int] = []
        try:
            record = bytearray(self._record.size)
            for offset, parameter, value in zip(self._record.offsets, parameters, checked, strict=True):
                if parameter.pointer:
                    blocks.append(
                        allocated(self._firmware, max(value.nbytes, 1), self.region, f"the array {parameter.name}")
                    )
                    self._firmware.write(blocks[-1], value.tobytes())
                    value = np.array(blocks[-1], POINTER)
                record[offset : offset + value.nbytes] = value.tobytes()
            self._firmware.write(self._arguments, bytes(record))
            self._execute(timeout)
            self._copy_back(checked, blocks)
            result = self._result()
        except BaseException:
            # What ended the call is told, and not what that does to this.
            with contextlib.suppress(DeviceError):
                self._free(blocks)
            raise
        self._free(blocks)
        return result

    def __repr__(self) -> str:
        return f"<{self.signature}, {f'at {self.address:#010x}' if self.address else 'closed'}>"

    def inspect(self) -> str:
        """Sections, symbols, the memory map, and the disassembly of the code, as text."""
        return "\n".join(self._lines())

    def close(self) -> None:
        """Free its memory on the board."""
        if self.address:
            address, self.address = self.address, 0
            self._firmware.free(address)

    def forget(self) -> None:
        """The board has restarted: nothing is there to be freed."""
        self.address = 0

    @property
    def _arguments(self) -> int:
        return next(symbol.address for symbol in self.elf.symbols if symbol.name == ARGUMENTS)

    def _check_open(self) -> None:
        if not self.address:
            what = f"{self.signature.name} is not on the board any more: it was closed, or the board was reset"
            raise DeviceError(what, "call jit again")

    def _free(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            self._firmware.free(block)

    def _execute(self, timeout: float) -> None:
        entry = next(symbol.address for symbol in self.elf.symbols if symbol.name == ENTRY)
        try:
            self.cycles = self._firmware.call(entry, timeout, f"{self.signature.name} may take {timeout:g} s")
        except RefusedError as error:
            raise self._ended(error, timeout) from error
        except ConnectionLostError as error:
            if not isinstance(self._firmware, OwnFirmware):
                raise
            self._firmware.come_back(error)
            raise self._lost(self._firmware) from error
        except KeyboardInterrupt:
            if isinstance(self._firmware, OwnFirmware):
                self._firmware.stop()
            raise

    def _ended(self, error: RefusedError, timeout: float) -> DeviceError:
        """The words for a call that the board ended, or knows nothing of after a restart."""
        firmware = self._firmware
        if error.code == ErrorCode.INVALID_ADDRESS and isinstance(firmware, OwnFirmware) and firmware.has_restarted():
            return self._lost(firmware)
        if error.code == ErrorCode.TIMEOUT:
            what = f"{self.signature.name} did not return in the board's time limit"
            return DeviceError(what, f"look for a loop without end; timeout={timeout:g} was given")
        if error.code != ErrorCode.FAULT or len(error.words) < 4:
            return error
        return self._fault(error.words, "nothing on the board is lost")

    def _lost(self, firmware: OwnFirmware) -> DeviceError:
        """The words for a board that restarted, which a fault of this code may have done."""
        fault = firmware.untold_fault(0)
        if fault is None:
            return DeviceError(f"the board has restarted and lost {self.signature.name}", "call jit again")
        return self._fault(fault, "the board has restarted: everything on it is gone")

    def _fault(self, words: Sequence[int], then: str) -> DeviceFault:
        """The words for a fault of this code: what and where."""
        _, cause, pc, value = words[:4]
        place, called = self._place(pc), ""
        if not place and len(words) > 4:
            # The address where the caller would have gone on lies behind its call.
            called = self._place(words[4] - 1)
        what = CAUSES.get(cause, f"faulted with cause {cause}, value {{value:#010x}}").format(value=value)
        where = f"pc {pc:#010x}" + (f" in {place}" if place else "") + (f", called from {called}" if called else "")
        advice = f"look at inspect() there; {then}"
        if cause >= FIRST_RULE:
            advice = "keep that rule, which Espressif states, or use `p4c board --lenient`; look at inspect() there"
        symbol = self.elf.symbolize(pc)
        return DeviceFault(f"{self.signature.name} {what} ({where})", advice, pc=pc, address=value, symbol=symbol)

    def _place(self, address: int) -> str:
        """`f+0x12, code.c:41` for an address in the code, "" elsewhere."""
        symbol = self.elf.symbolize(address)
        line = source_line(self.elf.data, address) if symbol else ""
        return f"{symbol}, {line}" if line else symbol

    def _copy_back(self, values: Sequence[Array], blocks: Sequence[int]) -> None:
        arrays = [(p, v) for p, v in zip(self.signature.parameters, values, strict=True) if p.pointer]
        for (parameter, array), block in zip(arrays, blocks, strict=True):
            if parameter.written and array.nbytes:
                data = self._firmware.read(block, array.nbytes)
                array[...] = np.frombuffer(data, array.dtype).reshape(array.shape)

    def _result(self) -> Any:  # noqa: ANN401
        dtype = self.signature.result
        if dtype is None:
            return None
        data = self._firmware.read(self._arguments + self._record.result, dtype.itemsize)
        return np.frombuffer(data, dtype)[0]

    def _lines(self) -> Iterator[str]:
        yield str(self.signature)
        base, size = self.elf.base, len(self.elf.flat)
        yield f"\nmemory: {size:,} bytes of {MEMORIES[self.region]} at {base:#010x}..{base + size:#010x}"
        yield "\nsections"
        yield from (
            f"  {s.address:#010x} {s.size:8,}  {s.name} {s.flags}"
            for s in self.elf.sections
            if "A" in s.flags and s.size
        )
        yield "\nsymbols"
        yield from (f"  {s.address:#010x} {s.size:8,}  {s.name}" for s in self.elf.symbols if s.kind != "notype")
        code = next(section for section in self.elf.sections if section.name == ".text")
        start = code.address - base
        names = {symbol.address: symbol.name for symbol in self.elf.functions}
        yield "\ncode"
        yield from listing(
            self.elf.flat[start : start + code.size], code.address, self._chip_rev or DEFAULT_REVISION, names
        )


def allocated(firmware: P4Jit, size: int, region: str, what: str) -> int:
    """The address of so many bytes; DeviceError when the board has none."""
    address = firmware.alloc(size, region, ALIGNMENT)
    if not address:
        free = firmware.heap().free(region)
        advice = "close others" + (', or give region="psram"' if region == "l2mem" else "")
        raise DeviceError(f"{what} needs {size:,} bytes of {MEMORIES[region]}, the board has {free:,} free", advice)
    return address


def _checked(parameter: Parameter, index: int, value: object) -> Array:
    """An argument as an array of the parameter's type, the array itself behind a pointer; InputError otherwise."""
    place = f"argument {index} ({parameter})"
    if parameter.pointer:
        if not isinstance(value, np.ndarray):
            raise InputError(f"{place} is a {type(value).__name__}, expected an array", "give a NumPy array")
        if parameter.dtype == ANYTHING and value.dtype.hasobject:
            raise InputError(f"{place} is an array of Python's objects", "give an array of numbers or structs")
        if parameter.dtype not in (ANYTHING, value.dtype):
            what = f"{place} is an array of {value.dtype}, expected {parameter.of or parameter.dtype}"
            made = f"np.zeros(n, function.signature.parameters[{index - 1}].dtype)"
            advice = f"make one with {made}" if parameter.of else f"convert it with .astype(np.{parameter.dtype})"
            raise InputError(what, advice)
        if not value.flags.c_contiguous or (parameter.written and not value.flags.writeable):
            raise InputError(f"{place} is not contiguous and writable", "give np.ascontiguousarray(..) or a copy")
        return value
    number = np.asarray(value)
    stored, kept = number, False
    if number.ndim == 0 and number.dtype.kind in "biuf":
        with np.errstate(over="ignore", invalid="ignore"):
            stored = number.astype(parameter.dtype)
        finite = np.isfinite(stored) == np.isfinite(number)
        kept = bool(stored == number or (parameter.dtype.kind == "f" and finite))
    if not kept:
        raise InputError(f"{place} is {value!r}, which is no {parameter.dtype}", "give a number that the type holds")
    return stored
