"""Options and fixtures that tests of several rooms share."""

from __future__ import annotations

import difflib
import os
import pickle
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from serial.urlhandler import protocol_socket

from p4c import driver
from p4c.backend.build import build
from p4c.backend.cache import CACHE_VARIABLE
from p4c.backend.emit import emit_entry, emit_source
from p4c.compiler.errors import P4CError
from p4c.runtime.board.transport import DEFAULT_BAUD
from p4c.runtime.board.virtual import VirtualBoard

from .device_report import Report
from .device_under_test import DeviceUnderTest, identified
from .models import many_net, rows, small_net

DEVICE, REPORT = pytest.StashKey[DeviceUnderTest](), pytest.StashKey[Report]()

# A shell starts what runs in the background with Ctrl-C ignored, and so would be processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing with them")
    parser.addoption(
        "--serial-faults", type=int, default=150, help="how many faults tests/test_board_faults.py injects"
    )
    parser.addoption("--device", metavar="PORT", default="", help="run the tests marked board on the board there")
    parser.addoption(
        "--board-report", metavar="FILE", type=Path, default=Path("board-report.md"), help="what --device measures"
    )
    parser.addoption("--baud", type=int, default=DEFAULT_BAUD, help="of --device, where it is a real serial port")


def pytest_configure(config: pytest.Config) -> None:
    """With --device: find out what is there, and run what is marked board, slow or not."""
    config.stash[REPORT] = Report()
    port = config.getoption("--device")
    if not port:
        return
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--device: a board serves one host at a time; leave -n out")
    try:
        config.stash[DEVICE] = identified(port, config.getoption("--baud"))
    except P4CError as error:
        raise pytest.UsageError(str(error)) from error
    if config.option.markexpr == "not slow":
        config.option.markexpr = "board"


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which board it is."""
    return [f"board: {config.stash[DEVICE].name}"] if DEVICE in config.stash else []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the device under test is marked board, before -m looks."""
    for item in items:
        if "device" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.board)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With --device: write what was measured, and say where."""
    if DEVICE in config.stash and config.stash[REPORT].has_rows:
        paths = config.stash[REPORT].write(config.getoption("--board-report"), config.stash[DEVICE])
        terminalreporter.write_line(f"measured against estimated: {', '.join(map(str, paths))}")


@pytest.fixture(scope="module")
def device(request: pytest.FixtureRequest):
    """The board under test: that of --device, else a virtual one. What uses it is marked board."""
    given = request.config.stash.get(DEVICE, None)
    if given is not None:
        yield given
    else:
        with VirtualBoard(with_pty=False) as virtual:
            yield identified(virtual.url)


@pytest.fixture
def board(device):
    """A connection to it; afterwards the board's heap is as it was before."""
    with device.connect() as connected:
        before = connected.heap()
        yield connected
    with device.connect() as again:
        # What a system takes back for a task that was ended, it takes back when it is idle.
        deadline = time.monotonic() + 2
        while again.heap() != before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert again.heap() == before


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest):
    """Where what is measured on the device under test is put down."""
    return request.config.stash[REPORT]


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
