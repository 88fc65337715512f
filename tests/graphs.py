"""IR graphs as the frontend gives them, built layer by layer, and the real path from one to the simulated chip."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p4c.backend.build import build
from p4c.backend.lower import lower
from p4c.backend.target import ESP32P4
from p4c.backend.toolchain import find_toolchain
from p4c.compiler.builder import append
from p4c.compiler.interpreter import run_graph
from p4c.compiler.ir import Constant, Graph, QuantParams, TensorType
from p4c.compiler.passes import run_passes
from p4c.runtime.model import CompiledModel

# The kernels' C.
CSRC = Path(__file__).parent.parent / "backend" / "csrc"

# How a bias can lie: on the accumulator grid, off it, stored as int32, or not at all.
BIASES = ("grid", "off", "int32", "none")


class Net:
    """A graph under construction. Every method returns the name of the value it made."""

    def __init__(self, seed=0, name="net"):
        self.graph = Graph(name)
        self.random = np.random.default_rng(seed)

    def name(self, word):
        count = 0
        while f"{word}{count}" in self.graph:
            count += 1
        return f"{word}{count}"

    def input(self, *shape, e=4, name=""):
        """A float input [1, *shape] and its quantizer."""
        name = name or self.name("in")
        self.graph.inputs[name] = TensorType("f32", (1, *shape))
        return self.quantize(name, e)

    def stored_input(self, *shape, e=4, dtype="i8"):
        """An input of stored integers."""
        name = self.name("stored")
        self.graph.inputs[name] = TensorType(dtype, (1, *shape), QuantParams.power_of_two(e))
        return name

    def op(self, op, operands, word="", **options):
        word = word or op
        name = self.name(word)
        return append(self.graph, op, name, operands, loc=f"/{name}", **options)

    def quantize(self, x, e, **clamp):
        return self.op("quantize", [x], "q", dtype="i8", params=QuantParams.power_of_two(e), **clamp)

    def same(self, op, x, **attrs):
        """relu, clip, max_pool, reshape, transpose: what keeps the operand's dtype and params."""
        type_ = self.graph.type_of(x)
        return self.op(op, [x], dtype=type_.dtype, params=type_.params, **attrs)

    def exponent(self, x):
        return self.graph.type_of(x).params.exponent

    def weights(self, shape, e, spread=128):
        """Random int8 weights; `e` is one exponent, or one for each output channel."""
        array = self.random.integers(-spread, spread, shape).astype(np.int8)
        exponents = [e] if np.isscalar(e) else list(e)
        params = QuantParams(tuple(2.0**-x for x in exponents), (0,) * len(exponents), None if np.isscalar(e) else 0)
        return self.graph.add_constant(self.name("w"), Constant(TensorType("i8", tuple(shape), params), array))

    def bias(self, x, w, kind, spread=1 << 11):
        """The bias of a layer as a list of no or one operand."""
        if kind == "none":
            return []
        weights = self.graph.type_of(w)
        channels = weights.shape[0]
        units = self.random.integers(-spread, spread, channels)
        exponents = np.broadcast_to(np.array(weights.params.exponents) + self.exponent(x), (channels,))
        if kind == "int32":
            scales = tuple(2.0**-e for e in np.array(weights.params.exponents) + self.exponent(x))
            params = QuantParams(scales, (0,) * len(scales), weights.params.axis)
            constant = Constant(TensorType("i32", (channels,), params), units.astype(np.int32))
        else:
            reals = units + (self.random.integers(1, 16, channels) / 16 if kind == "off" else 0)
            array = np.ldexp(reals, -exponents).astype(np.float32)
            constant = Constant(TensorType("f32", (channels,)), array)
        return [self.graph.add_constant(self.name("b"), constant)]

    def conv(self, x, channels, kernel=(3, 3), *, bias="grid", e=7, spread=128, **attrs):
        """A convolution that gives reals."""
        groups = attrs.get("groups", 1)
        shape = (channels, self.graph.type_of(x).shape[1] // groups, *kernel)
        w = self.weights(shape, e, spread)
        return self.op("conv2d", [x, w, *self.bias(x, w, bias)], "conv", dtype="f32", **attrs)

    def dense(self, x, outputs, *, bias="grid", e=7, spread=128):
        """A fully connected layer that gives reals."""
        w = self.weights((outputs, *self.graph.type_of(x).shape[1:]), e, spread)
        return self.op("fully_connected", [x, w, *self.bias(x, w, bias)], "fc", dtype="f32")

    def output(self, x):
        """An output in float32: what is quantized is dequantized."""
        if self.graph.type_of(x).params is not None:
            x = self.op("dequantize", [x], "out", dtype="f32")
        self.graph.outputs.append(x)
        return x

    def stored_output(self, x):
        """An output of stored integers."""
        self.graph.outputs.append(x)
        return x


def random_inputs(graph, rows=3, seed=0):
    """Rows for every input: reals beyond the quantizers' range, or any integers; the first row is extreme."""
    random = np.random.default_rng(seed)
    inputs = {}
    for name, type_ in graph.inputs.items():
        shape = (rows, *type_.shape[1:])
        if type_.dtype == "f32":
            inputs[name] = random.normal(scale=6.0, size=shape).astype(np.float32)
        else:
            info = np.iinfo(type_.numpy)
            inputs[name] = random.integers(info.min, info.max, shape, endpoint=True).astype(type_.numpy)
        inputs[name][0] = 100 if type_.dtype == "f32" else 127
    return inputs


def plan_of(graph, **options):
    """The plan of a graph by the real passes and lowering."""
    return lower(run_passes(graph, lambda stage: None), ESP32P4, **options)


def compile_graph(graph, name="net", *, toolchain="zig", chip_rev="v3", **options):
    """A graph by the real path, ready to run on the simulated chip; `options` are those of lower()."""
    plan = plan_of(graph, **options)
    built = build(plan, name, ESP32P4, chip_rev, find_toolchain(toolchain), None)
    return CompiledModel(name, plan, built, None, (), {})


def assert_device_identical(graph, rows=3, seed=0, **options):
    """What the simulated chip gives is what the interpreter gives on the imported graph, bit for bit."""
    model = compile_graph(graph, **options)
    inputs = random_inputs(graph, rows, seed)
    expected = run_graph(graph, inputs)
    actual = model.run(inputs)
    if len(graph.outputs) == 1:
        actual = {graph.outputs[0]: actual}
    for name in graph.outputs:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name, strict=True)
    return model
