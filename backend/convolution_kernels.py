"""The rows of the kernel table for convolutions: dense, depthwise, and a network's first layer."""

from __future__ import annotations

import math

import numpy as np

from ..compiler.ir import Array, TensorType
from ..compiler.ops.convolution import conv_shape
from ..compiler.plan import Condition, Fields, Invocation, KernelDef, number
from ..compiler.schedule import Blocks, rows_per_tile
from .channels import (
    ALIKE_ROUNDING,
    ALIKE_SHIFTS,
    NARROW_ACCUMULATOR,
    QUANTIZED,
    VECTOR_SHIFTS,
    blocks,
    channel_constants,
    requantize,
)
from .conditions import LANES, ONE_IMAGE, SIGNED, VECTOR_INPUT, VECTOR_OUTPUT, VECTOR_PIXELS
from .overlays import windows
from .timing import cost_model


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
        "requantize": requantize(call),
    }


def _pairs_parameters(call: Invocation) -> Fields:
    """The same for pairs of neighbouring output pixels as one pixel of 16 channels: the union of their kernels."""
    fields = dict(_conv2d_parameters(call))
    strides, kernel, out = call.node.ints("strides"), call.operand(1).shape, call.node.type.shape
    pair = {"kernel_w": kernel[3] + strides[1], "stride_w": 2 * strides[1], "pairs": 1, "tile": out[2]}
    return {**fields, **pair, "out_w": out[3] // 2, "out_x": 2 * LANES, "out_c": LANES}


def _rest(call: Invocation) -> int:
    """How many output channels beyond whole blocks are cheaper one by one than as a block of their own.

    Cycles of a pixel, as the kernels are written: a block takes two for each of its weight rows, one for each input
    vector, and six; a single channel three for each vector, and ten.
    """
    _, in_c, kernel_h, kernel_w = call.operand(1).shape
    vectors = kernel_h * kernel_w * -(-in_c // LANES)
    rest = call.node.type.shape[1] % LANES
    block, single = 2 * kernel_h * kernel_w * in_c + vectors + 6, 3 * vectors + 10
    return rest if rest * single < block and VECTOR_INPUT.holds(call) and not _pools(call) else 0


def _conv2d_pie_parameters(call: Invocation) -> Fields:
    """The record of the PIE form."""
    fields = dict(_conv2d_parameters(call))
    tile, rows = _tile(call), number(fields, "out_h")
    if rows == 1 < call.node.type.shape[2]:
        # One long row of pixels without neighbours: as many rows as there are tiles.
        tiles, image = -(-call.node.type.shape[2] // tile), call.node.type.shape
        if image[2] % tile == 0 and tiles > 1:
            for side in ("in", "out"):
                fields |= {f"{side}_h": tiles, f"{side}_w": tile * image[3]}
            fields["in_y"] = tile * image[3] * number(fields, "in_x")
        tile = 1
    return {**fields, "tile": tile, "rest": _rest(call)}


def _tile(call: Invocation) -> int:
    """The rows that all blocks of channels go over before the next rows begin."""
    x, w, y = call.operand(0), call.operand(1).shape, call.node.type
    if _pools(call):
        return conv_shape(call.node, [x, call.operand(1)])[2]
    row, stride = _input_steps(x)["in_y"], call.node.ints("strides")[0]
    overlap = max(0, (w[2] - 1) * call.node.ints("dilations")[0] + 1 - stride)
    block = w[2] * w[3] * x.shape[1] * LANES
    layer = Blocks(y.shape[2], stride * row, overlap * row, y.shape[3] * y.pitch, -(-y.shape[1] // LANES), block)
    return rows_per_tile(layer, cost_model())


def _conv2d_passes(call: Invocation) -> int:
    """Weights are read again for each tile; those of a block too large for half the L1 cache for each pixel."""
    w, y = call.operand(1).shape, call.node.type.shape
    if w[2] * w[3] * call.operand(0).shape[1] * LANES > cost_model().l1_bytes // 2:
        return y[2] * y[3]
    return -(-y[2] // _tile(call))


def _conv2d_pie_constants(call: Invocation) -> dict[str, Array | None]:
    """As for the scalar form, but the last channels may stand alone: [rest][KH][KW][pitch], biases in 64 bits."""
    rest = _rest(call)
    constants = _conv2d_constants(call)
    if not rest:
        return constants
    weights, bias, whole = _ungrouped(call), call.constant(2), call.node.type.shape[1] - rest
    missing = call.operand(0).pitch - weights.shape[1]
    single = np.pad(weights[whole:], ((0, 0), (0, missing), (0, 0), (0, 0))).transpose(0, 2, 3, 1)
    in_blocks = constants["weights"]
    assert in_blocks is not None
    return {
        **constants,
        "weights": np.concatenate([in_blocks[: whole // LANES].ravel(), single.ravel()]),
        "bias": np.concatenate([bias[:whole], bias[whole:].astype("<i8").view("<i4")]),
    }


def _pixel_step(type_: TensorType) -> int:
    """Elements from one output pixel to the next; in row-major order there is one channel or one pixel."""
    return type_.pitch if type_.channels_last else type_.shape[1]


def _input_steps(type_: TensorType) -> dict[str, int]:
    """Sizes of a four-axis input and the distances between its pixels, rows and channels."""
    _, channels, height, width = type_.shape
    sizes = {"in_h": height, "in_w": width, "in_c": channels}
    if type_.channels_last:
        return {**sizes, "in_x": type_.pitch, "in_y": width * type_.pitch, "in_z": 1}
    return {**sizes, "in_x": 1, "in_y": width, "in_z": height * width}


def _conv2d_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [O/16][KH][KW][IC][16]; groups become one, with zeros between them."""
    weights = blocks(_ungrouped(call)).transpose(0, 3, 4, 2, 1)
    return {"weights": np.ascontiguousarray(weights), **channel_constants(call)}


def _pairs_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [1][KH][KW + stride][IC][16]: lanes 0-7 are the first pixel's channels, lanes 8-15 the second's."""
    weights, stride = _ungrouped(call), call.node.ints("strides")[1]
    wide = np.zeros((LANES, *weights.shape[1:3], weights.shape[3] + stride), weights.dtype)
    wide[: len(weights), ..., : weights.shape[3]] = weights
    wide[LANES // 2 : LANES // 2 + len(weights), ..., stride:] = weights
    constants = channel_constants(call)
    for values in constants.values():
        if values is not None:
            values[LANES // 2 :] = values[: LANES // 2]
    return {"weights": np.ascontiguousarray(blocks(wide).transpose(0, 3, 4, 2, 1)), **constants}


def _planar_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [O/8 * 8][taps, padded to 16] in ONNX order of taps, each bias 16 times, shifts for each channel."""
    weights = _ungrouped(call).reshape(call.operand(1).shape[0], -1)
    missing = -len(weights) % (LANES // 2)
    weights = np.pad(weights, ((0, missing), (0, -weights.shape[1] % LANES)))
    bias = np.repeat(np.pad(call.constant(2), (0, missing)), LANES)
    return {"weights": np.ascontiguousarray(weights), **channel_constants(call), "bias": bias}


def _planar_scratch(call: Invocation) -> int:
    """The gathered vectors and a group's results, and the rows of one pooling window; see p4c_conv2d_planar_pie.h."""
    return (math.prod(call.operand(1).shape[1:]) + LANES // 2) * LANES + _conv2d_scratch(call)


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
        "requantize": requantize(call),
    }


def _depthwise_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [C/16][KH][KW][16]."""
    weights = blocks(call.constant(1)[:, 0]).transpose(0, 2, 3, 1)
    return {"weights": np.ascontiguousarray(weights), **channel_constants(call)}


def _depthwise3x3_constants(call: Invocation) -> dict[str, Array | None]:
    """Weights as [C/16][KW][KH][16]."""
    weights = blocks(call.constant(1)[:, 0]).transpose(0, 3, 2, 1)
    return {"weights": np.ascontiguousarray(weights), **channel_constants(call)}


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


def _borders(call: Invocation, fields: Fields) -> int:
    """The most output columns at one side whose kernel the image's border clips; LANES if one sees no tap at all.

    `fields` are the layer's struct p4c_conv2d.
    """
    width, out, stride, left, dilation, kernel = (
        number(fields, name) for name in ("in_w", "out_w", "stride_w", "pad_left", "dilation_w", "kernel_w")
    )
    taps = [[0 <= ox * stride - left + k * dilation < width for k in range(kernel)] for ox in range(out)]
    if not all(map(any, taps)) or not _rows_with_taps(call):
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


DEPTHWISE = Condition(
    "every channel is a group of its own",
    lambda call: call.node.int("groups") == call.operand(0).shape[1] == call.operand(1).shape[0] and not _pools(call),
)
THREE_BY_THREE = Condition("the kernel is 3x3 without dilation", lambda call: _window(call) == ((3, 3), (1, 1)))
UNIT_STRIDES = Condition("the strides are 1", lambda call: call.node.ints("strides") == (1, 1))
THIN_PADS = Condition("there is at most one pixel of padding", lambda call: max(call.node.ints("pads")) <= 1)
PLANAR = Condition(
    "input channels lie behind each other and there are fewer than 16 of them",
    lambda call: (
        call.operand(0).layout == "row" and call.node.int("groups") == 1 and call.operand(0).shape[1] < LANES
    ),
)
VECTOR_ROWS = Condition(
    "there are at least 16 output columns, 1 or 2 input columns apart, without dilation",
    lambda call: (
        _conv2d_parameters(call)["dilation_w"] == 1
        and call.node.ints("strides")[1] <= 2
        and conv_shape(call.node, [call.operand(0), call.operand(1)])[3] >= LANES
    ),
)
MANY_TAPS = Condition(
    "the kernel has 2 to 256 taps and less than 16 columns of padding",
    lambda call: 2 <= math.prod(call.operand(1).shape[1:]) <= 256 and max(call.node.ints("pads")) < LANES,
)
ONE_CHANNEL = Condition("the input has one channel", lambda call: call.operand(0).shape[1] == 1)
TWO_BY_TWO_POOL = Condition(
    "a 2x2 max-pool follows",
    lambda call: call.node.ints("pool_kernel") == call.node.ints("pool_strides") == (2, 2),
)
FEW_BORDERS = Condition(
    "at most four columns at either side see a clipped kernel",
    lambda call: _borders(call, _conv2d_parameters(call)) <= 4,
)
FEW_PAIR_BORDERS = Condition(
    "at most four pairs of columns at either side see a clipped kernel",
    lambda call: _borders(call, _pairs_parameters(call)) <= 4,
)
DENSE_PIXELS = Condition(
    "input pixels have no gaps",
    lambda call: (
        call.operand(0).shape[1] == 1
        or (call.operand(0).channels_last and call.operand(0).pitch == call.operand(0).shape[1])
    ),
)
WRITABLE_PIXELS = Condition(
    "output pixels begin at multiples of 16 bytes, or have one channel that is cheaper by itself than as a block",
    lambda call: VECTOR_OUTPUT.holds(call) or (call.node.type.shape[1] == 1 and _rest(call) == 1),
)
READABLE_PIXELS = Condition(
    "input pixels begin at multiples of 16 bytes or have no gaps",
    lambda call: VECTOR_INPUT.holds(call) or DENSE_PIXELS.holds(call),
)
HALF_A_VECTOR = Condition("there are at most 8 output channels", lambda call: call.node.type.shape[1] <= LANES // 2)
PAIRED_COLUMNS = Condition(
    "the output width is even and its columns undilated, with neighbours",
    lambda call: (
        call.node.type.shape[3] % 2 == 0
        and call.node.ints("dilations")[1] == 1
        and call.operand(1).shape[3] > call.node.ints("strides")[1]
    ),
)
NO_POOL = Condition("no max-pool follows", lambda call: not _pools(call))
NO_RAW_POOL = Condition(
    "a fused pool has a quantized result", lambda call: not _pools(call) or call.node.type.dtype == "i8"
)

CONVOLUTION_KERNELS: tuple[KernelDef, ...] = (
    KernelDef(
        name="depthwise3x3_s8",
        op="qconv2d",
        header="p4c_depthwise2d.h",
        symbol="p4c_depthwise3x3_s8",
        record="p4c_depthwise2d",
        parameters=_depthwise_parameters,
        overlays=windows,
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
        overlays=windows,
        conditions=(
            *(DEPTHWISE, SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, QUANTIZED, VECTOR_PIXELS),
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
        overlays=windows,
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
        name="conv2d_pairs_s8",
        op="qconv2d",
        header="p4c_conv2d.h",
        symbol="p4c_conv2d_s8",
        record="p4c_conv2d",
        parameters=_pairs_parameters,
        conditions=(
            *(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, QUANTIZED, DENSE_PIXELS, VECTOR_OUTPUT),
            *(VECTOR_SHIFTS, HALF_A_VECTOR, PAIRED_COLUMNS, NO_POOL, FEW_PAIR_BORDERS),
        ),
        constants=_pairs_constants,
        uses_scratch=True,
        pie=True,
    ),
    KernelDef(
        name="conv2d_s8",
        op="qconv2d",
        header="p4c_conv2d.h",
        symbol="p4c_conv2d_s8",
        record="p4c_conv2d",
        parameters=_conv2d_pie_parameters,
        conditions=(
            *(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR),
            *(QUANTIZED, READABLE_PIXELS, WRITABLE_PIXELS, VECTOR_SHIFTS, FEW_BORDERS),
        ),
        constants=_conv2d_pie_constants,
        passes=_conv2d_passes,
        scratch=_conv2d_pie_scratch,
        uses_scratch=True,
        pie=True,
    ),
    KernelDef(
        name="conv2d_planar_s8",
        op="qconv2d",
        header="p4c_conv2d.h",
        symbol="p4c_conv2d_planar_s8",
        record="p4c_conv2d",
        parameters=_conv2d_parameters,
        conditions=(
            *(SIGNED, ONE_IMAGE, NARROW_ACCUMULATOR, QUANTIZED, PLANAR, VECTOR_OUTPUT, VECTOR_ROWS, MANY_TAPS),
            *(VECTOR_SHIFTS,),
        ),
        constants=_planar_constants,
        scratch=_planar_scratch,
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
)
