"""Packets of the serial protocol (firmware/PROTOCOL.md): bytes from packets, packets from bytes. No port is touched.

    A5 5A | command u8 | flags u8 | length u32 | payload | sum u16                      P4-JIT 1.0
    A5 5A | command u8 | flags u8 | length u32 | number u32 | payload | CRC-32          p4c's own firmware

Little-endian; flags are 0 in a request, 1 in a good answer, 2 in an error, with bit 4 set in the second form. An
error's payload begins with its code, u32.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"\xa5\x5a"
HEADER = struct.Struct("<2sBBI")
CHECKSUM = struct.Struct("<H")
U32 = struct.Struct("<I")

# The bit of the flags that tells the second form.
NUMBERED = 0x10


class Command(IntEnum):
    """What a request asks for."""

    PING = 0x01
    GET_INFO = 0x02
    ALLOC = 0x10
    FREE = 0x11
    WRITE = 0x20
    READ = 0x21
    EXEC = 0x30
    HEAP_INFO = 0x40
    # From here on p4c's own firmware only.
    RUN = 0x31
    CALL = 0x32
    CANCEL = 0x33
    BOARD = 0x50
    HEAP = 0x51
    FAULT = 0x52
    RESET = 0x53
    LOAD = 0x60
    BLOCK = 0x61
    COMMIT = 0x62
    UNLOAD = 0x63


class Flag(IntEnum):
    """What a packet is."""

    REQUEST = 0
    ANSWER = 1
    ERROR = 2


class ErrorCode(IntEnum):
    """Why a request was refused."""

    CHECKSUM = 1
    UNKNOWN_COMMAND = 2
    ALLOC_FAILED = 3
    INVALID_ADDRESS = 4
    # From here on p4c's own firmware only.
    LENGTH = 16
    ARGUMENT = 17
    RUNNING = 18
    CANCELLED = 19
    TIMEOUT = 20
    FAULT = 21
    NO_HANDLE = 22
    NOT_COMMITTED = 23
    NO_IMAGE = 32
    FORMAT_VERSION = 33
    CHIP_REVISION = 34
    HEADER = 35
    SEGMENT_CHECKSUM = 36
    MODEL_HASH = 37
    CONTROL_BLOCK = 38
    STACK = 39
    NO_HANDLE_LEFT = 40


@dataclass(frozen=True)
class Packet:
    """One packet; an answer has the `command` and `number` of its request. Without number it has P4-JIT's form."""

    command: int
    payload: bytes = b""
    flag: int = Flag.REQUEST
    number: int | None = None

    @property
    def error_code(self) -> int:
        """The code of an error packet; 0 when its payload holds none."""
        return int(U32.unpack_from(self.payload)[0]) if len(self.payload) >= U32.size else 0

    def is_error(self, code: int) -> bool:
        """True for an error packet with that code."""
        return self.flag == Flag.ERROR and self.error_code == code


@dataclass(frozen=True)
class Damage:
    """Bytes that looked like a packet and are none: the checksum or the length is wrong."""

    what: str


def encode(packet: Packet) -> bytes:
    """The bytes of a packet."""
    if packet.number is None:
        body = HEADER.pack(MAGIC, packet.command, packet.flag, len(packet.payload)) + packet.payload
        return body + CHECKSUM.pack(sum(body) & 0xFFFF)
    body = HEADER.pack(MAGIC, packet.command, packet.flag | NUMBERED, len(packet.payload))
    body += U32.pack(packet.number) + packet.payload
    return body + U32.pack(zlib.crc32(body))


class Decoder:
    """Packets out of a stream of bytes that may hold anything else between them, such as a log.

    A length over `max_payload` is damage: waiting for so many bytes would be waiting for ever.
    """

    def __init__(self, max_payload: int) -> None:
        self.max_payload = max_payload
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._bytes += data

    def clear(self) -> None:
        """Forget what was received and not taken."""
        self._bytes.clear()

    @property
    def wanted(self) -> int:
        """How many bytes are missing for the next packet as far as is known; at least 1."""
        if len(self._bytes) < HEADER.size:
            return HEADER.size + CHECKSUM.size - len(self._bytes)
        return max(1, self._size() - len(self._bytes))

    def take(self) -> Packet | Damage | None:
        """The next packet, or what was damaged, or None when more bytes are needed."""
        start = self._bytes.find(MAGIC)
        if start < 0:
            # The last byte may be the first of the next packet's magic.
            start = len(self._bytes) - self._bytes.endswith(MAGIC[:1])
        del self._bytes[:start]
        if len(self._bytes) < HEADER.size:
            return None
        _, command, flags, length = HEADER.unpack_from(self._bytes)
        if flags & ~NUMBERED not in set(Flag):
            del self._bytes[: len(MAGIC)]
            return Damage(f"a packet has the flags {flags:#04x}")
        if length > self.max_payload:
            del self._bytes[: len(MAGIC)]
            return Damage(f"a packet announces {length:,} bytes, at most {self.max_payload:,} were expected")
        size = self._size()
        if len(self._bytes) < size:
            return None
        data = bytes(self._bytes[:size])
        packet = _opened(data, command, flags)
        if packet is None:
            # A real packet may begin inside of what was taken for one.
            del self._bytes[: len(MAGIC)]
            return Damage("the checksum of a packet is wrong")
        del self._bytes[:size]
        return packet

    def _size(self) -> int:
        """Bytes of the packet whose header stands in front."""
        _, _, flags, length = HEADER.unpack_from(self._bytes)
        return int(length) + HEADER.size + (2 * U32.size if flags & NUMBERED else CHECKSUM.size)


def _opened(data: bytes, command: int, flags: int) -> Packet | None:
    """The packet in all of its bytes; None when its checksum is wrong."""
    if flags & NUMBERED:
        body, checksum = data[: -U32.size], U32.unpack(data[-U32.size :])[0]
        number = U32.unpack_from(body, HEADER.size)[0]
        packet = Packet(command, body[HEADER.size + U32.size :], flags & ~NUMBERED, number)
        return packet if checksum == zlib.crc32(body) else None
    body, checksum = data[: -CHECKSUM.size], CHECKSUM.unpack(data[-CHECKSUM.size :])[0]
    return Packet(command, body[HEADER.size :], flags) if checksum == sum(body) & 0xFFFF else None
