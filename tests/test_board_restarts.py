"""Boards that restart at a fault, over a serial port that goes away with them, or stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import p4c
from p4c.compiler.errors import DeviceError, DeviceFault

from .foreign_firmware import ForeignFirmware
from .models import rows, small_net
from .restarting_board import RestartingBoard
from .test_board_own import ILLEGAL, faulting
from .test_board_programs import PROGRAMS

ROOT = Path(__file__).parent.parent
PEEK = "int peek(unsigned address) { return *(volatile int *)address; }"


@pytest.fixture(params=[False, True], ids=["the port goes away", "the port stays"])
def restarting(request, tmp_path):
    with RestartingBoard(tmp_path, port_stays=request.param) as board:
        yield board


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return p4c.compile(small_net().save(tmp_path_factory.mktemp("models") / "small.onnx"))


def test_a_model_that_faults(restarting, small):
    """The fault is told with its node; the connection goes on, and what was there must be loaded again."""
    x = rows(3)
    with p4c.connect(restarting.port) as board:
        before = board.load(small)
        with pytest.raises(
            DeviceFault, match=r"illegal instruction 0x0+ .*\(node Gemm_0\).*; the board has restarted"
        ):
            faulting(small, ILLEGAL).run(x, device=board)
        assert restarting.restarts == 1
        with pytest.raises(DeviceError, match="is not loaded any more"):
            before(x)
        np.testing.assert_array_equal(board.load(small)(x), small.run(x), strict=True)


def test_a_raw_function_that_faults(restarting, tmp_path):
    path = tmp_path / "peek.c"
    path.write_text(PEEK)
    with p4c.connect(restarting.port) as board:
        peek, other = board.jit(path, "peek"), board.jit(path, "peek")
        with pytest.raises(DeviceFault, match=r"peek loaded from 0x00000010, .* in peek") as caught:
            peek(16)
        assert "the board has restarted: everything on it is gone" in str(caught.value)
        with pytest.raises(DeviceError, match="peek is not on the board any more"):
            other(peek.elf.base)
        again = board.jit(path, "peek")
        assert again(again.elf.base) == int.from_bytes(again.elf.flat[:4], "little", signed=True)


def test_a_board_that_does_not_come_back(tmp_path, small):
    """Which is told as what it looks like: a lost connection."""
    with (
        RestartingBoard(tmp_path, away=60.0) as restarting,
        p4c.connect(restarting.port) as board,
        pytest.raises(DeviceError, match=r"the connection to .* was lost"),
    ):
        faulting(small, ILLEGAL).run(rows(1), device=board)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chip_rev", "files"),
    [("v3", []), ("v1", [f"tests/test_board_{name}.py" for name in ("instructions", "models", "programs")])],
)
def test_the_suite_with_a_port(tmp_path, chip_rev, files):
    """pytest --device=PORT, over a serial port, on a board that restarts at faults; and what it writes."""
    report = tmp_path / "report.md"
    with RestartingBoard(tmp_path, chip_rev=chip_rev) as board:
        # What is slow runs on virtual boards elsewhere.
        options = [f"--device={board.port}", f"--board-report={report}", "-m", "board and not slow"]
        command = [sys.executable, "-m", "pytest", *options, *files]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert f"board: {board.port} (p4c sim" in done.stdout
    assert (board.restarts > 0) == (not files)
    text = report.read_text()
    assert f"Chip revision {chip_rev}" in text
    assert "This board is simulated" in text
    data = json.loads(report.with_suffix(".json").read_text())
    assert [network["whole"]["name"] for network in data["networks"]] == ["digits network"]
    assert {row["name"] for row in data["programs"]} == {program.name for program in PROGRAMS}


@pytest.mark.parametrize(
    ("port", "text"),
    [("/dev/none", "there is no port /dev/none"), ("foreign", "is no board with p4c's firmware")],
)
def test_ports_without_such_a_board(port, text):
    with ForeignFirmware() as foreign:
        device = f"--device={foreign.url if port == 'foreign' else port}"
        command = [sys.executable, "-m", "pytest", device, "tests/test_board_own.py"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert text in done.stderr
