"""The command `p4c`: arguments, exit status, and one printer of errors.

Heavy rooms are imported inside the commands that need them, so that `p4c --help` is quick.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .compiler.errors import InputError, ModelError, P4CError, Problem

if TYPE_CHECKING:
    from .driver import Options
    from .runtime.board.board import Board, LoadedModel
    from .runtime.data import Data
    from .runtime.device import Device
    from .runtime.explain import Origin
    from .runtime.model import CompiledModel
    from .runtime.verify import Verdict

MISMATCH, BUG, INTERRUPTED = 1, 70, 130

# Of rows that differ, so many are followed layer by layer to where they begin to.
EXPLAINED_ROWS = 100

DESCRIPTION = """\
Compile quantized ONNX networks to INT8 code for the ESP32-P4, run them on a
simulated chip, and prove their outputs against onnxruntime."""

EXAMPLES = """\
examples:
  p4c model.onnx                                    compile into model.p4c/
  p4c check model.onnx                              name everything unsupported
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
        return COMMANDS[options.command](options)
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


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from . import __version__

    parser = argparse.ArgumentParser(
        "p4c", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"p4c {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    compiling = commands.add_parser("compile", help="compile a model (the default command)")
    _model_arguments(compiling)
    _dump_argument(compiling)
    compiling.add_argument("-o", "--output", type=Path, metavar="DIR", help="output folder, default <stem>.p4c")
    check = commands.add_parser("check", help="name everything unsupported or doubtful in a model, at once")
    _model_arguments(check)
    check.set_defaults(dump_ir=None)
    run = commands.add_parser("run", help="run a model on the simulated chip or a board")
    _model_arguments(run)
    _device_arguments(run)
    _dump_argument(run)
    run.add_argument("--input", type=Path, metavar="FILE", required=True, help=".npy or .npz with the input rows")
    run.add_argument("-o", "--output", type=Path, metavar="FILE", help="write outputs there as .npy or .npz")
    run.add_argument("--raw", action="store_true", help="take and give the stored integers")
    verify = commands.add_parser("verify", help="compare a model's outputs with onnxruntime's")
    _model_arguments(verify)
    _device_arguments(verify)
    _dump_argument(verify)
    verify.add_argument("--data", type=Path, metavar="FILE", required=True, help=".npz or .npy: input, labels y")
    verify.add_argument("--layers", action="store_true", help="compare every tensor, not only the outputs")
    verify.add_argument("--limit", type=positive_number, metavar="N", help="only the first N rows")
    profile = commands.add_parser("profile", help="estimate the cycles of each layer, or measure them on a board")
    _model_arguments(profile)
    _device_arguments(profile)
    _dump_argument(profile)
    profile.add_argument("--l2-kb", type=int, choices=(128, 256, 512), default=256, help="size of the L2 cache")
    inspect = commands.add_parser("inspect", help="show sections, symbols and memory map of an ELF or image")
    inspect.add_argument("file", type=Path, help="a .p4c folder, model.elf or model.img")
    inspect.add_argument("--disassemble", action="store_true", help="print every instruction of the code")
    inspect.add_argument("--chip-rev", default="v3", metavar="REV", help="PIE encoding of a lone model.elf, v3 or v1")
    inspect.add_argument("--json", action="store_true", help="machine-readable output")
    ops = commands.add_parser("ops", help="list the operators, what is taken of them, and their kernels")
    ops.add_argument("--json", action="store_true", help="machine-readable output")
    board = commands.add_parser("board", help="serve a virtual board: p4c's firmware on the simulated chip")
    board.add_argument("--port", type=positive_number, default=0, metavar="N", help="TCP port, default a free one")
    board.add_argument("--chip-rev", default="v3", metavar="REV", help="of the simulated chip, v3 (default) or v1")
    devices = commands.add_parser("devices", help="list the ports where a board answers, and virtual boards")
    devices.add_argument("--baud", type=positive_number, default=115_200, metavar="N", help="of serial ports")
    devices.add_argument("--json", action="store_true", help="machine-readable output")
    doctor = commands.add_parser("doctor", help="check toolchain, cache and simulator on this machine")
    doctor.add_argument("--toolchain", default="zig", metavar="NAME", help="the C compiler to check")
    doctor.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


def _model_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, help="an .onnx file, or .p4ir text that --dump-ir wrote")
    add("--name", default="", help="name of the model in C, default the file's stem")
    add("--toolchain", default="zig", metavar="NAME", help="zig (default), or a GNU riscv gcc on PATH by its name")
    add("--chip-rev", metavar="REV", help="v3 for chips from v3.0, v1 for older ones; default the board's, or v3")
    add("--input-dim", action="append", default=[], metavar="NAME=SIZE", help="size of a symbolic dimension")
    add("--input-exponent", action="append", default=[], metavar="[NAME=]E", help="quantize an input by 2^-E")
    add("--calibrate", type=Path, metavar="FILE", help="pick the input exponent from this data")
    add("--normalize", metavar="M..,S..", help="pixels to inputs: (x/255 - mean)/std per channel, or none")
    text = "L2MEM for arena and weights: bytes, K or M; default 256K"
    add("--ram-budget", type=byte_count, metavar="SIZE", help=text)
    add("--no-pie", action="store_true", help="use scalar kernels only, without the vector unit")
    add("-v", "--verbose", action="store_true", help="say more")
    add("--json", action="store_true", help="machine-readable output")


