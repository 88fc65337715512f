"""The ops on reals against onnxruntime with its optimizer off, one small model each, bit for bit."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from p4c.compiler.builder import append
from p4c.compiler.interpreter import run_graph
from p4c.compiler.ir import Constant, Graph, QuantParams, TensorType
from p4c.compiler.numerics import dtype_range

ONNX_TYPES = {"i8": TensorProto.INT8, "u8": TensorProto.UINT8, "i16": TensorProto.INT16, "f32": TensorProto.FLOAT}
DTYPES = {"i8": np.int8, "u8": np.uint8, "i16": np.int16, "i32": np.int32, "f32": np.float32}


def onnx_run(nodes, x, constants):
    """The output `y` of a model of these nodes with input `x`."""
    inputs = [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)]
    output = helper.make_empty_tensor_value_info("y")
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, [output], initializers)
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def our_run(op, x, *, operands=("x",), x_params=None, constants=(), dtype, params=None, **attrs):
    """The result of one op."""
    names = {np.dtype(numpy): name for name, numpy in DTYPES.items()}
    graph = Graph("g", {"x": TensorType(names[x.dtype], x.shape, x_params)})
    for name, (array, own) in dict(constants).items():
        graph.constants[name] = Constant(TensorType(names[array.dtype], array.shape, own), array)
    append(graph, op, "y", operands, dtype=dtype, params=params, **attrs)
    graph.outputs = ["y"]
    return run_graph(graph, {"x": x})["y"]


def reals(rng, shape, scale=0.25):
    """Numbers between grid points, on them, and half-way between them, small and large."""
    steps = rng.integers(-1200, 1200, shape) / 4
    return ((steps + (rng.random(shape) < 0.3) * rng.normal(size=shape) / 8) * scale).astype(np.float32)


def params_of(rng, dtype, count, axis, *, power_of_two):
    exponents = rng.integers(-2, 10, count).astype(np.float64)
    scale = np.float32(2.0**-exponents * (1 if power_of_two else rng.uniform(0.6, 1.4, count)))
    zero_point = rng.integers(*dtype_range(dtype), count, endpoint=True)
    return QuantParams(tuple(scale.tolist()), tuple(zero_point.tolist()), axis)


def onnx_params(params, dtype):
    """Scale and zero point as QuantizeLinear takes them."""
    scale, zero_point = np.float32(params.scale), np.array(params.zero_point, DTYPES[dtype])
    return (scale[0], zero_point[0]) if params.axis is None else (scale, zero_point)


@pytest.mark.parametrize("power_of_two", [True, False])
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
@pytest.mark.parametrize("dtype", ["i8", "u8", "i16"])
def test_quantize_and_dequantize(dtype, axis, power_of_two):
    rng = np.random.default_rng(7)
    shape = (3, 5, 33)
    params = params_of(rng, dtype, 1 if axis is None else shape[axis], axis, power_of_two=power_of_two)
    x = reals(rng, shape, 1.0)
    x[0, 0, :4] = [np.inf, -np.inf, -0.0, 3e38]
    scale, zero_point = onnx_params(params, dtype)
    attributes = {} if axis is None else {"axis": axis}
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], **attributes)
    stored = onnx_run([node], x, {"s": np.array(scale), "z": np.array(zero_point)})
    low, high = dtype_range(dtype)
    ours = our_run("quantize", x, dtype=dtype, params=params, qmin=low, qmax=high)
    assert np.array_equal(ours, stored)
    node = helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], **attributes)
    expected = onnx_run([node], stored, {"s": np.array(scale), "z": np.array(zero_point)})
    assert np.array_equal(our_run("dequantize", stored, x_params=params, dtype="f32"), expected)


CONVOLUTIONS = [
    {},
    {"strides": (2, 1), "pads": (1, 0, 2, 1)},
    {"dilations": (2, 3), "pads": (2, 3, 2, 3)},
    {"groups": 3, "strides": (1, 3), "pads": (0, 2, 1, 0)},
    {"groups": 6, "dilations": (1, 2)},
]


@pytest.mark.parametrize("bias", ["none", "on the grid", "off the grid"])
@pytest.mark.parametrize("attrs", CONVOLUTIONS)
def test_conv2d(attrs, bias):
    """Q/DQ around a Conv with per-channel weights: what ORT computes in float is exact in integers."""
    rng = np.random.default_rng(len(attrs))
    groups = attrs.get("groups", 1)
    q = rng.integers(-128, 128, (2, 6, 9, 11), np.int8)
    w = rng.integers(-128, 128, (12, 6 // groups, 3, 2), np.int8)
    x_params, w_params = (
        QuantParams((2.0**-5,), (3,)),
        QuantParams(tuple(2.0**-e for e in range(3, 15)), (0,) * 12, 0),
    )
    y_params = QuantParams((2.0**-2,), (-7,))
    b = np.float32(rng.integers(-1000, 1000, 12) / 256 if bias == "on the grid" else rng.normal(size=12))
    constants = {"w": (w, w_params)} | ({"b": (b, None)} if bias != "none" else {})
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["xr"]),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wr"], axis=0),
        helper.make_node(
            "Conv",
            ["xr", "wr", *(["b"] if bias != "none" else [])],
            ["c"],
            **{"group" if key == "groups" else key: value for key, value in attrs.items()},
        ),
        helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["y"]),
    ]
    arrays = {"w": w, "b": b, "ws": np.float32(w_params.scale)}
    arrays |= {"xs": np.float32(x_params.scale[0]), "xz": np.int8(3), "ys": np.float32(0.25), "yz": np.int8(-7)}
    options = {"operands": ("x", *constants), "x_params": x_params, "constants": constants, **attrs}
    expected = onnx_run(nodes, q, arrays)
    assert np.array_equal(our_run("conv2d", q, dtype="i8", params=y_params, **options), expected)
    assert len(np.unique(expected)) > 100
    nodes[2].output[0] = "y"
    assert np.array_equal(our_run("conv2d", q, dtype="f32", **options), onnx_run(nodes[:3], q, arrays))


@pytest.mark.parametrize("inputs", [7, 200])
@pytest.mark.parametrize("quantized", [True, False])
def test_fully_connected(inputs, quantized):
    """Gemm; beyond 256 inputs onnxruntime adds the bias to a partial sum, which is exact only on the grid."""
    rng = np.random.default_rng(inputs)
    q = rng.integers(-128, 128, (3, inputs), np.int8)
    w = rng.integers(-128, 128, (10, inputs), np.int8)
    b = rng.normal(size=10).astype(np.float32)
    x_params, w_params = QuantParams.power_of_two(5), QuantParams.power_of_two(9)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs"], ["xr"]),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wr"]),
        helper.make_node("Gemm", ["xr", "wr", "b"], ["g" if quantized else "y"], transB=1),
        *([helper.make_node("QuantizeLinear", ["g", "ys", "yz"], ["y"])] if quantized else []),
    ]
    arrays = {
        "w": w,
        "b": b,
        "xs": np.float32(2.0**-5),
        "ws": np.float32(2.0**-9),
        "ys": np.float32(0.5),
        "yz": np.int8(0),
    }
    result = {"dtype": "i8", "params": QuantParams.power_of_two(1)} if quantized else {"dtype": "f32"}
    ours = our_run(
        "fully_connected",
        q,
        operands=("x", "w", "b"),
        x_params=x_params,
        constants={"w": (w, w_params), "b": (b, None)},
        **result,
    )
    assert np.array_equal(ours, onnx_run(nodes, q, arrays))


@pytest.mark.parametrize("dtype", ["f32", "i8", "u8"])
@pytest.mark.parametrize(
    ("kernel", "strides", "pads"),
    [
        ((2, 2), (2, 2), (0, 0, 0, 0)),
        ((3, 2), (1, 2), (2, 1, 1, 0)),
        ((3, 3), (2, 1), (1, 2, 2, 1)),
        ((1, 4), (3, 1), (0, 3, 0, 3)),
    ],
)
def test_max_pool(dtype, kernel, strides, pads):
    rng = np.random.default_rng(0)
    x = (
        -np.abs(reals(rng, (2, 3, 7, 9)))
        if dtype == "f32"
        else rng.integers(*dtype_range(dtype), (2, 3, 7, 9), DTYPES[dtype])
    )
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=kernel, strides=strides, pads=pads)
    params = None if dtype == "f32" else QuantParams((0.1015625,), (5,))
    ours = our_run(
        "max_pool", x, x_params=params, dtype=dtype, params=params, kernel=kernel, strides=strides, pads=pads
    )
    assert np.array_equal(ours, onnx_run([node], x, {}))


def test_relu_and_clip():
    x = np.float32([-np.inf, -7.0, -0.5, -0.0, 0.0, 0.1, 5.9999, 6.0, 6.1, np.inf])
    assert np.array_equal(our_run("relu", x, dtype="f32"), onnx_run([helper.make_node("Relu", ["x"], ["y"])], x, {}))
    node = helper.make_node("Clip", ["x", "low", "high"], ["y"])
    for low, high in ((0.0, 6.0), (-0.3, 0.1), (-np.inf, 2.0), (3.0, np.inf), (2.0, 1.0)):
        expected = onnx_run([node], x, {"low": np.float32(low), "high": np.float32(high)})
        assert np.array_equal(our_run("clip", x, dtype="f32", min=float(low), max=float(high)), expected)


@pytest.mark.parametrize("high", [6.0, 3.9, 0.7])
def test_clip_between_two_equal_quantizers(high):
    """Q, DQ, Clip, Q: on the stored integers, the bounds quantized."""
    q = np.arange(-128, 128, dtype=np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s"], ["r"]),
        helper.make_node("Clip", ["r", "low", "high"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["y"]),
    ]
    arrays = {"s": np.float32(2.0**-4), "z": np.int8(0), "low": np.float32(0), "high": np.float32(high)}
    params = QuantParams.power_of_two(4)
    ours = our_run("clip", q, x_params=params, dtype="i8", params=params, min=0.0, max=float(np.float32(high)))
    assert np.array_equal(ours, onnx_run(nodes, q, arrays))


def test_moves():
    x = reals(np.random.default_rng(0), (2, 3, 4, 5))
    node = helper.make_node("Transpose", ["x"], ["y"], perm=(2, 0, 3, 1))
    assert np.array_equal(our_run("transpose", x, dtype="f32", perm=(2, 0, 3, 1)), onnx_run([node], x, {}))
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    expected = onnx_run([node], x, {"shape": np.array([2, 60])})
    assert np.array_equal(our_run("reshape", x, dtype="f32", shape=(2, 60)), expected)
