"""Packets of the P4-JIT v1.0 protocol: bytes from packets, packets from bytes. No port is touched here.

    A5 5A | command u8 | flags u8 | length u32 | payload | checksum u16

Little-endian; flags are 0 in a request, 1 in a good answer, 2 in an error; the checksum is the sum of all bytes
before it, modulo 2^16. An error's payload is its code, u32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"\xa5\x5a"
HEADER = struct.Struct("<2sBBI")
CHECKSUM = struct.Struct("<H")
U32 = struct.Struct("<I")


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


@dataclass(frozen=True)
class Packet:
    """One packet; `command` is that of the request also in its answer."""

    command: int
    payload: bytes = b""
    flag: int = Flag.REQUEST

    @property
    def error_code(self) -> int:
        """The code of an error packet; 0 when its payload holds none."""
        return int(U32.unpack_from(self.payload)[0]) if len(self.payload) >= U32.size else 0


@dataclass(frozen=True)
class Damage:
    """Bytes that looked like a packet and are none: the checksum or the length is wrong."""

    what: str


def encode(packet: Packet) -> bytes:
    """The bytes of a packet."""
    body = HEADER.pack(MAGIC, packet.command, packet.flag, len(packet.payload)) + packet.payload
    return body + CHECKSUM.pack(sum(body) & 0xFFFF)


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
        _, command, flag, length = HEADER.unpack_from(self._bytes)
        if length > self.max_payload:
            del self._bytes[: len(MAGIC)]
            return Damage(f"a packet announces {length:,} bytes, at most {self.max_payload:,} were expected")
        size = self._size()
        if len(self._bytes) < size:
            return None
        body, checksum = bytes(self._bytes[: size - CHECKSUM.size]), self._bytes[size - CHECKSUM.size : size]
        if CHECKSUM.unpack(checksum)[0] != sum(body) & 0xFFFF:
            # A real packet may begin inside of what was taken for one.
            del self._bytes[: len(MAGIC)]
            return Damage("the checksum of a packet is wrong")
        del self._bytes[:size]
        return Packet(command, body[HEADER.size :], flag)

    def _size(self) -> int:
        """Bytes of the packet whose header stands in front."""
        return int(HEADER.unpack_from(self._bytes)[3]) + HEADER.size + CHECKSUM.size
