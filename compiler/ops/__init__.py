"""The op table: every op of the IR, declared once."""

from __future__ import annotations

from .arithmetic import ADD, MUL, QADD, QMUL, SUB
from .convolution import CONV2D, QCONV2D
from .definition import AttrDef, OpDef, OpError
from .elementwise import CLIP, RELU
from .fully_connected import FULLY_CONNECTED, QFULLY_CONNECTED
from .parts import CONCAT, PAD, SLICE
from .pooling import AVERAGE_POOL, MAX_POOL, QAVERAGE_POOL
from .quantization import DEQUANTIZE, QUANTIZE, REQUANTIZE
from .shape import CONVERT_LAYOUT, RESHAPE, TRANSPOSE
from .softmax import QSOFTMAX, SOFTMAX
from .table import TABLE

OPS: dict[str, OpDef] = {
    op.name: op
    for op in (
        QUANTIZE,
        DEQUANTIZE,
        REQUANTIZE,
        CONV2D,
        QCONV2D,
        FULLY_CONNECTED,
        QFULLY_CONNECTED,
        ADD,
        SUB,
        QADD,
        MUL,
        QMUL,
        MAX_POOL,
        AVERAGE_POOL,
        QAVERAGE_POOL,
        SOFTMAX,
        QSOFTMAX,
        TABLE,
        RELU,
        CLIP,
        RESHAPE,
        TRANSPOSE,
        SLICE,
        PAD,
        CONCAT,
        CONVERT_LAYOUT,
    )
}

__all__ = ["OPS", "AttrDef", "OpDef", "OpError"]
