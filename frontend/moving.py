"""Evaluate an op that keeps its operand's grid on a constant, quantized or not."""

from __future__ import annotations

from collections.abc import Mapping

from ..compiler.builder import make_node
from ..compiler.ir import Attr, Constant, Graph, QuantParams
from ..compiler.ops import OPS
from ..compiler.ops.shape import moved_axis


def apply_op(op: str, constant: Constant, attrs: Mapping[str, Attr]) -> Constant | None:
    """The constant that the op makes of it; None when its per-channel scales no longer lie along one axis.

    Raises OpError when the op does not take the constant's shape.
    """
    params = constant.type.params
    if params is not None and params.axis is not None:
        axis = moved_axis(constant.type.shape, params.axis, op, attrs)
        if axis is None:
            return None
        params = QuantParams(params.scale, params.zero_point, axis)
    scratch = Graph("constant", constants={"x": constant})
    node = make_node(scratch, op, "y", ["x"], dtype=constant.type.dtype, params=params, **attrs)  # type: ignore[arg-type]
    return Constant(node.type, OPS[op].evaluate(node, [constant.type], [constant.array]))
