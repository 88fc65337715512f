"""Quantizer patterns: one file per export form, each putting a canonical marker in the place of its last node."""

from __future__ import annotations

from collections.abc import Callable

from ...compiler.errors import Problem
from ..onnx_model import OnnxModel, OnnxNode
from . import fake_quant_clip, fake_quant_minmax, folded_weights, qdq
from .fake_quant_clip import match_fake_quant_clip
from .fake_quant_minmax import match_fake_quant_minmax
from .folded_weights import recover_folded_weights
from .qdq import match_qdq

# Looks at the last node of a form; gives the nodes that take its place, or None when it is not that form.
# What is recognized but unsupported goes to the problems and becomes a poison marker.
Pattern = Callable[[OnnxModel, OnnxNode, list[Problem]], OnnxNode | None]

PATTERNS: tuple[Pattern, ...] = (match_qdq, match_fake_quant_clip, match_fake_quant_minmax)

# The export forms in words: how the file of each begins.
FORMS = tuple(str(form.__doc__).splitlines()[0] for form in (qdq, fake_quant_clip, fake_quant_minmax, folded_weights))


def recognize_quantizers(model: OnnxModel, problems: list[Problem]) -> None:
    """Replace every quantizer of the model by its marker."""
    for node in list(model.nodes):
        markers = (pattern(model, node, problems) for pattern in PATTERNS)
        marker = next((marker for marker in markers if marker is not None), None)
        if marker is not None:
            model.replace(node, marker)
            model.quantized = True
    recover_folded_weights(model, problems)
