"""The printers of errors and warnings."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, replace

from ..compiler.errors import ModelError, P4CError, Problem, ProblemGroup, grouped

WIDTH = 100
# Of a name in a text for people; exporters put what tells nodes apart at its end.
NAME_SHOWN = 60
# Of the further nodes of a group.
NODES_SHOWN = 4


def print_error(error: P4CError, *, as_json: bool) -> None:
    """The one printer of errors: each problem a sentence of fact and one of advice, no traceback."""
    if as_json:
        problems = [asdict(problem) for problem in (*error.problems, *error.warnings)]
        print(json.dumps({"schema": "p4c.error/1", "file": error.file, "problems": problems}, indent=1))
    where = f"{error.file}: " if error.file else ""
    for problem in error.problems:
        print(f"p4c: error: {where}{problem}", file=sys.stderr)
    print_warnings(error.warnings)
    if isinstance(error, ModelError) and len(error.problems) > 1:
        print(f"p4c: {len(error.problems)} problems", file=sys.stderr)


def print_warnings(warnings: Sequence[Problem]) -> None:
    """What is doubtful but compiles, on stderr."""
    for warning in warnings:
        print(f"p4c: warning: {warning}", file=sys.stderr)


def print_findings(file: str, problems: Sequence[Problem], *, verbose: bool) -> None:
    """Errors, then warnings, on stderr; alike ones as one entry, lines of WIDTH columns.

    Long names keep their ends, and of the nodes that share a problem the first are named; all of it if `verbose`.
    """
    for group in sorted(grouped(problems), key=lambda group: group.first.warning):
        first = group.first if verbose else _shortened(group.first)
        kind = "warning" if first.warning else "error"
        place = f"{first.place}: " if first.place else ""
        print(_wrapped(f"p4c: {kind}: {file}: {place}{first.what}", verbose=verbose), file=sys.stderr)
        if len(group.problems) > 1:
            print(_wrapped(f"  also: {_others(group, verbose=verbose)}", verbose=verbose), file=sys.stderr)
        advice = str(first).splitlines()[-1]
        print(_wrapped(advice, verbose=verbose), file=sys.stderr)


def _others(group: ProblemGroup, *, verbose: bool) -> str:
    """The further places of a group, in words."""
    others = group.problems[1:]
    places = dict.fromkeys(problem.node or problem.tensor for problem in others)
    shown = list(places) if verbose else [_end(name) for name in list(places)[:NODES_SHOWN]]
    more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
    same = len({problem.what for problem in group.problems}) == 1
    alike = "the same" if same else "the like, with other names or numbers,"
    times = "once" if len(others) == 1 else f"{len(others)} times"
    return f"{alike} {times} more: {', '.join(shown)}{more}"


def _shortened(problem: Problem) -> Problem:
    return replace(problem, node=_end(problem.node), tensor=_end(problem.tensor))


def _end(name: str) -> str:
    return name if len(name) <= NAME_SHOWN else "…" + name[1 - NAME_SHOWN :]


def _wrapped(text: str, *, verbose: bool) -> str:
    """Lines of WIDTH columns, the further ones set in; what has lines of its own, and names, stay whole."""
    if verbose or "\n" in text:
        return text
    lines = textwrap.wrap(
        text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return "\n".join(lines)
