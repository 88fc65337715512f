"""What has no integer form or no kernel: every problem is named at its node, all in one run."""

from __future__ import annotations

import numpy as np
import pytest

from p4c.backend.lower import lower
from p4c.backend.target import ESP32P4
from p4c.compiler.errors import ModelError
from p4c.compiler.ir import Constant, QuantParams, TensorType
from p4c.compiler.passes import run_passes
from p4c.compiler.passes.convert_to_integer import convert_to_integer

from .graphs import Net, plan_of


def problems_of(stage, graph):
    """`node (op), tensor: what`, and advice, of every problem."""
    with pytest.raises(ModelError) as caught:
        stage(graph)
    assert all(problem.advice and not problem.warning for problem in caught.value.problems)
    return [f"{problem.place}: {problem.what}" for problem in caught.value.problems]


def quantized(net, x, **changes):
    """A layer with a quantized result, folded as the passes do, with fields of its type changed."""
    y = net.dense(x, 2)
    type_ = TensorType("i8", (1, 2), QuantParams.power_of_two(4)).with_(**changes)
    net.graph.nodes[y] = net.graph.nodes[y].with_(type=type_)
    net.stored_output(y)
    return y


def retype(net, name, **changes):
    """Change the type of an input or a constant."""
    if name in net.graph.inputs:
        net.graph.inputs[name] = net.graph.inputs[name].with_(**changes)
    else:
        constant = net.graph.constants[name]
        net.graph.constants[name] = Constant(constant.type.with_(**changes), constant.array)


# What is wrong with the operands and the result of one layer: how to make it so, and the text.
FAULTS = {
    "float input": (
        lambda net: retype(net, "stored0", dtype="f32", params=None),
        'tensor "stored0": the operand is f32 and has no quantizer, expected int8',
    ),
    "uint8 input": (
        lambda net: retype(net, "stored0", dtype="u8", params=QuantParams((1.0,), (128,))),
        'tensor "stored0": the operand is u8 with zero point 128, expected int8 with 0',
    ),
    "zero point in one channel": (
        lambda net: retype(net, "w0", params=QuantParams((1.0, 1.0), (0, 3), 0)),
        'tensor "w0": the operand is i8 with zero point 3, expected int8 with 0',
    ),
    "other scale": (
        lambda net: retype(net, "w0", params=QuantParams((0.5, 0.75), (0, 0), 0)),
        'tensor "w0": the scale 0.75 is no power of two',
    ),
    "NaN bias": (
        lambda net: net.graph.constants["b0"].array.__setitem__(1, np.nan),
        'tensor "b0": the bias of channel 1 is nan accumulator units, expected a finite number',
    ),
    "huge bias": (
        lambda net: net.graph.constants["b0"].array.__setitem__(1, 2.0**40),
        'tensor "b0": the bias of channel 1 is 2.2518e+15 accumulator units, over 32 bits',
    ),
    "far exponents": (
        lambda net: (
            retype(net, "stored0", params=QuantParams.power_of_two(30)),
            net.graph.constants["b0"].array.fill(0.0),
        ),
        'tensor "fc0": channel 0 needs a shift by 33, expected -31 to 31',
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_operands_without_integer_form(fault):
    spoil, text = FAULTS[fault]
    net = Net()
    quantized(net, net.stored_input(3))
    spoil(net)
    assert problems_of(convert_to_integer, net.graph) == [f'node "/fc0" (fully_connected), {text}']


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"dtype": "u8"}, "u8 with scale 0.0625 and zero point 0"),
        ({"params": QuantParams((0.0625,), (3,))}, "i8 with scale 0.0625 and zero point 3"),
        ({"params": QuantParams((0.1,))}, "i8 with scale 0.1 and zero point 0"),
    ],
)
def test_results_without_integer_form(changes, found):
    net = Net()
    quantized(net, net.stored_input(3), **changes)
    text = f'tensor "fc0": the output is {found}, expected int8, a power of two and 0'
    assert problems_of(convert_to_integer, net.graph) == [f'node "/fc0" (fully_connected), {text}']


def test_bias_off_the_grid_needs_a_shift():
    net = Net()
    net.output(net.quantize(net.dense(net.input(3, e=4), 2, bias="off", e=2), 6))
    [text] = problems_of(plan_of, net.graph)
    assert text.startswith('node "/fc0" (fully_connected), tensor "b0": the bias of channel 0 is ')
    assert text.endswith(" accumulator units with no shift to round it")


def test_computed_weights_and_bias():
    net = Net()
    quantized(net, net.stored_input(3))
    for name in ("w0", "b0"):
        net.graph.inputs[name] = net.graph.constants.pop(name).type
    assert [text.split(": ")[1] for text in problems_of(convert_to_integer, net.graph)] == [
        "the weights are computed, expected a constant",
        "the bias is computed, expected a constant",
    ]


