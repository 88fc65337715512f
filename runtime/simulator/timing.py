"""What the timing model estimated: its configuration, and counters that can be subtracted and explained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from .native import COUNTERS, CounterRecord, MemoryBytes

# L2 cache sizes that the chip can be configured with, in KB of its L2MEM.
L2_SIZES = (128, 256, 512)


@dataclass(frozen=True)
class Timing:
    """The machine whose cycles are estimated; the clock only turns cycles into time."""

    l2_kb: int = 256
    clock_mhz: int = 360

    def milliseconds(self, cycles: int) -> float:
        """Cycles as time at this clock."""
        return cycles / (self.clock_mhz * 1000)

    def describe(self) -> str:
        """The label that every figure of the model carries."""
        return f"estimate, {self.clock_mhz} MHz, {self.l2_kb} KB L2 cache"


@dataclass(frozen=True)
class MemoryTraffic:
    """Bytes that loads or stores of the program named, by memory; caches may have served them."""

    device: int = 0
    tcm: int = 0
    flash: int = 0
    psram: int = 0
    l2mem: int = 0

    def __sub__(self, other: MemoryTraffic) -> MemoryTraffic:
        return MemoryTraffic(**{name: value - getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Counters:
    """Estimated cycles and what they went to; see struct p4c_sim_counters in sim.h.

    `cycles == instructions - pairs + fused_cycles + stalls`. The difference of two is what happened between.
    """

    cycles: int = 0
    instructions: int = 0
    pairs: int = 0
    fused_cycles: int = 0
    latency_stalls: int = 0
    branch_stalls: int = 0
    loop_stalls: int = 0
    unaligned_stalls: int = 0
    fetch_stalls: int = 0
    l2mem_stalls: int = 0
    l2_stalls: int = 0
    psram_stalls: int = 0
    flash_stalls: int = 0
    victim_stalls: int = 0
    mispredicts: int = 0
    fetch_misses: int = 0
    data_misses: int = 0
    l2_misses: int = 0
    read: MemoryTraffic = MemoryTraffic()
    written: MemoryTraffic = MemoryTraffic()

    @classmethod
    def of(cls, record: CounterRecord) -> Self:
        """A copy of what the C side counted."""
        plain = {name: getattr(record, name) for name in COUNTERS}
        return cls(**plain, read=_traffic(record.read), written=_traffic(record.written))

    @property
    def stalls(self) -> int:
        """Cycles in which nothing was issued, for any reason."""
        return sum(getattr(self, field.name) for field in fields(self) if field.name.endswith("_stalls"))

    @property
    def memory_stalls(self) -> int:
        """Cycles spent on cache misses of instructions and data."""
        data = self.l2mem_stalls + self.l2_stalls + self.psram_stalls + self.flash_stalls + self.victim_stalls
        return data + self.fetch_stalls

    def __sub__(self, other: Counters) -> Counters:
        names = [field.name for field in fields(self)]
        return Counters(**{name: getattr(self, name) - getattr(other, name) for name in names})


@dataclass(frozen=True)
class MarkedCounters:
    """The counters when the program reached a marked address: `marker` is its index in the list given."""

    marker: int
    counters: Counters


def _traffic(record: MemoryBytes) -> MemoryTraffic:
    return MemoryTraffic(record.device, record.tcm, record.flash, record.psram, record.l2mem)
