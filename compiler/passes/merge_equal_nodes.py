"""Compute once what several nodes compute alike, as exporters that quantize a tensor anew for each user write it.

%a = quantize(%x) : i8[1,8] q(e=4)          %a = quantize(%x) : i8[1,8] q(e=4)
%b = quantize(%x) : i8[1,8] q(e=4)    =>    %y = add(%a, %a)
%y = add(%a, %b)

An output keeps its own node, and with it its name. Layers of reals stay apart: their quantizers may differ, and each
can only be folded into a layer of its own.
"""

from __future__ import annotations

from ..ir import Graph


def merge_equal_nodes(graph: Graph) -> Graph:
    """Let the users of a node take the first one of the same op, operands, attributes and type."""
    graph = graph.copy()
    first: dict[tuple[object, ...], str] = {}
    for name in list(graph.nodes):
        node = graph.nodes[name]
        key = (node.op, node.operands, tuple(sorted(node.attrs.items())), node.type)
        kept = first.setdefault(key, name)
        if kept != name and node.type.quantized and name not in graph.outputs:
            graph.replace_uses(name, kept)
            del graph.nodes[name]
    graph.remove_unused()
    return graph
