"""The ESP32-P4 as one record of facts, with their sources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A range of addresses; `size` in bytes."""

    name: str
    start: int
    size: int


@dataclass(frozen=True)
class Target:
    """What the compiler needs to know of a chip.

    `alignment` is that of every buffer and constant (a vector register), `line` the unit of allocation that keeps
    cache maintenance apart, `ram_budget` the internal memory that a model may take where nothing else is said.
    `chip_revisions` maps the names on the command line to the number in an image.
    """

    name: str
    alignment: int
    line: int
    regions: tuple[Region, ...]
    chip_revisions: dict[str, int]
    ram_budget: int

    def region(self, name: str) -> Region:
        """The region of that name; KeyError when there is none."""
        return {region.name: region for region in self.regions}[name]


ESP32P4 = Target(
    name="esp32p4",
    # PIE loads and stores drop the low four address bits.
    alignment=16,
    # L2 cache lines are 128 bytes where the L2 cache is 512 KB, and the loader syncs whole ones.
    line=128,
    regions=(
        # ESP-IDF soc.h and memory.ld: L2MEM behind the L1 caches, external RAM, and the tightly coupled memory.
        Region("l2mem", 0x4FF0_0000, 768 * 1024),
        Region("psram", 0x4800_0000, 32 * 1024 * 1024),
        Region("tcm", 0x3010_0000, 8 * 1024),
    ),
    chip_revisions={"v1": 1, "v3": 3},
    # Of the 768 KB of L2MEM the L2 cache takes 128 to 512 and an application its share.
    ram_budget=256 * 1024,
)


def lines(size: int, target: Target) -> int:
    """`size` bytes rounded up to whole cache lines."""
    return -(-size // target.line) * target.line
