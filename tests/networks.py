"""Hypothesis strategies: small quantized networks as the frontend gives them, whose float32 arithmetic is exact."""

from __future__ import annotations

from hypothesis import strategies as st

from .graphs import BIASES, Net

sizes = st.integers(1, 3)
pairs = st.tuples(sizes, sizes)


@st.composite
def networks(draw, max_blocks=4):
    """A Net of up to four layers with clamps, pools and moves between them, and one output or more.

    Every accumulator stays far below 2^24, and biases off the grid lie at sixteenths of a unit with shifts of at most
    12, so that float32 never rounds onto a tie and the interpreter's real ops are exact.
    """
    net = Net(draw(st.integers(0, 1 << 32)))
    shape = draw(st.sampled_from([(1, 9, 9), (3, 8, 7), (2, 10, 6), (5, 1, 1), (6,)]))
    x = (net.stored_input if draw(st.booleans()) else net.input)(*shape, e=draw(st.integers(2, 6)))
    outputs = []
    for _ in range(draw(st.integers(1, max_blocks))):
        x = draw(st.sampled_from([layer, layer, move, join, mean, part]))(draw, net, x)
        if net.graph.type_of(x).params is None:
            break
        if draw(st.integers(0, 4)) == 0:
            outputs.append(x)
    for value in dict.fromkeys([*outputs, x]):
        net.output(value)
    if draw(st.integers(0, 4)) == 0 and outputs:
        net.output(outputs[0])
    return net.graph


def layer(draw, net, x):
    """A convolution or fully connected layer, what clamps or pools its result, and the quantizer in some place."""
    shape = net.graph.type_of(x).shape
    channels, bias = draw(st.integers(1, 5)), draw(st.sampled_from(BIASES))
    exponents = draw(st.one_of(st.integers(5, 8), st.lists(st.integers(5, 8), min_size=channels, max_size=channels)))
    # Full-range weights on wide sums saturate; small ones keep the rounding in sight.
    spread = draw(st.sampled_from([128, 8]))
    if len(shape) == 4 and draw(st.integers(0, 3)):
        y = convolution(draw, net, x, channels, bias=bias, e=exponents, spread=spread)
    else:
        if len(shape) != 2:
            x = net.same("reshape", x, shape=(1, net.graph.type_of(x).elements))
        y = net.dense(x, channels, bias=bias, e=exponents, spread=spread)
    if draw(st.integers(0, 5)) == 0:
        return y
    least = min([exponents] if isinstance(exponents, int) else exponents) + net.exponent(x)
    shift = draw(st.integers(1, 9) if bias == "off" else st.integers(-3, 10))
    clamp = draw(st.sampled_from([{}, {"qmin": 0}, {"qmin": -7, "qmax": 7}]))
    quantizer_first = draw(st.booleans())
    if quantizer_first:
        y = net.quantize(y, least - shift, **clamp)
    for _ in range(draw(st.integers(0, 3))):
        y = draw(st.sampled_from([bound, pool, move]))(draw, net, y)
    return y if quantizer_first else net.quantize(y, least - shift, **clamp)


def convolution(draw, net, x, channels, **options):
    _, inputs, height, width = net.graph.type_of(x).shape
    pads = tuple(draw(st.lists(st.integers(0, 2), min_size=4, max_size=4)))
    dilations, kernel = draw(pairs), []
    for axis, size in enumerate((height, width)):
        room = size + pads[axis] + pads[axis + 2]
        kernel.append(min(draw(sizes), (room - 1) // dilations[axis] + 1))
    groups = inputs if draw(st.integers(0, 5)) == 0 and channels % inputs == 0 else 1
    attrs = {"strides": draw(pairs), "pads": pads, "dilations": dilations, "groups": groups}
    return net.conv(x, channels, tuple(kernel), **options, **attrs)


def join(draw, net, x):
    """A sum, difference, product or concat of a tensor and the same on another grid."""
    e = net.exponent(x)
    other = net.quantize(x, e + draw(st.integers(-3, 3)), **draw(st.sampled_from([{}, {"qmin": 0}])))
    operands = draw(st.permutations([x, other]))
    if draw(st.booleans()):
        y = net.op(draw(st.sampled_from(["add", "sub", "mul"])), operands, dtype="f32")
    else:
        axis = draw(st.integers(1, len(net.graph.type_of(x).shape) - 1))
        y = net.op("concat", operands, dtype="f32", axis=axis)
    y = net.same("relu", y) if draw(st.booleans()) else y
    return net.quantize(y, e + draw(st.integers(-3, 2)))


def mean(draw, net, x):
    """An average pool with some padding, perhaps counted."""
    shape = net.graph.type_of(x).shape
    if len(shape) != 4:
        return x
    kernel = tuple(min(size, draw(sizes)) for size in shape[2:])
    pads = tuple(draw(st.integers(0, size - 1)) for size in kernel * 2)
    counted = draw(st.sampled_from([pads, (0, 0, 0, 0)]))
    attrs = {"kernel": kernel, "strides": draw(pairs), "pads": pads, "counted_pads": counted}
    y = net.op("average_pool", [x], dtype="f32", **attrs)
    return net.quantize(y, net.exponent(x) + draw(st.integers(-2, 3)))


def part(draw, net, x):
    """A slice or a pad."""
    shape = net.graph.type_of(x).shape
    if draw(st.booleans()):
        amounts = [0 if axis % len(shape) == 0 else draw(st.integers(0, 2)) for axis in range(2 * len(shape))]
        return net.same("pad", x, pads=tuple(amounts))
    starts = (0, *(draw(st.integers(0, size - 1)) for size in shape[1:]))
    steps = (1, *(draw(sizes) for _ in shape[1:]))
    return net.same("slice", x, starts=starts, ends=shape, steps=steps)


def bound(draw, net, x):
    if draw(st.booleans()):
        return net.same("relu", x)
    low, high = draw(st.floats(-4, 4, width=32)), draw(st.floats(-1, 8, width=32))
    return net.same("clip", x, min=low, max=high)


def pool(draw, net, x):
    shape = net.graph.type_of(x).shape
    if len(shape) != 4:
        return x
    kernel = tuple(min(size, draw(sizes)) for size in shape[2:])
    pads = tuple(draw(st.integers(0, size - 1)) for size in kernel * 2)
    return net.same(
        "max_pool", x, kernel=kernel, strides=draw(pairs), pads=draw(st.sampled_from([pads, (0, 0, 0, 0)]))
    )


def move(draw, net, x):
    shape = net.graph.type_of(x).shape
    if len(shape) == 4 and draw(st.booleans()):
        return net.same("transpose", x, perm=(0, *draw(st.permutations([1, 2, 3]))))
    elements = net.graph.type_of(x).elements
    targets = [(1, elements), (1, *shape[:0:-1]), (1, elements, 1, 1)]
    return net.same("reshape", x, shape=draw(st.sampled_from(targets)))
