"""The kernel table: which C function computes which op, when, and from what constants."""

from __future__ import annotations

import math

import numpy as np

from ..compiler.ir import Array, TensorType
from ..compiler.ops.convolution import conv_shape
from ..compiler.plan import Condition, Fields, Invocation, KernelDef
from .conditions import BYTES, FOUR_AXES, LANES, ONE_IMAGE, SIGNED, VECTOR_PIXELS, WORDS
from .elementwise_kernels import ELEMENTWISE_KERNELS
from .parts_kernels import PARTS_KERNELS
from .pooling_kernels import POOLING_KERNELS
from .softmax_kernels import SOFTMAX_KERNELS


def _blocks(array: Array) -> Array:
    """[O, ...] zero-padded to a multiple of 16 channels: [O/16, 16, ...]."""
    missing = -len(array) % LANES
    padded = np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
    return padded.reshape(-1, LANES, *array.shape[1:])


def _uniform(values: Array) -> bool:
    return bool((values == values[0]).all())


def _requantize(call: Invocation) -> Fields:
    """struct p4c_requantize of an integer layer."""
    if len(call.node.operands) == 3:
        return {"raw": 1}
    shift, rounding = call.constant(3), call.constant(4)
    return {
        **({"shift": int(shift[0])} if _uniform(shift) else {"per_channel": 1}),
        "rounding": int(rounding[0]) if _uniform(rounding) else 0,
        "qmin": call.node.int("qmin"),
        "qmax": call.node.int("qmax"),
    }


def _channel_constants(call: Invocation) -> dict[str, Array | None]:
    """bias, and the shifts and roundings where the channels differ, each padded to whole blocks."""
    packed: dict[str, Array | None] = {"bias": _blocks(call.constant(2)).ravel(), "shifts": None, "roundings": None}
    if len(call.node.operands) > 3:
        for name, index in (("shifts", 3), ("roundings", 4)):
            values = call.constant(index)
            packed[name] = None if _uniform(values) else _blocks(values).ravel()
    return packed


def _conv2d_parameters(call: Invocation) -> Fields:
    node = call.node
    w = call.operand(1).shape
    out = conv_shape(node, [call.operand(0), call.operand(1)])
    strides, pads, dilations = node.ints("strides"), node.ints("pads"), node.ints("dilations")
    kernel, pool = node.ints("pool_kernel"), node.ints("pool_strides")
    steps = {**_input_steps(call.operand(0)), "out_h": out[2], "out_w": out[3]}
    if w[2:] == strides == (1, 1) and not any(pads) and not _pools(call):
        # No pixel has neighbours: the image is one long row.
        for side in ("in", "out"):
            steps |= {f"{side}_w": out[2] * out[3], f"{side}_h": 1}
    return {
        **steps,
        **{"out_c": out[1], "out_x": _pixel_step(node.type)},
        **{"kernel_h": w[2], "kernel_w": w[3], "stride_h": strides[0], "stride_w": strides[1]},
        **{"pad_top": pads[0], "pad_left": pads[1], "dilation_h": dilations[0], "dilation_w": dilations[1]},
        **{"pool_h": kernel[0], "pool_w": kernel[1], "pool_stride_h": pool[0], "pool_stride_w": pool[1]},
        "requantize": _requantize(call),
    }


def _pixel_step(type_: TensorType) -> int:
    """Elements from one output pixel to the next; in row-major order there is one channel or one pixel."""
    return type_.pitch if type_.layout == "nhwc" else type_.shape[1]


def _input_steps(type_: TensorType) -> dict[str, int]:
    """Sizes of a four-axis input and the distances between its pixels, rows and channels."""
    _, channels, height, width = type_.shape
    sizes = {"in_h": height, "in_w": width, "in_c": channels}
    if type_.layout == "nhwc":
        return {**sizes, "in_x": type_.pitch, "in_y": width * type_.pitch, "in_z": 1}
    return {**sizes, "in_x": 1, "in_y": width, "in_z": height * width}


