"""The firmware core by itself: checksums, packets in any pieces, every error of the protocol, nothing left behind."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import p4c
from p4c.backend.image import CONTROL_MAGIC, Image, Segment, write_image

from .board_packets import (
    ALL_STEPS,
    ALLOC,
    BLOCK,
    BOARD,
    CALL,
    CANCEL,
    COMMANDS,
    COMMIT,
    CRC,
    EXEC,
    FAULT,
    FREE,
    GET_INFO,
    HEAP,
    INTERNAL,
    LOAD,
    PING,
    READ,
    RESET,
    RUN,
    SPIRAM,
    UNLOAD,
    WRITE,
    Client,
    answers,
    base,
    extended,
    words,
)
from .firmware_host import CANCELLED, TIMEOUT, HostBoard, Sha, library
from .firmware_host import FAULT as FAULTED

FIRMWARE = Path(p4c.__file__).parent / "firmware"
CODE = (CONTROL_MAGIC + words(2)).ljust(64, b"\0") + bytes(16)
IMAGE = Image(
    chip_revision=3,
    entry_offset=64,
    input_offset=128,
    input_bytes=100,
    output_offset=256,
    output_bytes=40,
    stack_bytes=1000,
    steps=3,
    segments=(
        Segment("code", "l2mem", 128, 128, CODE),
        Segment("weights", "psram", 256, 384, bytes(range(200))),
        Segment("arena", "any", 128, 512),
    ),
)
HEADER = 148


@pytest.fixture
def board():
    host = HostBoard()
    yield host
    host.close()


@pytest.fixture
def client(board):
    return Client(board)


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums(first, second):
    lib = library()
    assert lib.p4c_crc32(lib.p4c_crc32(0, first, len(first)), second, len(second)) == zlib.crc32(first + second)
    sha, digest = Sha(), b"\0" * 32
    lib.p4c_sha256_begin(sha)
    for piece in (first, second):
        lib.p4c_sha256_add(sha, piece, len(piece))
    lib.p4c_sha256_end(sha, digest)
    assert digest == hashlib.sha256(first + second).digest()


packets = st.one_of(
    st.builds(base, st.sampled_from(COMMANDS), st.binary(max_size=40)),
    st.builds(extended, st.sampled_from(COMMANDS), st.binary(max_size=40), st.integers(0, 2**32 - 1)),
    st.binary(max_size=30),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(packets, max_size=6), st.data())
def test_pieces_make_no_difference(stream, data):
    """The same bytes at once, one by one, and cut anywhere: the same answers."""
    content = b"".join(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    ways = (
        [content],
        [content[i : i + 1] for i in range(len(content))],
        [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)],
    )
    results = []
    for way in ways:
        board = HostBoard()
        for piece in way:
            board.feed(piece)
        results.append(board.take())
        board.close()
    assert results[0] == results[1] == results[2]
    answers(results[0])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([base, extended]), st.binary(max_size=30), st.data())
def test_no_damaged_packet_is_obeyed(form, payload, data):
    """One flipped bit anywhere: no good answer, and the next packet after a pause is taken."""
    packet = bytearray(form(PING, payload))
    bit = data.draw(st.integers(0, 8 * len(packet) - 1))
    packet[bit // 8] ^= 1 << bit % 8
    board = HostBoard()
    board.feed(packet)
    assert all(answer.error == 1 for answer in answers(board.take()))
    board.pass_time(0.3)
    board.feed(base(PING, b"next"))
    assert [answer.payload for answer in answers(board.take())] == [b"next"]
    board.close()


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_noise_in_front_is_skipped(noise):
    board = HostBoard()
    board.feed(noise.replace(b"\xa5\x5a", b"") + base(PING, b"x"))
    assert [answer.payload for answer in answers(board.take())] == [b"x"]
    board.close()


def test_a_head_that_is_none_may_hide_a_packet(board):
    for false in (b"\xa5", b"\xa5\x5a", b"\xa5\x5a\x01\x01", b"\xa5\x5a\x01\x00\xff\xff"):
        board.feed(false + base(PING, b"x" * 200))
        found = answers(board.take())
        assert [answer.payload for answer in found] in ([b"x" * 200], [])
        board.pass_time(1)
    board.feed(b"\xa5\x5a\x01\x07\x00\x00" + base(PING, b"y"))
    assert answers(board.take())[0].payload == b"y"


def test_a_pause_drops_a_packet(board):
    packet = base(PING, b"abc")
    for cut in range(1, len(packet)):
        board.feed(packet[:cut])
        board.pass_time(0.251)
        board.feed(packet)
        assert len(answers(board.take())) == 1, cut
        board.feed(packet[:cut])
        board.pass_time(0.250)
        board.feed(packet[cut:])
        assert len(answers(board.take())) == 1, cut


def test_an_answer_is_given_again(board):
    request = extended(ALLOC, words(128, INTERNAL, 128), 5)
    board.feed(request)
    first = board.take()
    board.feed(request)
    assert board.take() == first
    assert board.counts.blocks == 1
    # Errors too; base packets and other numbers or commands not.
    board.feed(extended(CALL, words(1, 1), 6) * 2)
    assert [answer.error for answer in answers(board.take())] == [4, 4]
    board.feed(extended(ALLOC, words(128, INTERNAL, 128), 6))
    board.feed(extended(ALLOC, words(128, INTERNAL, 128), 7))
    board.feed(base(ALLOC, words(128, INTERNAL, 128)) * 2)
    assert (len(answers(board.take())), board.counts.blocks) == (4, 5)
    # A damaged packet in between does not make it forget.
    board.feed(extended(ALLOC, words(128, INTERNAL, 128), 8))
    kept = board.take()
    board.feed(extended(PING, b"abc", 9)[:-1] + b"?")
    assert answers(board.take())[0].error == 1
    board.feed(extended(ALLOC, words(128, INTERNAL, 128), 8))
    assert (board.take(), board.counts.blocks) == (kept, 6)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("size", [0, 3, 4, 7, 8, 9, 11, 12, 13, 15, 16, 17])
def test_every_length_of_every_command(client, command, size):
    """Never a crash; too short is error 2 for base commands, 16 for the others."""
    least = {ALLOC: 12, FREE: 4, WRITE: 8, READ: 12, EXEC: 4, RUN: 16, CALL: 8, RESET: 4, LOAD: 4, BLOCK: 8}
    least |= {COMMIT: 4, UNLOAD: 8}
    exact = {CALL, CANCEL, BOARD, HEAP, FAULT, RESET, COMMIT, UNLOAD}
    answer = client.ask(command, bytes(size))
    if size < least.get(command, 0) or (command in exact and size > least.get(command, 0)):
        assert answer.error == (2 if command in (ALLOC, FREE, WRITE, READ, EXEC) else 16)
    assert client.ask(PING, b"x").payload == b"x"


def test_unknown_commands(client):
    for command in set(range(256)) - set(COMMANDS):
        assert client.ask(command).error == 2


def test_the_fixed_answers(client):
    info = client.ask(GET_INFO).payload
    assert info == struct.pack("<BBHIII16s", 1, 0, 1, 8192, 128, 64, b"p4c host")
    assert client.ask(BOARD).words == (3 | 2 << 16, 8, 2048, 4, 250, 16384, 1000, 360_000_000, 0)
    assert client.ask(FAULT).words == (0,) * 8
    assert client.ask(RESET, words(3)).error == 17


@pytest.mark.parametrize("edge", [-129, -128, -1, 0, 1, 127, 128, 255, 256, 257, 2**32 - 1])
@pytest.mark.parametrize("size", [0, 1, 128, 256, 257, 2**31, 2**32 - 1])
def test_bounds(client, edge, size):
    """A range is good where all of it lies in one block, whatever it wraps around."""
    address = client.ask(ALLOC, words(256, INTERNAL, 128)).words[0]
    client.ask(ALLOC, words(256, INTERNAL, 128))
    inside = 0 <= edge <= 256 and size <= 256 - edge
    answer = client.ask(READ, words(address + edge, size, 0))
    assert answer.good == inside
    if not inside:
        assert answer.error == (2 if size > 8192 else 4)
    if size <= 257:
        assert client.ask(WRITE, words(address + edge, 0) + bytes(size)).good == inside


def test_bounds_are_those_asked_for(client):
    """Not those of the cache lines around them."""
    address = client.ask(ALLOC, words(100, INTERNAL, 16)).words[0]
    assert client.ask(WRITE, words(address, 0) + bytes(100)).words == (100, 0)
    assert client.ask(WRITE, words(address + 1, 0) + bytes(100)).error == 4
    assert client.ask(READ, words(address, 101, 0)).error == 4
    assert client.ask(ALLOC, words(0, INTERNAL, 16)).words == (0, 3)


def test_what_is_freed_is_gone(client, board):
    address = client.ask(ALLOC, words(100, SPIRAM, 4)).words[0]
    assert client.ask(FREE, words(address + 128)).error == 4
    assert client.ask(FREE, words(address + 4)).error == 4
    assert client.ask(FREE, words(address)).good
    assert client.ask(FREE, words(address)).error == 4
    assert client.ask(READ, words(address, 1, 0)).error == 4
    assert board.counts.blocks == 0


def test_the_table_may_be_full(client, board):
    taken = [client.ask(ALLOC, words(128, SPIRAM, 128)).words[0] for _ in range(64)]
    assert all(taken)
    assert client.ask(ALLOC, words(128, SPIRAM, 128)).words == (0, 3)
    answer = client.ask(LOAD, write_image(IMAGE)[:HEADER])
    assert answer.words == (3, 0, 128, 0, 0)
    assert client.ask(RESET, words(0)).good
    assert board.counts.blocks == 0


def test_an_image_runs(client, board):
    data = write_image(IMAGE)
    handle, source, target, code, weights, arena = client.load(data, 33)
    assert (source, target) == (arena + 128, arena + 256)
    assert bytes(board.memory(weights, 384)) == bytes(range(200)) + bytes(184)
    assert bytes(board.memory(arena, 512)) == bytes(512)
    control = struct.unpack("<16I", bytes(board.memory(code, 64)))
    assert control[2:6] == (source, target, arena, weights)

    def model(host, address, limit_ms, _):
        assert (address, limit_ms) == (code + 64, 1000)
        block = host.memory(code, 64)
        assert struct.unpack("<Ii", bytes(block[24:32])) == (2, -1)
        block[28:40] = struct.pack("<III", 0, 12345, 6)
        host.memory(target, 40)[:] = bytes(host.memory(source, 40))[::-1]
        return 0

    board.on_call = model
    answer = client.ask(RUN, words(handle, 2, 0, 1) + bytes(range(100)))
    assert answer.payload == words(0, 12345, 6) + bytes(range(40))[::-1]
    assert client.ask(RUN, words(handle, 2, 0, 0)).payload == words(0, 12345, 6)
    assert client.ask(RUN, words(handle, 2, 0, 2)).error == 17
    assert client.ask(RUN, words(handle, 2, 0, 1) + bytes(101)).error == 17
    # The arena may be written, weights and code only be read; freeing goes by the handle.
    assert client.ask(WRITE, words(source, 0) + b"x").good
    for address in (code, weights):
        assert client.ask(READ, words(address, 10, 0)).good
        assert client.ask(WRITE, words(address, 0) + b"x").error == 4
        assert client.ask(FREE, words(address)).error == 4
        assert client.ask(EXEC, words(address)).error == 4
    assert client.ask(BLOCK, words(handle, 0) + b"x").error == 23
    assert client.ask(COMMIT, words(handle)).error == 23
    assert client.ask(UNLOAD, words(handle, 2)).error == 17
    assert client.ask(UNLOAD, words(handle, 0)).good
    assert client.ask(RUN, words(handle, 2, 0, 0)).error == 22
    assert board.counts.blocks == 0


TWO = replace(
    IMAGE,
    segments=(
        *(IMAGE.segments[0], Segment("weights", "l2mem", 128, 128, bytes(range(100)))),
        *(Segment("weights_psram", "psram", 128, 256, bytes(range(150, 250))), IMAGE.segments[2]),
    ),
)


def test_weights_in_two_memories(client, board):
    _, _, _, code, first, second, _ = client.load(write_image(TWO), 17)
    assert bytes(board.memory(first, 128)) == bytes(range(100)) + bytes(28)
    assert bytes(board.memory(second, 256)) == bytes(range(150, 250)) + bytes(156)
    control = struct.unpack("<16I", bytes(board.memory(code, 64)))
    assert (control[5], control[10]) == (first, second)


@pytest.mark.parametrize(("number", "region"), [(1, 0), (1, 2), (2, 0), (2, 1)])
def test_two_weights_have_their_places(client, number, region):
    header = write_image(TWO)[: HEADER + 24]
    assert client.ask(LOAD, mended(header, 72 + 24 * number + 1, bytes([region]))).error == 35


def mended(header, at, content):
    """A header with other bytes at an offset, and a CRC that is right."""
    changed = header[:at] + content + header[at + len(content) :]
    return changed[:-4] + words(zlib.crc32(changed[:-4]))


BAD_HEADERS = [
    (0, b"X", 32, ()),
    (4, b"\x09\0", 33, (9, 2)),
    (6, b"\0\0", 35, ()),
    (8, b"\1", 34, (1, 3)),
    (9, b"\4", 35, ()),
    (44, words(65), 35, ()),
    (44, words(62), 35, ()),
    (44, words(80), 35, ()),
    (48, words(413), 35, ()),
    (52, words(0xFFFFFFFF), 35, ()),
    (56, words(0xFFFFFFF0), 35, ()),
    (60, words(257), 35, ()),
    (64, words(16385), 39, (16385, 16384)),
    (72, b"\2", 35, ()),
    (73, b"\4", 35, ()),
    (76, words(0), 35, ()),
    (76, words(96), 35, ()),
    (80, words(127), 35, ()),
    (84, words(176), 35, ()),
    (88, words(129), 35, ()),
    (96, b"\3", 35, ()),
    (104, words(1 << 31), 3, (2, 1 << 31, 4 << 20, 4 << 20)),
    (120 + 16, words(16), 35, ()),
]


@pytest.mark.parametrize(("at", "content", "error", "more"), BAD_HEADERS)
def test_headers_that_contradict_themselves(client, board, at, content, error, more):
    header = mended(write_image(IMAGE)[:HEADER], at, content)
    answer = client.ask(LOAD, header)
    assert (answer.error, answer.words[1:]) == (error, more)
    assert board.counts.blocks == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damaged_image_is_committed(data):
    """One changed byte anywhere in the file is noticed at LOAD or COMMIT, padding and unused bytes apart."""
    content = write_image(IMAGE)
    used = [*range(HEADER), *range(160, 160 + len(CODE)), *range(240, 240 + 200)]
    damaged = bytearray(content)
    damaged[data.draw(st.sampled_from(used))] ^= data.draw(st.integers(1, 255))
    board = HostBoard()
    client = Client(board)
    answer = client.ask(LOAD, damaged[:HEADER])
    if answer.good:
        handle, at = answer.words
        assert client.ask(BLOCK, words(handle, at) + damaged[at:]).words == (len(content),)
        assert client.ask(COMMIT, words(handle)).error == 36
        assert client.ask(COMMIT, words(handle)).error == 22
    assert board.counts.blocks == 0
    board.close()


def test_hash_and_control_block_are_checked(client, board):
    wrong = mended(write_image(IMAGE)[:HEADER], 12, bytes(32)) + write_image(IMAGE)[HEADER:]
    other = replace(IMAGE, segments=(Segment("code", "l2mem", 128, 128, b"X" * 80), *IMAGE.segments[1:]))
    newer = CONTROL_MAGIC + words(3) + CODE[8:]
    later = replace(IMAGE, segments=(Segment("code", "l2mem", 128, 128, newer), *IMAGE.segments[1:]))
    for content, error in ((wrong, 37), (write_image(other), 38), (write_image(later), 38)):
        handle, at = client.ask(LOAD, content[:HEADER]).words
        client.ask(BLOCK, words(handle, at) + content[at:])
        assert client.ask(COMMIT, words(handle)).error == error
        assert board.counts.blocks == 0


def test_every_handle_may_be_taken(client):
    data = write_image(IMAGE)
    handles = [client.load(data)[0] for _ in range(8)]
    assert client.ask(LOAD, data[:HEADER]).words == (40, 8)
    # Of cached ones the oldest goes.
    for handle in handles[:2]:
        client.ask(UNLOAD, words(handle, 1))
    other = write_image(replace(IMAGE, steps=7))
    client.load(other)
    assert client.ask(LOAD, data[:HEADER]).words[1] == len(data)
    assert client.ask(LOAD, data[:HEADER]).error == 40


def test_memory_of_an_image_that_does_not_fit(client, board):
    big = replace(IMAGE, segments=(*IMAGE.segments[:2], Segment("arena", "l2mem", 128, 448 * 1024)))
    answer = client.ask(LOAD, write_image(big)[:HEADER])
    assert answer.words == (3, 1, 448 * 1024, 448 * 1024 - 128, 448 * 1024 - 128)
    assert board.counts.blocks == 0
    # With region "any" it goes to PSRAM.
    anywhere = replace(IMAGE, segments=(*IMAGE.segments[:2], Segment("arena", "any", 128, 448 * 1024)))
    assert client.ask(LOAD, write_image(anywhere)[:HEADER]).good


@pytest.mark.parametrize(("outcome", "error"), [(FAULTED, 21), (TIMEOUT, 20), (CANCELLED, 19)])
def test_code_that_does_not_return(client, board, outcome, error):
    def ends(_, address, __, result):
        result.cause, result.pc, result.fault_value, result.ra, result.sp = 5, address + 8, 0x1234, 7, 8
        return outcome

    board.on_call = ends
    handle, _, _, code, *_ = client.load(write_image(IMAGE))
    answer = client.ask(RUN, words(handle, ALL_STEPS, 77, 1))
    assert answer.error == error
    fault = (1, 5, code + 72, 0x1234, 7, 8, code, 0)
    assert answer.words[1:] == (fault if error == 21 else ())
    assert client.ask(RESET, words(2)).good
    assert client.ask(FAULT).words == (fault if error == 21 else (0,) * 8)
    assert client.ask(BOARD).words[8] == 1
    assert (board.counts.blocks, board.counts.restarts) == (0, 1)


def test_what_arrives_while_code_runs(client, board):
    address = client.ask(ALLOC, words(128, INTERNAL, 128)).words[0]
    heard = []

    def busy(host, *_):
        for packet in (base(PING, b"x"), extended(CANCEL, b"x", 70), extended(CALL, words(address, 0), 50)):
            host.feed(packet)
            heard.extend(answers(host.take()))
        host.feed(extended(PING, b"abc", 71)[:-2] + b"??")
        heard.extend(answers(host.take()))
        assert not host.cancelled
        host.feed(extended(CANCEL, sequence=72)[:7])
        host.feed(extended(CANCEL, sequence=72)[7:])
        assert host.cancelled
        heard.extend(answers(host.take()))
        return CANCELLED

    board.on_call = busy
    board.feed(extended(CALL, words(address, 0), 50))
    (ended,) = answers(board.take())
    assert (ended.error, ended.sequence) == (19, 50)
    assert [answer.words for answer in heard] == [(18,), (18,), (18,), (1,), (1,)]
    assert [answer.flags for answer in heard] == [2, CRC | 2, CRC | 2, CRC | 2, CRC | 1]
    # What the request brought with it comes first, and cancels before it begins.
    board.feed(extended(CALL, words(address, 0), 51) + extended(CANCEL, sequence=52))
    assert [answer.words for answer in answers(board.take())] == [(1,), (19,)]
    board.feed(extended(CALL, words(address, 0), 51))
    assert answers(board.take())[0].words == (19,)


def test_the_document_and_the_code_have_the_same_numbers():
    text = (FIRMWARE / "PROTOCOL.md").read_text(encoding="utf-8")
    header = (FIRMWARE / "core" / "p4c_errors.h").read_text(encoding="utf-8")
    listed = [int(code) for code in re.findall(r"^\| (\d+) \| ", text.split("## Error codes")[1], re.MULTILINE)]
    assert listed == [int(code) for code in re.findall(r"= -(\d+),", header)]
    commands = [int(code, 16) for code in re.findall(r"^\| (\d\d) \| [A-Z_]+ \|", text, re.MULTILINE)]
    assert sorted(commands) == sorted(COMMANDS)
    source = (FIRMWARE / "core" / "p4c_commands.h").read_text(encoding="utf-8")
    assert sorted(int(code, 16) for code in re.findall(r"= (0x\w\w),", source)) == sorted(COMMANDS)
