"""Fold the quantizer behind an op that computes reals into it.

%c = conv2d(%x, %w, %b)     : f32
%q = quantize(%c) {qmin=0}  : i8 q(e=4)    =>    %q = conv2d(%x, %w, %b) {qmin=0} : i8 q(e=4)
"""

from __future__ import annotations

from ..ir import Graph

FOLDABLE = ("conv2d", "fully_connected", "add", "sub", "mul", "average_pool", "softmax")


def fold_quantizers(graph: Graph) -> Graph:
    """Give FOLDABLE ops the type and clamp of the quantizer that alone uses them."""
    graph = graph.copy()
    for node in graph:
        if node.op != "quantize":
            continue
        source = graph.nodes.get(node.operands[0])
        if source is None or source.op not in FOLDABLE or source.type.dtype != "f32":
            continue
        if graph.sole_user(source.name) is not None and node.type.params and node.type.params.axis is None:
            clamp = {"qmin": node.attrs["qmin"], "qmax": node.attrs["qmax"]}
            graph.nodes[node.name] = source.with_(name=node.name, type=node.type, attrs=clamp)
            del graph.nodes[source.name]
    return graph
