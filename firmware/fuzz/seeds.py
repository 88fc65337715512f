"""The fuzzer's first inputs: conversations that real hosts have, in the records of fuzz_core.c.

python firmware/fuzz/seeds.py FOLDER
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from p4c.backend.image import CONTROL_MAGIC, Image, Segment, read_image, write_image

RAW, BASE, EXTENDED, IMAGE = range(4)
REPEAT = 63
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
EVERYTHING = 0xFFFF_FFFF

# The first block of a kind of memory on the harness's board: kind << 30, then one slot after the other.
L2MEM, PSRAM, SLOT = 1 << 30, 2 << 30, 1 << 24
CAP_SPIRAM, CAP_INTERNAL = 1 << 10, 1 << 11


def words(*values: int) -> bytes:
    """Little-endian words."""
    return struct.pack(f"<{len(values)}I", *values)


def record(mode: int, command: int, payload: bytes = b"", wait: int = 0) -> bytes:
    """One record of an input; `wait` in units of 8 ms, at most 62, or REPEAT for the sequence number before."""
    return struct.pack("<BH", mode | wait << 2, len(payload) + 1) + bytes([command]) + payload


def small_image(first: int, revision: int = 3, control: int = 2) -> bytes:
    """An image whose code does what the harness takes `first`, its entry's first byte, for."""
    code = (CONTROL_MAGIC + words(control)).ljust(64, b"\0") + bytes([first] * 20)
    segments = (
        Segment("code", "l2mem", 128, 128, code),
        Segment("weights", "any", 128, 256, bytes(range(130))),
        Segment("arena", "l2mem", 128, 384),
    )
    return write_image(Image(revision, 64, 128, 100, 256, 64, 1000, 3, segments))


def two_weights() -> bytes:
    """The same with weights in both memories."""
    image = read_image(small_image(0))
    code, weights, arena = image.segments
    pair = replace(weights, region="l2mem"), replace(weights, kind="weights_psram", region="psram")
    return write_image(replace(image, segments=(code, *pair, arena)))


def load(image: bytes, handle: int = 1, block: int = 100) -> bytes:
    """LOAD, the BLOCKs and COMMIT; handles count up from 1."""
    (size,) = struct.unpack_from("<H", image, 6)
    first = -(-size // 16) * 16
    records = [record(EXTENDED, LOAD, image[:size])]
    for at in range(first, len(image), block):
        records.append(record(EXTENDED, BLOCK, words(handle, at) + image[at : at + block]))
    return b"".join([*records, record(EXTENDED, COMMIT, words(handle))])


def conversations() -> Iterator[bytes]:
    """Each command, well used and in company."""
    for mode in (BASE, EXTENDED):
        yield record(mode, PING, b"hello") + record(mode, GET_INFO) + record(mode, HEAP_INFO)
        yield b"".join(
            (
                record(mode, ALLOC, words(300, CAP_INTERNAL, 16)),
                record(mode, ALLOC, words(300, CAP_SPIRAM, 256)),
                record(mode, WRITE, words(L2MEM + 4, 0) + bytes(100)),
                record(mode, READ, words(L2MEM, 128, 0)),
                record(mode, EXEC, words(L2MEM)),
                record(mode, CALL, words(L2MEM, 5)),
                record(mode, FREE, words(PSRAM)),
                record(mode, FREE, words(L2MEM)),
            )
        )
    yield b"".join(record(EXTENDED, command) for command in (BOARD, HEAP, FAULT, CANCEL))
    for first in range(4):
        run = record(EXTENDED, RUN, words(1, EVERYTHING, 0, 1) + bytes(100)) + record(BASE, PING)
        yield load(small_image(first)) + run + record(EXTENDED, CANCEL) + record(EXTENDED, FAULT)
    yield load(two_weights()) + record(EXTENDED, RUN, words(1, 1, 9, 1))
    # The cache: twice the same image, a third time after another, then an allocation that needs the room.
    again = load(small_image(0))
    keep = record(EXTENDED, UNLOAD, words(1, 1))
    yield again + keep + record(EXTENDED, HEAP) + again + record(EXTENDED, HEAP) + record(EXTENDED, RESET, words(0))
    yield again + keep + load(small_image(1), 3) + record(EXTENDED, ALLOC, words(448 * 1024, CAP_INTERNAL, 128))
    yield b"".join(load(small_image(i), 1 + i) for i in range(9)) + record(EXTENDED, RESET, words(1))
    yield load(small_image(0, control=1)) + b"".join(record(BASE, ALLOC, words(1, CAP_SPIRAM, 1)) for _ in range(65))
    request = words(1, CAP_SPIRAM, 1)
    yield record(EXTENDED, ALLOC, request) + record(EXTENDED, ALLOC, request, REPEAT)
    # Headers that are refused: another revision, another format, cut short; and one that the harness mends.
    yield record(EXTENDED, LOAD, small_image(0, 1)[:148])
    yield record(IMAGE, LOAD, b"P4CI\2" + small_image(0)[5:148]) + record(IMAGE, LOAD, small_image(0)[:148])
    yield record(EXTENDED, LOAD, small_image(0)[:70])
    # A pause inside a packet, noise in front of one, and a restart.
    packet = bytes.fromhex("a55a0100020000006869d301")
    yield struct.pack("<BH", RAW, 5) + packet[:5] + struct.pack("<BH", RAW | 40 << 2, 12) + packet
    yield struct.pack("<BH", RAW, 15) + b"\xa5\x5a\xa5" + packet + record(EXTENDED, RESET, words(2))


def main() -> None:
    """Write one file for each conversation."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(conversations()):
        (folder / f"seed{number:02}").write_bytes(content)


if __name__ == "__main__":
    main()
