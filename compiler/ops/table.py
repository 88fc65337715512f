"""table: any function of one 8-bit tensor, by its value for each of the 256 codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node
from ..text import type_text
from .definition import AttrDef, OpDef, Types, keeps_order, same_shape

CODES = 256
BYTE_DTYPES = ("i8", "u8")


def _check(node: Node, types: Types) -> Iterator[str]:
    for name, type_ in (("operand", types[0]), ("result", node.type)):
        if type_.dtype not in BYTE_DTYPES or type_.params is None or type_.params.axis is not None:
            yield f"the {name} is {type_text(type_)}, expected i8 or u8 with one scale"
    axis, shape = node.int("axis"), types[0].shape
    rows = (shape[axis], CODES) if axis < len(shape) else None
    if types[1].dtype != node.type.dtype or types[1].shape not in ((CODES,), rows):
        each = f" or one row for each index of axis {axis}"
        yield f"the table is {type_text(types[1])}, expected {node.type.dtype}[{CODES}]{each}"
    yield from keeps_order(node, types[:1])


def _evaluate(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    x, table = arrays
    codes = x.astype(np.int64) - numerics.dtype_range(types[0].dtype)[0]
    if table.ndim == 1:
        out: Array = table[codes]
        return out
    axis = node.int("axis")
    rows = np.arange(len(table)).reshape([-1 if at == axis else 1 for at in range(x.ndim)])
    by_row: Array = table[rows, codes]
    return by_row


TABLE = OpDef(
    name="table",
    summary="table[x - the smallest code of x's dtype], stored integers to stored integers; a table of rows has one "
    "for each index of the axis",
    operands=("x", "table"),
    attrs={"axis": AttrDef("int", 1, minimum=0)},
    infer=same_shape,
    check=_check,
    evaluate=_evaluate,
)
