"""Softmax -> softmax."""

from __future__ import annotations

from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer


def import_softmax(ctx: Context, node: OnnxNode) -> None:
    """Along one axis of a quantized tensor."""
    x = ctx.activation(node, 0)
    rank = len(ctx.graph.type_of(x).shape)
    ctx.emit(node, "softmax", [x], axis=int(node.attrs.get("axis", -1)) % max(rank, 1))


SOFTMAX = Importer("Softmax", import_softmax, "a quantized tensor, any axis, a quantizer behind", ("softmax",))
