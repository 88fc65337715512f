"""Operators that vanish: Identity, Dropout at inference, Cast to the type a tensor has."""

from __future__ import annotations

from onnx import TensorProto

from ..context import Context
from ..onnx_model import OnnxNode, element_name
from .definition import Importer


def import_identity(ctx: Context, node: OnnxNode) -> None:
    """Another name of the same tensor."""
    ctx.alias(node)


def import_dropout(ctx: Context, node: OnnxNode) -> None:
    """Nothing at inference."""
    if len(node.outputs) > 1 and node.outputs[1] and ctx.model.users(node.outputs[1]):
        ctx.fail(
            node,
            "gives its mask to other nodes, expected one output",
            "Export the model in evaluation mode.",
            node.outputs[1],
        )
    training = ctx.model.constant(node.input(2)) if node.input(2) else None
    if node.input(2) and (training is None or training.any()):
        ctx.fail(
            node, "is in training mode, expected inference", "Call model.eval() before the export.", node.input(0)
        )
    ctx.alias(node)


def import_cast(ctx: Context, node: OnnxNode) -> None:
    """A cast of reals to float32, which they are."""
    target = int(node.attrs["to"])
    type_ = ctx.type_of(node, 0)
    if target != TensorProto.FLOAT or (type_.dtype != "f32" and not type_.quantized):
        what = f"casts {type_.dtype} to {element_name(target)}, expected float32 to float32"
        ctx.fail(node, what, "Export the model in float32.", node.input(0))
    ctx.alias(node)


IDENTITY = Importer("Identity", import_identity, "anything")
DROPOUT = Importer("Dropout", import_dropout, "in evaluation mode, without its mask")
CAST = Importer("Cast", import_cast, "float32 to float32")
