"""Plan to C: the model's source with one function per distinct layer, and the entry of its image."""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.plan import Buffer, Fields, Plan, Step, View
from .naming import comment, describe, macro, prefix, unique_names
from .writer import CWriter


@dataclass(frozen=True)
class LayerFunction:
    """A kernel specialized for one set of constants; layers with equal ones share it."""

    name: str
    step: Step

    @property
    def key(self) -> tuple[object, ...]:
        """What two layers must agree in to share the function."""
        return layer_key(self.step)


def layer_key(step: Step) -> tuple[object, ...]:
    """The kernel, its constant parameters, and which of its optional arguments are absent."""
    absent = tuple(name for name, address in step.constants.items() if address is None)
    return (step.kernel.symbol, len(step.operands), repr(step.parameters), absent, step.scratch is None)


def layer_functions(plan: Plan, model: str) -> dict[tuple[object, ...], LayerFunction]:
    """The distinct layer functions of a plan by key, in order of first use."""
    functions: dict[tuple[object, ...], LayerFunction] = {}
    for step in plan.steps:
        key = layer_key(step)
        if key not in functions:
            name = f"{prefix(model)}_{step.kernel.record.removeprefix('p4c_')}_{len(functions)}"
            functions[key] = LayerFunction(name, step)
    return functions


def emit_source(plan: Plan, model: str) -> str:
    """The text of p4c_<model>.c."""
    out = CWriter()
    functions = layer_functions(plan, model)
    out.line(
        f"/* {comment(plan.graph.name)}, compiled by p4c: {len(plan.steps)} layers in {len(functions)} functions. */"
    )
    out.line(f'#include "{prefix(model)}.h"')
    out.line()
    out.line(f"#define P4C_PIE {int(uses_pie(plan))}")
    for header in dict.fromkeys(step.kernel.header for step in plan.steps):
        out.line(f'#include "kernels/{header}"')
    for function in functions.values():
        _emit_function(out, function)
    _emit_run(out, plan, model, functions)
    return out.text()


def uses_pie(plan: Plan) -> bool:
    """True when some kernel needs the vector unit."""
    return any(step.kernel.pie for step in plan.steps)


def _emit_function(out: CWriter, function: LayerFunction) -> None:
    step = function.step
    count = len(step.operands)
    inputs = ["x"] if count == 1 else [f"x{index}" for index in range(count)]
    present = [name for name, address in step.constants.items() if address is not None]
    declared = [*(f"const void *{name}" for name in (*inputs, *present)), "void *y"]
    gathered = [f"(const void *const[]){{{', '.join(inputs)}}}"]
    passed = [
        *(inputs if step.kernel.operands else gathered),
        *(name if name in present else "NULL" for name in step.constants),
        "y",
    ]
    if step.kernel.uses_scratch:
        passed.append("scratch" if step.scratch else "NULL")
        declared += ["void *scratch"] if step.scratch else []
    out.line()
    out.line(f"P4C_LAYER void {function.name}({', '.join(declared)})")
    with out.block():
        out.line(f"{step.kernel.symbol}((struct {step.kernel.record}){{")
        with out.indent():
            for line in _initializers(step.parameters):
                out.line(line)
        out.line(f"}}, {', '.join(passed)});")


def _initializers(fields: Fields) -> list[str]:
    """Designated initializers, several short ones on a line."""
    items = [f"{_designator(name)} = {_value(value)}," for name, value in fields.items()]
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) < 90:
            lines[-1] += f" {item}"
        else:
            lines.append(item)
    return lines


def _designator(name: str) -> str:
    return name if name.startswith("[") else f".{name}"


def _value(value: int | Fields) -> str:
    if isinstance(value, int):
        return str(value)
    return "{" + " ".join(f"{_designator(name)} = {_value(item)}," for name, item in value.items())[:-1] + "}"


