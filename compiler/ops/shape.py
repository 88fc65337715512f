"""Ops that move elements and change none: reshape, transpose, convert_layout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..ir import LAYOUTS, Array, Node
from .definition import AttrDef, OpDef, OpError, Types, keeps_type, same_shape


def _reshaped(node: Node, types: Types) -> tuple[int, ...]:
    if math.prod(node.ints("shape")) != types[0].elements:
        raise OpError(f"shape {list(node.ints('shape'))} for {types[0].elements} elements")
    return node.ints("shape")


def _evaluate_reshape(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return arrays[0].reshape(node.type.shape)


def _transposed(node: Node, types: Types) -> tuple[int, ...]:
    if sorted(node.ints("perm")) != list(range(len(types[0].shape))):
        raise OpError(f"perm {list(node.ints('perm'))} for {len(types[0].shape)} axes")
    return tuple(types[0].shape[axis] for axis in node.ints("perm"))


def _evaluate_transpose(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return arrays[0].transpose(node.ints("perm"))


def _check_layout(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type(node, types)
    if node.type.layout == types[0].layout or node.type.layout not in LAYOUTS:
        yield f"layout {types[0].layout} -> {node.type.layout}, expected two different ones of {', '.join(LAYOUTS)}"


def _evaluate_layout(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return arrays[0]


RESHAPE = OpDef(
    name="reshape",
    summary="the same elements in row-major logical order under another shape",
    operands=("x",),
    attrs={"shape": AttrDef("ints")},
    infer=_reshaped,
    check=keeps_type,
    evaluate=_evaluate_reshape,
)
TRANSPOSE = OpDef(
    name="transpose",
    summary="axes permuted: result axis i is operand axis perm[i]",
    operands=("x",),
    attrs={"perm": AttrDef("ints")},
    infer=_transposed,
    check=keeps_type,
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
