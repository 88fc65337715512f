"""The rows of the kernel table for what moves elements: transposes, changes of layout, copies."""

from __future__ import annotations

from collections.abc import Callable

from ..compiler.plan import Condition, Fields, Invocation, KernelDef, number
from .conditions import BYTES, LANES, ONE_IMAGE, WORDS
from .memory_order import Walk, array_fields, logical_steps, physical, physical_sizes

# The loops of struct p4c_permute.
MOST_LOOPS = 6


def permute_fields(walk: Walk, offset: int = 0) -> Fields:
    """struct p4c_permute: a result in the order of memory, whose elements stand in x at the walk's only steps."""
    walk = walk.merged()
    return {
        "size": array_fields(walk.sizes, MOST_LOOPS, 1),
        "input_step": array_fields(walk.steps[0], MOST_LOOPS, 0),
        "input_offset": offset,
        "padding": walk.padding,
    }


def _transposed(call: Invocation) -> Walk:
    steps = logical_steps(call.operand(0))
    permuted = tuple(steps[axis] for axis in call.node.ints("perm"))
    return Walk(physical_sizes(call.node.type)[0], (physical(call.node.type, permuted),))


def _transpose_parameters(call: Invocation) -> Fields:
    return permute_fields(_transposed(call))


def _layout_parameters(call: Invocation) -> Fields:
    sizes, padding = physical_sizes(call.node.type)
    return permute_fields(Walk(sizes, (physical(call.node.type, logical_steps(call.operand(0))),), padding))


def _transposed_layout(call: Invocation) -> Fields:
    """struct p4c_transpose between planes of channels and channels-last pixels."""
    x, y = call.operand(0), call.node.type
    pixels, channels = x.shape[2] * x.shape[3], x.shape[1]
    if x.channels_last:
        return {"rows": pixels, "columns": channels, "in_step": x.pitch, "out_step": pixels}
    return {"rows": channels, "columns": pixels, "in_step": pixels, "out_step": y.pitch}


def _aligned(fields: Fields) -> bool:
    steps = number(fields, "in_step") % LANES, number(fields, "out_step") % (LANES // 2)
    return steps == (0, 0)


def _has_block(fields: Fields) -> bool:
    return number(fields, "rows") >= LANES // 2 and number(fields, "columns") >= LANES


def _copy_parameters(call: Invocation) -> Fields:
    return permute_fields(Walk((call.node.type.elements,), ((1,),)))


def moves_runs(fields: Fields) -> bool:
    """True of a struct p4c_permute whose innermost axis are runs that begin alike in x, and at whole vectors in y."""
    sizes, steps = fields["size"], fields["input_step"]
    assert not isinstance(sizes, int)
    assert not isinstance(steps, int)
    *outer, inner = (number(steps, axis) for axis in steps)
    pitch = number(sizes, f"[{MOST_LOOPS - 1}]") + number(fields, "padding")
    return inner == 1 and not any(step % LANES for step in (*outer, pitch))


def rows_kernel(op: str, parameters: Callable[[Invocation], Fields], *conditions: Condition) -> KernelDef:
    """The row of p4c_permute_rows_s8 for an op that gives struct p4c_permute."""
    runs = Condition(
        "runs of bytes along the innermost axis begin at multiples of 16 bytes, in the input all as far behind one",
        lambda call: moves_runs(parameters(call)),
    )
    return KernelDef(
        name="permute_rows_s8",
        op=op,
        header="p4c_move.h",
        symbol="p4c_permute_rows_s8",
        record="p4c_permute",
        parameters=parameters,
        conditions=(BYTES, *conditions, runs),
        pie=True,
    )


FEW_LOOPS = Condition(
    f"the axes, those that stay together as one, are at most {MOST_LOOPS}",
    lambda call: _transposed(call).merged().axes <= MOST_LOOPS,
)
PLANES_AND_PIXELS = Condition(
    "the change is between planes of channels and pixels of channels",
    lambda call: call.operand(0).channels_last != call.node.type.channels_last,
)
ALIGNED_STEPS = Condition(
    "rows of the input begin at multiples of 16 bytes and those of the result at multiples of 8",
    lambda call: _aligned(_transposed_layout(call)),
)
WHOLE_BLOCK = Condition(
    "there is a whole block of 8 rows and 16 columns", lambda call: _has_block(_transposed_layout(call))
)

MOVE_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="transpose_s8",
        op="convert_layout",
        header="p4c_move.h",
        symbol="p4c_transpose_s8",
        record="p4c_transpose",
        parameters=_transposed_layout,
        conditions=(BYTES, ONE_IMAGE, PLANES_AND_PIXELS, ALIGNED_STEPS, WHOLE_BLOCK),
        pie=True,
    ),
    rows_kernel("transpose", _transpose_parameters, FEW_LOOPS),
    rows_kernel("reshape", _copy_parameters),
    *(
        KernelDef(
            name=f"permute_{suffix}_ref",
            op=op,
            header="p4c_move.h",
            symbol=f"p4c_permute_{suffix}_ref",
            record="p4c_permute",
            parameters=parameters,
            conditions=conditions,
        )
        for op, parameters, axes in (
            ("transpose", _transpose_parameters, (FEW_LOOPS,)),
            ("convert_layout", _layout_parameters, ()),
            ("reshape", _copy_parameters, ()),
        )
        for suffix, conditions in (("s8", (BYTES, *axes)), ("s32", (WORDS, *axes)))
    ),
)
