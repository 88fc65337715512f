"""`p4c board`: until Ctrl-C."""

from __future__ import annotations

import argparse

from .arguments import positive_number

HELP = "serve a virtual board: p4c's firmware on the simulated chip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("--port", type=positive_number, default=0, metavar="N", help="TCP port, default a free one")
    parser.add_argument("--chip-rev", default="v3", metavar="REV", help="of the simulated chip, v3 (default) or v1")
    text = "run what breaks the rules for hardware loops and SIMD, as the chip mostly does, instead of faulting"
    parser.add_argument("--lenient", action="store_true", help=text)


def run(options: argparse.Namespace) -> int:
    """`p4c board`: until Ctrl-C."""
    from ..runtime.board.ports import serve

    serve(options.chip_rev, options.port, lambda line: print(line, flush=True), strict=not options.lenient)
    return 0
