"""Concat -> concat; Slice and Split -> slice; Pad -> pad."""

from __future__ import annotations

from collections.abc import Sequence

from ...compiler.numerics import dtype_range
from ..context import Context
from ..onnx_model import OnnxNode
from .definition import Importer


def import_concat(ctx: Context, node: OnnxNode) -> None:
    """Tensors on one grid stay on it; others are joined as reals and need a quantizer behind."""
    operands = [ctx.operand(node, index) for index in range(len(node.inputs))]
    types = [ctx.graph.type_of(operand) for operand in operands]
    axis = int(node.attrs["axis"]) % max(len(types[0].shape), 1)
    same = all((type_.dtype, type_.params) == (types[0].dtype, types[0].params) for type_ in types)
    dtype, params = (types[0].dtype, types[0].params) if same else ("f32", None)
    ctx.emit(node, "concat", operands, dtype=dtype, params=params, axis=axis)


def import_slice(ctx: Context, node: OnnxNode) -> None:
    """Constant bounds, from the end where they are negative; steps go forward."""
    shape = ctx.type_of(node, 0).shape
    starts, ends = ctx.ints(node, 1, "starts"), ctx.ints(node, 2, "ends")
    axes = ctx.ints(node, 3, "axes") if node.input(3) else tuple(range(len(starts)))
    steps = ctx.ints(node, 4, "steps") if node.input(4) else (1,) * len(starts)
    if min(steps, default=1) < 1:
        ctx.fail(node, f"has steps {list(steps)}, expected 1 or more", "Slices cannot go backward.", node.input(4))
    first, last, every = [0] * len(shape), list(shape), [1] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis]
        first[axis] = min(max(start + size if start < 0 else start, 0), size)
        last[axis] = min(max(end + size if end < 0 else end, 0), size)
        every[axis] = step
    _emit_slice(ctx, node, first, last, every)


def import_split(ctx: Context, node: OnnxNode) -> None:
    """One slice for each output: sizes as given, or equal ones with a smaller last."""
    shape = ctx.type_of(node, 0).shape
    axis = int(node.attrs.get("axis", 0)) % max(len(shape), 1)
    each = -(-shape[axis] // len(node.outputs))
    sizes = ctx.ints(node, 1, "sizes") if node.input(1) else (each,) * len(node.outputs)
    start = 0
    for output, size in zip(node.outputs, sizes, strict=True):
        first, last = [0] * len(shape), list(shape)
        first[axis], last[axis] = start, min(start + size, shape[axis])
        _emit_slice(ctx, node.with_(outputs=(output,)), first, last, [1] * len(shape))
        start += size


def _emit_slice(
    ctx: Context, node: OnnxNode, starts: Sequence[int], ends: Sequence[int], steps: Sequence[int]
) -> None:
    ctx.emit_same_grid(node, "slice", starts=tuple(starts), ends=tuple(ends), steps=tuple(steps))


def import_pad(ctx: Context, node: OnnxNode) -> None:
    """One constant around a tensor; on a quantized tensor it must lie on the tensor's grid."""
    if node.attrs.get("mode", "constant") != "constant":
        ctx.fail(node, f"has mode {node.attrs['mode']}, expected constant", "Pad with a constant.")
    value = ctx.scalar(node, 2, "value") if node.input(2) else 0.0
    rank = len(ctx.type_of(node, 0).shape)
    given = ctx.ints(node, 1, "pads")
    axes = [axis % rank for axis in ctx.ints(node, 3, "axes")] if node.input(3) else list(range(rank))
    if len(given) != 2 * len(axes):
        what = f"has {len(given)} pads for {len(axes)} axes, expected two for each"
        ctx.fail(node, what, "Give the pads in front of all axes, then those behind.", node.input(1))
    pads = [0] * (2 * rank)
    for at, axis in enumerate(axes):
        pads[axis], pads[axis + rank] = given[at], given[at + len(axes)]
    if min(pads) < 0:
        ctx.fail(node, f"has pads {list(given)}, expected numbers from 0 up", "Crop with a Slice instead.")
    _check_fill(ctx, node, value)
    ctx.emit_same_grid(node, "pad", pads=tuple(pads), value=value)


def _check_fill(ctx: Context, node: OnnxNode, value: float) -> None:
    """The value must be one that the tensor's quantizer gives."""
    type_ = ctx.type_of(node, 0)
    params = type_.params
    if params is None or params.axis is not None:
        return
    low, high = dtype_range(type_.dtype)
    fill = params.step_of(value)
    if not low <= fill <= high or fill != int(fill):
        ends = [(end - params.zero_point[0]) * params.scale[0] for end in (low, high)]
        what = f"pads with {value:g}, expected a multiple of {params.scale[0]:g} from {ends[0]:g} to {ends[1]:g}"
        ctx.fail(node, what, "Pad with a value that the tensor's own quantizer gives.", node.input(2))


CONCAT = Importer("Concat", import_concat, "tensors on one grid, or a quantizer behind; any axis", ("concat",))
SLICE = Importer("Slice", import_slice, "constant bounds, steps of 1 or more", ("slice",))
SPLIT = Importer("Split", import_split, "any axis and sizes", ("slice",))
PAD = Importer("Pad", import_pad, "one constant value on the tensor's grid, pads of 0 or more", ("pad",))
