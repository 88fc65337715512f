"""`p4c verify`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import device_arguments, dump_argument, model_arguments, positive_number
from .session import board_of, compiled, data_of, device_of, dump_folder

if TYPE_CHECKING:
    from ..runtime.data import Data
    from ..runtime.device import Device
    from ..runtime.explain import Origin
    from ..runtime.model import CompiledModel
    from ..runtime.verify import Verdict

HELP = "compare a model's outputs with onnxruntime's"
MISMATCH = 1

# Of rows that differ, so many are followed layer by layer to where they begin to.
EXPLAINED_ROWS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    device_arguments(parser)
    dump_argument(parser)
    parser.add_argument("--data", type=Path, metavar="FILE", required=True, help=".npz or .npy: input, labels y")
    parser.add_argument("--layers", action="store_true", help="compare every tensor, not only the outputs")
    parser.add_argument("--limit", type=positive_number, metavar="N", help="only the first N rows")


def run(options: argparse.Namespace) -> int:
    """`p4c verify`."""
    from ..runtime import render

    with board_of(options) as board:
        model = compiled(options, dump_folder(options))
        data = data_of(model, options.data, options).limited(options.limit)
        with device_of(model, board, options) as device, render.progress_bar("verifying", quiet=options.json) as bar:
            if options.layers:
                layers = model.verify_layers(data.inputs, device=device, progress=bar)
            else:
                verdict = model.verify(data.inputs, data.labels, device=device, progress=bar)
                origins = _origins(model, data, verdict, device)
    if options.layers:
        print(json.dumps(render.layers_json(layers), indent=1)) if options.json else render.print_layers(layers)
        return 0 if layers.passed else MISMATCH
    if options.json:
        print(json.dumps(render.verdict_json(verdict, origins), indent=1))
    else:
        render.print_verdict(verdict, origins)
    return 0 if verdict.passed else MISMATCH


def _origins(model: CompiledModel, data: Data, verdict: Verdict, device: Device | None) -> list[Origin]:
    """Where the first rows that differ begin to differ."""
    rows = [mismatch.row for mismatch in verdict.mismatches[:EXPLAINED_ROWS]]
    differing = {name: array[rows] for name, array in data.inputs.items()}
    return model.explain(differing, device=device) if rows else []
