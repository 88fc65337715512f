"""Build nodes through the op table: defaults filled in, result shape inferred."""

from __future__ import annotations

from collections.abc import Sequence

from .ir import Attr, Graph, Node, QuantParams, TensorType
from .ops import OPS, OpError


def make_node(
    graph: Graph,
    op: str,
    name: str,
    operands: Sequence[str],
    *,
    dtype: str,
    params: QuantParams | None = None,
    layout: str = "row",
    loc: str = "",
    **attrs: Attr,
) -> Node:
    """A node of `op` named `name` with its shape inferred; not yet in the graph.

    Raises OpError when the operands or attributes break the op's shape rule or an attribute is missing or unfit.
    """
    definition = OPS[op]
    complete: dict[str, Attr] = {}
    for key, attr in definition.attrs.items():
        value = attrs.pop(key, attr.default)
        if value is None:
            raise OpError(f"{op} needs the attribute {key}")
        if fault := attr.fault(value):
            raise OpError(f"{op}: the attribute {key} {fault}")
        complete[key] = value
    if attrs:
        raise OpError(f"{op} has no attribute {', '.join(attrs)}")
    node = Node(name, op, tuple(operands), TensorType(dtype, (), params, layout), complete, loc)
    shape = definition.infer(node, [graph.type_of(operand) for operand in operands])
    return node.with_(type=node.type.with_(shape=shape))


def append(graph: Graph, op: str, name: str, operands: Sequence[str], **options: object) -> str:
    """make_node with the same options, appended to the graph; returns its name."""
    return graph.add(make_node(graph, op, name, operands, **options))  # type: ignore[arg-type]
