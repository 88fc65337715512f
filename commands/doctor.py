"""`p4c doctor`."""

from __future__ import annotations

import argparse
import json

HELP = "check toolchain, cache and simulator on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("--toolchain", default="zig", metavar="NAME", help="the C compiler to check")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """`p4c doctor`."""
    from ..runtime.doctor import examine
    from ..runtime.render import print_findings

    findings = examine(options.toolchain)
    if options.json:
        listed = [{"name": f.name, "good": f.good, "text": f.text, "advice": f.advice} for f in findings]
        print(json.dumps({"schema": "p4c.doctor/1", "findings": listed}, indent=1))
    else:
        print_findings(findings)
    return 0 if all(finding.good for finding in findings) else 2
