"""The commands of `p4c`, one file each, and their table.

Heavy rooms are imported inside the commands that need them, so that `p4c --help` is quick.
"""

from __future__ import annotations

import argparse
from typing import Protocol

from . import board, check, compile, devices, doctor, inspect, ops, profile, run, summary, verify


class Command(Protocol):
    """What the module of a command has: its line in `p4c --help`, its arguments, and what it does."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it and return the exit status."""


COMMANDS: dict[str, Command] = {
    "compile": compile,
    "check": check,
    "summary": summary,
    "run": run,
    "verify": verify,
    "profile": profile,
    "inspect": inspect,
    "ops": ops,
    "board": board,
    "devices": devices,
    "doctor": doctor,
}
