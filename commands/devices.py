"""`p4c devices`."""

from __future__ import annotations

import argparse
import json

from .arguments import positive_number

HELP = "list the ports where a board answers, and virtual boards"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("--baud", type=positive_number, default=115_200, metavar="N", help="of serial ports")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """`p4c devices`."""
    from ..runtime.board.ports import candidates, look
    from ..runtime.render import print_devices

    found = [look(port, options.baud) for port in candidates()]
    if options.json:
        about = [{"board": one.board, "chip_rev": one.chip_rev, "state": one.text} for one in found]
        listed = [vars(one.port) | facts for one, facts in zip(found, about, strict=True)]
        print(json.dumps({"schema": "p4c.devices/1", "devices": listed}, indent=1))
    else:
        print_devices(found)
    return 0
