"""The model's complex products: cmul into a vector register, vcmulas into one half of QACC."""

from __future__ import annotations

import numpy as np

from .accumulators import accumulate
from .op import Families, Op
from .state import Lanes, bits_of


def _vcmulas(op: Op) -> None:
    """Complex products of one half of the lanes into the same half of QACC."""
    products = np.zeros(128 // bits_of(op.lanes), object)
    half = _half(op, op.row.family.endswith("h"))
    products[half] = _complex(op.get("qx")[half], op.get("qy")[half], conjugate=False)
    accumulate(op, products)


def _cmul(op: Op) -> None:
    """Complex products of one half of the lanes; the other half of the result is kept."""
    half = _half(op, bool(op.operands["sel4"] & 1))
    products = _complex(op.get("qx")[half], op.get("qy")[half], conjugate=bool(op.operands["sel4"] & 2))
    result = op.get("qz")
    result[half] = op.narrow(op.shift(products, op.state.sar))
    op.put("qz", result)


def _half(op: Op, high: bool) -> slice:
    count = 64 // bits_of(op.lanes)
    return slice(count, 2 * count) if high else slice(0, count)


def _complex(x: Lanes, y: Lanes, conjugate: bool) -> Lanes:
    """x * y, or conj(x) * y, over (real, imaginary) pairs."""
    sign = -1 if conjugate else 1
    (a, b), (c, d) = (x[0::2], sign * x[1::2]), (y[0::2], y[1::2])
    return np.stack([a * c - b * d, a * d + b * c], axis=1).ravel()


COMPLEX_FAMILIES: Families = {"cmul": _cmul, "vcmulas.qacc.l": _vcmulas, "vcmulas.qacc.h": _vcmulas}
