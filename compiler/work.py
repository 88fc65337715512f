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
