"""What convolutions and pools share: kernel, strides, dilations, explicit pads; one axis as an image of height 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...compiler.ir import Attr, QuantParams
from ..context import Context
from ..onnx_model import OnnxNode


@dataclass(frozen=True)
class Window:
    """A 2-D window; pads are top, left, bottom, right, `declared_pads` those that ceil_mode has not widened."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    declared_pads: tuple[int, ...]


def read_window(ctx: Context, node: OnnxNode, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> Window:
    """The window of a Conv or pool over an input with those spatial sizes, one or two."""
    strides, dilations = _each_axis(node, "strides", sizes), _each_axis(node, "dilations", sizes)
    if len(sizes) == 1:
        sizes, kernel = (1, *sizes), (1, *kernel)
    for role, values in (("kernel_shape", kernel), ("strides", strides), ("dilations", dilations)):
        if len(values) != 2 or min(values) < 1:
            ctx.fail(
                node,
                f"has {role} {list(values)}, expected a positive number for each axis",
                "Export a 1-D or 2-D layer.",
            )
    spans = tuple((size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True))
    pads = declared = _pads(ctx, node, sizes, spans, strides)
    if node.attrs.get("ceil_mode", 0):
        pads = _ceil_pads(sizes, spans, strides, pads)
    return Window(kernel, strides, dilations, pads, declared)


def _each_axis(node: OnnxNode, name: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute with one number per spatial axis, 1 by default, for two axes."""
    values = tuple(node.attrs.get(name) or (1,) * len(sizes))
    return (1, *values) if len(sizes) == 1 else values


def _pads(
    ctx: Context, node: OnnxNode, sizes: tuple[int, ...], spans: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[int, ...]:
    mode = node.attrs.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = tuple(node.attrs.get("pads") or (0, 0, 0, 0))
        if len(pads) == 2:
            pads = (0, pads[0], 0, pads[1])
        if len(pads) != 4 or min(pads) < 0:
            ctx.fail(node, f"has pads {list(pads)}, expected four numbers from 0 up", "Crop with a Slice instead.")
        return pads
    if mode == "VALID":
        return (0, 0, 0, 0)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        ctx.fail(
            node, f"has auto_pad {mode}, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER", "Give explicit pads."
        )
    before, after = [], []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        small, large = total // 2, total - total // 2
        before.append(small if mode == "SAME_UPPER" else large)
        after.append(large if mode == "SAME_UPPER" else small)
    return (*before, *after)


def _ceil_pads(
    sizes: tuple[int, ...], spans: tuple[int, ...], strides: tuple[int, ...], pads: tuple[int, ...]
) -> tuple[int, ...]:
    """Pads with which a pool that rounds its size down has as many windows as ceil_mode gives it."""
    ends = []
    for axis in (0, 1):
        padded = sizes[axis] + pads[axis] + pads[axis + 2]
        count = -(-(padded - spans[axis]) // strides[axis]) + 1
        if (count - 1) * strides[axis] >= sizes[axis] + pads[axis]:
            # A window that would begin in the end padding does not count.
            count -= 1
        ends.append(max((count - 1) * strides[axis] + spans[axis] - sizes[axis] - pads[axis], 0))
    return (*pads[:2], *ends)


def check_elements(ctx: Context, node: OnnxNode, window: Window, sizes: tuple[int, ...]) -> None:
    """Every window of a pool over those sizes must have an element: padding alone has no maximum or mean."""
    for size, axis in zip(reversed(sizes), (1, 0), strict=False):
        before, after = window.pads[axis], window.pads[axis + 2]
        kernel, dilation = window.kernel[axis], window.dilations[axis]
        last = size + before + after - (kernel - 1) * dilation - 1
        starts = range(-before, last - before + 1, window.strides[axis])
        if not all(any(0 <= start + tap * dilation < size for tap in range(kernel)) for start in starts):
            what = "has a window that lies on padding alone, expected an element of the input in each"
            ctx.fail(node, what, "Use smaller pads, or a smaller dilation.")


def image_operand(ctx: Context, node: OnnxNode, value: str) -> str:
    """A value [N, C, H, W], or one [N, C, L] as an image of height 1."""
    type_ = ctx.graph.type_of(value)
    if len(type_.shape) == 4:
        return value
    if len(type_.shape) != 3:
        what = f"takes an input of shape {list(type_.shape)}, expected [N, C, H, W] or [N, C, L]"
        ctx.fail(
            node, what, "Reshape it to these axes; layers over three axes of space are not compiled.", node.input(0)
        )
    shape = (*type_.shape[:2], 1, type_.shape[2])
    return ctx.emit_part(
        node, f"{value}.image", "reshape", [value], dtype=type_.dtype, params=type_.params, shape=shape
    )


def emit_on_image(
    ctx: Context,
    node: OnnxNode,
    op: str,
    operands: Sequence[str],
    *,
    dtype: str = "f32",
    params: QuantParams | None = None,
    **attrs: Attr,
) -> None:
    """Emit an op on images for a node whose result may be [N, C, L]."""
    if len(ctx.type_of(node, 0).shape) == 4:
        ctx.emit(node, op, operands, dtype=dtype, params=params, **attrs)
        return
    image = ctx.emit_part(node, f"{node.output}.image", op, operands, dtype=dtype, params=params, **attrs)
    n, c, _, length = ctx.graph.type_of(image).shape
    ctx.emit(node, "reshape", [image], dtype=dtype, params=params, shape=(n, c, length))
