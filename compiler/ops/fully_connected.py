"""fully_connected on reals and qfully_connected on integers: every axis but the batch is contracted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Array, Node
from ..text import list_text
from .accumulate import (
    BOUND_ATTRS,
    SHIFT_RANGES,
    centered,
    check_integer,
    check_real,
    integer_result,
    real_result,
)
from .definition import OpDef, OpError, Types
from .shifting import CLAMP_ATTRS


def _shape(node: Node, types: Types) -> tuple[int, ...]:
    x, w = types[0].shape, types[1].shape
    if x[1:] != w[1:] or len(x) < 2:
        raise OpError(f"input {list_text(x)} and weights {list_text(w)}, expected [N,...] and [O,...] of equal axes")
    return (x[0], w[0])


def _accumulators(types: Types, arrays: Sequence[Array]) -> Array:
    x, w = centered(arrays[0], types[0]), centered(arrays[1], types[1])
    out: Array = np.tensordot(x.reshape(len(x), -1), w.reshape(len(w), -1), axes=([1], [1]))
    return out


def _evaluate_real(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return real_result(node, types, arrays, _accumulators(types, arrays))


def _evaluate_integer(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    return integer_result(node, arrays, _accumulators(types, arrays))


FULLY_CONNECTED = OpDef(
    name="fully_connected",
    summary="y[n, o] = sum x[n, ...] * w[o, ...] + bias[o] of reals; a quantized result has its quantizer folded in",
    operands=("x", "w", "bias?"),
    attrs=CLAMP_ATTRS,
    infer=_shape,
    check=check_real,
    evaluate=_evaluate_real,
)

QFULLY_CONNECTED = OpDef(
    name="qfully_connected",
    summary="clamp(((sum (x - zx)(w - zw) + bias) >> shift, rounded) + zy); int32 accumulators without shift",
    operands=("x", "w", "bias", "shift?", "rounding?"),
    attrs={**CLAMP_ATTRS, **BOUND_ATTRS},
    infer=_shape,
    check=check_integer,
    ranges=SHIFT_RANGES,
    evaluate=_evaluate_integer,
)
