"""Fuse a max-pool into the convolution before it.

    %c = qconv2d(%x, ...) : i8[1,16,28,28]
    %p = max_pool(%c) {kernel=[2,2], strides=[2,2]}
    =>
    %p = qconv2d(%x, ...) {pool_kernel=[2,2], pool_strides=[2,2]} : i8[1,16,14,14]

Only a few rows of the convolution then exist at a time, in scratch.
"""

from __future__ import annotations

from ..ir import Graph


def fuse_max_pools(graph: Graph) -> Graph:
    """Fuse max-pools without pads, dilation and overlap (no convolution output is computed twice)."""
    graph = graph.copy()
    for node in graph:
        if node.op != "max_pool" or any(node.ints("pads")) or node.ints("dilations") != (1, 1):
            continue
        kernel, strides = node.ints("kernel"), node.ints("strides")
        conv = graph.nodes.get(node.operands[0])
        if conv is None or conv.op != "qconv2d" or conv.type.dtype != "i8" or graph.sole_user(conv.name) is None:
            continue
        # Grouped convolutions have kernels of their own, which do not pool.
        if conv.int("groups") != 1:
            continue
        pooled = conv.ints("pool_kernel") != (1, 1) or conv.ints("pool_strides") != (1, 1)
        if not pooled and all(s >= k for k, s in zip(kernel, strides, strict=True)):
            attrs = {"pool_kernel": kernel, "pool_strides": strides}
            graph.nodes[node.name] = conv.with_(name=node.name, type=node.type, attrs=attrs)
            del graph.nodes[conv.name]
    return graph
