"""Dumps: IR text in a file, its large constants in an .npz beside it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .errors import IRError
from .ir import Array, Graph
from .parser import parse_graph
from .printer import print_graph
from .verifier import verify


def dump_files(graph: Graph, number: int, pass_name: str) -> dict[str, bytes]:
    """The dump's files by name: NN-pass.p4ir, and NN-pass.npz if there are large constants."""
    archive: dict[str, Array] = {}
    stem = f"{number:02}-{pass_name}"
    files = {f"{stem}.p4ir": print_graph(graph, pass_name=pass_name, archive=archive).encode()}
    return files | ({f"{stem}.npz": archive_bytes(archive)} if archive else {})


def write_dump(graph: Graph, folder: Path, number: int, pass_name: str) -> Path:
    """Write the dump's files into `folder`; returns the path of the text."""
    folder.mkdir(parents=True, exist_ok=True)
    files = dump_files(graph, number, pass_name)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    path = folder / next(iter(files))
    if len(files) == 1:
        path.with_suffix(".npz").unlink(missing_ok=True)
    return path


def read_dump(path: Path) -> tuple[Graph, str]:
    """The graph in a dump, verified, and the name of the pass it stands after; raises IRError."""
    try:
        text = path.read_text(encoding="utf-8")
        graph, pass_name = parse_graph(text, _read_archive(path.with_suffix(".npz")))
        verify(graph, pass_name)
    except OSError as error:
        what = f"cannot read {error.filename}: {error.strerror}"
        raise IRError(what, "give a .p4ir file that --dump-ir wrote", file=str(path)) from None
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is no UTF-8 text, expected IR text"
        raise IRError(what, "give a .p4ir file that --dump-ir wrote", file=str(path)) from None
    except IRError as error:
        raise IRError(error.problems, file=str(path)) from None
    return graph, pass_name


def archive_bytes(archive: Mapping[str, Array]) -> bytes:
    """An .npz that depends on nothing but keys and arrays: no dates, no compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for key, array in archive.items():
            member = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            # The system that is written down here is the same wherever this runs.
            member.create_system = 3
            with file.open(member, "w") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _read_archive(path: Path) -> dict[str, Array]:
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            archive = {key: file[key] for key in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise IRError(f"{path.name} is no whole .npz: {error}", "dump the graph again") from None
    # NumPy gives a member that is no array as bytes.
    return {key: array for key, array in archive.items() if isinstance(array, np.ndarray)}
