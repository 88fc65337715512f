"""The rows of the kernel table for what moves elements: transposes, changes of layout, copies."""

from __future__ import annotations

import math

from ..compiler.plan import Fields, Invocation, KernelDef
from .conditions import BYTES, FOUR_AXES, WORDS


def _permute_fields(sizes: tuple[int, ...], steps: tuple[int, ...]) -> Fields:
    """struct p4c_permute for up to four axes; axes that are missing have size 1."""
    sizes, steps = (1,) * (4 - len(sizes)) + sizes, (0,) * (4 - len(steps)) + steps
    return {
        "size": {f"[{i}]": size for i, size in enumerate(sizes)},
        "input_step": {f"[{i}]": step for i, step in enumerate(steps)},
    }


def _row_steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _transpose_parameters(call: Invocation) -> Fields:
    steps = _row_steps(call.operand(0).shape)
    return _permute_fields(call.node.type.shape, tuple(steps[axis] for axis in call.node.ints("perm")))


def _layout_parameters(call: Invocation) -> Fields:
    type_ = call.node.type
    n, c, h, w = type_.shape
    if type_.layout == "nhwc":
        return {**_permute_fields((n, h, w, c), (c * h * w, w, 1, h * w)), "padding": type_.pitch - c}
    pitch = type_.pitch
    return _permute_fields((n, c, h, w), (pitch * h * w, 1, w * pitch, pitch))


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
