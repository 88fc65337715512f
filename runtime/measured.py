"""`p4c profile --device`: what each layer costs on a board, by its own cycle counter, beside what was estimated.

A board runs the first n layers for any n, so a layer's cycles are a difference of two such runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..compiler.plan import Step
from .device import ALL_STEPS, Device, Session
from .profile import profile
from .simulator.timing import Timing

if TYPE_CHECKING:
    from .model import CompiledModel

# A run is measured when caches and branch predictor have seen one before it.
WARM_RUNS = 2


@dataclass(frozen=True)
class MeasuredLayer:
    """One layer, its cycles, and how many the simulator's timing model estimates."""

    step: Step
    cycles: int
    estimated: int

    @property
    def macs_per_cycle(self) -> float:
        """Nominal multiply-accumulates for each cycle."""
        return self.step.macs / max(self.cycles, 1)


@dataclass(frozen=True)
class Measured:
    """All layers in order and the whole inference; `counts` says what the cycles are, `estimate` which chip's."""

    layers: Sequence[MeasuredLayer]
    total_cycles: int
    counts: str
    device: str
    total_estimated: int
    estimate: str


def measure(model: CompiledModel, device: Device, timing: Timing) -> Measured:
    """Run every beginning of the model on zeros and take differences; DeviceError when the device fails."""
    estimate = profile(model, timing)
    session = device.load(model.build.image)
    try:
        block = bytes(model.plan.input_bytes)
        reached = [_warm_cycles(session, block, steps) for steps in range(len(model.plan.steps) + 1)]
        total = _warm_cycles(session, block, ALL_STEPS)
    finally:
        session.close()
    # A difference of two measurements may come out below nothing for a layer that does next to nothing.
    spans = [max(0, end - start) for start, end in pairwise(reached)]
    layers = [
        MeasuredLayer(layer.step, span, layer.counters.cycles)
        for layer, span in zip(estimate.layers, spans, strict=True)
    ]
    return Measured(layers, total, device.counts, device.name, estimate.total.cycles, estimate.label)


def _warm_cycles(session: Session, block: bytes, steps: int) -> int:
    return [session.run(block, steps).cycles for _ in range(WARM_RUNS)][-1]


def measured_json(result: Measured, model: CompiledModel) -> dict[str, Any]:
    """The measurement as --json shows it."""
    return {
        "schema": "p4c.profile/1",
        "model": model.name,
        "device": result.device,
        "counts": result.counts,
        "chip_revision": model.chip_rev,
        "total_cycles": result.total_cycles,
        "estimated_cycles": result.total_estimated,
        "estimate": result.estimate,
        "macs": sum(layer.step.macs for layer in result.layers),
        "layers": [
            {
                "node": layer.step.node.loc or layer.step.node.name,
                "op": layer.step.node.op,
                "kernel": layer.step.kernel.name,
                "macs": layer.step.macs,
                "cycles": layer.cycles,
                "estimated_cycles": layer.estimated,
                "macs_per_cycle": round(layer.macs_per_cycle, 3),
            }
            for layer in result.layers
        ],
    }
