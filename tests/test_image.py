"""The image: there and back, and whatever is damaged or for another chip is refused with a sentence."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4c.backend.elf import read_elf
from p4c.backend.image import CONTROL_WORDS, HEADER, KINDS, REGIONS, SEGMENT, Image, Segment, read_image, write_image
from p4c.compiler.errors import DeviceError, InputError
from p4c.runtime.simulated import SimulatorDevice

from .graphs import CSRC, Net, compile_graph, random_inputs

CONTROL = struct.pack("<II", 0x43423450, 1) + bytes(56)
words = st.integers(0, 2**32 - 1)


@st.composite
def images(draw):
    """Any image that keeps the rules of the format."""
    code = CONTROL + draw(st.binary(min_size=2, max_size=40))
    loaded = {"code": code, "weights": draw(st.binary(max_size=60)), "weights_psram": b"", "arena": b""}
    regions = {kind: draw(st.sampled_from(list(REGIONS))) for kind in loaded}
    if draw(st.booleans()):
        loaded["weights_psram"] = draw(st.binary(max_size=60))
        regions |= {"weights": "l2mem", "weights_psram": "psram"}
    else:
        del loaded["weights_psram"]
    lines = {kind: -(-len(data) // 128) + draw(st.integers(0, 3)) for kind, data in loaded.items()}
    segments = tuple(
        Segment(kind, regions[kind], 1 << draw(st.integers(0, 12)), 128 * lines[kind], data)
        for kind, data in loaded.items()
    )
    blocks = []
    for _ in range(2):
        offset = draw(st.integers(0, segments[-1].size))
        blocks += [offset, draw(st.integers(0, segments[-1].size - offset))]
    entry = draw(st.integers(32, (len(code) - 1) // 2)) * 2
    return Image(draw(st.sampled_from([1, 3])), entry, *blocks, draw(words), draw(words), segments=segments)


@given(images())
def test_round_trip(image):
    data = write_image(image)
    again = read_image(data)
    assert replace(again, segments=tuple(again.segments)) == image
    assert write_image(again) == data
    assert again.model_hash == image.model_hash


@settings(max_examples=300)
@given(images(), st.data())
def test_every_damaged_byte_is_noticed(image, data):
    content = bytearray(write_image(image))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InputError) as caught:
        read_image(bytes(content))
    assert caught.value.problems[0].advice


@given(images(), st.data())
def test_every_missing_or_additional_byte_is_noticed(image, data):
    content = write_image(image)
    with pytest.raises(InputError):
        read_image(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError):
        read_image(content + data.draw(st.binary(min_size=1, max_size=20)))


def resealed(content, offset, fmt, value):
    """The image with a field of its header changed and the header's checksum put right."""
    content = bytearray(content)
    struct.pack_into(fmt, content, offset, value)
    size = struct.unpack_from("<H", content, 6)[0]
    struct.pack_into("<I", content, size - 4, zlib.crc32(content[: size - 4]))
    return bytes(content)


# A field, a value no loader should take, and what is said.
TABLE = HEADER.size
CRAFTED = [
    (4, "<H", 1, "image format version 1, expected 2"),
    (9, "<B", 2, "the image header is cut short"),
    (44, "<I", 63, "the entry at 0x3f lies outside the code"),
    (44, "<I", 2, "the entry at 0x2 lies outside the code"),
    (44, "<I", 4096, "the entry at 0x1000 lies outside the code"),
    (48, "<I", 4096, "the input or output block lies outside the arena segment"),
    (60, "<I", 4096, "the input or output block lies outside the arena segment"),
    (TABLE, "<B", 9, "unknown kind 9, region 1"),
    (TABLE + 1, "<B", 9, "unknown kind 1, region 9"),
    (TABLE + 4, "<I", 0, "a segment's alignment is no power of two"),
    (TABLE + 4, "<I", 48, "a segment's alignment is no power of two"),
    (TABLE + 8, "<I", 8, "the code segment holds [0-9,]+ bytes, more than its size of 8"),
    (TABLE + 8, "<I", (1 << 20) + 8, "size no multiple of 128"),
    (TABLE + 12, "<I", 2**31, "the checksum of the code segment is wrong"),
    (TABLE + SEGMENT.size, "<B", KINDS["code"], "the hash in the image header is not that of its segments"),
]


