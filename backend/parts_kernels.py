"""The rows of the kernel table that take tensors apart and put them together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..compiler.ops.parts import stored_fill
from ..compiler.plan import Condition, Fields, Invocation, KernelDef, number
from .conditions import BYTES, LANES
from .memory_order import Walk, array_fields, physical, physical_sizes, physical_steps
from .move_kernels import MOST_LOOPS, permute_fields, rows_kernel

# P4C_PARTS of p4c_parts.h.
MOST_PARTS = 16
# The axes of struct p4c_pad.
MOST_AXES = 4


def _sliced(call: Invocation) -> Walk:
    """Every step-th element."""
    x = call.operand(0)
    strides = physical(x, call.node.ints("steps"))
    sizes, padding = physical_sizes(call.node.type)
    return Walk(sizes, (tuple(a * b for a, b in zip(physical_steps(x), strides, strict=True)),), padding)


def _slice_parameters(call: Invocation) -> Fields:
    """struct p4c_permute: every step-th element from the first on."""
    x = call.operand(0)
    starts = physical(x, call.node.ints("starts"))
    return permute_fields(
        _sliced(call), sum(step * start for step, start in zip(physical_steps(x), starts, strict=True))
    )


@dataclass(frozen=True)
class PaddedAxis:
    """One axis of a padded tensor: its length, what lies in front of the input, the input's length and step."""

    size: int
    front: int
    input_size: int
    input_step: int


def _padded_axes(call: Invocation) -> list[PaddedAxis]:
    """The axes in the order of memory; one that has no padding is one with the axis around it."""
    x, type_ = call.operand(0), call.node.type
    sizes, padding = physical_sizes(type_)
    fronts = physical(x, call.node.ints("pads")[: len(x.shape)])
    axes: list[PaddedAxis] = []
    for axis in map(PaddedAxis, sizes[::-1], fronts[::-1], physical_sizes(x)[0][::-1], physical_steps(x)[::-1]):
        inner = axes[-1] if axes and not (padding and len(axes) == 1) else None
        step = None if inner is None else inner.input_step * inner.input_size
        if inner is not None and inner.size == inner.input_size and axis.input_step == step:
            run = inner.size
            axes[-1] = PaddedAxis(axis.size * run, axis.front * run, axis.input_size * run, inner.input_step)
        else:
            axes.append(axis)
    return axes[::-1]


def _pad_parameters(call: Invocation) -> Fields:
    axes = _padded_axes(call)
    return {
        "size": array_fields(tuple(axis.size for axis in axes), MOST_AXES, 1),
        "front": array_fields(tuple(axis.front for axis in axes), MOST_AXES, 0),
        "input_size": array_fields(tuple(axis.input_size for axis in axes), MOST_AXES, 1),
        "input_step": array_fields(tuple(axis.input_step for axis in axes), MOST_AXES, 0),
        "padding": physical_sizes(call.node.type)[1],
        "fill": int(stored_fill(call.node, call.operand(0))),
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


def _joins_vectors(call: Invocation) -> bool:
    """True when rows of a concat, and of its parts, begin at multiples of 16 bytes, and the last one ends there."""
    fields = _concat_parameters(call)
    steps = fields["step"]
    assert not isinstance(steps, int)
    rows = (number(fields, "row"), *(number(steps, at) for at in steps)) if number(fields, "rows") > 1 else ()
    return not any(step % LANES for step in (call.node.type.bytes, *rows))


def _pads_vectors(call: Invocation) -> bool:
    """True when rows along the innermost axis are vectors in both tensors, and the input's part of one is too."""
    *outer, inner = _padded_axes(call)
    padding = physical_sizes(call.node.type)[1]
    unpadded = inner.front == 0 and inner.size == inner.input_size
    whole = inner.front % LANES == 0 and inner.input_size % LANES == 0
    steps = (inner.size + padding, *(axis.input_step for axis in outer))
    return (unpadded or whole) and not any(step % LANES for step in steps)


FEW_LOOPS = Condition(
    f"the axes, those that stay together as one, are at most {MOST_LOOPS}",
    lambda call: _sliced(call).merged().axes <= MOST_LOOPS,
)
FEW_AXES = Condition(
    f"the axes, those without padding as one with the axis around, are at most {MOST_AXES}",
    lambda call: len(_padded_axes(call)) <= MOST_AXES,
)
COMPUTED = Condition(
    "all parts are computed", lambda call: not any(name in call.graph.constants for name in call.node.operands)
)
FEW_PARTS = Condition(f"there are at most {MOST_PARTS} parts", lambda call: len(call.node.operands) <= MOST_PARTS)

WHOLE_ROWS = Condition(
    "rows along the innermost axis begin at multiples of 16 bytes, the padding in them too", _pads_vectors
)
VECTOR_ROWS = Condition("rows of the result and of all parts begin at multiples of 16 bytes", _joins_vectors)

PARTS_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="concat_s8",
        op="concat",
        header="p4c_parts.h",
        symbol="p4c_concat_s8",
        record="p4c_concat",
        parameters=_concat_parameters,
        conditions=(BYTES, COMPUTED, FEW_PARTS, VECTOR_ROWS),
        operands=0,
        pie=True,
    ),
    rows_kernel("slice", _slice_parameters, FEW_LOOPS),
    KernelDef(
        name="pad_s8",
        op="pad",
        header="p4c_parts.h",
        symbol="p4c_pad_s8",
        record="p4c_pad",
        parameters=_pad_parameters,
        conditions=(BYTES, FEW_AXES, WHOLE_ROWS),
        pie=True,
    ),
    KernelDef(
        name="permute_s8_ref",
        op="slice",
        header="p4c_move.h",
        symbol="p4c_permute_s8_ref",
        record="p4c_permute",
        parameters=_slice_parameters,
        conditions=(BYTES, FEW_LOOPS),
    ),
    KernelDef(
        name="pad_s8_ref",
        op="pad",
        header="p4c_parts.h",
        symbol="p4c_pad_s8_ref",
        record="p4c_pad",
        parameters=_pad_parameters,
        conditions=(BYTES, FEW_AXES),
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
