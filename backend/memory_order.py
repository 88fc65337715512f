"""How a tensor lies in memory: its axes from the outermost to the innermost."""

from __future__ import annotations

import math
from typing import Any

from ..compiler.ir import TensorType
from ..compiler.plan import Fields


def physical(type_: TensorType, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values of the logical axes in the order of memory."""
    return tuple(values[axis] for axis in (0, 2, 3, 1)) if type_.channels_last else tuple(values)


def physical_sizes(type_: TensorType) -> tuple[tuple[int, ...], int]:
    """Lengths of the axes in the order of memory, and the padding behind each run along the last."""
    padding = type_.pitch - type_.shape[1] if type_.channels_last else 0
    return physical(type_, type_.shape), padding


def physical_steps(type_: TensorType) -> tuple[int, ...]:
    """Elements from one neighbour to the next along each axis in the order of memory."""
    sizes, padding = physical_sizes(type_)
    pitches = (*sizes[:-1], sizes[-1] + padding)
    return tuple(math.prod(pitches[axis + 1 :]) for axis in range(len(sizes)))


def logical_steps(type_: TensorType) -> tuple[int, ...]:
    """Elements from one neighbour to the next along each logical axis."""
    axes = physical(type_, tuple(range(len(type_.shape))))
    return tuple(step for _, step in sorted(zip(axes, physical_steps(type_), strict=True)))


def four_axes(values: tuple[int, ...], missing: int) -> Fields:
    """The initializer of a C array of four, `missing` for axes that are not there, in front."""
    return {f"[{axis}]": value for axis, value in enumerate((missing,) * (4 - len(values)) + values)}
