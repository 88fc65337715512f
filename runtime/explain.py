"""Why rows differ from onnxruntime: where they begin to, and whether float32 itself is at fault there.

A float bias lies between two integers of the accumulator's unit, so the exact sum never is a tie; but float32 may
round a sum that is less than a unit away from a tie onto it, and then half to even what should have gone up or down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..backend.image import Image
from ..compiler import numerics
from ..compiler.ir import Array, Node
from ..compiler.ops import OPS
from ..compiler.ops.accumulate import per_channel
from ..compiler.ops.pooling import max_pool
from ..compiler.plan import Plan
from .borders import check_inputs, from_bytes, input_block, stored_inputs
from .device import Device, Session
from .oracle import Oracle
from .rows import map_rows


@dataclass
class Origin:
    """A layer in which rows begin to differ: how many rows and elements, and how many of these are near a tie."""

    step: int
    node: str
    tensor: str
    rows: int = 0
    elements: int = 0
    near_ties: int = 0

    @property
    def explained(self) -> bool:
        """True when every element that differs lies so near a tie that float32 cannot tell."""
        return self.elements == self.near_ties


def explain(plan: Plan, image: Image, device: Device, oracle: Oracle, x: Array | Mapping[str, Array]) -> list[Origin]:
    """The layers in which the rows of x begin to differ from onnxruntime, in order."""
    arrays = check_inputs(plan, x)
    stored = stored_inputs(plan, arrays)
    tensors = [oracle.tensors.get(step.node.name, "") for step in plan.steps]
    session = oracle.session([tensor for tensor in tensors if tensor])
    total = len(next(iter(arrays.values())))

    def work(loaded: Session, row: int) -> tuple[int, int, int] | None:
        block, expected = input_block(plan, stored, row), session.run(arrays, row)
        for step, tensor in enumerate(tensors):
            if tensor and (found := _difference(plan, loaded, block, step, expected[tensor])):
                return step, *found
        return None

    origins = [
        Origin(index, step.node.loc or step.node.name, tensors[index]) for index, step in enumerate(plan.steps)
    ]
    for _, found in map_rows(device, image, total, work):
        if found:
            origin = origins[found[0]]
            origin.rows += 1
            origin.elements += found[1]
            origin.near_ties += found[2]
    return [origin for origin in origins if origin.rows]


def _difference(plan: Plan, loaded: Session, block: bytes, step: int, expected: Array) -> tuple[int, int] | None:
    """(elements that differ, those of them near a tie) of the tensor of a step; None when it is equal."""
    node = plan.steps[step].node
    if node.type.dtype != "i8":
        return None
    loaded.run(block, step + 1)
    got = numerics.dequantize(from_bytes(node.type, loaded.read(plan.buffers[node.name])), node.type)
    differs = got != expected
    if not differs.any():
        return None
    loaded.run(block, step)
    type_ = plan.graph.type_of(node.operands[0])
    operand = from_bytes(type_, loaded.read(plan.buffers[node.operands[0]]))
    return int(differs.sum()), int((differs & near_ties(plan, node, operand)).sum())


def near_ties(plan: Plan, node: Node, operand: Array) -> Array:
    """bool, shaped like the node's result: some sum behind that element is less than a unit away from a tie.

    Only channels with a float bias off the grid count; a fused max-pool passes on any element of its window.
    """
    if "float32_ties" not in node.attrs or len(node.operands) != 5:
        return np.zeros(node.type.shape, dtype=bool)
    constants = [plan.graph.constants[name].array for name in node.operands[1:]]
    types = [plan.graph.type_of(name) for name in node.operands[:3]]
    whole = {"pool_kernel": (1, 1), "pool_strides": (1, 1)} if "pool_kernel" in node.attrs else {}
    raw = node.with_(operands=node.operands[:3], attrs=whole)
    sums = OPS[node.op].evaluate(raw, types, [operand, *constants[:2]]).astype(np.int64)
    shift, rounding = (per_channel(array.astype(np.int64), sums.ndim) for array in constants[2:])
    # The bias holds half a step more than its floor: a multiple of the step is just above a tie, one less just below.
    near: Array = (((sums + 1) & ((1 << np.maximum(shift, 1)) - 1)) <= 1) & (rounding == numerics.FLOOR)
    if whole:
        near = max_pool(near.astype(np.int8), node.ints("pool_kernel"), node.ints("pool_strides"), (0, 0, 0, 0)) > 0
    return near
