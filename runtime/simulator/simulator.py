"""A simulated ESP32-P4 core: load bytes, call functions, read results; faults come as DeviceFault."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...backend.closing import Closing
from ...compiler.errors import DeviceError, InputError
from .faults import device_fault
from .native import (
    RETURN_ADDRESS,
    Config,
    CounterRecord,
    Mark,
    MmioRead,
    MmioWrite,
    PieRegisters,
    Reason,
    StopRecord,
    load_library,
)
from .timing import L2_SIZES, Counters, MarkedCounters, Timing

# Chip revisions by their names on the command line, with the major number.
CHIP_REVISIONS = {"v1": 1, "v3": 3}

# The end of L2MEM.
DEFAULT_STACK_TOP = 0x4FFC0000

# Runs return to Python this often (a fraction of a second), so that Ctrl-C is heard.
SLICE_INSTRUCTIONS = 1 << 26

RA, SP, A0, FA0 = 1, 2, 10, 10
ARGUMENT_REGISTERS = 8


@dataclass(frozen=True)
class CallResult:
    """What a called function left in a0 (as uint32), and what it took.

    Without a timing model a cycle is an instruction.
    """

    a0: int
    instructions: int
    cycles: int


class Simulator(Closing):
    """One core with TCM, L2MEM, flash and PSRAM of its own; a context manager.

    Instances share nothing and release the GIL while they run, so each may live in a thread of its own;
    one instance must not be used by two threads at a time. `symbolize` turns a code address into words
    for fault texts, such as "p4c_conv2d_s8+0x12". A `strict` one also reports what works here and not
    reliably on the chip; its SIMD unit is off until CSR 0x7f2 is written, as on bare metal. With `timing`
    it estimates cycles, which mcycle then reads; it runs several times slower.
    """

    def __init__(
        self,
        chip_rev: str = "v3",
        *,
        flash_size: int = 16 << 20,
        psram_size: int = 32 << 20,
        strict: bool = False,
        timing: Timing | None = None,
        symbolize: Callable[[int], str] | None = None,
    ) -> None:
        if chip_rev not in CHIP_REVISIONS:
            known = " or ".join(CHIP_REVISIONS)
            raise InputError(f"there is no chip revision {chip_rev!r}", f"use --chip-rev {known}")
        self.chip_rev = chip_rev
        self.symbolize = symbolize
        self._callbacks: list[object] = []
        self._library = load_library()
        if timing is not None and timing.l2_kb not in L2_SIZES:
            raise InputError(f"no L2 cache has {timing.l2_kb} KB", f"use one of {', '.join(map(str, L2_SIZES))}")
        self.timing = timing
        l2_kb = 0 if timing is None else timing.l2_kb
        config = Config(CHIP_REVISIONS[chip_rev], flash_size, psram_size, strict, l2_kb)
        self._handle: int | None = self._library.p4c_sim_create(ctypes.byref(config))
        if self._handle is None:
            raise DeviceError(
                f"no simulator with {flash_size} bytes of flash and {psram_size} bytes of PSRAM could be made",
                "use multiples of 4096 up to 64 MB, and check that the machine has free memory",
            )

    def close(self) -> None:
        """Free the simulated chip; nothing else may be called after."""
        if self._handle is not None:
            self._library.p4c_sim_destroy(self._handle)
            self._handle = None

    def __del__(self) -> None:
        # Missing where __init__ failed early.
        if getattr(self, "_handle", None) is not None:
            self.close()

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the chip's memory, as the running program would see them."""
        buffer = ctypes.create_string_buffer(size)
        if not self._library.p4c_sim_read(self._handle, address, buffer, size):
            raise _outside("read", address, size)
        return buffer.raw

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes into the chip's memory; flash can be written too. Code may be replaced at any time."""
        content = bytes(data)
        if not self._library.p4c_sim_write(self._handle, address, content, len(content)):
            raise _outside("write", address, len(content))

    def get_x(self, number: int) -> int:
        """Integer register x0..x31, as uint32."""
        return int(self._library.p4c_sim_get_x(self._handle, number))

    def set_x(self, number: int, value: int) -> None:
        """Set integer register x1..x31 to the low 32 bits of `value`."""
        self._library.p4c_sim_set_x(self._handle, number, value & 0xFFFFFFFF)

    def get_f(self, number: int) -> int:
        """The bits of floating-point register f0..f31."""
        return int(self._library.p4c_sim_get_f(self._handle, number))

    def set_f(self, number: int, bits: int) -> None:
        """Set the bits of floating-point register f0..f31."""
        self._library.p4c_sim_set_f(self._handle, number, bits)

    def get_csr(self, number: int) -> int:
        """A control and status register, by its number."""
        value = ctypes.c_uint32()
        if not self._library.p4c_sim_get_csr(self._handle, number, ctypes.byref(value)):
            raise KeyError(f"no CSR {number:#x}")
        return value.value

    def set_csr(self, number: int, value: int) -> None:
        """Write a control and status register, as an instruction of the program would."""
        if not self._library.p4c_sim_set_csr(self._handle, number, value):
            raise KeyError(f"no writable CSR {number:#x}")

    def get_pie(self) -> PieRegisters:
        """A copy of the SIMD unit's registers."""
        registers = PieRegisters()
        self._library.p4c_sim_get_pie(self._handle, ctypes.byref(registers))
        return registers

    def set_pie(self, registers: PieRegisters) -> None:
        """Set the SIMD unit's registers."""
        self._library.p4c_sim_set_pie(self._handle, ctypes.byref(registers))

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return int(self._library.p4c_sim_get_pc(self._handle))

    @pc.setter
    def pc(self, address: int) -> None:
        self._library.p4c_sim_set_pc(self._handle, address)

    @property
    def instructions(self) -> int:
        """Instructions executed since the simulator was made."""
        return int(self._library.p4c_sim_instructions(self._handle))

    @property
    def counters(self) -> Counters:
        """What the timing model counted since the simulator was made."""
        record = CounterRecord()
        self._library.p4c_sim_get_counters(self._handle, ctypes.byref(record))
        return Counters.of(record)

    @property
    def cycles(self) -> int:
        """Cycles since the simulator was made; without a timing model, instructions."""
        counters = self.counters
        return counters.instructions if self.timing is None else counters.cycles

    def cool(self) -> None:
        """Empty the modelled caches and branch predictor: what runs next runs cold."""
        self._library.p4c_sim_cool(self._handle)

    def set_markers(self, addresses: Sequence[int]) -> None:
        """Have the counters noted each time the program is about to execute one of these addresses."""
        array = (ctypes.c_uint32 * len(addresses))(*addresses)
        if not self._library.p4c_sim_set_markers(self._handle, array, len(addresses)):
            raise ValueError("markers need a timing model, and are at most 65534")

    def take_marks(self) -> list[MarkedCounters]:
        """The notes since markers were set or marks last taken, in the order in which they were made."""
        count = self._library.p4c_sim_take_marks(self._handle, None, 0)
        marks = (Mark * count)()
        self._library.p4c_sim_take_marks(self._handle, marks, count)
        return [MarkedCounters(mark.marker, Counters.of(mark.counters)) for mark in marks]

    def map_mmio(
        self, base: int, size: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
    ) -> None:
        """Device registers in [base, base + size): read(offset, size) -> value, write(offset, size, value)."""
        callbacks = (
            MmioRead(lambda _, offset, width: read(offset, width)),
            MmioWrite(lambda _, offset, width, value: write(offset, width, value)),
        )
        if not self._library.p4c_sim_map_mmio(self._handle, base, size, *callbacks, None):
            raise ValueError(f"the range {base:#x}..{base + size:#x} cannot be mapped")
        self._callbacks.extend(callbacks)  # C holds no reference that Python would count

    def attach_devices(self) -> None:
        """Give the core a UART, a timer, traps and interrupts, as sim.h says; once."""
        if not self._library.p4c_sim_attach_devices(self._handle):
            raise ValueError("the devices are attached already, or their addresses are taken")

    def uart_feed(self, data: bytes) -> None:
        """Put bytes on the line to the UART."""
        if not self._library.p4c_sim_uart_feed(self._handle, data, len(data)):
            raise MemoryError("no memory for the bytes that wait for the UART")

    def uart_take(self) -> bytes:
        """All that the UART has sent since it was last asked."""
        buffer = ctypes.create_string_buffer(1 << 16)
        taken = b""
        while size := self._library.p4c_sim_uart_take(self._handle, buffer, len(buffer)):
            taken += buffer.raw[:size]
        return taken

    def pass_time(self, seconds: float) -> None:
        """Let time pass on the timer while the core waits."""
        self._library.p4c_sim_pass_time(self._handle, round(seconds * 1e6))

    def run(self, max_instructions: int) -> StopRecord:
        """Execute from pc until something ends the run, and say what; faults are in the record."""
        record, executed = StopRecord(), 0
        while True:
            budget = min(max_instructions - executed, SLICE_INSTRUCTIONS)
            self._library.p4c_sim_run(self._handle, budget, ctypes.byref(record))
            executed += record.instructions
            if record.reason != Reason.LIMIT or executed == max_instructions:
                record.instructions = executed
                return record

    def call(
        self,
        address: int,
        *arguments: int | float,
        stack_top: int = DEFAULT_STACK_TOP,
        max_instructions: int = 10**12,
    ) -> CallResult:
        """Call a function by the ilp32f convention and wait for its return.

        int arguments go to a0.., float ones to fa0.., eight of each at most. Raises DeviceFault where the
        function faults or has not returned after `max_instructions`.
        """
        self._set_arguments(arguments)
        self.set_x(RA, RETURN_ADDRESS)
        self.set_x(SP, stack_top)
        self.pc = address
        before = self.cycles
        stop = self.run(max_instructions)
        if stop.reason != Reason.RETURN:
            raise device_fault(stop, self.get_x(RA), self.chip_rev, self.symbolize)
        return CallResult(self.get_x(A0), stop.instructions, self.cycles - before)

    def _set_arguments(self, arguments: tuple[int | float, ...]) -> None:
        integers = [int(value) for value in arguments if not isinstance(value, float)]
        floats = [value for value in arguments if isinstance(value, float)]
        if max(len(integers), len(floats)) > ARGUMENT_REGISTERS:
            raise ValueError("arguments on the stack are not supported")
        for number, integer in enumerate(integers):
            self.set_x(A0 + number, integer)
        for number, value in enumerate(floats):
            self.set_f(FA0 + number, struct.unpack("<I", struct.pack("<f", value))[0])


def _outside(verb: str, address: int, size: int) -> DeviceError:
    return DeviceError(
        f"the host cannot {verb} {size} bytes at {address:#010x}: they do not lie in one memory of the chip",
        "check the address and size against the memory map (TCM, flash, PSRAM, L2MEM)",
    )
