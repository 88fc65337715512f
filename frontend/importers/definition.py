"""What the row of an imported operator holds; the table itself is IMPORTERS in this package's __init__."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..context import Context
from ..onnx_model import OnnxNode


@dataclass(frozen=True)
class Importer:
    """One ONNX operator: `run` appends its IR, `accepts` says in words which forms it takes.

    `makes` names the ops of that IR, reshapes that only change the number of axes aside; the import holds it to them.
    """

    op: str
    run: Callable[[Context, OnnxNode], None]
    accepts: str
    makes: tuple[str, ...] = ()
