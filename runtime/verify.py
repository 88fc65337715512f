"""Verification: every output, or every tensor, of the image against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..backend.image import Image
from ..compiler import numerics
from ..compiler.errors import InputError
from ..compiler.ir import Array, TensorType
from ..compiler.plan import Border, Plan, Step
from .borders import check_inputs, dequantized, from_bytes, input_block, output_arrays, stored_inputs
from .device import Device, Progress, Session, no_progress
from .oracle import Oracle, max_difference
from .rows import map_rows


@dataclass(frozen=True)
class Mismatch:
    """A row whose outputs differ, and by how much at most."""

    row: int
    output: str
    difference: float


@dataclass(frozen=True)
class Verdict:
    """The comparison of all rows. `identical` counts rows in which every output is equal bit for bit.

    `correct` and `oracle_correct` count rows whose largest output is the label, on the device and in onnxruntime;
    None without labels. `instructions` (None where the device counts none) and `cycles` are those of the slowest row;
    `counts` says what the device's cycles are.
    """

    rows: int
    identical: int
    mismatches: Sequence[Mismatch]
    instructions: int | None
    cycles: int
    counts: str = "simulated instructions"
    correct: int | None = None
    oracle_correct: int | None = None

    @property
    def passed(self) -> bool:
        """True when every row is identical."""
        return self.identical == self.rows


@dataclass
class LayerVerdict:
    """One tensor on the device against the same in onnxruntime; `tensor` is "" when ONNX has no such tensor."""

    step: int
    node: str
    op: str
    tensor: str
    rows: int = 0
    identical: int = 0
    max_lsb: float = 0.0

    @property
    def diverged(self) -> bool:
        """True when some row differs."""
        return self.identical < self.rows


@dataclass(frozen=True)
class LayersVerdict:
    """All tensors in the order the device computes them."""

    layers: Sequence[LayerVerdict]
    rows: int

    @property
    def first_divergence(self) -> LayerVerdict | None:
        """The first layer that differs in some row."""
        return next((layer for layer in self.layers if layer.diverged), None)

    @property
    def passed(self) -> bool:
        """True when no layer differs in any row."""
        return self.first_divergence is None


@dataclass(frozen=True)
class _Row:
    mismatch: Mismatch | None
    instructions: int | None
    cycles: int
    classes: tuple[int, int] = field(default=(-1, -1))


def verify_outputs(
    plan: Plan,
    image: Image,
    device: Device,
    oracle: Oracle,
    x: Array | Mapping[str, Array],
    labels: Array | None = None,
    progress: Progress = no_progress,
) -> Verdict:
    """Run every row of x on the device and in onnxruntime and compare all outputs.

    `labels` are class numbers [N], compared with the largest element of the first output.
    """
    arrays = check_inputs(plan, x)
    stored = stored_inputs(plan, arrays)
    total = len(next(iter(arrays.values())))
    if labels is not None and np.shape(labels) != (total,):
        what = f"the labels have shape {list(np.shape(labels))}, expected [{total}]"
        raise InputError(what, "give one label for each row")
    session = oracle.session()

    def work(loaded: Session, row: int) -> _Row:
        result = loaded.run(input_block(plan, stored, row))
        actual = output_arrays(plan, result.output)
        got = {border.name: dequantized(border, actual[border.name]) for border in plan.outputs}
        expected = session.run(arrays, row)
        first = plan.outputs[0].name
        classes = int(np.argmax(got[first])), int(np.argmax(expected[first]))
        return _Row(_compare(row, got, expected), result.instructions, result.cycles, classes)

    rows: dict[int, _Row] = {}
    for row, outcome in map_rows(device, image, total, work):
        rows[row] = outcome
        progress(len(rows), total)
    ordered = [rows[row] for row in range(total)]
    mismatches = [row.mismatch for row in ordered if row.mismatch]
    counted = [row.instructions for row in ordered if row.instructions is not None]
    correct = oracle_correct = None
    if labels is not None:
        correct, oracle_correct = (
            sum(row.classes[which] == label for row, label in zip(ordered, np.asarray(labels).tolist(), strict=True))
            for which in (0, 1)
        )
    return Verdict(
        rows=total,
        identical=total - len(mismatches),
        mismatches=mismatches,
        instructions=max(counted, default=None if ordered else 0),
        cycles=max((row.cycles for row in ordered), default=0),
        counts=device.counts,
        correct=correct,
        oracle_correct=oracle_correct,
    )


def _compare(row: int, got: Mapping[str, Array], expected: Mapping[str, Array]) -> Mismatch | None:
    """The output of one row that differs most; None when all are equal. NaN is never equal."""
    differing = [
        Mismatch(row, name, max_difference(array, expected[name]))
        for name, array in got.items()
        if array.dtype != expected[name].dtype or not np.array_equal(array, expected[name])
    ]
    return max(differing, key=lambda mismatch: mismatch.difference, default=None)


def verify_layers(
    plan: Plan,
    image: Image,
    device: Device,
    oracle: Oracle,
    x: Array | Mapping[str, Array],
    progress: Progress = no_progress,
) -> LayersVerdict:
    """Run to each layer in turn and compare its tensor, where ONNX has it, with onnxruntime's."""
    arrays = check_inputs(plan, x)
    stored = stored_inputs(plan, arrays)
    layers = [_layer(plan, oracle, index, step) for index, step in enumerate(plan.steps)]
    session = oracle.session([layer.tensor for layer in layers if layer.tensor])
    total = len(next(iter(arrays.values())))

    def work(loaded: Session, row: int) -> list[tuple[bool, float]]:
        block, expected = input_block(plan, stored, row), session.run(arrays, row)
        return [
            _compare_layer(plan, loaded, block, layer.step, expected[layer.tensor])
            for layer in layers
            if layer.tensor
        ]

    for done, (_, outcome) in enumerate(map_rows(device, image, total, work), 1):
        for layer, (equal, lsb) in zip((layer for layer in layers if layer.tensor), outcome, strict=True):
            layer.rows += 1
            layer.identical += equal
            layer.max_lsb = max(layer.max_lsb, lsb)
        progress(done, total)
    return LayersVerdict(layers, total)


def _layer(plan: Plan, oracle: Oracle, index: int, step: Step) -> LayerVerdict:
    border = _output_border(plan, step)
    tensor = border.name if border is not None else oracle.tensors.get(step.node.name, "")
    return LayerVerdict(index, step.node.loc or step.node.name, step.node.op, tensor)


def _output_border(plan: Plan, step: Step) -> Border | None:
    return next((border for border in plan.outputs if border.value == step.node.name), None)


def _compare_layer(plan: Plan, loaded: Session, block: bytes, step: int, expected: Array) -> tuple[bool, float]:
    """(equal, largest difference in units of the last place) of the tensor that a step computes."""
    loaded.run(block, step + 1)
    node = plan.steps[step].node
    buffer = plan.buffers[node.name]
    stored = from_bytes(node.type, loaded.read(buffer))
    border = _output_border(plan, plan.steps[step])
    reals = dequantized(border, stored) if border is not None else numerics.dequantize(stored, node.type)
    return bool(np.array_equal(reals, expected)), _lsb(reals, expected, node.type)


def _lsb(reals: Array, expected: Array, type_: TensorType) -> float:
    if type_.params is None or reals.dtype.kind != "f":
        return max_difference(reals, expected)
    scale = numerics.broadcast_params(type_.params, reals.ndim)[0]
    return max_difference(reals / scale, expected / scale)
