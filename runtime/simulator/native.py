"""The simulator's C interface for ctypes: sim.h said again in Python."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_uint8, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from functools import cache
from pathlib import Path

from .build import library_path

# The counters of struct p4c_sim_counters, in its order.
COUNTERS = (
    *("cycles", "instructions", "pairs", "fused_cycles", "latency_stalls", "branch_stalls", "loop_stalls"),
    *("unaligned_stalls", "fetch_stalls", "l2mem_stalls", "l2_stalls", "psram_stalls", "flash_stalls"),
    *("victim_stalls", "mispredicts", "fetch_misses", "data_misses", "l2_misses"),
)

# A jump here ends a run.
RETURN_ADDRESS = 0xFFFFFFF0


class Reason(IntEnum):
    """Why a run ended: enum p4c_sim_reason."""

    LIMIT = 0
    RETURN = 1
    HOST_CALL = 2
    FAULT = 3
    WAIT = 4


class Fault(IntEnum):
    """What went wrong: enum p4c_sim_fault."""

    NONE = 0
    FETCH = 1
    LOAD = 2
    STORE = 3
    MISALIGNED = 4
    ILLEGAL = 5
    BREAKPOINT = 6
    LEFT_OUT = 7
    PIE_OFF = 8
    QACC_READ_TWICE = 9
    ROUNDED_DOWN = 10
    LOOP_OFF = 11
    LOOP_COUNT = 12
    LOOP_ALIGNMENT = 13
    LOOP_SHORT = 14
    LOOP_LAST = 15
    LOOP_LEFT = 16


class Config(ctypes.Structure):
    """struct p4c_sim_config."""

    _fields_ = (
        ("chip_revision", c_uint32),
        ("flash_size", c_uint32),
        ("psram_size", c_uint32),
        ("strict", c_uint32),
        ("l2_cache_kb", c_uint32),
    )


class StopRecord(ctypes.Structure):
    """struct p4c_sim_stop."""

    _fields_ = (
        ("reason", c_uint32),
        ("fault", c_uint32),
        ("pc", c_uint32),
        ("address", c_uint32),
        ("size", c_uint32),
        ("word", c_uint32),
        ("instructions", c_uint64),
    )


class PieRegisters(ctypes.Structure):
    """struct p4c_sim_pie."""

    _fields_ = (
        ("q", (c_uint8 * 16) * 8),
        ("qacc", c_uint8 * 64),
        ("ua_state", c_uint8 * 16),
        ("xacc", c_uint64),
        ("sar", c_uint32),
        ("sar_byte", c_uint32),
        ("fft_bit_width", c_uint32),
        ("cfg", c_uint32),
    )


class MemoryBytes(ctypes.Structure):
    """Bytes by memory: an array indexed by enum p4c_sim_memory."""

    _fields_ = tuple((name, c_uint64) for name in ("device", "tcm", "flash", "psram", "l2mem"))


class CounterRecord(ctypes.Structure):
    """struct p4c_sim_counters."""

    _fields_ = (
        *((name, c_uint64) for name in COUNTERS),
        ("read", MemoryBytes),
        ("written", MemoryBytes),
    )


class Mark(ctypes.Structure):
    """struct p4c_sim_mark."""

    _fields_ = (("marker", c_uint64), ("counters", CounterRecord))


MmioRead = ctypes.CFUNCTYPE(c_uint32, c_void_p, c_uint32, c_uint32)
MmioWrite = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_uint32, c_uint32)

# Function: result, arguments. A simulator is passed as void *.
_FUNCTIONS = {
    "p4c_sim_create": (c_void_p, (ctypes.POINTER(Config),)),
    "p4c_sim_destroy": (None, (c_void_p,)),
    "p4c_sim_run": (None, (c_void_p, c_uint64, ctypes.POINTER(StopRecord))),
    "p4c_sim_read": (c_int, (c_void_p, c_uint32, c_void_p, c_uint32)),
    "p4c_sim_write": (c_int, (c_void_p, c_uint32, c_void_p, c_uint32)),
    "p4c_sim_get_x": (c_uint32, (c_void_p, c_uint32)),
    "p4c_sim_set_x": (None, (c_void_p, c_uint32, c_uint32)),
    "p4c_sim_get_f": (c_uint32, (c_void_p, c_uint32)),
    "p4c_sim_set_f": (None, (c_void_p, c_uint32, c_uint32)),
    "p4c_sim_get_pc": (c_uint32, (c_void_p,)),
    "p4c_sim_set_pc": (None, (c_void_p, c_uint32)),
    "p4c_sim_get_csr": (c_int, (c_void_p, c_uint32, ctypes.POINTER(c_uint32))),
    "p4c_sim_set_csr": (c_int, (c_void_p, c_uint32, c_uint32)),
    "p4c_sim_get_pie": (None, (c_void_p, ctypes.POINTER(PieRegisters))),
    "p4c_sim_set_pie": (None, (c_void_p, ctypes.POINTER(PieRegisters))),
    "p4c_sim_instructions": (c_uint64, (c_void_p,)),
    "p4c_sim_get_counters": (None, (c_void_p, ctypes.POINTER(CounterRecord))),
    "p4c_sim_cool": (None, (c_void_p,)),
    "p4c_sim_set_markers": (c_int, (c_void_p, ctypes.POINTER(c_uint32), c_uint32)),
    "p4c_sim_take_marks": (c_uint32, (c_void_p, ctypes.POINTER(Mark), c_uint32)),
    "p4c_sim_attach_devices": (c_int, (c_void_p,)),
    "p4c_sim_uart_feed": (c_int, (c_void_p, c_void_p, c_uint32)),
    "p4c_sim_uart_take": (c_uint32, (c_void_p, c_void_p, c_uint32)),
    "p4c_sim_pass_time": (None, (c_void_p, c_uint32)),
    "p4c_sim_map_mmio": (c_int, (c_void_p, c_uint32, c_uint32, MmioRead, MmioWrite, c_void_p)),
}


def load_library() -> ctypes.CDLL:
    """The shared library for this host, built on first use, with its functions declared."""
    return _load(library_path())


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
