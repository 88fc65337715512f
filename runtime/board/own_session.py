"""A model in the memory of a board with p4c's own firmware, which loads and checks images itself."""

from __future__ import annotations

import contextlib

from ...backend.image import write_image
from ...compiler.errors import DeviceError
from ...compiler.plan import Buffer
from ..device import ALL_STEPS, Progress, RunResult, no_progress
from .link import RefusedError
from .own import RUN, OwnFirmware, lost_error, run_error
from .packets import ErrorCode
from .program import Program
from .session import check_loaded, time_limit
from .transport import ConnectionLostError


class OwnSession:
    """A loaded program; see device.Session. Closed, it stays in the board's cache while there is room."""

    def __init__(self, firmware: OwnFirmware, program: Program, progress: Progress = no_progress) -> None:
        self._firmware, self._program = firmware, program
        image = program.image
        data, done = write_image(image), 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            progress(done, len(data))

        self._loaded = firmware.load(program, data, advance)
        self._arena = self._loaded.segments[[segment.kind for segment in image.segments].index("arena")]
        # Blocks that do not fit into a packet go by WRITE and READ.
        self._fits = max(image.input_bytes + RUN.size, image.output_bytes + 12) <= firmware.info.max_payload
        self._open = True

    def run(self, input_block: bytes, steps: int = ALL_STEPS) -> RunResult:
        """Run the first `steps` layers; see device.Session."""
        check_loaded(self._open)
        firmware, image, handle = self._firmware, self._program.image, self._loaded.handle
        seconds, why = time_limit(self._program, firmware.clock)
        size = image.output_bytes if self._fits else 0
        if not self._fits:
            firmware.write(self._loaded.input, input_block)
        try:
            block = input_block if self._fits else b""
            status, cycles, output = firmware.run(handle, steps, block, size, seconds, why)
        except RefusedError as error:
            raise self._ended(error, why) from error
        except ConnectionLostError as error:
            firmware.come_back(error)
            raise self._lost() from error
        if status:
            raise DeviceError(f"the model returned status {status}", "please report this with the model")
        if not self._fits:
            output = firmware.read(self._loaded.output, image.output_bytes)
        if len(output) != image.output_bytes:
            what = f"the board gave {len(output):,} bytes of output, expected {image.output_bytes:,}"
            raise DeviceError(what, "flash the firmware that belongs to this version of p4c")
        return RunResult(output, cycles, None)

    def _ended(self, error: RefusedError, why: str) -> DeviceError:
        """The words for a run that did not come to its end. A board that faults restart knows no model any more."""
        if error.code == ErrorCode.NO_HANDLE:
            self._firmware.has_restarted()
            return self._lost()
        if error.code == ErrorCode.FAULT and error.words:
            self._firmware.told = error.words[0]
        return run_error(error, self._program, why)

    def _lost(self) -> DeviceError:
        """The words for a board that restarted, which a fault in this program may have done."""
        # An image's code is its first segment.
        return lost_error(self._firmware.untold_fault(self._loaded.segments[0]), self._program)

    def read(self, buffer: Buffer) -> bytes:
        """The bytes of a buffer as the last run left them."""
        check_loaded(self._open)
        bases = {"arena": self._arena, "input": self._loaded.input, "output": self._loaded.output}
        return self._firmware.read(bases[buffer.place] + buffer.offset, buffer.size)

    def forget(self) -> None:
        """The board has restarted: nothing is there to be freed."""
        self._open = False

    def cancel(self) -> None:
        """End a run that another thread waits for; it gets an error."""
        # A board that has gone away runs nothing for us.
        with contextlib.suppress(DeviceError):
            self._firmware.cancel()

    def close(self) -> None:
        """Free the program; its image may be taken up again without being sent."""
        if self._open:
            self._open = False
            self._firmware.unload(self._loaded.handle, keep=True)
