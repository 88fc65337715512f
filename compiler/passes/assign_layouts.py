"""Give every four-axis tensor inside the network the channels-last order that the kernels use.

    %x = quantize(%input) : i8[1,3,96,96]          %x      = quantize(%input)    : i8[1,3,96,96]
    %y = qconv2d(%x, ...) : i8[1,8,48,48]    =>    %x.nhwc = convert_layout(%x)  : i8[1,3,96,96] nhwc
                                                   %y      = qconv2d(%x.nhwc)    : i8[1,8,48,48] nhwc

Inputs and outputs keep ONNX axis order. Where both orders are the same bytes (one channel, or one pixel) nothing is
converted. A transpose from channels-last to ONNX order, or back, renames the axes and moves nothing:

    %t = transpose(%x : i8[1,96,96,3]) {perm=[0,3,1,2]} : i8[1,3,96,96] nhwc_dense

Neither does a reshape of channels-last pixels to other rows and columns:

    %s = reshape(%y : i8[1,8,48,48] nhwc) {shape=[1,8,1,2304]} : i8[1,8,1,2304] nhwc

A convolution of fewer channels than a vector has lanes reads dense pixels as they lie, and whole rows of planar ones.
"""

from __future__ import annotations

from ..ir import VECTOR, Constant, Graph, Node, TensorType
from ..ops.convolution import conv_shape
from ..ops.shape import keeps_pixels

# Ops that see their operand in row-major logical order, and ops that take it in any; all others take channels-last.
ROW_MAJOR = ("reshape", "transpose", "dequantize", "quantize", "qsoftmax")
# The transposes that only rename axes, to channels-last pixels and from them.
TO_CHANNELS_LAST, FROM_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
ANY_ORDER = ("qfully_connected", "relu", "clip", "requantize", "table", "qadd", "qmul", "slice", "pad", "concat")
# Ops whose constant operands lie in memory as the others do; all others have their constants packed by the kernel.
ELEMENTWISE = ("qadd", "qmul")


def assign_layouts(graph: Graph) -> Graph:
    """Set the layout of each node's type and insert convert_layout where an operand, or an output, has another."""
    graph = graph.copy()
    # The values that hold an operand in another layout than its own, by its name and that layout.
    converted: dict[tuple[str, str], str] = {}
    for node in graph:
        wanted, layout = _layouts(graph, node)
        operands = tuple(_in_layout(graph, node, name, wanted, converted) for name in node.operands)
        type_ = node.type.with_(layout=layout if len(node.type.shape) == 4 else "row")
        node = node.with_(operands=operands, type=type_)
        graph.nodes[node.name] = node
        if node.name in graph.outputs and node.type.channels_last and not node.type.order_free:
            _give_in_row(graph, node, converted)
    return graph


def _layouts(graph: Graph, node: Node) -> tuple[str, str]:
    """The layout that a node takes its operands in, "" for any, and that of its result."""
    operand = graph.type_of(node.operands[0])
    if node.op == "transpose":
        return _transpose_layouts(node, operand)
    if node.op == "reshape" and len(node.type.shape) == 4:
        kept = node.type.with_(layout=operand.layout)
        return (operand.layout,) * 2 if keeps_pixels(operand, kept) else ("row", "row")
    if node.op in ROW_MAJOR:
        return "row", "row"
    if node.op in ANY_ORDER:
        activations = [graph.type_of(name) for name in node.operands if name not in graph.constants]
        layouts = {type_.layout for type_ in activations if not type_.order_free}
        layout = min(layouts) if len(layouts) == 1 else "nhwc" if "nhwc" in {t.layout for t in activations} else "row"
        return layout, layout
    thin = node.op == "qconv2d" and node.int("groups") == 1 and operand.shape[1] < VECTOR
    return "" if thin and (operand.channels_last or _reads_rows(graph, node)) else "nhwc", "nhwc"


def _reads_rows(graph: Graph, node: Node) -> bool:
    """True when a convolution has whole vectors of output columns and their inputs lie side by side, or two apart."""
    types = [graph.type_of(name) for name in node.operands]
    undilated = node.ints("dilations")[1] == 1 and max(node.ints("pads")) < VECTOR
    return undilated and node.ints("strides")[1] <= 2 and conv_shape(node, types)[3] >= VECTOR


def _transpose_layouts(node: Node, operand: TensorType) -> tuple[str, str]:
    perm = node.ints("perm")
    if perm == TO_CHANNELS_LAST:
        return "row", _dense(node.type)
    if perm == FROM_CHANNELS_LAST and operand.channels_last:
        return _dense(operand), "row"
    return "row", "row"


def _dense(type_: TensorType) -> str:
    """The channels-last layout without padding."""
    channels = type_.shape[1]
    return "nhwc" if channels == 1 or channels % VECTOR == 0 else "nhwc_dense"


def _in_layout(graph: Graph, user: Node, name: str, layout: str, converted: dict[tuple[str, str], str]) -> str:
    """The operand of `user` in a layout, "" for any."""
    type_ = graph.type_of(name)
    constant = graph.constants.get(name)
    if not layout or type_.same_order(type_.with_(layout=layout)) or (constant and user.op not in ELEMENTWISE):
        return name
    if (name, layout) not in converted and constant:
        converted[name, layout] = graph.add_constant(
            f"{name}.{layout}", Constant(type_.with_(layout=layout), constant.array)
        )
    elif (name, layout) not in converted:
        node = Node(graph.free_name(f"{name}.{layout}"), "convert_layout", (name,), type_.with_(layout=layout))
        converted[name, layout] = graph.insert_before(user.name, node)
    return converted[name, layout]


def _give_in_row(graph: Graph, node: Node, converted: dict[tuple[str, str], str]) -> None:
    """Let an output be row-major, and its node another value."""
    layout = node.type.layout
    inner = node.with_(name=graph.free_name(f"{node.name}.{layout}"))
    converted[node.name, layout] = graph.insert_before(node.name, inner)
    graph.nodes[node.name] = Node(node.name, "convert_layout", (inner.name,), node.type.with_(layout="row"))
