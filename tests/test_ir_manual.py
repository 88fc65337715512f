"""compiler/IR.md says what is true: its op table is the op table, and its example is IR."""

from pathlib import Path

import p4c
from p4c.compiler.ops import OPS
from p4c.compiler.parser import parse_graph
from p4c.compiler.printer import print_graph
from p4c.compiler.text import attr_text
from p4c.compiler.verifier import faults

MANUAL = Path(p4c.__file__).parent / "compiler" / "IR.md"
BEGIN, END = "tests/test_ir_manual.py keeps it so -->\n", "<!-- end of ops -->"


def op_table():
    """The rows of OPS in Markdown."""
    rows = ["| op | attributes | means |", "|---|---|---|"]
    for op in OPS.values():
        attrs = ", ".join(
            f"{key}: {attr.kind}" if attr.default is None else f"{key}={attr_text(attr.default)}"
            for key, attr in op.attrs.items()
        )
        rows.append(f"| `{op.name}({', '.join(op.operands)})` | {f'`{attrs}`' if attrs else ''} | {op.summary} |")
    return "\n".join(rows) + "\n"


def test_the_manual_lists_every_op(request):
    text = MANUAL.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    found, after = rest.split(END)
    if request.config.getoption("--update-golden", default=False):
        MANUAL.write_text(before + BEGIN + op_table() + END + after, encoding="utf-8", newline="\n")
    else:
        assert found == op_table(), "the table in IR.md is out of date; put this in its place:\n" + op_table()


def test_the_example_is_as_it_would_be_printed():
    text = MANUAL.read_text(encoding="utf-8").split("```\n")[1]
    # The manual cannot hold the .npz.
    text = text.replace("npz(9f86d081884c7d65)", "3")
    graph, pass_name = parse_graph(text, {})
    assert faults(graph) == []
    assert print_graph(graph, pass_name=pass_name, archive=None) == text
