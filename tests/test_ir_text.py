"""IR text: there and back again is the identity, from text and from graph; each fault is a sentence with a place."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p4c.compiler.errors import IRError
from p4c.compiler.ir import NUMPY_DTYPES, Constant, Graph, Node, QuantParams, TensorType, graphs_equal
from p4c.compiler.ops import OPS
from p4c.compiler.parser import parse_graph
from p4c.compiler.printer import print_graph
from p4c.compiler.text import array_hash, float_text, name_text
from p4c.compiler.verifier import faults

from .strategies import MAKERS, graphs, names

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# As p4c prints it: defaults left out, a long statement broken, quotes where needed, each loc behind its op.
PRINTED = """\
p4ir 1 after assign-layouts
graph mnist

input %input : f32[1,3,8,8]

const %conv1.weight : i8[2,3,1,1] q(e=[7,-1], axis=0) = [1,-2,3,-4,5,-6]
const %"a \\"b\\"" : i32[2] = [-7,7]
const %shift : i8[2] = 8
const %rounding : i8[2] = [6,0]
const %bias : f32[2] = [0x1.8p-1,-0x0p+0]

%x = quantize(%input) {qmin=0, qmax=255} : u8[1,3,8,8] q(scale=0x1.99999ap-4, zp=128) @ "input/Quant Linear"
%x.nhwc = convert_layout(%x) : u8[1,3,8,8] q(scale=0x1.99999ap-4, zp=128) nhwc
%/conv1/Relu_output_0 = qconv2d(%x.nhwc, %conv1.weight, %"a \\"b\\"", %shift, %rounding)
    {strides=[2,2], pads=[1,1,1,1], qmin=0, pool_kernel=[2,2], pool_strides=[2,2]}
    : i8[1,2,2,2] q(e=4) nhwc @ /conv1/Conv
%r = convert_layout(%/conv1/Relu_output_0) : i8[1,2,2,2] q(e=4)
%c = clip(%r) {min=-0x1.8p+2} : i8[1,2,2,2] q(e=4)
%y = dequantize(%c, %bias) : f32[1,2,2,2] @ /out/DequantizeLinear

output %y
output %c
"""


def test_every_op_has_a_strategy():
    assert set(MAKERS) == set(OPS)


@settings(RELAXED, max_examples=80)
@given(graphs(), names)
def test_round_trip(graph, pass_name):
    assert faults(graph) == []
    archive = {}
    text = print_graph(graph, pass_name=pass_name, archive=archive)
    parsed, name = parse_graph(text, archive)
    assert name == pass_name
    assert graphs_equal(parsed, graph)
    assert print_graph(parsed, pass_name=name, archive=None) == text


def test_the_printed_form():
    graph, pass_name = parse_graph(PRINTED, {})
    assert (pass_name, graph.name, graph.outputs) == ("assign-layouts", "mnist", ["y", "c"])
    assert faults(graph) == []
    assert print_graph(graph, pass_name=pass_name, archive=None) == PRINTED


def test_what_the_text_says():
    graph, _ = parse_graph(PRINTED, {})
    weights = graph.constants["conv1.weight"]
    assert weights.type == TensorType("i8", (2, 3, 1, 1), QuantParams((2.0**-7, 2.0), (0, 0), 0))
    assert weights.array.tolist() == [[[[1]], [[-2]], [[3]]], [[[-4]], [[5]], [[-6]]]]
    assert graph.constants["shift"].array.tolist() == [8, 8]
    assert np.signbit(graph.constants["bias"].array[1])
    x = graph.nodes["x"]
    assert x.type == TensorType("u8", (1, 3, 8, 8), QuantParams((float(np.float32(0.1)),), (128,)))
    assert (x.operands, x.attrs, x.loc) == (("input",), {"qmin": 0, "qmax": 255}, "input/Quant Linear")
    conv = graph.nodes["/conv1/Relu_output_0"]
    assert conv.attrs["strides"] == conv.attrs["pool_kernel"] == (2, 2)
    assert (conv.attrs["groups"], conv.attrs["qmax"], conv.attrs["dilations"]) == (1, 127, (1, 1))
    assert conv.operands[2] == 'a "b"'
    assert graph.nodes["c"].attrs == {"min": -6.0, "max": float("inf")}
    assert graph.nodes["r"].loc == ""


def test_what_a_person_may_write():
    text = """p4ir 1   after import // written by hand

  // Comments and blank lines stand anywhere, and so do lines that are continued.
graph g
output %y
%y = clip( %x )   // a clamp
    { max = 6,
      min = -.5e0 }
    :f32[ 2 ]