def _conv2d_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [O/16][KH][KW][IC][16]; groups become one, with zeros between them."""
    weights = _blocks(_ungrouped(call)).transpose(0, 3, 4, 2, 1)
    return {"weights": np.ascontiguousarray(weights), **_channel_constants(call)}


def _ungrouped(call: Invocation) -> Array:
    """[O, C, KH, KW] of a convolution with any number of groups."""
    weights, groups = call.constant(1), call.node.int("groups")
    if groups == 1:
        return weights
    out = np.zeros((len(weights), call.operand(0).shape[1], *weights.shape[2:]), weights.dtype)
    per_out, per_in = len(weights) // groups, weights.shape[1]
    for g in range(groups):
        out[g * per_out : (g + 1) * per_out, g * per_in : (g + 1) * per_in] = weights[g * per_out : (g + 1) * per_out]
    return out


def _depthwise_parameters(call: Invocation) -> Fields:
    node = call.node
    w = call.operand(1).shape
    strides, pads, dilations = node.ints("strides"), node.ints("pads"), node.ints("dilations")
    steps = _input_steps(call.operand(0))
    return {
        **{"channels": steps.pop("in_c"), **steps},
        **{"out_h": node.type.shape[2], "out_w": node.type.shape[3], "out_x": _pixel_step(node.type)},
        **{"kernel_h": w[2], "kernel_w": w[3], "stride_h": strides[0], "stride_w": strides[1]},
        **{"pad_top": pads[0], "pad_left": pads[1], "dilation_h": dilations[0], "dilation_w": dilations[1]},
        "requantize": _requantize(call),
    }


def _depthwise_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [C/16][KH][KW][16]."""
    weights = _blocks(call.constant(1)[:, 0]).transpose(0, 2, 3, 1)
    return {"weights": np.ascontiguousarray(weights), **_channel_constants(call)}


