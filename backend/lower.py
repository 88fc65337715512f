"""Integer Graph to Plan: a kernel for each op, an offset for each buffer, the weights packed into one blob."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.errors import ModelError, Problem
from ..compiler.ir import Graph, Node
from ..compiler.plan import Border, Invocation, KernelDef, Plan, Step
from ..compiler.work import nominal_macs
from .kernels import KERNELS
from .placement import block_size, place_buffers
from .target import Target, lines
from .views import find_views
from .weights import pack_weights


def lower(
    graph: Graph,
    target: Target,
    *,
    pie: bool = True,
    ram_budget: int | None = None,
    kernels: Sequence[KernelDef] = KERNELS,
) -> Plan:
    """The Plan of an integer graph; raises ModelError with every node that no kernel covers and every bad border.

    Without `pie` only scalar kernels are chosen. `ram_budget` is how many bytes of internal memory arena and weights
    may take, the target's own if None; see docs/memory.md.
    """
    kernels = [kernel for kernel in kernels if pie or not kernel.pie]
    problems: list[Problem] = []
    inputs, outputs = _input_borders(graph, problems), _output_borders(graph, problems)
    stored = {border.value for border in (*inputs, *outputs)}
    nodes = [node for node in graph if not _on_host(graph, node)]
    views = find_views(graph, nodes, stored, target.alignment)
    chosen = _select(graph, [node for node in nodes if node.name not in views.idle], kernels, problems)
    if problems:
        raise ModelError(problems)
    placed = place_buffers(graph, chosen, views, (inputs, outputs), target)
    blocks = [block_size(borders, placed.buffers, target) for borders in (inputs, outputs)]
    working = sum(lines(size, target) for size in (placed.arena.size, *blocks))
    budget = target.ram_budget if ram_budget is None else ram_budget
    arena_region = "l2mem" if working <= budget else "psram"
    weights, addresses = pack_weights(graph, chosen, budget - working if working <= budget else budget, target)
    external = sum(lines(len(blob.data), target) for blob in weights if blob.region == "psram")
    _check_room(external + working * (arena_region == "psram"), target)
    steps = [
        Step(
            node=node,
            kernel=kernel,
            parameters=kernel.parameters(Invocation(graph, node)),
            operands=node.operands[: kernel.operands or None],
            constants=constants,
            scratch=placed.scratch.get(node.name),
            macs=nominal_macs(graph, node),
            passed_over=_passed_over(kernels, kernel, Invocation(graph, node)),
        )
        for (node, kernel), constants in zip(chosen, addresses, strict=True)
    ]
    return Plan(
        graph=graph,
        steps=steps,
        buffers=placed.buffers,
        arena_bytes=placed.arena.size,
        arena_lower_bound=placed.arena.lower_bound,
        input_bytes=blocks[0],
        output_bytes=blocks[1],
        weights=weights,
        arena_region=arena_region,
        inputs=inputs,
        outputs=outputs,
        views={name: views.root(name) for name in views.source},
    )


def _check_room(size: int, target: Target) -> None:
    """ModelError when more has to lie in external memory than there is."""
    room = target.region("psram").size
    if size > room:
        what = f"arena and weights take {size:,} bytes of PSRAM, which has {room:,}"
        raise ModelError(Problem(what, "Make the network, or its input, smaller."))


def _input_borders(graph: Graph, problems: list[Problem]) -> list[Border]:
    """One border per graph input: the input itself when it is stored integers, else its only quantizer."""
    borders = []
    if not graph.inputs:
        problems.append(Problem("the model has no input", "export it with its input as a parameter"))
    for name, type_ in graph.inputs.items():
        if type_.quantized:
            borders.append(Border(name, name, type_, real=False))
            continue
        users = graph.users(name)
        if len(users) == 1 and users[0].op == "quantize":
            quantizer = users[0]
            clamp = quantizer.int("qmin"), quantizer.int("qmax")
            borders.append(Border(name, quantizer.name, quantizer.type, True, *clamp))
        else:
            found = ", ".join(f'"{user.loc or user.name}" ({user.op})' for user in users) or "nothing"
            what = f"the float input is used by {found}, expected exactly one quantizer"
            problems.append(Problem(what, "quantize the input once, directly behind it", tensor=name))
    return borders


def _output_borders(graph: Graph, problems: list[Problem]) -> list[Border]:
    """One border per graph output: the operand of its dequantize, or the stored value itself."""
    borders = []
    for name in graph.outputs:
        node = graph.nodes.get(name)
        if node is not None and node.op == "dequantize":
            bias = graph.constants[node.operands[1]].array if len(node.operands) > 1 else None
            value = node.operands[0]
            type_, axis = graph.type_of(value), node.int("axis")
            borders.append(Border(name, value, type_, real=True, bias=bias, bias_axis=axis))
        elif graph.type_of(name).quantized and node is not None:
            borders.append(Border(name, name, node.type, real=False))
        else:
            what = f"the output is {graph.type_of(name).dtype}, expected the result of a quantized layer"
            problems.append(Problem(what, "quantize what computes it", tensor=name))
    return borders


def _on_host(graph: Graph, node: Node) -> bool:
    """Quantizing a float input and dequantizing an output are the host's work."""
    return node.op == "dequantize" or (node.op == "quantize" and node.operands[0] in graph.inputs)


def _select(
    graph: Graph, nodes: Sequence[Node], kernels: Sequence[KernelDef], problems: list[Problem]
) -> list[tuple[Node, KernelDef]]:
    """The first row of the kernel table that applies to each node."""
    chosen = []
    for node in nodes:
        if node.operands[0] in graph.constants:
            what = "the input is a constant, expected what depends on the network's input"
            advice = "let the export fold it (constant folding)"
            problems.append(Problem(what, advice, node.loc or node.name, node.op, node.operands[0]))
            continue
        rows = [kernel for kernel in kernels if kernel.op == node.op]
        missing = [kernel.missing(Invocation(graph, node)) for kernel in rows]
        fitting = [kernel for kernel, conditions in zip(rows, missing, strict=True) if not conditions]
        if fitting:
            chosen.append((node, fitting[0]))
        else:
            problems.append(_no_kernel(graph, node, missing))
    return chosen


def _passed_over(kernels: Sequence[KernelDef], chosen: KernelDef, call: Invocation) -> dict[str, list[str]]:
    """The rows above the chosen one, and the conditions of each that do not hold."""
    rows = [kernel for kernel in kernels if kernel.op == call.node.op]
    return {kernel.name: kernel.missing(call) for kernel in rows[: rows.index(chosen)]}


def _no_kernel(graph: Graph, node: Node, missing: Sequence[Sequence[str]]) -> Problem:
    place = (node.loc or node.name, node.op, node.name)
    operand = graph.type_of(node.operands[0])
    if not missing or operand.dtype == "f32":
        what = f"{node.op} of {operand.dtype} is left over in the integer graph, no kernel computes it"
        return Problem(what, "put a quantizer behind the layer in front of it", *place)
    closest: Sequence[str] = min(missing, key=len)
    conditions = " and ".join(closest)
    return Problem(f"no kernel applies: it would need that {conditions}", "change the layer to that form", *place)
