"""Reshape, Flatten, Squeeze, Unsqueeze -> reshape; Transpose -> transpose."""

from __future__ import annotations

import math

from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer


def import_reshape(ctx: Context, node: OnnxNode) -> None:
    """Constant target shape; 0 keeps an axis (unless allowzero), one -1 is inferred."""
    target = list(ctx.ints(node, 1, "shape"))
    shape = ctx.type_of(node, 0).shape
    if not node.attrs.get("allowzero", 0):
        target = [shape[axis] if size == 0 and axis < len(shape) else size for axis, size in enumerate(target)]
    if -1 in target:
        known = math.prod(size for size in target if size != -1)
        target[target.index(-1)] = math.prod(shape) // max(known, 1)
    ctx.emit_same_grid(node, "reshape", shape=tuple(target))


def import_flatten(ctx: Context, node: OnnxNode) -> None:
    """[axes before `axis`, axes from it on]."""
    shape = ctx.type_of(node, 0).shape
    axis = int(node.attrs.get("axis", 1))
    axis += len(shape) if axis < 0 else 0
    ctx.emit_same_grid(node, "reshape", shape=(math.prod(shape[:axis]), math.prod(shape[axis:])))


def import_squeeze(ctx: Context, node: OnnxNode) -> None:
    """Drops axes of length 1: those given, or all."""
    shape = ctx.type_of(node, 0).shape
    axes = ctx.ints(node, 1, "axes") if node.input(1) else [a for a, size in enumerate(shape) if size == 1]
    dropped = {axis % len(shape) for axis in axes}
    ctx.emit_same_grid(node, "reshape", shape=tuple(size for a, size in enumerate(shape) if a not in dropped))


def import_unsqueeze(ctx: Context, node: OnnxNode) -> None:
    """Inserts axes of length 1."""
    shape = list(ctx.type_of(node, 0).shape)
    axes = ctx.ints(node, 1, "axes")
    for axis in sorted(axis % (len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    ctx.emit_same_grid(node, "reshape", shape=tuple(shape))


def import_transpose(ctx: Context, node: OnnxNode) -> None:
    """Axes permuted; reversed when no permutation is given."""
    rank = len(ctx.type_of(node, 0).shape)
    ctx.emit_same_grid(node, "transpose", perm=tuple(node.attrs.get("perm") or range(rank - 1, -1, -1)))


RESHAPE = Importer("Reshape", import_reshape, "constant shape, or one computed from static shapes", ("reshape",))
FLATTEN = Importer("Flatten", import_flatten, "any axis", ("reshape",))
SQUEEZE = Importer("Squeeze", import_squeeze, "constant axes", ("reshape",))
UNSQUEEZE = Importer("Unsqueeze", import_unsqueeze, "constant axes", ("reshape",))
TRANSPOSE = Importer("Transpose", import_transpose, "any permutation", ("transpose",))
