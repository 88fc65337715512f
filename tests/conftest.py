"""Options and fixtures that tests of several rooms share."""

from __future__ import annotations

import difflib
import os
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from serial.urlhandler import protocol_socket

import p4c
from p4c import driver
from p4c.backend.build import build
from p4c.backend.cache import CACHE_VARIABLE
from p4c.backend.emit import emit_entry, emit_source
from p4c.runtime.board.virtual import VirtualBoard

from .models import many_net, rows, small_net

# A shell starts what runs in the background with Ctrl-C ignored, and so would be processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing with them")
    parser.addoption(
        "--serial-faults", type=int, default=150, help="how many faults tests/test_board_faults.py injects"
    )


@pytest.fixture(scope="module")
def virtual():
    """A virtual board with p4c's own firmware, on a socket."""
    with VirtualBoard(with_pty=False) as board:
        yield board


@pytest.fixture
def board(virtual):
    """A connection; afterwards the board's heap is as it was before."""
    with p4c.connect(virtual.url) as connected:
        before = connected.heap()
        yield connected
    with p4c.connect(virtual.url) as again:
        assert again.heap() == before


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """golden(path, text) compares text with a file, or writes the file with --update-golden."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text)
            return
        if not path.exists():
            pytest.fail(f"there is no {path}; make it with --update-golden and read it")
        expected = path.read_text()
        if text != expected:
            diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(path), "now", lineterm="")
            pytest.fail("\n".join([*diff, "(--update-golden accepts this)"]), pytrace=False)

    return compare


@pytest.fixture(autouse=True, scope="session")
def sockets_close_at_once():
    """pyserial sleeps 0.3 s whenever it closes a socket; the boards of these tests need no such time."""
    patch = pytest.MonkeyPatch()
    patch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))
    yield
    patch.undo()


BUILDS: dict[object, object] = {}


def remembered_build(plan, model, *rest):
    """build(), done once for the same C text, weights, options and environment: most commands build the same."""
    place = os.environ.get("PATH"), os.environ.get(CACHE_VARIABLE)
    key = (emit_source(plan, model), emit_entry(plan, model), plan.weights, pickle.dumps(rest), place)
    if key not in BUILDS:
        BUILDS[key] = build(plan, model, *rest)
    return BUILDS[key]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with small.onnx, many.onnx and data for both."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(driver, "build", remembered_build)
    small_net().save("small.onnx")
    many_net().save("many.onnx")
    np.savez("data.npz", input=rows(5), y=np.arange(5) % 4)
    np.savez("many.npz", a=rows(3, (6,)), b=rows(3, (2, 3, 3)))
    return tmp_path
