"""Mul -> Round -> Clip -> Div by one constant, as torch exports a fake quantizer written with clamp."""

from __future__ import annotations

import math

from ...compiler.errors import Problem
from ..onnx_model import OnnxModel, OnnxNode
from .fake_quant import Clamp, match_fake_quant, scalar


def match_fake_quant_clip(model: OnnxModel, node: OnnxNode, problems: list[Problem]) -> OnnxNode | None:
    """Mul -> Round -> Clip -> Div; the reciprocal in either place, and Clip before Round, are the same."""
    return match_fake_quant(model, node, problems, read_clip)


def read_clip(model: OnnxModel, tensor: str) -> Clamp | None:
    """A Clip with constant bounds."""
    node = model.producer(tensor)
    if node is None or node.key != "Clip":
        return None
    low = scalar(model, node.input(1)) if node.input(1) else -math.inf
    high = scalar(model, node.input(2)) if node.input(2) else math.inf
    return None if low is None or high is None else Clamp(node.input(0), low, high)
