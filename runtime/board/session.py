"""A model in a board's memory: allocated, uploaded, run, freed."""

from __future__ import annotations

import contextlib
import struct

from ...backend.image import CONTROL_BYTES, CONTROL_MAGIC, CONTROL_WORDS, Segment
from ...compiler.errors import DeviceError
from ...compiler.plan import Buffer
from ..device import ALL_STEPS, Progress, RunResult, no_progress
from .link import AnswerLostError
from .p4jit import P4Jit
from .program import MEMORIES, Program
from .transport import ConnectionLostError

# An inference takes no longer than this many cycles for each multiply-accumulate, and for each byte it occupies:
# scalar code in PSRAM stays far below (docs/performance.md).
CYCLES_PER_MAC = 100
CYCLES_PER_BYTE = 1000
# How often an inference is begun anew when the line swallows answers.
ATTEMPTS = 4


class BoardSession:
    """A loaded program; see device.Session. Made by Board.load_program."""

    def __init__(self, firmware: P4Jit, program: Program, progress: Progress = no_progress) -> None:
        self._firmware, self._program = firmware, program
        self._bases: dict[str, int] = {}
        self._steps = -1
        try:
            for segment in program.image.segments:
                self._bases[segment.kind] = self._allocated(segment)
            self._upload(progress)
        except BaseException:
            # What went wrong first is what to tell.
            with contextlib.suppress(DeviceError):
                self.close()
            raise

    def run(self, input_block: bytes, steps: int = ALL_STEPS) -> RunResult:
        """Run the first `steps` layers; see device.Session."""
        check_loaded(bool(self._bases))
        for _ in range(ATTEMPTS):
            try:
                return self._run(input_block, steps)
            except AnswerLostError as error:
                # Nobody knows whether it ran; from its input on it can run again.
                lost = error
                self._steps = -1
        raise lost

    def read(self, buffer: Buffer) -> bytes:
        """The bytes of a buffer as the last run left them."""
        check_loaded(bool(self._bases))
        image = self._program.image
        offsets = {"arena": 0, "input": image.input_offset, "output": image.output_offset}
        return self._firmware.read(self._bases["arena"] + offsets[buffer.place] + buffer.offset, buffer.size)

    def forget(self) -> None:
        """The board has restarted: nothing is there to be freed."""
        self._bases.clear()

    def cancel(self) -> None:
        """Nothing: P4-JIT firmware hears nothing while code runs."""

    def close(self) -> None:
        """Free what the program occupies; a board that has gone away has freed it itself."""
        trouble: DeviceError | None = None
        while self._bases:
            _, address = self._bases.popitem()
            try:
                self._firmware.free(address)
            except ConnectionLostError:
                raise
            except DeviceError as error:
                # The others can perhaps be freed.
                trouble = error
        if trouble is not None:
            raise trouble

    def _allocated(self, segment: Segment) -> int:
        address = self._firmware.alloc(segment.size, segment.region, segment.alignment)
        if not address:
            free = self._firmware.heap().free(segment.region)
            memory = MEMORIES[segment.region]
            what = f"the {segment.kind} segment needs {segment.size:,} bytes of {memory}, the board has {free:,} free"
            advice = (
                "free other models on the board (close them, or reset it), or compile with a smaller --ram-budget"
            )
            raise DeviceError(what + (" in pieces" if free >= segment.size else ""), advice)
        return address

    def _upload(self, progress: Progress) -> None:
        """Write the segments, read them back and compare: this firmware checks nothing itself."""
        segments = [segment for segment in self._program.image.segments if segment.data]
        total, done = 2 * sum(len(segment.data) for segment in segments), 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            progress(done, total)

        for segment in segments:
            base = self._bases[segment.kind]
            self._firmware.write(base, segment.data, advance)
            if self._firmware.read(base, len(segment.data), advance) != segment.data:
                what = f"the {segment.kind} segment reads back otherwise than it was written at {base:#010x}"
                raise DeviceError(what, "lower --baud or check the cable; if it stays, that memory is not usable")

    def _run(self, input_block: bytes, steps: int) -> RunResult:
        image, firmware = self._program.image, self._firmware
        code, arena = self._bases["code"], self._bases["arena"]
        if steps != self._steps:
            self._steps = -1
            words = (arena + image.input_offset, arena + image.output_offset, arena, self._bases["weights"], steps)
            firmware.write(code + 4 * CONTROL_WORDS["input"], struct.pack("<IIIII", *words))
            second = struct.pack("<I", self._bases.get("weights_psram", 0))
            firmware.write(code + 4 * CONTROL_WORDS["weights_psram"], second)
            self._steps = steps
        firmware.write(arena + image.input_offset, input_block)
        seconds, why = time_limit(self._program, firmware.clock)
        status = firmware.execute(code + image.entry_offset, seconds, why)
        control = firmware.read(code, CONTROL_BYTES)
        words = struct.unpack(f"<{CONTROL_BYTES // 4}I", control)
        if status or words[CONTROL_WORDS["status"]] or control[:4] != CONTROL_MAGIC:
            raise DeviceError(f"the model returned status {status}", "please report this with the model")
        cycles = words[CONTROL_WORDS["cycles_low"]] | words[CONTROL_WORDS["cycles_high"]] << 32
        return RunResult(firmware.read(arena + image.output_offset, image.output_bytes), cycles, None)


def check_loaded(loaded: bool) -> None:
    """DeviceError for a model that was closed, or that a reset took away."""
    if not loaded:
        raise DeviceError("the model is not loaded any more: it was closed, or the board was reset", "load it again")


def time_limit(program: Program, clock: int) -> tuple[float, str]:
    """(seconds, reason): how long an inference may take at so many cycles each second, from the work in it."""
    moved = sum(segment.size for segment in program.image.segments)
    cycles = CYCLES_PER_MAC * program.macs + CYCLES_PER_BYTE * moved
    seconds = 1 + cycles / clock
    why = f"{program.macs:,} MACs and {moved:,} bytes take at most {seconds:.0f} s at {clock / 1e6:.0f} MHz"
    return seconds, why
