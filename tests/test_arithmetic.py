"""add, sub, mul and second quantizers: against exact rationals, onnxruntime, and on the simulated chip."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from p4c.compiler.builder import append
from p4c.compiler.interpreter import run_graph
from p4c.compiler.ir import Constant, Graph, QuantParams, TensorType
from p4c.compiler.passes import run_passes

from .frontend_models import ModelBuilder, assert_identical, problems
from .graphs import Net, assert_device_identical, plan_of

CODES = np.arange(-128, 128, dtype=np.int8)
# The shape of the first operand, of the second, and of the result.
SHAPES = [
    ((1, 3, 4, 5), (1, 3, 4, 5)),
    ((1, 16, 2, 2), (1, 16, 2, 2)),
    ((1, 17, 3, 2), (1, 17, 1, 1)),
    ((1, 1, 3, 4), (1, 5, 3, 4)),
    ((1, 5, 3, 4), (1, 1, 1, 4)),
    ((1, 33), (1, 33)),
    ((1, 7), (1, 1)),
    ((1, 2, 9), (1, 2, 1)),
]


def exact(x, ex, y, ey, ez, function):
    """function(x, y) in exact rationals, quantized."""
    value = function(Fraction(int(x)) / Fraction(2) ** ex, Fraction(int(y)) / Fraction(2) ** ey)
    return min(max(round(value * Fraction(2) ** ez), -128), 127)


@pytest.mark.parametrize(
    ("op", "exponents"), [("add", (4, 6, 3)), ("sub", (6, 3, 4)), ("mul", (4, 3, 2)), ("mul", (0, 0, 1))]
)
def test_integer_forms_against_rationals(op, exponents):
    """Every pair of codes on a coarse raster, after all passes and before."""
    ex, ey, ez = exponents
    x, y = (array.ravel() for array in np.meshgrid(CODES[::5], CODES[::3]))
    graph = Graph(
        "g", {name: TensorType("i8", (1, x.size), QuantParams.power_of_two(e)) for name, e in (("x", ex), ("y", ey))}
    )
    append(graph, op, "s", ["x", "y"], dtype="f32")
    append(graph, "quantize", "z", ["s"], dtype="i8", params=QuantParams.power_of_two(ez))
    graph.outputs = ["z"]
    function = {"add": Fraction.__add__, "sub": Fraction.__sub__, "mul": Fraction.__mul__}[op]
    expected = [[exact(a, ex, b, ey, ez, function) for a, b in zip(x, y, strict=True)]]
    inputs = {"x": x[None], "y": y[None]}
    integer = run_passes(graph, lambda stage: None)
    assert [node.op for node in integer] == ["qmul" if op == "mul" else "qadd"]
    assert run_graph(integer, inputs)["z"].tolist() == expected
    assert run_graph(graph, inputs)["z"].tolist() == expected


@pytest.mark.parametrize("shift", [-31, -3, 0, 1, 2, 7, 8, 31])
def test_requantize_against_rationals(shift):
    graph = Graph("g", {"x": TensorType("i8", (1, 256), QuantParams.power_of_two(20))})
    append(graph, "quantize", "z", ["x"], dtype="i8", params=QuantParams.power_of_two(20 - shift), qmin=-100)
    graph.outputs = ["z"]
    expected = [max(exact(code, 20, 0, 0, 20 - shift, Fraction.__add__), -100) for code in CODES]
    integer = run_passes(graph, lambda stage: None)
    assert [node.op for node in integer] == ["requantize"]
    assert run_graph(integer, {"x": CODES[None]})["z"].tolist() == [expected]


def operands(net, shapes, exponents, second):
    """Two operands from layers, so that four axes are channels-last; the second may be a constant or the first."""
    x, y = (
        net.quantize(net.same("relu", net.stored_input(*shape[1:], e=3)), e)
        for shape, e in zip(shapes, exponents, strict=True)
    )
    if second == "constant":
        array = net.random.integers(-128, 128, shapes[1]).astype(np.int8)
        y = net.graph.add_constant(
            "c", Constant(TensorType("i8", shapes[1], QuantParams.power_of_two(exponents[1])), array)
        )
    return (x, x) if second == "same" else (x, y)


@pytest.mark.parametrize("second", ["other", "constant", "same"])
def test_kernels(second):
    net = Net(11)
    for at, shapes in enumerate(SHAPES):
        for op in ("add", "sub", "mul"):
            x, y = operands(net, shapes, (4, 4 + at % 3 - 1), second)
            if len(shapes[0]) == 4 and second != "constant" and at % 2:
                x = net.same("max_pool", x, kernel=(1, 1))
            elif len(shapes[0]) == 4 and second != "constant":
                x, y = (net.same("max_pool", name, kernel=(1, 1)) for name in (x, y))
            swapped = (at + len(op)) % 2 == 0
            z = net.op(op, [y, x] if swapped else [x, y], dtype="f32")
            z = net.same("relu", z) if at % 2 else z
            net.output(net.quantize(z, [3, 5, 2][at % 3], qmax=100))
    assert_device_identical(net.graph)


def test_requantize_kernel():
    net = Net(12)
    for shape, e, f in [((3, 5, 5), 5, 3), ((16, 2, 2), 5, 9), ((33,), 4, 4), ((1,), 20, 0)]:
        x = net.stored_input(*shape, e=e)
        net.output(net.quantize(x, f))
        if len(shape) == 3:
            x = net.quantize(net.conv(x, 7, (1, 1), bias="grid"), 2)
            net.output(net.quantize(net.same("relu", net.quantize(x, 3)), 1))
    assert_device_identical(net.graph)


def test_sums_are_computed_in_place_of_either_operand():
    net = Net(13)
    x = net.quantize(net.conv(net.input(3, 6, 6), 16, (1, 1)), 4)
    y = net.quantize(net.conv(x, 16, (3, 3), pads=(1, 1, 1, 1)), 4)
    first = net.quantize(net.op("add", [x, y], dtype="f32"), 3)
    last = net.quantize(net.op("add", [y, first], dtype="f32"), 3)
    net.output(net.quantize(net.dense(last, 3), 1))
    plan = assert_device_identical(net.graph).plan
    assert plan.buffers[first] == plan.buffers[x]
    assert plan.buffers[last] in (plan.buffers[y], plan.buffers[first])


def test_what_has_no_integer_form():
    net = Net()
    x, y = net.stored_input(3, e=20), net.stored_input(3, e=4)
    net.output(net.quantize(net.op("add", [x, y], dtype="f32"), 4))
    net.output(net.quantize(net.op("mul", [x, x], dtype="f32"), 4))
    net.output(net.op("sub", [y, y], dtype="f32"))
    with pytest.raises(Exception, match="exponents are 20 and 4, expected at most 15 apart") as caught:
        plan_of(net.graph)
    assert "the result needs a shift by 36, expected -31 to 31" in str(caught.value)
    assert "the float32 result goes to an output, expected one quantizer behind it" in str(caught.value)


def quantized_pair(build, shape):
    """Two quantized tensors of different exponents made from the input."""
    other = build.node("Reshape", [build.node("Transpose", ["x"], perm=[0, 1]), build.constant(shape, np.int64)])
    return build.quantizer("x", 4), build.quantizer(build.node("Relu", [other]), 6)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("form", ["tensors", "same", "constant", "plain constant", "axes"])
def test_importers(op, form):
    build = ModelBuilder()
    x, y = quantized_pair(build, (1, 24))
    if form == "same":
        y = x
    elif form == "constant":
        y = build.dq(np.arange(-12, 12), 0.5)
    elif form == "plain constant":
        y = build.constant(np.arange(24).reshape(1, 24) / 8)
    elif form == "axes":
        y = build.quantizer(build.node("Reshape", [build.node("Relu", ["x"]), build.constant((24,), np.int64)]), 3)
    z = build.node(op, [y, x] if form == "constant" else [x, y])
    assert_identical(build.model(build.quantizer(build.node("Relu", [z]), 2), (1, 24)))


def test_two_quantizers_in_a_row():
    build = ModelBuilder()
    y = build.quantizer(build.node("Relu", [build.quantizer("x", 5)]), 3)
    assert_identical(build.model(build.quantizer(y, 6), (1, 50)))


def test_constants_off_any_grid():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    per_channel = build.dq(np.arange(4).reshape(2, 2), np.float32([1, 2]), axis=0)
    plain = build.constant(np.arange(4).reshape(2, 2) / 3)
    sums = [build.node("Add", [x, plain]), build.node("Mul", [x, per_channel])]
    texts = problems(build.model([build.quantizer(y, 4) for y in sums], (1, 2, 2)))
    assert "takes a float constant on no grid k * 2^-e with k in -128..127" in texts[0]
    assert "takes a constant with one scale per channel, expected one scale for the whole tensor" in texts[1]


def test_vectors_off_any_grid_become_tables():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    per_channel = build.dq(np.arange(4), np.float32([1, 2, 4, 8]), axis=0)
    sums = [build.node("Add", [x, build.constant([0.1, 0.2, 0.3, 0.4])]), build.node("Mul", [x, per_channel])]
    graph = assert_identical(build.model([build.quantizer(y, 4) for y in sums])).graph
    assert [node.op for node in graph].count("table") == 2
