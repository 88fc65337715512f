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
class Overlay:
    """A result that may be written over an operand, where the operand begins exactly `distance` bytes behind it.

    Both are names of live ranges: the operand is read for the last time in the step that makes the result.
    """

    result: str
    operand: str
    distance: int


@dataclass(frozen=True)
class ArenaPlan:
    """Offset of each buffer, bytes of the arena, and the largest set of bytes that are live at one step."""

    offsets: dict[str, int]
    size: int
    lower_bound: int


def plan_arena(ranges: Sequence[LiveRange], alignment: int, overlays: Sequence[Overlay] = ()) -> ArenaPlan:
    """Place every range so that no two that are live at one step overlap, but for overlays at their distance.

    Each range goes where an overlay wants it or to the lowest gap that holds it, in several orders; the smallest
    arena wins. Offsets are multiples of `alignment`; the lower bound counts sizes rounded up to it.
    """
    rounded = [LiveRange(r.name, -(-r.size // alignment) * alignment, r.first, r.last) for r in ranges]
    distances = _distances(overlays)
    orders = (
        sorted(rounded, key=lambda r: (-r.size, r.first, r.name)),
        sorted(rounded, key=lambda r: (r.first, -r.size, r.name)),
        sorted(rounded, key=lambda r: (-(r.last - r.first), -r.size, r.name)),
        sorted(rounded, key=lambda r: (-r.last, -r.size, r.name)),
    )
    offsets = min((_first_fit(order, distances) for order in orders), key=lambda o: _extent(o, rounded))
    return ArenaPlan(offsets, _extent(offsets, rounded), lower_bound(rounded, overlays))


def lower_bound(ranges: Sequence[LiveRange], overlays: Sequence[Overlay] = ()) -> int:
    """The largest sum of sizes that are live at one step, less what overlays can save there at most.

    No arena can be smaller.
    """
    sizes = {r.name: r.size for r in ranges}
    saved: dict[str, int] = {}
    for overlay in overlays:
        shared = min(sizes[overlay.operand], sizes[overlay.result] - overlay.distance)
        saved[overlay.result] = min(saved.get(overlay.result, 0) + shared, sizes[overlay.result])
    totals = (
        sum(r.size - (saved.get(r.name, 0) if r.first == step else 0) for r in ranges if r.first <= step <= r.last)
        for step in {r.first for r in ranges}
    )
    return max(totals, default=0)


def _distances(overlays: Sequence[Overlay]) -> dict[str, dict[str, int]]:
    """For each range those it may overlap, and how far behind it they must begin."""
    distances: dict[str, dict[str, int]] = {}
    for overlay in overlays:
        distances.setdefault(overlay.result, {})[overlay.operand] = overlay.distance
        distances.setdefault(overlay.operand, {})[overlay.result] = -overlay.distance
    return distances


def _first_fit(order: Sequence[LiveRange], distances: dict[str, dict[str, int]]) -> dict[str, int]:
    placed: list[tuple[int, LiveRange]] = []
    for wanted in order:
        allowed = distances.get(wanted.name, {})
        busy = [(at, other) for at, other in placed if other.first <= wanted.last and wanted.first <= other.last]
        overlaid = sorted(at - allowed[other.name] for at, other in busy if other.name in allowed)
        gaps = sorted({0, *(at + other.size for at, other in busy)})
        fitting = (at for at in (*overlaid, *gaps) if at >= 0 and _fits(at, wanted, busy, allowed))
        placed.append((next(fitting), wanted))
    return {r.name: offset for offset, r in placed}


def _fits(at: int, wanted: LiveRange, busy: Sequence[tuple[int, LiveRange]], allowed: dict[str, int]) -> bool:
    """True when no range that is live at the same time is in the way."""
    for start, other in busy:
        apart = start + other.size <= at or at + wanted.size <= start
        if not apart and start - at != allowed.get(other.name):
            return False
    return True


def _extent(offsets: dict[str, int], ranges: Sequence[LiveRange]) -> int:
    return max((offsets[r.name] + r.size for r in ranges), default=0)
