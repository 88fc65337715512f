"""Which operands a kernel may overwrite while it runs, and how far behind the result they must begin for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..compiler.plan import Invocation
from .conditions import LANES

# Operand index -> distance in bytes.
Distances = Mapping[int, int]


def in_place(*operands: int) -> Callable[[Invocation], Distances]:
    """The rule of kernels that write each element where they have read it, for operands as large as the result."""

    def distances(call: Invocation) -> Distances:
        return {index: 0 for index in operands if call.operand(index).shape == call.node.type.shape}

    return distances


def windows(call: Invocation) -> Distances:
    """The rule of kernels that go over windows row by row, with each channel by itself, to pixels of the same pitch.

    Channels do not meet as long as the distance is whole pixels. Then a pixel may be written once every window from
    the next one on begins behind it; `pixels_behind` counts how far that is.
    """
    x, y = call.operand(0), call.node.type
    if not (x.channels_last and y.channels_last) or x.pitch != y.pitch or x.pitch % LANES or x.dtype != y.dtype:
        return {}
    pads = call.node.ints("pads")
    strides = call.node.ints("strides")
    return {0: x.pitch * pixels_behind(x.shape[2:], y.shape[2:], strides, pads[:2])}


def pixels_behind(
    image: tuple[int, ...], result: tuple[int, ...], strides: tuple[int, ...], pads: tuple[int, ...]
) -> int:
    """How many pixels an image must begin behind the result of windows over it, [height, width] each.

    Windows are read in row-major order of the result, and a result is written when its window has been read. So
    result pixel p may lie on image pixel p - d if no later window reads that one: d is the largest p + 1 - (the first
    pixel that any later window reads). Where a window begins is a bound from below for what it reads.
    """
    rows, columns = (
        np.clip(np.arange(result[axis]) * strides[axis] - pads[axis], 0, image[axis] - 1) for axis in (0, 1)
    )
    first = (rows[:, None] * image[1] + columns[None, :]).ravel()
    later = np.minimum.accumulate(first[::-1])[::-1][1:]
    return max(0, int(np.max(np.arange(1, len(first)) - later, initial=0)))
