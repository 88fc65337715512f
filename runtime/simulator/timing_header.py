"""The timing model's constants: one table, its records, and the C header made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("timing.tsv")


@dataclass(frozen=True)
class Constant:
    """One row of timing.tsv."""

    name: str
    value: int
    unit: str
    source: str


def constants() -> list[Constant]:
    """The rows of timing.tsv, in order."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [Constant(name, int(value), unit, source) for name, value, unit, source in rows[1:]]


def timing_header_text() -> str:
    """A macro TIME_<NAME> for each constant."""
    macros = [f"#define TIME_{row.name.upper()} {row.value}" for row in constants()]
    return "\n".join(["/* Generated from timing.tsv: do not edit. */", *macros, ""])
