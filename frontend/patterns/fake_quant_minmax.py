"""Mul -> Round -> Max -> Min -> Div by one constant, as torch's dynamo exporter writes clamp before optimization."""

from __future__ import annotations

from ...compiler.errors import Problem
from ..onnx_model import OnnxModel, OnnxNode
from .fake_quant import Clamp, match_fake_quant, scalar


def match_fake_quant_minmax(model: OnnxModel, node: OnnxNode, problems: list[Problem]) -> OnnxNode | None:
    """Mul -> Round -> Max -> Min -> Div, Max and Min in either order."""
    return match_fake_quant(model, node, problems, read_minmax)


def read_minmax(model: OnnxModel, tensor: str) -> Clamp | None:
    """Max with the lower and Min with the upper bound."""
    outer = _bounded(model, tensor)
    inner = _bounded(model, outer[1]) if outer else None
    if outer is None or inner is None or {outer[0], inner[0]} != {"Max", "Min"}:
        return None
    bounds = {outer[0]: outer[2], inner[0]: inner[2]}
    return Clamp(inner[1], bounds["Max"], bounds["Min"])


def _bounded(model: OnnxModel, tensor: str) -> tuple[str, str, float] | None:
    """(Max or Min, its tensor, its constant) for a tensor made by one of them."""
    node = model.producer(tensor)
    if node is None or node.key not in ("Max", "Min") or len(node.inputs) != 2:
        return None
    for index in (1, 0):
        bound = scalar(model, node.input(index))
        if bound is not None:
            return node.op, node.input(1 - index), bound
    return None
