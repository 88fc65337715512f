"""`p4c profile`: where the cycles of an inference go, layer by layer, by the simulator's timing model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..backend.emit import layer_functions, layer_key
from ..compiler.plan import Plan, Step
from ..compiler.work import executed_macs
from .model import CompiledModel
from .simulated import SimulatorDevice
from .simulator.timing import Counters, Timing

# An inference is profiled when caches and branch predictor have seen two before it.
WARM_CALLS = 3

# One fresh 16-byte operand for each vector multiplication: the ceiling of conv and gemm (docs/timing.md).
CEILING = 8.0

# Instruction cache of a core, which a model's hot code should fit.
L1I_BYTES = 16 * 1024


@dataclass(frozen=True)
class LayerProfile:
    """One layer: its step, its function's size, its work, and what the timing model counted."""

    step: Step
    code_bytes: int
    executed_macs: int
    counters: Counters

    @property
    def macs_per_cycle(self) -> float:
        """Nominal multiply-accumulates for each cycle; taps on padding count."""
        return self.step.macs / max(self.counters.cycles, 1)

    @property
    def ceiling_percent(self) -> float:
        """Executed multiply-accumulates as a part of what 8 for each cycle would be."""
        return 100 * self.executed_macs / max(self.counters.cycles, 1) / CEILING


@dataclass(frozen=True)
class Profile:
    """All layers in order, and the whole inference; every figure is an estimate."""

    layers: Sequence[LayerProfile]
    total: Counters
    timing: Timing
    code_bytes: int
    memories: str

    @property
    def label(self) -> str:
        """What every figure must be read with."""
        return f"{self.timing.describe()}, one core, warm, {self.memories}"


def profile(model: CompiledModel, timing: Timing) -> Profile:
    """Run the model three times on the simulator with its timing model and profile the last run."""
    image, elf = model.build.image, model.build.elf
    functions = layer_functions(model.plan, model.name)
    sizes = {symbol.name: symbol for symbol in elf.functions}
    symbols = [sizes[functions[layer_key(step)].name] for step in model.plan.steps]
    device = SimulatorDevice(model.chip_rev, lambda offset: elf.symbolize(elf.base + offset), timing)
    session = device.load(image)
    try:
        simulator = session.simulator
        addresses = sorted({symbol.address for symbol in symbols})
        simulator.set_markers([session.code + address - elf.base for address in addresses])
        block = bytes(model.plan.input_bytes)
        for _ in range(WARM_CALLS):
            simulator.take_marks()
            before = simulator.counters
            session.run(block)
            after = simulator.counters
        marks = [mark.counters for mark in simulator.take_marks()]
    finally:
        session.close()
    spans = [end - start for start, end in zip(marks, [*marks[1:], after], strict=True)]
    layers = [
        LayerProfile(step, symbol.size, executed_macs(model.plan.graph, step.node), span)
        for step, symbol, span in zip(model.plan.steps, symbols, spans, strict=True)
    ]
    return Profile(layers, after - before, timing, model.build.code_bytes, memories(model.plan))


def memories(plan: Plan) -> str:
    """Where weights and arena lie, in words."""
    regions = " and ".join(weights.region for weights in plan.weights)
    return f"weights in {regions}" + (f", arena in {plan.arena_region}" if plan.arena_region != "l2mem" else "")


def profile_json(result: Profile, model: CompiledModel) -> dict[str, Any]:
    """The profile as --json shows it."""
    return {
        "schema": "p4c.profile/1",
        "model": model.name,
        "estimate": result.label,
        "chip_revision": model.chip_rev,
        "total_cycles": result.total.cycles,
        "milliseconds": {str(mhz): result.total.cycles / (1000 * mhz) for mhz in (360, 400)},
        "instructions": result.total.instructions,
        "macs": sum(layer.step.macs for layer in result.layers),
        "code_bytes": result.code_bytes,
        "weights_bytes": model.plan.weights_bytes,
        "arena_bytes": model.plan.arena_bytes,
        "layers": [_layer_json(layer) for layer in result.layers],
    }


def _layer_json(layer: LayerProfile) -> dict[str, Any]:
    counters = layer.counters
    stalls = {name: value for name, value in vars(counters).items() if name.endswith("_stalls")}
    return {
        "node": layer.step.node.loc or layer.step.node.name,
        "op": layer.step.node.op,
        "kernel": layer.step.kernel.name,
        "passed_over": {name: list(needs) for name, needs in layer.step.passed_over.items()},
        "macs": layer.step.macs,
        "executed_macs": layer.executed_macs,
        "cycles": counters.cycles,
        "instructions": counters.instructions,
        "macs_per_cycle": round(layer.macs_per_cycle, 3),
        "ceiling_percent": round(layer.ceiling_percent, 1),
        "code_bytes": layer.code_bytes,
        "stalls": stalls,
        "bytes_read": vars(counters.read),
        "bytes_written": vars(counters.written),
    }