@pytest.fixture(scope="module")
def small():
    net = Net()
    net.output(net.quantize(net.dense(net.input(16), 16), 1))
    return compile_graph(net.graph)


@pytest.mark.parametrize(("offset", "fmt", "value", "text"), CRAFTED)
def test_fields_that_no_loader_should_take(small, offset, fmt, value, text):
    content = resealed(small.build.image_bytes, offset, fmt, value)
    with pytest.raises(InputError, match=text):
        read_image(content)


def test_two_weights_segments_lie_in_two_memories(small):
    code, weights, arena = small.build.image.segments
    second = replace(weights, kind="weights_psram")
    image = replace(small.build.image, segments=(code, weights, second, arena))
    with pytest.raises(InputError, match="the first must be in L2MEM and the second in PSRAM"):
        read_image(write_image(image))


def test_segments_are_one_of_each_in_order(small):
    image = small.build.image
    for segments, found in [(image.segments[::-1], "arena, weights, code"), (image.segments[:2], "code, weights")]:
        with pytest.raises(
            InputError, match=rf"has the segments {found}, expected code, weights \(one or two\), arena"
        ):
            read_image(write_image(replace(image, segments=tuple(segments))))
    with pytest.raises(InputError, match="not a p4c image"):
        read_image(b"")


@pytest.mark.parametrize(("built", "chip"), [("v3", "v1"), ("v1", "v3")])
def test_image_for_another_chip_revision_is_refused(built, chip):
    net = Net()
    net.output(net.quantize(net.dense(net.input(16), 16), 1))
    model = compile_graph(net.graph, chip_rev=built)
    with pytest.raises(DeviceError) as caught:
        SimulatorDevice(chip).load(model.build.image)
    [problem] = caught.value.problems
    assert problem.what == f"the image is for chip revision {built}, the simulated chip is {chip}"
    assert f"--chip-rev {chip}" in problem.advice
    assert f"--chip-rev {built}" in problem.advice
    assert caught.value.exit_status == 3
    with pytest.raises(DeviceError):
        model.run(random_inputs(net.graph), device=SimulatorDevice(chip))


def test_image_that_does_not_fit_is_refused(small):
    code, weights, arena = small.build.image.segments
    for region, size in (("l2mem", 1 << 20), ("psram", 64 << 20), ("tcm", 16 << 10)):
        large = replace(small.build.image, segments=(code, replace(weights, region=region, size=size), arena))
        with pytest.raises(
            DeviceError, match=rf"the weights segment needs {size:,} bytes of {region}, which has [\d,]+"
        ):
            SimulatorDevice("v3").load(large)


def test_segments_may_lie_in_any_memory(small):
    inputs = random_inputs(small.plan.graph)
    expected = np.asarray(small.run(inputs))
    code, weights, arena = small.build.image.segments
    for region in REGIONS:
        segments = (code, replace(weights, region=region, alignment=4096), arena)
        moved = replace(small, build=replace(small.build, image=replace(small.build.image, segments=segments)))
        np.testing.assert_array_equal(moved.run(inputs), expected)


def test_control_block_is_that_of_the_header_and_of_the_document():
    header = (CSRC / "p4c_control.h").read_text()
    record = header[header.index("struct p4c_control {") :].partition("}")[0]
    fields = re.findall(r"int32_t (\w+)(?:\[\d+\])?;", record)
    assert fields == [*CONTROL_WORDS, "reserved"]
    document = (Path(__file__).parent.parent / "firmware" / "IMAGE.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (?:address of the )?(\w+)", document, re.MULTILINE)
    documented = {name: int(word) for word, name in rows if name in CONTROL_WORDS}
    assert {"magic", "input", "output", "arena", "weights", "steps", "status"} <= set(documented)
    assert documented.items() <= CONTROL_WORDS.items()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_elf_files_are_refused_or_read(small, data):
    """A file of ELF's form has no checksum; whatever is in it, reading it ends and is no crash."""
    content = bytearray(small.build.elf_bytes)
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            headers = st.one_of(st.integers(0, 127), st.integers(0, len(content) - 1))
            content[data.draw(headers) % len(content)] = data.draw(st.integers(0, 255))
    try:
        read_elf(bytes(content))
    except InputError as error:
        assert "not a readable ELF file" in error.problems[0].what  # noqa: PT017
