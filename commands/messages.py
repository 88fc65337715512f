"""The printers of errors and warnings."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from ..compiler.errors import ModelError, P4CError, Problem


def print_error(error: P4CError, *, as_json: bool) -> None:
    """The one printer of errors: each problem a sentence of fact and one of advice, no traceback."""
    if as_json:
        problems = [asdict(problem) for problem in error.problems]
        print(json.dumps({"schema": "p4c.error/1", "file": error.file, "problems": problems}, indent=1))
    where = f"{error.file}: " if error.file else ""
    for problem in error.problems:
        print(f"p4c: error: {where}{problem}", file=sys.stderr)
    if isinstance(error, ModelError) and len(error.problems) > 1:
        print(f"p4c: {len(error.problems)} problems", file=sys.stderr)


def print_warnings(warnings: Sequence[Problem]) -> None:
    """What is doubtful but compiles, on stderr."""
    for warning in warnings:
        print(f"p4c: warning: {warning}", file=sys.stderr)
