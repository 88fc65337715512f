"""The rows of the kernel table whose results depend on one element of each operand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..compiler import numerics
from ..compiler.ir import Array, TensorType
from ..compiler.ops.elementwise import clip_bounds, quantized_bound
from ..compiler.plan import Condition, Fields, Invocation, KernelDef
from .conditions import LANES, SIGNED
from .memory_order import Walk, array_fields, physical, physical_sizes, physical_steps
from .overlays import in_place

# The loops of struct p4c_walk.
MOST_LOOPS = 4


def _clamp_parameters(call: Invocation) -> Fields:
    low, high = (quantized_bound(bound, call.node.type) for bound in clip_bounds(call.node))
    return {"elements": call.node.type.bytes, "qmin": low, "qmax": high}


def _requantize_parameters(call: Invocation) -> Fields:
    return {"elements": call.node.type.bytes, **_shift_fields(call)}


def _table_parameters(call: Invocation) -> Fields:
    return {"elements": call.node.type.bytes, "offset": -numerics.dtype_range(call.operand(0).dtype)[0]}


def _table_words(call: Invocation) -> dict[str, Array | None]:
    """The table with a word for each entry."""
    return {"table": call.constant(1).view(np.uint8).astype(np.uint32)}


def _table_constants(call: Invocation) -> dict[str, Array | None]:
    return {"table": call.constant(1)}


def _rows_parameters(call: Invocation) -> Fields:
    """struct p4c_table_rows: the elements in the order of memory, with the axis of the tables in its place."""
    x = call.operand(0)
    sizes, padding = physical_sizes(x)
    at = physical(x, tuple(range(len(x.shape)))).index(call.node.int("axis"))
    # Padding lies behind the last axis: behind all rows if that is theirs, else within the runs, which take it along.
    innermost = at + 1 == len(sizes)
    run = 1 if innermost else math.prod(sizes[at + 1 : -1]) * (sizes[-1] + padding)
    return {
        "repeats": math.prod(sizes[:at]),
        "rows": sizes[at],
        "run": run,
        "padding": padding if innermost else 0,
        "offset": -numerics.dtype_range(x.dtype)[0],
    }


def _shift_fields(call: Invocation) -> Fields:
    return {name: call.node.int(name) for name in ("shift", "qmin", "qmax")}


def _add_parameters(call: Invocation) -> Fields:
    x, y = call.node.ints("factors")
    return {"walk": _walk(call), "x_factor": x, "y_factor": y, **_shift_fields(call)}


def _mul_parameters(call: Invocation) -> Fields:
    return {"walk": _walk(call), **_shift_fields(call)}


def _two_operands(call: Invocation) -> Walk:
    """One run over all bytes where nothing is repeated, else axis by axis."""
    types = (call.operand(0), call.operand(1))
    if all(type_.shape == call.node.type.shape for type_ in types):
        return Walk((call.node.type.bytes,), ((1,), (1,)))
    sizes, padding = physical_sizes(call.node.type)
    # Where an operand has only one order of bytes, its layout may be the other one.
    steps = tuple(_repeating_steps(type_.with_(layout=call.node.type.layout)) for type_ in types)
    return Walk(sizes, steps, padding).merged()


def _walk(call: Invocation) -> Fields:
    """struct p4c_walk."""
    walk = _two_operands(call)
    return {
        "size": array_fields(walk.sizes, MOST_LOOPS, 1),
        "x_step": array_fields(walk.steps[0], MOST_LOOPS, 0),
        "y_step": array_fields(walk.steps[1], MOST_LOOPS, 0),
        "padding": walk.padding,
    }


def _repeating_steps(type_: TensorType) -> tuple[int, ...]:
    """Distances between neighbours along the axes in the order of memory; 0 where one element is repeated."""
    sizes, _ = physical_sizes(type_)
    return tuple(0 if size == 1 else step for size, step in zip(sizes, physical_steps(type_), strict=True))


def _repeats_runs(call: Invocation) -> bool:
    """True when one operand lies as the result does and the other one is a run of whole vectors for each pixel."""
    types, walk = (call.operand(0), call.operand(1)), _two_operands(call)
    run = walk.sizes[-1] + walk.padding
    if walk.axes != 2 or run % LANES:
        return False
    whole = [
        type_.bytes == call.node.type.bytes and steps == (run, 1)
        for type_, steps in zip(types, walk.steps, strict=True)
    ]
    repeated = [type_.bytes == run and steps == (0, 1) for type_, steps in zip(types, walk.steps, strict=True)]
    return (whole[0] and repeated[1]) or (whole[1] and repeated[0])


def _second_constant(call: Invocation) -> dict[str, Array | None]:
    """The second operand as it lies in memory."""
    array, type_ = call.constant(1), call.operand(1)
    if type_.channels_last:
        array = np.pad(array, ((0, 0), (0, type_.pitch - array.shape[1]), (0, 0), (0, 0))).transpose(0, 2, 3, 1)
    return {"operand": np.ascontiguousarray(array)}


def _fits_a_byte(factors: tuple[int, ...]) -> bool:
    return 1 in factors and all(-128 <= factor < 128 for factor in factors)


FEW_LOOPS = Condition(
    f"the axes, those that stay together as one, are at most {MOST_LOOPS}",
    lambda call: _two_operands(call).axes <= MOST_LOOPS,
)
COMPUTED = Condition("the second operand is computed", lambda call: call.node.operands[1] not in call.graph.constants)

ONE_TABLE = Condition("there is one table for all elements", lambda call: len(call.operand(1).shape) == 1)
WHOLE_VECTORS = Condition("the result is whole vectors of 16 bytes", lambda call: call.node.type.bytes % 16 == 0)
SAME_SHAPES = Condition(
    "both operands have the result's shape",
    lambda call: call.operand(0).shape == call.operand(1).shape == call.node.type.shape,
)
REPEATED_RUNS = Condition(
    "one operand is a run of whole vectors that the other one and the result have for each pixel", _repeats_runs
)
BYTE_FACTOR = Condition(
    "one factor is 1 and the other fits a byte", lambda call: _fits_a_byte(call.node.ints("factors"))
)
NO_LONG_SHIFT = Condition("the shift is at most 31", lambda call: call.node.int("shift") < 32)
SHIFT_RIGHT = Condition("the shift is 0 to 31", lambda call: 0 <= call.node.int("shift") < 32)

# The word in the names of ops and kernels, the record's fields, and what the vector unit needs more.
FACTORS: tuple[tuple[str, Callable[[Invocation], Fields], tuple[Condition, ...]], ...] = (
    ("add", _add_parameters, (BYTE_FACTOR,)),
    ("mul", _mul_parameters, ()),
)

PIE_ELEMENTWISE_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="table_s8",
        op="table",
        header="p4c_table.h",
        symbol="p4c_table_s8",
        record="p4c_table",
        parameters=_table_parameters,
        conditions=(ONE_TABLE, WHOLE_VECTORS),
        constants=_table_words,
        overlays=in_place(0),
        pie=True,
    ),
    *(
        KernelDef(
            name="clamp_s8",
            op=op,
            header="p4c_elementwise.h",
            symbol="p4c_clamp_s8",
            record="p4c_clamp",
            parameters=_clamp_parameters,
            conditions=(SIGNED, WHOLE_VECTORS),
            overlays=in_place(0),
            pie=True,
        )
        for op in ("relu", "clip")
    ),
    KernelDef(
        name="requantize_s8",
        op="requantize",
        header="p4c_elementwise.h",
        symbol="p4c_requantize_s8",
        record="p4c_rescale",
        parameters=_requantize_parameters,
        conditions=(SIGNED, WHOLE_VECTORS, NO_LONG_SHIFT),
        overlays=in_place(0),
        pie=True,
    ),
    *(
        KernelDef(
            name=f"{word}{form}_s8",
            op=f"q{word}",
            header=f"p4c_{word}.h",
            symbol=f"p4c_{word}{form}_s8",
            record=f"p4c_{word}",
            parameters=parameters,
            conditions=(SIGNED, COMPUTED, *shapes, SHIFT_RIGHT, *more),
            operands=2,
            overlays=in_place(0, 1),
            pie=True,
        )
        for word, parameters, more in FACTORS
        for form, shapes in (("", (WHOLE_VECTORS, SAME_SHAPES)), ("_repeated", (REPEATED_RUNS,)))
    ),
)

SCALAR_ELEMENTWISE_KERNELS: tuple[KernelDef, ...] = (
    *(
        KernelDef(
            name="clamp_s8_ref",
            op=op,
            header="p4c_elementwise.h",
            symbol="p4c_clamp_s8_ref",
            record="p4c_clamp",
            parameters=_clamp_parameters,
            conditions=(SIGNED,),
            overlays=in_place(0),
        )
        for op in ("relu", "clip")
    ),
    KernelDef(
        name="requantize_s8_ref",
        op="requantize",
        header="p4c_elementwise.h",
        symbol="p4c_requantize_s8_ref",
        record="p4c_rescale",
        parameters=_requantize_parameters,
        conditions=(SIGNED,),
        overlays=in_place(0),
    ),
    KernelDef(
        name="table_s8_ref",
        op="table",
        header="p4c_table.h",
        symbol="p4c_table_s8_ref",
        record="p4c_table",
        parameters=_table_parameters,
        conditions=(ONE_TABLE,),
        constants=_table_constants,
        overlays=in_place(0),
    ),
    KernelDef(
        name="table_rows_s8_ref",
        op="table",
        header="p4c_table.h",
        symbol="p4c_table_rows_s8_ref",
        record="p4c_table_rows",
        parameters=_rows_parameters,
        constants=_table_constants,
        overlays=in_place(0),
    ),
    *(
        row
        for word, parameters, _ in FACTORS
        for row in (
            KernelDef(
                name=f"{word}_s8_ref",
                op=f"q{word}",
                header=f"p4c_{word}.h",
                symbol=f"p4c_{word}_s8_ref",
                record=f"p4c_{word}",
                parameters=parameters,
                conditions=(SIGNED, FEW_LOOPS, COMPUTED),
                operands=2,
                overlays=in_place(0, 1),
            ),
            KernelDef(
                name=f"{word}_s8_ref",
                op=f"q{word}",
                header=f"p4c_{word}.h",
                symbol=f"p4c_{word}_s8_ref",
                record=f"p4c_{word}",
                parameters=parameters,
                conditions=(SIGNED, FEW_LOOPS),
                constants=_second_constant,
                overlays=in_place(0),
            ),
        )
    ),
)

ELEMENTWISE_KERNELS = (*PIE_ELEMENTWISE_KERNELS, *SCALAR_ELEMENTWISE_KERNELS)
