"""p4c: an ahead-of-time compiler from QAT ONNX networks to INT8 code for the ESP32-P4.

In short:

    import p4c
    model = p4c.compile("model.onnx")   # -> CompiledModel
    y = model.run(x)                    # on the simulated chip
    with p4c.connect(port) as board:    # on a board
        y = board.load(model)(x)
    verdict = model.verify(x)           # against onnxruntime
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .compiler.errors import DeviceError, InputError, ModelError, P4CError, ToolchainError

if TYPE_CHECKING:
    from .driver import Options
    from .runtime.board.board import Board
    from .runtime.model import CompiledModel
    from .runtime.verify import Verdict

__all__ = [
    "Board",
    "CompiledModel",
    "DeviceError",
    "InputError",
    "ModelError",
    "Options",
    "P4CError",
    "ToolchainError",
    "Verdict",
    "compile",
    "connect",
]
__version__ = "0.1.0"


def compile(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    **options: Any,  # noqa: ANN401
) -> CompiledModel:
    """Compile an ONNX model (or IR text from --dump-ir) and return it ready to run.

    `output` is the folder to write, nothing is written without it; `options` are the fields of p4c.Options, where
    `normalize` may be the text that --normalize takes, and `calibrate` any path.
    Raises ModelError with all problems of the model, InputError for bad options, ToolchainError.
    """
    from pathlib import Path

    from .driver import Options, compile_model
    from .runtime.data import Normalization

    if isinstance(options.get("normalize"), str):
        options["normalize"] = Normalization.parse(options["normalize"])
    if options.get("calibrate") is not None:
        options["calibrate"] = Path(options["calibrate"])
    return compile_model(Path(model), Options(**options), None if output is None else Path(output))


def connect(port: str, *, baud: int = 115_200, chip_rev: str = "") -> Board:
    """Connect to a board at a port: a path, socket://HOST:PORT, or "auto" for the only port where a board answers.

    `chip_rev` is needed where the board's firmware does not tell it and models have SIMD code. The board is a context
    manager; leaving it frees what was loaded. Raises DeviceError when no board answers there, InputError for bad
    options.
    """
    from .runtime.board.ports import open_board

    return open_board(port, baud=baud, chip_rev=chip_rev)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load the heavy names of __all__ on first use, so that `import p4c` and `p4c --help` stay quick."""
    if name == "Options":
        from .driver import Options

        return Options
    if name == "Board":
        from .runtime.board.board import Board

        return Board
    if name == "CompiledModel":
        from .runtime.model import CompiledModel

        return CompiledModel
    if name == "Verdict":
        from .runtime.verify import Verdict

        return Verdict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
