"""States of the slow NumPy model of PIE, made and read, and rounding by Python's decimal module."""

import decimal

import numpy as np
from hypothesis import strategies as st

from p4c.backend.pie import model
from p4c.backend.pie.model import FlatMemory, PieState
from p4c.backend.pie.registers import REGISTER_NUMBERS

# Python's decimal module rounds in the same seven ways.
DECIMAL_MODES = {
    "rdn": decimal.ROUND_FLOOR,
    "rup": decimal.ROUND_CEILING,
    "raz": decimal.ROUND_UP,
    "rtz": decimal.ROUND_DOWN,
    "rhaz": decimal.ROUND_HALF_UP,
    "rhtz": decimal.ROUND_HALF_DOWN,
    "rne": decimal.ROUND_HALF_EVEN,
}
BASE = 0x1000
vectors = st.binary(min_size=16, max_size=16)


def run(state, rev, *lines, memory=None):
    model.run(state, memory or FlatMemory(BASE, bytes(256)), "\n".join(lines), rev)


def with_q(**registers):
    """A state with the given vector registers, from bytes or arrays."""
    state = PieState()
    for name, value in registers.items():
        data = value if isinstance(value, bytes) else np.asarray(value).tobytes()
        state.q[int(name[1:])] = np.frombuffer(data, np.uint8)
    return state


def set_x(state, **registers):
    for name, value in registers.items():
        state.set_x(REGISTER_NUMBERS[name], value)
    return state


def x(state, name):
    return state.x(REGISTER_NUMBERS[name])


def q(state, number, dtype):
    return state.q[number].view(dtype).tolist()


def rounded(value, shift, mode):
    with decimal.localcontext(prec=60):
        exact = decimal.Decimal(value) / (1 << shift)
        return int(exact.to_integral_value(DECIMAL_MODES[mode]))
