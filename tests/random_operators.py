"""The operators of random networks: each writes its nodes behind a value and returns what they give.

A function under `@operator(test)` takes the networks (tests/random_networks.py) and a value whose shape passes the
test. It returns values on grids; one without exponent is an output of reals that nothing else takes.
"""

from __future__ import annotations

import math

import numpy as np

from .random_networks import CHANNELS, Value

OPERATORS = []
# Accumulators below this keep float32 far from the ties of a bias off the grid.
SMALL_ACCUMULATORS = 1 << 18
ACTIVATIONS = (
    "Sigmoid",
    "Tanh",
    "HardSwish",
    "HardSigmoid",
    "LeakyRelu",
    "Elu",
    "Softplus",
    "Erf",
    "Abs",
    "Mish",
    "Gelu",
)


def operator(takes):
    """Register an operator for values whose shape passes the test."""

    def register(write):
        write.takes = takes
        OPERATORS.append(write)
        return write

    return register


def rank(*ranks):
    return lambda shape: len(shape) in ranks


# Layers


class Weights:
    """Random weights [O, ...] as a tensor of the model: integers, an exponent for each output, how they spread."""

    def __init__(self, net, outputs, shape, axis=0):
        most = net.pick((127, 127, 127, 8, 1))
        self.integers = net.random.integers(-most, most + 1, shape)
        self.integers.flat[0] |= 1
        self.spread = max(float(np.std(self.integers)), 0.5)
        base = net.pick(range(2, 10))
        form = net.pick(("stored", "channels", "qdq", "clip", "folded"))
        self.exponents = np.full(outputs, base)
        if form == "channels":
            self.exponents = base + net.random.integers(0, 3, outputs)
        scales = 2.0**-self.exponents
        build = net.build
        if form == "channels":
            self.name = build.dq(self.integers, scales, axis=axis)
        elif form == "stored":
            self.name = build.dq(self.integers, 2.0**-base)
        elif form == "folded":
            self.name = build.constant(self.integers * 2.0**-base)
        else:
            self.name = build.quantizer(build.constant(self.integers * 2.0**-base), base, form)
        if form == "folded":
            # The exponent is recovered as the smallest one that holds the values; results are the same.
            self.exponents = np.full(outputs, base)


def bias(net, value, weights, products, shape=None):
    """The tensor of a bias [O], or "", and whether it lies off the grid of the accumulators."""
    exponents = weights.exponents + value.exponent
    kind = net.pick(("", "grid", "int32", "off"))
    units = net.random.integers(-2000, 2001, len(exponents)).astype(np.float64)
    if kind == "off" and products * 128 * np.abs(weights.integers).max() > SMALL_ACCUMULATORS:
        kind = "grid"
    if kind == "int32" and shape is None:
        uniform = len(set(exponents.tolist())) == 1
        scale, attrs = (2.0 ** -exponents[0], {}) if uniform else (2.0**-exponents, {"axis": 0})
        return net.build.dq(units, scale, np.int32, **attrs), False
    if kind == "off":
        units += net.random.integers(1, 16, len(exponents)) / 16
    reals = np.ldexp(units, -exponents)
    return (net.build.constant(reals if shape is None else reals.reshape(shape)) if kind else ""), kind == "off"


def layer_result(net, name, shape, value, weights, products, off):
    """What follows a layer: bounds and a quantizer in either order; sometimes nothing at all."""
    if not off and net.chance(14):
        return [Value(name, shape, None)]
    exponents = weights.exponents + value.exponent
    reals = value.spread * weights.spread * math.sqrt(products) * 2.0 ** -float(np.mean(exponents))
    # Off the grid, something must be rounded.
    most = int(exponents.min()) - 1 if off else None
    if net.chance(4):
        quantized = net.rounded(name, shape, reals, most=most)
        return bound(net, quantized)
    return [net.rounded(net.bounded(name), shape, reals, most=most)]


