"""The rows of the kernel table that take tensors apart and put them together."""

from __future__ import annotations

import math

from ..compiler.plan import Condition, Fields, Invocation, KernelDef
from .conditions import BYTES, FOUR_AXES
from .memory_order import four_axes, physical, physical_sizes, physical_steps

# P4C_PARTS of p4c_parts.h.
MOST_PARTS = 16


def _slice_parameters(call: Invocation) -> Fields:
    """struct p4c_permute: every step-th element from the first on."""
    x, node = call.operand(0), call.node
    steps = physical_steps(x)
    starts, strides = physical(x, node.ints("starts")), physical(x, node.ints("steps"))
    sizes, padding = physical_sizes(node.type)
    return {
        "size": four_axes(sizes, 1),
        "input_step": four_axes(tuple(step * stride for step, stride in zip(steps, strides, strict=True)), 0),
        "input_offset": sum(step * start for step, start in zip(steps, starts, strict=True)),
        "padding": padding,
    }


def _pad_parameters(call: Invocation) -> Fields:
    x, type_ = call.operand(0), call.node.type
    sizes, padding = physical_sizes(type_)
    fronts = physical(x, call.node.ints("pads")[: len(x.shape)])
    return {
        "size": four_axes(sizes, 1),
        "front": four_axes(fronts, 0),
        "input_size": four_axes(physical_sizes(x)[0], 1),
        "input_step": four_axes(physical_steps(x), 0),
        "padding": padding,
        "zero": 0 if x.params is None else x.params.zero_point[0],
    }


def _concat_parameters(call: Invocation) -> Fields:
    """Rows are what lies behind the axis of the concat in memory, once for each index of what lies in front of it."""
    type_ = call.node.type
    at = physical(type_, tuple(range(len(type_.shape)))).index(call.node.int("axis"))
    # Where a part has only one order of bytes, its layout may be the other one.
    types = [call.operand(index).with_(layout=type_.layout) for index in range(len(call.node.operands))]
    rows = [physical_steps(part)[at] * physical_sizes(part)[0][at] for part in types]
    # Behind channels there is padding, which belongs to the row and is not taken.
    steps = [physical_steps(part)[at - 1] if at else run for part, run in zip(types, rows, strict=True)]
    return {
        "parts": len(types),
        "rows": math.prod(physical_sizes(type_)[0][:at]),
        "row": physical_steps(type_)[at - 1] if at else 0,
        "run": {f"[{index}]": run for index, run in enumerate(rows)},
        "step": {f"[{index}]": step for index, step in enumerate(steps)},
    }


COMPUTED = Condition(
    "all parts are computed", lambda call: not any(name in call.graph.constants for name in call.node.operands)
)
FEW_PARTS = Condition(f"there are at most {MOST_PARTS} parts", lambda call: len(call.node.operands) <= MOST_PARTS)

PARTS_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="permute_s8_ref",
        op="slice",
        header="p4c_move.h",
        symbol="p4c_permute_s8_ref",
        record="p4c_permute",
        parameters=_slice_parameters,
        conditions=(BYTES, FOUR_AXES),
    ),
    KernelDef(
        name="pad_s8_ref",
        op="pad",
        header="p4c_parts.h",
        symbol="p4c_pad_s8_ref",
        record="p4c_pad",
        parameters=_pad_parameters,
        conditions=(BYTES, FOUR_AXES),
    ),
    KernelDef(
        name="concat_s8_ref",
        op="concat",
        header="p4c_parts.h",
        symbol="p4c_concat_s8_ref",
        record="p4c_concat",
        parameters=_concat_parameters,
        conditions=(BYTES, COMPUTED, FEW_PARTS),
        operands=0,
    ),
)
