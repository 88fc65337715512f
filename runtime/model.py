"""CompiledModel: a built network with its plan and its oracle, and what one can do with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.build import Build
from ..backend.emit import layer_functions, layer_key, uses_pie
from ..backend.target import ESP32P4
from ..compiler.errors import InputError, Problem
from ..compiler.ir import Array
from ..compiler.plan import Plan
from .board.board import Board
from .board.program import Program
from .borders import check_inputs, dequantized, input_block, joined, onnx_dtype, output_arrays, stored_inputs
from .data import InputSpec
from .device import Device, Progress, Session, no_progress
from .explain import Origin, explain
from .oracle import Oracle
from .rows import map_rows
from .simulated import SimulatorDevice
from .verify import LayersVerdict, Verdict, verify_layers, verify_outputs


@dataclass(frozen=True)
class CompiledModel:
    """A compiled network. `oracle` is None when it was compiled from IR text, without its ONNX file."""

    name: str
    plan: Plan
    build: Build
    oracle: Oracle | None
    warnings: tuple[Problem, ...]
    files: Mapping[str, bytes]
    folder: Path | None = None

    @property
    def chip_rev(self) -> str:
        """The chip revision that the image is for."""
        names = {number: name for name, number in ESP32P4.chip_revisions.items()}
        return names[self.build.image.chip_revision]

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The ONNX inputs."""
        return tuple(InputSpec(b.name, b.type.shape, onnx_dtype(b)) for b in self.plan.inputs)

    @property
    def program(self) -> Program:
        """The image, with what a device wants to know of it."""
        macs = sum(step.macs for step in self.plan.steps)
        return Program(self.name, self.build.image, macs, uses_pie(self.plan), self.symbolize)

    def symbolize(self, offset: int) -> str:
        """A place in the code segment in words: function, and the ONNX nodes that it computes; "" outside of it."""
        elf = self.build.elf
        symbol = elf.symbolize(elf.base + offset)
        functions = layer_functions(self.plan, self.name)
        name = symbol.partition("+")[0]
        steps = [step.node for step in self.plan.steps if functions[layer_key(step)].name == name]
        nodes = [node.loc or node.name for node in steps]
        return f"{symbol} ({'nodes' if len(nodes) > 1 else 'node'} {', '.join(nodes)})" if nodes else symbol

    def simulator(self) -> SimulatorDevice:
        """The default device: simulated chips of the image's revision, faults told with symbols of this model."""
        return SimulatorDevice(self.chip_rev, self.symbolize)

    @contextmanager
    def _on(self, device: Device | Board | None) -> Iterator[Device]:
        """A device to run this model on; on a board it is loaded for as long."""
        if isinstance(device, Board):
            with device.load(self) as loaded:
                yield loaded
        else:
            yield device or self.simulator()

    def run(
        self,
        x: Array | Mapping[str, Array],
        *,
        raw: bool = False,
        device: Device | Board | None = None,
        progress: Progress = no_progress,
    ) -> Array | dict[str, Array]:
        """The outputs for x [N, ...] (a dict for several inputs), on the simulated chip if no device is given.

        Takes and gives ONNX dtypes and axis order; with `raw` the stored integers. A dict when the model has several
        outputs. InputError when x does not fit; DeviceError when the device fails.
        """
        arrays = check_inputs(self.plan, x, raw=raw)
        stored = arrays if raw else stored_inputs(self.plan, arrays)
        total = len(next(iter(stored.values())))

        def work(session: Session, row: int) -> dict[str, Array]:
            return output_arrays(self.plan, session.run(input_block(self.plan, stored, row)).output)

        rows: dict[int, dict[str, Array]] = {}
        with self._on(device) as on:
            for row, outputs in map_rows(on, self.build.image, total, work):
                rows[row] = outputs
                progress(len(rows), total)
        empty = {b.name: np.zeros((0, *b.type.shape[1:]), b.type.numpy) for b in self.plan.outputs}
        results = joined([rows[row] for row in range(total)]) or empty
        if not raw:
            results = {b.name: dequantized(b, results[b.name]) for b in self.plan.outputs}
        return results if len(results) > 1 else next(iter(results.values()))

    def verify(
        self,
        x: Array | Mapping[str, Array],
        labels: Array | None = None,
        *,
        device: Device | Board | None = None,
        progress: Progress = no_progress,
    ) -> Verdict:
        """Compare every output of every row of x with onnxruntime; see verify_outputs."""
        oracle = self._needed_oracle()
        with self._on(device) as on:
            return verify_outputs(self.plan, self.build.image, on, oracle, x, labels, progress)

    def verify_layers(
        self,
        x: Array | Mapping[str, Array],
        *,
        device: Device | Board | None = None,
        progress: Progress = no_progress,
    ) -> LayersVerdict:
        """Compare every tensor that the device computes with onnxruntime; see verify.verify_layers."""
        oracle = self._needed_oracle()
        with self._on(device) as on:
            return verify_layers(self.plan, self.build.image, on, oracle, x, progress)

    def explain(self, x: Array | Mapping[str, Array], *, device: Device | Board | None = None) -> list[Origin]:
        """The layers in which rows of x begin to differ from onnxruntime, and why; see runtime/explain.py."""
        oracle = self._needed_oracle()
        with self._on(device) as on:
            return explain(self.plan, self.build.image, on, oracle, x)

    def _needed_oracle(self) -> Oracle:
        if self.oracle is None:
            raise InputError("IR text has no ONNX model to compare with", "verify the .onnx file it was dumped from")
        return self.oracle
