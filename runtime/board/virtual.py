"""The virtual board: our firmware on a simulated chip, behind a socket and a pty."""

from __future__ import annotations

import threading
import time

from ...backend.closing import Closing
from ...compiler.errors import P4CError
from ..simulated_board import SimulatedBoard
from .wire import CAPACITY, Wire

# Seconds that an idle chip waits for bytes before its time goes on.
IDLE_SECONDS = 0.05


class VirtualBoard(Closing):
    """A running virtual board; a context manager. `url` and `pty` ("" where there is none) are its ports.

    For `strict` see SimulatedBoard.
    """

    def __init__(self, chip_rev: str = "v3", port: int = 0, *, with_pty: bool = True, strict: bool = True) -> None:
        self._board = SimulatedBoard(chip_rev, strict=strict)
        try:
            self._wire = Wire(port, with_pty=with_pty)
        except BaseException:
            self._board.close()
            raise
        self.url, self.pty = self._wire.url, self._wire.pty
        self._running = True
        # What ended the chip, if anything did.
        self.failure: P4CError | None = None
        self._thread = threading.Thread(target=self._run, name="p4c board", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the chip ends, which only a fault of the firmware does; raises that."""
        while self._thread.is_alive():
            self._thread.join(0.2)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Switch the board off."""
        self._running = False
        self._thread.join()
        self._wire.close()
        self._board.close()

    def _run(self) -> None:
        try:
            while self._running:
                self._step()
        except P4CError as error:
            self.failure = error

    def _step(self) -> None:
        """Let the board work for a while, or wait for bytes when it does; pass on what it sends."""
        waits = self._board.run()
        if sent := self._board.take():
            self._wire.send(sent)
        started = time.monotonic()
        self._board.feed(self._wire.pull(CAPACITY, IDLE_SECONDS if waits else 0))
        if waits:
            self._board.pass_time(time.monotonic() - started)
