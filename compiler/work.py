"""Counting the work of a node: nominal multiply-accumulates."""

from __future__ import annotations

import math

from .ir import Graph, Node
from .ops.convolution import conv_shape


def nominal_macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates of a node, taps on padding counted; 0 for ops without."""
    types = [graph.type_of(operand) for operand in node.operands]
    if node.op in ("conv2d", "qconv2d"):
        return math.prod(conv_shape(node, types)) * math.prod(types[1].shape[1:])
    if node.op in ("fully_connected", "qfully_connected"):
        return types[0].shape[0] * types[1].elements
    return 0


def executed_macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates on real inputs only: taps that lie on padding are left out."""
    if node.op not in ("conv2d", "qconv2d"):
        return nominal_macs(graph, node)
    types = [graph.type_of(operand) for operand in node.operands]
    out = conv_shape(node, types)
    taps = 1
    for axis in (0, 1):
        size, kernel = types[0].shape[2 + axis], types[1].shape[2 + axis]
        stride, pad, dilation = (node.ints(name)[axis] for name in ("strides", "pads", "dilations"))
        positions = (o * stride - pad + k * dilation for o in range(out[2 + axis]) for k in range(kernel))
        taps *= sum(0 <= position < size for position in positions)
    return out[0] * out[1] * types[1].shape[1] * taps