def _depthwise3x3_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [C/16][KW][KH][16]."""
    weights = _blocks(call.constant(1)[:, 0]).transpose(0, 3, 2, 1)
    return {"weights": np.ascontiguousarray(weights), **_channel_constants(call)}


def _conv2d_scratch(call: Invocation) -> int:
    """The rows of one pooling window, before pooling."""
    rows, width = call.node.ints("pool_kernel")[0], conv_shape(call.node, [call.operand(0), call.operand(1)])[3]
    return rows * width * _pixel_step(call.node.type) if _pools(call) else 0


def _conv2d_pie_scratch(call: Invocation) -> int:
    """The same for one block of 16 channels."""
    rows, width = call.node.ints("pool_kernel")[0], conv_shape(call.node, [call.operand(0), call.operand(1)])[3]
    return rows * width * LANES if _pools(call) else 0


def _window(call: Invocation) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return call.operand(1).shape[2:], call.node.ints("dilations")


def _conv2d_first_scratch(call: Invocation) -> int:
    """A ring of four padded rows, and the interleaved strip; see p4c_conv2d_first_pie.h."""
    row = 32 + -(-call.operand(0).shape[3] // LANES) * LANES
    columns = 2 * call.node.type.shape[3] + 2
    return 4 * row + 4 * -(-columns // LANES) * LANES


def _borders(call: Invocation) -> int:
    """The most output columns at one side whose kernel the image's border clips; LANES if one sees no tap at all."""
    node, width = call.node, call.operand(0).shape[3]
    out = conv_shape(node, [call.operand(0), call.operand(1)])[3]
    stride, left, dilation = node.ints("strides")[1], node.ints("pads")[1], node.ints("dilations")[1]
    taps = [
        [0 <= ox * stride - left + k * dilation < width for k in range(call.operand(1).shape[3])] for ox in range(out)
    ]
    rows = _rows_with_taps(call)
    if not all(map(any, taps)) or not rows:
        return LANES
    whole = [ox for ox, seen in enumerate(taps) if all(seen)]
    first, last = (whole[0], whole[-1]) if whole else (min(out, -(-left // stride)), -1)
    if not whole:
        last = first - 1
    return max(first, out - 1 - last)


def _rows_with_taps(call: Invocation) -> bool:
    """True when every output row sees some kernel row."""
    node, height = call.node, call.operand(0).shape[2]
    out = conv_shape(node, [call.operand(0), call.operand(1)])[2]
    stride, top, dilation = node.ints("strides")[0], node.ints("pads")[0], node.ints("dilations")[0]
    kernel = call.operand(1).shape[2]
    return all(any(0 <= oy * stride - top + k * dilation < height for k in range(kernel)) for oy in range(out))


def _pools(call: Invocation) -> bool:
    return call.node.ints("pool_kernel") != (1, 1) or call.node.ints("pool_strides") != (1, 1)


def _fully_connected_parameters(call: Invocation) -> Fields:
    return {
        "inputs": _flat_inputs(call),
        "outputs": call.operand(1).shape[0],
        "requantize": _requantize(call),
    }


def _flat_inputs(call: Invocation) -> int:
    """Bytes of the flattened input as it lies in memory, padding included, up to whole vectors."""
    return -(-call.operand(0).bytes // LANES) * LANES


def _fully_connected_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [O/16][K][16], K in the physical order of the input, with zeros where that is padding."""
    weights, x = call.constant(1), call.operand(0)
    if x.layout == "nhwc" and weights.ndim == 4:
        padding = ((0, 0), (0, x.pitch - x.shape[1]), (0, 0), (0, 0))
        weights = np.pad(weights, padding).transpose(0, 2, 3, 1)
    flat = weights.reshape(len(weights), -1)
    flat = np.pad(flat, ((0, 0), (0, _flat_inputs(call) - flat.shape[1])))
    blocks = _blocks(flat).transpose(0, 2, 1)
    return {"weights": np.ascontiguousarray(blocks), **_channel_constants(call)}


def _permute_fields(sizes: tuple[int, ...], steps: tuple[int, ...]) -> Fields:
    """struct p4c_permute for up to four axes; axes that are missing have size 1."""
    sizes, steps = (1,) * (4 - len(sizes)) + sizes, (0,) * (4 - len(steps)) + steps
    return {
        "size": {f"[{i}]": size for i, size in enumerate(sizes)},
        "input_step": {f"[{i}]": step for i, step in enumerate(steps)},
    }


def _row_steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _transpose_parameters(call: Invocation) -> Fields:
    steps = _row_steps(call.operand(0).shape)
    return _permute_fields(call.node.type.shape, tuple(steps[axis] for axis in call.node.ints("perm")))


def _layout_parameters(call: Invocation) -> Fields:
    type_ = call.node.type
    n, c, h, w = type_.shape
    if type_.layout == "nhwc":
        return {**_permute_fields((n, h, w, c), (c * h * w, w, 1, h * w)), "padding": type_.pitch - c}
    pitch = type_.pitch
    return _permute_fields((n, c, h, w), (pitch * h * w, 1, w * pitch, pitch))


def _copy_parameters(call: Invocation) -> Fields:
    return _permute_fields((call.node.type.elements,), (1,))


DEPTHWISE = Condition(
    "every channel is a group of its own",
    lambda call: call.node.int("groups") == call.operand(0).shape[1] == call.operand(1).shape[0] and not _pools(call),
)
THREE_BY_THREE = Condition("the kernel is 3x3 without dilation", lambda call: _window(call) == ((3, 3), (1, 1)))
UNIT_STRIDES = Condition("the strides are 1", lambda call: call.node.ints("strides") == (1, 1))
THIN_PADS = Condition("there is at most one pixel of padding", lambda call: max(call.node.ints("pads")) <= 1)
NARROW_ACCUMULATOR = Condition("|acc| < 2^30 is proven", lambda call: call.node.int("acc_bound") < 1 << 30)
QUANTIZED = Condition("the result is quantized", lambda call: len(call.node.operands) == 5)
ALIKE_ROUNDING = Condition(
    "all channels round alike", lambda call: len(call.node.operands) < 5 or _uniform(call.constant(4))
)
VECTOR_SHIFTS = Condition(
    "shifts are 0 to 31",
    lambda call: len(call.node.operands) < 5 or bool(((call.constant(3) >= 0) & (call.constant(3) < 32)).all()),
)
ALIKE_SHIFTS = Condition(
    "all channels shift alike", lambda call: len(call.node.operands) < 5 or _uniform(call.constant(3))
)
ONE_CHANNEL = Condition("the input has one channel", lambda call: call.operand(0).shape[1] == 1)
VECTOR_OUTPUT = Condition(
    "output pixels begin at multiples of 16 bytes",
    lambda call: call.node.type.layout == "nhwc" and call.node.type.pitch % LANES == 0,
)
TWO_BY_TWO_POOL = Condition(
    "a 2x2 max-pool follows",
    lambda call: call.node.ints("pool_kernel") == call.node.ints("pool_strides") == (2, 2),
)
FEW_BORDERS = Condition("at most four columns at either side see a clipped kernel", lambda call: _borders(call) <= 4)
NO_RAW_POOL = Condition(
    "a fused pool has a quantized result", lambda call: not _pools(call) or call.node.type.dtype == "i8"
)

KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="depthwise3x3_s8",
        op="qconv2d",
        header="p4c_depthwise2d.h",
        symbol="p4c_depthwise3x3_s8",
        record="p4c_depthwise2d",
        parameters=_depthwise_parameters,
        conditions=(
            *(DEPTHWISE, SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, QUANTIZED, VECTOR_PIXELS, ALIKE_ROUNDING),
            *(VECTOR_SHIFTS, THREE_BY_THREE, UNIT_STRIDES, THIN_PADS),
        ),
        constants=_depthwise3x3_constants,
        pie=True,
    ),
    KernelDef(
        name="depthwise2d_s8",
        op="qconv2d",
        header="p4c_depthwise2d.h",
        symbol="p4c_depthwise2d_s8",
        record="p4c_depthwise2d",
        parameters=_depthwise_parameters,
        conditions=(
            *(DEPTHWISE, SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, QUANTIZED, VECTOR_PIXELS, ALIKE_ROUNDING),
            *(VECTOR_SHIFTS, FEW_BORDERS),
        ),
        constants=_depthwise_constants,
        pie=True,
    ),
    KernelDef(
        name="depthwise2d_s8_ref",
        op="qconv2d",
        header="p4c_depthwise2d.h",
        symbol="p4c_depthwise2d_s8_ref",
        record="p4c_depthwise2d",
        parameters=_depthwise_parameters,
        conditions=(DEPTHWISE, SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR),
        constants=_depthwise_constants,
    ),
    KernelDef(
        name="conv2d_first_s8",
        op="qconv2d",
        header="p4c_conv2d.h",
        symbol="p4c_conv2d_first_s8",
        record="p4c_conv2d",
        parameters=_conv2d_parameters,
        conditions=(
            *(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, QUANTIZED, ALIKE_ROUNDING, VECTOR_SHIFTS, ALIKE_SHIFTS),
            *(ONE_CHANNEL, VECTOR_OUTPUT, THREE_BY_THREE, UNIT_STRIDES, THIN_PADS, TWO_BY_TWO_POOL),
        ),
        constants=_conv2d_constants,
        scratch=_conv2d_first_scratch,
        uses_scratch=True,
        pie=True,
    ),
    KernelDef(
        name="conv2d_s8",
        op="qconv2d",
        header="p4c_conv2d.h",
        symbol="p4c_conv2d_s8",
        record="p4c_conv2d",
        parameters=_conv2d_parameters,
        conditions=(
            *(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR),
            *(QUANTIZED, VECTOR_PIXELS, ALIKE_ROUNDING, VECTOR_SHIFTS, FEW_BORDERS),
        ),
        constants=_conv2d_constants,
        scratch=_conv2d_pie_scratch,
        uses_scratch=True,
        pie=True,
    ),
    KernelDef(
        name="conv2d_s8_ref",
        op="qconv2d",
        header="p4c_conv2d.h",
        symbol="p4c_conv2d_s8_ref",
        record="p4c_conv2d",
        parameters=_conv2d_parameters,
        conditions=(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, NO_RAW_POOL),
        constants=_conv2d_constants,
        scratch=_conv2d_scratch,
        uses_scratch=True,
    ),
    KernelDef(
        name="fully_connected_s8",
        op="qfully_connected",
        header="p4c_fully_connected.h",
        symbol="p4c_fully_connected_s8",
        record="p4c_fully_connected",
        parameters=_fully_connected_parameters,
        conditions=(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, ALIKE_ROUNDING, VECTOR_SHIFTS),
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
    *POOLING_KERNELS,
    *ELEMENTWISE_KERNELS,
    *PARTS_KERNELS,
    *SOFTMAX_KERNELS,
    *(
        KernelDef(
            name=f"permute_{suffix}_ref",
            op=op,
            header="p4c_move.h",
            symbol=f"p4c_permute_{suffix}_ref",
            record="p4c_permute",
            parameters=parameters,
            conditions=conditions,
        )
        for op, parameters, axes in (
            ("transpose", _transpose_parameters, (FOUR_AXES,)),
            ("convert_layout", _layout_parameters, ()),
            ("reshape", _copy_parameters, ()),
        )
        for suffix, conditions in (("s8", (BYTES, *axes)), ("s32", (WORDS, *axes)))
    ),
)
