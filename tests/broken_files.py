"""Broken files and graphs, beside the exports of broken_exports.py."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from .broken_exports import export, finished, start
from .models import OnnxNet


def sound():
    """A model without fault."""
    net, x = start()
    return finished(net, net.conv(x, 2, 3))


@export
def truncated_file():
    return sound().SerializeToString()[:-200]


@export
def cut_to_few_bytes():
    return sound().SerializeToString()[:9]


@export
def missing_external_data():
    model = sound()
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 32:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "weights.data"), ("offset", "0"), ("length", "54")):
                tensor.external_data.add(key=key, value=value)
    return model


@export
def external_data_outside_of_the_folder():
    model = onnx.load_from_string(missing_external_data().SerializeToString())
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../../etc/passwd"
    return model


@export
def opset_9():
    model = sound()
    model.opset_import[0].version = 9
    return model


@export
def opset_of_the_future():
    model = sound()
    model.opset_import[0].version = 99
    return model


@export
def no_opset():
    model = sound()
    del model.opset_import[:]
    return model


@export
def tensor_made_twice():
    model = sound()
    model.graph.node[-1].output[0] = model.graph.node[-2].output[0]
    return model


@export
def cyclic_graph():
    model = sound()
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    model.graph.node[0].input[0] = conv.output[0]
    return model


@export
def tensor_that_nothing_makes():
    model = sound()
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.input[0] = "nowhere"
    return model


@export
def damaged_weights():
    model = sound()
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    tensor.raw_data = tensor.raw_data[:-5]
    return model


@export
def empty_graph():
    model = sound()
    del model.graph.node[:]
    return model


@export
def no_outputs():
    model = sound()
    del model.graph.output[:]
    return model


@export
def sequence_input():
    model = sound()
    element = model.graph.input[0].type
    sequence = onnx.ValueInfoProto(name="x", type=helper.make_sequence_type_proto(element))
    model.graph.input[0].CopyFrom(sequence)
    return model


@export
def misspelt_attribute():
    model = sound()
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.attribute.add(name="stride", type=onnx.AttributeProto.INTS, ints=[2, 2])
    return model


@export
def misspelt_operator():
    model = sound()
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.op_type = "Convolution"
    return model


@export
def larger_than_any_memory():
    net = OnnxNet()
    x = net.quantize(net.input((1, 16, 1024, 1024)), 4)
    return finished(net, net.node("Relu", [net.conv(x, 16, 16)]))
