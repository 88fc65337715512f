"""`p4c check`: everything but the C compiler."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..compiler.errors import ModelError, Problem
from .arguments import compile_options, model_arguments
from .messages import print_error, print_warnings

HELP = "name everything unsupported or doubtful in a model, at once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    parser.set_defaults(dump_ir=None)


def run(options: argparse.Namespace) -> int:
    """`p4c check`: everything but the C compiler."""
    from ..driver import plan_model

    try:
        planned = plan_model(options.model, compile_options(options))
    except ModelError as error:
        print_error(error, as_json=False)
        if options.json:
            print_check(options.model, error.problems)
        return error.exit_status
    if options.json:
        print_check(options.model, planned.warnings)
        return 0
    print_warnings(planned.warnings)
    count = len(planned.warnings)
    doubts = f", {count} warning{'s' * (count > 1)}" if count else ""
    print(f"{options.model}: compiles, {len(planned.plan.steps)} layers{doubts}")
    return 0


def print_check(model: Path, problems: Sequence[Problem]) -> None:
    """What `check --json` gives, whether the model compiles or not."""
    listed = [asdict(problem) for problem in problems]
    print(json.dumps({"schema": "p4c.check/1", "file": str(model), "problems": listed}, indent=1))
