"""Ops that move elements and change none: reshape, transpose, convert_layout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ..ir import LAYOUTS, Array, Attr, Node, QuantParams, TensorType
from ..text import list_text
from .definition import AttrDef, OpDef, OpError, Types, keeps_type, same_shape


def _reshaped(node: Node, types: Types) -> tuple[int, ...]:
    if math.prod(node.ints("shape")) != types[0].elements:
        raise OpError(f"shape {list_text(node.ints('shape'))} for {types[0].elements} elements")
    return node.ints("shape")


def _check_reshape(node: Node, types: Types) -> Iterator[str]:
    if not keeps_pixels(types[0], node.type):
        yield from _check_row(node, types)
    params = types[0].params
    if params is not None and params.axis is not None:
        axis = moved_axis(types[0].shape, params.axis, "reshape", node.attrs)
        if axis is None:
            yield f"the operand has a scale for each index of axis {params.axis}, which is no axis of the result"
            return
        params = QuantParams(params.scale, params.zero_point, axis)
    yield from keeps_type(node, [types[0].with_(params=params)])


def _evaluate_reshape(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    # An axis 0 that is kept is a batch and may have any length here.
    if node.type.shape[:1] == types[0].shape[:1]:
        return arrays[0].reshape(arrays[0].shape[:1] + node.type.shape[1:])
    return arrays[0].reshape(node.type.shape)


def _transposed(node: Node, types: Types) -> tuple[int, ...]:
    if sorted(node.ints("perm")) != list(range(len(types[0].shape))):
        raise OpError(f"perm {list_text(node.ints('perm'))} for {len(types[0].shape)} axes")
    return tuple(types[0].shape[axis] for axis in node.ints("perm"))


def _check_transpose(node: Node, types: Types) -> Iterator[str]:
    params = types[0].params
    if params is not None and params.axis is not None:
        params = QuantParams(params.scale, params.zero_point, node.ints("perm").index(params.axis))
    yield from keeps_type(node, [types[0].with_(params=params)])
    if not moves_nothing(node.ints("perm"), types[0], node.type):
        yield from _check_row(node, types)


def moves_nothing(perm: Sequence[int], operand: TensorType, result: TensorType) -> bool:
    """True when a transpose of that operand to that result leaves every byte where it is.

    Row-major NHWC is channels-last NCHW: perm [0,3,1,2] then only gives the axes other names.
    """
    if any(type_.channels_last and type_.pitch != type_.shape[1] for type_ in (operand, result)):
        return False
    orders = [_axes_in_memory(operand), [perm[axis] for axis in _axes_in_memory(result)]]
    before, after = ([axis for axis in order if operand.shape[axis] > 1] for order in orders)
    return before == after


def keeps_pixels(operand: TensorType, result: TensorType) -> bool:
    """True when a reshape leaves every byte where it is, as only rows and columns of channels-last images change."""
    images = operand.channels_last and result.channels_last and operand.pitch == result.pitch
    return images and operand.shape[:2] == result.shape[:2]


def moved_axis(shape: Sequence[int], axis: int, op: str, attrs: Mapping[str, Attr]) -> int | None:
    """Where an axis of a tensor of that shape is after an op that moves elements; None where it is none."""
    if op == "transpose":
        perm = attrs["perm"]
        assert isinstance(perm, tuple)
        return perm.index(axis)
    if op != "reshape":
        return axis
    target = attrs["shape"]
    assert isinstance(target, tuple)
    before = math.prod(shape[:axis])
    fits = (at for at, size in enumerate(target) if size == shape[axis] and math.prod(target[:at]) == before)
    return next(fits, None)


def _axes_in_memory(type_: TensorType) -> list[int]:
    """The axes from the outermost to the innermost."""
    return [0, 2, 3, 1] if type_.channels_last else list(range(len(type_.shape)))


def _evaluate_transpose(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return arrays[0].transpose(node.ints("perm"))


def _check_row(node: Node, types: Types) -> Iterator[str]:
    for name, type_ in (("operand", types[0]), ("result", node.type)):
        if type_.layout != "row" and not type_.order_free:
            yield f"the {name} has layout {type_.layout}, expected row, the order in which elements are moved"


def _check_layout(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type(node, types)
    if node.type.layout == types[0].layout:
        yield f"layout {types[0].layout} -> {node.type.layout}, expected two different ones of {', '.join(LAYOUTS)}"


def _evaluate_layout(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return arrays[0]


RESHAPE = OpDef(
    name="reshape",
    summary="the same elements in row-major logical order under another shape",
    operands=("x",),
    attrs={"shape": AttrDef("ints", minimum=1)},
    infer=_reshaped,
    check=_check_reshape,
    evaluate=_evaluate_reshape,
)
TRANSPOSE = OpDef(
    name="transpose",
    summary="axes permuted: result axis i is operand axis perm[i]",
    operands=("x",),
    attrs={"perm": AttrDef("ints", minimum=0)},
    infer=_transposed,
    check=_check_transpose,
    evaluate=_evaluate_transpose,
)
CONVERT_LAYOUT = OpDef(
    name="convert_layout",
    summary="the same logical tensor in another physical order",
    operands=("x",),
    infer=same_shape,
    check=_check_layout,
    evaluate=_evaluate_layout,
)
