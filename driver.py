"""The whole pipeline on one page: from a model file to a CompiledModel and its output folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .backend.build import Build, build, replace_folder
from .backend.component import COMPONENT_MARK, component_files
from .backend.emit_header import PixelTable
from .backend.lower import lower
from .backend.naming import c_name
from .backend.report import MANIFEST_SCHEMA, manifest_json, report_json
from .backend.target import ESP32P4
from .backend.toolchain import find_toolchain
from .compiler.dump import dump_files, read_dump
from .compiler.errors import InputError, IRError, ModelError, Problem
from .compiler.float32 import doubts
from .compiler.ir import Graph
from .compiler.numerics import quantize
from .compiler.passes import PASS_NAMES, Stage, run_passes
from .compiler.plan import Plan
from .frontend.forms import WORDS
from .frontend.importers import IMPORTERS
from .frontend.patterns import FORMS
from .frontend.reader import Imported, ImportOptions, import_model, input_types
from .frontend.reference import real_reference
from .runtime.accuracy import Accuracy, Measured, measure
from .runtime.data import InputSpec, Normalization, load_data
from .runtime.device import Progress, no_progress
from .runtime.model import CompiledModel
from .runtime.operators import Operators
from .runtime.oracle import Oracle

# What an output folder can be.
EMITTED = ("folder", "component")


@dataclass(frozen=True)
class Options:
    """What a compile can be told; the command line has a flag for each.

    `input_dims` and `input_exponents` complete the model, `calibrate` is a data file that picks the exponents of
    inputs without quantizer, `normalize` says how pixels become inputs. `emit` is what is written: "folder", the
    sources and the image, or "component", an ESP-IDF component. `dump_ir` is "" for every pass, a pass name for
    one, None for none. Without `pie` only scalar kernels are used. `ram_budget` is how many bytes of internal
    memory arena and weights may take, the target's own if None.
    """

    name: str = ""
    toolchain: str = "zig"
    chip_rev: str = "v3"
    input_dims: Mapping[str, int] = field(default_factory=dict)
    input_exponents: Mapping[str, int] = field(default_factory=dict)
    calibrate: Path | None = None
    normalize: Normalization | None = None
    emit: str = "folder"
    dump_ir: str | None = None
    pie: bool = True
    ram_budget: int | None = None


def default_output(source: Path, emit: str = "folder") -> Path:
    """The output where none is given: <stem>.p4c, components/<name> or <stem>.qdq.onnx in the working folder."""
    places = {"component": Path("components", c_name(source.stem)), "onnx": Path(f"{source.stem}.qdq.onnx")}
    return places.get(emit, Path(f"{source.stem}.p4c"))


def compile_model(source: Path, options: Options = Options(), output: Path | None = None) -> CompiledModel:
    """Compile an ONNX model, or IR text that --dump-ir wrote, and write the output folder if one is given.

    Raises ModelError with all problems of the model, InputError for bad options, ToolchainError when the C compiler
    fails. On any error the output folder is left as it was.
    """
    toolchain = find_toolchain(options.toolchain)
    if options.chip_rev not in ESP32P4.chip_revisions:
        known = " or ".join(ESP32P4.chip_revisions)
        raise InputError(f"there is no chip revision {options.chip_rev!r}", f"use --chip-rev {known}")
    if options.emit not in EMITTED:
        raise InputError(
            f"there is nothing to emit called {options.emit!r}", f"use --emit {' or '.join((*EMITTED, 'onnx'))}"
        )
    # The frontend, the passes and lowering; everything that can be wrong with the model is found here.
    planned = plan_model(source, options)
    # C text, object code linked at two bases, and the image.
    folder = output.resolve().name if output is not None and options.emit == "component" else ""
    model = c_name(options.name or folder or planned.name)
    pixels = pixel_table(planned.plan, pixels_of(options))
    built = build(planned.plan, model, ESP32P4, options.chip_rev, toolchain, pixels)
    # Everything is in memory; the folder is written last and at once.
    if options.emit == "component":
        products = component_files(planned.plan, built, model, pixels)
    else:
        products = _products(planned, built, model)
    files = {**products, **planned.dumps}
    if output is not None:
        _write(output, files)
    return CompiledModel(model, planned.plan, built, planned.oracle, planned.warnings, files, output)


@dataclass(frozen=True)
class Planned:
    """What is known of a model before any C is compiled."""

    name: str
    plan: Plan
    oracle: Oracle | None
    warnings: tuple[Problem, ...]
    dumps: dict[str, bytes]
    # As the frontend gave it, None for IR text; and the graph after convert-to-integer, if it came by.
    imported: Imported | None = None
    integer: Graph | None = None


def plan_model(source: Path, options: Options = Options()) -> Planned:
    """Everything up to the Plan; ModelError names all problems of the model."""
    if options.dump_ir and options.dump_ir not in PASS_NAMES:
        raise InputError(f"there is no pass {options.dump_ir!r}", f"the passes are {', '.join(PASS_NAMES)}")
    dumps: dict[str, bytes] = {}
    warnings: tuple[Problem, ...] = ()
    imported: Imported | None = None
    stages: dict[str, Graph] = {}

    def observe(stage: Stage) -> None:
        stages[stage.name] = stage.graph
        if options.dump_ir is not None and options.dump_ir in ("", stage.name):
            files = dump_files(stage.graph, stage.number, stage.name)
            dumps.update({f"ir/{name}": data for name, data in files.items()})

    try:
        if source.suffix == ".p4ir":
            graph, after = read_dump(source)
            if after not in PASS_NAMES:
                advice = f"write one of {', '.join(PASS_NAMES)} into its first line"
                raise IRError(f"the graph stands after {after!r}, which is no pass", advice, file=str(source))
            if options.dump_ir and PASS_NAMES.index(options.dump_ir) < PASS_NAMES.index(after):
                what = f"the graph stands after {after} already, so there is nothing to dump after {options.dump_ir}"
                raise InputError(what, "Name a later pass, or compile the model that this was dumped from.")
            name, oracle = graph.name, None
        else:
            imported = _import(source, options)
            graph, after, name = imported.graph, PASS_NAMES[0], source.stem
            oracle = Oracle(imported.model, imported.tensors, imported.input_params, imported.qdq)
            warnings = imported.warnings
        integer = run_passes(graph, observe, after=after)
        plan = lower(integer, ESP32P4, pie=options.pie, ram_budget=options.ram_budget)
    except ModelError as error:
        further = further_problems(error)
        problems = [*error.problems, *(problem for problem in further if not problem.warning)]
        doubtful = [*warnings, *error.warnings, *(problem for problem in further if problem.warning)]
        raise ModelError(problems, file=error.file or str(source), warnings=doubtful) from error
    found = (*warnings, *doubts(integer), *crowded(plan))
    return Planned(name, plan, oracle, found, dumps, imported, stages.get("convert-to-integer"))


def measure_accuracy(
    planned: Planned, file: Path, options: Options, limit: int | None = None, progress: Progress = no_progress
) -> Accuracy:
    """What 8 bits do to each layer of a planned model on the rows of a data file; see runtime/accuracy.py.

    InputError for a data file that does not fit, and for IR text.
    """
    imported, graph = planned.imported, planned.integer
    if imported is None or graph is None:
        raise InputError("IR text has no ONNX model to compare with", "check the .onnx file it was dumped from")
    specs = [InputSpec(name, type_.shape, np.dtype(type_.numpy)) for name, type_ in graph.inputs.items()]
    data = load_data(file, specs, options.normalize).limited(limit)
    for name, array in data.inputs.items():
        if not np.isfinite(array).all():
            raise InputError(f"{file}: the array for input {name!r} holds values that are not finite", "remove them")
    reference = real_reference(imported.qdq)
    tensors = {name: tensor for name, tensor in imported.tensors.items() if name in graph.nodes}
    reals = {name: reference.real(tensor) for name, tensor in tensors.items()}
    wanted = {tensor for tensor in reals.values() if tensor not in graph.inputs}
    quantizers = (node for node in imported.graph if node.op == "quantize")
    ranges = {node.name: (node.int("qmin"), node.int("qmax")) for node in quantizers}
    measured = Measured(graph, tensors, reals, Oracle(reference.giving(sorted(wanted))), ranges)
    return measure(measured, data.inputs, data.labels, progress)


def crowded(plan: Plan) -> list[Problem]:
    """A warning where the arena had to leave internal memory."""
    if plan.arena_region == "l2mem":
        return []
    size = plan.arena_bytes + plan.input_bytes + plan.output_bytes
    what = f"arena, inputs and outputs take {size:,} bytes, more than --ram-budget: they lie in PSRAM, which is slow"
    return [Problem(what, "raise --ram-budget if the chip has room", warning=True)]


def further_problems(error: ModelError) -> list[Problem]:
    """What the stages behind a failed one find wrong with the rest of the model, and what is doubtful in it.

    What they say of reals is left out: it mostly follows from a quantizer that has been missed before.
    """
    if error.rest is None:
        return []
    try:
        integer = run_passes(error.rest, lambda stage: None, after=error.after)
        lower(integer, ESP32P4)
    except ModelError as later:
        named = {(problem.node, problem.tensor) for problem in error.problems}
        reals = {name for name in (*error.rest.inputs, *error.rest.nodes) if not error.rest.type_of(name).quantized}
        fresh = [p for p in later.problems if (p.node, p.tensor) not in named and p.tensor not in reals]
        return [*fresh, *(p for p in further_problems(later) if p.tensor not in reals)]
    except (IRError, RuntimeError):
        # The rest is no graph that anybody made.
        return []
    return doubts(integer)


def _import(source: Path, options: Options) -> Imported:
    exponents = dict(options.input_exponents)
    if options.calibrate is not None:
        exponents = {**calibrated_exponents(source, options), **exponents}
    return import_model(source, ImportOptions(options.input_dims, exponents))


def calibrated_exponents(source: Path, options: Options) -> dict[str, int]:
    """The largest e for each float input such that every value of the calibration data fits: 127 * 2^-e >= max|x|."""
    assert options.calibrate is not None
    types = input_types(source, ImportOptions(options.input_dims))
    specs = [InputSpec(name, type_.shape, np.dtype(type_.numpy)) for name, type_ in types.items()]
    data = load_data(options.calibrate, specs, options.normalize)
    exponents = {}
    for name, array in data.inputs.items():
        largest = float(np.max(np.abs(array), initial=0.0))
        if not math.isfinite(largest) or largest == 0.0:
            what = f"{options.calibrate}: the largest value for input {name!r} is {largest}"
            raise InputError(what, "calibrate with real inputs")
        exponents[name] = math.floor(math.log2(127 / largest))
    return exponents


def write_qdq(source: Path, output: Path, options: Options = Options()) -> tuple[Problem, ...]:
    """Write the model as p4c reads it to `output`: plain QDQ that onnxruntime runs, batch and sizes fixed.

    Operators on stored integers and QONNX's quantizers are written out; all other nodes stay as they are. Returns the
    warnings; raises ModelError with all problems of the model, InputError when the file cannot be written.
    """
    imported = _import(source, options)
    partial = output.with_name(f".{output.name}.partial")
    try:
        partial.write_bytes(imported.qdq.SerializeToString())
        partial.replace(output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        what = f"the file {output} cannot be written: {error.strerror or error}"
        raise InputError(what, "give a place that you may write with -o") from error
    return imported.warnings


def pixels_of(options: Options) -> Normalization | None:
    """How pixels become the input; a component's table is of plain pixel values where nothing is said."""
    return Normalization((), ()) if options.normalize is None and options.emit == "component" else options.normalize


