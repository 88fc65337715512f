"""The timing model's constants: one table, its records, and what the compiler is told of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from ..compiler.schedule import CostModel

TABLE = Path(__file__).with_name("timing.tsv")


@dataclass(frozen=True)
class Constant:
    """One row of timing.tsv."""

    name: str
    value: int
    unit: str
    source: str


@functools.cache
def constants() -> tuple[Constant, ...]:
    """The rows of timing.tsv, in order."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return tuple(Constant(name, int(value), unit, source) for name, value, unit, source in rows[1:])


@functools.cache
def cost_model() -> CostModel:
    """What the compiler weighs its choices with."""
    value = {row.name: row.value for row in constants()}
    return CostModel(
        l1_bytes=value["l1d_bytes"],
        line=value["l1_line"],
        l2mem_miss=value["l1_to_l2mem"],
        victim=value["dirty_victim"],
    )
