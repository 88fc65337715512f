"""`--device`, `p4c devices` and the lists of ports, on emulated boards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from p4c.backend.cache import CACHE_VARIABLE, cache_dir
from p4c.cli import main
from p4c.runtime.board import ports
from p4c.runtime.board.ports import registered, registration, registry
from p4c.runtime.board.virtual import VirtualBoard

from .foreign_firmware import ForeignFirmware
from .test_cli import output_json


@pytest.fixture
def firmware():
    with ForeignFirmware() as running:
        yield running
        assert running.used == 0


@pytest.fixture
def no_boards(folder, monkeypatch):
    """No serial port, and an empty list of virtual boards; the folder of that list."""
    boards = folder / "boards"
    boards.mkdir()
    monkeypatch.setattr(ports, "registry", lambda: boards)
    monkeypatch.setattr(ports.list_ports, "comports", list)
    return boards


def test_run_and_verify_on_a_board(folder, firmware, capsys):
    device = ["--device", firmware.url, "--chip-rev", "v3"]
    assert main(["run", "small.onnx", "--input", "data.npz", "-o", "here.npy"]) == 0
    assert main(["run", "small.onnx", "--input", "data.npz", "-o", "there.npy", *device]) == 0
    assert capsys.readouterr().out.endswith("cycles of the board per inference, at most\n")
    np.testing.assert_array_equal(np.load("here.npy"), np.load("there.npy"), strict=True)
    result = output_json(capsys, "run", "small.onnx", "--input", "data.npz", *device)
    assert result["total_cycles"] > 100
    assert main(["verify", "small.onnx", "--data", "data.npz", *device]) == 0
    out = capsys.readouterr().out
    assert "5 of 5 rows identical to onnxruntime" in out
    assert "cycles of the board per inference" in out
    layers = output_json(capsys, "verify", "small.onnx", "--data", "data.npz", "--layers", *device)
    assert (layers["identical"], layers["first_divergence"]) == (5, None)


def test_simd_code_needs_a_known_chip(folder, firmware, capsys):
    assert main(["run", "small.onnx", "--input", "data.npz", "--device", firmware.url]) == 2
    assert "does not say its chip revision" in capsys.readouterr().err
    assert main(["run", "small.onnx", "--input", "data.npz", "--no-pie", "--device", firmware.url]) == 0


def test_devices_and_auto(no_boards, firmware, capsys):
    assert main(["devices"]) == 0
    assert "no USB port and no virtual board" in capsys.readouterr().out
    auto = ["run", "small.onnx", "--input", "data.npz", "--no-pie", "--device", "auto"]
    assert main(auto) == 3
    assert "no board answers" in capsys.readouterr().err
    with registration(firmware.url, "a test"):
        found = output_json(capsys, "devices")["devices"]
        assert [(one["name"], one["board"]) for one in found] == [(firmware.url, "P4-JIT 1.0.0, protocol 1.0")]
        assert main(["devices"]) == 0
        assert firmware.url in capsys.readouterr().out
        assert main(auto) == 0
        with ForeignFirmware("older") as other, registration(other.url, "another"):
            capsys.readouterr()
            assert main(auto) == 3
            assert "2 boards answer" in capsys.readouterr().err


def test_a_board_served_by_the_command(folder, capsys):
    """`p4c board` in a process of its own, found by `devices` and `auto` in this one, ended by Ctrl-C."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {CACHE_VARIABLE: cache}
        for name in ("simulator", "firmware"):
            # What is built there already is not built again.
            if (cache_dir() / name).is_dir():
                os.symlink(cache_dir() / name, Path(cache, name))
        command = [sys.executable, "-m", "p4c", "board"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert "virtual board, chip revision v3" in process.stdout.readline()
            url = process.stdout.readline().strip()
            assert main(["run", "small.onnx", "--input", "data.npz", "--device", url, "-o", "y.npy"]) == 0
            listed = subprocess.run(
                [sys.executable, "-m", "p4c", "devices"], env=environment, capture_output=True, text=True, check=True
            )
            assert url in listed.stdout
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        assert not list((Path(cache) / "boards").iterdir())


def test_stale_registrations_are_removed(no_boards):
    with ForeignFirmware() as gone:
        url = gone.url
    (no_boards / "1.json").write_text(json.dumps({"url": url, "text": "gone"}))
    (no_boards / "2.json").write_text("{")
    assert registered() == []
    assert list(no_boards.iterdir()) == []


def test_the_registry_lies_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert registry() == tmp_path.resolve() / "boards"


def test_profile_and_layers_on_a_board_of_the_command(folder, capsys):
    """The layers' counts add up to nearly the whole; what a virtual board counts is called by its name."""
    profile = output_json(capsys, "profile", "small.onnx", "--device", "sim-board")
    assert profile["counts"] == "simulated instructions"
    counted = [layer["cycles"] for layer in profile["layers"]]
    assert len(counted) == 3
    assert min(counted) > 0
    assert 0.9 * profile["total_cycles"] < sum(counted) <= profile["total_cycles"]
    assert main(["profile", "small.onnx", "--device", "sim-board"]) == 0
    out = capsys.readouterr().out
    assert "MAC/instruction" in out
    assert "simulated instructions, on socket://" in out
    layers = output_json(capsys, "verify", "small.onnx", "--data", "data.npz", "--layers", "--device", "sim-board")
    assert (layers["identical"], layers["first_divergence"]) == (5, None)


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["board", "--port", str(taken.getsockname()[1])]) == 2
        assert "cannot be served: Address already in use" in capsys.readouterr().err
    assert main(["board", "--port", "70000"]) == 2
    assert main(["board", "--chip-rev", "v2"]) == 2


def test_the_boards_chip_decides(folder, capsys):
    """Without --chip-rev the model is compiled for the chip that is there."""
    with VirtualBoard("v1", with_pty=False) as board:
        command = ["verify", "small.onnx", "--data", "data.npz", "--device", board.url]
        assert main(command) == 0
        assert "5 of 5 rows identical" in capsys.readouterr().out
        assert main([*command, "--chip-rev", "v3"]) == 2
        assert "has chip revision v1, --chip-rev says v3" in capsys.readouterr().err
