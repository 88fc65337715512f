"""`p4c model.onnx`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from .arguments import compile_options, dump_argument, model_arguments
from .messages import print_warnings
from .session import compiled

HELP = "compile a model (the default command)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    dump_argument(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="output folder, default <stem>.p4c; the file of --emit onnx"
    )
    text = "folder (default), component: an ESP-IDF component named as the folder, or onnx: the model as plain QDQ"
    parser.add_argument("--emit", metavar="KIND", help=text)


def run(options: argparse.Namespace) -> int:
    """`p4c model.onnx`."""
    from ..backend.report import report
    from ..driver import default_output, write_qdq
    from ..runtime.render import print_report

    output = options.output or default_output(options.model, options.emit)
    if options.emit == "onnx":
        print_warnings(write_qdq(options.model, output, compile_options(options)))
        print(
            json.dumps({"schema": "p4c.onnx/1", "output": str(output)})
            if options.json
            else f"{output}: QDQ, as p4c reads it"
        )
        return 0
    model = compiled(options, output)
    if options.json:
        facts = report(model.plan, model.build, model.name)
        facts |= {"output": str(output), "warnings": [asdict(problem) for problem in model.warnings]}
        print(json.dumps(facts, indent=1))
    else:
        component = "an ESP-IDF component for chips of any revision"
        made = component if options.emit == "component" else f"chip revision {model.chip_rev}"
        print_report(model, output, made, verbose=options.verbose)
    return 0
