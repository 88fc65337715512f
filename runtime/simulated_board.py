"""A board without a board: the real firmware on the simulated chip, with both ends of its serial line here.

    with SimulatedBoard("v3") as board:
        board.feed(request)          # bytes from the host to the board
        while not board.run():       # work until the firmware waits for bytes
            ...                      # a slice is over: feed more, or look at the clock
        answer = board.take()        # bytes from the board to the host

A server on top of it (a socket, a pty) needs four calls. `feed` puts bytes on the line at any time between two
runs, also while code of the host's runs on the board. `run` executes a slice, lets go of the GIL meanwhile, and
returns True when the firmware waits for bytes and has nothing else to do. `take` gets what was sent. `pass_time`
tells a board that waits that nothing came for a while: only then can a packet that stopped half-way time out,
because simulated time stands still while the core waits. While the core works, simulated time is its cycles at 360
MHz.

The board is as after power-up; RESET with mode 2 restarts it as it would the chip, and `restarts` survive.
"""

from __future__ import annotations

from ..backend.closing import Closing
from ..compiler.errors import DeviceError
from .simulator.firmware import firmware_elf
from .simulator.native import Reason
from .simulator.simulator import CHIP_REVISIONS, Simulator
from .simulator.timing import Timing

# Registers that the reset vector takes, see firmware/ports/sim/start.S.
CHIP_MAJOR, PSRAM_BYTES = 10, 11

DEFAULT_PSRAM = 32 << 20

# A slice is a fraction of a second, so that bytes that arrive while code runs are soon heard.
SLICE_INSTRUCTIONS = 4_000_000


class SimulatedBoard(Closing):
    """One board of a chip revision; not for use by two threads at a time.

    `psram_size` is at least 4 MB, of which the firmware takes 2. With `timing`, cycles are estimates; without, a
    cycle is an instruction, and it runs several times faster. A `strict` one faults where code breaks a rule that
    Espressif states and the chip does not check.
    """

    def __init__(
        self,
        chip_rev: str = "v3",
        *,
        psram_size: int = DEFAULT_PSRAM,
        timing: Timing | None = None,
        strict: bool = True,
    ) -> None:
        elf = firmware_elf()
        self.chip_rev = chip_rev
        self.simulator = Simulator(
            chip_rev, flash_size=0, psram_size=psram_size, strict=strict, timing=timing, symbolize=elf.symbolize
        )
        self.simulator.attach_devices()
        self.simulator.write(elf.base, elf.flat)
        self.simulator.set_x(CHIP_MAJOR, CHIP_REVISIONS[chip_rev])
        self.simulator.set_x(PSRAM_BYTES, psram_size)
        self.simulator.pc = elf.entry

    def feed(self, data: bytes) -> None:
        """Bytes from the host; the line holds any number of them."""
        self.simulator.uart_feed(data)

    def run(self, max_instructions: int = SLICE_INSTRUCTIONS) -> bool:
        """Execute until the firmware waits for bytes (True) or the instructions are used up (False).

        DeviceError where the firmware itself cannot go on.
        """
        stop = self.simulator.run(max_instructions)
        if stop.reason == Reason.LIMIT:
            return False
        if stop.reason == Reason.WAIT:
            return True
        place = self.simulator.symbolize(stop.pc) if self.simulator.symbolize else ""
        what = f"the simulated board's firmware stopped at pc {stop.pc:#010x} {place} (reason {stop.reason})"
        advice = "start the board again; where no function of your own wrote over its memory, please report this"
        raise DeviceError(what, advice)

    def take(self) -> bytes:
        """What the board has sent since the last call."""
        return self.simulator.uart_take()

    def pass_time(self, seconds: float) -> None:
        """Nothing came for so long while the firmware waited."""
        self.simulator.pass_time(seconds)

    def close(self) -> None:
        """Free the simulated chip."""
        self.simulator.close()
