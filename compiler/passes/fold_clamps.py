"""Fold relu and clip into the clamp of the quantizer behind or before them.

    %r = relu(%x)     : f32
    %q = quantize(%r) : i8 q(e=4)    =>    %q = quantize(%x) {qmin=0} : i8 q(e=4)

Rounding is monotonic, so clamping the stored integers at the quantized bounds gives what clamping the reals gives.
"""

from __future__ import annotations

from ..ir import Graph, Node
from ..ops.elementwise import clip_bounds, quantized_bound


def fold_clamps(graph: Graph) -> Graph:
    """Narrow qmin/qmax of quantizers by the relu and clip nodes next to them."""
    graph = graph.copy()
    for node in graph:
        if node.op in ("relu", "clip") and node.name in graph.nodes:
            _fold_forward(graph, graph.nodes[node.name]) or _fold_backward(graph, graph.nodes[node.name])
    return graph


def _fold_forward(graph: Graph, clamp: Node) -> bool:
    """quantize(clamp(x)) -> quantize(x)."""
    quantizer = graph.sole_user(clamp.name)
    if quantizer is None or quantizer.op != "quantize" or _per_channel(quantizer):
        return False
    graph.nodes[quantizer.name] = _narrowed(quantizer, clamp).with_(operands=clamp.operands)
    del graph.nodes[clamp.name]
    return True


def _fold_backward(graph: Graph, clamp: Node) -> bool:
    """clamp(quantize(x)) -> quantize(x), under the clamp's name."""
    quantizer = graph.nodes.get(clamp.operands[0])
    if quantizer is None or quantizer.op != "quantize" or _per_channel(quantizer):
        return False
    if graph.sole_user(quantizer.name) is None:
        return False
    graph.nodes[clamp.name] = _narrowed(quantizer, clamp).with_(name=clamp.name)
    del graph.nodes[quantizer.name]
    return True


def _per_channel(quantizer: Node) -> bool:
    return quantizer.type.params is None or quantizer.type.params.axis is not None


def _narrowed(quantizer: Node, clamp: Node) -> Node:
    low, high = quantizer.int("qmin"), quantizer.int("qmax")
    bounds = (quantized_bound(bound, quantizer.type) for bound in clip_bounds(clamp))
    qmin, qmax = (min(max(bound, low), high) for bound in bounds)
    return quantizer.with_(attrs={"qmin": qmin, "qmax": qmax})