def pixel_table(plan: Plan, normalize: Normalization | None) -> PixelTable | None:
    """The exact stored input for each pixel value, where the only input is quantized from pixels."""
    if normalize is None or len(plan.inputs) != 1 or not plan.inputs[0].real:
        return None
    border = plan.inputs[0]
    channels = border.type.shape[normalize.channel_axis(border.type.shape)] if len(normalize.mean) > 1 else 1
    table = quantize(normalize.pixel_table(channels), border.type, border.qmin, border.qmax)
    return PixelTable(table, normalize.mean, normalize.std)


def operators() -> Operators:
    """What p4c takes, read off the table of importers, the patterns of quantizers, and the kernel table."""
    return Operators.gather((*FORMS, *WORDS), [(row.op, row.accepts, row.makes) for row in IMPORTERS.values()])


def _products(planned: Planned, built: Build, model: str) -> dict[str, bytes]:
    """All files of the folder of sources and image but the dumps."""
    return {
        **built.sources,
        "model.elf": built.elf_bytes,
        "model.img": built.image_bytes,
        "manifest.json": manifest_json(planned.plan, built, model),
        "report.json": report_json(planned.plan, built, model),
    }


def _write(output: Path, files: dict[str, bytes]) -> None:
    try:
        if output.exists() and not _may_replace(output):
            what = f"the output folder {output} exists and is not one that p4c wrote"
            raise InputError(what, "remove it, or give another place with -o")
        replace_folder(output, files)
    except OSError as error:
        what = f"the output folder {output} cannot be written: {error.strerror or error}"
        raise InputError(what, "give a place that you may write with -o") from error


def _may_replace(folder: Path) -> bool:
    """True for an empty folder, and for one with a manifest of ours."""
    if not folder.is_dir():
        return False
    marks = {"manifest.json": MANIFEST_SCHEMA.split("/")[0], "idf_component.yml": COMPONENT_MARK}
    present = {folder / name: mark for name, mark in marks.items() if (folder / name).is_file()}
    if not present:
        return not any(folder.iterdir())
    return any(mark.encode() in path.read_bytes() for path, mark in present.items())
