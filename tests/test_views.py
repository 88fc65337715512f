"""Values that lie in other values' memory: parts of a concat, whole rows of a tensor, moves of none at an output."""

from __future__ import annotations

import pytest

from .graphs import Net, assert_device_identical
from .test_memory import assert_no_aliasing


def steps(net):
    """The ops that the simulated chip runs for a net, whose outputs are those of the interpreter."""
    plan = assert_device_identical(net.graph).plan
    assert_no_aliasing(plan)
    return plan, [step.node.op for step in plan.steps if step.node.op != "convert_layout"]


def joined(net, parts, axis):
    type_ = net.graph.type_of(parts[0])
    return net.op("concat", parts, dtype="i8", params=type_.params, axis=axis)


def layer(net, x, channels, e=1):
    return net.quantize(net.conv(x, channels, (1, 1)), e)


def test_rows_of_a_concat_are_computed_in_it():
    net = Net(1)
    x = net.input(3, 4, 5)
    whole = joined(net, [layer(net, x, 7), layer(net, x, 7), layer(net, x, 7)], 2)
    net.output(layer(net, whole, 5))
    plan, ops = steps(net)
    assert ops == ["qconv2d"] * 4
    offsets = [plan.buffers[name].offset - plan.buffers[whole].offset for name in plan.graph.nodes[whole].operands]
    assert offsets == [0, 4 * 5 * 16, 2 * 4 * 5 * 16]


def test_vectors_and_nested_concats():
    net = Net(2)
    x = net.input(16)
    a, b, c = (net.quantize(net.dense(x, size), 1) for size in (16, 32, 5))
    inner = joined(net, [a, b], 1)
    net.output(net.quantize(net.dense(net.same("relu", inner), 3), 1))
    net.output(joined(net, [inner, c], 1))
    _, ops = steps(net)
    assert ops == ["qfully_connected"] * 3 + ["relu", "qfully_connected"]


@pytest.mark.parametrize("reason", ["alignment", "input", "twice", "channels", "shared"])
def test_parts_that_are_copied(reason):
    net = Net(3)
    x = net.input(*((3, 4, 4) if reason == "channels" else (16,)))
    sizes = {"alignment": (15, 16)}.get(reason, (16, 16))
    a, b = (layer(net, x, 16) if reason == "channels" else net.quantize(net.dense(x, size), 1) for size in sizes)
    if reason == "input":
        a = net.stored_input(16, e=1)
    elif reason == "twice":
        b = a
    net.output(joined(net, [a, b], 1))
    if reason == "shared":
        net.output(joined(net, [b, a], 1))
    _, ops = steps(net)
    assert ops.count("concat") == 1


def test_part_that_others_read_and_write_after():
    """The memory of a part is never reused while the whole is needed, whatever else becomes of the part."""
    net = Net(4)
    x = net.input(16, 2, 2)
    a, b = layer(net, x, 16), layer(net, x, 16)
    early = net.same("relu", a)
    whole = joined(net, [a, b], 2)
    late = net.same("clip", a, min=-1.0, max=1.0)
    for value in (early, whole, late):
        net.output(layer(net, value, 4))
    _, ops = steps(net)
    assert "concat" not in ops


def test_slices_of_whole_rows_lie_in_their_operand():
    net = Net(5)
    x = layer(net, net.input(3, 6, 4), 16)
    for start, end in ((0, 2), (2, 3), (3, 6)):
        part = net.same("slice", x, starts=(0, 0, start, 0), ends=(1, 16, end, 4), steps=(1, 1, 1, 1))
        net.output(layer(net, net.same("relu", part), 4))
    plan, ops = steps(net)
    assert "slice" not in ops
    offsets = [plan.buffers[f"slice{i}"].offset - plan.buffers[x].offset for i in range(3)]
    assert offsets == [0, 2 * 4 * 16, 3 * 4 * 16]


def test_slices_of_an_input_and_slices_that_are_copied():
    net = Net(6)
    x = net.stored_input(64)
    cuts = {"whole": (0, 32, 1), "tail": (48, 64, 1), "odd": (3, 19, 1), "stepped": (0, 64, 2)}
    for start, end, step in cuts.values():
        net.output(
            net.quantize(net.dense(net.same("slice", x, starts=(0, start), ends=(1, end), steps=(1, step)), 3), 1)
        )
    _, ops = steps(net)
    assert ops.count("slice") == 2


def test_a_move_at_an_output_is_computed_there():
    net = Net(7)
    y = layer(net, net.input(3, 4, 4), 16)
    pixels = net.same("transpose", y, perm=(0, 2, 3, 1))
    net.output(net.same("reshape", pixels, shape=(1, 16, 16)))
    _, ops = steps(net)
    assert ops == ["qconv2d"]


def test_two_outputs_of_one_value():
    net = Net(8)
    y = net.quantize(net.dense(net.input(16), 16), 1)
    net.output(net.same("reshape", y, shape=(1, 4, 4)))
    net.output(net.same("reshape", y, shape=(1, 2, 8)))
    net.output(net.quantize(net.dense(y, 3), 1))
    _, ops = steps(net)
    assert sorted(ops) == ["qfully_connected", "qfully_connected", "reshape"]


def test_pixels_under_other_rows_and_columns():
    """What a reshape keeps in order lies in its operand, with the padding behind the channels."""
    net = Net(20)
    x = layer(net, net.input(3, 4, 6), 20)
    line = net.same("reshape", x, shape=(1, 20, 1, 24))
    pooled = net.same("max_pool", line, kernel=(1, 3), strides=(1, 3))
    square = net.same("reshape", layer(net, pooled, 7), shape=(1, 7, 4, 2))
    net.output(layer(net, square, 5))
    net.output(square)
    plan, ops = steps(net)
    assert ops == ["qconv2d", "max_pool", "qconv2d", "qconv2d"]
    assert plan.buffers[line] == plan.buffers[x]
