"""What commands do with their arguments: compile the model, open the board, load the data."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import compile_options
from .messages import print_warnings

if TYPE_CHECKING:
    from ..runtime.board.board import Board, LoadedModel
    from ..runtime.data import Data
    from ..runtime.model import CompiledModel


def compiled(options: argparse.Namespace, output: Path | None) -> CompiledModel:
    """Compile the model of a command line and print its warnings."""
    from ..driver import compile_model

    model = compile_model(options.model, compile_options(options), output)
    print_warnings(model.warnings)
    return model


@contextmanager
def board_of(options: argparse.Namespace) -> Iterator[Board | None]:
    """The board of --device, None for the simulator. The revision of its chip becomes that of the compile."""
    if options.device == "sim":
        yield None
        return
    from ..runtime.board.ports import open_board

    with open_board(options.device, baud=options.baud, chip_rev=options.chip_rev or "") as board:
        options.chip_rev = board.chip_rev or options.chip_rev
        yield board


@contextmanager
def device_of(model: CompiledModel, board: Board | None, options: argparse.Namespace) -> Iterator[LoadedModel | None]:
    """The model on its board, uploaded with a progress bar; None for the simulator."""
    if board is None:
        yield None
        return
    from ..runtime.render import progress_bar

    with progress_bar("uploading", quiet=options.json) as progress:
        loaded = board.load(model, progress)
    with loaded:
        yield loaded


def dump_folder(options: argparse.Namespace) -> Path | None:
    """Where a command that writes no output folder of its own puts dumps: the default output folder."""
    from ..driver import default_output

    return None if options.dump_ir is None else default_output(options.model)


def data_of(model: CompiledModel, path: Path, options: argparse.Namespace) -> Data:
    """The rows of --input or --data for the inputs of a model."""
    from ..runtime.data import load_data

    return load_data(path, model.inputs, compile_options(options).normalize)
