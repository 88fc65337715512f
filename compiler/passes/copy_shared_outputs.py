"""Give every output a value of its own, which the device computes.

    %q = quantize(%x)   : i8[1,8]          %q      = quantize(%x)                 : i8[1,8]
    %y = dequantize(%q) : f32[1,8]   =>    %q.copy = reshape(%q) {shape=[1,8]}    : i8[1,8]
    outputs %y                             %y      = dequantize(%q.copy)          : f32[1,8]

Else an output would be a buffer that the host fills, or two outputs one buffer.
"""

from __future__ import annotations

from ..ir import Graph, Node


def copy_shared_outputs(graph: Graph) -> Graph:
    """Insert copies behind what is a network's quantized input, or an output already, and an output once more."""
    graph = graph.copy()
    taken = {name for name in graph.outputs if graph.type_of(name).quantized}
    for node in graph:
        if node.op == "quantize" and node.operands[0] in graph.inputs:
            taken.add(_copy_stored_output(graph, node) if node.name in taken else node.name)
    taken.update(graph.inputs)
    for node in graph:
        if node.op == "dequantize":
            source = node.operands[0]
            if source in taken:
                source = graph.insert_before(node.name, _copy(graph, source, graph.free_name(f"{source}.copy")))
                graph.nodes[node.name] = node.with_(operands=(source, *node.operands[1:]))
            taken.add(source)
    return graph


def _copy_stored_output(graph: Graph, quantizer: Node) -> str:
    """Let an output of the host's integers be a copy, and the quantizer another value; returns that."""
    name = quantizer.name
    inner = graph.insert_before(name, quantizer.with_(name=graph.free_name(f"{name}.in")))
    graph.nodes[name] = _copy(graph, inner, name)
    for user in graph.users(name):
        operands = tuple(inner if operand == name else operand for operand in user.operands)
        graph.nodes[user.name] = user.with_(operands=operands)
    return inner


def _copy(graph: Graph, source: str, name: str) -> Node:
    type_ = graph.type_of(source)
    return Node(name, "reshape", (source,), type_, {"shape": type_.shape})
