"""The model's families that move data: shifts by bytes, zips, extension, single lanes, special registers."""

from __future__ import annotations

import numpy as np

from .op import Families, Op
from .state import XACC_BITS, Lanes, bits_of, lane_value


def spliced(op: Op) -> Lanes:
    """Bytes SAR_BYTE to SAR_BYTE + 15 of the 32 bytes that start with qw and end with qy."""
    both = np.concatenate([op.get("qw", "u8"), op.get("qy", "u8")])
    return both[op.state.sar_byte :][:16]


def _src_q(op: Op) -> None:
    # The forms with a load give the result to the low register, as qz is not among their operands.
    op.put("qz" if "qz" in op.operands else "qw", spliced(op), "u8")


def _src_q_qup(op: Op) -> None:
    result, high = spliced(op), op.get("qy", "u8")
    op.put("qw", high, "u8")
    op.put("qz", result, "u8")


def _shift_pair(op: Op) -> None:
    """slci, srci, slcxxp, srcxxp: the 256 bits with qw below qy move by 1 to 16 bytes; zeros come in."""
    by_register = op.row.family.endswith("xxp")
    count = (op.x("rs1") & 15 if by_register else op.operands["sel16"]) + 1
    both, zeros = np.concatenate([op.get("qw", "u8"), op.get("qy", "u8")]), np.zeros(count, object)
    left = op.row.family.startswith("sl")
    moved = np.concatenate([zeros, both[:-count]] if left else [both[count:], zeros])
    op.put("qw", moved[:16], "u8")
    op.put("qy", moved[16:], "u8")
    if by_register:
        op.set_x("rs1", op.x("rs1") + op.x("rs2"))


def _vzip(op: Op) -> None:
    _interleave(op, ["qx", "qy"])


def _vzipt(op: Op) -> None:
    _interleave(op, ["qx", "qy", "qw"])


def _vunzip(op: Op) -> None:
    _deinterleave(op, ["qx", "qy"])


def _vunzipt(op: Op) -> None:
    _deinterleave(op, ["qx", "qy", "qw"])


def _interleave(op: Op, names: list[str]) -> None:
    mixed = np.stack([op.get(name) for name in names], axis=1).ravel()
    for name, part in zip(names, np.split(mixed, len(names)), strict=True):
        op.put(name, part)


def _deinterleave(op: Op, names: list[str]) -> None:
    mixed = np.concatenate([op.get(name) for name in names])
    for first, name in enumerate(names):
        op.put(name, mixed[first :: len(names)])


def _vext(op: Op) -> None:
    op.put_wide(op.get("qw"))


def _movi_a(op: Op) -> None:
    op.set_x("rd", int(op.get("qy")[_lane(op)]))


def _movi_q(op: Op) -> None:
    values = op.get("qy")
    values[_lane(op)] = op.x("rs1")
    op.put("qy", values)


def _lane(op: Op) -> int:
    select = op.operands.get("sel16", op.operands.get("sel4", 0))
    return select % (128 // bits_of(op.lanes))


def _movx_read(op: Op) -> None:
    state = op.state
    signed = lane_value(state.xacc, f"s{XACC_BITS}")
    name = op.row.family.removeprefix("movx.r.")
    plain = {"sar": state.sar, "sar.bytes": state.sar_byte, "fft.bit.width": state.fft_bit_width}
    plain |= {"xacc.l": signed, "xacc.h": signed >> 32}
    op.set_x("rd", state.read_cfg() if name == "cfg" else plain[name])


def _movx_write(op: Op) -> None:
    state, value = op.state, op.x("rs1")
    match op.row.family.removeprefix("movx.w."):
        case "cfg":
            state.write_cfg(value)
        case "sar":
            state.sar = value & 63
        case "sar.bytes":
            state.sar_byte = value & 15
        case "fft.bit.width":
            state.fft_bit_width = value & 15
        case "xacc.l":
            state.xacc = (state.xacc >> 32 << 32) | value
        case "xacc.h":
            state.xacc = (state.xacc & 0xFFFFFFFF) | (value & 0xFF) << 32


def _zero_q(op: Op) -> None:
    op.state.q[op.operands["qz"]] = 0


_REGISTERS = ("cfg", "sar", "sar.bytes", "fft.bit.width", "xacc.l", "xacc.h")

MOVE_FAMILIES: Families = {
    "src.q": _src_q,
    "src.q.qup": _src_q_qup,
    "slci": _shift_pair,
    "srci": _shift_pair,
    "slcxxp": _shift_pair,
    "srcxxp": _shift_pair,
    "vzip": _vzip,
    "vzipt": _vzipt,
    "vunzip": _vunzip,
    "vunzipt": _vunzipt,
    "vext": _vext,
    "movi.a": _movi_a,
    "movi.q": _movi_q,
    "zero.q": _zero_q,
    **{f"movx.r.{name}": _movx_read for name in _REGISTERS},
    **{f"movx.w.{name}": _movx_write for name in _REGISTERS},
}
