"""The firmware core built for this machine, on firmware/ports/host, through ctypes."""

from __future__ import annotations

import ctypes
import sys
import tempfile
from ctypes import POINTER, c_char_p, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path

import p4c
from p4c.backend.cache import run_tool

FIRMWARE = Path(p4c.__file__).parent / "firmware"
FOLDERS = (FIRMWARE / "core", FIRMWARE / "ports" / "host")
SOURCES = [str(path) for folder in FOLDERS for path in sorted(folder.glob("*.c"))]
INCLUDES = [f"-I{folder}" for folder in FOLDERS]
# Undefined behaviour ends the process.
FLAGS = ("-shared", "-std=c11", "-O1", "-g", "-mcpu=baseline", "-fsanitize=undefined", "-fsanitize-trap=undefined")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror")

FAULT, TIMEOUT, CANCELLED = -21, -20, -19


class CallResult(ctypes.Structure):
    _fields_ = (
        ("value", c_uint32),
        ("cycles", c_uint64),
        *((name, c_uint32) for name in ("cause", "pc", "fault_value", "ra", "sp")),
    )


class Counts(ctypes.Structure):
    _fields_ = (("blocks", c_uint32), ("synced", c_uint32), ("restarts", c_uint32))


HostCall = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint32, c_uint32, POINTER(CallResult))


class Sha(ctypes.Structure):
    _fields_ = (("h", c_uint32 * 8), ("size", c_uint32), ("block", c_uint8 * 64))


FUNCTIONS = {
    "p4c_host_create": (c_void_p, (c_uint32, c_uint32, HostCall)),
    "p4c_host_destroy": (None, (c_void_p,)),
    "p4c_host_receive": (None, (c_void_p, c_char_p, c_uint32)),
    "p4c_host_take": (c_uint32, (c_void_p, c_char_p, c_uint32)),
    "p4c_host_pass_time": (None, (c_void_p, c_uint32)),
    "p4c_host_memory": (c_void_p, (c_void_p, c_uint32, c_uint32)),
    "p4c_host_cancelled": (c_int, (c_void_p,)),
    "p4c_host_get_counts": (None, (c_void_p, POINTER(Counts))),
    "p4c_crc32": (c_uint32, (c_uint32, c_char_p, c_uint32)),
    "p4c_sha256_begin": (None, (POINTER(Sha),)),
    "p4c_sha256_add": (None, (POINTER(Sha), c_char_p, c_uint32)),
    "p4c_sha256_end": (None, (POINTER(Sha), c_char_p)),
}


@cache
def library() -> ctypes.CDLL:
    folder = tempfile.mkdtemp(prefix="p4c-core-")
    path = Path(folder) / "core.so"
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *WARNINGS, *INCLUDES, *SOURCES, "-o", str(path)]
    run_tool(command, timeout=300, what="building the firmware core")
    loaded = ctypes.CDLL(str(path))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class HostBoard:
    """A core in this process: what SimulatedBoard offers, and a Python function for "code that runs"."""

    def __init__(self, chip_major=3, payload=8192, call=None):
        self.library = library()
        self.on_call = call
        # Held here: C keeps no reference that Python would count.
        self._callback = HostCall(self._call)
        self.handle = self.library.p4c_host_create(chip_major, payload, self._callback)

    def _call(self, _, address, limit_ms, result):
        return self.on_call(self, address, limit_ms, result.contents) if self.on_call else 0

    def feed(self, data):
        self.library.p4c_host_receive(self.handle, bytes(data), len(data))

    def run(self):
        return True

    def take(self):
        buffer = ctypes.create_string_buffer(1 << 16)
        size = self.library.p4c_host_take(self.handle, buffer, len(buffer))
        return ctypes.string_at(buffer, size)

    def pass_time(self, seconds):
        self.library.p4c_host_pass_time(self.handle, round(seconds * 1000))

    def memory(self, address, size):
        place = self.library.p4c_host_memory(self.handle, address, size)
        return (c_uint8 * size).from_address(place)

    @property
    def cancelled(self):
        return bool(self.library.p4c_host_cancelled(self.handle))

    @property
    def counts(self):
        found = Counts()
        self.library.p4c_host_get_counts(self.handle, ctypes.byref(found))
        return found

    def close(self):
        self.library.p4c_host_destroy(self.handle)
