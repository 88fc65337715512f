"""Each importer against onnxruntime: attributes in every form, and what vanishes."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from p4c.frontend.importers import IMPORTERS

from .frontend_models import ModelBuilder, assert_identical, imported, problems
from .graphs import assert_device_identical

RANDOM = np.random.default_rng(7)


def conv(shape=(1, 2, 7, 6), kernel=(3, 2), channels=3, groups=1, bias=True, **attrs):
    build = ModelBuilder()
    w = build.dq(RANDOM.integers(-128, 128, (channels, shape[1] // groups, *kernel)), 0.0625)
    inputs = [build.quantizer("x", 5), w]
    if bias:
        inputs.append(build.constant(RANDOM.normal(size=channels)))
    return build.model(build.node("Conv", inputs, group=groups, **attrs), shape)


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"bias": False},
        {"strides": [2, 3], "pads": [1, 0, 2, 1]},
        {"dilations": [2, 2], "kernel_shape": [3, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [1, 2]},
        {"auto_pad": "VALID"},
        {"auto_pad": "NOTSET", "pads": [0, 1, 0, 1]},
        {"channels": 4, "groups": 2},
    ],
)
def test_conv(attrs):
    node = assert_identical(conv(**attrs)).graph.nodes["t3"]
    assert node.op == "conv2d"


@pytest.mark.parametrize("on_integers", [False, True])
@pytest.mark.parametrize(
    "attrs",
    [
        {"kernel_shape": [2, 3]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 0, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [2, 3], "dilations": [3, 2]},
        {"kernel_shape": [3, 2], "dilations": [2, 3], "strides": [2, 1], "pads": [2, 1, 1, 1]},
        {"kernel_shape": [2, 2], "dilations": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ],
)
def test_max_pool(attrs, on_integers):
    build = ModelBuilder()
    y = build.node("MaxPool", [build.quantizer("x", 5) if on_integers else "x"], **attrs)
    assert_identical(build.model(y, (1, 2, 7, 6)))


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "pad"), [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)])
@pytest.mark.parametrize("size", [5, 6, 7, 8])
def test_max_pool_ceil_mode(kernel, strides, pad, size):
    build = ModelBuilder()
    attrs = {"kernel_shape": [kernel] * 2, "strides": [strides] * 2, "pads": [pad] * 4, "ceil_mode": 1}
    assert_identical(build.model(build.node("MaxPool", ["x"], **attrs), (1, 1, size, size)))


def gemm(c_shape=(3,), trans_b=True, x_shape=(1, 4), **attrs):
    build = ModelBuilder()
    w = build.dq(RANDOM.integers(-128, 128, (3, 4) if trans_b else (4, 3)), 0.0625)
    inputs = [build.quantizer("x", 5), w]
    if c_shape is not None:
        inputs.append(build.constant(RANDOM.normal(size=c_shape)))
    return build.model(build.node("Gemm", inputs, transB=int(trans_b), **attrs), x_shape)


@pytest.mark.parametrize("c_shape", [None, (), (1,), (3,), (1, 3), (1, 1)])
def test_gemm_bias(c_shape):
    assert_identical(gemm(c_shape))


@pytest.mark.parametrize("trans_b", [False, True])
def test_gemm_weights_are_output_major(trans_b):
    result = assert_identical(gemm(trans_b=trans_b))
    assert next(node for node in result.graph if node.op == "fully_connected").type.shape == (1, 3)


@pytest.mark.parametrize("attrs", [{"alpha": 0.5}, {"beta": 2.0}, {"alpha": 4.0, "beta": 0.0}])
def test_gemm_factors(attrs):
    assert_identical(gemm(**attrs))


@pytest.mark.parametrize(
    ("attrs", "text"),
    [({"alpha": 0.3}, "has alpha=0.3"), ({"beta": -1.0}, "has beta=-1")],
)
def test_gemm_refuses(attrs, text):
    (problem,) = problems(gemm(**attrs, c_shape=(3,)))
    assert text in problem


def test_quantized_biases():
    build = ModelBuilder()
    w = build.dq(RANDOM.integers(-128, 128, (3, 4)), np.float32([0.5, 0.25, 0.125]), axis=0)
    bias = build.dq([100, -200, 300], np.float32([2**-6, 2**-7, 2**-8]), np.int32, axis=0)
    y = build.node("Gemm", [build.quantizer("x", 5), w, bias], transB=1)
    graph = assert_identical(build.model(y)).graph
    assert {constant.type.dtype for constant in graph.constants.values()} == {"i8", "i32"}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (1,)])
def test_matmul_with_bias(shape, swapped):
    build = ModelBuilder()
    w = build.dq(RANDOM.integers(-128, 128, (4, 3)), 0.0625)
    product = build.node("MatMul", [build.quantizer("x", 5), w])
    operands = [product, build.constant(RANDOM.normal(size=shape))]
    y = build.node("Add", operands[::-1] if swapped else operands)
    graph = assert_identical(build.model(y)).graph
    (layer,) = [node for node in graph if node.op == "fully_connected"]
    assert (layer.name, len(layer.operands), layer.loc) == (y, 3, "MatMul_3")


def test_matmul_whose_result_is_used_without_bias():
    build = ModelBuilder()
    product = build.node("MatMul", [build.quantizer("x", 5), build.dq(np.eye(4), 0.5)])
    y = build.node("Add", [product, build.constant(np.ones(4))])
    (text,) = problems(build.model([product, y]))
    assert 'takes a float tensor, made by MatMul "MatMul_3", that has no quantizer' in text


@pytest.mark.parametrize(
    ("op", "extra", "attrs"),
    [
        ("Relu", [], {}),
        ("Clip", [0.0, 6.0], {}),
        ("Clip", [-0.3], {}),
        ("Identity", [], {}),
        ("Dropout", [], {}),
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Transpose", [], {}),
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),
        ("Flatten", [], {}),
        ("Flatten", [], {"axis": -1}),
        ("Flatten", [], {"axis": 0}),
        ("Squeeze", [], {}),
    ],
)
@pytest.mark.parametrize("on_integers", [False, True])
def test_one_operand(op, extra, attrs, on_integers):
    build = ModelBuilder()
    x = build.quantizer("x", 4) if on_integers else "x"
    y = build.node(op, [x, *(build.constant(value) for value in extra)], **attrs)
    assert_identical(build.model(build.quantizer(y, 3), (1, 2, 3, 1)))


@pytest.mark.parametrize(
    ("op", "operand", "attrs", "shape"),
    [
        ("Reshape", [1, -1], {}, (1, 24)),
        ("Reshape", [0, 2, -1], {}, (1, 2, 12)),
        ("Reshape", [0, 0, 12], {}, (1, 2, 12)),
        ("Reshape", [1, 24], {"allowzero": 1}, (1, 24)),
        ("Squeeze", [0], {}, (2, 3, 4)),
        ("Squeeze", [-4], {}, (2, 3, 4)),
        ("Unsqueeze", [0, -1], {}, (1, 1, 2, 3, 4, 1)),
        ("Unsqueeze", [2], {}, (1, 2, 1, 3, 4)),
    ],
)
def test_shapes(op, operand, attrs, shape):
    build = ModelBuilder()
    y = build.node(op, [build.quantizer("x", 4), build.constant(operand, np.int64)], **attrs)
    assert assert_identical(build.model(y, (1, 2, 3, 4))).graph.type_of(y).shape == shape


def test_shape_chain_is_folded():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    first = build.node("Gather", [build.node("Shape", [x]), build.constant(0, np.int64)], axis=0)
    rows = build.node("Unsqueeze", [first, build.constant([0], np.int64)])
    target = build.node("Concat", [rows, build.constant([-1], np.int64)], axis=0)
    graph = assert_identical(build.model(build.node("Reshape", [x, target]), ("batch", 2, 3, 4))).graph
    assert [node.op for node in graph] == ["quantize", "reshape", "dequantize"]
    assert not graph.constants


def test_shape_chain_with_casts():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    sizes = build.node("Cast", [build.node("Shape", [x])], to=TensorProto.FLOAT)
    half = build.node("Div", [sizes, build.constant([1, 2, 1, 1])])
    target = build.node("Cast", [build.node("Mul", [half, build.constant([1, 1, 2, 1])])], to=TensorProto.INT64)
    graph = assert_identical(build.model(build.node("Reshape", [x, target]), (1, 2, 3, 4))).graph
    assert graph.nodes[build.nodes[-1].output[0] + ".q"].type.shape == (1, 1, 6, 4)


def test_shape_of_a_part():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    target = build.node("Concat", [build.constant([1, -1], np.int64), build.node("Shape", [x], start=3)], axis=0)
    assert_identical(build.model(build.node("Reshape", [x, target]), (1, 2, 3, 4)))


def test_outputs_keep_their_names():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    layer = build.node("Gemm", [x, build.dq(np.eye(4), 0.5)])
    build.node("Identity", [layer], "renamed")
    build.node("Identity", [layer], "copy")
    build.node("Identity", [x], "stored")
    build.node("Identity", ["x"], "input")
    graph = assert_identical(build.model(["renamed", "copy", "stored", "input", x])).graph
    assert graph.outputs == ["renamed", "copy", "stored", "input", x]


def test_quantized_output_is_dequantized_at_the_border():
    build = ModelBuilder()
    y = build.node("Relu", [build.quantizer("x", 4)], "y")
    build.quantizer(y, 3)
    result = assert_identical(build.model(["y", build.nodes[-1].output[0]]))
    assert [(node.name, node.op) for node in result.graph][1:] == [
        ("y.q", "relu"),
        ("t4.q", "quantize"),
        ("y", "dequantize"),
        ("t4", "dequantize"),
    ]
    assert result.tensors["y.q"] == result.tensors["y"] == "y"


def test_what_no_output_needs_is_left_out():
    build = ModelBuilder()
    y = build.quantizer("x", 4)
    build.node("LSTM", ["x", "x", "x"])
    assert [node.op for node in imported(build.model(y)).graph] == ["quantize", "dequantize"]


def test_empty_and_repeated_node_names():
    build = ModelBuilder()
    y = build.node("Relu", [build.node("Relu", [build.quantizer("x", 4)])])
    for node in build.nodes:
        node.name = "same" if node.op_type == "Relu" else ""
    graph = assert_identical(build.model(build.quantizer(y, 3))).graph
    assert [node.loc for node in graph][1:3] == ["same", y]


def test_node_names_that_are_taken():
    build = ModelBuilder()
    build.quantizer(build.node("Relu", [build.quantizer("x", 4)]), 3)
    names = ["t1", "", "t2", "", "t1"]
    for node, name in zip(build.nodes, names, strict=True):
        node.name = name
    graph = assert_identical(build.model("t4")).graph
    assert [node.loc for node in graph][:3] == ["t1.", "t2", "t4"]


def test_initializers_that_are_inputs_too():
    build = ModelBuilder()
    w = build.constant(np.eye(4))
    model = build.model(build.node("Gemm", [build.quantizer("x", 4), w]))
    model.graph.input.append(helper.make_tensor_value_info(w, TensorProto.FLOAT, [4, 4]))
    assert list(assert_identical(model).graph.inputs) == ["x"]


def test_functions_are_inlined():
    build = ModelBuilder()
    y = build.node("Twice", [build.quantizer("x", 4)], domain="local")
    model = build.model(build.quantizer(y, 3))
    body = [helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Relu", ["r"], ["b"])]
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("local", "Twice", ["a"], ["b"], body, opsets))
    ops = [node.op for node in assert_identical(model).graph]
    assert ops == ["quantize", "relu", "relu", "quantize", "dequantize"]


@pytest.mark.parametrize("opset", [10, 11, 12])
def test_old_opsets_are_converted(opset):
    build = ModelBuilder()
    w = build.dq(RANDOM.integers(-128, 128, (3, 4)), 0.0625)
    y = build.node("Gemm", [build.quantizer("x", 5), w, build.constant([0.1, 0.2, 0.3])], transB=1)
    y = build.node("Dropout", [y], ratio=0.5) if opset < 12 else build.node("Relu", [y])
    (warning,) = assert_identical(build.model(y, opset=opset)).warnings
    assert f"the model has opset {opset}; it was converted to 13" in warning.what


def test_importers_are_documented():
    assert all(name == row.op and row.accepts for name, row in IMPORTERS.items())


@pytest.mark.parametrize("exponent", [4, 5, 2])
def test_bounds_and_values_that_are_quantized(exponent):
    """ESP-PPQ quantizes the bounds of a Clip, too: what they denote counts, not their integers."""
    build = ModelBuilder()
    bounds = [build.dq(np.int8(-1), 2.0**-exponent), build.dq(np.int8(6), 2.0**-exponent)]
    clipped = build.quantizer(build.node("Clip", ["x", *bounds]), exponent)
    value = build.dq(np.int8(3), 2.0**-exponent)
    padded = build.node("Pad", [clipped, build.constant([0, 1, 0, 2], np.int64), value])
    assert_device_identical(assert_identical(build.model(padded, (1, 7))).graph)
