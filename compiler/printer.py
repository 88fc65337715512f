"""The printer: a graph as text that a person can read and edit and that `parser` reads back. The form is in IR.md."""

from __future__ import annotations

from dataclasses import dataclass

from .ir import Array, Constant, Graph, Node
from .ops import OPS
from .text import (
    archive_key,
    array_hash,
    attr_text,
    elements_text,
    name_text,
    type_text,
    value_text,
)

# The version of the text form, on the first line of every dump.
IR_VERSION = 1

# Statements beyond this many columns are broken into indented lines.
COLUMNS = 118

INDENT = "    "


@dataclass(frozen=True)
class Statement:
    """One statement's text, and what it is about: kind (`graph`, `input`, `const`, `node`, `output`) and name."""

    kind: str
    name: str
    text: str


def print_graph(graph: Graph, *, pass_name: str, archive: dict[str, Array] | None) -> str:
    """The graph as it stands after the pass `pass_name`, as IR text.

    Large constants are named with their hash and put into `archive`, where one is given.
    """
    groups: list[list[str]] = []
    kind = ""
    for statement in statements(graph, pass_name):
        if statement.kind != kind:
            groups.append([])
        kind = statement.kind
        groups[-1].append(statement.text)
    if archive is not None:
        large = {name: const for name, const in graph.constants.items() if elements_text(const) is None}
        archive.update((archive_key(name), const.array) for name, const in large.items())
    return "\n\n".join("\n".join(group) for group in groups) + "\n"


def statements(graph: Graph, pass_name: str) -> list[Statement]:
    """The statements of the text in order; never raises, however faulty the graph is."""
    header = f"p4ir {IR_VERSION} after {name_text(pass_name)}\ngraph {name_text(graph.name)}"
    result = [Statement("graph", "", header)]
    for name, type_ in graph.inputs.items():
        result.append(Statement("input", name, f"input {value_text(name)} : {type_text(type_)}"))
    for name, constant in graph.constants.items():
        result.append(Statement("const", name, constant_text(name, constant)))
    for name, node in graph.nodes.items():
        result.append(Statement("node", name, node_text(node)))
    for name in graph.outputs:
        result.append(Statement("output", name, f"output {value_text(name)}"))
    return result


def constant_text(name: str, constant: Constant) -> str:
    """`const %b : i32[2] = [3,-1]`, or `npz(hash)` in place of many elements."""
    elements = elements_text(constant) or f"npz({array_hash(constant.array)})"
    return f"const {value_text(name)} : {type_text(constant.type)} = {elements}"


def node_text(node: Node) -> str:
    """`%y = op(%x, %w) {attr=1} : type @ loc`; attributes that have their default are left out."""
    operands = ", ".join(value_text(operand) for operand in node.operands)
    parts = [f"{value_text(node.name)} = {node.op}({operands})"]
    if attrs := attrs_text(node):
        parts.append(f"{{{attrs}}}")
    loc = f" @ {name_text(node.loc)}" if node.loc else ""
    parts.append(f": {type_text(node.type)}{loc}")
    line = " ".join(parts)
    return line if len(line) <= COLUMNS else f"\n{INDENT}".join(parts)


def attrs_text(node: Node) -> str:
    """The attributes in the op table's order, then those that the table does not know."""
    known = OPS[node.op].attrs if node.op in OPS else {}
    keys = [*(key for key in known if key in node.attrs), *(key for key in node.attrs if key not in known)]
    texts = {key: attr_text(node.attrs[key]) for key in keys}
    defaults = {key: attr_text(attr.default) for key, attr in known.items()}
    return ", ".join(f"{key}={text}" for key, text in texts.items() if text != defaults.get(key))
