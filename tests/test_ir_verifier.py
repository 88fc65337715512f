"""The verifier accepts every valid graph, finds all planted faults at once, and prints them inside the IR."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p4c.compiler.errors import IRError
from p4c.compiler.ir import LAYOUTS, Constant, Graph, Node, QuantParams, TensorType
from p4c.compiler.ops import OPS
from p4c.compiler.parser import parse_graph
from p4c.compiler.verifier import faults, marked_text, verify

from .strategies import graphs

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Each fault stands, as in verify's text, under its statement.
GOLDEN = [
    """\
p4ir 1 after fuse-max-pools
graph g
  // ^ error: there is no output
input %x : i8[1,4,4,4] q(e=5)
%y = relu(%x) : i8[1,4,4,4] q(e=4)
  // ^ error: the result is i8[1,4,4,4] q(e=4), expected the operand's dtype and parameters, i8[1,4,4,4] q(e=5)
%z = max_pool(%late, %x) {kernel=[2,0], strides=[2]} : i8[1,4,2,2] q(e=5)
  // ^ error: %late is used before its definition
  // ^ error: max_pool has 2 operands, expected (x)
  // ^ error: the attribute kernel is [2,0], expected 1 or more
  // ^ error: the attribute strides is [2], expected 2 integers
%late = max_pool(%x) : i8[1,4,4,4] q(e=5)
  // ^ error: the attribute kernel is missing
%w = clip(%nowhere) {min=0x1p-1, max=0x1p+0} : i8[1,4,4,4] q(e=5)
  // ^ error: %nowhere is not defined
""",
    """\
p4ir 1 after convert-to-integer
graph g
input %x : i8[1,4,4,4] q(e=[5,5], axis=0) nhwc
  // ^ error: there are 2 scales along axis 0, expected 1
  // ^ error: there are 2 zero points along axis 0, expected 1
  // ^ error: an input or output has layout nhwc, expected row, the ONNX axis order
input %f : f32[2] q(e=0)
  // ^ error: the type is f32 with quantization parameters, expected an integer dtype or none
input %u : u8[1,3,8,8] q(scale=[0x0p+0,-0x1p+0,inf,0x1p+0], zp=[0,0,0,256], axis=4)
  // ^ error: the scales run along axis 4, expected an axis of 4
  // ^ error: 3 of 4 scales are wrong, the first is 0.0, expected a positive finite float32
  // ^ error: 1 of 4 zero points are wrong, the first is 256, expected an integer in 0..255
input %v : i8[1] nhwc
  // ^ error: the layout is nhwc with 1 axes, expected four
input %t : i8[1] col
  // ^ error: there is no layout col, expected one of row, nhwc, nhwc_dense
const %w : i8[4,4,3,3] q(e=[7,7,7,7], axis=1) = 1
const %b : i32[5] = 0
const %s : i8[4] = [8,8,32,8]
const %r : i8[4] = 1
%q = quantize(%f2) : i8[1,4,8,8] q(e=5)
  // ^ error: %f2 is not defined
%y = qconv2d(%q, %w, %b, %s, %r) {pads=[1,1,1,1]} : i8[1,4,4,4] q(e=4) nhwc
  // ^ error: %s holds 32, expected -31..31
  // ^ error: %r holds 1, expected one of (0, 6)
  // ^ error: the result has shape [1,4,4,4], expected [1,4,8,8]
  // ^ error: the bias is i32[5], expected i32[4]
  // ^ error: the weights have a scale for each index of axis 1, expected axis 0, the output channels
%d = dequantize(%q) : f32[1,4,8,8]
  // ^ error: the result of dequantize is an operand of %e, expected a graph output only
%e = relu(%d) : f32[1,4,8,8]
output %y
  // ^ error: an input or output has layout nhwc, expected row, the ONNX axis order
output %e
  // ^ error: %e is an output 2 times
output %nowhere
  // ^ error: %nowhere is not defined
output %e
  // ^ error: %e is an output 2 times