def test_reals_that_several_use():
    net = Net()
    y = net.dense(net.input(3), 2)
    net.output(net.quantize(y, 4))
    net.output(net.quantize(y, 3))
    net.output(y)
    assert problems_of(plan_of, net.graph) == [
        'node "/fc0" (fully_connected), tensor "fc0": the float32 result goes to "/q1" (quantize) and '
        '"/q2" (quantize) and an output, expected one quantizer behind it'
    ]


def test_what_has_no_kernel():
    net = Net()
    x = net.input(4, 8, 8)
    many_axes = net.same("reshape", x, shape=(1, 2, 2, 2, 2, 2, 2, 4))
    net.output(net.same("transpose", many_axes, perm=(0, 7, 6, 5, 4, 3, 2, 1)))
    u8 = net.stored_input(2, 3, 3, dtype="u8")
    net.output(net.same("max_pool", u8, kernel=(2, 2)))
    assert problems_of(plan_of, net.graph) == [
        'node "/transpose0" (transpose), tensor "transpose0": no kernel applies: it would need that the '
        "axes, those that stay together as one, are at most 6",
        'node "/max_pool0" (max_pool), tensor "max_pool0": no kernel applies: it would need that the input is int8',
    ]


def test_batch_and_wide_accumulators():
    net = Net()
    net.graph.inputs["batch"] = TensorType("i8", (2, 3), QuantParams.power_of_two(0))
    net.output(net.quantize(net.dense("batch", 2, bias="none"), 1))
    wide = net.dense(net.stored_input(3), 1)
    net.graph.constants[net.graph.nodes[wide].operands[2]].array[:] = 2.0**19
    net.output(net.quantize(wide, -8))
    assert [text.split("that ")[1] for text in problems_of(plan_of, net.graph)] == [
        "the batch is 1",
        "|acc| < 2^30 is proven",
    ]


def test_borders_that_the_host_cannot_serve():
    net = Net()
    net.output(net.quantize(net.dense(net.input(3), 2), 1))
    net.graph.inputs["idle"] = TensorType("f32", (1, 3))
    net.graph.inputs["bare"] = TensorType("f32", (1, 3))
    net.output(net.same("relu", "bare"))
    net.output(net.quantize("in0", 2))
    expected = "expected exactly one quantizer"
    assert problems_of(plan_of, net.graph) == [
        f'tensor "in0": the float input is used by "/q0" (quantize), "/q2" (quantize), {expected}',
        f'tensor "idle": the float input is used by nothing, {expected}',
        f'tensor "bare": the float input is used by "/relu0" (relu), {expected}',
        'tensor "relu0": the output is f32, expected the result of a quantized layer',
        'node "/relu0" (relu), tensor "relu0": relu of f32 is left over in the integer graph, no kernel computes it',
    ]


def test_constant_input_and_no_input():
    net = Net()
    net.graph.add_constant(
        "c", Constant(TensorType("i8", (1, 3), QuantParams.power_of_two(4)), np.ones((1, 3), "i1"))
    )
    net.output(net.quantize(net.dense("c", 2), 1))
    assert problems_of(plan_of, net.graph) == [
        ": the model has no input",
        'node "/fc0" (qfully_connected), tensor "c": the input is a constant, expected what depends on the '
        "network's input",
    ]


def test_all_layers_are_named_and_the_rest_goes_on():
    """The error's rest is a valid graph with inputs in place of what failed, in which lowering finds more."""
    net = Net()
    x = net.stored_input(4, 6, 6)
    for e in (3, 4):
        y = net.conv(x, 4, bias="none")
        net.output(net.quantize(y, e))
    for name in ("w0", "w1"):
        retype(net, name, params=QuantParams((0.75,)))
    net.output(net.same("max_pool", net.stored_input(2, 3, 3, dtype="u8"), kernel=(2, 2)))
    with pytest.raises(ModelError) as caught:
        run_passes(net.graph, lambda stage: None)
    assert [(p.node, p.tensor) for p in caught.value.problems] == [("/conv0", "w0"), ("/conv1", "w1")]
    rest = caught.value.rest
    assert {name: rest.inputs[name].params.exponent for name in ("q0", "q1")} == {"q0": 3, "q1": 4}
    later = run_passes(rest, lambda stage: None, after="convert-to-integer")
    assert [text.split(",")[0] for text in problems_of(lambda graph: lower(graph, ESP32P4), later)] == [
        'node "/max_pool0" (max_pool)'
    ]
