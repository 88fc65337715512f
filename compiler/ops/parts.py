"""Ops that take tensors apart and put them together, and change no element: slice, pad, concat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .. import numerics
from ..ir import Array, Node, TensorType
from ..text import list_text
from .definition import AttrDef, OpDef, OpError, Types, keeps_order, keeps_type_and_order


def _sliced(node: Node, types: Types) -> tuple[int, ...]:
    shape = types[0].shape
    ranges = [node.ints(name) for name in ("starts", "ends", "steps")]
    if any(len(values) != len(shape) for values in ranges):
        raise OpError(f"{len(ranges[0])} starts, {len(ranges[1])} ends, {len(ranges[2])} steps for {len(shape)} axes")
    if any(not start < end <= size for start, end, size in zip(ranges[0], ranges[1], shape, strict=True)):
        raise OpError(f"the slice {list_text(ranges[0])} to {list_text(ranges[1])} of {list_text(shape)}")
    return tuple(-(-(end - start) // step) for start, end, step in zip(*ranges, strict=True))


def _check_slice(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type_and_order(node, types)
    axis = types[0].params.axis if types[0].params is not None else None
    if axis is not None and node.type.shape[axis] != types[0].shape[axis]:
        yield f"the operand has a scale for each index of axis {axis}, expected one scale or that axis kept whole"


def _evaluate_slice(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    ranges = zip(node.ints("starts"), node.ints("ends"), node.ints("steps"), types[0].shape, strict=True)
    # An axis that is kept whole may be a batch of any length.
    slices = [slice(None) if (a, b, s) == (0, size, 1) else slice(a, b, s) for a, b, s, size in ranges]
    return arrays[0][tuple(slices)]


SLICE = OpDef(
    name="slice",
    summary="along each axis the elements from start, every step-th, up to but without end",
    operands=("x",),
    attrs={
        "starts": AttrDef("ints", minimum=0),
        "ends": AttrDef("ints", minimum=1),
        "steps": AttrDef("ints", minimum=1),
    },
    infer=_sliced,
    check=_check_slice,
    evaluate=_evaluate_slice,
)


def _padded(node: Node, types: Types) -> tuple[int, ...]:
    shape, pads = types[0].shape, node.ints("pads")
    if len(pads) != 2 * len(shape):
        raise OpError(f"{len(pads)} pads for {len(shape)} axes, expected two for each")
    return tuple(pads[axis] + size + pads[axis + len(shape)] for axis, size in enumerate(shape))


def stored_fill(node: Node, type_: TensorType) -> float:
    """What a pad writes around an operand of that type: `value` itself for reals, its stored integer otherwise.

    Off the grid, or beyond its ends, that is no integer of the type; the check says so.
    """
    value = float(np.float32(node.attrs["value"]))  # type: ignore[arg-type]
    if type_.params is None or type_.params.axis is not None:
        return value
    return type_.params.step_of(value)


def _check_pad(node: Node, types: Types) -> Iterator[str]:
    yield from keeps_type_and_order(node, types)
    params = types[0].params
    if params is not None and params.axis is not None:
        yield "the operand has per-channel scales, expected one scale for the whole tensor"
    elif params is not None:
        low, high = numerics.dtype_range(types[0].dtype)
        fill = stored_fill(node, types[0])
        if not low <= fill <= high or fill != int(fill):
            yield f"pads with {node.attrs['value']:g}, expected a value that the tensor's own quantizer gives"


def _evaluate_pad(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    rank, pads = len(types[0].shape), node.ints("pads")
    shape = [pads[axis] + size + pads[axis + rank] for axis, size in enumerate(arrays[0].shape)]
    out = np.full(shape, stored_fill(node, types[0]), arrays[0].dtype)
    out[tuple(slice(pads[axis], pads[axis] + size) for axis, size in enumerate(arrays[0].shape))] = arrays[0]
    return out


PAD = OpDef(
    name="pad",
    summary="one value in front of and behind each axis; pads lists all fronts, then all backs",
    operands=("x",),
    attrs={"pads": AttrDef("ints", minimum=0), "value": AttrDef("float", 0.0)},
    infer=_padded,
    check=_check_pad,
    evaluate=_evaluate_pad,
)


def _joined(node: Node, types: Types) -> tuple[int, ...]:
    axis, first = node.int("axis"), types[0].shape
    if axis >= len(first):
        raise OpError(f"axis {axis} for {len(first)} axes")
    rest = {(*type_.shape[:axis], *type_.shape[axis + 1 :]) for type_ in types}
    if len(rest) > 1 or any(len(type_.shape) != len(first) for type_ in types):
        found = ", ".join(list_text(type_.shape) for type_ in types)
        raise OpError(f"operands {found}, expected equal shapes but for axis {axis}")
    return (*first[:axis], sum(type_.shape[axis] for type_ in types), *first[axis + 1 :])


def _check_concat(node: Node, types: Types) -> Iterator[str]:
    for index, type_ in enumerate(types):
        if type_.params is not None and type_.params.axis is not None:
            yield f"operand {index} has per-channel scales, expected one scale for the whole tensor"
        if node.type.dtype == "f32":
            if type_.dtype != "f32" and type_.params is None:
                yield f"operand {index} is {type_.dtype} without quantization parameters, expected f32 or quantized"
        elif (type_.dtype, type_.params) != (node.type.dtype, node.type.params):
            yield f"operand {index} has another dtype or other parameters than the result, expected the same"
        yield from keeps_order(node, [type_])


def _evaluate_concat(node: Node, types: Types, arrays: Sequence[Array]) -> Array:
    if node.type.dtype == "f32":
        arrays = [numerics.dequantize(array, type_) for array, type_ in zip(arrays, types, strict=True)]
    if node.int("axis") > 0:
        # A constant stands for every row of a batch.
        rows = max(len(array) for array in arrays)
        arrays = [np.broadcast_to(array, (rows, *array.shape[1:])) for array in arrays]
    out: Array = np.concatenate(arrays, axis=node.int("axis"))
    return out


CONCAT = OpDef(
    name="concat",
    summary="tensors one behind the other along an axis; all on the result's grid, or as reals",
    operands=("x...",),
    attrs={"axis": AttrDef("int", minimum=0)},
    infer=_joined,
    check=_check_concat,
    evaluate=_evaluate_concat,
)