def _device_arguments(parser: argparse.ArgumentParser) -> None:
    text = "sim (default), sim-board, a serial port, socket://HOST:PORT, or auto for the only board"
    parser.add_argument("--device", default="sim", metavar="DEVICE", help=text)
    parser.add_argument("--baud", type=positive_number, default=115_200, metavar="N", help="of a serial port")


def _dump_argument(parser: argparse.ArgumentParser) -> None:
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


def compile_options(options: argparse.Namespace) -> Options:
    """The driver's options from the command line."""
    from .driver import Options
    from .runtime.data import Normalization

    return Options(
        name=options.name,
        toolchain=options.toolchain,
        chip_rev=options.chip_rev or "v3",
        input_dims=_pairs("--input-dim", options.input_dim, nameless=False),
        input_exponents=_pairs("--input-exponent", options.input_exponent, nameless=True),
        calibrate=options.calibrate,
        normalize=None if options.normalize is None else Normalization.parse(options.normalize),
        dump_ir=options.dump_ir,
        pie=not options.no_pie,
        ram_budget=options.ram_budget,
    )


def print_warnings(warnings: Sequence[Problem]) -> None:
    """What is doubtful but compiles, on stderr."""
    for warning in warnings:
        print(f"p4c: warning: {warning}", file=sys.stderr)


def compiled(options: argparse.Namespace, output: Path | None) -> CompiledModel:
    """Compile the model of a command line and print its warnings."""
    from .driver import compile_model

    model = compile_model(options.model, compile_options(options), output)
    print_warnings(model.warnings)
    return model


@contextmanager
def board_of(options: argparse.Namespace) -> Iterator[Board | None]:
    """The board of --device, None for the simulator. The revision of its chip becomes that of the compile."""
    if options.device == "sim":
        yield None
        return
    from .runtime.board.ports import open_board

    with open_board(options.device, baud=options.baud, chip_rev=options.chip_rev or "") as board:
        options.chip_rev = board.chip_rev or options.chip_rev
        yield board


@contextmanager
def device_of(model: CompiledModel, board: Board | None, options: argparse.Namespace) -> Iterator[LoadedModel | None]:
    """The model on its board, uploaded with a progress bar; None for the simulator."""
    if board is None:
        yield None
        return
    from .runtime.render import progress_bar

    with progress_bar("uploading", quiet=options.json) as progress:
        loaded = board.load(model, progress)
    with loaded:
        yield loaded


def _dump_folder(options: argparse.Namespace) -> Path | None:
    """Where a command that writes no output folder of its own puts dumps: the default output folder."""
    from .driver import default_output

    return None if options.dump_ir is None else default_output(options.model)


def run_compile(options: argparse.Namespace) -> int:
    """`p4c model.onnx`."""
    from .driver import default_output
    from .runtime.render import print_report

    output = options.output or default_output(options.model)
    model = compiled(options, output)
    if options.json:
        report = json.loads(model.files["report.json"])
        report |= {"output": str(output), "warnings": [asdict(problem) for problem in model.warnings]}
        print(json.dumps(report, indent=1))
    else:
        print_report(model, output, verbose=options.verbose)
    return 0


def run_check(options: argparse.Namespace) -> int:
    """`p4c check`: everything but the C compiler."""
    from .driver import plan_model

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


def _data(model: CompiledModel, path: Path, options: argparse.Namespace) -> Data:
    from .runtime.data import load_data

    return load_data(path, model.inputs, compile_options(options).normalize)