def window(net, sizes, *, dilations=(1, 1, 1, 2, 3), most_pad=2):
    """Attributes of a window that fits an image of those sizes, and the sizes of the result."""
    kernel, strides, spread, before, after, result = [], [], [], [], [], []
    for size in sizes:
        k, d = net.pick((1, 1, 2, 3, 3, 4, 5)), net.pick(dilations)
        a, b = (net.pick(range(min(most_pad, k - 1) + 1)) for _ in range(2))
        while (k - 1) * d + 1 > size + a + b or max(a, b) >= k:
            k, d, a, b = max(k - 1, 1), 1, min(a, max(k - 2, 0)), min(b, max(k - 2, 0))
        s = net.pick((1, 1, 1, 2, 3))
        kernel.append(k), strides.append(s), spread.append(d), before.append(a), after.append(b)
        result.append((size + a + b - (k - 1) * d - 1) // s + 1)
    attrs = {"kernel_shape": kernel, "strides": strides, "dilations": spread, "pads": before + after}
    same = all(k >= s for k, s in zip(kernel, strides, strict=True))
    if max(spread) == 1 and same and net.chance(5):
        attrs["auto_pad"] = net.pick(("SAME_UPPER", "SAME_LOWER"))
        del attrs["pads"]
        result = [-(-size // s) for size, s in zip(sizes, strides, strict=True)]
    return attrs, result


@operator(rank(3, 4))
def convolution(net, value):
    channels = value.shape[1]
    groups = net.pick([1, 1, channels, *(n for n in (2, 3, 4) if channels % n == 0)])
    outputs = groups * net.pick((1, 1, 2)) if groups > 1 else net.pick(CHANNELS)
    attrs, sizes = window(net, value.shape[2:])
    shape = (outputs, channels // groups, *attrs["kernel_shape"])
    weights, products = Weights(net, outputs, shape), math.prod(shape[1:])
    b, off = bias(net, value, weights, products)
    y = net.node("Conv", value, weights.name, *([b] if b else []), group=groups, **attrs)
    return layer_result(net, y, (1, outputs, *sizes), value, weights, products, off)


@operator(rank(3, 4))
def pointwise(net, value):
    outputs, inputs = net.pick(CHANNELS), value.shape[1]
    weights = Weights(net, outputs, (outputs, inputs, *[1] * (len(value.shape) - 2)))
    b, off = bias(net, value, weights, inputs)
    y = net.node("Conv", value, weights.name, *([b] if b else []))
    return layer_result(net, y, (1, outputs, *value.shape[2:]), value, weights, inputs, off)


@operator(rank(2))
def gemm(net, value):
    outputs, inputs = net.pick(CHANNELS), value.shape[1]
    turned = net.pick((0, 1))
    weights = Weights(net, outputs, (outputs, inputs) if turned else (inputs, outputs), axis=1 - turned)
    b, off = bias(net, value, weights, inputs)
    y = net.node("Gemm", value, weights.name, *([b] if b else []), transB=turned)
    return layer_result(net, y, (1, outputs), value, weights, inputs, off)


@operator(rank(2, 3, 4))
def rows(net, value):
    outputs, inputs = net.pick(CHANNELS), value.shape[-1]
    weights = Weights(net, outputs, (inputs, outputs), axis=1)
    y, off = net.node("MatMul", value, weights.name), False
    if net.pick((0, 1)):
        b, off = bias(net, value, weights, inputs, (outputs,))
        y = net.build.node("Add", net.pick(([y, b], [b, y]))) if b else y
    return layer_result(net, y, (*value.shape[:-1], outputs), value, weights, inputs, off)


@operator(rank(3, 4))
def columns(net, value):
    outputs, inputs = net.pick(CHANNELS), value.shape[-2]
    weights = Weights(net, outputs, (outputs, inputs))
    y, off = net.build.node("MatMul", [weights.name, net.take(value)]), False
    if net.pick((0, 1)):
        b, off = bias(net, value, weights, inputs, (outputs, 1))
        y = net.build.node("Add", [y, b]) if b else y
    return layer_result(net, y, (*value.shape[:-2], outputs, value.shape[-1]), value, weights, inputs, off)


@operator(rank(3, 4))
def flat_gemm(net, value):
    """A Flatten and a layer behind it."""
    return gemm(net, net.same_grid(net.node("Flatten", value), value, (1, value.elements)))


# Pools and reductions


@operator(rank(3, 4))
def max_pool(net, value):
    attrs, sizes = window(net, value.shape[2:], most_pad=net.pick((0, 1)))
    if any(attrs.get("pads", ())) and max(attrs["dilations"]) > 1:
        # Dilated windows on padding alone have no maximum.
        return [value]
    return [net.same_grid(net.node("MaxPool", value, **attrs), value, (*value.shape[:2], *sizes))]


@operator(rank(3, 4))
def average_pool(net, value):
    attrs, sizes = window(net, value.shape[2:], dilations=(1,))
    del attrs["dilations"]
    y = net.node("AveragePool", value, count_include_pad=net.pick((0, 1)), **attrs)
    return [net.rounded(y, (*value.shape[:2], *sizes), value.real_spread / 2, most=value.exponent + 6)]


@operator(rank(3, 4))
def global_pool(net, value):
    shape = (*value.shape[:2], *[1] * (len(value.shape) - 2))
    if net.pick((0, 1)):
        return [net.same_grid(net.node("GlobalMaxPool", value), value, shape)]
    y = net.node("GlobalAveragePool", value)
    return [net.rounded(y, shape, value.real_spread / 3, most=value.exponent + 6)]


@operator(rank(2, 3, 4, 5))
def reduction(net, value):
    axes = [axis for axis in range(1, len(value.shape)) if net.pick((0, 1))] or [len(value.shape) - 1]
    keep = len(value.shape) - len(axes) < 2 or net.pick((0, 1))
    shape = [1 if axis in axes else size for axis, size in enumerate(value.shape) if keep or axis not in axes]
    op = net.pick(("ReduceMean", "ReduceMax"))
    y = net.node(op, value, net.ints(*axes), keepdims=int(keep))
    if op == "ReduceMax":
        return [net.same_grid(y, value, shape)]
    return [net.rounded(y, tuple(shape), value.real_spread / 3, most=value.exponent + 6)]


# Elementwise


@operator(rank(2, 3, 4, 5))
def activation(net, value):
    y = net.node(net.pick(ACTIVATIONS), value)
    if net.chance(3):
        y = net.build.node("Mul", [net.take(value), y])
    return [net.quantized(y, value.shape, net.pick(range(3, 8)), 30.0)]


@operator(rank(2, 3, 4))
def channel_function(net, value):
    channels = value.shape[1]
    column = (channels, *[1] * (len(value.shape) - 2))
    if net.pick((0, 1)):
        y = net.node("PRelu", value, net.build.constant(net.random.uniform(-1, 1, column)))
    else:
        vectors = [net.build.constant(net.random.uniform(low, 2, channels)) for low in (-2, -2, -2, 0.1)]
        y = net.node("BatchNormalization", value, *vectors)
    return [net.rounded(y, value.shape, value.real_spread)]


@operator(rank(2, 3, 4, 5))
def bound(net, value):
    return [net.same_grid(net.bounded(net.take(value), 2.0**-value.exponent, ("Relu", "Clip")), value)]


@operator(rank(2, 3, 4, 5))
def clip(net, value):
    """At bounds that need not lie on the tensor's grid, with a quantizer behind."""
    low, high = sorted(net.random.normal(scale=value.real_spread, size=2))
    return [net.rounded(net.build.clip(net.take(value), low, high), value.shape, value.real_spread)]


@operator(rank(2, 3, 4, 5))
def requantize(net, value):
    return [net.rounded(net.take(value), value.shape, value.real_spread)]


@operator(rank(2, 3, 4))
def softmax(net, value):
    y = net.node("Softmax", value, axis=net.pick(range(1, len(value.shape))))
    return [net.quantized(y, value.shape, net.pick((6, 7, 8)), 10.0)]


@operator(rank(2, 3, 4, 5))
def arithmetic(net, value):
    """A sum, difference or product with another tensor of the network, itself on another grid, or a constant."""
    op = net.pick(("Add", "Add", "Sub", "Mul"))
    others = [other for other in net.values if broadcasts(value.shape, other.shape) and other is not value]
    others = [other for other in others if abs(other.exponent - value.exponent) <= 10]
    kind = net.pick(("other", "other", "again", "constant"))
    if kind == "constant":
        shape = [size if net.pick((0, 1)) else 1 for size in value.shape[1:]]
        integers, exponent = net.random.integers(-128, 128, shape), value.exponent + net.pick((-3, 0, 2))
        if not np.any(integers):
            integers.flat[0] = 1
        dq = net.pick((0, 1))
        name = net.build.dq(integers, 2.0**-exponent) if dq else net.build.constant(integers * 2.0**-exponent)
        other, real = name, 70 * 2.0**-exponent
    else:
        chosen = net.pick(others) if others and kind == "other" else requantize(net, value)[0]
        other, real = net.take(chosen), chosen.real_spread
        if abs(chosen.exponent - value.exponent) > 10:
            return [value]
    operands = net.pick(([net.take(value), other], [other, net.take(value)]))
    y = net.bounded(net.build.node(op, operands))
    result = value.real_spread * real if op == "Mul" else math.hypot(value.real_spread, real)
    return [net.rounded(y, value.shape, result)]


def broadcasts(shape, other):
    """True when `other` repeated along axes of length 1 has the shape."""
    return len(shape) == len(other) and all(b in (a, 1) for a, b in zip(shape, other, strict=True))


# Moves


@operator(rank(2, 3, 4, 5))
def concat(net, value):
    axis = net.pick(range(1, len(value.shape)))
    rest = (*value.shape[:axis], *value.shape[axis + 1 :])
    fits = [
        v for v in net.values if len(v.shape) == len(value.shape) and (*v.shape[:axis], *v.shape[axis + 1 :]) == rest
    ]
    parts = [net.pick((value, *fits)) for _ in range(net.pick((1, 2, 2, 3)))] + [value]
    shape = (*value.shape[:axis], sum(part.shape[axis] for part in parts), *value.shape[axis + 1 :])
    y = net.build.node("Concat", [net.take(part) for part in parts], axis=axis)
    if len({part.exponent for part in parts}) == 1 and net.pick((0, 1)):
        return [net.same_grid(y, value, shape)]
    return [net.rounded(net.bounded(y), shape, max(part.real_spread for part in parts))]


@operator(rank(2, 3, 4, 5))
def cut(net, value):
    starts, ends, steps, axes = [], [], [], range(1, len(value.shape))
    for axis in axes:
        size = value.shape[axis]
        start = net.pick(range(size)) if net.pick((0, 1)) else 0
        end = net.pick(range(start + 1, size + 1)) if net.pick((0, 1)) else size
        starts.append(start), ends.append(end), steps.append(net.pick((1, 1, 1, 2, 3)))
    shape = [-(-(end - start) // step) for start, end, step in zip(starts, ends, steps, strict=True)]
    y = net.node("Slice", value, *(net.ints(*numbers) for numbers in (starts, ends, axes, steps)))
    return [net.same_grid(y, value, (1, *shape))]


@operator(lambda shape: len(shape) <= 5 and max(shape[1:]) > 1)
def split(net, value):
    axis = net.pick([axis for axis in range(1, len(value.shape)) if value.shape[axis] > 1])
    first = net.pick(range(1, value.shape[axis]))
    sizes = (first, value.shape[axis] - first)
    y = net.node("Split", value, net.ints(*sizes), axis=axis)
    net.build.nodes[-1].output.append(f"{y}.rest")
    shapes = [(*value.shape[:axis], size, *value.shape[axis + 1 :]) for size in sizes]
    return [net.same_grid(name, value, shape) for name, shape in zip((y, f"{y}.rest"), shapes, strict=True)]


@operator(rank(2, 3, 4))
def pad(net, value):
    pads = [0 if axis == 0 else net.pick((0, 0, 1, 2)) for axis in list(range(len(value.shape))) * 2]
    fill = net.pick((0, 0, 3, -7)) * 2.0**-value.exponent
    fronts, backs = pads[: len(value.shape)], pads[len(value.shape) :]
    shape = [sum(parts) for parts in zip(value.shape, fronts, backs, strict=True)]
    return [net.same_grid(net.node("Pad", value, net.ints(*pads), net.build.constant(fill)), value, shape)]


@operator(rank(2, 3, 4, 5))
def reshape(net, value):
    """Another shape of the same elements, by one of the operators that give one."""
    kind = net.pick(("Reshape", "Flatten", "Unsqueeze", "Squeeze"))
    ones = [axis for axis in range(1, len(value.shape)) if value.shape[axis] == 1]
    if kind == "Flatten":
        return [net.same_grid(net.node("Flatten", value), value, (1, value.elements))]
    if kind == "Unsqueeze" and len(value.shape) < 5:
        axis = net.pick(range(1, len(value.shape) + 1))
        shape = (*value.shape[:axis], 1, *value.shape[axis:])
        return [net.same_grid(net.node("Unsqueeze", value, net.ints(axis)), value, shape)]
    if kind == "Squeeze" and ones and len(value.shape) > 2:
        axis = net.pick(ones)
        shape = (*value.shape[:axis], *value.shape[axis + 1 :])
        return [net.same_grid(net.node("Squeeze", value, net.ints(axis)), value, shape)]
    factor = net.pick([n for n in range(1, 17) if value.elements % n == 0])
    rest = value.elements // factor
    second = net.pick([n for n in (1, 2, 3, 4, 5) if rest % n == 0])
    shape = net.pick(((1, factor, rest), (1, factor, second, rest // second), (1, rest, factor), (1, value.elements)))
    return [net.same_grid(net.node("Reshape", value, net.ints(*shape)), value, shape)]


@operator(rank(3, 4, 5))
def transpose(net, value):
    axes = list(range(1, len(value.shape)))
    perm = [0]
    while axes:
        perm.append(axes.pop(axes.index(net.pick(axes))))
    shape = [value.shape[axis] for axis in perm]
    return [net.same_grid(net.node("Transpose", value, perm=perm), value, shape)]


@operator(rank(2, 3, 4, 5))
def nothing(net, value):
    return [net.same_grid(net.node(net.pick(("Identity", "Dropout")), value), value)]
