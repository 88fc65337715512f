"""The host's end of firmware/PROTOCOL.md in a few lines, written from that document for the tests of the firmware."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

PING, GET_INFO, ALLOC, FREE, WRITE, READ, EXEC, RUN, CALL, CANCEL = (
    1,
    2,
    0x10,
    0x11,
    0x20,
    0x21,
    0x30,
    0x31,
    0x32,
    0x33,
)
HEAP_INFO, BOARD, HEAP, FAULT, RESET, LOAD, BLOCK, COMMIT, UNLOAD = (
    0x40,
    0x50,
    0x51,
    0x52,
    0x53,
    0x60,
    0x61,
    0x62,
    0x63,
)
COMMANDS = (
    *(PING, GET_INFO, ALLOC, FREE, WRITE, READ, EXEC, RUN, CALL, CANCEL, HEAP_INFO),
    *(BOARD, HEAP, FAULT, RESET, LOAD, BLOCK, COMMIT, UNLOAD),
)
GOOD, ERROR, CRC = 1, 2, 0x10
ALL_STEPS = 0xFFFF_FFFF
SPIRAM, INTERNAL, TCM = 1 << 10, 1 << 11, 1 << 16


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *(value & 0xFFFFFFFF for value in values))


def base(command: int, payload: bytes = b"", flags: int = 0) -> bytes:
    packet = b"\xa5\x5a" + struct.pack("<BBI", command, flags, len(payload)) + payload
    return packet + struct.pack("<H", sum(packet) & 0xFFFF)


def extended(command: int, payload: bytes = b"", sequence: int = 1, flags: int = CRC) -> bytes:
    packet = b"\xa5\x5a" + struct.pack("<BBII", command, flags, len(payload), sequence) + payload
    return packet + words(zlib.crc32(packet))


@dataclass(frozen=True)
class Answer:
    command: int
    flags: int
    payload: bytes
    sequence: int = 0

    @property
    def good(self) -> bool:
        return self.flags & ~CRC == GOOD

    @property
    def words(self) -> tuple[int, ...]:
        return struct.unpack(f"<{len(self.payload) // 4}I", self.payload)

    @property
    def error(self) -> int:
        assert self.flags & ~CRC == ERROR, f"command {self.command:#x} was answered well: {self.payload!r}"
        return self.words[0]


def answers(data: bytes) -> list[Answer]:
    """Every packet of a stream that must hold whole, undamaged ones and nothing else."""
    found = []
    while data:
        assert data[:2] == b"\xa5\x5a"
        command, flags, length = struct.unpack_from("<BBI", data, 2)
        start, tail = (12, 4) if flags & CRC else (8, 2)
        end = start + length
        check = zlib.crc32(data[:end]) if flags & CRC else sum(data[:end]) & 0xFFFF
        assert int.from_bytes(data[end : end + tail], "little") == check
        sequence = struct.unpack_from("<I", data, 8)[0] if flags & CRC else 0
        found.append(Answer(command, flags, data[start:end], sequence))
        data = data[end + tail :]
    return found


class Client:
    """Requests to anything with feed(), run() and take(); every answer must be the one to its request."""

    def __init__(self, line):
        self.line = line
        self.sequence = 1000

    def send(self, data: bytes, slices: int = 1000) -> list[Answer]:
        self.line.feed(data)
        for _ in range(slices):
            if self.line.run():
                return answers(self.line.take())
        raise AssertionError("the board does not come to rest")

    def ask(self, command: int, payload: bytes = b"") -> Answer:
        self.sequence += 1
        (answer,) = self.send(extended(command, payload, self.sequence))
        assert (answer.command, answer.sequence) == (command, self.sequence)
        return answer

    def load(self, image: bytes, block: int = 4096) -> tuple[int, ...]:
        """The whole way; handle, input, output, segments."""
        size = struct.unpack_from("<H", image, 6)[0]
        handle, offset = self.ask(LOAD, image[:size]).words
        while offset < len(image):
            offset = self.ask(BLOCK, words(handle, offset) + image[offset : offset + block]).words[0]
        answer = self.ask(COMMIT, words(handle))
        assert answer.good, answer.words
        return (handle, *answer.words)

    def heap(self) -> list[tuple[int, ...]]:
        """kind, total, free, largest, cached of each memory."""
        found = self.ask(HEAP).words
        return [found[at : at + 5] for at in range(0, len(found), 5)]
