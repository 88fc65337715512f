"""Hypothesis strategies: valid random graphs over every op of the table, and the parts they are made of."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from p4c.compiler.builder import make_node
from p4c.compiler.ir import LAYOUTS, Constant, Graph, QuantParams, TensorType
from p4c.compiler.numerics import dtype_range
from p4c.compiler.ops import OPS, OpError
from p4c.compiler.ops.softmax import exp_table

# Names as exporters write them, and names that nobody should write but ONNX allows.
ODD_NAMES = (
    "",
    " ",
    "%x",
    'a"b',
    "a\\b",
    "a//b",
    "a b",
    "/",
    "a/",
    "::",
    "x:0",
    "x:y",
    "é",
    "名",
    "\n",
    "\0",
    "\u2028",
)
PLAIN_NAMES = (
    "x",
    "/conv1/Conv_output_0",
    "onnx::Conv_12",
    "conv1.weight",
    "w.npy",
    "input",
    "inf",
    "0x1p",
    "7",
    "-",
)
names = st.one_of(st.sampled_from(PLAIN_NAMES), st.sampled_from(ODD_NAMES), st.text(max_size=6))

scales = st.one_of(
    st.integers(-10, 40).map(lambda exponent: math.ldexp(1.0, exponent - 20)),
    st.floats(2.0**-126, 2.0**100, width=32),
    st.just(2.0**-149),
)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def params(draw, dtype, shape, axes=(None,)):
    """Quantization parameters that fit a type, along one of `axes` (None: per tensor)."""
    axis = draw(st.sampled_from([axis for axis in axes if axis is None or axis < len(shape)]))
    count = 1 if axis is None else shape[axis]
    scale = draw(st.lists(scales, min_size=count, max_size=count))
    zero_points = st.one_of(st.just(0), st.integers(*dtype_range(dtype)))
    zero_point = draw(st.one_of(st.just([0] * count), st.lists(zero_points, min_size=count, max_size=count)))
    return QuantParams(tuple(scale), tuple(zero_point), axis)


def random_array(seed, type_):
    """Elements of a type: extreme and special values among ordinary ones."""
    rng = np.random.default_rng(seed)
    if type_.dtype == "f32":
        array = rng.normal(size=type_.shape).astype(np.float32)
        special = np.array([-0.0, np.inf, -np.inf, np.nan, 2.0**-149, 1e30], np.float32)
        return np.where(rng.random(type_.shape) < 0.1, rng.choice(special, type_.shape), array)
    low, high = dtype_range(type_.dtype)
    array = rng.integers(low, high, type_.shape, type_.numpy, endpoint=True)
    return np.where(rng.random(type_.shape) < 0.2, low, array).astype(type_.numpy)


class GraphBuilder:
    """A graph under construction: takes operands from what exists or makes them."""

    def __init__(self, draw):
        self.draw = draw
        self.graph = Graph(draw(names))

    def name(self):
        """A name that is still free."""
        name = self.draw(names)
        while name in self.graph:
            name += "'"
        return name

    def type(self, shape, dtypes, axes=(None,), *, quantized=True):
        """A type of that shape; f32 never has params, the others do if `quantized`."""
        dtype = self.draw(st.sampled_from(dtypes))
        layouts = LAYOUTS if len(shape) == 4 else ("row",)
        own = self.draw(params(dtype, shape, axes)) if quantized and dtype != "f32" else None
        return TensorType(dtype, shape, own, self.draw(st.sampled_from(layouts)))

    def constant(self, type_, array=None):
        """A new constant; returns its name."""
        array = random_array(self.draw(seeds), type_) if array is None else array
        return self.graph.add_constant(self.name(), Constant(type_, array))

    def operand(self, shape, dtypes, axes=(None,)):
        """A value of that shape: one that exists, a new input, or a constant."""
        fitting = [
            name
            for name in (*self.graph.inputs, *self.graph.constants, *self.graph.nodes)
            if self._fits(name, shape, dtypes, axes)
        ]
        if fitting and self.draw(st.integers(0, 3)):
            return self.draw(st.sampled_from(fitting))
        type_ = self.type(shape, dtypes, axes)
        if self.draw(st.integers(0, 2)):
            name = self.name()
            # What the host gives has ONNX axis order.
            self.graph.inputs[name] = type_.with_(layout="row")
            return name
        return self.constant(type_)

    def _fits(self, name, shape, dtypes, axes):
        type_ = self.graph.type_of(name)
        node = self.graph.nodes.get(name)
        if node is not None and OPS[node.op].border:
            return False
        axis = type_.params.axis if type_.params is not None else None
        return (
            type_.shape == shape
            and type_.dtype in dtypes
            and axis in axes
            and (type_.dtype == "f32" or type_.quantized)
        )

    def add(self, op, operands, type_, **attrs):
        """Append a node whose result has the dtype, params and layout of `type_`."""
        name, loc = self.name(), self.draw(names)
        options = {"dtype": type_.dtype, "params": type_.params, "layout": type_.layout}
        self.graph.add(make_node(self.graph, op, name, operands, loc=loc, **options, **attrs))

    def clamp(self, dtype):
        """qmin and qmax within a dtype, full range among them."""
        low, high = dtype_range(dtype)
        bounds = sorted(self.draw(st.lists(st.sampled_from([low, -1, 0, 3, high]), min_size=2, max_size=2)))
        return {"qmin": max(bounds[0], low), "qmax": max(bounds[1], low)}

    def like(self, name, **changes):
        """The type of a value with changes."""
        return self.graph.type_of(name).with_(**changes)


small = st.integers(1, 3)
REAL = ("f32", "i8", "u8", "i16", "i32")
STORED = ("i8", "u8")


def shapes(rank):
    """Small shapes of that rank."""
    return st.tuples(*[small] * rank)


def any_shape(build):
    return build.draw(st.integers(0, 4).flatmap(shapes))


def quantize(build):
    x = build.operand(any_shape(build), REAL, (None, 0, 1))
    type_ = build.type(build.graph.type_of(x).shape, ("i8", "u8", "i16"), (None, 0, 1))
    layout = build.graph.type_of(x).layout
    build.add("quantize", [x], type_.with_(layout=layout), **build.clamp(type_.dtype))


def dequantize(build):
    x = build.operand(any_shape(build), REAL[1:], (None, 0, 1))
    type_ = build.graph.type_of(x)
    operands = [x]
    if len(type_.shape) > 1 and build.draw(st.booleans()):
        operands.append(build.constant(TensorType("f32", type_.shape[1:2])))
    build.add("dequantize", operands, TensorType("f32", (), None, type_.layout))


def convolution_operands(build, dtypes):
    """Input, weights and the attributes of a convolution that has at least one output pixel."""
    groups, in_group, out_group = (build.draw(small) for _ in range(3))
    height, width, kernel_h, kernel_w = (build.draw(small) for _ in range(4))
    dilations = build.draw(shapes(2))
    windows = ((kernel_h - 1) * dilations[0] + 1, (kernel_w - 1) * dilations[1] + 1)
    pads = [build.draw(st.integers(0, 2)) for _ in range(4)]
    for axis, size in enumerate((height, width)):
        pads[axis] += max(0, windows[axis] - size - pads[axis] - pads[axis + 2])
    x = build.operand((build.draw(small), groups * in_group, height, width), dtypes)
    w = build.operand((groups * out_group, in_group, kernel_h, kernel_w), dtypes, (None, 0))
    attrs = {"strides": build.draw(shapes(2)), "pads": tuple(pads), "dilations": dilations, "groups": groups}
    return x, w, attrs


def fully_connected_operands(build, dtypes):
    batch, outputs, *rest = build.draw(st.integers(3, 5).flatmap(shapes))
    x = build.operand((batch, *rest), dtypes)
    return x, build.operand((outputs, *rest), dtypes, (None, 0)), {}


def real(op, operands):
    def add(build):
        x, w, attrs = operands(build, REAL)
        channels = build.graph.type_of(w).shape[0]
        inputs = [x, w]
        if build.draw(st.booleans()):
            inputs.append(build.operand((channels,), ("f32", "i32"), (None, 0)))
        layout = build.graph.type_of(x).layout if op == "conv2d" else "row"
        type_ = TensorType("f32", (), None, layout)
        if build.draw(st.booleans()):
            type_ = build.type((), ("i8", "u8", "i16")).with_(layout=layout)
            attrs |= build.clamp(type_.dtype)
        build.add(op, inputs, type_, **attrs)

    return add


def integer(op, operands, *, pools=False):
    def add(build):
        x, w, attrs = operands(build, STORED)
        channels = build.graph.type_of(w).shape[0]
        seed = np.random.default_rng(build.draw(seeds))
        vector = {dtype: TensorType(dtype, (channels,)) for dtype in ("i8", "i32")}
        bias = seed.integers(-(1 << 20), 1 << 20, channels, np.int32)
        inputs = [x, w, build.constant(vector["i32"], bias)]
        layout = build.graph.type_of(x).layout if pools else "row"
        type_ = TensorType("i32", (), None, layout)
        if build.draw(st.booleans()):
            inputs.append(build.constant(vector["i8"], seed.integers(-2, 20, channels, np.int8)))
            inputs.append(build.constant(vector["i8"], seed.choice(np.array([0, 6], np.int8), channels)))
            type_ = build.type((), STORED).with_(layout=layout)
            attrs |= build.clamp(type_.dtype)
        if pools and build.draw(st.booleans()):
            attrs |= {"pool_kernel": build.draw(shapes(2)), "pool_strides": build.draw(shapes(2))}
        attrs["acc_bound"] = build.draw(st.integers(0, 1 << 40))
        build.add(op, inputs, type_, **attrs)

    return add


def max_pool(build):
    x = build.operand(build.draw(shapes(4)), REAL, (None, 0, 1))
    kernel = build.draw(shapes(2))
    pads = tuple(build.draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
    attrs = {"kernel": kernel, "strides": build.draw(shapes(2)), "pads": pads}
    build.add("max_pool", [x], build.like(x), **attrs)


def average_pool(op):
    def add(build):
        x = build.operand(build.draw(shapes(4)), REAL if op == "average_pool" else STORED)
        if op == "qaverage_pool" and not build.graph.type_of(x).params.symmetric:
            return
        kernel, layout = build.draw(shapes(2)), build.graph.type_of(x).layout
        pads = tuple(build.draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
        counted = build.draw(st.sampled_from([pads, (0, 0, 0, 0)]))
        attrs = {"kernel": kernel, "strides": build.draw(shapes(2)), "pads": pads, "counted_pads": counted}
        type_ = TensorType("f32", (), None, layout)
        if op == "qaverage_pool" or build.draw(st.booleans()):
            type_ = build.type((), STORED).with_(layout=layout)
            attrs |= build.clamp(type_.dtype)
        if op == "qaverage_pool":
            attrs["shift"] = build.draw(st.integers(-31, 31))
        build.add(op, [x], type_, **attrs)

    return add


def softmax(build):
    shape = build.draw(st.integers(1, 4).flatmap(shapes))
    x = in_row(build, shape, REAL)
    type_, attrs = TensorType("f32", ()), {"axis": build.draw(st.integers(0, len(shape) - 1))}
    if build.draw(st.booleans()):
        type_ = build.type((), STORED)
        attrs |= build.clamp(type_.dtype)
    build.add("softmax", [x], type_, **attrs)


def qsoftmax(build):
    shape = build.draw(st.integers(1, 4).flatmap(shapes))
    x = in_row(build, shape, ("i8",))
    if not build.graph.type_of(x).params.symmetric:
        return
    type_ = build.type((), STORED)
    table = build.constant(TensorType("i64", (256,)), exp_table(build.draw(st.integers(-4, 9))))
    attrs = {"axis": build.draw(st.integers(0, len(shape) - 1)), "bits": build.draw(st.integers(0, 24))}
    build.add("qsoftmax", [x, table], type_, **attrs, **build.clamp(type_.dtype))


def table(build):
    x = build.operand(any_shape(build), STORED)
    type_ = build.type((), STORED).with_(layout=build.graph.type_of(x).layout)
    build.add("table", [x, build.constant(TensorType(type_.dtype, (256,)))], type_)


def relu(build):
    x = build.operand(any_shape(build), REAL)
    build.add("relu", [x], build.like(x))


def clip(build):
    x = build.operand(any_shape(build), REAL)
    bounds = build.draw(st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=2))
    build.add("clip", [x], build.like(x), min=min(bounds), max=max(bounds))


def in_row(build, shape, dtypes, axes=(None,)):
    """An operand in row order, converted if it is in another."""
    x = build.operand(shape, dtypes, axes)
    type_ = build.graph.type_of(x)
    if type_.layout != "row":
        build.add("convert_layout", [x], type_.with_(layout="row"))
        x = next(reversed(build.graph.nodes))
    return x


def reshape(build):
    shape = any_shape(build)
    x = in_row(build, shape, (*REAL, "i64"))
    elements = math.prod(shape)
    target = build.draw(st.sampled_from([(elements,), (1, elements), (elements, 1, 1), shape, (*shape, 1)]))
    build.add("reshape", [x], build.like(x), shape=target)


def transpose(build):
    shape = any_shape(build)
    x = in_row(build, shape, REAL, (None, 0, 1))
    perm = tuple(build.draw(st.permutations(range(len(shape)))))
    own = build.graph.type_of(x).params
    if own is not None and own.axis is not None:
        own = QuantParams(own.scale, own.zero_point, perm.index(own.axis))
    build.add("transpose", [x], build.like(x, params=own), perm=perm)


def slice_(build):
    x = build.operand(any_shape(build), REAL)
    shape = build.graph.type_of(x).shape
    starts = tuple(build.draw(st.integers(0, size - 1)) for size in shape)
    ends = tuple(build.draw(st.integers(start + 1, size)) for start, size in zip(starts, shape, strict=True))
    steps = tuple(build.draw(small) for _ in shape)
    build.add("slice", [x], build.like(x), starts=starts, ends=ends, steps=steps)


def pad(build):
    x = build.operand(any_shape(build), REAL)
    pads = tuple(build.draw(st.integers(0, 2)) for _ in build.graph.type_of(x).shape * 2)
    build.add("pad", [x], build.like(x), pads=pads)


def concat(build):
    shape = build.draw(st.integers(1, 4).flatmap(shapes))
    x = build.operand(shape, REAL)
    axis, count = build.draw(st.integers(0, len(shape) - 1)), build.draw(small)
    build.add("concat", [x] * count, build.like(x), axis=axis)


def convert_layout(build):
    x = build.operand(build.draw(shapes(4)), REAL, (None, 1))
    layout = build.draw(st.sampled_from([layout for layout in LAYOUTS if layout != build.graph.type_of(x).layout]))
    build.add("convert_layout", [x], build.like(x, layout=layout))


def requantize(build):
    x = build.operand(any_shape(build), STORED)
    if not build.graph.type_of(x).params.symmetric:
        return
    type_ = build.type((), STORED).with_(layout=build.graph.type_of(x).layout)
    build.add("requantize", [x], type_, shift=build.draw(st.integers(-31, 31)), **build.clamp(type_.dtype))


def broadcast_operands(build, dtypes):
    """Two operands of one shape, but for axes of length 1, and one order."""
    shape = any_shape(build)
    x = build.operand(shape, dtypes)
    y = build.operand(tuple(build.draw(st.sampled_from([1, size])) for size in shape), dtypes)
    types = [build.graph.type_of(name) for name in (x, y)]
    if types[0].same_order(types[1]):
        return x, y, types[1].layout if types[0].order_free else types[0].layout
    return x, x, types[0].layout


def arithmetic(op):
    def add(build):
        x, y, layout = broadcast_operands(build, REAL)
        type_, attrs = TensorType("f32", (), None, layout), {}
        if build.draw(st.booleans()):
            type_ = build.type((), ("i8", "u8", "i16")).with_(layout=layout)
            attrs = build.clamp(type_.dtype)
        build.add(op, [x, y], type_, **attrs)

    return add


def integer_arithmetic(op):
    def add(build):
        x, y, layout = broadcast_operands(build, STORED)
        if not all(build.graph.type_of(name).params.symmetric for name in (x, y)):
            return
        type_ = build.type((), STORED).with_(layout=layout)
        attrs = {"shift": build.draw(st.integers(-31, 31)), **build.clamp(type_.dtype)}
        if op == "qadd":
            attrs["factors"] = tuple(build.draw(st.sampled_from([1, -1, 4, 1 << 15, -(1 << 15)])) for _ in "xy")
        build.add(op, [x, y], type_, **attrs)

    return add


# How to append a node of each op.
MAKERS = {
    "requantize": requantize,
    **{op: arithmetic(op) for op in ("add", "sub", "mul")},
    **{op: integer_arithmetic(op) for op in ("qadd", "qmul")},
    "quantize": quantize,
    "dequantize": dequantize,
    "conv2d": real("conv2d", convolution_operands),
    "qconv2d": integer("qconv2d", convolution_operands, pools=True),
    "fully_connected": real("fully_connected", fully_connected_operands),
    "qfully_connected": integer("qfully_connected", fully_connected_operands),
    "max_pool": max_pool,
    **{op: average_pool(op) for op in ("average_pool", "qaverage_pool")},
    "table": table,
    "softmax": softmax,
    "qsoftmax": qsoftmax,
    "relu": relu,
    "clip": clip,
    "reshape": reshape,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "concat": concat,
    "convert_layout": convert_layout,
}


@st.composite
def graphs(draw, ops=tuple(MAKERS), max_nodes=6):
    """A valid graph of up to `max_nodes` nodes of `ops`."""
    build = GraphBuilder(draw)
    for op in draw(st.lists(st.sampled_from(ops), max_size=max_nodes)):
        try:
            MAKERS[op](build)
        except OpError:
            # The window drawn does not fit its input; the graph goes on without this node.
            continue
    graph = build.graph
    if not graph.inputs:
        graph.inputs["in"] = TensorType("f32", (1, 2))
    candidates = [name for name in (*graph.inputs, *graph.nodes) if _may_leave(graph, name)]
    unused = [name for name in candidates if not graph.users(name)]
    graph.outputs = list(dict.fromkeys([*unused, draw(st.sampled_from(candidates))]))
    return graph


def _may_leave(graph, name):
    type_ = graph.type_of(name)
    return type_.layout == "row" or type_.order_free
