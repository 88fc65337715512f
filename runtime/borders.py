"""Between ONNX arrays and the stored integers at a model's border, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..compiler import numerics
from ..compiler.errors import InputError
from ..compiler.ir import Array, TensorType
from ..compiler.ops.quantization import along
from ..compiler.plan import Border, Plan


def onnx_dtype(border: Border) -> np.dtype[np.generic]:
    """The dtype of the ONNX tensor behind a border."""
    return np.dtype(np.float32 if border.real else border.type.numpy)


def check_inputs(plan: Plan, x: Array | Mapping[str, Array], *, raw: bool = False) -> dict[str, Array]:
    """`x` as one array per ONNX input, each [N, ...] of the right dtype; InputError says what does not fit.

    A single array stands for the only input. N may be anything, but is the same for all. With `raw` the arrays hold
    the stored integers.
    """
    names = [border.name for border in plan.inputs]
    if not isinstance(x, Mapping):
        if len(names) != 1:
            listed = ", ".join(names)
            raise InputError(f"the model has {len(names)} inputs", f"give a dict with the arrays of {listed}")
        x = {names[0]: x}
    if set(x) != set(names):
        found, expected = ", ".join(map(repr, x)) or "none", ", ".join(map(repr, names))
        raise InputError(f"arrays for the inputs {found}, expected {expected}", "name each input of the model once")
    arrays = {border.name: _checked(border, np.asarray(x[border.name]), raw) for border in plan.inputs}
    if len({len(array) for array in arrays.values()}) > 1:
        counts = ", ".join(f"{name!r} {len(array)}" for name, array in arrays.items())
        raise InputError(f"the inputs have different numbers of rows: {counts}", "give as many rows of each")
    return arrays


def _checked(border: Border, array: Array, raw: bool) -> Array:
    shape, dtype = border.type.shape, np.dtype(border.type.numpy) if raw else onnx_dtype(border)
    if array.ndim != len(shape) or array.shape[1:] != shape[1:]:
        expected = ["N", *shape[1:]]
        what = f"input {border.name!r} has shape {list(array.shape)}, expected [{', '.join(map(str, expected))}]"
        raise InputError(what, "reshape the array; the first axis counts rows")
    if array.dtype != dtype:
        what = f"input {border.name!r} is {array.dtype}, expected {dtype}"
        advice = "give the stored integers" if raw else f"convert it first: x.astype(numpy.{dtype})"
        raise InputError(what, advice)
    return array


def stored_inputs(plan: Plan, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The stored integers of each input as the device gets them, ONNX axis order."""
    stored = {}
    for border in plan.inputs:
        array = arrays[border.name]
        stored[border.name] = (
            numerics.quantize(array, border.type, border.qmin, border.qmax) if border.real else array
        )
    return stored


def input_block(plan: Plan, stored: Mapping[str, Array], row: int) -> bytes:
    """The input block of one row: every input at its offset."""
    block = bytearray(plan.input_bytes)
    for border in plan.inputs:
        data = np.ascontiguousarray(stored[border.name][row]).tobytes()
        offset = plan.buffers[border.value].offset
        block[offset : offset + len(data)] = data
    return bytes(block)


def output_arrays(plan: Plan, block: bytes) -> dict[str, Array]:
    """The stored integers of each output from an output block, [1, ...] in ONNX axis order."""
    offsets = {border.name: plan.buffers[border.value].offset for border in plan.outputs}
    return {border.name: from_bytes(border.type, block[offsets[border.name] :]) for border in plan.outputs}


def from_bytes(type_: TensorType, data: bytes) -> Array:
    """The tensor of a type that `data` begins with, in logical axis order."""
    count = type_.bytes // np.dtype(type_.numpy).itemsize
    array = np.frombuffer(data, np.dtype(type_.numpy).newbyteorder("<"), count)
    if type_.channels_last:
        n, c, h, w = type_.shape
        return array.reshape(n, h, w, type_.pitch)[..., :c].transpose(0, 3, 1, 2)
    return array.reshape(type_.shape)


def dequantized(border: Border, stored: Array) -> Array:
    """What ONNX gives for the stored integers of an output: reals, or the integers themselves."""
    if not border.real:
        return stored
    reals = numerics.dequantize(stored, border.type)
    if border.bias is not None:
        reals = reals + along(border.bias, border.bias_axis, reals.ndim)
    return reals.astype(np.float32)


def joined(rows: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Rows put together along the first axis, output by output."""
    return {name: np.concatenate([row[name] for row in rows]) for name in (rows[0] if rows else {})}
