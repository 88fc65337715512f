"""Values that need no step, as they lie inside another value's memory.

* A reshape, a transpose that only renames axes, and a slice of whole rows lie in their operand.
* What such a move makes a network's output is computed in the output itself.
* Parts of a concat along the outermost axis that has a length lie one behind the other in its result, and whatever
  computes them writes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..compiler.ir import Graph, Node, TensorType
from ..compiler.ops.shape import moves_nothing
from ..compiler.plan import View
from .memory_order import physical, physical_sizes, physical_steps

MOVES = ("reshape", "transpose", "slice")


@dataclass
class Views:
    """`source` says of a value in which other one it lies; the nodes called `idle` need no step."""

    source: dict[str, View] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)

    def root(self, name: str) -> View:
        """The value in which `name` lies in the end, itself if it lies in none."""
        offset = 0
        while name in self.source:
            name, offset = self.source[name].source, offset + self.source[name].offset
        return View(name, offset)

    def add(self, name: str, source: str, offset: int) -> None:
        """Let a value lie in another one."""
        self.source[name] = View(source, offset)


def find_views(graph: Graph, nodes: Sequence[Node], stored: set[str], alignment: int) -> Views:
    """The views among the results of `nodes`; `stored` are the values of inputs and outputs, which lie in no other.

    Views begin at multiples of `alignment`, as kernels expect of every value.
    """
    views = Views()
    computed = {node.name for node in nodes} - stored
    for node in nodes:
        if node.op in MOVES:
            _place_move(graph, node, views, computed, alignment)
        elif node.op == "concat":
            _place_parts(graph, node, views, computed, alignment)
    return views


def _place_move(graph: Graph, node: Node, views: Views, computed: set[str], alignment: int) -> None:
    offset = _offset_in_operand(graph, node)
    if offset is None or offset % alignment:
        return
    if node.name in computed:
        views.add(node.name, node.operands[0], offset)
        views.idle.add(node.name)
        return
    root = views.root(node.operands[0])
    same = graph.type_of(root.source).bytes == node.type.bytes
    if root.offset == offset == 0 and root.source in computed and same:
        views.add(root.source, node.name, 0)
        views.idle.add(node.name)


def _offset_in_operand(graph: Graph, node: Node) -> int | None:
    """Where the result begins in the operand's memory; None when it is not one piece of it."""
    operand = graph.type_of(node.operands[0])
    if node.op == "reshape":
        return 0
    if node.op == "transpose":
        return 0 if moves_nothing(node.ints("perm"), operand, node.type) else None
    axis, steps = _outermost_axis(operand), physical_steps(operand)
    start, step = (physical(operand, node.ints(name))[axis] for name in ("starts", "steps"))
    sizes = physical(operand, node.type.shape)
    whole = all(
        size == full for at, (size, full) in enumerate(zip(sizes, _sizes(operand), strict=True)) if at != axis
    )
    if not whole or step > 1 or node.type.bytes != sizes[axis] * steps[axis]:
        return None
    offset: int = start * steps[axis]
    return offset


def _sizes(type_: TensorType) -> tuple[int, ...]:
    return physical_sizes(type_)[0]


def _outermost_axis(type_: TensorType) -> int:
    """The first axis in the order of memory that is longer than 1; the last one if none is."""
    return next((at for at, size in enumerate(_sizes(type_)) if size > 1), len(type_.shape) - 1)


def _place_parts(graph: Graph, node: Node, views: Views, computed: set[str], alignment: int) -> None:
    """Let the parts of a concat lie in it if each is computed, whole, and in no other value."""
    axes = physical(node.type, tuple(range(len(node.type.shape))))
    if axes[_outermost_axis(node.type)] != node.int("axis"):
        return
    parts: dict[str, int] = {}
    end = 0
    for name in node.operands:
        root, size = views.root(name), graph.type_of(name).bytes
        whole = root.offset == 0 and root.source in computed and graph.type_of(root.source).bytes == size
        if not whole or root.source in parts or end % alignment:
            return
        parts[root.source] = end
        end += size
    if end == node.type.bytes:
        for name, offset in parts.items():
            views.add(name, node.name, offset)
        views.idle.add(node.name)
