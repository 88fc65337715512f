"""The one exception family of p4c, and the record of a single problem.

P4CError                the user's or the hardware's failure; anything else that escapes is a bug of p4c
├── InputError          exit status 2: a bad model, file, array or option
│   ├── ModelError      one or more problems of a model, all found in one run
│   └── IRError         malformed IR text or a graph that breaks a rule of the IR
├── ToolchainError      exit status 2: the C compiler is missing, hangs or refuses
└── DeviceError         exit status 3: the simulator or a board failed
    ├── DeviceFault     the code on the device faulted (pc, symbol, address)
    ├── ConnectionLostError, NoAnswerError     of runtime/board: the port went away; nothing intact came back
    └── AnswerLostError, RefusedError          likewise, mostly turned into others before anybody sees them
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ir import Graph


@dataclass(frozen=True)
class Problem:
    """One fault: a sentence of fact, a sentence of advice, and the place it was found at.

    `what` says what was found and what was expected; `advice` is the edit or flag that helps.
    `node`, `op` and `tensor` are ONNX names; `warning` marks what is doubtful but compiles.
    """

    what: str
    advice: str
    node: str = ""
    op: str = ""
    tensor: str = ""
    warning: bool = False

    @property
    def place(self) -> str:
        """The place in words: `node "conv1" (Conv), tensor "x"`; empty when there is none."""
        parts = []
        if self.node or self.op:
            name = f'node "{self.node}"' if self.node else "node"
            parts.append(f"{name} ({self.op})" if self.op else name)
        if self.tensor:
            parts.append(f'tensor "{self.tensor}"')
        return ", ".join(parts)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.what}\n  help: {sentence(self.advice)}"


@dataclass(frozen=True)
class ProblemGroup:
    """Problems that say the same but for names and numbers, in their order."""

    problems: tuple[Problem, ...]

    @property
    def first(self) -> Problem:
        """The one that stands for all."""
        return self.problems[0]


def grouped(problems: Sequence[Problem]) -> list[ProblemGroup]:
    """Problems that are alike put together, each group where its first one stands."""
    groups: dict[tuple[bool, str, str], list[Problem]] = {}
    for problem in problems:
        key = (problem.warning, _template(problem.what), _template(problem.advice))
        groups.setdefault(key, []).append(problem)
    return [ProblemGroup(tuple(alike)) for alike in groups.values()]


def _template(text: str) -> str:
    """A sentence without its names and numbers."""
    return re.sub(r'"[^"]*"|[-+]?\b\d[\d,.]*(e[-+]?\d+)?', "…", text)


def sentence(text: str) -> str:
    """`text` with a capital in front and a stop behind."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


class P4CError(Exception):
    """A failure that is the user's or the hardware's; `exit_status` is what the command returns."""

    exit_status = 2

    def __init__(self, what: str | Problem | Sequence[Problem], advice: str = "", *, file: str = "") -> None:
        if isinstance(what, str):
            what = Problem(what, advice)
        self.problems: tuple[Problem, ...] = (what,) if isinstance(what, Problem) else tuple(what)
        # What is doubtful besides, of a model with problems.
        self.warnings: tuple[Problem, ...] = ()
        self.file = file
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InputError(P4CError):
    """A bad file, array or option."""


class ModelError(InputError):
    """One or more problems of a model, and the `warnings` that there are besides.

    `rest` is the graph in which an input stands for each value that has a problem, so that what comes after the pass
    `after` can find more of them; None where nothing is left to look at.
    """

    def __init__(
        self,
        problems: Problem | Sequence[Problem],
        *,
        file: str = "",
        rest: Graph | None = None,
        after: str = "import",
        warnings: Sequence[Problem] = (),
    ) -> None:
        super().__init__(problems, file=file)
        self.rest, self.after, self.warnings = rest, after, tuple(warnings)


class IRError(InputError):
    """Malformed IR text, or a graph that breaks a rule of the IR."""


class ToolchainError(P4CError):
    """The C compiler or linker is missing, hangs or refuses its input."""


class DeviceError(P4CError):
    """The simulator or a board failed."""

    exit_status = 3


class DeviceFault(DeviceError):  # noqa: N818
    """Code on the device faulted; pc, symbol and address are in the text and as attributes."""

    def __init__(self, what: str, advice: str, *, pc: int, address: int = 0, symbol: str = "") -> None:
        super().__init__(what, advice)
        self.pc, self.address, self.symbol = pc, address, symbol
