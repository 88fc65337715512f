"""The importers: every ONNX operator that has an IR form, one row each, by operator name."""

from __future__ import annotations

from .arithmetic import ADD, MUL, SUB
from .convolution import CONV
from .definition import Importer
from .elementwise import CLIP, RELU
from .matmul import GEMM, MATMUL
from .parts import CONCAT, PAD, SLICE, SPLIT
from .passthrough import CAST, DROPOUT, IDENTITY
from .pooling import AVERAGE_POOL, GLOBAL_AVERAGE_POOL, GLOBAL_MAX_POOL, MAX_POOL, REDUCE_MAX, REDUCE_MEAN
from .quantization import DEQUANTIZE, QUANTIZE
from .shape import FLATTEN, RESHAPE, SQUEEZE, TRANSPOSE, UNSQUEEZE
from .softmax import SOFTMAX
from .table import REFUSED, TABLE

IMPORTERS: dict[str, Importer] = {
    row.op: row
    for row in (
        # Elementwise operators that have an importer of their own follow.
        *REFUSED,
        TABLE,
        QUANTIZE,
        DEQUANTIZE,
        CONV,
        GEMM,
        MATMUL,
        ADD,
        SUB,
        MUL,
        MAX_POOL,
        GLOBAL_MAX_POOL,
        AVERAGE_POOL,
        GLOBAL_AVERAGE_POOL,
        REDUCE_MEAN,
        REDUCE_MAX,
        RELU,
        CLIP,
        SOFTMAX,
        RESHAPE,
        FLATTEN,
        SQUEEZE,
        UNSQUEEZE,
        TRANSPOSE,
        CONCAT,
        SLICE,
        SPLIT,
        PAD,
        IDENTITY,
        DROPOUT,
        CAST,
    )
}

__all__ = ["IMPORTERS", "Importer"]
