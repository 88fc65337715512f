"""A small writer of indented C text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CWriter:
    """Collects lines; `block` and `indent` nest by four columns."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def line(self, text: str = "") -> None:
        """Append one line."""
        self._lines.append("    " * self._depth + text if text else "")

    @contextmanager
    def indent(self) -> Iterator[None]:
        """Lines written inside are one level deeper."""
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def block(self) -> Iterator[None]:
        """Lines written inside stand between braces."""
        self.line("{")
        with self.indent():
            yield
        self.line("}")

    def text(self) -> str:
        """Everything written, with a final newline."""
        return "\n".join(self._lines) + "\n"
