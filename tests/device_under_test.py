"""The board that tests marked board run on: where it is, what it is, and how to connect to it."""

from __future__ import annotations

from dataclasses import dataclass

import p4c
from p4c.compiler.errors import DeviceError
from p4c.runtime.board.board import Board
from p4c.runtime.board.own import OwnFirmware
from p4c.runtime.board.transport import DEFAULT_BAUD


@dataclass(frozen=True)
class DeviceUnderTest:
    """A board with p4c's own firmware; `simulated` ones count instructions in place of cycles, `clock` is in Hz."""

    port: str
    baud: int
    name: str
    chip_rev: str
    simulated: bool
    clock: int

    def connect(self, **options) -> Board:
        return p4c.connect(self.port, baud=self.baud, **options)


def identified(port: str, baud: int = DEFAULT_BAUD) -> DeviceUnderTest:
    """What answers at a port; DeviceError unless it is p4c's own firmware."""
    with p4c.connect(port, baud=baud) as board:
        firmware = board.firmware
        if not isinstance(firmware, OwnFirmware):
            raise DeviceError(f"{board.name} is no board with p4c's firmware", "flash it: docs/board.md")
        return DeviceUnderTest(port, baud, board.name, board.chip_rev, firmware.simulated, firmware.facts.clock)
