"""What layers with output channels share: blocks of 16 channels, their constants, their conditions."""

from __future__ import annotations

import numpy as np

from ..compiler.ir import Array
from ..compiler.plan import Condition, Fields, Invocation
from .conditions import LANES


def blocks(array: Array) -> Array:
    """[O, ...] zero-padded to a multiple of 16 channels: [O/16, 16, ...]."""
    missing = -len(array) % LANES
    padded = np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
    return padded.reshape(-1, LANES, *array.shape[1:])


def uniform(values: Array) -> bool:
    """True when all channels have one value."""
    return bool((values == values[0]).all())


def requantize(call: Invocation) -> Fields:
    """struct p4c_requantize of an integer layer."""
    if len(call.node.operands) == 3:
        return {"raw": 1}
    shift, rounding = call.constant(3), call.constant(4)
    return {
        **({"shift": int(shift[0])} if uniform(shift) else {"per_channel": 1}),
        **({"rounding": int(rounding[0])} if uniform(rounding) else {"mixed": 1}),
        "qmin": call.node.int("qmin"),
        "qmax": call.node.int("qmax"),
    }


def channel_constants(call: Invocation) -> dict[str, Array | None]:
    """bias, and the shifts and roundings where the channels differ, each padded to whole blocks."""
    packed: dict[str, Array | None] = {"bias": blocks(call.constant(2)).ravel(), "shifts": None, "roundings": None}
    if len(call.node.operands) > 3:
        for name, index in (("shifts", 3), ("roundings", 4)):
            values = call.constant(index)
            packed[name] = None if uniform(values) else blocks(values).ravel()
    return packed


NARROW_ACCUMULATOR = Condition("|acc| < 2^30 is proven", lambda call: call.node.int("acc_bound") < 1 << 30)
QUANTIZED = Condition("the result is quantized", lambda call: len(call.node.operands) == 5)
ALIKE_ROUNDING = Condition(
    "all channels round alike", lambda call: len(call.node.operands) < 5 or uniform(call.constant(4))
)
VECTOR_SHIFTS = Condition(
    "shifts are 0 to 31",
    lambda call: len(call.node.operands) < 5 or bool(((call.constant(3) >= 0) & (call.constant(3) < 32)).all()),
)
ALIKE_SHIFTS = Condition(
    "all channels shift alike", lambda call: len(call.node.operands) < 5 or uniform(call.constant(3))
)