def run_run(options: argparse.Namespace) -> int:
    """`p4c run`."""
    import numpy as np

    from .runtime.data import load_raw
    from .runtime.render import check_outputs_path, print_outputs, progress_bar, save_outputs

    if options.output is not None:
        check_outputs_path(options.output)
    with board_of(options) as board:
        model = compiled(options, _dump_folder(options))
        inputs = load_raw(options.input, model.plan) if options.raw else _data(model, options.input, options).inputs
        with device_of(model, board, options) as device, progress_bar("running", quiet=options.json) as progress:
            result = model.run(inputs, raw=options.raw, device=device, progress=progress)
    outputs = result if isinstance(result, dict) else {model.plan.outputs[0].name: np.asarray(result)}
    if options.output is not None:
        save_outputs(options.output, outputs)
    if options.json:
        listed = {name: array.tolist() for name, array in outputs.items()}
        counted = {"total_cycles": device.cycles, "counts": device.counts} if device else {}
        print(json.dumps({"schema": "p4c.run/1", "outputs": listed} | counted))
    elif options.output is None:
        print_outputs(outputs)
    if device and not options.json:
        print(f"{device.cycles:,} {device.counts} per inference, at most")
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """`p4c verify`."""
    from .runtime import render

    with board_of(options) as board:
        model = compiled(options, _dump_folder(options))
        data = _data(model, options.data, options).limited(options.limit)
        with device_of(model, board, options) as device, render.progress_bar("verifying", quiet=options.json) as bar:
            if options.layers:
                layers = model.verify_layers(data.inputs, device=device, progress=bar)
            else:
                verdict = model.verify(data.inputs, data.labels, device=device, progress=bar)
                origins = _origins(model, data, verdict, device)
    if options.layers:
        print(json.dumps(render.layers_json(layers), indent=1)) if options.json else render.print_layers(layers)
        return 0 if layers.passed else MISMATCH
    if options.json:
        print(json.dumps(render.verdict_json(verdict, origins), indent=1))
    else:
        render.print_verdict(verdict, origins)
    return 0 if verdict.passed else MISMATCH


def _origins(model: CompiledModel, data: Data, verdict: Verdict, device: Device | None) -> list[Origin]:
    """Where the first rows that differ begin to differ."""
    rows = [mismatch.row for mismatch in verdict.mismatches[:EXPLAINED_ROWS]]
    differing = {name: array[rows] for name, array in data.inputs.items()}
    return model.explain(differing, device=device) if rows else []


def run_profile(options: argparse.Namespace) -> int:
    """`p4c profile`."""
    from .runtime.measured import measure, measured_json
    from .runtime.profile import profile, profile_json
    from .runtime.render import print_measured, print_profile
    from .runtime.simulator.timing import Timing

    with board_of(options) as board:
        model = compiled(options, _dump_folder(options))
        with device_of(model, board, options) as device:
            if device is not None:
                measured = measure(model, device)
                as_json = options.json
                print(json.dumps(measured_json(measured, model), indent=1)) if as_json else print_measured(measured)
                return 0
    result = profile(model, Timing(l2_kb=options.l2_kb))
    if options.json:
        print(json.dumps(profile_json(result, model), indent=1))
    else:
        print_profile(result, verbose=options.verbose)
    return 0


def run_inspect(options: argparse.Namespace) -> int:
    """`p4c inspect`."""
    from .runtime.inspect import disassembly, inspect_file, inspection_json
    from .runtime.render import print_inspection

    inspection = inspect_file(options.file)
    if options.disassemble:
        for line in disassembly(inspection, options.chip_rev):
            print(line)
        return 0
    print(json.dumps(inspection_json(inspection), indent=1)) if options.json else print_inspection(inspection)
    return 0


def run_ops(options: argparse.Namespace) -> int:
    """`p4c ops`."""
    from .driver import operators
    from .runtime.operators import operators_json, operators_text

    table = operators()
    print(json.dumps(operators_json(table), indent=1) if options.json else operators_text(table))
    return 0


def run_devices(options: argparse.Namespace) -> int:
    """`p4c devices`."""
    from .runtime.board.ports import candidates, look
    from .runtime.render import print_devices

    found = [look(port, options.baud) for port in candidates()]
    if options.json:
        about = [{"board": one.board, "chip_rev": one.chip_rev, "state": one.text} for one in found]
        listed = [vars(one.port) | facts for one, facts in zip(found, about, strict=True)]
        print(json.dumps({"schema": "p4c.devices/1", "devices": listed}, indent=1))
    else:
        print_devices(found)
    return 0


def run_board(options: argparse.Namespace) -> int:
    """`p4c board`: until Ctrl-C."""
    from .runtime.board.ports import serve

    serve(options.chip_rev, options.port, lambda line: print(line, flush=True))
    return 0


def run_doctor(options: argparse.Namespace) -> int:
    """`p4c doctor`."""
    from .runtime.doctor import examine
    from .runtime.render import print_findings

    findings = examine(options.toolchain)
    if options.json:
        listed = [{"name": f.name, "good": f.good, "text": f.text, "advice": f.advice} for f in findings]
        print(json.dumps({"schema": "p4c.doctor/1", "findings": listed}, indent=1))
    else:
        print_findings(findings)
    return 0 if all(finding.good for finding in findings) else 2


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "compile": run_compile,
    "check": run_check,
    "run": run_run,
    "verify": run_verify,
    "profile": run_profile,
    "inspect": run_inspect,
    "ops": run_ops,
    "board": run_board,
    "devices": run_devices,
    "doctor": run_doctor,
}
