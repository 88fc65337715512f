"""Max-pools with padding and dilation on the simulated chip: every corner of a window's way over an image."""

from __future__ import annotations

import pytest

from .graphs import Net, assert_device_identical

# Image, kernel, strides, pads, dilations.
POOLS = [
    ((7, 8), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1)),
    ((5, 5), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    ((2, 3), (3, 3), (1, 1), (1, 2, 2, 1), (1, 1)),
    ((1, 1), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    ((6, 9), (2, 5), (3, 1), (0, 4, 1, 3), (1, 1)),
    ((4, 2), (4, 4), (1, 1), (2, 1, 0, 1), (1, 1)),
    ((9, 4), (3, 3), (1, 4), (2, 2, 2, 2), (1, 1)),
    ((7, 8), (3, 2), (2, 1), (2, 1, 1, 1), (2, 3)),
    ((9, 9), (3, 3), (1, 1), (0, 0, 0, 0), (4, 3)),
    ((1, 9), (1, 4), (1, 2), (0, 3, 0, 0), (1, 2)),
]


TARGETS = [{"chip_rev": "v3"}, pytest.param({"chip_rev": "v1"}, marks=pytest.mark.slow), {"pie": False}]


@pytest.mark.parametrize("options", TARGETS)
def test_pools(options):
    """Of one block of channels and more, beside another reader of the input and over it."""
    net = Net(51)
    for channels in (5, 16, 33):
        for size, kernel, strides, pads, dilations in POOLS:
            attrs = {"kernel": kernel, "strides": strides, "pads": pads, "dilations": dilations}
            image = net.quantize(net.conv(net.input(2, *size), channels, (1, 1), spread=24), 3)
            net.output(net.same("max_pool", image, **attrs))
            if channels == 16:
                net.output(net.same("relu", image))
    model = assert_device_identical(net.graph, **options)
    chosen = [step.kernel.name for step in model.plan.steps if step.node.op == "max_pool"]
    dilated = sum(dilations != (1, 1) for *_, dilations in POOLS)
    assert chosen.count("max_pool_s8") == (0 if options == {"pie": False} else 3 * (len(POOLS) - dilated))
