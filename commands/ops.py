"""`p4c ops`."""

from __future__ import annotations

import argparse
import json

HELP = "list the operators, what is taken of them, and their kernels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """`p4c ops`."""
    from ..driver import operators
    from ..runtime.operators import operators_json, operators_text

    table = operators()
    print(json.dumps(operators_json(table), indent=1) if options.json else operators_text(table))
    return 0
