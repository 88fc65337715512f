"""Memory on a P4-JIT board whose address nobody has: an answer to ALLOC was lost, or the host that knew it has died.

P4-JIT 1.0 keeps no list that a host could ask for, but it refuses a READ that does not lie within one block: so
blocks can be felt. What a host has there is also noted in a file, one for each port, for the host that comes next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ...backend.cache import cache_dir
from ...backend.image import LINE
from ...backend.target import ESP32P4

# probe(address, size): whether the range lies within one block.
Probe = Callable[[int, int], bool]


def is_block(probe: Probe, address: int, size: int) -> bool:
    """Whether a block of exactly `size` bytes begins at an address."""
    end = address + size
    return probe(address, size) and not probe(address - 1, 2) and not probe(end - 1, 2)


def blocks(probe: Probe, size: int, region: str) -> Iterator[int]:
    """Where blocks of exactly `size` bytes begin in a memory, all of them on cache lines."""
    memory = ESP32P4.region("psram" if region == "psram" else "l2mem")
    # Every block of that size holds an address of a grid as wide.
    for inside in range(memory.start, memory.start + memory.size, max(LINE, size // LINE * LINE)):
        address = inside
        while address > inside - size and probe(address, 1):
            if is_block(probe, address, size):
                yield address
                break
            address -= LINE


class Notes:
    """The blocks that p4c has on the board at a port, kept in the user's cache folder."""

    def __init__(self, port: str) -> None:
        folder = cache_dir() / "blocks"
        folder.mkdir(exist_ok=True)
        self._file: Path = folder / f"{hashlib.sha256(port.encode()).hexdigest()[:16]}.json"
        self.blocks: dict[int, int] = {}

    def left(self) -> dict[int, int]:
        """Address and size of what a host before left there, if it is still there."""
        with suppress(OSError, ValueError, AttributeError):
            return {int(address): int(size) for address, size in json.loads(self._file.read_text()).items()}
        return {}

    def add(self, address: int, size: int) -> None:
        """Note a block."""
        self.blocks[address] = size
        self._write()

    def remove(self, address: int) -> None:
        """Forget a block."""
        self.blocks.pop(address, None)
        self._write()

    def _write(self) -> None:
        # A full disk must not keep anybody from running a model.
        with suppress(OSError):
            if self.blocks:
                self._file.write_text(json.dumps(self.blocks))
            else:
                self._file.unlink(missing_ok=True)
