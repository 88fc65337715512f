"""Where float32 itself, and so onnxruntime, may differ from the exact result that p4c computes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .errors import Problem
from .ir import Array, Graph, Node
from .numerics import EXACT_ACCUMULATOR

# onnxruntime's Gemm adds the bias to the sum of its first products, this many, and rounds again for each further
# block (measured: exact up to 256 products, not beyond). Its Conv adds the bias last.
GEMM_BLOCK = 256

# A warning names so many channels; the IR and report.json have all of them.
CHANNELS_SHOWN = 8


def tie_channels(units: Array, magnitude: Array, shift: Array, roundings: int) -> tuple[int, ...]:
    """Channels in which float32 may round acc + bias onto a tie that the exact value is not.

    `units` is the bias in accumulator units, `magnitude` a bound on |acc + bias|, both float64 [O]; `roundings` is
    how often float32 rounds on the way. Ties lie at integers, and a float32 of that magnitude is off by at most half
    a unit in its last place, 2^(floor(log2 magnitude) - 24), for each rounding.
    """
    distance = np.abs(units - np.rint(units))
    _, exponent = np.frexp(np.maximum(magnitude, 1.0))
    error = roundings * np.ldexp(1.0, exponent - 25)
    risky = (distance > 0) & (distance <= error) & (shift >= 1)
    return tuple(np.flatnonzero(risky).tolist())


def doubts(graph: Graph) -> list[Problem]:
    """Warnings for an integer graph: layers whose onnxruntime result may not be the exact one."""
    return [problem for node in graph for problem in _node_doubts(graph, node)]


def _node_doubts(graph: Graph, node: Node) -> Iterator[Problem]:
    place = (node.loc or node.name, node.op, node.name)
    bound = node.attrs.get("acc_bound", 0)
    if isinstance(bound, int) and bound >= EXACT_ACCUMULATOR:
        what = f"accumulators may reach {bound:,}, and float32 is exact below 2^24 only"
        yield Problem(what, "Expect onnxruntime to differ; p4c computes the exact value.", *place, warning=True)
    ties = node.ints("float32_ties") if "float32_ties" in node.attrs else ()
    if ties:
        shown = ", ".join(map(str, ties[:CHANNELS_SHOWN]))
        more = f" and {len(ties) - CHANNELS_SHOWN} more" if len(ties) > CHANNELS_SHOWN else ""
        where = f"in channel {shown}{more} float32 may round the float bias onto a tie"
        what = f"{where}, where onnxruntime is off by one step"
        advice = "Store int32 biases with scale sx * sw to make every row identical; p4c computes the exact value."
        yield Problem(what, advice, *place, warning=True)
    if node.op == "dequantize" and len(node.operands) > 1:
        source = graph.nodes[node.operands[0]]
        while source.op in ("reshape", "transpose"):
            source = graph.nodes[source.operands[0]]
        products = math.prod(graph.type_of(source.operands[0]).shape[1:])
        if source.op == "qfully_connected" and products > GEMM_BLOCK:
            what = f"the float bias of {products} products is no multiple of the accumulators' unit"
            advice = "Expect onnxruntime's last bits to differ: it adds the bias to a partial sum and rounds again."
            yield Problem(what, advice, *place, warning=True)
