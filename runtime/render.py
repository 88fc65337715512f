"""Tables and progress for people, at most 100 columns wide, and the same content for --json."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..backend.report import report
from ..compiler.dump import archive_bytes
from ..compiler.errors import InputError
from ..compiler.ir import Array
from .board.ports import Found
from .device import Progress as ProgressCallback
from .device import no_progress
from .doctor import Finding
from .explain import Origin
from .inspect import Inspection, chip_revision_name, memory_map
from .measured import Measured
from .model import CompiledModel
from .profile import L1I_BYTES, LayerProfile, Profile
from .verify import LayersVerdict, Verdict

WIDTH = 100
MISMATCHES_SHOWN = 10
LEAST_NAME_WIDTH, NAME_WIDTH = 10, 22


def console() -> Console:
    """Standard output, not wider than the terminal nor than WIDTH."""
    real = Console(highlight=False)
    return Console(highlight=False, width=min(real.width, WIDTH) if real.is_terminal else WIDTH)


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[ProgressCallback]:
    """A progress bar on stderr, shown only on a terminal; yields the callback (done, total)."""
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class Name:
    """A node's or tensor's name in a table: on one line, and only its end where there is no room for all of it.

    Exporters put what tells names apart there.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = min(len(self.name), NAME_WIDTH)
        return Measurement(min(width, LEAST_NAME_WIDTH), width).clamp(max_width=options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shortened(self.name, options.max_width), no_wrap=True)


def shortened(name: str, width: int) -> str:
    """A name, or the end of it that so many characters hold."""
    return name if len(name) <= width else "…" + name[len(name) + 1 - width :]


