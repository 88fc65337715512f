"""What boards with P4-JIT firmware can do, one method for each command; version 1.0 and the older ones.

The older firmware has no GET_INFO, a shorter head in WRITE and READ, and checks no addresses.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ...compiler.errors import DeviceError
from .link import LARGEST_PAYLOAD, AnswerLostError, Link, RefusedError
from .lost import Notes, blocks, is_block
from .packets import Command, ErrorCode

VERSION = 1

# Hz. A tenth of the chip's: a virtual board is slower than a chip, and other firmware may run at any clock.
SLOWEST_CLOCK = 36_000_000

# MALLOC_CAP bits of ESP-IDF for each region of an image.
BYTES, SPIRAM, INTERNAL, TCM = 1 << 2, 1 << 10, 1 << 11, 1 << 16
CAPABILITIES = {"any": BYTES, "l2mem": INTERNAL | BYTES, "psram": SPIRAM | BYTES, "tcm": TCM | BYTES}

# How long a block may be looked for whose address was lost on the line.
SEARCH_SECONDS = 5.0

# Data go in packets of at most this size: little is repeated where one is damaged.
CHUNK = 16 * 1024

INFO = struct.Struct("<BBHIII16s")
HEAP = struct.Struct("<IIII")

# What hears how many bytes more have been moved.
Advance = Callable[[int], None]


def _nothing(size: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Heap:
    """Bytes of heap memory on a board: free and in all, external (PSRAM) and internal (L2MEM and TCM)."""

    free_psram: int
    total_psram: int
    free_internal: int
    total_internal: int

    @property
    def free_all(self) -> int:
        """Free bytes of both kinds."""
        return self.free_psram + self.free_internal

    def free(self, region: str) -> int:
        """The free bytes of what holds a region."""
        return self.free_psram if region == "psram" else self.free_internal


@dataclass(frozen=True)
class Info:
    """What a board says of itself; `version` is (0, 0) for firmware from before GET_INFO.

    `extension` is the version of p4c's own commands, 0 where there are none.
    """

    name: str
    version: tuple[int, int]
    max_payload: int
    extension: int = 0

    def describe(self) -> str:
        """In words, for lists."""
        if not self.version[0]:
            return self.name
        extension = f"+{self.extension}" if self.extension else ""
        return f"{self.name}, protocol {self.version[0]}.{self.version[1]}{extension}"


OLDER = Info("P4-JIT before 1.0", (0, 0), LARGEST_PAYLOAD)


class P4Jit:
    """A board with P4-JIT firmware. Addresses are those of the chip; `clock` is for time limits, in Hz."""

    clock = SLOWEST_CLOCK

    def __init__(self, link: Link, info: Info) -> None:
        self.link, self.info = link, info
        self.notes = Notes(link.transport.port)
        # What fills up the head of WRITE and READ.
        self._pad = bytes(4)

    @property
    def checks_addresses(self) -> bool:
        """Whether this firmware knows what it gave away."""
        return self.info.version[0] > 0

    def begin(self) -> None:
        """Give back what a host before left, and find out which heads this firmware takes."""
        if self.checks_addresses:
            for address, size in self.notes.left().items():
                if is_block(self._probe, address, size):
                    self.free(address)
        self._find_heads()

    def _find_heads(self) -> None:
        """Find out by a WRITE whether this firmware takes the older, shorter heads; some that announces 1.0 does.

        With the older head, what fills up the newer one counts as data.
        """
        address = self.alloc(128, "any", 128)
        if not address:
            heap = self.heap()
            what = f"the board has no 128 bytes free (internal {heap.free_internal:,}, PSRAM {heap.free_psram:,})"
            raise DeviceError(what, "reset the board: somebody left memory allocated")
        try:
            request = struct.pack("<III", address, 0, 0)
            written, _ = struct.unpack("<II", self.link.request(Command.WRITE, request, answer=8))
            self._pad = bytes(4) if written == 4 else b""
        finally:
            self.free(address)

    def alloc(self, size: int, region: str, alignment: int) -> int:
        """The address of `size` fresh bytes, or 0 when the board has none."""
        request = struct.pack("<III", size, CAPABILITIES[region], alignment)
        before = self.heap()
        while True:
            try:
                address, code = struct.unpack("<II", self.link.request(Command.ALLOC, request, answer=8, once=True))
            except RefusedError as error:
                if error.code == ErrorCode.ALLOC_FAILED:
                    return 0
                raise
            except AnswerLostError:
                after = self.heap()
                if after != before:
                    self._free_lost(size, region)
                before = self.heap()
                continue
            if code:
                return 0
            self.notes.add(address, size)
            return int(address)

    def _free_lost(self, size: int, region: str) -> None:
        """Free the block whose ALLOC was carried out and not heard of, if it can be found soon enough."""
        deadline = time.monotonic() + SEARCH_SECONDS

        def probe(address: int, length: int) -> bool:
            if time.monotonic() > deadline:
                raise TimeoutError
            return self._probe(address, length)

        if self.checks_addresses:
            with suppress(TimeoutError):
                for address in blocks(probe, size, region):
                    if address not in self.notes.blocks:
                        self.free(address)
                        return

    def _probe(self, address: int, size: int) -> bool:
        """Whether a range lies within one block. The padding of either head does no harm to the other."""
        try:
            self.link.request(Command.READ, struct.pack("<III", address, size, 0), answer=size)
        except RefusedError as error:
            if error.code not in (ErrorCode.INVALID_ADDRESS, ErrorCode.UNKNOWN_COMMAND):
                raise
            return False
        return True

    def free(self, address: int) -> None:
        """Give memory back; an address that the board does not know is free already."""
        # Older firmware does not know its addresses: freeing one twice would break its heap.
        once = not self.checks_addresses
        before = self.heap() if once else None
        while True:
            try:
                self.link.request(Command.FREE, struct.pack("<I", address), answer=4, once=once)
            except RefusedError as error:
                if error.code != ErrorCode.INVALID_ADDRESS:
                    raise
            except AnswerLostError:
                if self.heap() == before:
                    continue
            self.notes.remove(address)
            return

    def write(self, address: int, data: bytes, advance: Advance = _nothing) -> None:
        """Copy bytes to the board and write its caches back; `advance` hears of every part."""
        for start in range(0, len(data), self._chunk):
            part = data[start : start + self._chunk]
            request = struct.pack("<I", address + start) + self._pad + part
            written, status = struct.unpack("<II", self.link.request(Command.WRITE, request, answer=8))
            if status or written != len(part):
                what = (
                    f"the board wrote {written:,} of {len(part):,} bytes at {address + start:#010x}, status {status}"
                )
                raise DeviceError(what, "reset the board and try again")
            advance(len(part))

    def read(self, address: int, size: int, advance: Advance = _nothing) -> bytes:
        """Copy bytes from the board; `advance` hears of every part."""
        parts = []
        for start in range(0, size, self._chunk):
            length = min(self._chunk, size - start)
            request = struct.pack("<II", address + start, length) + self._pad
            part = self.link.request(Command.READ, request, answer=length)
            parts.append(part[:length])
            advance(length)
        return b"".join(parts)

    def execute(self, address: int, work: float, why: str) -> int:
        """Call `int f(void)` and return what it returns. `work` and `why` say how long that may take."""
        request = struct.pack("<I", address)
        (result,) = struct.unpack(
            "<i", self.link.request(Command.EXEC, request, answer=4, work=work, why=why, once=True)
        )
        return int(result)

    def call(self, address: int, work: float, why: str) -> int:
        """Call `int f(void)` and return its cycles, 0 where the firmware counts none; see execute."""
        self.execute(address, work, why)
        return 0

    def heap(self) -> Heap:
        """How much memory there is."""
        psram, all_psram, internal, all_internal = HEAP.unpack(self.link.request(Command.HEAP_INFO, answer=HEAP.size))
        return Heap(psram, all_psram, internal, all_internal)

    @property
    def _chunk(self) -> int:
        return min(CHUNK, self.info.max_payload - 12)


def read_info(payload: bytes) -> Info:
    """The board's words about itself; DeviceError when it speaks another version of the protocol."""
    major, minor, extension, max_payload, _, _, name = INFO.unpack_from(payload)
    if major != VERSION:
        what = f"the board speaks version {major}.{minor} of the protocol, expected {VERSION}.x"
        raise DeviceError(what, "flash the firmware that belongs to this version of p4c, or P4-JIT 1.0")
    text = name.rstrip(b"\0").decode("ascii", "replace")
    return Info(text if extension else f"P4-JIT {text}", (major, minor), max_payload, extension)


def ask_info(link: Link) -> Info:
    """What the board at the other end says of itself."""
    try:
        return read_info(link.request(Command.GET_INFO, answer=INFO.size))
    except RefusedError as error:
        if error.code != ErrorCode.UNKNOWN_COMMAND:
            raise
        return OLDER
