"""Random layers of every geometry by whatever kernels they get, on both chip revisions, against the interpreter."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from .graphs import BIASES, Net, assert_device_identical

# Layers in one graph, so that many share one compile.
BATCH = 10


@st.composite
def layers(draw):
    """What a convolution is made from; the image comes as planes, as pixels without gaps, or from another layer."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilations = draw(st.sampled_from([(1, 1)] * 4 + [(2, 1), (1, 2)]))
    pads = draw(st.tuples(*(st.integers(0, 2) for _ in range(4))))
    least = [max(1, (kernel[at] - 1) * dilations[at] + 1 - pads[at] - pads[at + 2]) for at in (0, 1)]
    return {
        "order": draw(st.sampled_from(["planes", "dense", "layer"])),
        "channels": draw(st.sampled_from([1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 33])),
        "outputs": draw(st.sampled_from([1, 2, 5, 8, 9, 16, 17, 20, 31, 33, 48])),
        "depthwise": draw(st.booleans()),
        "size": tuple(least[at] + draw(st.integers(0, (6, 30)[at])) for at in (0, 1)),
        "kernel": kernel,
        "strides": draw(st.tuples(st.integers(1, 2), st.integers(1, 3))),
        "pads": pads,
        "dilations": dilations,
        "bias": draw(st.sampled_from([*BIASES, "mixed"])),
        "exponents": draw(st.lists(st.integers(5, 10), min_size=1, max_size=4)),
        "output": draw(st.integers(1, 4)),
        "clamp": draw(st.sampled_from([{}, {"qmin": 0}, {"qmin": -100, "qmax": 90}])),
        "pool": draw(st.sampled_from([None, None, ((2, 2), (2, 2)), ((3, 2), (1, 2))])),
    }


def add(net, layer):
    """Append a layer with its own input and output."""
    channels, outputs = layer["channels"], layer["outputs"]
    if layer["order"] == "layer":
        x = net.quantize(net.conv(net.input(3, *layer["size"]), channels, (1, 1), spread=32), 4)
    elif layer["order"] == "dense":
        x = net.same("transpose", net.input(*layer["size"], channels), perm=(0, 3, 1, 2))
    else:
        x = net.input(channels, *layer["size"])
    depthwise = layer["depthwise"] and layer["order"] == "layer"
    outputs = channels if depthwise else outputs
    given_exponents = layer["exponents"]
    exponents = given_exponents[0] if len(given_exponents) == 1 else (given_exponents * outputs)[:outputs]
    attrs = {name: layer[name] for name in ("strides", "pads", "dilations")} | (
        {"groups": channels} if depthwise else {}
    )
    bias = "off" if layer["bias"] == "mixed" else layer["bias"]
    y = net.conv(x, outputs, layer["kernel"], bias=bias, e=exponents, spread=20, **attrs)
    if layer["bias"] == "mixed":
        net.graph.constants[net.graph.nodes[y].operands[2]].array[::2] = 0.0
    y = net.quantize(y, layer["output"], **layer["clamp"])
    kernel, strides = layer["pool"] or ((1, 1), (1, 1))
    shape = net.graph.type_of(y).shape[2:]
    if layer["pool"] and all(size >= window for size, window in zip(shape, kernel, strict=True)):
        y = net.same("max_pool", y, kernel=kernel, strides=strides)
    net.output(y)


# Shrinking would compile hundreds of times; the layers that fail are printed, and easily cut by hand.
@pytest.mark.slow
@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(batch=st.lists(layers(), min_size=BATCH, max_size=BATCH), seed=st.integers(0, 2**32 - 1))
def test_random_convolutions(batch, seed):
    net = Net(seed)
    for layer in batch:
        add(net, layer)
    for options in ({"chip_rev": "v3"}, {"chip_rev": "v1"}, {"pie": False}, {"ram_budget": 0}):
        assert_device_identical(net.graph, seed=seed, **options)
