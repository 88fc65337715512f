"""The user's cache folder, and running external tools that keep their own caches in it.

zig spins for ever where its cache folder cannot be created, and any tool may hang: so the folder is probed
before a tool is started, and every tool gets a time limit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from ..compiler.errors import ToolchainError

CACHE_VARIABLE = "P4C_CACHE_DIR"


def cache_dir() -> Path:
    """The folder for what may be thrown away; created, and proved writable by writing to it.

    `P4C_CACHE_DIR` overrides the operating system's usual place.
    """
    folder = Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("p4c", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"p4c")
    except OSError as error:
        raise ToolchainError(
            f"the cache folder {folder} cannot be written: {error.strerror or error}",
            f"set the environment variable {CACHE_VARIABLE} to a folder that you can write to",
        ) from error
    return folder.resolve()


def zig_environment() -> dict[str, str]:
    """Our environment with zig's caches put inside our own, in a folder that is there."""
    folder = cache_dir() / "zig"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ToolchainError(
            f"the cache folder {folder} cannot be created: {error.strerror or error}",
            f"remove what is in its place, or set {CACHE_VARIABLE} to another folder",
        ) from error
    return os.environ | {"ZIG_LOCAL_CACHE_DIR": str(folder), "ZIG_GLOBAL_CACHE_DIR": str(folder)}


def run_tool(argv: Sequence[str | Path], *, timeout: float, what: str, cwd: Path | None = None) -> str:
    """Run a tool and return what it printed to stdout; `what` names the task: "compiling the simulator".

    Whatever goes wrong becomes a ToolchainError of one sentence; the tool's whole output is a note on it.
    """
    command = [str(word) for word in argv]
    try:
        # A session of its own, so that a tool's children can be ended with it.
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=zig_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise ToolchainError(
            f"{what} failed: {command[0]} cannot be started: {error.strerror or error}",
            "check that the tool is installed and on PATH, or choose another one with --toolchain",
        ) from error
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        _kill(process)
        raise ToolchainError(
            f"{what} failed: {command[0]} did not finish within {timeout:g} s",
            f"try again on an idle machine, or with {CACHE_VARIABLE} set to a folder on a local disk",
        ) from error
    except BaseException:
        _kill(process)
        raise
    if process.returncode != 0:
        raise _failure(what, process.returncode, stderr)
    return stdout


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()


def _failure(what: str, status: int, stderr: str) -> ToolchainError:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    first = (errors or lines or [f"exit status {status}"])[0]
    failure = ToolchainError(
        f"{what} failed: {first}",
        "if this names a missing or damaged file, reinstall the toolchain "
        "(pip install --force-reinstall ziglang); otherwise please report it",
    )
    failure.add_note(stderr)
    return failure
