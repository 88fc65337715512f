"""`p4c profile`."""

from __future__ import annotations

import argparse
import json

from .arguments import device_arguments, dump_argument, model_arguments
from .session import board_of, compiled, device_of, dump_folder

HELP = "estimate the cycles of each layer, and measure them on a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    device_arguments(parser)
    dump_argument(parser)
    parser.add_argument("--l2-kb", type=int, choices=(128, 256, 512), default=256, help="size of the L2 cache")


def run(options: argparse.Namespace) -> int:
    """`p4c profile`."""
    from ..runtime.measured import measure, measured_json
    from ..runtime.profile import profile, profile_json
    from ..runtime.render import print_measured, print_profile
    from ..runtime.simulator.timing import Timing

    with board_of(options) as board:
        model = compiled(options, dump_folder(options))
        with device_of(model, board, options) as device:
            if device is not None:
                measured = measure(model, device, Timing(l2_kb=options.l2_kb))
                as_json = options.json
                print(json.dumps(measured_json(measured, model), indent=1)) if as_json else print_measured(measured)
                return 0
    result = profile(model, Timing(l2_kb=options.l2_kb))
    if options.json:
        print(json.dumps(profile_json(result, model), indent=1))
    else:
        print_profile(result, verbose=options.verbose)
    return 0
