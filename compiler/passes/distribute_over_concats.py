"""Move what is elementwise behind a concat of reals in front of it.

%c = concat(%x, %y) {axis=1} : f32          %x.q = quantize(%x)                 : i8
%q = quantize(%c) : i8                =>    %y.q = quantize(%y)                 : i8
                                            %q   = concat(%x.q, %y.q) {axis=1}  : i8

Then each quantizer can be folded into what computes its reals, and the parts are moved as bytes. Clamps in front of a
quantizer become its bounds before that: those of a clip need not lie on the grids of the parts.
"""

from __future__ import annotations

from ..ir import Graph, Node
from ..numerics import dtype_range
from ..ops.elementwise import clip_bounds
from .fold_clamps import fold_clamps

ELEMENTWISE = ("quantize", "relu", "clip")


def distribute_over_concats(graph: Graph) -> Graph:
    """Swap each of ELEMENTWISE with the concat of reals that feeds only it."""
    graph = fold_clamps(graph)
    while pair := _next_pair(graph):
        concat, node = pair
        parts = [_on_part(graph, node, operand) for operand in concat.operands]
        joined = concat.with_(name=node.name, operands=tuple(parts), type=node.type)
        del graph.nodes[concat.name]
        graph.nodes[node.name] = joined
    return graph


def _on_part(graph: Graph, node: Node, operand: str) -> str:
    """What the node makes of one operand of the concat; the operand itself where that changes nothing."""
    type_ = graph.type_of(operand)
    stored = node.type.with_(shape=type_.shape)
    if node.op != "quantize":
        stored = type_
    elif type_ == stored and (node.int("qmin"), node.int("qmax")) == dtype_range(stored.dtype):
        return operand
    name = graph.free_name(f"{operand}.{'q' if node.op == 'quantize' else node.op}")
    return graph.insert_before(node.name, node.with_(name=name, operands=(operand,), type=stored))


def _next_pair(graph: Graph) -> tuple[Node, Node] | None:
    for node in graph:
        source = graph.nodes.get(node.operands[0])
        if node.op not in ELEMENTWISE or source is None or source.op != "concat" or source.type.dtype != "f32":
            continue
        per_channel = node.type.params is not None and node.type.params.axis is not None
        if not per_channel and graph.sole_user(source.name) and _takes_parts(graph, node, source):
            return source, node
    return None


def _takes_parts(graph: Graph, node: Node, concat: Node) -> bool:
    """True when the op gives on each part, on its own grid, what it gives on all of them as reals."""
    if node.op != "clip":
        return True
    types = [type_ for type_ in map(graph.type_of, concat.operands) if type_.params is not None]
    bounds = clip_bounds(node)
    return all(
        type_.params is not None and type_.params.is_step(bound, *dtype_range(type_.dtype))
        for type_ in types
        for bound in bounds
    )
