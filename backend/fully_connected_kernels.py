"""The rows of the kernel table for fully connected layers."""

from __future__ import annotations

import numpy as np

from ..compiler.ir import Array
from ..compiler.plan import Fields, Invocation, KernelDef
from .channels import NARROW_ACCUMULATOR, VECTOR_SHIFTS, blocks, channel_constants, requantize
from .conditions import LANES, ONE_IMAGE, SIGNED


def _fully_connected_parameters(call: Invocation) -> Fields:
    return {
        "inputs": _flat_inputs(call),
        "outputs": call.operand(1).shape[0],
        "requantize": requantize(call),
    }


def _flat_inputs(call: Invocation) -> int:
    """Bytes of the flattened input as it lies in memory, padding included, up to whole vectors."""
    return -(-call.operand(0).bytes // LANES) * LANES


def _fully_connected_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [O/16][K][16], K in the physical order of the input, with zeros where that is padding."""
    weights, x = call.constant(1), call.operand(0)
    if x.channels_last and weights.ndim == 4:
        padding = ((0, 0), (0, x.pitch - x.shape[1]), (0, 0), (0, 0))
        weights = np.pad(weights, padding).transpose(0, 2, 3, 1)
    flat = weights.reshape(len(weights), -1)
    flat = np.pad(flat, ((0, 0), (0, _flat_inputs(call) - flat.shape[1])))
    packed = blocks(flat).transpose(0, 2, 1)
    return {"weights": np.ascontiguousarray(packed), **channel_constants(call)}


FULLY_CONNECTED_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="fully_connected_s8",
        op="qfully_connected",
        header="p4c_fully_connected.h",
        symbol="p4c_fully_connected_s8",
        record="p4c_fully_connected",
        parameters=_fully_connected_parameters,
        conditions=(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, VECTOR_SHIFTS),
        constants=_fully_connected_constants,
        pie=True,
    ),
    KernelDef(
        name="fully_connected_s8_ref",
        op="qfully_connected",
        header="p4c_fully_connected.h",
        symbol="p4c_fully_connected_s8_ref",
        record="p4c_fully_connected",
        parameters=_fully_connected_parameters,
        conditions=(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR),
        constants=_fully_connected_constants,
    ),
)
