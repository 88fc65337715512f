"""The command `p4c`: its arguments and exit status; what it does is in `commands/`."""

from __future__ import annotations

import argparse
import difflib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from .commands import COMMANDS
from .commands.messages import print_error
from .compiler.errors import InputError, P4CError

BUG, INTERRUPTED = 70, 130

DESCRIPTION = """\
Compile quantized ONNX networks to INT8 code for the ESP32-P4, run them on a
simulated chip, and prove their outputs against onnxruntime."""

EXAMPLES = """\
examples:
  p4c model.onnx                                    compile into model.p4c/
  p4c check model.onnx                              name everything unsupported
  p4c summary model.onnx                            layers, shapes, scales, MACs
  p4c run model.onnx --input x.npy -o y.npy         run on the simulated chip
  p4c verify model.onnx --data test.npz             compare with onnxruntime
  p4c profile model.onnx                            estimated cycles per layer
  p4c inspect model.p4c                             sections, symbols, memory map
  p4c ops                                           the operators that it takes
  p4c board                                         a virtual board on a socket
  p4c devices                                       the boards that answer
  p4c doctor                                        what works on this machine

A first word that is no command is the model to compile. exit status: 0 good,
1 mismatch, 2 bad input or usage, 3 device fault, 70 a bug of p4c, 130 interrupted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; errors are printed to stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return 0
    options = argparse.Namespace()
    try:
        parser.parse_args(with_command(arguments), options)
        return COMMANDS[options.command].run(options)
    except P4CError as error:
        print_error(error, as_json=getattr(options, "json", False))
        return error.exit_status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception:
        traceback.print_exc()
        print("\nThis is a bug of p4c. Please report it with the text above and the model.", file=sys.stderr)
        return BUG


def with_command(arguments: Sequence[str]) -> list[str]:
    """The arguments with their command in front; a first word that is no command is the model to compile.

    A flag whose value is optional takes it behind `=` only, and never the next word.
    """
    arguments = ["--dump-ir=" if argument == "--dump-ir" else argument for argument in arguments]
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words:
        return list(arguments)
    first = words[0]
    if first in COMMANDS:
        rest = list(arguments)
        rest.remove(first)
        return [first, *rest]
    close = difflib.get_close_matches(first, COMMANDS, 1)
    if close and not Path(first).exists():
        raise InputError(f"there is no command or file {first!r}", f"Did you mean `p4c {close[0]}`?")
    return ["compile", *arguments]


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from . import __version__

    parser = argparse.ArgumentParser(
        "p4c", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"p4c {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.HELP))
    return parser
