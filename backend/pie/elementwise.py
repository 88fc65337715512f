"""The model's families that compute lane by lane, and PIE's scalar arithmetic."""

from __future__ import annotations

import numpy as np

from .op import Families, Op
from .state import Lanes, bits_of, lane_value


def _vadd(op: Op) -> None:
    op.put("qv", op.narrow(op.get("qx") + op.get("qy")))


def _vsub(op: Op) -> None:
    op.put("qv", op.narrow(op.get("qx") - op.get("qy")))


def _vsadds(op: Op) -> None:
    op.put("qv", op.narrow(op.get("qx") + lane_value(op.x("rs1"), op.lanes)))


def _vssubs(op: Op) -> None:
    op.put("qv", op.narrow(op.get("qx") - lane_value(op.x("rs1"), op.lanes)))


def _vmul(op: Op) -> None:
    op.put("qz", op.narrow(op.shift(op.get("qx") * op.get("qy"), op.state.sar)))


def _vmul_wide(op: Op) -> None:
    products = op.shift(op.get("qx") * op.get("qy"), op.state.sar)
    op.put_wide(products)


def _vmax(op: Op) -> None:
    op.put("qz", np.maximum(op.get("qx"), op.get("qy")))


def _vmin(op: Op) -> None:
    op.put("qz", np.minimum(op.get("qx"), op.get("qy")))


def _max_a(op: Op) -> None:
    op.set_x("rd", int(op.get("qw").max()))


def _min_a(op: Op) -> None:
    op.set_x("rd", int(op.get("qw").min()))


def _vcmp(op: Op) -> None:
    x, y = op.get("qx"), op.get("qy")
    true = {"eq": x == y, "lt": x < y, "gt": x > y}[op.row.family.removeprefix("vcmp.")]
    op.put("qz", -true.astype(object))


def _vabs(op: Op) -> None:
    op.put("qv", op.narrow(abs(op.get("qy"))))


def _vrelu(op: Op) -> None:
    _leak(op, "qy", op.get("qy"), lane_value(op.x("rs2"), op.lanes))


def _vprelu(op: Op) -> None:
    _leak(op, "qz", op.get("qy"), op.get("qx"))


def _leak(op: Op, result: str, x: Lanes, alpha: int | Lanes) -> None:
    scaled = op.shift(np.where(x > 0, 0, x) * alpha, op.x("rs1") & 63)
    op.put(result, op.narrow(np.where(x > 0, x, scaled)))


def _vsat(op: Op) -> None:
    bounds = [lane_value(op.x(name), op.lanes) for name in ("rs1", "rs2")]
    op.put("qz", np.clip(op.get("qx"), min(bounds), max(bounds)))


def _vclamp(op: Op) -> None:
    limit = 1 << op.operands["sel16"]
    op.put("qz", np.clip(op.get("qx"), -limit, limit - 1))


def _logic(op: Op) -> None:
    x = op.get("qx", "u8")
    if op.row.family == "notq":
        op.put("qz", ~x, "u8")
        return
    y = op.get("qy", "u8")
    op.put("qz", {"andq": x & y, "orq": x | y, "xorq": x ^ y}[op.row.family], "u8")


def _vsl(op: Op) -> None:
    op.put("qu", op.narrow(op.get("qy") << (op.state.sar & 31)))


def _vsr(op: Op) -> None:
    op.put("qu", op.shift(op.get("qy"), op.state.sar & 31))


def _shift_lanes(op: Op) -> None:
    """vsld and vsrd: signed amounts from the low bits of each lane of qw, which reach from one end to the other."""
    field = {8: "s4", 16: "s5", 32: "s6"}[bits_of(op.lanes)]
    amounts = np.array([lane_value(value, field) for value in op.get("qw")], object)
    right = amounts if op.row.family == "vsrd" else -amounts
    op.put("qu", op.narrow(op.shift(op.get("qy"), right)))


def _scaled_add(op: Op) -> None:
    name = op.row.family
    scaled = op.x("xs2") << {"2": 1, "4": 2}[name[-1]]
    op.set_x("xd", op.x("xs1") - scaled if name.startswith("sub") else op.x("xs1") + scaled)


def _sat(op: Op) -> None:
    bounds = [lane_value(op.x(name), "s32") for name in ("xs0", "xs1")]
    op.set_x("xd", min(max(lane_value(op.x("xd"), "s32"), min(bounds)), max(bounds)))


ELEMENTWISE_FAMILIES: Families = {
    "vadd": _vadd,
    "vsub": _vsub,
    "vsadds": _vsadds,
    "vssubs": _vssubs,
    "vmul": _vmul,
    "vmul.wide": _vmul_wide,
    "vmax": _vmax,
    "vmin": _vmin,
    "max.a": _max_a,
    "min.a": _min_a,
    "vcmp.eq": _vcmp,
    "vcmp.lt": _vcmp,
    "vcmp.gt": _vcmp,
    "vabs": _vabs,
    "vrelu": _vrelu,
    "vprelu": _vprelu,
    "vsat": _vsat,
    "vclamp": _vclamp,
    "andq": _logic,
    "orq": _logic,
    "xorq": _logic,
    "notq": _logic,
    "vsl": _vsl,
    "vsr": _vsr,
    "vsld": _shift_lanes,
    "vsrd": _shift_lanes,
    "addx2": _scaled_add,
    "addx4": _scaled_add,
    "subx2": _scaled_add,
    "subx4": _scaled_add,
    "sat": _sat,
}