""",
]


def without_marks(text):
    return "\n".join(line for line in text.splitlines() if "^ error" not in line)


@pytest.mark.parametrize("golden", GOLDEN)
def test_all_faults_stand_under_their_statements(golden):
    graph, pass_name = parse_graph(without_marks(golden), {})
    found = faults(graph)
    assert marked_text(graph, pass_name, found) + "\n" == golden
    with pytest.raises(IRError) as caught:
        verify(graph, pass_name)
    assert caught.value.problems[0].what.endswith(golden.rstrip())
    assert f"the graph after {pass_name} breaks {len(found)} rules of the IR:" in str(caught.value)


def test_a_long_graph_is_shown_near_its_faults_only():
    text = "p4ir 1 after import\ngraph g\ninput %v0 : f32[2]\n"
    text += "".join(f"%v{n} = relu(%v{n - 1}) : f32[{3 if n == 30 else 2}]\n" for n in range(1, 60)) + "output %v59\n"
    graph, _ = parse_graph(text, {})
    with pytest.raises(IRError) as caught:
        verify(graph, "import")
    assert caught.value.problems[0].what.splitlines() == [
        "the graph after import breaks 2 rules of the IR:",
        "p4ir 1 after import",
        "graph g",
        "  // ...",
        "%v28 = relu(%v27) : f32[2]",
        "%v29 = relu(%v28) : f32[2]",
        "%v30 = relu(%v29) : f32[3]",
        "  // ^ error: the result has shape [3], expected [2]",
        "%v31 = relu(%v30) : f32[2]",
        "  // ^ error: the result has shape [2], expected [3]",
        "%v32 = relu(%v31) : f32[2]",
        "%v33 = relu(%v32) : f32[2]",
        "  // ...",
    ]


def quantized(dtype="i8", shape=(1,), **params):
    return TensorType(dtype, shape, QuantParams(**{"scale": (0.5,), **params}))


def small_graph():
    """x -> relu -> y, and a constant that nothing uses."""
    type_ = TensorType("f32", (2,))
    graph = Graph("g", {"x": type_}, {"c": Constant(type_, np.zeros(2, np.float32))})
    graph.add(Node("y", "relu", ("x",), type_))
    graph.outputs = ["y"]
    return graph


def test_a_valid_graph_passes():
    assert faults(small_graph()) == []
    verify(small_graph(), "import")


def replaced(**changes):
    def plant(graph):
        graph.nodes["y"] = dataclasses.replace(graph.nodes["y"], **changes)

    return plant


def typed(type_):
    def plant(graph):
        graph.inputs["x"] = type_

    return plant


def constant(type_, array):
    def plant(graph):
        graph.constants["c"] = Constant(type_, array)

    return plant


def rename(graph):
    graph.nodes["z"] = graph.nodes.pop("y")
    graph.outputs = ["z"]


def redefine(graph):
    graph.constants["x"] = graph.constants.pop("c")


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        (replaced(op="rely"), "there is no op rely; did you mean relu?"),
        (replaced(op="conv9"), "there is no op conv9; did you mean conv2d?"),
        (replaced(operands=()), "relu has 0 operands, expected (x)"),
        (replaced(operands=("y",)), "%y is used before its definition"),
        (replaced(attrs={"min": 1.0}), "relu has no attribute min, expected one of "),
        (replaced(op="clip", attrs={"min": 1, "max": 2.0}), "the attribute min is 1, expected a real number"),
        (
            replaced(op="clip", attrs={"max": float("nan"), "min": 0.0}),
            "the attribute max is nan, expected a real number",
        ),
        (replaced(op="reshape", attrs={"shape": [2]}), "the attribute shape is [2], expected integers in brackets"),
        (replaced(op="reshape", attrs={"shape": (np.int64(2),)}), "the attribute shape is [2], expected integers in"),
        (replaced(op="reshape", attrs={"shape": (3,)}), "shape [3] for 2 elements"),
        (replaced(op="transpose", attrs={"perm": (1,)}), "perm [1] for 1 axes"),
        (
            replaced(op="max_pool", attrs={"kernel": (True, 1)}),
            "the attribute kernel is [True,1], expected integers in",
        ),
        (replaced(type=TensorType("f32", (3,))), "the result has shape [3], expected [2]"),
        (replaced(type=TensorType("f64", (2,))), "there is no dtype f64, expected one of i8, u8, i16, i32, i64, f32"),
        (typed(TensorType("f32", (0,))), "the shape is (0,), expected integers of 1 or more"),
        (typed(TensorType("f32", (np.int64(2),))), "the shape is (np.int64(2),), expected integers of 1 or more"),
        (typed(quantized(scale=(0.1,))), "the scale is 0.1, expected a positive finite float32"),
        (typed(quantized(scale=(1e300,))), "the scale is 1e+300, expected a positive finite float32"),
        (typed(quantized(scale=(float("nan"),))), "the scale is nan, expected a positive finite float32"),
        (typed(quantized(scale=(1,))), "the scale is 1, expected a positive finite float32"),
        (typed(quantized(zero_point=(128,))), "the zero point is 128, expected an integer in -128..127"),
        (typed(quantized(zero_point=(0, 0))), "there are 2 zero points per tensor, expected 1"),
        (typed(quantized(axis=-1)), "the scales run along axis -1, expected an axis of 1"),
        (constant(TensorType("i8", (2,)), np.zeros(2, np.int16)), "the array's elements are int16, expected int8"),
        (constant(TensorType("i8", (2,)), np.zeros(3, np.int8)), "the array has shape [3], expected [2]"),
        (constant(TensorType("i8", (2,)), np.zeros(2, ">i2")), "the array's elements are >i2, expected int8"),
        (rename, "the node is filed under %z, expected its own name %y"),
        (redefine, "%x is defined twice"),
    ],
)
def test_single_faults(plant, what):
    graph = small_graph()
    plant(graph)
    assert any(fault.what.startswith(what) for fault in faults(graph)), faults(graph)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("%y = relu(%q) : i8[2,3] q(e=[1,2], axis=0)", "the input has per-channel scales, expected one scale for"),
        (
            "%y = transpose(%s) {perm=[1,0]} : i8[2,2] q(e=[1,2], axis=0)",
            "the result is i8[2,2] q(e=[1,2], axis=0), exp",
        ),
        (
            "%y = reshape(%s) {shape=[2,1,2]} : i8[2,1,2] q(e=[1,2], axis=2)",
            "the result is i8[2,1,2] q(e=[1,2], axis=2)",
        ),
        (
            "%y = reshape(%t) {shape=[4,2]} : i8[4,2] q(e=[1,2], axis=1)",
            "the operand has a scale for each index of axis 1",
        ),
        ("%y = quantize(%x) {qmin=-1} : u8[1,2,4,4] q(e=0)", "qmin..qmax is -1..127, expected a range within 0..255"),
        ("%y = quantize(%x) {qmin=5, qmax=4} : i8[1,2,4,4] q(e=0)", "qmin..qmax is 5..4, expected a range within"),
        (
            "%y = quantize(%x) : i32[1,2,4,4] q(e=0)",
            "the result is i32[1,2,4,4] q(e=0), expected quantized i8, u8, i16",
        ),
        (
            "%y = quantize(%x) : i8[1,2,4,4] q(e=0) nhwc",
            "operand layout row and result layout nhwc, expected the same",
        ),
        (
            "%y = dequantize(%x) : f32[1,2,4,4]",
            "f32[1,2,4,4] -> f32[1,2,4,4], expected a quantized operand and an f32",
        ),
        ("%y = dequantize(%q, %b) : f32[2,3]", "the bias is f32[2], expected f32[3]"),
        ("%y = convert_layout(%x) : f32[1,2,4,4]", "layout row -> row, expected two different ones of row, nhwc"),
        (
            "%y = convert_layout(%q) : i8[2,3] q(e=[1,2], axis=0) nhwc",
            "the layout is nhwc with 2 axes, expected four",
        ),
        ("%y = max_pool(%q) {kernel=[1,1]} : i8[2,3] q(e=0)", "input [2,3], expected four axes"),
        ("%y = max_pool(%x) {kernel=[5,1]} : f32[1,2,1,4]", "a pooling window of 5 does not fit a padded input of 4"),
        (
            "%y = max_pool(%x) {kernel=[2,1], pads=[1,1,0,0]} : f32[1,2,4,4]",
            "pads [1,1,0,0] for the window [2,1], exp",
        ),
        ("%y = conv2d(%x, %q) : f32[1,2,4,4]", "input [1,2,4,4] and weights [2,3], expected four axes each"),
        ("%y = conv2d(%w, %x) : f32[1,2,4,4]", "a window of 4 does not fit a padded input of 3"),
        (
            "%y = conv2d(%x, %v) : f32[1,2,4,4]",
            "input [1,2,4,4] and weights [2,3,1,1], expected [N,C,H,W] and [O,C,KH,KW]",
        ),
        (
            "%y = conv2d(%x, %w) {groups=2} : f32[1,4,2,2]",
            "input [1,2,4,4] and weights [4,2,3,3], expected [N,2*C,H,W]",
        ),
        ("%y = conv2d(%x, %w, %b) : f32[1,4,2,2]", "the bias has shape [2], expected [4]"),
        (
            "%y = conv2d(%x, %w, %i) : f32[1,4,2,2]",
            "the bias is i32 without quantization parameters, expected f32 or a",
        ),
        (
            "%y = fully_connected(%x, %q) : f32[1,2]",
            "input [1,2,4,4] and weights [2,3], expected [N,...] and [O,...] of",
        ),
        ("%y = fully_connected(%q, %q) : f32[2,2]", "the input has per-channel scales, expected one scale for"),
        ("%y = fully_connected(%p, %q) : i8[1,2]", "the result is i8[1,2], expected quantized i8, u8, i16"),
        (
            "%y = qfully_connected(%p, %q, %j) : i8[1,2] q(e=0)",
            "the result is i8, expected i32 accumulators, as there is",
        ),
        (
            "%y = qfully_connected(%p, %q, %j, %j) : i8[1,2] q(e=0)",
            "there is a shift but no rounding, expected both or",
        ),
        ("%y = qfully_connected(%p, %q, %j, %j, %j) : i8[1,2] q(e=0)", "the shift is i32[2], expected i8[2]"),
        (
            "%y = qfully_connected(%p, %q, %j, %j, %j) : i32[1,2]",
            "the result is i32[1,2], expected quantized i8, u8, i16",
        ),
        (
            "%y = qfully_connected(%p, %q, %j, %j, %j) : i8[1,2] q(e=[1,1], axis=1)",
            "the result has per-channel scales",
        ),
        (
            "%y = qfully_connected(%f, %q, %j) : i32[1,2]",
            "input and weights are f32 and i8, not both with quantization",
        ),
    ],
)
def test_faults_of_single_ops(text, what):
    head = """p4ir 1 after import\ngraph g
