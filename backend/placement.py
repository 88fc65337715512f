"""Where each value of a network lives: its live range, and an offset in the arena or in the input or output block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..compiler.ir import Graph, Node
from ..compiler.memory import ArenaPlan, LiveRange, Overlay, plan_arena
from ..compiler.plan import Border, Buffer, Invocation, KernelDef
from .target import Target
from .views import Views

Chosen = Sequence[tuple[Node, KernelDef]]
# Inputs and outputs.
Borders = tuple[Sequence[Border], Sequence[Border]]


@dataclass(frozen=True)
class Placement:
    """The buffers of all values, the scratch of the steps that need some by node name, and the arena they lie in."""

    buffers: dict[str, Buffer]
    scratch: dict[str, Buffer]
    arena: ArenaPlan


def place_buffers(graph: Graph, chosen: Chosen, views: Views, borders: Borders, target: Target) -> Placement:
    """Place every value that a step makes; `borders` are inputs and outputs, `views` lie in other values' memory."""
    buffers = {**_block(borders[0], "input", target), **_block(borders[1], "output", target)}
    last_use = {views.root(name).source: step for step, (node, _) in enumerate(chosen) for name in node.operands}
    ranges: dict[str, LiveRange] = {}
    overlays: list[Overlay] = []
    scratch_sizes: dict[str, int] = {}
    for step, (node, kernel) in enumerate(chosen):
        call = Invocation(graph, node)
        if size := kernel.scratch(call):
            scratch_sizes[node.name] = size
            ranges[_scratch(node.name)] = LiveRange(_scratch(node.name), size, step, step)
        root = views.root(node.name).source
        # The parts of a concat are written in several steps; the first one counts.
        if root in buffers or root in ranges:
            continue
        if root == node.name:
            dying = {name for name in ranges if last_use.get(name) == step}
            overlays += _overlays(call, kernel, views, dying, target)
        ranges[root] = LiveRange(root, graph.type_of(root).bytes, step, last_use.get(root, step))
    arena = plan_arena(list(ranges.values()), target.alignment, overlays)
    placed = {name: Buffer("arena", offset, ranges[name].size) for name, offset in arena.offsets.items()}
    buffers |= {name: placed[name] for name in ranges if name in graph}
    for name in views.source:
        root_view, size = views.root(name), graph.type_of(name).bytes
        whole = buffers[root_view.source]
        buffers[name] = Buffer(whole.place, whole.offset + root_view.offset, size)
    return Placement(buffers, {name: placed[_scratch(name)] for name in scratch_sizes}, arena)


def _scratch(name: str) -> str:
    """The name of a step's scratch among the live ranges, which no value has: theirs hold no line break."""
    return f"{name}\nscratch"


def _overlays(
    call: Invocation, kernel: KernelDef, views: Views, dying: set[str], target: Target
) -> Iterator[Overlay]:
    """The operands of a step that its result may be written over, as no later step reads them."""
    for index, distance in kernel.overlays(call).items():
        root = views.root(call.node.operands[index])
        # The distance is from the operand's own beginning.
        if root.source in dying and root.offset == 0:
            yield Overlay(call.node.name, root.source, -(-distance // target.alignment) * target.alignment)


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
