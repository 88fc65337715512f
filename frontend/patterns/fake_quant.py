"""What the decomposed forms of fake quantization share: y = clamp(round(x * s)) / s, whatever computes the clamp."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ...compiler import numerics
from ...compiler.errors import Problem
from ...compiler.ir import Array, QuantParams
from ..onnx_model import OnnxModel, OnnxNode
from ..quantizer import Quantizer, poison_marker, quantize_marker, valid_scales


@dataclass(frozen=True)
class Clamp:
    """A tensor limited to low..high, however the model writes it."""

    source: str
    low: float
    high: float


# The clamp that makes a tensor, or None when the tensor is not made by that form of clamp.
ReadClamp = Callable[[OnnxModel, str], Clamp | None]


def match_fake_quant(
    model: OnnxModel, node: OnnxNode, problems: list[Problem], read_clamp: ReadClamp
) -> OnnxNode | None:
    """The marker for the quantizer that ends in `node`, a Div by s or Mul by 1/s."""
    for tensor, scale in _unscaled(model, node):
        clamp = _rounded_clamp(model, tensor, read_clamp)
        scaling = model.producer(clamp.source) if clamp else None
        if clamp is None or scaling is None or scaling.key not in ("Mul", "Div"):
            continue
        found = _source(model, node, scaling, scale)
        if found is not None:
            source, exact = found
            return _marker(model, node, source, scale, clamp, problems, exact=exact and _undone(node, scale))
        what = f'ends a fake quantizer but does not undo the scale of its first node, {scaling.key} "{scaling.name}"'
        advice = "Divide by the constant that the first node multiplies with."
        problems.append(node.problem(what, advice, node.output))
        variable = (name for name in scaling.inputs if model.constant(name) is None)
        return poison_marker(node, next(variable, scaling.input(0)))
    return None


def _undone(node: OnnxNode, scale: Array) -> bool:
    """True when the last node multiplies by `scale` itself and not by a rounded reciprocal of it."""
    return node.key == "Mul" or _powers(scale)


def _unscaled(model: OnnxModel, node: OnnxNode) -> Iterator[tuple[str, Array]]:
    """(tensor, scale) for each way to read a node as integers times a constant scale."""
    if node.key == "Div":
        divisor = model.constant(node.input(1))
        if divisor is not None and valid_scales(divisor):
            yield node.input(0), np.float32(1) / divisor.astype(np.float32)
    elif node.key == "Mul":
        for index in (1, 0):
            factor = model.constant(node.input(index))
            if factor is not None and valid_scales(factor):
                yield node.input(1 - index), factor.astype(np.float32)


def _rounded_clamp(model: OnnxModel, tensor: str, read_clamp: ReadClamp) -> Clamp | None:
    """The clamp of rounded integers; Round may stand on either side, as it keeps whole bounds in order."""
    clamp = read_clamp(model, tensor)
    if clamp is not None:
        rounding = model.producer(clamp.source)
        if rounding is None or rounding.key != "Round":
            return None
        return Clamp(rounding.input(0), clamp.low, clamp.high)
    rounding = model.producer(tensor)
    return read_clamp(model, rounding.input(0)) if rounding is not None and rounding.key == "Round" else None


def _source(model: OnnxModel, node: OnnxNode, scaling: OnnxNode, scale: Array) -> tuple[str, bool] | None:
    """The tensor that a node divides by `scale`, and whether by that very number; None when the scale differs.

    The node is a Div by the scale or a Mul by its reciprocal, which is rounded unless it is a power of two.
    """
    for index in _factor_indices(model, node, scaling):
        factor = model.constant(scaling.input(index))
        if factor is None or not valid_scales(factor) or factor.size != scale.size:
            continue
        inner = factor.ravel() if scaling.key == "Div" else 1 / factor.ravel().astype(np.float64)
        same = scaling.key == "Div" and np.array_equal(inner, scale.ravel())
        if _powers(scale) and np.array_equal(inner, scale.ravel()):
            return scaling.input(1 - index), True
        if not _powers(scale) and np.allclose(inner, scale.ravel(), rtol=2**-22, atol=0):
            return scaling.input(1 - index), same
    return None


def _factor_indices(model: OnnxModel, node: OnnxNode, scaling: OnnxNode) -> list[int]:
    """The operands that may be the factor, the likeliest first: weights of one element look like a factor too."""
    if scaling.key == "Div":
        return [1]

    def unlikely(index: int) -> tuple[bool, int]:
        factor = model.constant(scaling.input(index))
        return scaling.input(index) not in node.inputs, 0 if factor is None else factor.ndim

    return sorted((1, 0), key=unlikely)


def _powers(scale: Array) -> bool:
    return bool(np.all(np.frexp(scale)[0] == 0.5))


def _marker(
    model: OnnxModel,
    node: OnnxNode,
    source: str,
    scale: Array,
    clamp: Clamp,
    problems: list[Problem],
    *,
    exact: bool,
) -> OnnxNode:
    dtype = next((name for name in ("i8", "u8") if _fits(clamp, name)), None)
    params = _params(model, source, scale)
    if dtype is None or params is None:
        if dtype is None:
            what = f"quantizes to {clamp.low:g}..{clamp.high:g}, expected whole bounds within -128..127 or 0..255"
            problems.append(node.problem(what, "Quantize to 8 bits.", node.output))
        else:
            what = f"quantizes with scales of shape {list(scale.shape)}, expected positive numbers along one axis"
            problems.append(node.problem(what, "Use one scale per tensor or per output channel.", node.output))
        return poison_marker(node, source)
    if not exact:
        what = f"multiplies by {1 / params.scale[0]:.6g}, no power of two; it is taken as division by its reciprocal"
        advice = "Use power-of-two scales, with which both are the same, or QuantizeLinear."
        problems.append(node.problem(what, advice, node.output, warning=True))
    return quantize_marker(node, source, Quantizer(dtype, params, int(clamp.low), int(clamp.high)))


def _fits(clamp: Clamp, dtype: str) -> bool:
    low, high = numerics.dtype_range(dtype)
    whole = math.isfinite(clamp.low) and math.isfinite(clamp.high) and clamp.low % 1 == 0 and clamp.high % 1 == 0
    return whole and low <= clamp.low < clamp.high <= high


def _params(model: OnnxModel, source: str, scale: Array) -> QuantParams | None:
    """Params for a scale that broadcasts against `source`: a scalar, or a vector along one axis."""
    if scale.size == 1:
        return QuantParams((float(scale.reshape(())),))
    info, constant = model.types.get(source), model.constant(source)
    shape = constant.shape if constant is not None else info.shape if info else None
    axes = [axis for axis, size in enumerate(scale.shape) if size > 1]
    if shape is None or len(axes) != 1:
        return None
    axis = axes[0] + len(shape) - scale.ndim
    return QuantParams(tuple(map(float, scale.ravel())), (0,) * scale.size, axis)


def scalar(model: OnnxModel, tensor: str) -> float | None:
    """The value of a constant with one element."""
    value = model.constant(tensor)
    return float(value.reshape(())) if value is not None and value.size == 1 else None
