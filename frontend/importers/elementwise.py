"""Relu -> relu, Clip (ReLU6) -> clip."""

from __future__ import annotations

import math

from ...compiler.numerics import dtype_range
from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer


def import_relu(ctx: Context, node: OnnxNode) -> None:
    """max(x, 0)."""
    ctx.emit_same_grid(node, "relu")


def import_clip(ctx: Context, node: OnnxNode) -> None:
    """min(max(x, min), max) with constant bounds, each of which may be left out."""
    bounds = [-math.inf, math.inf]
    for index, role in ((1, "lower bound"), (2, "upper bound")):
        if node.input(index):
            bounds[index - 1] = ctx.scalar(node, index, role)
            _check_bound(ctx, node, index, bounds[index - 1])
    ctx.emit_same_grid(node, "clip", min=bounds[0], max=bounds[1])


def _check_bound(ctx: Context, node: OnnxNode, index: int, bound: float) -> None:
    """On a quantized tensor a bound must be a step of its grid: what it clips to would have no integer."""
    type_ = ctx.type_of(node, 0)
    params = type_.params
    if params is None or params.axis is not None or params.is_step(bound, *dtype_range(type_.dtype)):
        return
    what = f"clips a quantized tensor at {bound:g}, which is no multiple of its scale {params.scale[0]:g}"
    advice = "Clip in front of the quantizer, put another quantizer behind, or clip at a multiple of the scale."
    ctx.fail(node, what, advice, node.input(index))


RELU = Importer("Relu", import_relu, "any tensor", ("relu",))
CLIP = Importer(
    "Clip", import_clip, "constant bounds; behind a quantizer on its grid, or a quantizer behind", ("clip",)
)
