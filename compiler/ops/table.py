"""table: any function of one 8-bit tensor, by its value for each of the 256 codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import type_text
from .definition import OpDef, Types, keeps_order, same_shape

CODES = 256
BYTE_DTYPES = ("i8", "u8")


def _check(node: Node, types: Types) -> Iterator[str]:
    for name, type_ in (("operand", types[0]), ("result", node.type)):
        if type_.dtype not in BYTE_DTYPES or type_.params is None or type_.params.axis is not None:
            yield f"the {name} is {type_text(type_)}, expected i8 or u8 with one scale"
    if types[1].dtype != node.type.dtype or types[1].shape != (CODES,):
        yield f"the table is {type_text(types[1])}, expected {node.type.dtype}[{CODES}]"
    yield from keeps_order(node, types[:1])


def _evaluate(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    out: Array = arrays[1][arrays[0].astype(np.int64) - numerics.dtype_range(types[0].dtype)[0]]
    return out


TABLE = OpDef(
    name="table",
    summary="table[x - the smallest code of x's dtype], stored integers to stored integers",
    operands=("x", "table"),
    infer=same_shape,
    check=_check,
    evaluate=_evaluate,
)
