"""The image: header, segments, checksums. The format's document is firmware/IMAGE.md."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..compiler.errors import InputError

MAGIC = b"P4CI"
FORMAT_VERSION = 2
HEADER = struct.Struct("<4sHHBBH32sIIIIIII")
SEGMENT = struct.Struct("<BBHIIIII")
CRC = struct.Struct("<I")

# Memory is allocated in whole cache lines.
LINE = 128

# Weights may lie in two memories: a second segment of their kind is the one in PSRAM.
KINDS = {"code": 1, "weights": 2, "weights_psram": 2, "arena": 3}
REGIONS = {"any": 0, "l2mem": 1, "psram": 2, "tcm": 3}

# struct p4c_control of csrc/p4c_control.h: word index of each field.
CONTROL_MAGIC = b"P4BC"
CONTROL_BYTES = 64
CONTROL_WORDS = {
    name: index
    for index, name in enumerate(
        (
            *(
                "magic",
                "version",
                "input",
                "output",
                "arena",
                "weights",
                "steps",
                "status",
                "cycles_low",
                "cycles_high",
            ),
            "weights_psram",
        )
    )
}


@dataclass(frozen=True)
class Segment:
    """One block of memory that an image needs: `size` bytes, the first len(data) of them loaded, the rest zero."""

    kind: str
    region: str
    alignment: int
    size: int
    data: bytes = b""


@dataclass(frozen=True)
class Image:
    """A loadable model. The input and output blocks lie in the arena segment, at these offsets."""

    chip_revision: int
    entry_offset: int
    input_offset: int
    input_bytes: int
    output_offset: int
    output_bytes: int
    stack_bytes: int
    steps: int
    segments: Sequence[Segment]

    def segment(self, kind: str) -> Segment:
        """The segment of a kind."""
        return next(segment for segment in self.segments if segment.kind == kind)

    @property
    def model_hash(self) -> bytes:
        """SHA-256 over what is loaded: equal images have equal hashes."""
        digest = hashlib.sha256()
        for segment in self.segments:
            digest.update(struct.pack("<BI", KINDS[segment.kind], len(segment.data)) + segment.data)
        return digest.digest()


def write_image(image: Image) -> bytes:
    """The bytes of an image file."""
    size = HEADER.size + SEGMENT.size * len(image.segments) + CRC.size
    position = -(-size // 16) * 16
    table, body = b"", b""
    for segment in image.segments:
        codes = KINDS[segment.kind], REGIONS[segment.region], 0, segment.alignment
        checksum = zlib.crc32(segment.data)
        table += SEGMENT.pack(*codes, segment.size, position + len(body), len(segment.data), checksum)
        body += segment.data + bytes(-len(segment.data) % 16)
    header = HEADER.pack(
        *(MAGIC, FORMAT_VERSION, size, image.chip_revision, len(image.segments), 0, image.model_hash),
        *(image.entry_offset, image.input_offset, image.input_bytes, image.output_offset, image.output_bytes),
        *(image.stack_bytes, image.steps),
    )
    header += table
    return (header + CRC.pack(zlib.crc32(header))).ljust(position, b"\0") + body


def read_image(data: bytes) -> Image:
    """Parse and check an image file; InputError says what is wrong with it."""
    advice = "compile the model again: this file is damaged or is no p4c image"
    if data[:4] != MAGIC or len(data) < HEADER.size:
        raise InputError("not a p4c image: it does not begin with P4CI", advice)
    fields = HEADER.unpack_from(data)
    version, size, revision, count = fields[1:5]
    if version != FORMAT_VERSION:
        found = f"image format version {version}, expected {FORMAT_VERSION}"
        raise InputError(found, "compile the model with this version of p4c")
    if size != HEADER.size + SEGMENT.size * count + CRC.size or len(data) < size:
        raise InputError("the image header is cut short", advice)
    if CRC.unpack_from(data, size - 4)[0] != zlib.crc32(data[: size - 4]):
        raise InputError("the checksum of the image header is wrong", advice)
    segments: list[Segment] = []
    for index in range(count):
        segments.append(_read_segment(data, HEADER.size + SEGMENT.size * index, segments, advice))
    names = ("entry_offset", "input_offset", "input_bytes", "output_offset", "output_bytes", "stack_bytes", "steps")
    image = Image(chip_revision=revision, segments=segments, **dict(zip(names, fields[7:14], strict=True)))
    if image.model_hash != fields[6]:
        raise InputError("the hash in the image header is not that of its segments", advice)
    if fault := _layout_fault(image):
        raise InputError(fault, advice)
    if write_image(image) != data:
        raise InputError("the image holds bytes that belong to no segment, or lacks some", advice)
    return image


def _layout_fault(image: Image) -> str:
    """What a loader cannot work with, "" when all is well; see firmware/IMAGE.md, Loading."""
    kinds = [segment.kind for segment in image.segments]
    if kinds not in (list(KINDS), [kind for kind in KINDS if kind != "weights_psram"]):
        return f"the image has the segments {', '.join(kinds) or 'none'}, expected code, weights (one or two), arena"
    code, *weights, arena = image.segments
    if len(weights) == 2 and [segment.region for segment in weights] != ["l2mem", "psram"]:
        return "of two weights segments the first must be in L2MEM and the second in PSRAM"
    if any(s.alignment & (s.alignment - 1) or not s.alignment or s.size % LINE for s in image.segments):
        return f"a segment's alignment is no power of two, or its size no multiple of {LINE}"
    if image.entry_offset % 2 or not CONTROL_BYTES <= image.entry_offset < len(code.data):
        return f"the entry at {image.entry_offset:#x} lies outside the code"
    blocks = ((image.input_offset, image.input_bytes), (image.output_offset, image.output_bytes))
    if any(offset + size > arena.size for offset, size in blocks):
        return "the input or output block lies outside the arena segment"
    return ""


def _read_segment(data: bytes, position: int, before: Sequence[Segment], advice: str) -> Segment:
    kind, region, _, alignment, size, start, length, checksum = SEGMENT.unpack_from(data, position)
    regions = {code: name for name, code in REGIONS.items()}
    kinds = {code: name for name, code in reversed(KINDS.items())}
    if kind == KINDS["weights"] and any(segment.kind == "weights" for segment in before):
        kinds[kind] = "weights_psram"
    if kind in kinds and length > size:
        raise InputError(f"the {kinds[kind]} segment holds {length:,} bytes, more than its size of {size:,}", advice)
    if kind not in kinds or region not in regions:
        raise InputError(f"the image has a segment of unknown kind {kind}, region {region}", advice)
    payload = data[start : start + length]
    if len(payload) != length or zlib.crc32(payload) != checksum:
        raise InputError(f"the checksum of the {kinds[kind]} segment is wrong", advice)
    return Segment(kinds[kind], regions[region], alignment, size, payload)
