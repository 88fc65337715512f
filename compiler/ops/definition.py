"""What an op's declaration holds; the table itself is OPS in this package's __init__."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..ir import Array, Attr, Node, TensorType

Types = Sequence[TensorType]


class OpError(ValueError):
    """A node that breaks its op's rules; the text says found and expected."""


@dataclass(frozen=True)
class AttrDef:
    """An attribute's kind (`int`, `float`, `ints` or `str`) and its default; None means required."""

    kind: str
    default: Attr | None = None


def no_faults(node: Node, types: Types) -> Iterator[str]:
    """The `check` of an op that has no rule beyond its shape."""
    return iter(())


@dataclass(frozen=True)
class OpDef:
    """One op.

    `operands` names them in order, a trailing `?` marks those that may be left out (only at the end).
    `infer` gives the result's shape and raises OpError; `check` yields every other fault of types and attributes;
    `evaluate` is the reference semantics: stored arrays in, stored array of `node.type` out, exact on integers.
    """

    name: str
    summary: str
    operands: tuple[str, ...]
    infer: Callable[[Node, Types], tuple[int, ...]]
    evaluate: Callable[[Node, Types, Sequence[Array]], Array]
    attrs: Mapping[str, AttrDef] = field(default_factory=dict)
    check: Callable[[Node, Types], Iterator[str]] = no_faults

    @property
    def required(self) -> int:
        """The number of operands that may not be left out."""
        return sum(not operand.endswith("?") for operand in self.operands)


def same_shape(node: Node, types: Types) -> tuple[int, ...]:
    """The shape rule of elementwise ops with one operand."""
    return types[0].shape


def keeps_type(node: Node, types: Types) -> Iterator[str]:
    """The check of ops whose result has its operand's dtype and params."""
    if node.type.dtype != types[0].dtype or node.type.params != types[0].params:
        yield f"the result is {node.type.dtype} with other parameters, expected its operand's ({types[0].dtype})"
