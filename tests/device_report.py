"""What tests measured on a board, beside what the simulator estimates: a page to read and the same for programs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from .device_under_test import DeviceUnderTest

HEAD = """\
# {name}

Chip revision {chip_rev}, {mhz:g} MHz. Cycles are those of the board's own counter, caches warm. Estimates are those
of the simulator's timing model with an L2 cache of 256 KB, for the same code.
"""
SIMULATED = """\
**This board is simulated: it counts instructions, which are no measurement of anything.**
"""


@dataclass(frozen=True)
class Row:
    """A network, one of its layers, or a program of a few instructions."""

    name: str
    estimated: int
    measured: int

    @property
    def ratio(self) -> float:
        return self.measured / max(self.estimated, 1)


@dataclass(frozen=True)
class Network:
    """A network's whole and its layers."""

    whole: Row
    layers: tuple[Row, ...]


class Report:
    """Rows as tests bring them."""

    def __init__(self) -> None:
        self.networks: list[Network] = []
        self.programs: list[Row] = []

    @property
    def has_rows(self) -> bool:
        return bool(self.networks or self.programs)

    def write(self, path: Path, device: DeviceUnderTest) -> list[Path]:
        """Write `path`, a Markdown file, and the same as JSON beside it."""
        path.write_text(self.text(device))
        data = {"schema": "p4c.measured/1", **dataclasses.asdict(device)}
        data |= {"networks": list(map(dataclasses.asdict, self.networks))}
        data |= {"programs": list(map(dataclasses.asdict, self.programs))}
        path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
        return [path, path.with_suffix(".json")]

    def text(self, device: DeviceUnderTest) -> str:
        parts = [HEAD.format(name=device.name, chip_rev=device.chip_rev, mhz=device.clock / 1e6)]
        if device.simulated:
            parts.append(SIMULATED)
        if self.networks:
            parts.append(table("Networks", "network", [network.whole for network in self.networks]))
        if self.programs:
            parts.append(table("Programs of a few instructions", "program", self.programs))
        for network in self.networks:
            parts.append(table(f"Layers: {network.whole.name}", "layer", network.layers))
        return "\n".join(parts)


def table(title: str, what: str, rows: list[Row] | tuple[Row, ...]) -> str:
    lines = [f"## {title}\n", f"| {what} | estimated | measured | measured / estimated |", "|---|---:|---:|---:|"]
    lines += [f"| {row.name} | {row.estimated:,} | {row.measured:,} | {row.ratio:.2f} |" for row in rows]
    return "\n".join([*lines, ""])
