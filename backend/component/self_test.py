"""The self-test of a component: inputs and what the interpreter computes of them, as C data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...compiler.interpreter import interpret
from ...compiler.ir import Array
from ...compiler.numerics import dequantize
from ...compiler.plan import Border, Plan
from ..emit import io_names
from ..naming import C_TYPES, comment, describe, prefix
from ..writer import CWriter

SEED = 0


def self_test_header(plan: Plan, model: str) -> str:
    """The text of self_test.h: arrays, the io record that points to them, and a table of outputs to compare."""
    stored = test_vector(plan)
    names = io_names(plan)
    inputs = {border.value: border for border in plan.inputs}
    outputs = {border.value: border for border in plan.outputs}
    out = CWriter()
    out.line(
        f"/* One input of {model} and, by p4c's interpreter, its outputs: stored integers in ONNX axis order. */"
    )
    out.line("#include <stddef.h>")
    out.line("#include <stdint.h>")
    for value, border in inputs.items():
        _emit_array(out, f"in_{names[value]}", border, stored[value])
    for value, border in outputs.items():
        _emit_array(out, f"expected_{names[value]}", border, stored[value])
        out.line()
        out.line(f"static {_declared(border, f'out_{names[value]}')};")
    members = [f".{names[value]} = in_{names[value]}" for value in inputs]
    members += [f".{names[value]} = out_{names[value]}" for value in outputs]
    out.line()
    out.line(f"/* For struct {prefix(model)}_io. */")
    out.line(f"#define SELF_TEST_IO {{{', '.join(members)}}}")
    out.line()
    out.line("static const struct self_test_output {")
    with out.indent():
        for member in ("const char *name", "void *got", "const void *expected", "size_t bytes"):
            out.line(f"{member};")
    out.line("} self_test_outputs[] = {")
    with out.indent():
        for name in (names[value] for value in outputs):
            out.line(f'{{"{name}", out_{name}, expected_{name}, sizeof out_{name}}},')
    out.line("};")
    return out.text()


def test_vector(plan: Plan) -> Mapping[str, Array]:
    """Every value of the integer graph by name, for inputs that take every stored integer alike."""
    random = np.random.default_rng(SEED)
    inputs: dict[str, Array] = {}
    for border in plan.inputs:
        info = np.iinfo(np.dtype(border.type.numpy).name)
        low, high = (border.qmin, border.qmax) if border.real else (info.min, info.max)
        stored = random.integers(low, high, border.type.shape, endpoint=True).astype(border.type.numpy)
        inputs[border.name] = dequantize(stored, border.type).astype(np.float32) if border.real else stored
    return interpret(plan.graph, inputs) | {b.value: inputs[b.name] for b in plan.inputs if not b.real}


def _declared(border: Border, name: str) -> str:
    return f"{C_TYPES[border.type.dtype]} {name}[{border.type.elements}] __attribute__((aligned(16)))"


def _emit_array(out: CWriter, name: str, border: Border, array: Array) -> None:
    out.line()
    out.line(f'/* "{comment(border.name)}": {describe(border.type)}. */')
    out.line(f"static const {_declared(border, name)} = {{")
    with out.indent():
        flat = array.ravel().tolist()
        for start in range(0, len(flat), 16):
            out.line(" ".join(f"{value}," for value in flat[start : start + 16]))
    out.line("};")
