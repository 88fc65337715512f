"""Merge moves behind moves, and drop those that move nothing.

%a = reshape(%x : f32[1,8,1,5]) {shape=[1,8,5]}
%b = reshape(%a) {shape=[1,8,1,5]}
%c = conv2d(%b, %w)                               =>  %c = conv2d(%x, %w)
"""

from __future__ import annotations

from ..ir import Graph, Node


def eliminate_moves(graph: Graph) -> Graph:
    """Let each reshape and transpose begin where the one before it does; what then moves nothing goes."""
    graph = graph.copy()
    for name in list(graph.nodes):
        node = merged = _as_reshape(graph, graph.nodes[name])
        while (before := graph.nodes.get(merged.operands[0])) and before.op == merged.op in ("reshape", "transpose"):
            merged = _as_reshape(graph, _merged(before, merged))
        graph.nodes[name] = merged
        if node.op in ("reshape", "transpose") and name not in graph.outputs and _moves_nothing(graph, merged):
            graph.replace_uses(name, merged.operands[0])
    graph.remove_unused()
    return graph


def _merged(first: Node, second: Node) -> Node:
    """Two moves of one kind as one."""
    if first.op == "reshape":
        return second.with_(operands=first.operands)
    perm = tuple(first.ints("perm")[axis] for axis in second.ints("perm"))
    return second.with_(operands=first.operands, attrs={"perm": perm})


def _as_reshape(graph: Graph, node: Node) -> Node:
    """A transpose that keeps the order of all axes but those of length 1 is a reshape."""
    if node.op != "transpose" or (node.type.params is not None and node.type.params.axis is not None):
        return node
    shape = graph.type_of(node.operands[0]).shape
    long = [axis for axis in node.ints("perm") if shape[axis] > 1]
    if long != sorted(long):
        return node
    return Node(node.name, "reshape", node.operands, node.type, {"shape": node.type.shape}, node.loc)


def _moves_nothing(graph: Graph, node: Node) -> bool:
    if node.op == "transpose":
        return node.ints("perm") == tuple(range(len(node.ints("perm"))))
    return graph.type_of(node.operands[0]).shape == node.type.shape
