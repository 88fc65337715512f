"""The model without its activation quantizers: the float computation that accuracy is measured against.

Weights and biases stay as their quantizers make them; what an activation quantizer takes is what goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from .onnx_model import MARKERS, OnnxModel
from .patterns import recognize_quantizers


@dataclass(frozen=True)
class Reference:
    """`model` without activation quantizers; `sources` maps what a quantizer made to the tensor it was made of."""

    model: onnx.ModelProto
    sources: Mapping[str, str]

    def real(self, tensor: str) -> str:
        """The tensor of the reference that stands for a tensor of the quantized model."""
        while tensor in self.sources:
            tensor = self.sources[tensor]
        return tensor

    def giving(self, tensors: Iterable[str]) -> onnx.ModelProto:
        """The model with these outputs alone, and only the nodes that they need."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        outputs = list(dict.fromkeys(tensors))
        needed = set(outputs)
        kept = []
        for node in reversed(model.graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        kept.reverse()
        del model.graph.node[:]
        model.graph.node.extend(kept)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        return model


def real_reference(proto: onnx.ModelProto) -> Reference:
    """The reference of a model as the reader gives it, which has no problems."""
    index = OnnxModel(proto)
    recognize_quantizers(index, [])
    sources = {
        node.output: node.input(0)
        for node in index.nodes
        if node.domain == MARKERS and node.op == "Quantize" and index.constant(node.input(0)) is None
    }
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    reference = Reference(model, sources)
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = reference.real(name)
    return reference
