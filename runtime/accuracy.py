"""What 8 bits do to each layer on given data: saturation, range, accumulators, and the distance to the real values.

The integers are the interpreter's, on the integer graph; the reals onnxruntime's, of the model without activation
quantizers. docs/accuracy.md defines every figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..compiler import numerics
from ..compiler.errors import Problem
from ..compiler.interpreter import Evaluate, evaluate_node, interpret
from ..compiler.ir import Array, Graph, Node, TensorType
from ..compiler.ops.accumulate import integer_result
from ..compiler.ops.definition import Types
from ..compiler.passes.prove_accumulators import accumulator_bound
from .device import Progress, no_progress
from .oracle import Oracle

# Rows that the interpreter takes at once.
BATCH = 16
# Exponents tried beside a quantizer's own, on either side.
NEIGHBOURS = 4
# What is warned about: per cent of saturated values, bits in use, and decibels to the real values.
SATURATED_PERCENT, FEW_BITS, LOW_SQNR = 1.0, 6, 10.0
# In decibels, what another exponent gains: from here on it is advised where something is amiss, and is amiss itself
# where it is worth a whole bit.
WORTHWHILE_GAIN, LARGE_GAIN = 1.0, 6.0

# Ops whose result lies on the operand's grid: nothing is rounded there.
KEEPING = frozenset({"max_pool", "reshape", "transpose", "slice", "pad", "relu", "clip", "concat", "convert_layout"})
ACCUMULATING = frozenset({"qconv2d", "qfully_connected"})


@dataclass
class LayerAccuracy:
    """The sums over all rows for one value of the integer graph; `tensor` is "" where ONNX has no such tensor.

    `low` and `high` are the ends of its quantizer's range, `errors` the squared errors that quantizing the real
    values by 2^-e alone makes, by e. `bound` is the proven one, 0 for layers without accumulators.
    """

    node: str
    op: str
    tensor: str
    type: TensorType
    low: int
    high: int
    bound: int = 0
    elements: int = 0
    saturated: int = 0
    smallest: int = 0
    largest: int = 0
    accumulator: int = 0
    signal: float = 0.0
    noise: float = 0.0
    errors: dict[int, float] = field(default_factory=dict)

    @property
    def exponent(self) -> int | None:
        """e of the value's grid 2^-e; None for accumulators and reals."""
        return None if self.type.params is None or self.type.dtype == "i32" else self.type.params.exponent

    @property
    def saturated_percent(self) -> float:
        """Of all values, those at an end of the quantizer's range, in per cent."""
        return 100 * self.saturated / self.elements if self.elements else 0.0

    @property
    def bits(self) -> int | None:
        """The bits that the stored values need in two's complement; None for what is not stored in 8."""
        if self.exponent is None:
            return None
        return max((value if value >= 0 else ~value).bit_length() for value in (self.smallest, self.largest)) + 1

    @property
    def sqnr(self) -> float | None:
        """Signal to noise against the real values, in dB; None without a tensor, or where all of them are zero."""
        return decibels(self.signal, self.noise) if self.tensor else None

    @property
    def own_sqnr(self) -> float | None:
        """The same if this quantizer were the only one; None where there is none."""
        return None if self.exponent is None else self.sqnr_by(self.exponent)

    def sqnr_by(self, exponent: int) -> float | None:
        """Signal to noise of the real values quantized by 2^-exponent alone."""
        return decibels(self.signal, self.errors[exponent]) if exponent in self.errors else None

    @property
    def best_exponent(self) -> int | None:
        """The exponent that loses least of the real values; the quantizer's own where others gain nothing."""
        if self.exponent is None or not self.errors:
            return None
        return min(self.errors, key=lambda e: (self.errors[e], abs(e - (self.exponent or 0))))


@dataclass(frozen=True)
class Accuracy:
    """All layers in order; `correct` and `real_correct` count rows whose largest output is the label."""

    rows: int
    layers: Sequence[LayerAccuracy]
    correct: int | None = None
    real_correct: int | None = None


def decibels(signal: float, noise: float) -> float | None:
    """10 log10(signal / noise), infinite without noise; None without signal."""
    if signal <= 0:
        return None
    return math.inf if noise <= 0 else 10 * math.log10(signal / noise)


