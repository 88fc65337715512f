"""The rows of the kernel table for what moves elements: transposes, changes of layout, copies."""

from __future__ import annotations

from ..compiler.plan import Fields, Invocation, KernelDef
from .conditions import BYTES, FOUR_AXES, WORDS
from .memory_order import logical_steps, physical, physical_sizes


def _permute_fields(sizes: tuple[int, ...], steps: tuple[int, ...]) -> Fields:
    """struct p4c_permute for up to four axes; axes that are missing have size 1."""
    sizes, steps = (1,) * (4 - len(sizes)) + sizes, (0,) * (4 - len(steps)) + steps
    return {
        "size": {f"[{i}]": size for i, size in enumerate(sizes)},
        "input_step": {f"[{i}]": step for i, step in enumerate(steps)},
    }


def _transpose_parameters(call: Invocation) -> Fields:
    steps = logical_steps(call.operand(0))
    permuted = tuple(steps[axis] for axis in call.node.ints("perm"))
    return _permute_fields(physical_sizes(call.node.type)[0], physical(call.node.type, permuted))


def _layout_parameters(call: Invocation) -> Fields:
    sizes, padding = physical_sizes(call.node.type)
    steps = physical(call.node.type, logical_steps(call.operand(0)))
    return {**_permute_fields(sizes, steps), "padding": padding}


def _copy_parameters(call: Invocation) -> Fields:
    return _permute_fields((call.node.type.elements,), (1,))


MOVE_KERNELS: tuple[KernelDef, ...] = (
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
            ("transpose", _transpose_parameters, (FOUR_AXES,)),
            ("convert_layout", _layout_parameters, ()),
            ("reshape", _copy_parameters, ()),
        )
        for suffix, conditions in (("s8", (BYTES, *axes)), ("s32", (WORDS, *axes)))
    ),
)
