"""Operators that compute on stored integers, or quantize in their own way, written out as QDQ before anything else.

    %y = QLinearConv(%x, sx, zx, %w, sw, zw, sy, zy)      =>  QuantizeLinear(Conv(DequantizeLinear(%x, sx, zx),
                                                               DequantizeLinear(%w, sw, zw)), sy, zy)
    %y = Quant(%x, s, z, bits) {signed=1}                 =>  DequantizeLinear(Clip(QuantizeLinear(%x, s, z)), s, z)

What follows sees one form only. `FORMS` has a row for each operator; it appends the nodes that take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx

from ...compiler.errors import Problem
from ..onnx_model import OnnxModel, OnnxNode
from ..shapes import infer_shapes
from . import qonnx, qoperator
from .qonnx import QONNX, QONNX_WARNING, is_qonnx
from .qoperator import QOPERATOR, WRITTEN
from .writer import MOVES, WriteError, Writer

# The forms in words, with their operators.
WORDS = tuple(
    f"{str(form.__doc__).splitlines()[0].removesuffix('.')}: {', '.join(name.split('.')[-1] for name in operators)}."
    for form, operators in ((qoperator, WRITTEN), (qonnx, ("Quant",)))
)
FORMS: Mapping[str, Callable[[Writer, OnnxNode], None]] = {**QOPERATOR, **QONNX}


def write_out(proto: onnx.ModelProto, problems: list[Problem]) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """(the model that onnxruntime runs, the same as QDQ); both are the given one where nothing is to be written out.
    What is written out has its shapes inferred.

    Problems are appended; the nodes that have one become poison markers.
    """
    model = OnnxModel(proto)
    if not any(_is_written(model, node) for node in model.nodes):
        return proto, proto
    writer = Writer(proto, model)
    for node, original in zip(model.nodes, proto.graph.node, strict=True):
        form = FORMS.get(node.key)
        try:
            if form is not None:
                form(writer, node)
            elif node.key == "DequantizeLinear" and _moves_integers(model, node):
                real = writer.dequantized(node.input(0), node.input(1), node.input(2), dict(node.attrs))
                writer.add(node, "Identity", [real], node.outputs)
            else:
                writer.keep(original)
        except WriteError as fault:
            problems.append(fault.problem)
            writer.poison(node)
    written = infer_shapes(writer.model())
    if any(is_qonnx(node) for node in model.nodes):
        problems.append(QONNX_WARNING)
        return written, written
    return proto, written


def _is_written(model: OnnxModel, node: OnnxNode) -> bool:
    return node.key in FORMS or (node.key == "DequantizeLinear" and _moves_integers(model, node))


def _moves_integers(model: OnnxModel, node: OnnxNode) -> bool:
    """True for a DequantizeLinear of integers that an operator has moved, as beside QLinear operators."""
    producer = model.producer(node.input(0))
    return producer is not None and producer.key in MOVES and model.constant(node.input(0)) is None