@dataclass(frozen=True)
class Measured:
    """What is measured: the graph after convert-to-integer, the ONNX tensor of each of its values, that tensor's name
    in the `reference`, and the range (low, high) of each quantizer that the model has, by value."""

    graph: Graph
    tensors: Mapping[str, str]
    reals: Mapping[str, str]
    reference: Oracle
    ranges: Mapping[str, tuple[int, int]]


def measure(
    measured: Measured, inputs: Mapping[str, Array], labels: Array | None = None, progress: Progress = no_progress
) -> Accuracy:
    """Run all rows of `inputs` ([N, ...] for each graph input, in ONNX's dtype) and sum up every layer."""
    layers = listed_layers(measured)
    session = measured.reference.session()
    total = len(next(iter(inputs.values())))
    size = BATCH if keeps_batch(measured.graph) else 1
    hits = [0, 0]
    evaluate = _noting_accumulators(layers)
    for start in range(0, total, size):
        arrays = {name: array[start : start + size] for name, array in inputs.items()}
        count = min(size, total - start)
        rows = [session.run(arrays, row) for row in range(count)]
        reals = {name: np.concatenate([row[name] for row in rows]) for name in session.outputs} | arrays
        values = interpret(measured.graph, arrays, evaluate)
        for name, layer in layers.items():
            _add(layer, values[name], reals.get(measured.reals.get(name, "")))
        if labels is not None:
            first = measured.graph.outputs[0]
            wanted = np.asarray(labels[start : start + count])
            for which, output in enumerate((values[first], reals[measured.reals[first]])):
                hits[which] += int((output.reshape(count, -1).argmax(axis=1) == wanted).sum())
        progress(start + count, total)
    correct, real_correct = hits if labels is not None else (None, None)
    return Accuracy(total, list(layers.values()), correct, real_correct)


def listed_layers(measured: Measured) -> dict[str, LayerAccuracy]:
    """The values that are rounded or accumulated, by name: what only moves or selects is left out."""
    graph, found = measured.graph, {}
    for node in graph:
        if node.op in KEEPING and not (node.name in measured.tensors and _has_no_tensor(measured, node)):
            continue
        if node.op == "dequantize" and graph.type_of(node.operands[0]).dtype != "i32":
            continue
        tensor = measured.tensors.get(node.name, "")
        kind = node.type.dtype if node.type.dtype[0] in "iu" else "i8"
        low, high = measured.ranges.get(node.name, numerics.dtype_range(kind))
        bound = accumulator_bound(graph, node) if node.op in ACCUMULATING else 0
        found[node.name] = LayerAccuracy(node.loc or node.name, node.op, tensor, node.type, low, high, bound)
    return found


def _has_no_tensor(measured: Measured, node: Node) -> bool:
    """True where a value was rounded behind which ONNX has no tensor, as by a quantizer in front of a pool."""
    operand = node.operands[0]
    while operand in measured.graph.nodes and measured.graph.nodes[operand].op in KEEPING:
        if operand in measured.tensors:
            return False
        operand = measured.graph.nodes[operand].operands[0]
    return operand in measured.graph.nodes and operand not in measured.tensors


def keeps_batch(graph: Graph) -> bool:
    """True when axis 0 of every value is the batch, so that many rows can be interpreted at once."""
    moved = any(node.op == "transpose" and node.ints("perm")[0] != 0 for node in graph)
    joined = any(node.op == "concat" and node.int("axis") == 0 for node in graph)
    values = (*graph.inputs, *graph.nodes)
    return not moved and not joined and all(graph.type_of(name).shape[:1] == (1,) for name in values)


