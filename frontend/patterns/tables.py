"""Elementwise subgraphs between two quantizers: a function of one 8-bit tensor, whatever operators write it.

Constants are numbers, or have one for each index of one axis of the tensor, such as the slopes of a PRelu.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...compiler.ir import Array
from ...compiler.numerics import dtype_range
from ..onnx_model import MARKERS, OnnxModel, OnnxNode
from ..quantizer import Quantizer, quantizer_of, table_marker
from .folded_weights import smallest_exponent

_OPERATORS = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization Cast CastLike Ceil Celu Clip Cos Cosh Div
    Dropout Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less
    LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid Sign
    Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor com.microsoft.FastGelu
    com.microsoft.Gelu com.microsoft.QuickGelu
"""
# Operators whose result depends on one element of each operand.
ELEMENTWISE = frozenset(_OPERATORS.split())
# These alone need no table: they become the bounds of a quantizer, or vanish.
BOUNDS = frozenset({"Relu", "Clip", "Cast", "Dropout"})
# Operators whose result lies on the grid of what they take, all of it for a Concat.
_GRID_KEEPING = """
    MaxPool GlobalMaxPool ReduceMax Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Pad Concat
"""
GRID_KEEPING = frozenset(_GRID_KEEPING.split()) | BOUNDS


def recognize_tables(model: OnnxModel) -> None:
    """Put a Table marker in the place of every quantizer that ends such a subgraph."""
    for marker in list(model.nodes):
        if marker.key != f"{MARKERS}.Quantize":
            continue
        nodes: dict[str, OnnxNode] = {}
        sources: dict[str, None] = {}
        _walk(model, marker.input(0), nodes, sources)
        source = next(iter(sources), "")
        if len(sources) != 1 or not _on_grid(model, source) or _are_bounds(model, nodes.values(), source):
            continue
        axes = _constant_axes(model, tuple(nodes.values()), source)
        if len(axes) > 1 or None in axes or (axes and _is_sum_or_product(model, tuple(nodes.values()))):
            continue
        table = table_marker(marker, source, tuple(nodes.values()), quantizer_of(marker), axis=next(iter(axes), None))
        model.replace(marker, table)


def _walk(model: OnnxModel, tensor: str, nodes: dict[str, OnnxNode], sources: dict[str, None]) -> None:
    """Collect the elementwise nodes behind a tensor, in order, and the tensors they begin with; no constants."""
    tensor = model.origin(tensor)
    if not tensor or tensor in nodes or constant_of(model, tensor) is not None:
        return
    node = model.producer(tensor)
    if node is None or node.key not in ELEMENTWISE or len(node.outputs) != 1:
        sources[tensor] = None
        return
    for name in node.inputs:
        _walk(model, name, nodes, sources)
    nodes[tensor] = node.with_(inputs=tuple(map(model.origin, node.inputs)))


def constant_of(model: OnnxModel, tensor: str) -> Array | None:
    """A constant in front of its quantizer, if it has one; None for what is computed."""
    node = model.producer(tensor)
    if node is not None and node.domain == MARKERS:
        tensor = node.input(0)
    return model.constant(tensor)


def _constant_axes(model: OnnxModel, nodes: tuple[OnnxNode, ...], source: str) -> set[int | None]:
    """The axes of the source along which constants of the nodes differ; None for any other shape of a constant."""
    info = model.types.get(source)
    shape = info.static_shape if info else None
    axes: set[int | None] = set()
    for node in nodes:
        for name in node.inputs:
            array = constant_of(model, name) if name else None
            if array is not None and array.size != 1:
                axes.add(_axis(node, array.shape, shape))
    return axes


def _axis(node: OnnxNode, constant: tuple[int, ...], shape: tuple[int, ...] | None) -> int | None:
    """The only axis, behind the batch, along which the constant has as many numbers as the tensor has indices."""
    if shape is None or len(constant) > len(shape):
        return None
    if node.key == "BatchNormalization":
        axes = [1]
    else:
        axes = [len(shape) - len(constant) + at for at, size in enumerate(constant) if size > 1]
    fits = len(axes) == 1 and 0 < axes[0] < len(shape) and shape[axes[0]] == max(constant)
    return axes[0] if fits else None


def _is_sum_or_product(model: OnnxModel, nodes: tuple[OnnxNode, ...]) -> bool:
    """True for one Add, Sub or Mul of a tensor and a constant on a grid, which needs no table."""
    rest = [node for node in nodes if node.key not in BOUNDS]
    if len(rest) != 1 or rest[0].key not in ("Add", "Sub", "Mul"):
        return False
    return all(_on_one_grid(model, name) for name in rest[0].inputs if constant_of(model, name) is not None)


def _on_one_grid(model: OnnxModel, tensor: str) -> bool:
    node = model.producer(tensor)
    if node is not None and node.domain == MARKERS:
        return quantizer_of(node).params.axis is None
    array = model.constant(tensor)
    return array is not None and smallest_exponent(array) is not None


def _on_grid(model: OnnxModel, tensor: str) -> bool:
    """True for a tensor behind a quantizer, or an input, which may get one from the options."""
    if model.constant(tensor) is not None:
        return False
    node = model.producer(tensor)
    if node is None or node.domain == MARKERS:
        return True
    return node.key in GRID_KEEPING and all(_on_grid(model, name) for name in _taken(node))


def _taken(node: OnnxNode) -> tuple[str, ...]:
    """What an operator of GRID_KEEPING takes elements from."""
    return node.inputs if node.key == "Concat" else node.inputs[:1]


def _are_bounds(model: OnnxModel, nodes: Iterable[OnnxNode], source: str) -> bool:
    """True for nodes that only bound the source, at steps of its grid or beyond its ends."""
    quantizer = _quantizer_before(model, source)
    return all(
        node.key in BOUNDS and (node.key != "Clip" or _clips_on_grid(model, node, quantizer)) for node in nodes
    )


def _clips_on_grid(model: OnnxModel, node: OnnxNode, quantizer: Quantizer | None) -> bool:
    if quantizer is None:
        return True
    bounds = (model.constant(name) for name in node.inputs[1:3] if name)
    numbers = [float(bound.reshape(())) for bound in bounds if bound is not None and bound.size == 1]
    return all(quantizer.params.is_step(number, *dtype_range(quantizer.dtype)) for number in numbers)


def _quantizer_before(model: OnnxModel, tensor: str) -> Quantizer | None:
    """The quantizer on whose grid a tensor lies; None for a bare input, and for a Concat of several grids."""
    node = model.producer(tensor)
    if node is None or node.domain == MARKERS:
        return quantizer_of(node) if node is not None and "quantizer" in node.attrs else None
    if node.key not in GRID_KEEPING:
        return None
    first, *others = (_quantizer_before(model, name) for name in _taken(node))
    same = first is not None and all(other is not None and other.params == first.params for other in others)
    return first if same else None
