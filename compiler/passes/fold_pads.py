"""Fold a pad of height and width with zeros into the convolution behind it.

%p = pad(%x) {pads=[0,0,1,1,0,0,1,1]}
%y = conv2d(%p, %w)                     =>    %y = conv2d(%x, %w) {pads=[1,1,1,1]}
"""

from __future__ import annotations

from ..ir import Graph


def fold_pads(graph: Graph) -> Graph:
    """Give convolutions the pads in front of them; a pad that others need stays for these."""
    graph = graph.copy()
    for node in graph:
        pad = graph.nodes.get(node.operands[0])
        if node.op != "conv2d" or pad is None or pad.op != "pad" or pad.attrs["value"] != 0:
            continue
        fronts, backs = pad.ints("pads")[:4], pad.ints("pads")[4:]
        if any(fronts[:2]) or any(backs[:2]):
            continue
        pads = tuple(a + b for a, b in zip(node.ints("pads"), (*fronts[2:], *backs[2:]), strict=True))
        operands = (pad.operands[0], *node.operands[1:])
        graph.nodes[node.name] = node.with_(operands=operands, attrs={"pads": pads})
    graph.remove_unused()
    return graph
