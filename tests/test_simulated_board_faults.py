"""Thousands of damaged packets against the firmware on the simulated chip: it answers, leaks nothing, never fails."""

from __future__ import annotations

import random

import pytest

from p4c.runtime.simulated_board import SimulatedBoard

from .board_packets import (
    ALL_STEPS,
    ALLOC,
    BLOCK,
    COMMANDS,
    COMMIT,
    FAULT,
    INTERNAL,
    LOAD,
    READ,
    RESET,
    RUN,
    SPIRAM,
    TCM,
    UNLOAD,
    WRITE,
    Client,
    extended,
    words,
)
from .test_firmware_core import HEADER, IMAGE, write_image

# About five seconds.
ROUNDS = 5000
HEAP_START = 0x4FF10000


def conversation(chance: random.Random, handle: int):
    """A whole life of an image, and something of everything else; arguments mostly right."""
    image = write_image(IMAGE)
    yield LOAD, image[:HEADER]
    at = 160
    while at < len(image):
        size = chance.choice((16, 50, 200))
        yield BLOCK, words(handle, at) + image[at : at + size]
        at += size
    yield COMMIT, words(handle)
    yield RUN, words(handle, ALL_STEPS, 50, 1) + bytes(chance.randrange(101))
    yield READ, words(HEAP_START + 128 * chance.randrange(20), chance.randrange(600), 0)
    yield WRITE, words(HEAP_START + 128 * chance.randrange(20), 0) + bytes(chance.randrange(600))
    yield UNLOAD, words(handle, chance.randrange(2))
    kind = chance.choice((0, SPIRAM, INTERNAL, TCM))
    yield ALLOC, words(chance.choice((1, 128, 5000, 1 << 20)), kind, 1 << chance.randrange(12))
    any_word = (0, 1, 2, 3, HEAP_START, 0xFFFFFFFF, chance.getrandbits(32))
    yield chance.choice(COMMANDS), words(*(chance.choice(any_word) for _ in range(chance.randrange(5))))
    yield RESET, words(chance.choice((0, 0, 1, 2)))


def damaged(chance: random.Random, packet: bytes) -> bytes:
    """A bit flipped, the end cut off, or noise inside, in a third of all packets; else the packet."""
    kind, at = chance.random(), chance.randrange(len(packet))
    if kind < 0.25:
        return packet[:at] + bytes([packet[at] ^ 1 << chance.randrange(8)]) + packet[at + 1 :]
    if kind < 0.30:
        return packet[:at]
    if kind < 0.35:
        return packet[:at] + chance.randbytes(chance.randint(1, 20)) + packet[at:]
    return packet


@pytest.mark.slow
def test_damaged_packets():
    chance = random.Random(1)
    packets = faults = 0
    with SimulatedBoard() as board:
        board.run()
        client = Client(board)
        before = client.heap()
        for number in range(ROUNDS):
            for command, payload in conversation(chance, chance.choice((1, 2, 3, number))):
                packet = extended(command, payload, packets)
                sent = damaged(chance, packet)
                packets, faults = packets + 1, faults + (sent != packet)
                # Whole, right packets come back, of whatever kind; and the board comes to rest.
                client.send(sent, slices=200)
                if chance.random() < 0.5:
                    board.pass_time(0.3)
            board.pass_time(0.3)
            assert client.ask(RESET, words(1)).good
            assert client.heap() == before
            assert client.ask(FAULT).words[7] == 0
    print(f"{packets} packets, {faults} of them damaged")
    assert faults > packets / 4
