"""What a core holds for PIE: vector registers, accumulators, shift and configuration registers; and a memory.

Lanes are read as object arrays of Python integers, so that the model computes exactly at every width and only
`put` and `narrow` decide what a result loses.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

# An array of Python integers.
Lanes = npt.NDArray[Any]

# The rounding modes of a right shift, as CFG.vxrm and the `rm` operand of v3 number them.
FLOOR, CEILING, AWAY, TOWARD_ZERO, HALF_AWAY, HALF_TOWARD_ZERO, HALF_EVEN, UNNECESSARY = range(8)

# Bits of CFG. Bits 3 (a rounding that mode 7 forbids) and 2 (something saturated) can only be read.
CFG_SAT_ENABLE, CFG_INEXACT, CFG_SATURATED, CFG_MIS_LD, CFG_MIS_ST = 1 << 8, 1 << 3, 1 << 2, 1 << 1, 1 << 0
CFG_VXRM_SHIFT = 4
CFG_WRITABLE = CFG_SAT_ENABLE | 0xF << CFG_VXRM_SHIFT | CFG_MIS_LD | CFG_MIS_ST

XACC_BITS = 40


class Memory(Protocol):
    """Byte-addressed memory."""

    def read(self, address: int, size: int) -> bytes:
        """The `size` bytes at an address."""

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at an address."""


class FlatMemory:
    """A block of memory that starts at `base`."""

    def __init__(self, base: int, data: bytes | bytearray) -> None:
        self.base, self.data = base, bytearray(data)

    def read(self, address: int, size: int) -> bytes:
        """The `size` bytes at an address; IndexError outside the block."""
        return bytes(self.data[self._range(address, size)])

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at an address; IndexError outside the block."""
        self.data[self._range(address, len(data))] = data

    def _range(self, address: int, size: int) -> slice:
        first = address - self.base
        if first < 0 or first + size > len(self.data):
            raise IndexError(f"{size} bytes at {address:#x} lie outside the memory")
        return slice(first, first + size)


def bits_of(lanes: str) -> int:
    """8 for s8 and u8, and so on."""
    return int(lanes[1:])


def limits_of(lanes: str) -> tuple[int, int]:
    """The smallest and largest value of a lane type."""
    bits = bits_of(lanes)
    return (0, (1 << bits) - 1) if lanes[0] == "u" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def lane_value(value: int, lanes: str) -> int:
    """The low bits of a number, read as one lane."""
    bits = bits_of(lanes)
    value &= (1 << bits) - 1
    return value - (1 << bits) if lanes[0] == "s" and value >> (bits - 1) else value


def to_lanes(data: npt.NDArray[np.uint8], lanes: str) -> Lanes:
    """Bytes as an object array of the values of their lanes, lowest address first."""
    kind = "i" if lanes[0] == "s" else "u"
    return data.view(f"<{kind}{bits_of(lanes) // 8}").astype(object)


def to_bytes(values: Lanes, lanes: str) -> npt.NDArray[np.uint8]:
    """The low bits of each value, as the bytes of their lanes."""
    bits = bits_of(lanes)
    return (values & ((1 << bits) - 1)).astype(f"<u{bits // 8}").view(np.uint8)


class PieState:
    """One core's PIE registers and its integer registers, all zero at first.

    `q` is uint8[8, 16] and `qacc` uint8[64] in memory order (quarters l.l, l.h, h.l, h.h). `xacc` holds the
    40 bits without a sign.
    """

    def __init__(self) -> None:
        self.q = np.zeros((8, 16), np.uint8)
        self.qacc = np.zeros(64, np.uint8)
        self.ua_state = np.zeros(16, np.uint8)
        self.xacc = 0
        self.sar = 0
        self.sar_byte = 0
        self.fft_bit_width = 0
        self.cfg = 0
        self._x = [0] * 32

    def x(self, number: int) -> int:
        """An integer register, without a sign."""
        return self._x[number]

    def set_x(self, number: int, value: int) -> None:
        """Write the low 32 bits of a value to an integer register; x0 stays zero."""
        if number:
            self._x[number] = value & 0xFFFFFFFF

    def lanes(self, number: int, lanes: str) -> Lanes:
        """A vector register's lanes."""
        return to_lanes(self.q[number], lanes)

    def put(self, number: int, values: Lanes, lanes: str) -> None:
        """Write lanes to a vector register, keeping the low bits of each value."""
        self.q[number] = to_bytes(values, lanes)

    def accumulators(self, lanes: str) -> Lanes:
        """QACC as the accumulators of a lane type: 16 of 32 bits for 8-bit lanes, 8 of 64 bits for 16-bit ones."""
        return to_lanes(self.qacc, accumulator_of(lanes))

    def set_accumulators(self, values: Lanes, lanes: str) -> None:
        """Write QACC, keeping the low bits of each value."""
        self.qacc = to_bytes(values, accumulator_of(lanes))

    @property
    def vxrm(self) -> int:
        """The rounding mode in CFG."""
        return self.cfg >> CFG_VXRM_SHIFT & 7

    def read_cfg(self) -> int:
        """CFG as an instruction reads it, which clears the note that something saturated."""
        value = self.cfg
        self.cfg &= ~CFG_SATURATED
        return value

    def write_cfg(self, value: int) -> None:
        """Write the writable bits of CFG."""
        self.cfg = (self.cfg & ~CFG_WRITABLE) | (value & CFG_WRITABLE)

    def shift_right(self, values: Lanes, amount: int | Lanes, mode: int) -> Lanes:
        """values / 2^amount, rounded in one of the eight modes; amounts are not negative."""
        floor = values >> amount
        remainder = values - (floor << amount)
        inexact = remainder != 0
        if mode == UNNECESSARY and inexact.any():
            self.cfg |= CFG_INEXACT
        up: Lanes = (inexact & _rounds_up(values, floor, remainder, amount, mode)).astype(object)
        result: Lanes = floor + up * 1
        return result

    def narrow(self, values: Lanes, lanes: str, saturate: bool) -> Lanes:
        """Values brought into a lane type's range: saturated and noted in CFG, or their low bits kept."""
        low, high = limits_of(lanes)
        clipped = np.clip(values, low, high)
        if saturate:
            if (clipped != values).any() and self.cfg & CFG_SAT_ENABLE:
                self.cfg |= CFG_SATURATED
            return clipped
        span = high - low + 1
        return (values - low) % span + low


def accumulator_of(lanes: str) -> str:
    """The type of QACC's accumulators for a lane type: four times as wide, of the same sign."""
    return f"{lanes[0]}{bits_of(lanes) * 4}"


def _rounds_up(values: Lanes, floor: Lanes, remainder: Lanes, amount: int | Lanes, mode: int) -> Lanes:
    """Where an inexact quotient goes up from its floor."""
    twice, one = 2 * remainder, np.ones_like(values) << amount
    if mode in (FLOOR, UNNECESSARY):
        return np.zeros(values.shape, bool)
    if mode == CEILING:
        return np.ones(values.shape, bool)
    if mode == AWAY:
        return np.asarray(values > 0)
    if mode == TOWARD_ZERO:
        return np.asarray(values < 0)
    ties = {HALF_AWAY: values > 0, HALF_TOWARD_ZERO: values < 0, HALF_EVEN: floor % 2 == 1}[mode]
    return np.asarray((twice > one) | ((twice == one) & ties))
