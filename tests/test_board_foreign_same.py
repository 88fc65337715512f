"""The base protocol of our firmware and the emulated P4-JIT 1.0, request by request: the same answers."""

from __future__ import annotations

import random

import pytest

from p4c.runtime.simulated_board import SimulatedBoard

from .board_packets import ALLOC, EXEC, FREE, INTERNAL, PING, READ, SPIRAM, WRITE, answers, base, words
from .foreign_firmware import ForeignFirmware
from .simulator_encoding import li

RETURN = 0x00008067


class Pair:
    """Both boards; addresses differ, so blocks are named by their number."""

    def __init__(self, ours, foreign):
        self.ours, self.foreign = ours, foreign
        self.blocks = []

    def both(self, command, payloads):
        self.ours.feed(base(command, payloads[0]))
        assert self.ours.run(1 << 30)
        (ours,) = answers(self.ours.take())
        code, result = self.foreign.dispatch(command, payloads[1])
        theirs = (2, words(code)) if code else (1, result)
        return (ours.flags, ours.payload), theirs

    def same(self, command, make):
        ours, theirs = self.both(command, (make(0), make(1)))
        assert ours == theirs
        return ours

    def alloc(self, size, caps, alignment):
        ours, theirs = self.both(ALLOC, (words(size, caps, alignment),) * 2)
        assert (ours[0], ours[1][4:]) == (theirs[0], theirs[1][4:])
        pair = tuple(int.from_bytes(payload[:4], "little") for _, payload in (ours, theirs))
        assert [address % alignment for address in pair if address] in ([], [0, 0])
        if all(pair):
            self.blocks.append((*pair, size))


@pytest.fixture
def pair():
    with SimulatedBoard() as ours, ForeignFirmware("1.0") as foreign:
        assert ours.run()
        yield Pair(ours, foreign)


def test_the_same_answers(pair):
    chance = random.Random(2)
    code = [*li(10, 321), RETURN]
    program = b"".join(word.to_bytes(4, "little") for word in code)
    for _ in range(400):
        what = chance.choice((PING, ALLOC, ALLOC, FREE, WRITE, WRITE, READ, READ, EXEC, 0x77))
        if what == ALLOC and len(pair.blocks) < 40:
            size = chance.choice((0, 1, 100, 128, 4000, 1 << 30))
            pair.alloc(size, chance.choice((SPIRAM, INTERNAL)) | 4, chance.choice((4, 16, 128, 256)))
        elif what in (PING, 0x77):
            content = chance.randbytes(chance.randrange(300))
            pair.same(what, lambda _, content=content: content)
        elif pair.blocks:
            number = chance.randrange(len(pair.blocks))
            block = pair.blocks[number]
            offset = chance.choice((0, block[2] // 2))
            # The last is one byte too many, which is in no block, or in the next one.
            size = chance.choice((0, 1, block[2] - offset, block[2] - offset + 1))
            if what == FREE:
                pair.same(FREE, lambda side, block=block: words(block[side]))
                del pair.blocks[number]
                # A second time it is not there.
                pair.same(FREE, lambda side, block=block: words(block[side]))
            elif what == WRITE:
                data = chance.randbytes(size)
                pair.same(WRITE, lambda side, b=block, o=offset, d=data: words(b[side] + o, 0) + d)
            elif what == READ:
                # What nobody wrote is whatever it is.
                pair.same(WRITE, lambda side, b=block: words(b[side], 0) + bytes(b[2]))
                pair.same(READ, lambda side, b=block, o=offset, s=size: words(b[side] + o, s, 0))
            elif block[2] >= len(program):
                pair.same(WRITE, lambda side, b=block: words(b[side], 0) + program)
                assert pair.same(EXEC, lambda side, b=block: words(b[side])) == (1, words(321))
    assert len(pair.blocks) > 5
