"""Broken exports: what goes wrong on the way from a training to an ONNX file, each one made here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .models import OnnxNet

INT8 = {"zero": 0, "dtype": np.int8}
SHAPE = (1, 2, 6, 6)

# Name -> what makes the file's bytes.
EXPORTS: dict[str, Callable[[], bytes]] = {}


def export(function):
    """Register a maker of a model, or of the bytes of a file."""

    def make():
        made = function()
        return made if isinstance(made, bytes) else made.SerializeToString()

    EXPORTS[function.__name__] = make
    return function


def start(**options):
    """A network with its quantized input."""
    net = OnnxNet()
    return net, net.quantize(net.input(options.pop("shape", SHAPE)), 4, **options)


def qdq(net, x, scale, zero=0, dtype=np.int8, **attrs):
    """QuantizeLinear and DequantizeLinear with any parameters."""
    params = [net.constant(np.float32(scale)), net.constant(np.array(zero, dtype))]
    return net.node("DequantizeLinear", [net.node("QuantizeLinear", [x, *params], **attrs), *params], **attrs)


def finished(net, y, opset=18, e=3):
    """The model with a quantizer behind y."""
    net.output(net.quantize(y, e), "y")
    return net.model(opset)


# Quantizers


@export
def missing_quantizer_on_a_branch():
    net, x = start()
    a, b = net.quantize(net.conv(x, 2, 3), 3), net.node("Relu", [net.conv(x, 2, 3)])
    return finished(net, net.conv(net.node("Add", [a, b]), 3, 2))


@export
def missing_quantizer_of_an_operand():
    net, x = start()
    return finished(net, net.node("Add", [net.quantize(net.conv(x, 2, 3), 3), net.conv(x, 2, 3)]))


@export
def missing_quantizer_of_the_input():
    net = OnnxNet()
    return finished(net, net.conv(net.input(SHAPE), 2, 3))


@export
def activation_per_channel():
    net, x = start()
    y = qdq(net, net.conv(x, 2, 3), [0.25, 0.5, 0.25], [0] * 3)
    return finished(net, net.conv(y, 3, 2))


@export
def scale_no_power_of_two():
    net, x = start()
    y = qdq(net, net.conv(x, 2, 3), 0.03)
    return finished(net, net.conv(y, 3, 2))


@export
def zero_point_of_an_activation():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), 0.25, -128), 3, 2))


@export
def uint8_activations():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), 0.25, 0, np.uint8), 3, 2))


@export
def zero_point_of_weights():
    net, x = start()
    w = net.node("DequantizeLinear", [net.constant(np.ones((3, 2, 3, 3), np.int8)), *net.scale(6, zero=3)])
    return finished(net, net.node("Conv", [x, w]))


@export
def sixteen_bit_zero_point():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), 2.0**-12, 0, np.int16), 3, 2), opset=21)


@export
def unsigned_sixteen_bits():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), 2.0**-12, 7, np.uint16), 3, 2), opset=21)


@export
def blocked_weights():
    net, x = start()
    scale, zero = np.full((3, 1, 3, 3), 0.25, np.float32), np.zeros((3, 1, 3, 3), np.int8)
    parts = [net.constant(np.ones((3, 2, 3, 3), np.int8)), net.constant(scale), net.constant(zero)]
    w = net.node("DequantizeLinear", parts, axis=1, block_size=2)
    return finished(net, net.node("Conv", [x, w]), opset=21)


@export
def blocked_activation():
    net, x = start()
    scale, zero = np.full((1, 3, 6, 3), 0.25, np.float32), np.zeros((1, 3, 6, 3), np.int8)
    params = [net.constant(scale), net.constant(zero)]
    stored = net.node("QuantizeLinear", [net.conv(x, 2, 3), *params], axis=3, block_size=2)
    y = net.node("DequantizeLinear", [stored, *params], axis=3, block_size=2)
    return finished(net, net.conv(y, 3, 2), opset=21)


@export
def four_bit_weights():
    net, x = start()
    w = net.weights(3, 2, 3, 3, spread=7, name="w4")
    model = finished(net, net.node("Conv", [x, w]), opset=21)
    node = next(node for node in model.graph.node if node.output[0] == w)
    for tensor in model.graph.initializer:
        if tensor.name in (node.input[0], node.input[2]):
            array = numpy_helper.to_array(tensor)
            tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.INT4, array.shape, array.ravel()))
    return model


@export
def float8_weights():
    net, x = start()
    parts = helper.make_tensor("w8", TensorProto.FLOAT8E4M3FN, [3, 2, 3, 3], [0.5] * 54)
    net.constants.append(parts)
    net.constants.append(helper.make_tensor("z8", TensorProto.FLOAT8E4M3FN, [], [0.0]))
    w = net.node("DequantizeLinear", ["w8", net.constant(np.float32(0.25)), "z8"])
    return finished(net, net.node("Conv", [x, w]), opset=21)


@export
def dynamic_quantization():
    net = OnnxNet()
    x = net.input((1, 8))
    outputs = ["xq", "xs", "xz"]
    net.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], outputs, name="DynamicQuantizeLinear_0"))
    w = net.constant(np.ones((8, 4), np.int8), "w")
    y = net.node("MatMulInteger", ["xq", w, "xz"])
    y = net.node("Mul", [net.node("Cast", [y], to=TensorProto.FLOAT), "xs"])
    net.output(y, "y")
    return net.model()


@export
def scale_at_run_time():
    net, x = start()
    y = net.conv(x, 2, 3)
    scale = net.node("ReduceMax", [y], keepdims=0)
    zero = net.constant(np.int8(0))
    y = net.node("DequantizeLinear", [net.node("QuantizeLinear", [y, scale, zero]), scale, zero])
    return finished(net, net.conv(y, 3, 2))


@export
def scale_of_zero():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), 0.0), 3, 2))


@export
def scale_of_nan():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), np.nan), 3, 2))


@export
def negative_scale():
    net, x = start()
    return finished(net, net.conv(qdq(net, net.conv(x, 2, 3), -0.25), 3, 2))


@export
def halves_that_differ():
    net, x = start()
    zero = net.constant(np.int8(0))
    stored = net.node("QuantizeLinear", [net.conv(x, 2, 3), net.constant(np.float32(0.5)), zero])
    y = net.node("DequantizeLinear", [stored, net.constant(np.float32(0.25)), zero])
    return finished(net, net.conv(y, 3, 2))


@export
def quantize_without_dequantize():
    net, x = start()
    stored = net.node("QuantizeLinear", [net.conv(x, 2, 3), *net.scale(3)])
    return finished(net, net.node("Cast", [stored], to=TensorProto.FLOAT))


@export
def no_quantizers():
    net = OnnxNet()
    y = net.input(SHAPE)
    for inputs in (2, 3, 3):
        w = net.constant(net.random.normal(size=(3, inputs, 3, 3)).astype(np.float32))
        y = net.node("Relu", [net.node("Conv", [y, w], pads=[1] * 4)])
    net.output(y, "y")
    return net.model()


@export
def half_precision():
    net = OnnxNet()
    x = net.input(SHAPE, dtype=TensorProto.FLOAT16)
    w = net.constant(net.random.normal(size=(3, 2, 3, 3)).astype(np.float16), "w")
    net.output(net.node("Conv", [x, w]), "y", dtype=TensorProto.FLOAT16)
    return net.model()


# Weights and biases


@export
def weights_off_the_grid():
    net, x = start()
    w = net.constant(np.linspace(-1, 1, 54).reshape(3, 2, 3, 3).astype(np.float32), "conv.weight")
    return finished(net, net.node("Conv", [x, w]))


@export
def weights_not_finite():
    net, x = start()
    w = np.ones((3, 2, 3, 3), np.float32)
    w[1, 1] = np.nan
    return finished(net, net.node("Conv", [x, net.constant(w, "conv.weight")]))


@export
def weights_computed():
    net, x = start()
    w = net.quantize(net.input((3, 2, 3, 3), "w"), 4)
    model = finished(net, net.node("Conv", [x, w]))
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 1
    return model


@export
def bias_without_shift():
    net, x = start()
    bias = net.constant(np.array([0.3, 0.2, 0.1], np.float32), "conv.bias")
    return finished(net, net.node("Conv", [x, net.weights(3, 2, 3, 3, e=6), bias]), e=10)


@export
def bias_not_finite():
    net, x = start()
    bias = net.constant(np.array([0.3, np.inf, 0.1], np.float32), "conv.bias")
    return finished(net, net.node("Conv", [x, net.weights(3, 2, 3, 3, e=6), bias]))


@export
def weights_per_input_channel():
    net, x = start()
    params = [net.constant(np.float32([0.25, 0.5])), net.constant(np.zeros(2, np.int8))]
    w = net.node("DequantizeLinear", [net.constant(np.ones((3, 2, 3, 3), np.int8)), *params], axis=1)
    return finished(net, net.node("Conv", [x, w]))


@export
def as_many_scales_as_no_axis_has():
    net, x = start()
    params = [net.constant(np.full(4, 0.25, np.float32)), net.constant(np.zeros(4, np.int8))]
    w = net.node("DequantizeLinear", [net.constant(np.ones((3, 2, 3, 3), np.int8)), *params], axis=0)
    return finished(net, net.node("Conv", [x, w]))


# Shapes


@export
def dynamic_height():
    net, x = start(shape=("N", 2, "height", 6))
    return finished(net, net.conv(x, 2, 3))


@export
def batch_of_four():
    net, x = start(shape=(4, 2, 6, 6))
    return finished(net, net.conv(x, 2, 3))


@export
def no_channels():
    net, x = start(shape=(1, 0, 6, 6))
    return finished(net, net.node("Relu", [x]))


@export
def zero_sized_weights():
    net, x = start()
    return finished(net, net.conv(x, 2, 0))


@export
def input_smaller_than_the_window():
    net, x = start(shape=(1, 2, 3, 3))
    return finished(net, net.conv(x, 2, 3, kernel=5, pads=[0] * 4))


@export
def volumes():
    net, x = start(shape=(1, 2, 5, 5, 5))
    return finished(net, net.node("Conv", [x, net.weights(3, 2, 3, 3, 3)]))


@export
def channels_that_do_not_fit():
    net, x = start()
    return finished(net, net.conv(x, 5, 3))


@export
def reshape_at_run_time():
    net, x = start()
    shape = net.input((4,), "shape", dtype=TensorProto.INT64)
    return finished(net, net.node("Reshape", [net.quantize(net.conv(x, 2, 3), 3), shape]))


# Operators


@export
def custom_operator():
    net, x = start()
    y = net.node("Deform", [net.quantize(net.conv(x, 2, 3), 3)], domain="my.company")
    model = finished(net, net.conv(y, 3, 2))
    model.opset_import.append(helper.make_opsetid("my.company", 1))
    return model


@export
def unsupported_operator():
    net, x = start()
    y = net.node("LRN", [net.quantize(net.conv(x, 2, 3), 3)], size=3)
    return finished(net, net.conv(y, 3, 2))


@export
def recurrent_layer():
    net = OnnxNet()
    x = net.quantize(net.input((7, 1, 4)), 4)
    weights = [net.constant(net.random.normal(size=(1, 12, size)).astype(np.float32)) for size in (4, 3)]
    net.output(net.node("LSTM", [x, *weights], hidden_size=3), "y")
    return net.model()


@export
def control_flow():
    net, x = start()
    branch = []
    for name in ("then", "else"):
        node = helper.make_node("Relu", [x], [name])
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE)
        branch.append(helper.make_graph([node], name, [], [out]))
    condition = net.input((1,), "condition", dtype=TensorProto.BOOL)
    y = net.node("If", [condition], then_branch=branch[0], else_branch=branch[1])
    return finished(net, net.conv(y, 2, 3))


@export
def dropout_in_training():
    net, x = start()
    y = net.node("Dropout", [net.quantize(net.conv(x, 2, 3), 3), "", net.constant(np.array(True))])
    return finished(net, net.conv(y, 3, 2))


@export
def integers_of_another_type():
    net = OnnxNet()
    x = net.input(SHAPE, dtype=TensorProto.INT32)
    y = net.quantize(net.node("Cast", [x], to=TensorProto.FLOAT), 4)
    return finished(net, net.conv(y, 2, 3))


@export
def output_of_indices():
    net, x = start()
    y = net.node("ArgMax", [net.quantize(net.conv(x, 2, 3), 3)], axis=1)
    net.output(y, "y", dtype=TensorProto.INT64)
    return net.model()
