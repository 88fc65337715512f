"""The interpreter: runs a graph on NumPy arrays and so says what each op means."""

from __future__ import annotations

from collections.abc import Mapping

from .ir import Array, Graph
from .ops import OPS


def interpret(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of the graph by name, stored elements in logical order.

    `inputs` holds one array per graph input with the declared shape, or with any size N of axis 0 where the graph
    leaves that axis in its place. Integer ops are exact; real ops are computed as onnxruntime does.
    """
    values: dict[str, Array] = {name: const.array for name, const in graph.constants.items()}
    values.update(inputs)
    for node in graph:
        types = [graph.type_of(operand) for operand in node.operands]
        values[node.name] = OPS[node.op].evaluate(node, types, [values[operand] for operand in node.operands])
    return values


def run_graph(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of the graph by name; see interpret."""
    values = interpret(graph, inputs)
    return {name: values[name] for name in graph.outputs}
