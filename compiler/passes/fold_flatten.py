"""Fold a flatten into the weights of the fully connected layer behind it.

    %f = reshape(%x) : i8[1,1568]                       %x : i8[1,32,7,7]
    %y = fully_connected(%f, %w : i8[128,1568])    =>   %y = fully_connected(%x, %w : i8[128,32,7,7])

The layer then reads its input in whatever physical order it has, and the weights are packed to match.
"""

from __future__ import annotations

from ..ir import Constant, Graph


def fold_flatten(graph: Graph) -> Graph:
    """Drop reshapes [N, ...] -> [N, K] that only a fully connected layer with constant weights uses."""
    graph = graph.copy()
    for node in graph:
        if node.op != "fully_connected" or node.operands[1] not in graph.constants:
            continue
        flatten = graph.nodes.get(node.operands[0])
        if flatten is None or flatten.op != "reshape" or graph.sole_user(flatten.name) is None:
            continue
        source = graph.type_of(flatten.operands[0])
        weights = graph.constants[node.operands[1]]
        if (
            len(source.shape) < 2
            or source.shape[0] != flatten.type.shape[0]
            or weights.type.shape[1:] == source.shape[1:]
        ):
            continue
        shape = (weights.type.shape[0], *source.shape[1:])
        reshaped = Constant(weights.type.with_(shape=shape), weights.array.reshape(shape))
        name = graph.add_constant(node.operands[1], reshaped)
        operands = (flatten.operands[0], name, *node.operands[2:])
        graph.nodes[node.name] = node.with_(operands=operands)
        del graph.nodes[flatten.name]
    graph.remove_unused()
    return graph
