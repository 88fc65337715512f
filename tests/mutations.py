"""Random damage to valid models: what a faulty exporter, editor or disk may do."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from .models import OnnxNet, many_net, small_net

TYPES = (TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64)
TYPES += (TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.INT16)
OPERATORS = ("Conv", "Gemm", "MatMul", "Add", "Mul", "Relu", "Clip", "MaxPool", "AveragePool", "Concat", "Softmax")
OPERATORS += ("Transpose", "Reshape", "Flatten", "Sigmoid", "ReduceMean", "Slice", "Pad", "Split", "Squeeze", "Cast")
OPERATORS += ("QuantizeLinear", "DequantizeLinear", "Identity", "Unsqueeze", "GlobalAveragePool", "LeakyRelu", "Nope")
NUMBERS = (-(2**31), -1000, -3, -1, 0, 1, 2, 3, 5, 100, 2**31)


def branches_net():
    """Branches, a table, pools and moves."""
    net = OnnxNet()
    x = net.quantize(net.input((1, 2, 6, 6)), 4)
    y = net.quantize(net.node("Sigmoid", [net.quantize(net.conv(x, 2, 3), 3)]), 7)
    z = net.quantize(net.node("Clip", [net.conv(x, 2, 3), *map(net.constant, np.float32([0, 6]))]), 3)
    y = net.quantize(net.node("Concat", [net.node("MaxPool", [z], kernel_shape=[1, 1]), y], axis=1), 3)
    y = net.quantize(net.node("AveragePool", [y], kernel_shape=[2, 2], strides=[2, 2]), 3)
    y = net.node("Transpose", [y], perm=[0, 2, 3, 1])
    y = net.node("Reshape", [y, net.constant(np.array([1, 54]))])
    net.output(net.quantize(net.node("Softmax", [net.quantize(net.gemm(y, 54, 4), 3)]), 7), "y")
    return net


def models():
    """What is damaged."""
    return [net.model() for net in (small_net(), many_net(), branches_net())]


def damaged(model, random):
    """A copy of a model with one to three faults, as the bytes of a file."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for _ in range(random.integers(1, 4)):
        faults = (delete_node, swap_inputs, rename_tensor, change_type, change_attribute, change_operator)
        faults += (change_constant, reshape_constant, change_input, repeat_node, drop_constant, constant_type)
        faults[random.integers(len(faults))](copy, random)
    data = copy.SerializeToString()
    if random.random() < 0.15:
        data = data[: random.integers(len(data))]
    if random.random() < 0.15:
        broken = bytearray(data)
        for at in random.integers(0, max(len(data), 1), 3):
            broken[at : at + 1] = bytes([random.integers(256)])
        data = bytes(broken)
    return data


def pick(items, random):
    """One of them, None of nothing."""
    return items[random.integers(len(items))] if len(items) else None


def delete_node(model, random):
    if len(model.graph.node):
        del model.graph.node[random.integers(len(model.graph.node))]


def repeat_node(model, random):
    if (node := pick(model.graph.node, random)) is not None:
        copy = model.graph.node.add()
        copy.CopyFrom(node)


def swap_inputs(model, random):
    node = pick(model.graph.node, random)
    if node is not None and len(node.input) > 1:
        a, b = random.integers(0, len(node.input), 2)
        node.input[a], node.input[b] = node.input[b], node.input[a]


def rename_tensor(model, random):
    """An input of a node is another tensor, or none."""
    names = ["", "nowhere", *(tensor.name for tensor in model.graph.initializer)]
    names += [name for node in model.graph.node for name in node.output]
    node = pick(model.graph.node, random)
    if node is not None and len(node.input):
        node.input[random.integers(len(node.input))] = pick(names, random)


def change_operator(model, random):
    if (node := pick(model.graph.node, random)) is not None:
        node.op_type = pick(OPERATORS, random)
        if random.random() < 0.1:
            node.domain = "com.microsoft"


def change_attribute(model, random):
    node = pick(model.graph.node, random)
    if node is None:
        return
    if random.random() < 0.3 or not len(node.attribute):
        name = pick(("axis", "perm", "pads", "strides", "kernel_shape", "group", "block_size", "transA"), random)
        value = int(pick(NUMBERS, random))
        kind = AttributeProto.INTS if name in ("perm", "pads", "strides", "kernel_shape") else AttributeProto.INT
        made = node.attribute.add(name=name, type=kind)
        made.ints.extend([value] * random.integers(5)) if kind == AttributeProto.INTS else setattr(made, "i", value)
        return
    attribute = pick(node.attribute, random)
    if random.random() < 0.2:
        node.attribute.remove(attribute)
    elif attribute.type == AttributeProto.INTS and len(attribute.ints):
        attribute.ints[random.integers(len(attribute.ints))] = int(pick(NUMBERS, random))
        if random.random() < 0.3:
            del attribute.ints[-1]
    elif attribute.type == AttributeProto.INT:
        attribute.i = int(pick(NUMBERS, random))


def change_constant(model, random):
    """Values of a constant: NaN, zeros, huge ones, negative ones."""
    tensor = pick(model.graph.initializer, random)
    if tensor is None:
        return
    try:
        array = np.array(numpy_helper.to_array(tensor))
    except (ValueError, TypeError):
        return
    value = pick((0, -1, 1e-30, 3e38, np.nan, np.inf, 0.3, 7), random)
    if array.size and array.dtype.kind in "iuf":
        whole = random.random() < 0.5
        with np.errstate(all="ignore"):
            number = value if array.dtype.kind == "f" else int(np.nan_to_num(value, posinf=9)) % 100
            array[... if whole else np.unravel_index(random.integers(array.size), array.shape)] = number
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def reshape_constant(model, random):
    tensor = pick(model.graph.initializer, random)
    if tensor is not None and len(tensor.dims):
        tensor.dims[random.integers(len(tensor.dims))] = int(pick((0, 1, 2, 7), random))


def constant_type(model, random):
    if (tensor := pick(model.graph.initializer, random)) is None:
        return
    try:
        array = numpy_helper.to_array(tensor)
        kind = helper.tensor_dtype_to_np_dtype(pick(TYPES, random))
        with np.errstate(all="ignore"):
            tensor.CopyFrom(numpy_helper.from_array(np.nan_to_num(array).astype(kind), tensor.name))
    except (ValueError, TypeError):
        return


def drop_constant(model, random):
    if len(model.graph.initializer):
        del model.graph.initializer[random.integers(len(model.graph.initializer))]


def change_type(model, random):
    value = pick([*model.graph.input, *model.graph.output], random)
    if value is not None:
        value.type.tensor_type.elem_type = pick(TYPES, random)


def change_input(model, random):
    """Another size, a symbol, one axis less or more, no shape at all."""
    value = pick(model.graph.input, random)
    dims = value.type.tensor_type.shape.dim
    which = random.integers(5)
    if which == 0 and len(dims):
        dims[random.integers(len(dims))].dim_value = int(pick((-1, 0, 1, 3, 1 << 40), random))
    elif which == 1 and len(dims):
        dims[random.integers(len(dims))].dim_param = pick(("N", "height", ""), random)
    elif which == 2 and len(dims):
        del dims[random.integers(len(dims))]
    elif which == 3:
        dims.add().dim_value = 2
    else:
        value.type.tensor_type.ClearField("shape")
