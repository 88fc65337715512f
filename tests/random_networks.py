"""Random quantized networks as ONNX models: operators, forms, shapes, exponents, branches and joins.

`Networks` asks a `pick` function for each decision: hypothesis gives one that it can shrink, a seed one that is fast.
Several networks in one model share a compile; each has an input and outputs of its own. The operators themselves are
in random_operators.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .frontend_models import FORMS, ModelBuilder

Pick = Callable[[Sequence], object]

# Sizes on either side of what a vector register holds.
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 20, 24, 31, 32, 33)
SIZES = tuple(range(1, 12))
MOST_ELEMENTS = 4096
# The bounds of quantizers that are narrower than int8.
CLAMPS = ((-128, 127), (-127, 127), (0, 127), (-8, 7), (-3, 90))
# What the integers of a quantizer should spread by.
SPREAD = 40.0


def seeded(seed: int) -> Pick:
    """Decisions by a generator of that seed."""
    random = np.random.default_rng(seed)
    return lambda options: options[int(random.integers(len(options)))]


@dataclass(frozen=True)
class Value:
    """A tensor on the grid 2^-exponent; its integers spread by about `spread`."""

    name: str
    shape: tuple[int, ...]
    exponent: int
    spread: float = SPREAD

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def real_spread(self) -> float:
        return self.spread * 2.0**-self.exponent


class Networks:
    """Writes networks into one model; `pick` makes the decisions, `seed` the weights."""

    def __init__(self, pick: Pick, seed: int) -> None:
        self.pick, self.random, self.build = pick, np.random.default_rng(seed), ModelBuilder()
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.outputs: list[str] = []
        # What was written, operator by operator, for messages and statistics.
        self.story: list[str] = []

    def model(self):
        """The model of all networks so far."""
        return self.build.model(self.outputs, opset=20, inputs=self.inputs)

    def network(self, steps, operators):
        """One network of so many operators; `operators` are functions of these networks and a value, see there."""
        x = self.input()
        self.values, self.used, bare = [x], set(), []
        for _ in range(steps):
            value = self.values[-1] if self.pick(range(3)) else self.pick(self.values)
            write = self.pick([operator for operator in operators if operator.takes(value.shape)])
            self.story.append(f"{write.__name__}{list(value.shape)}")
            for made in write(self, value):
                if made.exponent is None:
                    bare.append(made.name)
                elif made.elements <= MOST_ELEMENTS:
                    self.values.append(made)
                else:
                    bare.append(made.name)
        # What nothing takes leaves the network, and now and then what others take too.
        ends = [value.name for value in self.values[1:] if value.name not in self.used or self.chance(8)]
        self.outputs += dict.fromkeys([*ends, *bare])

    def input(self):
        """An input and its quantizer: an image, rows, a line of channels, or a vector."""
        kind, channels = self.pick(("image", "image", "image", "rows", "line", "vector")), self.pick(CHANNELS)
        shapes = {
            "image": lambda: (channels, self.pick(SIZES), self.pick(SIZES)),
            "rows": lambda: (self.pick(SIZES), channels),
            "line": lambda: (channels, self.pick(range(1, 34))),
            "vector": lambda: (self.pick(range(1, 70)),),
        }
        name = f"x{len(self.inputs)}"
        self.inputs[name] = (1, *shapes[kind]())
        return self.quantized(name, self.inputs[name], self.pick(range(2, 7)), SPREAD)

    def chance(self, n):
        """True once in n times."""
        return self.pick(range(n)) == n - 1

    def take(self, value):
        """The name of a value, for a node."""
        self.used.add(value.name)
        return value.name

    def node(self, op, value, *more, **attrs):
        """A node on a value and further tensors."""
        return self.build.node(op, [self.take(value), *more], **attrs)

    def ints(self, *values):
        return self.build.constant(values, np.int64)

    def quantized(self, name, shape, exponent, spread):
        """A quantizer of any form behind a tensor."""
        form = self.pick(FORMS)
        low, high = (-128, 127) if form == "qdq" else self.pick(CLAMPS)
        spread = min(max(spread, 0.5), (high - low) / 2)
        return Value(self.build.quantizer(name, exponent, form, low, high), shape, exponent, spread)

    def rounded(self, name, shape, real_spread, *, most=None):
        """A quantizer whose exponent suits reals of that spread, more or less; `most` is the largest exponent."""
        exponent = round(math.log2(SPREAD / max(real_spread, 1e-6))) + self.pick((-2, -1, 0, 0, 1))
        exponent = exponent if most is None else min(exponent, most)
        return self.quantized(name, shape, exponent, real_spread * 2.0**exponent)

    def same_grid(self, name, value, shape=None):
        """What lies on the grid of a value."""
        return replace(value, name=name, shape=value.shape if shape is None else tuple(shape))

    def bounded(self, name, step=None, kinds=("", "", "Relu", "Relu", "Clip")):
        """A Relu or Clip behind a tensor, or nothing; a Clip at multiples of a step."""
        kind = self.pick(kinds)
        if kind == "Clip" and step is None:
            return self.build.clip(name, *self.pick(((0.0, 6.0), (-1.0, 1.0), (-0.3, 2.7))))
        if kind == "Clip":
            low, high = self.pick(((0, 60), (-25, 25), (-300, 33), (5, 300)))
            return self.build.clip(name, low * step, high * step)
        return self.build.node(kind, [name]) if kind else name
