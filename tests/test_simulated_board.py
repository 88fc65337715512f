"""The real firmware on the simulated chip: images loaded, run, cached; code that faults, hangs or is cancelled."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import p4c
from p4c.compiler.errors import DeviceError
from p4c.runtime.simulated_board import SimulatedBoard

from .board_packets import (
    ALL_STEPS,
    ALLOC,
    BLOCK,
    BOARD,
    CALL,
    CANCEL,
    COMMIT,
    EXEC,
    FAULT,
    FREE,
    GET_INFO,
    HEAP_INFO,
    INTERNAL,
    LOAD,
    PING,
    READ,
    RESET,
    RUN,
    SPIRAM,
    TCM,
    UNLOAD,
    WRITE,
    Client,
    answers,
    base,
    extended,
    words,
)
from .models import small_net
from .simulator_encoding import i_type, jal, li, s_type

A0, RA, T0 = 10, 1, 5
RETURN = 0x00008067
LOOP = jal(0, 0)


def code(*instructions):
    return b"".join(word.to_bytes(4, "little") for word in instructions)


@pytest.fixture(scope="module", params=["v3", "v1"])
def model(request, tmp_path_factory):
    path = small_net().save(tmp_path_factory.mktemp("board") / "small.onnx")
    return p4c.compile(path, chip_rev=request.param)


@pytest.fixture
def board():
    with SimulatedBoard() as simulated:
        assert simulated.run()
        yield simulated


@pytest.fixture
def client(board):
    return Client(board)


def put_function(client, *instructions):
    """Allocate, write; the address."""
    address, error = client.ask(ALLOC, words(256, INTERNAL, 16)).words
    assert error == 0
    assert client.ask(WRITE, words(address, 0) + code(*instructions)).good
    return address


def test_a_model_gives_what_the_simulator_gives(model):
    """The same image, input and steps by the loader on the chip and put straight into memory."""
    image = model.build.image
    inputs = [np.random.default_rng(i).integers(0, 256, image.input_bytes, np.uint8).tobytes() for i in range(3)]
    session = model.simulator().load(image)
    with SimulatedBoard(model.chip_rev) as board:
        client = Client(board)
        board.run()
        handle, _, _, *segments = client.load(model.build.image_bytes, block=1000)
        assert len(segments) == len(image.segments)
        for block in inputs:
            expected = session.run(block)
            answer = client.ask(RUN, words(handle, ALL_STEPS, 0, 1) + block)
            assert answer.payload[12:] == expected.output
            # Cycles are instructions here, and both are of the same code.
            assert answer.words[:3] == (0, expected.cycles, 0)
        for steps in range(image.steps):
            session.run(inputs[0], steps)
            assert client.ask(RUN, words(handle, steps, 0, 0) + inputs[0]).good
            for buffer in model.plan.buffers.values():
                if buffer.place == "arena":
                    read = client.ask(READ, words(segments[-1] + buffer.offset, buffer.size, 0)).payload
                    assert read == session.read(buffer)


def test_weights_in_two_memories(tmp_path):
    path = small_net().save(tmp_path / "small.onnx")
    arena = p4c.compile(path).build.image.segment("arena").size
    model = p4c.compile(path, ram_budget=arena + 256)
    assert [s.region for s in model.build.image.segments] == ["l2mem", "l2mem", "psram", "l2mem"]
    block = bytes(range(128)) * (-(-model.build.image.input_bytes // 128))
    block = block[: model.build.image.input_bytes]
    with SimulatedBoard(model.chip_rev) as board:
        client = Client(board)
        board.run()
        handle, *_ = client.load(model.build.image_bytes, block=1000)
        answer = client.ask(RUN, words(handle, ALL_STEPS, 0, 1) + block)
        assert answer.payload[12:] == model.simulator().load(model.build.image).run(block).output


def test_images_for_the_other_revision_are_refused(model):
    other = {"v1": "v3", "v3": "v1"}[model.chip_rev]
    with SimulatedBoard(other) as board:
        board.run()
        image = model.build.image_bytes
        answer = Client(board).ask(LOAD, image[: struct.unpack_from("<H", image, 6)[0]])
        assert answer.error == 34
        assert answer.words[1:] == (int(model.chip_rev[1:]), int(other[1:]))


@pytest.mark.parametrize("model", ["v3"], indirect=True)
def test_the_cache_and_the_heap(client, model):
    before = client.heap()
    image = model.build.image_bytes
    size = struct.unpack_from("<H", image, 6)[0]
    handle, *_ = client.load(image)
    used = [a[2] - b[2] for a, b in zip(before, client.heap(), strict=True)]
    assert used == [sum(s.size for s in model.build.image.segments if s.region == "l2mem"), 0, 0]
    assert client.ask(RUN, words(handle, ALL_STEPS, 0, 0)).good
    assert client.ask(UNLOAD, words(handle, 1)).good
    # Cached memory counts as free.
    assert [row[2] for row in client.heap()] == [row[2] for row in before]
    assert client.heap()[0][4] == used[0]
    # Nothing is sent a second time, and the old handle is dead.
    again, offset = client.ask(LOAD, image[:size]).words
    assert (again != handle, offset) == (True, len(image))
    assert client.ask(COMMIT, words(again)).good
    assert client.ask(RUN, words(handle, ALL_STEPS, 0, 0)).error == 22
    assert client.ask(RUN, words(again, ALL_STEPS, 0, 0)).good
    # What was damaged in the cache is noticed.
    segments = client.ask(UNLOAD, words(again, 1)) and client.load(image)[3:]
    client.ask(RESET, words(0))
    client.line.simulator.write(segments[1], b"damage")
    damaged, offset = client.ask(LOAD, image[:size]).words
    assert offset == len(image)
    assert client.ask(COMMIT, words(damaged)).words == (36, 1)
    assert client.heap() == before
    # An allocation that needs the room empties the cache.
    client.ask(UNLOAD, words(client.load(image)[0], 1))
    assert client.ask(ALLOC, words(before[0][3], INTERNAL, 128)).words[1] == 0
    client.ask(RESET, words(1))
    assert client.heap() == before


@pytest.mark.parametrize("model", ["v3"], indirect=True)
def test_blocks_are_taken_in_order_whatever_comes(client, model):
    image = model.build.image_bytes
    size = struct.unpack_from("<H", image, 6)[0]
    handle, offset = client.ask(LOAD, image[:size]).words
    assert client.ask(COMMIT, words(handle)).error == 23

    def block(at, length):
        return words(handle, at) + image[at : at + length]

    assert client.ask(BLOCK, block(offset + 16, 100)).words == (offset,)
    assert client.ask(BLOCK, block(offset, 100)).words == (offset + 100,)
    assert client.ask(BLOCK, block(offset, 100)).words == (offset + 100,)
    assert client.ask(BLOCK, block(offset + 100, 1 << 20) + bytes(1)).words == (offset + 100,)
    # A window of blocks, the second of which is damaged on its way.
    packets = [bytearray(extended(BLOCK, block(offset + 100 + 50 * i, 50), 7 + i)) for i in range(3)]
    packets[1][40] ^= 4
    replies = client.send(b"".join(packets))
    assert [reply.words[0] for reply in replies] == [offset + 150, 1, offset + 150]
    assert client.ask(BLOCK, block(offset + 150, 1 << 20)).words == (len(image),)
    assert client.ask(COMMIT, words(handle)).good


def test_memory_that_does_not_suffice_is_named(client):
    before = client.heap()
    assert client.ask(ALLOC, words(1 << 30, SPIRAM, 128)).words == (0, 3)
    assert client.ask(ALLOC, words(0xFFFFFFFF, 0, 128)).words == (0, 3)
    assert client.ask(ALLOC, words(16, 0, 3)).words == (0, 3)
    # Without a kind: internal memory, then PSRAM.
    assert client.ask(ALLOC, words(before[0][1], 0, 128)).words[0] >> 16 == 0x4FF1
    assert client.ask(ALLOC, words(128, 0, 128)).words[0] >> 24 == 0x48
    assert client.ask(ALLOC, words(8192, TCM, 16)).words[0] == 0x30100000
    client.ask(RESET, words(0))
    assert client.heap() == before


def test_functions_are_called(client):
    address = put_function(client, *li(A0, 1234), RETURN)
    assert client.ask(EXEC, words(address)).words == (1234,)
    value, low, high = client.ask(CALL, words(address, 1000)).words
    assert (value, high) == (1234, 0)
    assert 0 < low < 100
    assert client.ask(CALL, words(address + 1, 0)).error == 4
    assert client.ask(CALL, words(address + 256, 0)).error == 4
    assert client.ask(FREE, words(address)).words == (0,)
    assert client.ask(EXEC, words(address)).error == 4


FAULTS = [
    (2, "illegal", (0xFFFFFFFF,), 0, lambda value, at: value == 0xFFFFFFFF),
    (3, "breakpoint", (0x00100073,), 0, lambda value, at: True),
    (5, "load", (*li(T0, 0x1000), i_type(0x03, A0, 2, T0, 0)), 2, lambda value, at: value == 0x1000),
    (7, "store", (*li(T0, 0x40000000), s_type(0x23, 2, T0, A0, 4)), 2, lambda value, at: value == 0x40000004),
    (11, "ecall", (0x00000073,), 0, lambda value, at: True),
    (1, "fetch", (*li(T0, 0x5000), i_type(0x67, 0, 0, T0, 0)), None, lambda value, at: value == 0x5000),
]


@pytest.mark.parametrize(("cause", "name", "instructions", "at", "check"), FAULTS, ids=[row[1] for row in FAULTS])
def test_faults_are_told_and_survived(client, cause, name, instructions, at, check):
    before = client.heap()
    address = put_function(client, *instructions, RETURN)
    answer = client.ask(CALL, words(address, 0))
    assert answer.error == 21
    number, found, pc, value, _, sp, base_of_code, in_firmware = answer.words[1:]
    assert (number, found, base_of_code, in_firmware) == (1, cause, 0, 0)
    assert pc == (0x5000 if at is None else address + 4 * at)
    assert check(value, address)
    assert 0x4FF00000 < sp <= 0x4FF10000
    # Kept, also over a restart; and the board works.
    assert client.ask(FAULT).words == answer.words[1:]
    assert client.ask(RESET, words(2)).good
    assert client.ask(FAULT).words == answer.words[1:]
    assert client.ask(BOARD).words[8] == 1
    assert client.heap() == before
    assert client.ask(EXEC, words(put_function(client, *li(A0, 7), RETURN))).words == (7,)


def test_a_fault_with_a_lost_stack(client):
    address = put_function(client, *li(2, 0), i_type(0x03, A0, 2, 0, 0), RETURN)
    assert client.ask(CALL, words(address, 0)).error == 21
    assert client.ask(FAULT).words[5] == 0
    assert client.ask(PING, b"alive").payload == b"alive"


def test_a_recursion_without_end(client):
    """Below the stack of code there is no memory."""
    push = (i_type(0x13, 2, 0, 2, -16), s_type(0x23, 2, 2, RA, 0), jal(RA, -8))
    assert client.ask(CALL, words(put_function(client, *push), 0)).error == 21
    _, cause, _, value, _, sp, *_ = client.ask(FAULT).words
    assert (cause, value, sp) == (7, 0x4FF00000 - 16, 0x4FF00000 - 16)
    assert client.ask(EXEC, words(put_function(client, *li(A0, 7), RETURN))).words == (7,)


def test_what_never_returns_is_ended_after_its_time(client):
    address = put_function(client, LOOP)
    start = client.line.simulator.cycles
    assert client.ask(CALL, words(address, 100)).error == 20
    assert 0.09 < (client.line.simulator.cycles - start) / 360e6 < 0.2
    assert client.ask(EXEC, words(put_function(client, *li(A0, 7), RETURN))).words == (7,)


def test_what_keeps_interrupts_away_is_ended_too(client):
    address = put_function(client, 0x30047073, 0x30401073, LOOP)  # csrci mstatus, 8; csrw mie, zero
    assert client.ask(CALL, words(address, 10)).error == 20
    assert client.ask(EXEC, words(put_function(client, *li(A0, 7), RETURN))).words == (7,)
    # Interrupts are back.
    client.line.feed(extended(CALL, words(put_function(client, LOOP), 0), 5))
    assert not client.line.run()
    assert [answer.words for answer in client_send(client.line, extended(CANCEL, sequence=6))] == [(1,), (19,)]


def test_what_never_returns_is_cancelled(client, board):
    address = put_function(client, LOOP)
    board.feed(extended(CALL, words(address, 0), 77))
    assert not board.run()
    assert board.take() == b""
    # Anything else is refused, whole or in pieces, also the request once more.
    (refused,) = client_send(board, base(PING, b"x"))
    assert refused.error == 18
    (refused,) = client_send(board, extended(CALL, words(address, 0), 77))
    assert (refused.error, refused.sequence) == (18, 77)
    packet = extended(CANCEL, sequence=78)
    board.feed(packet[:5])
    assert not board.run()
    board.feed(packet[5:])
    assert board.run()
    cancelled, ended = answers(board.take())
    assert (cancelled.command, cancelled.sequence, cancelled.words) == (CANCEL, 78, (1,))
    assert (ended.command, ended.sequence, ended.error) == (CALL, 77, 19)
    assert client.ask(CANCEL).words == (0,)
    assert client.ask(EXEC, words(put_function(client, *li(A0, 7), RETURN))).words == (7,)


def client_send(board, data, instructions=4_000_000):
    board.feed(data)
    board.run(instructions)
    return answers(board.take())


def test_cancel_in_the_same_breath(client, board):
    """Bytes behind the request are taken before those that come while code runs."""
    address = put_function(client, LOOP)
    packet = extended(CANCEL, sequence=2)
    board.feed(extended(CALL, words(address, 0), 1) + packet[:9])
    assert not board.run()
    cancelled, ended = client_send(board, packet[9:])
    assert (cancelled.words, ended.error) == ((1,), 19)
    cancelled, ended = client_send(board, extended(CALL, words(address, 0), 3) + extended(CANCEL, sequence=4))
    assert (cancelled.words, ended.error) == ((1,), 19)


def test_a_packet_that_stops_is_forgotten(client, board):
    board.feed(base(PING, bytes(100))[:50])
    assert board.run()
    board.pass_time(0.1)
    board.feed(base(PING, bytes(100))[50:80])
    assert board.run()
    board.pass_time(0.3)
    assert client.ask(PING, b"next").payload == b"next"


def test_a_firmware_that_faults_restarts_and_tells(client, board):
    """A jump into nowhere that the test makes for it stands in for a bug of it."""
    board.simulator.pc = 0x123456
    board.feed(b"\0")
    assert board.run()
    number, cause, where, *_, in_firmware = client.ask(FAULT).words
    assert (number, cause, where, in_firmware) == (1, 1, 0x123456, 1)
    assert client.ask(BOARD).words[8] == 1


def test_a_firmware_that_is_overwritten_stops(board):
    board.simulator.write(0x4FF00000, bytes(0x10000))
    board.feed(b"x")
    with pytest.raises(DeviceError, match=r"the simulated board's firmware stopped at pc 0x4ff"):
        board.run()


def test_hosts_of_the_base_protocol_work(board):
    """ALLOC, WRITE, READ, EXEC and FREE as P4-JIT's host sends them, with the checksum."""

    def ask(command, payload=b""):
        (answer,) = client_send(board, base(command, payload), 1 << 30)
        assert (answer.command, answer.flags) == (command, 1)
        return answer.words

    info = ask(GET_INFO)
    assert (info[0] & 0xFFFF, len(info)) == (1, 8)
    free = ask(HEAP_INFO)
    address, error = ask(ALLOC, words(1 << 20, SPIRAM | 4, 128))
    assert (error, address % 128) == (0, 0)
    program = code(*li(A0, 42), RETURN)
    assert ask(WRITE, words(address, 0) + program.ljust(1 << 20, b"\0")) == (1 << 20, 0)
    assert ask(READ, words(address, len(program), 0)) == struct.unpack(f"<{len(program) // 4}I", program)
    assert ask(EXEC, words(address)) == (42,)
    assert ask(FREE, words(address)) == (0,)
    assert ask(HEAP_INFO) == free
