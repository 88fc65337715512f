"""How a tensor lies in memory: its axes from the outermost to the innermost."""

from __future__ import annotations

import math
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Walk:
    """Nested loops over a tensor in the order of memory: the length of each axis, and steps through other tensors.

    `padding` elements lie behind each run along the last axis.
    """

    sizes: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    padding: int = 0

    def merged(self) -> Walk:
        """The same walk with fewer loops: no axes of length 1, and one for two that every tensor takes as one."""
        inner = len(self.sizes) - 1
        kept = [axis for axis, size in enumerate(self.sizes) if size > 1 or (axis == inner and self.padding)]
        sizes: list[int] = []
        steps: list[list[int]] = [[] for _ in self.steps]
        for axis in reversed(kept):
            at_once = sizes and not (self.padding and len(sizes) == 1)
            if at_once and all(own[axis] == new[-1] * sizes[-1] for own, new in zip(self.steps, steps, strict=True)):
                sizes[-1] *= self.sizes[axis]
                continue
            sizes.append(self.sizes[axis])
            for own, new in zip(self.steps, steps, strict=True):
                new.append(own[axis])
        return Walk(tuple(sizes[::-1]), tuple(tuple(new[::-1]) for new in steps), self.padding)

    @property
    def axes(self) -> int:
        """The number of loops."""
        return len(self.sizes)


def array_fields(values: tuple[int, ...], length: int, missing: int) -> Fields:
    """The initializer of a C array, `missing` for the first ones, of which there are no values."""
    return {f"[{axis}]": value for axis, value in enumerate((missing,) * (length - len(values)) + values)}
