"""The kernel table: which C function computes which op, when, and from what constants.

Each family is a file of rows. Of the rows of one op the first whose conditions hold is taken.
"""

from __future__ import annotations

from ..compiler.plan import KernelDef
from .convolution_kernels import CONVOLUTION_KERNELS
from .elementwise_kernels import ELEMENTWISE_KERNELS
from .fully_connected_kernels import FULLY_CONNECTED_KERNELS
from .move_kernels import MOVE_KERNELS
from .parts_kernels import PARTS_KERNELS
from .pooling_kernels import POOLING_KERNELS
from .softmax_kernels import SOFTMAX_KERNELS

KERNELS: tuple[KernelDef, ...] = (
    *CONVOLUTION_KERNELS,
    *FULLY_CONNECTED_KERNELS,
    *POOLING_KERNELS,
    *ELEMENTWISE_KERNELS,
    *PARTS_KERNELS,
    *SOFTMAX_KERNELS,
    *MOVE_KERNELS,
)
