"""`p4c check`: everything but the C compiler."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..compiler.errors import ModelError, Problem
from .arguments import compile_options, model_arguments
from .messages import print_findings

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
        found = (*error.problems, *error.warnings)
        _print(options, found)
        if not options.json:
            verdict = f"does not compile: {counted(len(error.problems), 'problem')}"
            print(f"{options.model}: {verdict}{_doubts(error.warnings)}", file=sys.stderr)
        return error.exit_status
    _print(options, planned.warnings)
    if not options.json:
        print(f"{options.model}: compiles, {len(planned.plan.steps)} layers{_doubts(planned.warnings)}")
    return 0


def _print(options: argparse.Namespace, problems: Sequence[Problem]) -> None:
    """All that was found: for people on stderr, for programs on stdout."""
    if options.json:
        print_check(options.model, problems)
    else:
        print_findings(str(options.model), problems, verbose=options.verbose)


def counted(count: int, what: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {what}{'s' * (count != 1)}"


def _doubts(warnings: Sequence[Problem]) -> str:
    return f", {counted(len(warnings), 'warning')}" if warnings else ""


def print_check(model: Path, problems: Sequence[Problem]) -> None:
    """What `check --json` gives, whether the model compiles or not."""
    listed = [asdict(problem) for problem in problems]
    print(json.dumps({"schema": "p4c.check/1", "file": str(model), "problems": listed}, indent=1))
