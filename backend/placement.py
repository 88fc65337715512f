"""Where each value of a network lives: its live range, and an offset in the arena or in the input or output block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..compiler.ir import Graph, Node
from ..compiler.memory import ArenaPlan, LiveRange, Overlay, plan_arena
from ..compiler.plan import Border, Buffer, Invocation, KernelDef
from .target import Target

Chosen = Sequence[tuple[Node, KernelDef]]
# Inputs and outputs.
Borders = tuple[Sequence[Border], Sequence[Border]]


@dataclass(frozen=True)
class Placement:
    """The buffers of all values, the scratch of the steps that need some by node name, and the arena they lie in."""

    buffers: dict[str, Buffer]
    scratch: dict[str, Buffer]
    arena: ArenaPlan


def place_buffers(
    graph: Graph,
    chosen: Chosen,
    views: Mapping[str, str],
    borders: Borders,
    target: Target,
) -> Placement:
    """Place every value that a step makes; `borders` are inputs and outputs, `views` share another value's memory."""
    buffers = {**_block(borders[0], "input", target), **_block(borders[1], "output", target)}
    last_use = {views.get(name, name): step for step, (node, _) in enumerate(chosen) for name in node.operands}
    ranges: list[LiveRange] = []
    overlays: list[Overlay] = []
    inside: set[str] = set()
    scratch_sizes: dict[str, int] = {}
    for step, (node, kernel) in enumerate(chosen):
        call = Invocation(graph, node)
        if size := kernel.scratch(call):
            scratch_sizes[node.name] = size
            ranges.append(LiveRange(_scratch(node.name), size, step, step))
        if node.name in buffers:
            continue
        ranges.append(LiveRange(node.name, node.type.bytes, step, last_use.get(node.name, step)))
        dying = {name for name in inside if last_use.get(name) == step}
        overlays += _overlays(call, kernel, views, dying, target)
        inside.add(node.name)
    arena = plan_arena(ranges, target.alignment, overlays)
    sizes = {r.name: r.size for r in ranges}
    placed = {name: Buffer("arena", offset, sizes[name]) for name, offset in arena.offsets.items()}
    buffers |= {name: placed[name] for name in sizes if name in inside}
    buffers |= {view: buffers[source] for view, source in views.items()}
    return Placement(buffers, {name: placed[_scratch(name)] for name in scratch_sizes}, arena)


def _scratch(name: str) -> str:
    """The name of a step's scratch among the live ranges, which no value has: theirs hold no line break."""
    return f"{name}\nscratch"


def _overlays(
    call: Invocation, kernel: KernelDef, views: Mapping[str, str], dying: set[str], target: Target
) -> Iterator[Overlay]:
    """The operands of a step that its result may be written over, as no later step reads them."""
    for index, distance in kernel.overlays(call).items():
        name = call.node.operands[index]
        if (source := views.get(name, name)) in dying:
            yield Overlay(call.node.name, source, -(-distance // target.alignment) * target.alignment)


def _block(borders: Sequence[Border], place: str, target: Target) -> dict[str, Buffer]:
    """Inputs, or outputs, one behind the other, each aligned."""
    buffers: dict[str, Buffer] = {}
    offset = 0
    for border in borders:
        if border.value not in buffers:
            buffers[border.value] = Buffer(place, offset, border.type.bytes)
            offset += -(-border.type.bytes // target.alignment) * target.alignment
    return buffers


def block_size(borders: Sequence[Border], buffers: Mapping[str, Buffer], target: Target) -> int:
    """Bytes of the input or output block."""
    ends = (buffers[border.value].offset + buffers[border.value].size for border in borders)
    return -(-max(ends) // target.alignment) * target.alignment
