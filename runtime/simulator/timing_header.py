"""The timing model's constants as a C header."""

from __future__ import annotations

from ...backend.timing import constants


def timing_header_text() -> str:
    """A macro TIME_<NAME> for each constant."""
    macros = [f"#define TIME_{row.name.upper()} {row.value}" for row in constants()]
    return "\n".join(["/* Generated from timing.tsv: do not edit. */", *macros, ""])
