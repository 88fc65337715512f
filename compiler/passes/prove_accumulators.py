"""Prove a bound on every accumulator of each integer layer and write it down as `acc_bound`.

    %y = qconv2d(%x, %w, %bias, ...)    =>    %y = qconv2d(%x, %w, %bias, ...) {acc_bound=1053921}

The bound is over all inputs that the producer's clamp lets through, over all partial sums, the bias included in any
order. Below 2^24 float32 represents every one of them, so onnxruntime's float arithmetic is exact (design: Numerics).
"""

from __future__ import annotations

import numpy as np

from .. import numerics
from ..ir import Graph, Node
from ..ops.parts import stored_fill


def prove_accumulators(graph: Graph) -> Graph:
    """Annotate qconv2d and qfully_connected with acc_bound."""
    graph = graph.copy()
    for node in graph:
        if node.op in ("qconv2d", "qfully_connected"):
            graph.nodes[node.name] = node.with_(attrs={"acc_bound": accumulator_bound(graph, node)})
    return graph


def accumulator_bound(graph: Graph, node: Node) -> int:
    """The largest |partial sum| that any input within its value range can produce."""
    low, high = value_range(graph, node.operands[0])
    weights = graph.constants[node.operands[1]].array.astype(np.int64)
    weights = weights.reshape(len(weights), -1)
    bias = graph.constants[node.operands[2]].array.astype(np.int64)
    products = np.stack([weights * low, weights * high, np.zeros_like(weights)])
    upper = products.max(axis=0).sum(axis=1) + np.maximum(bias, 0)
    lower = products.min(axis=0).sum(axis=1) + np.minimum(bias, 0)
    return int(max(upper.max(), -lower.min()))


def value_range(graph: Graph, name: str) -> tuple[int, int]:
    """The range of stored integers that a value can take: its producer's clamp, through ops that only move."""
    node = graph.nodes.get(name)
    if node is not None and "qmin" in node.attrs:
        return node.int("qmin"), node.int("qmax")
    if node is not None and node.op == "table":
        table = graph.constants[node.operands[1]].array
        return int(table.min()), int(table.max())
    if node is not None and node.op in ("max_pool", "reshape", "transpose", "slice", "convert_layout"):
        return value_range(graph, node.operands[0])
    if node is not None and node.op in ("concat", "pad"):
        ranges = [value_range(graph, operand) for operand in node.operands]
        if node.op == "pad":
            fill = int(stored_fill(node, node.type))
            ranges.append((fill, fill))
        return min(low for low, _ in ranges), max(high for _, high in ranges)
    return numerics.dtype_range(graph.type_of(name).dtype)
