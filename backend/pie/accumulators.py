"""The model's families that work on QACC and XACC: multiply-accumulate, set, read out."""

from __future__ import annotations

import numpy as np

from .op import Families, Op
from .state import XACC_BITS, Lanes, accumulator_of, lane_value


def _vmulas_qacc(op: Op) -> None:
    accumulate(op, op.get("qx") * op.get("qy"))


def _vsmulas_qacc(op: Op) -> None:
    factor = op.get("qy")
    accumulate(op, op.get("qx") * factor[op.operands["sel16"] % len(factor)])


def accumulate(op: Op, products: Lanes) -> None:
    """QACC += products, saturated."""
    accumulators = op.state.accumulators(op.lanes)
    op.state.set_accumulators(op.narrow(accumulators + products, accumulator_of(op.lanes)), op.lanes)


def _vmulas_xacc(op: Op) -> None:
    total = _xacc(op) + int((op.get("qx") * op.get("qy")).sum())
    _set_xacc(op, total)


def _srs(op: Op) -> None:
    shifted = op.shift(np.array([_xacc(op)], object), op.x("rs1") & 63)
    op.set_x("rd", int(op.narrow(shifted)[0]))
    _set_xacc(op, int(shifted[0]))


def _xacc(op: Op) -> int:
    return lane_value(op.state.xacc, f"{op.lanes[0]}{XACC_BITS}")


def _set_xacc(op: Op, value: int) -> None:
    kind = f"{op.lanes[0]}{XACC_BITS}"
    op.state.xacc = int(op.narrow(np.array([value], object), kind)[0]) & ((1 << XACC_BITS) - 1)


def _mov_qacc(op: Op) -> None:
    op.state.set_accumulators(op.get("qu"), op.lanes)


def _srcmb(op: Op) -> None:
    shifted = op.shift(op.state.accumulators(op.lanes), op.x("rs1") & 63)
    op.put("qu", op.narrow(shifted))


def _srcmb_q(op: Op) -> None:
    amounts = np.clip(op.get("qw", "s" + op.lanes[1:]), -63, 63)
    op.put("qu", op.narrow(op.shift(op.state.accumulators(op.lanes), amounts)))


def _zero_qacc(op: Op) -> None:
    op.state.qacc[:] = 0


def _zero_xacc(op: Op) -> None:
    op.state.xacc = 0


ACCUMULATOR_FAMILIES: Families = {
    "vmulas.qacc": _vmulas_qacc,
    "vmulas.xacc": _vmulas_xacc,
    "vsmulas.qacc": _vsmulas_qacc,
    "mov.qacc": _mov_qacc,
    "srcmb": _srcmb,
    "srcmb.q": _srcmb_q,
    "srs": _srs,
    "zero.qacc": _zero_qacc,
    "zero.xacc": _zero_xacc,
}
