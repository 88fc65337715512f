"""The rows of the kernel table for softmax."""

from __future__ import annotations

import math

import numpy as np

from ..compiler.ir import Array
from ..compiler.plan import Fields, Invocation, KernelDef
from .conditions import SIGNED


def _parameters(call: Invocation) -> Fields:
    shape, axis = call.node.type.shape, call.node.int("axis")
    sizes = {"outer": math.prod(shape[:axis]), "count": shape[axis], "inner": math.prod(shape[axis + 1 :])}
    return {**sizes, **{name: call.node.int(name) for name in ("bits", "qmin", "qmax")}}


def _constants(call: Invocation) -> dict[str, Array | None]:
    return {"table": call.constant(1).astype(np.uint32)}


SOFTMAX_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="softmax_s8_ref",
        op="qsoftmax",
        header="p4c_softmax.h",
        symbol="p4c_softmax_s8_ref",
        record="p4c_softmax",
        parameters=_parameters,
        conditions=(SIGNED,),
        constants=_constants,
    ),
)
