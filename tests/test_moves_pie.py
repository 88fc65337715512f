"""Concats, slices, pads and copies on the vector unit, over random shapes, against the interpreter."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from .graphs import Net, assert_device_identical

CHANNELS = (1, 3, 8, 15, 16, 17, 24, 31, 32, 33, 48, 80, 100)
CASES = 40


def image(net, channels, size):
    """An image that a layer has made, pixel by pixel."""
    x = net.stored_input(channels, *size)
    return net.same("max_pool", x, kernel=(1, 1))


def sizes(random):
    return random.choice(((1, 1), (2, 3), (5, 4), (1, 7)))


def concats(net, random):
    axis, size = random.choice((1, 1, 2, 3)), list(sizes(random))
    channels, parts = random.choice(CHANNELS), []
    for _ in range(random.randint(2, 4)):
        if axis == 1:
            channels = random.choice(CHANNELS)
        else:
            size[axis - 2] = random.randint(1, 4)
        parts.append(image(net, channels, size))
    params = net.graph.type_of(parts[0]).params
    # Twice the same part keeps it out of the result's memory.
    return net.op("concat", [*parts, parts[0]], dtype="i8", params=params, axis=axis)


def slices(net, random):
    shape = (random.choice(CHANNELS), *sizes(random))
    starts = [random.randrange(size) for size in shape]
    ends = [random.randint(start + 1, size) for start, size in zip(starts, shape, strict=True)]
    steps = (1, 1, random.choice((1, 1, 2)), random.choice((1, 1, 3)))
    x = image(net, shape[0], shape[1:])
    return net.same("slice", x, starts=(0, *starts), ends=(1, *ends), steps=steps)


def pads(net, random):
    front, back = (tuple(random.randrange(3) for _ in range(2)) for _ in range(2))
    channels = random.choice(((0, 0), (0, 0), (16, 0), (0, 5), (3, 32)))
    around = (0, channels[0], *front, 0, channels[1], *back)
    x = image(net, random.choice(CHANNELS), sizes(random))
    return net.same("pad", x, pads=around, value=random.choice((0.0, -3.25)))


@pytest.mark.parametrize("chip_rev", ["v3", pytest.param("v1", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("make", "kernel"), [(concats, "concat_s8"), (slices, "permute_rows_s8"), (pads, "pad_s8")])
def test_random_shapes(chip_rev, make, kernel):
    net, random = Net(61), Random(61)
    for _ in range(CASES):
        net.output(make(net, random))
    model = assert_device_identical(net.graph, chip_rev=chip_rev)
    kernels = Counter(step.kernel.name for step in model.plan.steps)
    assert kernels[kernel] >= CASES // 4
    assert_device_identical(net.graph, pie=False)
