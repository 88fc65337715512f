"""Fold relu and clip into the clamp of the quantizer behind or before them.

    %r = relu(%x)     : f32
    %p = max_pool(%r) : f32               %p = max_pool(%x)          : f32
    %q = quantize(%p) : i8 q(e=4)    =>   %q = quantize(%p) {qmin=0} : i8 q(e=4)

Rounding is monotonic, so clamping the stored integers at the quantized bounds gives what clamping the reals gives;
and it makes no difference whether what moves or selects elements stands in between.
"""

from __future__ import annotations

from ..ir import Graph, Node
from ..ops.elementwise import clip_bounds, quantized_bound
from .hoist_quantizers import MOVES

CLAMPS = ("relu", "clip")


def fold_clamps(graph: Graph) -> Graph:
    """Narrow qmin/qmax of quantizers by the relu and clip nodes next to them."""
    graph = graph.copy()
    for quantizer in graph:
        if quantizer.op != "quantize" or quantizer.type.params is None or quantizer.type.params.axis is not None:
            continue
        while clamp := _clamp_before(graph, quantizer):
            user = graph.users(clamp.name)[0]
            graph.nodes[user.name] = user.with_(operands=clamp.operands)
            del graph.nodes[clamp.name]
            quantizer = graph.nodes[quantizer.name]
            clamped = _clamped(_bounds(quantizer, clamp), _range(quantizer))
            graph.nodes[quantizer.name] = quantizer = quantizer.with_(attrs=clamped)
        while (clamp := graph.sole_user(quantizer.name)) and clamp.op in CLAMPS:
            # The result keeps the name of the clamp.
            clamped = _clamped(_range(quantizer), _bounds(quantizer, clamp))
            del graph.nodes[quantizer.name]
            graph.nodes[clamp.name] = quantizer = quantizer.with_(name=clamp.name, attrs=clamped)
    return graph


def _clamp_before(graph: Graph, quantizer: Node) -> Node | None:
    """The nearest clamp on the way to a quantizer that feeds nothing else."""
    source = graph.nodes.get(quantizer.operands[0])
    while source is not None and source.type.dtype == "f32" and graph.sole_user(source.name) is not None:
        if source.op in CLAMPS:
            return source
        source = graph.nodes.get(source.operands[0]) if source.op in MOVES else None
    return None


def _range(quantizer: Node) -> tuple[int, int]:
    return quantizer.int("qmin"), quantizer.int("qmax")


def _bounds(quantizer: Node, clamp: Node) -> tuple[int, int]:
    low, high = (quantized_bound(bound, quantizer.type) for bound in clip_bounds(clamp))
    return low, high


def _clamped(first: tuple[int, int], second: tuple[int, int]) -> dict[str, int]:
    """The one clamp that is like two, one after the other: where they have nothing in common, the second wins."""
    low, high = (min(max(bound, second[0]), second[1]) for bound in first)
    return {"qmin": low, "qmax": high}
