"""Give every four-axis tensor inside the network the channels-last order that the kernels use.

    %x = quantize(%input) : i8[1,3,96,96]          %x      = quantize(%input)    : i8[1,3,96,96]
    %y = qconv2d(%x, ...) : i8[1,8,48,48]    =>    %x.nhwc = convert_layout(%x)  : i8[1,3,96,96] nhwc
                                                   %y      = qconv2d(%x.nhwc)    : i8[1,8,48,48] nhwc

Inputs and outputs keep ONNX axis order. Where both orders are the same bytes (one channel, or one pixel) nothing is
converted.
"""

from __future__ import annotations

from ..ir import Graph, Node, TensorType

# Ops that see their operand in row-major logical order; all others take and give channels-last.
ROW_MAJOR = ("reshape", "transpose", "dequantize", "quantize")


def assign_layouts(graph: Graph) -> Graph:
    """Set the layout of each node's type and insert convert_layout where an operand has the other one."""
    result = Graph(graph.name, dict(graph.inputs), dict(graph.constants), {}, list(graph.outputs))
    for node in graph:
        wanted = "row" if node.op in ROW_MAJOR else "nhwc"
        operands = tuple(_in_layout(result, operand, wanted) for operand in node.operands)
        layout = wanted if len(node.type.shape) == 4 else "row"
        result.add(node.with_(operands=operands, type=node.type.with_(layout=layout)))
    return result


def same_bytes(type_: TensorType) -> bool:
    """True when row-major and channels-last are the same order of bytes."""
    return len(type_.shape) != 4 or type_.shape[1] == 1 or type_.shape[2] * type_.shape[3] == 1


def _in_layout(result: Graph, name: str, wanted: str) -> str:
    type_ = result.type_of(name)
    if name in result.constants or type_.layout == wanted or same_bytes(type_):
        return name
    converted = f"{name}.{wanted}"
    if converted not in result:
        result.add(Node(converted, "convert_layout", (name,), type_.with_(layout=wanted)))
    return converted