def _emit_run(out: CWriter, plan: Plan, model: str, functions: dict[tuple[object, ...], LayerFunction]) -> None:
    names = io_names(plan)
    out.line()
    out.line(f"int {prefix(model)}_run_steps(const struct {prefix(model)}_io *io, uint32_t steps)")
    with out.block():
        out.line("uint8_t *arena = io->arena;")
        for weights in plan.weights:
            out.line(f"const uint8_t *{weights.name} = io->{weights.name};")
        out.line(f"(void)arena, {', '.join(f'(void){weights.name}' for weights in plan.weights)};")
        for index, step in enumerate(plan.steps):
            out.line()
            for line in _step_comment(plan, index, step):
                out.line(line)
            out.line(f"if (steps == {index})")
            with out.indent():
                out.line("return 0;")
            arguments = [_pointer(plan, names, name) for name in step.operands]
            arguments += [f"{at.weights} + {at.offset}" for at in step.constants.values() if at is not None]
            arguments.append(_pointer(plan, names, step.node.name))
            if step.scratch:
                arguments.append(_in_arena(step.scratch))
            out.line(f"{functions[layer_key(step)].name}({', '.join(arguments)});")
        out.line("return 0;")
    out.line()
    out.line(f"int {prefix(model)}_run(const struct {prefix(model)}_io *io)")
    with out.block():
        out.line(f"return {prefix(model)}_run_steps(io, {macro(model, 'STEPS')});")


def _step_comment(plan: Plan, index: int, step: Step) -> list[str]:
    """What the call computes, in terms of the ONNX model."""
    node = step.node
    operands = ", ".join(f'"{name}" {describe(plan.graph.type_of(name))}' for name in step.operands)
    work = f", {step.macs:,} MACs" if step.macs else ""
    return [
        f'/* Step {index}: {node.op} of node "{comment(node.loc or node.name)}"{work}',
        f" *   from {comment(operands)}",
        f' *   to   "{comment(node.name)}" {describe(node.type)} */',
    ]


def _pointer(plan: Plan, names: dict[str, str], value: str) -> str:
    buffer, view = plan.buffers[value], plan.views.get(value, View(value, 0))
    if buffer.place == "arena":
        return _in_arena(buffer)
    member = f"io->{names[view.source]}"
    qualifier = "const " if buffer.place == "input" else ""
    return f"({qualifier}uint8_t *){member} + {view.offset}" if view.offset else member


def _in_arena(buffer: Buffer) -> str:
    return f"arena + {buffer.offset}"


def io_names(plan: Plan) -> dict[str, str]:
    """Stored value at a border -> member of the io record, named after the ONNX tensor."""
    borders = {border.value: border.name for border in (*plan.outputs, *plan.inputs)}
    names = dict(zip(borders, unique_names(list(borders.values())), strict=True))
    # The other members of the record, and what the header's macros say of the stack.
    reserved = {name: f"{name}_" for name in ("arena", "weights", "weights_psram", "stack")}
    return {value: reserved.get(name, name) for value, name in names.items()}


def emit_entry(plan: Plan, model: str) -> str:
    """The text of the image's own translation unit: control block, entry, the model and its support code."""
    out = CWriter()
    names = io_names(plan)
    out.line(
        "/* The entry of the image: finds its control block PC-relative, runs the model, gives status and cycles. */"
    )
    out.line(f'#include "{prefix(model)}.c"')
    out.line('#include "kernels/p4c_control.h"')
    out.line('#include "kernels/p4c_entry.h"')
    out.line()
    out.line("int p4c_entry(void)")
    with out.block():
        out.line("struct p4c_control *control = &p4c_control;")
        out.line(f"struct {prefix(model)}_io io = {{")
        with out.indent():
            for border, base in (*((b, "input") for b in plan.inputs), *((b, "output") for b in plan.outputs)):
                offset = plan.buffers[border.value].offset
                out.line(f".{names[border.value]} = (void *)(uintptr_t)(control->{base} + {offset}u),")
            out.line(".arena = (void *)(uintptr_t)control->arena,")
            for weights in plan.weights:
                out.line(f".{weights.name} = (const void *)(uintptr_t)control->{weights.name},")
        out.line("};")
        out.line("p4c_enable_pie();")
        out.line("uint64_t start = p4c_cycles();")
        out.line(f"control->status = {prefix(model)}_run_steps(&io, control->steps);")
        out.line("uint64_t cycles = p4c_cycles() - start;")
        out.line("control->cycles_low = (uint32_t)cycles;")
        out.line("control->cycles_high = (uint32_t)(cycles >> 32);")
        out.line("return control->status;")
    return out.text()
