"""The interpreter: runs a graph on NumPy arrays and so says what each op means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .ir import Array, Graph, Node
from .ops import OPS
from .ops.definition import Types

# What computes a node: from it, its operands' types and its operands.
Evaluate = Callable[[Node, Types, Sequence[Array]], Array]


def evaluate_node(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    """The result of a node as the table of ops has it."""
    return OPS[node.op].evaluate(node, types, arrays)


def interpret(graph: Graph, inputs: Mapping[str, Array], evaluate: Evaluate = evaluate_node) -> dict[str, Array]:
    """Every value of the graph by name, stored elements in logical order.

    `inputs` holds one array per graph input with the declared shape, or with any size N of axis 0 where the graph
    leaves that axis in its place. Integer ops are exact; real ops are computed as onnxruntime does. An `evaluate` of
    one's own can look at what is computed on the way.
    """
    values: dict[str, Array] = {name: const.array for name, const in graph.constants.items()}
    values.update(inputs)
    for node in graph:
        types = [graph.type_of(operand) for operand in node.operands]
        values[node.name] = evaluate(node, types, [values[operand] for operand in node.operands])
    return values


def run_graph(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of the graph by name; see interpret."""
    values = interpret(graph, inputs)
    return {name: values[name] for name in graph.outputs}
