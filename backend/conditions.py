"""Conditions that rows of several kernel tables share."""

from __future__ import annotations

from ..compiler.plan import Condition

LANES = 16

BYTES = Condition("the elements are bytes", lambda call: call.operand(0).dtype in ("i8", "u8"))
WORDS = Condition("the elements are words", lambda call: call.operand(0).dtype == "i32")
SIGNED = Condition("the input is int8", lambda call: call.operand(0).dtype == "i8")
ONE_IMAGE = Condition("the batch is 1", lambda call: call.operand(0).shape[0] == 1)
VECTOR_INPUT = Condition(
    "input pixels begin at multiples of 16 bytes",
    lambda call: call.operand(0).channels_last and call.operand(0).pitch % LANES == 0,
)
VECTOR_OUTPUT = Condition(
    "output pixels begin at multiples of 16 bytes",
    lambda call: call.node.type.channels_last and call.node.type.pitch % LANES == 0,
)
VECTOR_PIXELS = Condition(
    "pixels begin at multiples of 16 bytes", lambda call: VECTOR_INPUT.holds(call) and VECTOR_OUTPUT.holds(call)
)