def _noting_accumulators(layers: Mapping[str, LayerAccuracy]) -> Evaluate:
    """The meaning of every op; of sums of products, the largest one is noted on the way."""

    def evaluate(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
        if node.op not in ACCUMULATING:
            return evaluate_node(node, types, arrays)
        sums = evaluate_node(node.with_(operands=node.operands[:3]), types[:3], arrays[:3])
        layer = layers[node.name]
        layer.accumulator = max(layer.accumulator, int(np.abs(sums.astype(np.int64)).max(initial=0)))
        # The sums hold the bias already.
        return integer_result(node, [*arrays[:2], np.zeros_like(arrays[2]), *arrays[3:]], sums)

    return evaluate


def _add(layer: LayerAccuracy, stored: Array, real: Array | None) -> None:
    """Count one batch of a layer."""
    first = layer.elements == 0
    layer.elements += stored.size
    if layer.exponent is not None and stored.size:
        low, high = int(stored.min()), int(stored.max())
        layer.smallest = low if first else min(low, layer.smallest)
        layer.largest = high if first else max(high, layer.largest)
        assert layer.type.params is not None
        # An end that denotes 0, as of a quantizer behind a ReLU, clips nothing that the ReLU lets through.
        zero = layer.type.params.zero_point[0]
        layer.saturated += int(((stored <= layer.low) & (layer.low != zero)).sum())
        layer.saturated += int(((stored >= layer.high) & (layer.high != zero)).sum())
    if real is None or real.shape != stored.shape or layer.type.dtype == "i32":
        return
    wide = real.astype(np.float64)
    layer.signal += float(np.square(wide).sum())
    layer.noise += float(np.square(numerics.dequantize(stored, layer.type).astype(np.float64) - wide).sum())
    if layer.exponent is None:
        return
    for e in range(layer.exponent - NEIGHBOURS, layer.exponent + NEIGHBOURS + 1):
        rounded = np.ldexp(np.clip(np.rint(np.ldexp(wide, e)), layer.low, layer.high), -e)
        layer.errors[e] = layer.errors.get(e, 0.0) + float(np.square(rounded - wide).sum())


def accuracy_warnings(accuracy: Accuracy) -> list[Problem]:
    """A warning for each layer where 8 bits lose much, with what would help."""
    return [problem for layer in accuracy.layers for problem in _layer_warnings(layer)]


def _layer_warnings(layer: LayerAccuracy) -> Iterator[Problem]:
    found = []
    own, best = layer.own_sqnr, layer.best_exponent
    possible = None if best is None else layer.sqnr_by(best)
    gain = 0.0 if own is None or possible is None or own == possible else possible - own
    if layer.exponent is not None and layer.saturated_percent >= SATURATED_PERCENT:
        share = f"{layer.saturated_percent:.3g} % of the values"
        found.append(f"{share} lie at {layer.low} or {layer.high}, the ends of the range")
    if layer.bits is not None and layer.bits <= FEW_BITS:
        found.append(f"the values {layer.smallest}..{layer.largest} use {layer.bits} of 8 bits")
    if layer.sqnr is not None and layer.sqnr < LOW_SQNR:
        found.append(f"the SQNR to the model without activation quantizers is {layer.sqnr:.1f} dB")
    if gain >= LARGE_GAIN:
        found.append(f"the scale loses {gain:.1f} dB against another power of two")
    if layer.elements and found:
        advice = "no other scale is better here: look at the layers before, or train for smaller ranges"
        if gain >= WORTHWHILE_GAIN and best is not None and layer.exponent is not None:
            change = f"the scale 2^{-best} instead of 2^{-layer.exponent}"
            advice = f"train with {change}: on this data its own SQNR is {possible:.1f} dB, not {own:.1f} dB"
        yield Problem("; ".join(found), advice, layer.node, layer.op, layer.tensor, warning=True)


def accuracy_json(accuracy: Accuracy) -> dict[str, Any]:
    """The figures as --json shows them; infinite decibels are null."""
    layers = [
        {
            "node": layer.node,
            "op": layer.op,
            "tensor": layer.tensor,
            "exponent": layer.exponent,
            "elements": layer.elements,
            "saturated": layer.saturated,
            "range": None if layer.bits is None else [layer.smallest, layer.largest],
            "bits": layer.bits,
            "accumulator": layer.accumulator if layer.bound else None,
            "acc_bound": layer.bound or None,
            "sqnr_db": _finite(layer.sqnr),
            "own_sqnr_db": _finite(layer.own_sqnr),
            "best_exponent": layer.best_exponent,
        }
        for layer in accuracy.layers
    ]
    result: dict[str, Any] = {"rows": accuracy.rows, "layers": layers}
    if accuracy.correct is not None:
        result |= {"correct": accuracy.correct, "real_correct": accuracy.real_correct}
    return result


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value
