"""Evaluate an op that keeps its operand's grid on a constant, quantized or not."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..compiler.builder import make_node
from ..compiler.ir import Attr, Constant, Graph, QuantParams, TensorType
from ..compiler.ops import OPS


def apply_op(op: str, constant: Constant, attrs: Mapping[str, Attr]) -> Constant | None:
    """The constant that the op makes of it; None when its per-channel scales no longer lie along one axis.

    Raises OpError when the op does not take the constant's shape.
    """
    params = constant.type.params
    if params is not None and params.axis is not None:
        axis = _moved_axis(constant.type, params.axis, op, attrs)
        if axis is None:
            return None
        params = QuantParams(params.scale, params.zero_point, axis)
    scratch = Graph("constant", constants={"x": constant})
    node = make_node(scratch, op, "y", ["x"], dtype=constant.type.dtype, params=params, **attrs)  # type: ignore[arg-type]
    return Constant(node.type, OPS[op].evaluate(node, [constant.type], [constant.array]))


def _moved_axis(type_: TensorType, axis: int, op: str, attrs: Mapping[str, Attr]) -> int | None:
    """Where the channel axis is after the op."""
    if op == "transpose":
        perm = attrs["perm"]
        assert isinstance(perm, tuple)
        return perm.index(axis)
    if op != "reshape":
        return axis
    shape = attrs["shape"]
    assert isinstance(shape, tuple)
    before, channels = math.prod(type_.shape[:axis]), type_.shape[axis]
    fits = (at for at, size in enumerate(shape) if size == channels and math.prod(shape[:at]) == before)
    return next(fits, None)