input %x : f32[2]
"""
    graph, _ = parse_graph(text.replace("\n", "\r\n"), {})
    assert graph.nodes["y"].attrs == {"min": -0.5, "max": 6.0}
    assert faults(graph) == []


HEAD = "p4ir 1 after import\ngraph g\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'line 1, column 1: found "", expected p4ir 1 after PASS'),
        ("\x7fELF", 'line 1, column 1: found "\x7fELF", expected p4ir 1 after PASS'),
        ("p4ir 2 after import\n", "line 1, column 6: the text has IR version 2, expected 1"),
        ("p4ir 1\ngraph g", "line 1, column 7: found the end of the line, expected after"),
        ("p4ir 1 after import", "line 1, column 20: found the end of the text, expected the end of the line"),
        (HEAD + "output", "line 3, column 7: found the end of the text, expected a value such as %x"),
        (HEAD + "output y", 'line 3, column 8: found "y", expected a value such as %x'),
        (HEAD + "input %x : f32[1\noutput %x", "line 3, column 17: found the end of the line, expected , or ]"),
        (HEAD + "input %x : f23[1]", "line 3, column 12: there is no dtype f23; did you mean f32?"),
        (
            HEAD + "input %x : i9[1]",
            "line 3, column 12: there is no dtype i9, expected one of i8, u8, i16, i32, i64, f32",
        ),
        (HEAD + "input %x : i8[0]", "line 3, column 12: the shape is [0], expected integers of 1 or more"),
        (HEAD + "input %x : i8[1.0]", "line 3, column 12: the shape holds 0x1p+0, expected integers"),
        (HEAD + "input %x : i8[1] q(7)", 'line 3, column 20: found "7", expected a key'),
        (HEAD + "input %x : i8[1] q(e=7, f=1)", "line 3, column 25: q has no f, expected one of e, scale, zp, axis"),
        (
            HEAD + "input %x : i8[1] q(zp=1)",
            "line 3, column 20: q has both e and scale or neither, expected one of them",
        ),
        (HEAD + "input %x : i8[1] q(e=1, e=2)", "line 3, column 25: e is given twice"),
        (HEAD + "input %x : i8[1] q(e=9999)", "line 3, column 20: e is [9999], expected exponents in -1023..1074"),
        (HEAD + "input %x : i8[1] q(e=1, axis=[0,1])", "line 3, column 25: axis is [0,1], expected one integer"),
        (HEAD + "input %x : i8[1] q(scale=0x1p99999)", "line 3, column 26: 0x1p99999 is too large a number"),
        (HEAD + 'input %x : i8[1] q(scale="a")', 'line 3, column 26: found "a", expected a number'),
        (HEAD + 'input %"a\\q" : i8[1]', 'line 3, column 7: "a\\q": invalid \\escape, expected the escapes of JSON'),
        (HEAD + "const %b : i8[2] = [1]", "line 3, column 7: %b has 1 elements, expected 2 for its shape"),
        (HEAD + "const %b : i8[2] = [1,200]", "line 3, column 7: %b holds 200, expected i8 elements, -128..127"),
        (HEAD + "const %b : i8[2] = [1,-]", 'line 3, column 23: found "-", expected a real number or an integer'),
        (HEAD + "const %b : i8[2] = [1,0.5]", "line 3, column 7: %b holds 0x1p-1, expected integers"),
        (HEAD + "%y = rely(%x) : i8[1]", "line 3, column 6: there is no op rely; did you mean relu?"),
        (HEAD + "%y = clip(%x) {mix=1} : i8[1]", "line 3, column 16: clip has no mix; did you mean min?"),
        (HEAD + "%y = relu(%x {} : i8[1]\noutput %y", 'line 3, column 14: found "{", expected ) or ,'),
        (
            HEAD + "%y = relu(%x,\noutput %y",
            "line 3, column 14: found the end of the line, expected a value such as %x",
        ),
        (HEAD + "%y = relu(%x) i8[1]", 'line 3, column 15: found "i8", expected : or {'),
        (
            HEAD + "%y = relu(%x) : i8[1] @",
            "line 3, column 24: found the end of the text, expected a name or a quoted string",
        ),
        (HEAD + "input %x : i8[1]\ninput %x : i8[1]", "line 4, column 7: %x is defined twice, expected a new name"),
    ],
)
def test_faults_of_the_text(text, message):
    with pytest.raises(IRError) as caught:
        parse_graph(text, {})
    assert caught.value.problems[0].what == message
    assert caught.value.problems[0].advice


def test_every_faulty_statement_is_reported():
    text = HEAD + "input %x : i9[1]\n%y = relo(%x) : i8[1]\noutput %y\nconst %c : i8[1] = [999]\n"
    with pytest.raises(IRError) as caught:
        parse_graph(text, {})
    assert [problem.what.split(",")[0] for problem in caught.value.problems] == ["line 3", "line 4", "line 6"]


def test_large_constants_go_by_name_and_hash():
    array = np.arange(17, dtype=np.int8)
    text = HEAD + f"\nconst %w : i8[17] = npz({array_hash(array)})\n"
    graph, _ = parse_graph(text, {"w": array})
    assert graph.constants["w"].array.tolist() == list(range(17))
    archive = {}
    assert print_graph(graph, pass_name="import", archive=archive) == text
    assert list(archive) == ["w"]
    for wrong, message in (
        ({}, r"%w is not in the \.npz beside the text \(key w\)"),
        ({"w": array.astype(np.int16)}, r"%w is int16\[17\] in the \.npz, expected int8\[17\]"),
        ({"w": array[::-1]}, f"%w has hash {array_hash(array[::-1])} in the .npz, expected {array_hash(array)}"),
    ):
        with pytest.raises(IRError, match="line 4, column 25: " + message) as caught:
            parse_graph(text, wrong)
        assert caught.value.problems[0].advice


def test_which_constants_stand_in_the_text():
    graph = Graph("g")
    for name, elements in (("one", [5]), ("16", range(16)), ("17", range(17)), ("same", [7] * 99)):
        array = np.array(elements, np.int8)
        graph.constants[name] = Constant(TensorType("i8", array.shape), array)
    graph.constants["reals"] = Constant(TensorType("f32", (17,)), np.zeros(17, np.float32))
    archive = {}
    lines = print_graph(graph, pass_name="p", archive=archive).splitlines()[3:]
    assert [line.split("= ")[1][:4] for line in lines] == ["[5]", "[0,1", "npz(", "7", "npz("]
    assert list(archive) == ["17", "reals"]


def test_the_hash_is_of_the_elements_whatever_their_order_in_memory():
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert array_hash(np.asfortranarray(array)) == array_hash(array.astype(">i4")) == array_hash(array)
    assert (
        len({array_hash(array), array_hash(array.T), array_hash(array.ravel()), array_hash(array.astype("i8"))}) == 4
    )


@settings(RELAXED, max_examples=150)
@given(st.data())
def test_edited_text_parses_or_says_why(data):
    alphabet = '%"{}[]()@:=,.-/\\\nq0e \tx\0é'
    start = data.draw(st.integers(0, len(PRINTED)))
    end = min(len(PRINTED), start + data.draw(st.integers(0, 3)))
    text = PRINTED[:start] + data.draw(st.text(alphabet, max_size=3)) + PRINTED[end:]
    try:
        graph, pass_name = parse_graph(text, {})
    except IRError as error:
        places = [problem.what.split()[0] for problem in error.problems]
        assert set(places) == {"line"}
    else:
        faults(graph)
        print_graph(graph, pass_name=pass_name, archive={})


@given(st.floats(allow_nan=False))
def test_floats_are_exact(value):
    assert repr(float.fromhex(float_text(value))) == repr(value)


def test_words():
    assert [float_text(value) for value in (1.0, -0.0, 6.0, 0.1)] == [
        "0x1p+0",
        "-0x0p+0",
        "0x1.8p+2",
        "0x1.999999999999ap-4",
    ]
    bare = ["x", "/a/b", "onnx::Conv_1", "a.b-c", "x:0"]
    assert [name_text(name) for name in bare] == bare
    assert [name_text(name) for name in ("", "a b", "x:y", "a//b", "é\n")] == [
        '""',
        '"a b"',
        '"x:y"',
        '"a//b"',
        '"é\\n"',
    ]


def test_faulty_graphs_print_too():
    params = QuantParams((0.0, float("nan")), (1,), 3)
    node = Node(
        "y", "nonsense", ("x",), TensorType("i7", (1,), params, "odd"), {"a": None, "b": [1.5, "s"], "c": True}
    )
    graph = Graph("g", nodes={"z": node}, outputs=["nowhere"])
    text = print_graph(graph, pass_name="p", archive={})
    assert (
        '%y = nonsense(%x) {a=None, b=[0x1.8p+0,"s"], c=True} : i7[1] q(scale=[0x0p+0,nan], zp=[1], axis=3) odd'
        in text
    )


def test_dtypes_have_names_of_their_own():
    assert len({np.dtype(numpy) for numpy in NUMPY_DTYPES.values()}) == len(NUMPY_DTYPES)
