"""`p4c inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "show sections, symbols and memory map of an ELF or image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("file", type=Path, help="a .p4c folder, model.elf or model.img")
    parser.add_argument("--disassemble", action="store_true", help="print every instruction of the code")
    parser.add_argument("--chip-rev", default="v3", metavar="REV", help="PIE encoding of a lone model.elf, v3 or v1")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """`p4c inspect`."""
    from ..runtime.inspect import disassembly, inspect_file, inspection_json
    from ..runtime.render import print_inspection

    inspection = inspect_file(options.file)
    if options.disassemble:
        for line in disassembly(inspection, options.chip_rev):
            print(line)
        return 0
    print(json.dumps(inspection_json(inspection), indent=1)) if options.json else print_inspection(inspection)
    return 0
