"""The arguments that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.errors import InputError

if TYPE_CHECKING:
    from ..driver import Options


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and how to compile it."""
    parser.set_defaults(emit="folder")
    add = parser.add_argument
    add("model", type=Path, help="an .onnx file, or .p4ir text that --dump-ir wrote")
    add("--name", default="", help="name of the model in C, default the file's stem")
    add("--toolchain", default="zig", metavar="NAME", help="zig (default), or a GNU riscv gcc on PATH by its name")
    add("--chip-rev", metavar="REV", help="v3 for chips from v3.0, v1 for older ones; default the board's, or v3")
    input_dim_argument(parser)
    add("--input-exponent", action="append", default=[], metavar="[NAME=]E", help="quantize an input by 2^-E")
    add("--calibrate", type=Path, metavar="FILE", help="pick the input exponent from this data")
    add("--normalize", metavar="M..,S..", help="pixels to inputs: (x/255 - mean)/std per channel, or none")
    text = "L2MEM for arena and weights: bytes, K or M; default 256K"
    add("--ram-budget", type=byte_count, metavar="SIZE", help=text)
    add("--no-pie", action="store_true", help="use scalar kernels only, without the vector unit")
    add("-v", "--verbose", action="store_true", help="say more")
    add("--json", action="store_true", help="machine-readable output")


def input_dim_argument(parser: argparse.ArgumentParser) -> None:
    """--input-dim, of the commands that read a model."""
    text = "size of a symbolic dimension"
    parser.add_argument("--input-dim", action="append", default=[], metavar="NAME=SIZE", help=text)


def device_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the model runs."""
    text = "sim (default), sim-board, a serial port, socket://HOST:PORT, or auto for the only board"
    parser.add_argument("--device", default="sim", metavar="DEVICE", help=text)
    parser.add_argument("--baud", type=positive_number, default=115_200, metavar="N", help="of a serial port")


def dump_argument(parser: argparse.ArgumentParser) -> None:
    """--dump-ir, of the commands that compile."""
    text = "write the IR after every pass (=PASS: that one)"
    parser.add_argument("--dump-ir", nargs="?", const="", metavar="PASS", help=text)


def positive_number(text: str) -> int:
    """The type of an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def byte_count(text: str) -> int:
    """The type of an option that is a size: bytes, or with K or M behind it."""
    match = re.fullmatch(r"(\d+)([KM]?)B?", text.upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 448K, 1M or 262144")
    return int(match[1]) << {"": 0, "K": 10, "M": 20}[match[2]]


def _pairs(flag: str, texts: Sequence[str], *, nameless: bool) -> dict[str, int]:
    """NAME=INT pairs of a repeatable flag; without a name the key is ""."""
    pairs = {}
    example = "5" if nameless else "height=96"
    for text in texts:
        name, separator, value = text.rpartition("=")
        try:
            if not separator and not nameless:
                raise ValueError
            pairs[name] = int(value)
        except ValueError:
            form = "[NAME=]INTEGER" if nameless else "NAME=INTEGER"
            raise InputError(
                f"{flag} {text!r} is not of the form {form}", f"Write for instance {flag} {example}."
            ) from None
    return pairs


def sizes_of(options: argparse.Namespace) -> dict[str, int]:
    """What --input-dim says."""
    return _pairs("--input-dim", options.input_dim, nameless=False)


def compile_options(options: argparse.Namespace) -> Options:
    """The driver's options from the command line."""
    from ..driver import Options
    from ..runtime.data import Normalization

    return Options(
        name=options.name,
        toolchain=options.toolchain,
        chip_rev=options.chip_rev or "v3",
        input_dims=sizes_of(options),
        input_exponents=_pairs("--input-exponent", options.input_exponent, nameless=True),
        calibrate=options.calibrate,
        normalize=None if options.normalize is None else Normalization.parse(options.normalize),
        emit=options.emit,
        dump_ir=options.dump_ir,
        pie=not options.no_pie,
        ram_budget=options.ram_budget,
    )
