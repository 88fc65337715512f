"""`p4c check`: everything but the C compiler."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.errors import ModelError, Problem
from .arguments import compile_options, model_arguments, positive_number
from .messages import print_findings

if TYPE_CHECKING:
    from ..driver import Planned
    from ..runtime.accuracy import Accuracy

HELP = "name everything unsupported or doubtful in a model, at once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    model_arguments(parser)
    parser.set_defaults(dump_ir=None)
    text = ".npz or .npy: what 8 bits do to each layer on this data (docs/accuracy.md)"
    parser.add_argument("--data", type=Path, metavar="FILE", help=text)
    parser.add_argument("--limit", type=positive_number, metavar="N", help="only the first N rows")


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
    accuracy = _measured(options, planned) if options.data is not None else None
    warnings = planned.warnings
    if accuracy is not None:
        from ..runtime.accuracy import accuracy_warnings

        warnings = (*warnings, *accuracy_warnings(accuracy))
    _print(options, warnings, accuracy)
    if not options.json:
        print(f"{options.model}: compiles, {len(planned.plan.steps)} layers{_doubts(warnings)}")
    return 0


def _measured(options: argparse.Namespace, planned: Planned) -> Accuracy:
    """The figures of --data."""
    from ..driver import measure_accuracy
    from ..runtime.render import progress_bar

    with progress_bar("measuring", quiet=options.json) as bar:
        return measure_accuracy(planned, options.data, compile_options(options), options.limit, bar)


def _print(options: argparse.Namespace, problems: Sequence[Problem], accuracy: Accuracy | None = None) -> None:
    """All that was found: problems for people on stderr, figures and what is for programs on stdout."""
    if accuracy is not None and not options.json:
        from ..runtime.render_accuracy import print_accuracy

        print_accuracy(accuracy)
        sys.stdout.flush()
    if options.json:
        print_check(options.model, problems, accuracy)
    else:
        print_findings(str(options.model), problems, verbose=options.verbose)


def counted(count: int, what: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {what}{'s' * (count != 1)}"


def _doubts(warnings: Sequence[Problem]) -> str:
    return f", {counted(len(warnings), 'warning')}" if warnings else ""


def print_check(model: Path, problems: Sequence[Problem], accuracy: Accuracy | None) -> None:
    """What `check --json` gives, whether the model compiles or not."""
    listed = [asdict(problem) for problem in problems]
    result: dict[str, Any] = {"schema": "p4c.check/1", "file": str(model), "problems": listed}
    if accuracy is not None:
        from ..runtime.accuracy import accuracy_json

        result["accuracy"] = accuracy_json(accuracy)
    print(json.dumps(result, indent=1))
