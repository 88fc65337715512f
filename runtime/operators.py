"""The operators that p4c takes, as `p4c ops` lists them: joined from the rows of the importers and of the kernels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..backend.kernels import KERNELS
from ..compiler.passes.convert_to_integer import ALL_INTEGER_OPS
from ..compiler.plan import KernelDef

WIDTH = 100
INTRODUCTION = """\
# Operators

This page is what `p4c ops` prints: the rows of the importers, of the quantizer patterns and of the
kernels. Scales are powers of two, and shapes are fixed at compile time. `p4c check` says what of a
model is not taken, `p4c profile -v` which kernel each of its layers has and why.

An operator marked PIE runs on the vector unit where the conditions of one of its kernels hold, else
as scalar code. Operators between constants are computed at compile time.

## Operators

"""


@dataclass(frozen=True)
class Operator:
    """ONNX operators with one and the same row: what is accepted of them, and the ops that they become."""

    names: tuple[str, ...]
    accepts: str
    ops: tuple[str, ...]

    @property
    def kernels(self) -> list[KernelDef]:
        """The rows of the kernel table that compute it, in the order in which they are tried."""
        computed = {ALL_INTEGER_OPS.get(op, op) for op in self.ops}
        return [kernel for kernel in KERNELS if kernel.op in computed]

    @property
    def code(self) -> str:
        """Which code there is for it: SIMD where its conditions hold, else scalar; none where it vanishes."""
        forms = {kernel.pie for kernel in self.kernels}
        return ", ".join(text for pie, text in ((True, "PIE"), (False, "scalar")) if pie in forms) or "none needed"


@dataclass(frozen=True)
class Operators:
    """All that `p4c ops` says but the kernels, whose table is KERNELS."""

    forms: tuple[str, ...]
    operators: tuple[Operator, ...]

    @staticmethod
    def gather(forms: Sequence[str], rows: Iterable[tuple[str, str, tuple[str, ...]]]) -> Operators:
        """Join importers' rows (operator, accepts, makes) that say the same; names with a dot are markers."""
        names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for name, accepts, makes in rows:
            names.setdefault((accepts, makes), []).append(name)
        joined = (Operator(_shown(alike), *key) for key, alike in names.items())
        return Operators(tuple(forms), tuple(sorted(joined, key=lambda one: (len(one.names) > 4, one.names))))


def _shown(names: Sequence[str]) -> tuple[str, ...]:
    """The ONNX operators among them; markers alone go by the name that people know."""
    return tuple(sorted(name for name in names if "." not in name)) or tuple(
        f"{name.split('.')[1]}Linear" for name in names
    )


def operators_text(table: Operators) -> str:
    """Markdown with the tables as blocks of code, at most 100 columns wide."""
    lines = INTRODUCTION.splitlines()
    for one in table.operators:
        lines += _columns((", ".join(one.names), 22), (one.accepts, 56), (one.code, 14))
    lines += ["", "## Forms of quantizers", ""]
    for form in table.forms:
        lines += textwrap.wrap(form, WIDTH, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False)
    lines += ["", "## Kernels", "", "The first of an op whose conditions hold is taken.", ""]
    for kernel in KERNELS:
        conditions = "; ".join(condition.text for condition in kernel.conditions)
        code = "PIE" if kernel.pie else "scalar"
        lines += _columns((kernel.op, 16), (kernel.name, 22), (code, 6), (conditions, 45))
    return "\n".join(lines)


def _columns(*cells: tuple[str, int]) -> Iterator[str]:
    """A row of a table of texts and widths, in as many lines as its longest cell takes, 4 spaces in front."""
    wrapped = [textwrap.wrap(text, width, break_on_hyphens=False) for text, width in cells]
    for line in range(max(map(len, wrapped))):
        texts = (cell[line] if line < len(cell) else "" for cell in wrapped)
        yield ("    " + "  ".join(f"{text:{width}}" for text, (_, width) in zip(texts, cells, strict=True))).rstrip()


def operators_json(table: Operators) -> dict[str, Any]:
    """The same for programs."""
    operators = [
        {
            "operators": list(one.names),
            "accepts": one.accepts,
            "ops": list(one.ops),
            "kernels": [kernel.name for kernel in one.kernels],
        }
        for one in table.operators
    ]
    kernels = [
        {
            "name": kernel.name,
            "op": kernel.op,
            "pie": kernel.pie,
            "conditions": [condition.text for condition in kernel.conditions],
        }
        for kernel in KERNELS
    ]
    return {"schema": "p4c.ops/1", "forms": list(table.forms), "operators": operators, "kernels": kernels}
