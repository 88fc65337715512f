"""The ops once more, as plain loops over Python integers: what the interpreter is compared with."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from p4c.compiler.numerics import FLOOR


def convolution(x, w, *, x_zero=0, w_zero=None, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1):
    """Sums over the taps that lie on the input, as nested lists [N][O][OH][OW]; `w_zero` holds one per channel."""
    batch, height, width = len(x), len(x[0][0]), len(x[0][0][0])
    outputs, in_group, kernel_h, kernel_w = len(w), len(w[0]), len(w[0][0]), len(w[0][0][0])
    out_h = (height + pads[0] + pads[2] - (kernel_h - 1) * dilations[0] - 1) // strides[0] + 1
    out_w = (width + pads[1] + pads[3] - (kernel_w - 1) * dilations[1] - 1) // strides[1] + 1

    def total(n, o, row, column):
        result = 0
        for c, i, j in itertools.product(range(in_group), range(kernel_h), range(kernel_w)):
            y = row * strides[0] - pads[0] + i * dilations[0]
            z = column * strides[1] - pads[1] + j * dilations[1]
            if 0 <= y < height and 0 <= z < width:
                tap = x[n][o // (outputs // groups) * in_group + c][y][z] - x_zero
                result += tap * (w[o][c][i][j] - (w_zero[o] if w_zero else 0))
        return result

    return [
        [[[total(n, o, r, c) for c in range(out_w)] for r in range(out_h)] for o in range(outputs)]
        for n in range(batch)
    ]


def max_pool(x, kernel, strides, pads=(0, 0, 0, 0)):
    """Maxima over the taps that lie on the input, [N][C][OH][OW]."""
    height, width = len(x[0][0]), len(x[0][0][0])
    out_h = (height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
    out_w = (width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1

    def largest(plane, row, column):
        rows = range(row * strides[0] - pads[0], row * strides[0] - pads[0] + kernel[0])
        columns = range(column * strides[1] - pads[1], column * strides[1] - pads[1] + kernel[1])
        return max(plane[r][c] for r in rows for c in columns if 0 <= r < height and 0 <= c < width)

    return [[[[largest(p, r, c) for c in range(out_w)] for r in range(out_h)] for p in image] for image in x]


def requantize(acc, shift, rounding, zero_point, qmin, qmax):
    """clamp(acc * 2^-shift, rounded, + zero_point) of one exact accumulator."""
    exact = Fraction(acc) / Fraction(2) ** shift
    value = math.floor(exact) if rounding == FLOOR else round(exact)
    return min(max(value + zero_point, qmin), qmax)


def channels(values, function):
    """function(value, channel) over [N][C][...]."""

    def walk(value, channel):
        return [walk(item, channel) for item in value] if isinstance(value, list) else function(value, channel)

    return [[walk(plane, channel) for channel, plane in enumerate(image)] for image in values]
