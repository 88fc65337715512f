"""Machine code of tests on the board under test: memory taken from it, code put there and called."""

from __future__ import annotations

from collections.abc import Sequence

from p4c.runtime.board.board import Board
from p4c.runtime.board.link import RefusedError
from p4c.runtime.board.raw import allocated

from .simulator_timed import Line, code

# Seconds: no test's code runs longer.
LIMIT = 5.0
# csrsi 0x7f2, 1: the vector unit is off after reset.
ENABLE_PIE = 0x7F20E073


class BoardCode:
    """A context manager; what it took is freed at its end."""

    def __init__(self, board: Board) -> None:
        self.firmware, self.blocks = board.firmware, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for block in self.blocks:
            self.firmware.free(block)

    def block(self, data: bytes | int, region: str = "l2mem") -> int:
        """The address of a block with these bytes, or of that size."""
        size = data if isinstance(data, int) else len(data)
        address = allocated(self.firmware, size, region, "a test")
        self.blocks.append(address)
        if not isinstance(data, int):
            self.firmware.write(address, data)
        return address

    def put(self, lines: Sequence[Line], rev: str) -> int:
        """A function of these instructions."""
        return self.block(code(lines, rev))

    def call(self, address: int) -> int:
        try:
            return self.firmware.execute(address, LIMIT, f"code of a test may take {LIMIT:g} s") & 0xFFFFFFFF
        except RefusedError as error:
            _, cause, pc, value, *_ = (*error.words, 0, 0, 0, 0)
            told = f"cause {cause} at offset {pc - address:#x} of the code, value {value:#x}"
            raise AssertionError(told) from error

    def read(self, address: int, size: int) -> bytes:
        return self.firmware.read(address, size)
