"""The interpreter's ops against plain loops over Python integers, on random odd shapes."""

import numpy as np
import pytest

from p4c.compiler.builder import append
from p4c.compiler.interpreter import run_graph
from p4c.compiler.ir import Constant, Graph, QuantParams, TensorType
from p4c.compiler.numerics import FLOOR, HALF_EVEN, dtype_range
from p4c.compiler.verifier import faults

from . import reference


def random_stored(rng, dtype, shape):
    low, high = dtype_range(dtype)
    array = rng.integers(low, high, shape, endpoint=True)
    extremes = rng.choice([low, high], shape)
    return np.where(rng.random(shape) < 0.2, extremes, array).astype(
        {"i8": np.int8, "u8": np.uint8, "i16": np.int16}[dtype]
    )


def random_params(rng, dtype, channels=None):
    """Power-of-two scales and any zero points, per channel when `channels` is given."""
    count = channels or 1
    scale = tuple(2.0 ** -float(e) for e in rng.integers(3, 9, count))
    zero_point = rng.integers(*dtype_range(dtype), count, endpoint=True) * (rng.random() < 0.7)
    return QuantParams(scale, tuple(zero_point.tolist()), None if channels is None else 0)


class Case:
    """A graph with one op under test, its stored input, and the expected result."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(f"seed {seed}")

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def input(self, shape, dtype):
        self.x = random_stored(self.rng, dtype, shape)
        self.graph.inputs["x"] = TensorType(dtype, shape, random_params(self.rng, dtype))
        return self.graph.inputs["x"].params.zero_point[0]

    def constant(self, name, dtype, array, params=None):
        self.graph.constants[name] = Constant(TensorType(dtype, array.shape, params), array)

    def weights(self, shape):
        dtype = self.pick("i8", "u8")
        params = random_params(self.rng, dtype, self.pick(None, shape[0]))
        self.constant("w", dtype, random_stored(self.rng, dtype, shape), params)
        zero_points = params.zero_point * (1 if params.axis == 0 else shape[0])
        return self.graph.constants["w"].array.tolist(), zero_points

    def requantization(self, channels):
        """Bias, shift and rounding as constants and as lists."""
        bias = self.rng.integers(-5000, 5000, channels, np.int32)
        shift = self.rng.integers(-1, 14, channels, np.int8)
        rounding = self.rng.choice(np.array([FLOOR, HALF_EVEN], np.int8), channels)
        for name, dtype, array in (("bias", "i32", bias), ("shift", "i8", shift), ("rounding", "i8", rounding)):
            self.constant(name, dtype, array)
        return bias.tolist(), shift.tolist(), rounding.tolist()

    def run(self, op, operands, **options):
        """The op's result, checked against its declared type."""
        append(self.graph, op, "y", operands, **options)
        self.graph.outputs = ["y"]
        assert faults(self.graph) == []
        result = run_graph(self.graph, {"x": self.x})["y"]
        type_ = self.graph.nodes["y"].type
        assert (result.shape, result.dtype) == (type_.shape, type_.numpy)
        return result.tolist()

    def clamp(self, dtype):
        low, high = dtype_range(dtype)
        qmin, qmax = sorted(self.rng.integers(low, high, 2, endpoint=True).tolist())
        return {"qmin": self.pick(low, qmin), "qmax": self.pick(high, qmax)}


def convolution_case(seed):
    """A case with input and weights, the attributes of a random convolution, and its exact accumulators."""
    case = Case(seed)
    rng = case.rng
    groups = int(case.pick(1, 1, 2, 3))
    in_group, out_group = (int(n) for n in rng.integers(1, 4, 2))
    kernel, dilations, strides = (tuple(rng.integers(1, 4, 2).tolist()) for _ in range(3))
    pads = tuple(rng.integers(0, 3, 4).tolist())
    windows = [(kernel[axis] - 1) * dilations[axis] + 1 for axis in (0, 1)]
    size = [int(max(1, windows[axis] - pads[axis] - pads[axis + 2]) + rng.integers(0, 6)) for axis in (0, 1)]
    x_zero = case.input((int(rng.integers(1, 3)), groups * in_group, *size), case.pick("i8", "u8"))
    w, w_zero = case.weights((groups * out_group, in_group, *kernel))
    attrs = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}
    return case, attrs, reference.convolution(case.x.tolist(), w, x_zero=x_zero, w_zero=w_zero, **attrs)


