"""The arena planner: one pure function from live ranges to offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LiveRange:
    """A buffer of `size` bytes that must keep its contents from step `first` to step `last`, both included."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class ArenaPlan:
    """Offset of each buffer, bytes of the arena, and the largest set of bytes that are live at one step."""

    offsets: dict[str, int]
    size: int
    lower_bound: int


def plan_arena(ranges: Sequence[LiveRange], alignment: int) -> ArenaPlan:
    """Place every range so that no two that are live at one step overlap.

    Each range goes to the lowest gap that holds it, in several orders; the smallest arena wins. Offsets are multiples
    of `alignment`; the lower bound counts sizes rounded up to it.
    """
    rounded = [LiveRange(r.name, -(-r.size // alignment) * alignment, r.first, r.last) for r in ranges]
    orders = (
        sorted(rounded, key=lambda r: (-r.size, r.first, r.name)),
        sorted(rounded, key=lambda r: (r.first, -r.size, r.name)),
        sorted(rounded, key=lambda r: (-(r.last - r.first), -r.size, r.name)),
        sorted(rounded, key=lambda r: (-r.last, -r.size, r.name)),
    )
    offsets = min((_first_fit(order) for order in orders), key=lambda o: _extent(o, rounded))
    return ArenaPlan(offsets, _extent(offsets, rounded), lower_bound(rounded))


def lower_bound(ranges: Sequence[LiveRange]) -> int:
    """The largest sum of sizes that are live at one step; no arena can be smaller."""
    steps = {r.first for r in ranges}
    return max((sum(r.size for r in ranges if r.first <= step <= r.last) for step in steps), default=0)


def _first_fit(order: Sequence[LiveRange]) -> dict[str, int]:
    placed: list[tuple[int, LiveRange]] = []
    for wanted in order:
        offset = 0
        for start, other in sorted(placed, key=lambda item: item[0]):
            if other.first > wanted.last or other.last < wanted.first:
                continue
            if start - offset >= wanted.size:
                break
            offset = max(offset, start + other.size)
        placed.append((offset, wanted))
    return {r.name: offset for offset, r in placed}


def _extent(offsets: dict[str, int], ranges: Sequence[LiveRange]) -> int:
    return max((offsets[r.name] + r.size for r in ranges), default=0)