def print_report(model: CompiledModel, output: Path, made: str, *, verbose: bool) -> None:
    """What was compiled: sizes, a line for each layer with its proven accumulator bound, and what was `made`."""
    out = console()
    facts = report(model.plan, model.build, model.name)
    table = Table(box=None, pad_edge=False)
    for title, justify in (("layer", "left"), ("op", "left"), ("output", "left"), ("MACs", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    table.add_column("|acc| below", justify="right")
    if verbose:
        table.add_column("kernel")
    for layer in facts["layers"]:
        bound = (
            "" if "acc_bound" not in layer else f"{layer['acc_bound'] + 1:,}{'' if layer['exact'] else ' inexact'}"
        )
        shape = "x".join(map(str, layer["shape"][1:]))
        row = [layer["op"], shape, f"{layer['macs']:,}", bound]
        table.add_row(Name(layer["node"]), *row, *([layer["kernel"]] if verbose else []))
    out.print(table)
    out.print(
        f"\ncode {facts['code_bytes']:,} B, weights {facts['weights_bytes']:,} B, "
        f"arena {facts['arena_bytes']:,} B (lower bound {facts['arena_lower_bound']:,} B), "
        f"stack {facts['stack_bytes']:,} B"
    )
    out.print(f"[bold]{escape(str(output))}[/bold]: {made}, position independence proved")


def verdict_json(verdict: Verdict, origins: Sequence[Origin]) -> dict[str, Any]:
    """A verdict as --json shows it, with the layers in which rows begin to differ."""
    result: dict[str, Any] = {
        "schema": "p4c.verify/1",
        "rows": verdict.rows,
        "identical": verdict.identical,
        "instructions": verdict.instructions,
        "total_cycles": verdict.cycles,
        "counts": verdict.counts,
        "mismatches": [{**vars(m), "difference": _finite(m.difference)} for m in verdict.mismatches],
    }
    if verdict.correct is not None:
        result |= {"correct": verdict.correct, "oracle_correct": verdict.oracle_correct}
    return result | {"origins": [{**vars(origin), "explained": origin.explained} for origin in origins]}


def _finite(value: float) -> float | None:
    """A number that JSON has: null for what is infinitely far or not a number."""
    return value if math.isfinite(value) else None


def print_verdict(verdict: Verdict, origins: Sequence[Origin]) -> None:
    """Rows identical, accuracy, the first rows that differ, and the layers where they begin to."""
    out = console()
    colour = "green" if verdict.passed else "red"
    out.print(f"[{colour}]{verdict.identical:,} of {verdict.rows:,} rows identical to onnxruntime[/{colour}]")
    for mismatch in verdict.mismatches[:MISMATCHES_SHOWN]:
        text = f"  row {mismatch.row}: output {mismatch.output!r} differs by up to {mismatch.difference:g}"
        out.print(text, markup=False)
    hidden = len(verdict.mismatches) - MISMATCHES_SHOWN
    if hidden > 0:
        out.print(f"  and {hidden:,} more")
    for origin in origins:
        reason = f"{origin.elements - origin.near_ties:,} of {origin.elements:,} elements are not near a tie"
        if origin.explained:
            reason = f"all {origin.elements:,} elements lie within float32's error of a tie; p4c's are exact"
        out.print(f"  {origin.rows:,} rows begin to differ in {origin.node!r}:\n    {reason}", markup=False)
    if verdict.correct is not None and verdict.oracle_correct is not None and verdict.rows:
        ours, theirs = (f"{100 * n / verdict.rows:.2f} %" for n in (verdict.correct, verdict.oracle_correct))
        out.print(f"accuracy {ours} (onnxruntime {theirs})")
    if verdict.instructions is None:
        out.print(f"{verdict.cycles:,} {verdict.counts} per inference, at most", markup=False)
    else:
        out.print(f"{verdict.instructions:,} simulated instructions per inference, at most")


def layers_json(verdict: LayersVerdict) -> dict[str, Any]:
    """The layers as --json shows them."""
    first = verdict.first_divergence
    return {
        "schema": "p4c.verify-layers/1",
        "rows": verdict.rows,
        "identical": min((layer.identical for layer in verdict.layers if layer.tensor), default=0),
        "first_divergence": None if first is None else first.step,
        "layers": [{**vars(layer), "max_lsb": _finite(layer.max_lsb)} for layer in verdict.layers],
    }


def print_layers(verdict: LayersVerdict) -> None:
    """All layers, with the first divergence marked."""
    table = Table(box=None, pad_edge=False)
    for title, justify in (("step", "right"), ("node", "left"), ("op", "left"), ("tensor", "left")):
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("rows identical", justify="right")
    table.add_column("max LSB", justify="right")
    table.add_column("")
    first = verdict.first_divergence
    for layer in verdict.layers:
        rows = f"{layer.identical:,} of {layer.rows:,}" if layer.tensor else "not in ONNX"
        mark = "[red]<- first divergence[/red]" if layer is first else ""
        lsb = f"{layer.max_lsb:g}" if layer.tensor else ""
        table.add_row(str(layer.step), Name(layer.node), layer.op, Name(layer.tensor), rows, lsb, mark)
    console().print(table)


def print_outputs(outputs: Mapping[str, Array]) -> None:
    """Output arrays as text."""
    for name, array in outputs.items():
        console().print(f"{name} {array.dtype} {list(array.shape)}", markup=False)
        print(np.array2string(array, max_line_width=WIDTH, threshold=1000))


def check_outputs_path(path: Path, count: int = 1) -> None:
    """InputError when so many outputs cannot be written to a file of that name."""
    if path.suffix not in (".npy", ".npz") or (path.suffix == ".npy" and count > 1):
        what = f"{count} output{'s' * (count > 1)} cannot be written to {path}"
        raise InputError(what, "Give a name that ends in .npz, or .npy for a single output.")


def save_outputs(path: Path, outputs: Mapping[str, Array]) -> None:
    """Write one output to .npy, or any number by name to .npz; InputError when that cannot be."""
    check_outputs_path(path, len(outputs))
    try:
        if path.suffix == ".npy":
            np.save(path, next(iter(outputs.values())))
        else:
            path.write_bytes(archive_bytes(outputs))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}", "Give another place.") from error


def print_profile(result: Profile, *, verbose: bool = False) -> None:
    """A line for each layer, the stalls by cause, and the whole in milliseconds; verbose, why which kernel."""
    out = console()
    titles = ("layer", "kernel", ">MACs", ">cycles", ">MAC/c", ">of 8", ">code B", ">memory", ">other")
    rows = [_profile_row(layer) for layer in result.layers]
    out.print(plain_table(titles, rows))
    if verbose:
        out.print("\n".join(["", *dict.fromkeys(_choice(layer) for layer in result.layers)]), markup=False)
    total = result.total
    macs = sum(layer.step.macs for layer in result.layers)
    out.print(
        f"\ntotal {total.cycles:,} cycles, {total.instructions:,} instructions, "
        f"{macs / max(total.cycles, 1):.2f} MAC/cycle; {total.cycles / 360e3:.3f} ms at 360 MHz, "
        f"{total.cycles / 400e3:.3f} ms at 400 MHz"
    )
    out.print(
        f"stalls in cycles: caches {total.memory_stalls:,}, latency {total.latency_stalls:,}, "
        f"branches {total.branch_stalls:,}; code {result.code_bytes:,} B of {L1I_BYTES:,} B L1I"
    )
    out.print(f"[bold]{result.label}[/bold]")


def _choice(layer: LayerProfile) -> str:
    """Why a layer's kernel was taken, as what the ones before it would need, and the bytes it reads by memory."""
    step, read = layer.step, layer.counters.read
    traffic = ", ".join(f"{size:,} B of {name}" for name, size in vars(read).items() if size)
    needs = [f"  not {name}: it needs that {' and '.join(missing)}" for name, missing in step.passed_over.items()]
    return "\n".join(
        [f"{shortened(step.node.loc or step.node.name, NAME_WIDTH)}: {step.kernel.name}, reads {traffic}", *needs]
    )


def print_measured(result: Measured) -> None:
    """A line for each layer as a board ran it, and the whole."""
    out = console()
    rows: list[list[str | Name]] = []
    for layer in result.layers:
        name = Name(layer.step.node.loc or layer.step.node.name)
        work = (f"{layer.step.macs:,}", f"{layer.cycles:,}", f"{layer.macs_per_cycle:.2f}", f"{layer.estimated:,}")
        rows.append([name, layer.step.kernel.name, *work])
    unit = "instruction" if "instructions" in result.counts else "cycle"
    out.print(plain_table(("layer", "kernel", ">MACs", f">{unit}s", f">MAC/{unit}", ">estimate"), rows))
    macs = sum(layer.step.macs for layer in result.layers)
    total = f"total {result.total_cycles:,} {unit}s, {macs / max(result.total_cycles, 1):.2f} MAC/{unit}"
    out.print(f"\n{total}; estimated {result.total_estimated:,} cycles")
    out.print(f"{result.counts}, on {result.device}", markup=False)
    out.print(result.estimate, markup=False)


def _profile_row(layer: LayerProfile) -> list[str | Name]:
    counters, memory = layer.counters, layer.counters.memory_stalls
    work = (
        f"{layer.step.macs:,}",
        f"{counters.cycles:,}",
        f"{layer.macs_per_cycle:.2f}",
        f"{layer.ceiling_percent:.0f} %",
    )
    return [
        Name(layer.step.node.loc or layer.step.node.name),
        layer.step.kernel.name,
        *work,
        f"{layer.code_bytes:,}",
        f"{memory:,}",
        f"{counters.stalls - memory:,}",
    ]


def print_inspection(inspection: Inspection) -> None:
    """Segments, memory map, sections, and functions by size."""
    out = console()
    if inspection.image is not None:
        image = inspection.image
        out.print(f"image for chip revision {chip_revision_name(image)}, hash {image.model_hash.hex()[:16]}")
        out.print(f"entry at {image.entry_offset:#x}, {image.steps} layers, stack {image.stack_bytes:,} B\n")
        rows = [(s.kind, s.region, f"{s.size:,}", f"{len(s.data):,}", str(s.alignment)) for s in image.segments]
        out.print(plain_table(("segment", "memory", ">bytes", ">loaded", ">alignment"), rows))
        out.print()
        places = [
            (what, f"{start:#010x}", f"{start + size:#010x}", f"{size:,}") for what, start, size in memory_map(image)
        ]
        out.print(plain_table(("on the simulator", ">from", ">to", ">bytes"), places))
    if inspection.elf is not None:
        out.print()
        sections = [(s.name, f"{s.address:#010x}", f"{s.size:,}", s.flags) for s in inspection.sections]
        out.print(plain_table(("section", ">address", ">bytes", "flags"), sections))
        out.print()
        functions = [(f.name, f"{f.address:#010x}", f"{f.size:,}") for f in inspection.functions]
        out.print(plain_table(("function", ">address", ">bytes"), functions))


def plain_table(titles: Sequence[str], rows: Sequence[Sequence[str | Name]]) -> Table:
    """A plain table; a title that begins with > is set right."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title.lstrip(">"), justify="right" if title.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def print_devices(found: Sequence[Found]) -> None:
    """A line for each port where a board may be: what answers there, or why nothing does."""
    if not found:
        console().print("no USB port and no virtual board (the simulator needs none)")
        return
    rows = [(one.port.name, one.board or "-", one.chip_rev or "-", one.text) for one in found]
    console().print(plain_table(("port", "firmware", "chip", "state"), rows))


def print_findings(findings: Sequence[Finding]) -> None:
    """One line for each thing tried, and advice where it failed."""
    out = console()
    for finding in findings:
        mark = "[green]good[/green]" if finding.good else "[red]bad [/red]"
        out.print(f"{mark}  {finding.name:<13} ", end="")
        out.print(finding.text, markup=False)
        if finding.advice:
            out.print(f"      help: {finding.advice}", markup=False)