@pytest.mark.parametrize("seed", range(40))
def test_qconv2d(seed):
    case, attrs, accumulators = convolution_case(seed)
    bias, shift, rounding = case.requantization(len(accumulators[0]))
    dtype = case.pick("i8", "u8")
    clamp, zero = case.clamp(dtype), int(case.rng.integers(*dtype_range(dtype)))
    kernel = tuple(int(case.rng.integers(1, 1 + min(3, size))) for size in np.shape(accumulators)[2:])
    pool = {"pool_kernel": kernel, "pool_strides": tuple(case.rng.integers(1, 4, 2).tolist())}
    stored = reference.channels(
        accumulators,
        lambda acc, c: reference.requantize(acc + bias[c], shift[c], rounding[c], zero, clamp["qmin"], clamp["qmax"]),
    )
    expected = reference.max_pool(stored, pool["pool_kernel"], pool["pool_strides"])
    params = QuantParams((0.5,), (zero,))
    operands = ["x", "w", "bias", "shift", "rounding"]
    assert case.run("qconv2d", operands, dtype=dtype, params=params, **attrs, **pool, **clamp) == expected


@pytest.mark.parametrize("seed", range(40, 60))
def test_qconv2d_without_shift_gives_accumulators(seed):
    case, attrs, accumulators = convolution_case(seed)
    bias, _, _ = case.requantization(len(accumulators[0]))
    expected = reference.channels(accumulators, lambda acc, c: acc + bias[c])
    assert case.run("qconv2d", ["x", "w", "bias"], dtype="i32", **attrs) == expected


@pytest.mark.parametrize("seed", range(60, 90))
def test_conv2d_with_power_of_two_scales(seed):
    """conv2d denotes the reals that its operands denote, whichever of them are quantized."""
    case, attrs, accumulators = convolution_case(seed)
    x, w = case.graph.inputs["x"], case.graph.constants["w"]
    scales = np.broadcast_to(np.float32(w.type.params.scale), (len(w.array),)).tolist()
    operands, bias = ["x", "w"], [0.0] * len(scales)
    if case.pick(True, False):
        # On the grid of eighths, so that float32 sums are exact.
        bias = (case.rng.integers(-99, 99, len(scales)) / 8).tolist()
        case.constant("b", "f32", np.float32(bias))
        operands.append("b")
    if case.pick(True, False):
        reals = np.float32(
            [
                [[[(q - z) * s for q in row] for row in p] for p in o]
                for o, z, s in zip(
                    w.array.tolist(),
                    np.broadcast_to(w.type.params.zero_point, len(scales)).tolist(),
                    scales,
                    strict=True,
                )
            ]
        )
        case.constant("w", "f32", reals)
    if case.pick(True, False):
        case.graph.inputs["x"] = TensorType("f32", x.shape)
        case.x = ((case.x.astype(np.float32) - x.params.zero_point[0]) * np.float32(x.params.scale[0])).astype(
            np.float32
        )
    expected = reference.channels(accumulators, lambda acc, c: acc * x.params.scale[0] * scales[c] + bias[c])
    assert case.run("conv2d", operands, dtype="f32", **attrs) == expected


@pytest.mark.parametrize("seed", range(20))
def test_qfully_connected(seed):
    case = Case(seed)
    batch, outputs, *rest = (int(n) for n in case.rng.integers(1, 6, case.rng.integers(3, 6)))
    x_zero = case.input((batch, *rest), case.pick("i8", "u8"))
    w, w_zero = case.weights((outputs, *rest))
    bias, shift, rounding = case.requantization(outputs)
    rows = case.x.reshape(batch, -1).tolist()
    columns = np.array(w).reshape(outputs, -1).tolist()
    accumulators = [
        [
            bias[o] + sum((a - x_zero) * (b - w_zero[o]) for a, b in zip(row, columns[o], strict=True))
            for o in range(outputs)
        ]
        for row in rows
    ]
    if case.pick(True, False):
        assert case.run("qfully_connected", ["x", "w", "bias"], dtype="i32") == accumulators
        return
    dtype = case.pick("i8", "u8")
    clamp, zero = case.clamp(dtype), int(case.rng.integers(*dtype_range(dtype)))
    expected = reference.channels(
        accumulators,
        lambda acc, o: reference.requantize(acc, shift[o], rounding[o], zero, clamp["qmin"], clamp["qmax"]),
    )
    operands, params = ["x", "w", "bias", "shift", "rounding"], QuantParams((0.5,), (zero,))
    assert case.run("qfully_connected", operands, dtype=dtype, params=params, **clamp) == expected


