"""`p4c model.onnx`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from .arguments import dump_argument, model_arguments
from .session import compiled

HELP = "compile a model (the default command)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    dump_argument(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="output folder, default <stem>.p4c")


def run(options: argparse.Namespace) -> int:
    """`p4c model.onnx`."""
    from ..driver import default_output
    from ..runtime.render import print_report

    output = options.output or default_output(options.model)
    model = compiled(options, output)
    if options.json:
        report = json.loads(model.files["report.json"])
        report |= {"output": str(output), "warnings": [asdict(problem) for problem in model.warnings]}
        print(json.dumps(report, indent=1))
    else:
        print_report(model, output, verbose=options.verbose)
    return 0
