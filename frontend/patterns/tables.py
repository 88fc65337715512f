"""Elementwise subgraphs between two quantizers: a function of one 8-bit tensor, whatever operators write it."""

from __future__ import annotations

from ..onnx_model import MARKERS, OnnxModel, OnnxNode
from ..quantizer import quantizer_of, table_marker

_OPERATORS = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh Cast CastLike Ceil Celu Clip Cos Cosh Div Dropout Elu Equal Erf Exp
    Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min
    Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt
    Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor com.microsoft.FastGelu com.microsoft.Gelu com.microsoft.QuickGelu
"""
# Operators whose result depends on one element of each operand.
ELEMENTWISE = frozenset(_OPERATORS.split())
# These alone need no table: they become the bounds of a quantizer, or vanish.
BOUNDS = frozenset({"Relu", "Clip", "Cast", "Dropout"})
# Operators behind which a tensor still lies on its quantizer's grid.
MOVES = frozenset({"MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"})


def recognize_tables(model: OnnxModel) -> None:
    """Put a Table marker in the place of every quantizer that ends such a subgraph."""
    for marker in list(model.nodes):
        if marker.key != f"{MARKERS}.Quantize":
            continue
        nodes: dict[str, OnnxNode] = {}
        sources: dict[str, None] = {}
        _walk(model, marker.input(0), nodes, sources)
        source = next(iter(sources), "")
        if len(sources) == 1 and not {node.key for node in nodes.values()} <= BOUNDS and _on_grid(model, source):
            model.replace(marker, table_marker(marker, source, tuple(nodes.values()), quantizer_of(marker)))


def _walk(model: OnnxModel, tensor: str, nodes: dict[str, OnnxNode], sources: dict[str, None]) -> None:
    """Collect the elementwise nodes behind a tensor, in order, and the tensors they begin with."""
    tensor = model.origin(tensor)
    if not tensor or tensor in nodes or is_scalar(model, tensor):
        return
    node = model.producer(tensor)
    if node is None or node.key not in ELEMENTWISE or len(node.outputs) != 1:
        sources[tensor] = None
        return
    for name in node.inputs:
        _walk(model, name, nodes, sources)
    nodes[tensor] = node.with_(inputs=tuple(map(model.origin, node.inputs)))


def is_scalar(model: OnnxModel, tensor: str) -> bool:
    """True for a constant with one element, quantized or not."""
    node = model.producer(tensor)
    if node is not None and node.domain == MARKERS:
        tensor = node.input(0)
    array = model.constant(tensor)
    return array is not None and array.size == 1


def _on_grid(model: OnnxModel, tensor: str) -> bool:
    """True for a tensor behind a quantizer, or an input, which may get one from the options."""
    node = model.producer(tensor)
    while node is not None and node.key in MOVES:
        tensor = node.input(0)
        node = model.producer(tensor)
    return model.constant(tensor) is None and (node is None or node.domain == MARKERS)