@pytest.mark.parametrize("dtype", ["i8", "u8", "i16", "f32"])
@pytest.mark.parametrize("seed", range(8))
def test_max_pool_pads_never_win(dtype, seed):
    """Inputs hold the smallest values only, so any padding that took part would show."""
    case = Case(seed)
    kernel, strides = (tuple(case.rng.integers(1, 4, 2).tolist()) for _ in range(2))
    pads = tuple(int(case.rng.integers(0, kernel[axis % 2])) for axis in range(4))
    shape = (2, 3, *(int(n) for n in case.rng.integers(3, 8, 2)))
    if dtype == "f32":
        case.x = case.rng.choice(np.float32([-np.inf, -3e38, -1.0]), shape)
        case.graph.inputs["x"] = TensorType("f32", shape)
    else:
        case.input(shape, dtype)
        case.x = (dtype_range(dtype)[0] + case.rng.integers(0, 3, shape)).astype(case.x.dtype)
    expected = reference.max_pool(case.x.tolist(), kernel, strides, pads)
    params = case.graph.inputs["x"].params
    assert (
        case.run("max_pool", ["x"], dtype=dtype, params=params, kernel=kernel, strides=strides, pads=pads) == expected
    )


@pytest.mark.parametrize("seed", range(8))
def test_relu_and_clip_on_stored_integers(seed):
    case = Case(seed)
    dtype = case.pick("i8", "u8", "i16")
    zero = case.input((3, 50), dtype)
    params = case.graph.inputs["x"].params
    stored = case.x.tolist()
    assert case.run("relu", ["x"], dtype=dtype, params=params) == [[max(q, zero) for q in row] for row in stored]
    del case.graph.nodes["y"]
    low, high = sorted(case.rng.integers(-40, 40, 2).tolist())
    # Bounds on the grid: there clip acts on the reals themselves.
    bounds = {"min": low * params.scale[0], "max": high * params.scale[0]}
    ends = [min(max(bound + zero, dtype_range(dtype)[0]), dtype_range(dtype)[1]) for bound in (low, high)]
    expected = [[min(max(q, ends[0]), ends[1]) for q in row] for row in stored]
    assert case.run("clip", ["x"], dtype=dtype, params=params, **bounds) == expected


@pytest.mark.parametrize("seed", range(6))
def test_moves(seed):
    case = Case(seed)
    shape = tuple(int(n) for n in case.rng.integers(1, 5, 4))
    case.input(shape, "i8")
    params = case.graph.inputs["x"].params
    perm = tuple(case.rng.permutation(4).tolist())
    moved = np.array(case.run("transpose", ["x"], dtype="i8", params=params, perm=perm), np.int8)
    for index in np.ndindex(*moved.shape):
        source = [0] * 4
        for axis, value in enumerate(index):
            source[perm[axis]] = value
        assert moved[index] == case.x[tuple(source)]
    del case.graph.nodes["y"]
    flat = case.run("reshape", ["x"], dtype="i8", params=params, shape=(1, case.x.size))
    assert flat == [[int(case.x[index]) for index in np.ndindex(*shape)]]
    del case.graph.nodes["y"]
    case.graph.inputs["x"] = case.graph.inputs["x"].with_(shape=(*shape[:2], 3, 2))
    case.x = random_stored(case.rng, "i8", (*shape[:2], 3, 2))
    same = case.graph.inputs["x"]
    append(case.graph, "convert_layout", "l", ["x"], dtype="i8", params=params, layout="nhwc")
    assert case.run("convert_layout", ["l"], dtype="i8", params=same.params) == case.x.tolist()


def test_requantizing_a_quantized_operand_is_one_rounding_of_its_reals():
    case = Case(0)
    zero = case.input((1, 64), "u8")
    source = case.graph.inputs["x"].params
    params = QuantParams((0.25,), (-5,))
    expected = [
        [reference.requantize((q - zero) * int(source.scale[0] * 2**10), 8, HALF_EVEN, -5, -100, 90) for q in row]
        for row in case.x.tolist()
    ]
    assert case.run("quantize", ["x"], dtype="i8", params=params, qmin=-100, qmax=90) == expected


def test_dequantize_adds_its_bias_per_channel():
    case = Case(1)
    zero = case.input((2, 3, 2, 2), "i8")
    case.constant("b", "f32", np.float32([0.5, -1.0, 8.0]))
    scale = case.graph.inputs["x"].params.scale[0]
    expected = reference.channels(case.x.tolist(), lambda q, c: (q - zero) * scale + (0.5, -1.0, 8.0)[c])
    assert case.run("dequantize", ["x", "b"], dtype="f32") == expected
