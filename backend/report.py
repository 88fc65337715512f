"""manifest.json, what a host needs to run the image, and report.json, what a person wants to know of it."""

from __future__ import annotations

import json
from typing import Any

from ..compiler.ir import TensorType
from ..compiler.numerics import EXACT_ACCUMULATOR
from ..compiler.plan import Border, Plan, Step
from .build import Build

MANIFEST_SCHEMA = "p4c.manifest/1"
REPORT_SCHEMA = "p4c.report/1"


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def type_json(type_: TensorType) -> dict[str, Any]:
    """dtype, shape, layout and quantization of a tensor."""
    entry: dict[str, Any] = {"dtype": type_.dtype, "shape": list(type_.shape), "layout": type_.layout}
    if type_.params is not None:
        exponents = type_.params.exponents
        entry["scale"] = list(type_.params.scale)
        entry["zero_point"] = list(type_.params.zero_point)
        entry["axis"] = type_.params.axis
        entry["exponent"] = None if exponents is None else list(exponents)
    return entry


def manifest_json(plan: Plan, built: Build, model: str) -> bytes:
    """The bytes of manifest.json."""
    image = built.image
    return _json(
        {
            "schema": MANIFEST_SCHEMA,
            "model": model,
            "image": "model.img",
            "elf": "model.elf",
            "chip_revision": image.chip_revision,
            "model_hash": image.model_hash.hex(),
            "inputs": [_border_json(plan, border) for border in plan.inputs],
            "outputs": [_border_json(plan, border) for border in plan.outputs],
            "steps": [_step_json(plan, step) for step in plan.steps],
        }
    )


def _border_json(plan: Plan, border: Border) -> dict[str, Any]:
    buffer = plan.buffers[border.value]
    entry = {"name": border.name, "value": border.value, **type_json(border.type), "offset": buffer.offset}
    entry |= {"bytes": buffer.size, "real": border.real}
    if border.bias is not None:
        entry |= {"bias": border.bias.tolist(), "bias_axis": border.bias_axis}
    return entry


def _step_json(plan: Plan, step: Step) -> dict[str, Any]:
    buffer = plan.buffers[step.node.name]
    place = {"place": buffer.place, "offset": buffer.offset, "bytes": buffer.size}
    return {"node": step.node.loc, "op": step.node.op, "tensor": step.node.name, **type_json(step.node.type), **place}


def report(plan: Plan, built: Build, model: str) -> dict[str, Any]:
    """Sizes and proofs of a compiled model; `layers` in the order they run."""
    return {
        "schema": REPORT_SCHEMA,
        "model": model,
        "chip_revision": built.image.chip_revision,
        "macs": sum(step.macs for step in plan.steps),
        "code_bytes": built.code_bytes,
        "weights_bytes": plan.weights_bytes,
        "weights": {weights.region: len(weights.data) for weights in plan.weights},
        "arena_region": plan.arena_region,
        "arena_bytes": plan.arena_bytes,
        "arena_lower_bound": plan.arena_lower_bound,
        "input_bytes": plan.input_bytes,
        "output_bytes": plan.output_bytes,
        "stack_bytes": built.image.stack_bytes,
        "layers": [layer_json(plan, step) for step in plan.steps],
    }


def layer_json(plan: Plan, step: Step) -> dict[str, Any]:
    """One layer of the report; `exact` says that float32 holds each of its accumulators."""
    bound = step.node.attrs.get("acc_bound")
    entry: dict[str, Any] = {
        "node": step.node.loc or step.node.name,
        "op": step.node.op,
        "tensor": step.node.name,
        "kernel": step.kernel.name,
        "shape": list(step.node.type.shape),
        "macs": step.macs,
        "scratch_bytes": step.scratch.size if step.scratch else 0,
        "weights_region": weights_region(plan, step),
    }
    if isinstance(bound, int):
        ties = step.node.ints("float32_ties")
        entry |= {"acc_bound": bound, "exact": bound < EXACT_ACCUMULATOR, "float32_ties": list(ties)}
    return entry


def weights_region(plan: Plan, step: Step) -> str:
    """The memory of a layer's constants, "" if it has none."""
    regions = {weights.name: weights.region for weights in plan.weights}
    return next((regions[address.weights] for address in step.constants.values() if address is not None), "")


def report_json(plan: Plan, built: Build, model: str) -> bytes:
    """The bytes of report.json."""
    return _json(report(plan, built, model))
