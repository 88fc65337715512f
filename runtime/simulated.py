"""The default device: the simulator with an image loaded straight into its memories."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from ..backend.image import CONTROL_BYTES, CONTROL_WORDS, Image
from ..backend.target import ESP32P4
from ..compiler.errors import DeviceError
from ..compiler.plan import Buffer
from .device import ALL_STEPS, RunResult
from .simulator.simulator import Simulator
from .simulator.timing import Timing

# A watchdog far above any real network: about ten minutes of simulation.
MAX_INSTRUCTIONS = 200_000_000_000

# The stack grows down from the end of L2MEM; images are loaded upward from its start.
STACK_BYTES = 32 * 1024


class SimulatorDevice:
    """Simulated ESP32-P4 chips of one revision; every session has a chip of its own."""

    name = "sim"

    def __init__(
        self, chip_rev: str, symbolize: Callable[[int], str] | None = None, timing: Timing | None = None
    ) -> None:
        self.chip_rev = chip_rev
        self.timing = timing
        self.counts = "simulated instructions" if timing is None else "estimated cycles"
        self.parallel = os.cpu_count() or 1
        self._symbolize = symbolize

    def load(self, image: Image) -> SimulatorSession:
        """Load an image on a fresh chip."""
        return SimulatorSession(self.chip_rev, image, self._symbolize, self.timing)


class SimulatorSession:
    """An image in a simulator's memory. `symbolize` takes offsets into the code segment.

    `simulator` and `code`, the address of the code segment, are there for who wants to set markers.
    """

    def __init__(
        self,
        chip_rev: str,
        image: Image,
        symbolize: Callable[[int], str] | None,
        timing: Timing | None = None,
    ) -> None:
        if ESP32P4.chip_revisions[chip_rev] != image.chip_revision:
            names = {number: name for name, number in ESP32P4.chip_revisions.items()}
            found = names.get(image.chip_revision, str(image.chip_revision))
            what = f"the image is for chip revision {found}, the simulated chip is {chip_rev}"
            raise DeviceError(what, f"compile with --chip-rev {chip_rev}, or simulate --chip-rev {found}")
        self._image = image
        self._bases = place_segments(image)
        self.code = code = self._bases["code"]
        locate = None if symbolize is None else (lambda address: symbolize(address - code))
        self.simulator = Simulator(chip_rev, strict=True, symbolize=locate, timing=timing)
        for segment in image.segments:
            if segment.data:
                self.simulator.write(self._bases[segment.kind], segment.data)

    def run(self, input_block: bytes, steps: int = ALL_STEPS) -> RunResult:
        """Run the first `steps` layers; see Session."""
        image, arena = self._image, self._bases["arena"]
        self.simulator.write(arena + image.input_offset, input_block)
        words = {
            "input": arena + image.input_offset,
            "output": arena + image.output_offset,
            "arena": arena,
            "weights": self._bases["weights"],
            "weights_psram": self._bases.get("weights_psram", 0),
            "steps": steps,
        }
        code = self._bases["code"]
        for name, value in words.items():
            self.simulator.write(code + 4 * CONTROL_WORDS[name], struct.pack("<I", value))
        region = ESP32P4.region("l2mem")
        result = self.simulator.call(
            code + image.entry_offset, stack_top=region.start + region.size, max_instructions=MAX_INSTRUCTIONS
        )
        control = struct.unpack(f"<{CONTROL_BYTES // 4}I", self.simulator.read(code, CONTROL_BYTES))
        if control[CONTROL_WORDS["status"]] != 0:
            status = control[CONTROL_WORDS["status"]] - (1 << 32)
            raise DeviceError(f"the model returned status {status}", "please report this with the model")
        cycles = control[CONTROL_WORDS["cycles_low"]] | control[CONTROL_WORDS["cycles_high"]] << 32
        output = self.simulator.read(arena + image.output_offset, image.output_bytes)
        return RunResult(output, cycles, result.instructions)

    def read(self, buffer: Buffer) -> bytes:
        """The bytes of a buffer as the last run left them."""
        offsets = {"arena": 0, "input": self._image.input_offset, "output": self._image.output_offset}
        return self.simulator.read(self._bases["arena"] + offsets[buffer.place] + buffer.offset, buffer.size)

    def cancel(self) -> None:
        """Nothing: the simulated chip finishes its row."""

    def close(self) -> None:
        """Free the simulated chip."""
        self.simulator.close()


def place_segments(image: Image) -> dict[str, int]:
    """The address of each segment by its kind: one behind the other in its region, each aligned.

    DeviceError when a region is too small.
    """
    ends = {region.name: region.start for region in ESP32P4.regions}
    bases = {}
    for segment in image.segments:
        region = ESP32P4.region("l2mem" if segment.region == "any" else segment.region)
        base = -(-ends[region.name] // segment.alignment) * segment.alignment
        ends[region.name] = base + segment.size
        reserved = STACK_BYTES if region.name == "l2mem" else 0
        if ends[region.name] > region.start + region.size - reserved:
            what = f"the {segment.kind} segment needs {segment.size:,} bytes of {region.name}, which has "
            free = region.start + region.size - reserved - base
            raise DeviceError(f"{what}{max(free, 0):,} free", "use a smaller network or input")
        bases[segment.kind] = base
    return bases
