"""One instruction being executed by the model: its operands read and written by name, its results narrowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .state import Lanes, PieState, bits_of
from .table import DEFAULTS, Instruction

# Left shifts keep the low bits on v1; on v3 that is the `trunc` value of an operand that saturates by default.
WRAPS_ON_V1 = ("vsl", "vsld", "vsrd")


@dataclass(frozen=True)
class Op:
    """One instruction being executed: its row, its operand values and the state it works on."""

    state: PieState
    row: Instruction
    operands: Mapping[str, int]
    rev: str

    @property
    def lanes(self) -> str:
        """The element type."""
        return self.row.lanes

    @property
    def saturate(self) -> bool:
        """Whether results saturate: the `sat` operand, or what v1 does without one."""
        wraps = self.rev == "v1" and self.row.family in WRAPS_ON_V1
        return bool(self.operands.get("sat", 0 if wraps else DEFAULTS["sat"]))

    @property
    def rounding(self) -> int:
        """The rounding mode: the `rm` operand, or CFG.vxrm where it is dynamic or absent."""
        mode = self.operands.get("rm", DEFAULTS["rm"])
        return self.state.vxrm if mode == DEFAULTS["rm"] else mode

    def get(self, operand: str, lanes: str = "") -> Lanes:
        """The lanes of a vector operand."""
        return self.state.lanes(self.operands[operand], lanes or self.lanes)

    def put(self, operand: str, values: Lanes, lanes: str = "") -> None:
        """Write the lanes of a vector operand."""
        self.state.put(self.operands[operand], values, lanes or self.lanes)

    def x(self, operand: str) -> int:
        """The unsigned value of a scalar register operand."""
        return self.state.x(self.operands[operand])

    def set_x(self, operand: str, value: int) -> None:
        """Write a scalar register operand."""
        self.state.set_x(self.operands[operand], value)

    def narrow(self, values: Lanes, lanes: str = "") -> Lanes:
        """Results brought into the lane type as `saturate` says."""
        return self.state.narrow(values, lanes or self.lanes, self.saturate)

    def shift(self, values: Lanes, amount: int | Lanes) -> Lanes:
        """values / 2^amount, rounded; a negative amount shifts left."""
        # As an array of Python integers: a NumPy integer among them would bring its overflow.
        amounts = np.asarray(amount, object)
        right, left = np.maximum(amounts, 0), np.maximum(-amounts, 0)
        return self.state.shift_right(values << left, right, self.rounding)

    def put_wide(self, values: Lanes) -> None:
        """Write values at twice the lane width: the low half to qz, the high half to qv."""
        wide = f"{self.lanes[0]}{2 * bits_of(self.lanes)}"
        low, high = np.split(values, 2)
        self.put("qv", high, wide)
        self.put("qz", low, wide)


# What the families of a file compute, by family name.
Families = Mapping[str, Callable[[Op], None]]
