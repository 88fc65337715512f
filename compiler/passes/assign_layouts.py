"""Give every four-axis tensor inside the network the channels-last order that the kernels use.

    %x = quantize(%input) : i8[1,3,96,96]          %x      = quantize(%input)    : i8[1,3,96,96]
    %y = qconv2d(%x, ...) : i8[1,8,48,48]    =>    %x.nhwc = convert_layout(%x)  : i8[1,3,96,96] nhwc
                                                   %y      = qconv2d(%x.nhwc)    : i8[1,8,48,48] nhwc

Inputs and outputs keep ONNX axis order. Where both orders are the same bytes (one channel, or one pixel) nothing is
converted.
"""

from __future__ import annotations

from ..ir import Constant, Graph, Node

# Ops that see their operand in row-major logical order, and ops that take it in any; all others take channels-last.
ROW_MAJOR = ("reshape", "transpose", "dequantize", "quantize", "qsoftmax")
ANY_ORDER = ("qfully_connected", "relu", "clip", "requantize", "table", "qadd", "qmul", "slice", "pad", "concat")
# Ops whose constant operands lie in memory as the others do; all others have their constants packed by the kernel.
ELEMENTWISE = ("qadd", "qmul")


def assign_layouts(graph: Graph) -> Graph:
    """Set the layout of each node's type and insert convert_layout where an operand, or an output, has another."""
    graph = graph.copy()
    # The values that hold an operand in another layout than its own, by its name and that layout.
    converted: dict[tuple[str, str], str] = {}
    for node in graph:
        layout = _layout(graph, node)
        operands = tuple(_in_layout(graph, node, name, layout, converted) for name in node.operands)
        type_ = node.type.with_(layout=layout if len(node.type.shape) == 4 else "row")
        node = node.with_(operands=operands, type=type_)
        graph.nodes[node.name] = node
        if node.name in graph.outputs and layout == "nhwc" and not node.type.order_free:
            _give_in_row(graph, node, converted)
    return graph


def _layout(graph: Graph, node: Node) -> str:
    """The layout that a node works in: where it takes any, channels-last if one of its operands is."""
    if node.op in ROW_MAJOR:
        return "row"
    activations = [graph.type_of(name) for name in node.operands if name not in graph.constants]
    if node.op in ANY_ORDER and not any(type_.layout == "nhwc" for type_ in activations):
        return "row"
    return "nhwc"


def _in_layout(graph: Graph, user: Node, name: str, layout: str, converted: dict[tuple[str, str], str]) -> str:
    """The operand of `user` in a layout."""
    type_ = graph.type_of(name)
    if type_.layout == layout or type_.order_free or (name in graph.constants and user.op not in ELEMENTWISE):
        return name
    if (name, layout) not in converted and name in graph.constants:
        constant = Constant(type_.with_(layout=layout), graph.constants[name].array)
        converted[name, layout] = graph.add_constant(f"{name}.{layout}", constant)
    elif (name, layout) not in converted:
        node = Node(graph.free_name(f"{name}.{layout}"), "convert_layout", (name,), type_.with_(layout=layout))
        converted[name, layout] = graph.insert_before(user.name, node)
    return converted[name, layout]


def _give_in_row(graph: Graph, node: Node, converted: dict[tuple[str, str], str]) -> None:
    """Let an output be row-major, and its node another value."""
    inner = node.with_(name=graph.free_name(f"{node.name}.nhwc"))
    converted[node.name, "nhwc"] = graph.insert_before(node.name, inner)
    graph.nodes[node.name] = Node(node.name, "convert_layout", (inner.name,), node.type.with_(layout="row"))
