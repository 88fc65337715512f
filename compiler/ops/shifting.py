"""What ops share that end in a quantizer: the clamp, and on integers one shift, rounded half to even."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import type_text
from .definition import AttrDef, Types

QUANTIZED_DTYPES = ("i8", "u8", "i16")

# 31 bits cover every shift of an int32.
MAX_SHIFT = 31

CLAMP_ATTRS = {"qmin": AttrDef("int", -128), "qmax": AttrDef("int", 127)}
SHIFT_ATTRS = {"shift": AttrDef("int", 0)}


def check_quantized(node: Node) -> Iterator[str]:
    """Faults of a result that a quantizer gives: its type, and the attributes qmin and qmax against it."""
    if node.type.params is None or node.type.dtype not in QUANTIZED_DTYPES:
        yield f"the result is {type_text(node.type)}, expected quantized {', '.join(QUANTIZED_DTYPES)}"
        return
    low, high = numerics.dtype_range(node.type.dtype)
    if not low <= node.int("qmin") <= node.int("qmax") <= high:
        yield f"qmin..qmax is {node.int('qmin')}..{node.int('qmax')}, expected a range within {low}..{high}"


def check_shift(node: Node, types: Types) -> Iterator[str]:
    """Faults of an integer op with one shift: symmetric stored operands, the result, and the shift itself."""
    for name, type_ in zip("xy", types, strict=False):
        if type_.dtype not in QUANTIZED_DTYPES or type_.params is None or not type_.params.symmetric:
            yield f"the operand {name} is {type_text(type_)}, expected quantized integers with zero point 0"
    yield from check_quantized(node)
    for type_ in (*types, node.type):
        if type_.params is not None and type_.params.axis is not None:
            yield "a type has per-channel scales, expected one scale for the whole tensor"
    if abs(node.int("shift")) > MAX_SHIFT:
        yield f"the shift is {node.int('shift')}, expected -{MAX_SHIFT}..{MAX_SHIFT}"


def shifted(node: Node, accumulators: Array) -> Array:
    """int64 accumulators * 2^-shift, rounded half to even and clamped."""
    shift, rounding = np.array(node.int("shift")), np.array(numerics.HALF_EVEN)
    rounded = numerics.shift_round(accumulators, shift, rounding)
    out: Array = np.clip(rounded, node.int("qmin"), node.int("qmax")).astype(node.type.numpy)
    return out
