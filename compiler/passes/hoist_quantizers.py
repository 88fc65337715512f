"""Move a quantizer in front of the ops that only move or select elements.

    %p = max_pool(%x) : f32          %p.q = quantize(%x)    : i8
    %q = quantize(%p) : i8     =>    %q   = max_pool(%p.q)  : i8

Rounding is monotonic, so it commutes with a maximum; it is elementwise, so it commutes with moves, and with a pad
whose value it quantizes too. Afterwards the op runs on bytes and the quantizer stands where it can be folded into
what computes the reals.
"""

from __future__ import annotations

import numpy as np

from .. import numerics
from ..ir import Graph, Node

MOVES = ("max_pool", "reshape", "transpose", "slice")


def hoist_quantizers(graph: Graph) -> Graph:
    """Swap every per-tensor quantize with the MOVES that feed only it."""
    graph = graph.copy()
    while pair := _next_pair(graph):
        move, quantizer = pair
        source = move.operands[0]
        stored = quantizer.type.with_(shape=graph.type_of(source).shape)
        hoisted = quantizer.with_(name=graph.free_name(f"{move.name}.q"), operands=(source,), type=stored)
        fill = {"value": _quantized_fill(move, quantizer)} if move.op == "pad" else {}
        moved = move.with_(name=quantizer.name, operands=(hoisted.name,), type=quantizer.type, attrs=fill)
        replacement = {move.name: hoisted, quantizer.name: moved}
        graph.nodes = {
            node.name: node for node in (replacement.get(name, node) for name, node in graph.nodes.items())
        }
    return graph


def _quantized_fill(pad: Node, quantizer: Node) -> float:
    """What the quantizer makes of the value that a pad of reals writes, as a real."""
    value = np.array(pad.attrs["value"], np.float32)
    stored = numerics.quantize(value, quantizer.type, quantizer.int("qmin"), quantizer.int("qmax"))
    return float(numerics.dequantize(stored, quantizer.type))


def _next_pair(graph: Graph) -> tuple[Node, Node] | None:
    for node in graph:
        if node.op != "quantize" or node.type.params is None or node.type.params.axis is not None:
            continue
        source = graph.nodes.get(node.operands[0])
        if source and source.op in (*MOVES, "pad") and source.type.dtype == "f32" and graph.sole_user(source.name):
            return source, node
    return None
