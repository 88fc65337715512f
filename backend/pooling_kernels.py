"""The rows of the kernel table that pool."""

from __future__ import annotations

from ..compiler.ops.pooling import window_counts
from ..compiler.plan import Condition, Fields, Invocation, KernelDef
from .conditions import ONE_IMAGE, SIGNED, VECTOR_PIXELS
from .overlays import windows


def _window(call: Invocation) -> Fields:
    x, y, node = call.operand(0).shape, call.node.type.shape, call.node
    kernel, strides, pads = node.ints("kernel"), node.ints("strides"), node.ints("pads")
    return {
        **{"in_h": x[2], "in_w": x[3], "channels": x[1], "out_h": y[2], "out_w": y[3]},
        **{"in_x": call.operand(0).pitch, "in_y": x[3] * call.operand(0).pitch, "out_x": node.type.pitch},
        **{"kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": strides[0], "stride_w": strides[1]},
        **{"pad_top": pads[0], "pad_left": pads[1]},
    }


def _max_parameters(call: Invocation) -> Fields:
    dilations = call.node.ints("dilations")
    return {"window": _window(call), "dilation_h": dilations[0], "dilation_w": dilations[1]}


def _average_parameters(call: Invocation) -> Fields:
    counted = {f"[{side}]": pad for side, pad in enumerate(call.node.ints("counted_pads"))}
    return {
        "window": _window(call),
        "counted": counted,
        **{name: call.node.int(name) for name in ("shift", "qmin", "qmax")},
    }


def _fits_words(call: Invocation) -> bool:
    shift, count = call.node.int("shift"), int(window_counts(call.node, call.operand(0).shape).max())
    return count << max(shift, 0) < 1 << 30 and (128 * count) << max(-shift, 0) < 1 << 30


UNDILATED = Condition("there is no dilation", lambda call: call.node.ints("dilations") == (1, 1))
NARROW_SUMS = Condition("sums and counts, shifted, are below 2^30", _fits_words)

POOLING_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="max_pool_s8",
        op="max_pool",
        header="p4c_pool.h",
        symbol="p4c_max_pool_s8",
        record="p4c_max_pool",
        parameters=_max_parameters,
        overlays=windows,
        conditions=(SIGNED, ONE_IMAGE, VECTOR_PIXELS, UNDILATED),
        pie=True,
    ),
    KernelDef(
        name="max_pool_s8_ref",
        op="max_pool",
        header="p4c_pool.h",
        symbol="p4c_max_pool_s8_ref",
        record="p4c_max_pool",
        parameters=_max_parameters,
        overlays=windows,
        conditions=(SIGNED, ONE_IMAGE),
    ),
    KernelDef(
        name="average_pool_s8",
        op="qaverage_pool",
        header="p4c_pool.h",
        symbol="p4c_average_pool_s8",
        record="p4c_average_pool",
        parameters=_average_parameters,
        overlays=windows,
        conditions=(SIGNED, ONE_IMAGE, VECTOR_PIXELS, NARROW_SUMS),
        pie=True,
    ),
    KernelDef(
        name="average_pool_s8_ref",
        op="qaverage_pool",
        header="p4c_pool.h",
        symbol="p4c_average_pool_s8_ref",
        record="p4c_average_pool",
        parameters=_average_parameters,
        overlays=windows,
        conditions=(SIGNED, ONE_IMAGE, NARROW_SUMS),
    ),
)