input %x : f32[1,2,4,4]\ninput %p : i8[1,3] q(e=3)\ninput %f : f32[1,3]
const %q : i8[2,3] q(e=[1,2], axis=0) = 1\nconst %w : f32[4,2,3,3] = 0x1p+0\nconst %b : f32[2] = [1.0,2.0]
const %i : i32[4] = 1\nconst %j : i32[2] = 1\nconst %v : f32[2,3,1,1] = 1
const %s : i8[2,2] q(e=[1,2], axis=0) = 1\nconst %t : i8[2,2,2] q(e=[1,2], axis=1) = 1
"""
    graph, _ = parse_graph(f"{head}{text}\noutput %y\n", {})
    assert any(fault.what.startswith(what) for fault in faults(graph)), faults(graph)


def test_layouts_that_are_the_same_bytes_are_equal():
    text = """p4ir 1 after assign-layouts\ngraph g\ninput %x : i8[1,16,1,1] q(e=0)
%a = relu(%x) : i8[1,16,1,1] q(e=0) nhwc\n%b = max_pool(%a) {kernel=[1,1]} : i8[1,16,1,1] q(e=0)
%c = reshape(%a) {shape=[1,16]} : i8[1,16] q(e=0)\noutput %a\noutput %b\noutput %c\n"""
    assert faults(parse_graph(text, {})[0]) == []


def change(graph, data):
    """Break something of a graph, or not."""
    junk = st.sampled_from(
        ["x", "", "y", "relu", "nhwc", "i8", "f32", 0, -1, 5, 1.5, (), (0,), (1, 2), (2, 2, 2, 2), True]
    )
    names = [*graph.inputs, *graph.constants, *graph.nodes]
    name = data.draw(st.sampled_from(names))
    type_ = graph.type_of(name)
    fields = {"dtype": st.sampled_from(["i8", "i32", "f32", "i9"]), "layout": st.sampled_from([*LAYOUTS, "x"])}
    fields["shape"] = st.lists(st.integers(-1, 3), max_size=4).map(tuple)
    numbers = st.lists(st.sampled_from([0.5, 0.0, float("inf"), 3]), max_size=3).map(tuple)
    fields["params"] = st.builds(QuantParams, numbers, numbers, st.sampled_from([None, 0, 1, 7, -1, 0.5]))
    key = data.draw(st.sampled_from(sorted(fields)))
    type_ = type_.with_(**{key: data.draw(fields[key])})
    if name in graph.nodes:
        node = graph.nodes[name]
        changes = {"type": type_, "op": data.draw(st.sampled_from([*OPS, "none"]))}
        changes["operands"] = tuple(data.draw(st.lists(st.sampled_from([*names, "void"]), max_size=6)))
        changes["attrs"] = {**node.attrs, data.draw(st.sampled_from([*node.attrs, "more"])): data.draw(junk)}
        key = data.draw(st.sampled_from(sorted(changes)))
        graph.nodes[name] = dataclasses.replace(node, **{key: changes[key]})
    elif name in graph.inputs:
        graph.inputs[name] = type_
    else:
        graph.constants[name] = Constant(type_, graph.constants[name].array)


@settings(RELAXED, max_examples=60)
@given(graphs(max_nodes=4), st.data())
def test_no_graph_upsets_the_verifier(graph, data):
    for _ in range(3):
        change(graph, data)
    found = faults(graph)
    text = marked_text(graph, "import", found)
    assert text.count("// ^ error: ") >= len(found)
