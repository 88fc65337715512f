"""What an op's declaration holds; the table itself is OPS in this package's __init__."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..ir import Array, Attr, Node, TensorType
from ..text import attr_text, type_text

Types = Sequence[TensorType]


class OpError(ValueError):
    """A node that breaks its op's rules; the text says found and expected."""


def is_int(value: object) -> bool:
    """True for Python's own int, which prints and compares the same everywhere; not for bool or NumPy's."""
    return type(value) is int


# Each kind of attribute: its test, and what to call it.
KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "int": (is_int, "an integer"),
    "float": (lambda value: isinstance(value, float) and not math.isnan(value), "a real number"),
    "ints": (lambda value: isinstance(value, tuple) and all(map(is_int, value)), "integers in brackets"),
    "str": (lambda value: isinstance(value, str), "a string"),
}


@dataclass(frozen=True)
class AttrDef:
    """An attribute's kind (a key of KINDS), its default (None: required), and its limits.

    `minimum` holds for each integer; `length` is the number of `ints`, that of the default unless given; an empty
    default allows any number.
    """

    kind: str
    default: Attr | None = None
    minimum: int | None = None
    length: int | None = None

    def fault(self, value: object) -> str | None:
        """What is wrong with a value, as words that follow the attribute's name; None when it fits."""
        fits, expected = KINDS[self.kind]
        if not fits(value):
            return f"is {attr_text(value)}, expected {expected}"
        length = len(self.default) or None if isinstance(self.default, tuple) else self.length
        if isinstance(value, tuple) and length not in (None, len(value)):
            return f"is {attr_text(value)}, expected {length} integers"
        ints = value if isinstance(value, tuple) else (value,)
        if self.minimum is not None and any(item < self.minimum for item in ints):
            return f"is {attr_text(value)}, expected {self.minimum} or more"
        return None


def no_faults(node: Node, types: Types) -> Iterator[str]:
    """The `check` of an op that has no rule beyond its shape."""
    return iter(())


@dataclass(frozen=True)
class OpDef:
    """One op.

    `operands` names them in order; a trailing `?` marks those that may be left out (only at the end), `...`
    behind the last says that it stands for one or more.
    `infer` gives the result's shape and raises OpError; `check` yields every other fault of types and attributes, on
    a node whose shape is right; `ranges` holds what the elements of a constant operand may be; the result of a
    `border` op is a graph output and nothing else;
    `evaluate` is the reference semantics: stored arrays in, stored array of `node.type` out, exact on integers.
    """

    name: str
    summary: str
    operands: tuple[str, ...]
    infer: Callable[[Node, Types], tuple[int, ...]]
    evaluate: Callable[[Node, Types, Sequence[Array]], Array]
    attrs: Mapping[str, AttrDef] = field(default_factory=dict)
    check: Callable[[Node, Types], Iterator[str]] = no_faults
    ranges: Mapping[str, Container[int]] = field(default_factory=dict)
    border: bool = False

    @property
    def required(self) -> int:
        """The number of operands that may not be left out."""
        return sum(not operand.endswith("?") for operand in self.operands)

    @property
    def most(self) -> float:
        """The number of operands that there may be at most."""
        return math.inf if self.operands[-1].endswith("...") else len(self.operands)


def same_shape(node: Node, types: Types) -> tuple[int, ...]:
    """The shape rule of elementwise ops."""
    return types[0].shape


def keeps_type(node: Node, types: Types) -> Iterator[str]:
    """The check of ops whose result has its operand's dtype and params."""
    if node.type.dtype != types[0].dtype or node.type.params != types[0].params:
        found, expected = (type_text(type_.with_(layout="row")) for type_ in (node.type, types[0]))
        yield f"the result is {found}, expected the operand's dtype and parameters, {expected}"


def keeps_order(node: Node, types: Types) -> Iterator[str]:
    """The check of ops whose result has its operand's layout."""
    if not types[0].same_order(node.type):
        yield f"operand layout {types[0].layout} and result layout {node.type.layout}, expected the same"


def keeps_type_and_order(node: Node, types: Types) -> Iterator[str]:
    """The check of ops that keep their operand's dtype, params and layout."""
    yield from keeps_type(node, types)
    yield from keeps_order(node, types)
