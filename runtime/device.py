"""The Device interface: something that loads an image and runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..backend.image import Image
from ..compiler.plan import Buffer

ALL_STEPS = 0xFFFF_FFFF

# What hears (done, total) of a long task.
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class RunResult:
    """One inference: the output block, cycles by the device's own counter, and instructions where it counts them.

    On the simulator, without a timing model, a cycle is an instruction; a board counts no instructions.
    """

    output: bytes
    cycles: int
    instructions: int | None


class Session(Protocol):
    """A loaded image; not for use by two threads at a time. Closing it frees its memory on the device."""

    def run(self, input_block: bytes, steps: int = ALL_STEPS) -> RunResult:
        """Run the first `steps` layers on one input block; DeviceError when the device fails."""

    def read(self, buffer: Buffer) -> bytes:
        """The bytes of a buffer as the last run left them."""

    def cancel(self) -> None:
        """End a run that another thread waits for, where the device can."""

    def close(self) -> None:
        """Free what the image occupies."""


class Device(Protocol):
    """Something that images can be loaded on; `parallel` sessions may run at the same time.

    `counts` says what the cycles of its runs are.
    """

    name: str
    counts: str
    parallel: int

    def load(self, image: Image) -> Session:
        """Load an image; DeviceError when it is for another chip revision or memory does not suffice."""
