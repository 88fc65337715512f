"""Relu -> relu, Clip (ReLU6) -> clip."""

from __future__ import annotations

import math

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
    ctx.emit_same_grid(node, "clip", min=bounds[0], max=bounds[1])


RELU = Importer("Relu", import_relu, "any tensor", ("relu",))
CLIP = Importer("Clip", import_clip, "constant bounds", ("clip",))
