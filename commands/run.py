"""`p4c run`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .arguments import device_arguments, dump_argument, model_arguments
from .session import board_of, compiled, data_of, device_of, dump_folder

HELP = "run a model on the simulated chip or a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    device_arguments(parser)
    dump_argument(parser)
    parser.add_argument("--input", type=Path, metavar="FILE", required=True, help=".npy or .npz with the input rows")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write outputs there as .npy or .npz")
    parser.add_argument("--raw", action="store_true", help="take and give the stored integers")


def run(options: argparse.Namespace) -> int:
    """`p4c run`."""
    import numpy as np

    from ..runtime.data import load_raw
    from ..runtime.render import check_outputs_path, print_outputs, progress_bar, save_outputs

    if options.output is not None:
        check_outputs_path(options.output)
    with board_of(options) as board:
        model = compiled(options, dump_folder(options))
        inputs = load_raw(options.input, model.plan) if options.raw else data_of(model, options.input, options).inputs
        with device_of(model, board, options) as device, progress_bar("running", quiet=options.json) as progress:
            result = model.run(inputs, raw=options.raw, device=device, progress=progress)
    outputs = result if isinstance(result, dict) else {model.plan.outputs[0].name: np.asarray(result)}
    if options.output is not None:
        save_outputs(options.output, outputs)
    if options.json:
        listed = {name: array.tolist() for name, array in outputs.items()}
        counted = {"total_cycles": device.cycles, "counts": device.counts} if device else {}
        print(json.dumps({"schema": "p4c.run/1", "outputs": listed} | counted))
    elif options.output is None:
        print_outputs(outputs)
    if device and not options.json:
        print(f"{device.cycles:,} {device.counts} per inference, at most")
    return 0
