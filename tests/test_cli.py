"""The commands as people use them: what they print, write and return. Errors are in test_cli_errors.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from p4c.backend.image import read_image
from p4c.cli import COMMANDS, main
from p4c.runtime.simulated import SimulatorDevice


def output_json(capsys, *command, status=0):
    assert main([*command, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_compile_is_the_default_command(folder, capsys):
    assert main(["small.onnx"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in (
        "Conv_0",
        "Gemm_1",
        "5x4x4",
        "2,880",
        "arena 512 B (lower bound 512 B)",
        "small.p4c: chip revision v3",
    ):
        assert word in out
    made = files(folder / "small.p4c")
    assert {name for name in made if "/" not in name} == {
        *("manifest.json", "report.json", "weights.bin", "model.elf", "model.img", "p4c_small.c", "p4c_small.h")
    }
    manifest = json.loads(made["manifest.json"])
    assert (manifest["schema"], manifest["model"], manifest["chip_revision"]) == ("p4c.manifest/1", "small", 3)
    image = read_image(made["model.img"])
    assert manifest["model_hash"] == image.model_hash.hex()
    assert image.segment("weights").data == made["weights.bin"]
    # Again, by its own name and from elsewhere: the same bytes, and nothing of the old folder is left.
    (folder / "small.p4c" / "stale").write_text("")
    assert main(["compile", str(folder / "small.onnx")]) == 0
    assert files(folder / "small.p4c") == made


def test_output_folder_and_name(folder, capsys):
    assert main(["small.onnx", "-o", "deep/er/out", "--name", "Mein Netz 2"]) == 0
    assert "deep/er/out: chip revision v3" in capsys.readouterr().out
    made = files(folder / "deep" / "er" / "out")
    assert {"p4c_mein_netz_2.c", "p4c_mein_netz_2.h"} <= set(made)
    assert b"int p4c_mein_netz_2_run(" in made["p4c_mein_netz_2.h"]
    assert not (folder / "small.p4c").exists()
    # An empty folder is taken.
    (folder / "empty").mkdir()
    assert main(["small.onnx", "--output", "empty"]) == 0
    assert (folder / "empty" / "model.img").exists()


def test_compile_json(folder, capsys):
    report = output_json(capsys, "small.onnx", "--chip-rev", "v1")
    assert report["schema"] == "p4c.report/1"
    assert (report["output"], report["warnings"], report["chip_revision"]) == ("small.p4c", [], 1)
    assert [(layer["node"], layer["op"], layer["macs"]) for layer in report["layers"]] == [
        ("Conv_0", "qconv2d", 2880),
        ("Gemm_0", "qfully_connected", 960),
        ("Gemm_1", "qfully_connected", 48),
    ]
    assert report["macs"] == sum(layer["macs"] for layer in report["layers"])
    for layer in report["layers"]:
        assert layer["exact"]
        assert 0 < layer["acc_bound"] < 2**24
    image = read_image((folder / "small.p4c" / "model.img").read_bytes())
    assert report["stack_bytes"] == image.stack_bytes
    assert report["weights_bytes"] == len(image.segment("weights").data)
    assert report["code_bytes"] == len(image.segment("code").data)
    assert report["arena_lower_bound"] <= report["arena_bytes"]


def test_without_pie_the_kernels_are_scalar(folder, capsys):
    reports = [output_json(capsys, "small.onnx", *flags) for flags in ([], ["--no-pie"])]
    kernels = [{layer["kernel"] for layer in report["layers"]} for report in reports]
    assert not any(name.endswith("_ref") for name in kernels[0])
    assert all(name.endswith("_ref") for name in kernels[1])
    main(["small.onnx", "-v"])
    assert min(kernels[0]) in capsys.readouterr().out


def test_check(folder, capsys):
    assert main(["check", "small.onnx"]) == 0
    assert capsys.readouterr().out == "small.onnx: compiles, 3 layers\n"
    assert output_json(capsys, "check", "small.onnx") == {
        "schema": "p4c.check/1",
        "file": "small.onnx",
        "problems": [],
    }
    assert {path.name for path in folder.iterdir()} == {"small.onnx", "many.onnx", "data.npz", "many.npz"}


def test_inspect(folder, capsys):
    main(["small.onnx"])
    capsys.readouterr()
    assert main(["inspect", "small.p4c"]) == 0
    whole = capsys.readouterr().out
    for word in ("image for chip revision v3", "weights", "l2mem", ".image", "p4c_small_run_steps"):
        assert word in whole
    keys = {
        "small.p4c": {"segments", "sections", "functions", "model_hash", "memory_map"},
        "small.p4c/model.img": {"segments", "model_hash"},
        "small.p4c/model.elf": {"sections", "functions"},
    }
    for path, expected in keys.items():
        result = output_json(capsys, "inspect", path)
        assert (result["schema"], result["file"]) == ("p4c.inspect/1", path)
        assert expected <= set(result)
    sizes = [function["size"] for function in result["functions"]]
    assert sizes == sorted(sizes, reverse=True)


def test_doctor(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in (
        "python",
        "cache folder",
        "toolchain",
        "compiles for riscv32",
        "gave 42",
        "chip answers",
        "serial ports",
    ):
        assert word in out
    result = output_json(capsys, "doctor")
    assert result["schema"] == "p4c.doctor/1"
    assert all(finding["good"] for finding in result["findings"])


# How a command can end: what is made to fail, and the exit status.
def failing(error):
    def fail(*args, **options):
        raise error

    return fail


def test_doctor_shows_all_findings_whatever_is_broken(monkeypatch, capsys):
    monkeypatch.setattr("p4c.runtime.board.ports.list_ports.comports", failing(OSError("no such bus")))
    monkeypatch.setattr("p4c.runtime.doctor.SimulatedBoard.take", lambda board: b"")
    monkeypatch.setattr("p4c.runtime.doctor.version", failing(ModuleNotFoundError("no onnx")))
    assert main(["doctor", "--json"]) == 2
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert [name for name, finding in findings.items() if not finding["good"]] == [
        "packages",
        "firmware",
        "serial ports",
    ]
    assert findings["firmware"]["text"] == "the firmware on the simulated chip did not answer PING"
    assert findings["serial ports"]["text"] == "OSError: no such bus"
    assert findings["serial ports"]["advice"]


def test_exit_statuses(folder, capsys, monkeypatch):
    assert main([]) == 0
    assert "usage: p4c" in capsys.readouterr().out
    run = ["run", "small.onnx", "--input", "data.npz"]
    with monkeypatch.context() as patch:
        patch.setattr("p4c.runtime.simulated.MAX_INSTRUCTIONS", 100)
        assert main(run) == 3
        assert "did not return within 100 instructions" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(SimulatorDevice, "load", failing(KeyboardInterrupt()))
        assert main(run) == 130
        assert capsys.readouterr().err == "\ninterrupted\n"
    with monkeypatch.context() as patch:
        patch.setattr("p4c.driver.lower", failing(KeyError("planted")))
        assert main(run) == 70
        err = capsys.readouterr().err
        assert "Traceback" in err
        assert "KeyError: 'planted'" in err
        assert "This is a bug of p4c. Please report it" in err


@pytest.mark.parametrize("command", [*COMMANDS, "compile"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: p4c {command}" in capsys.readouterr().out


def test_as_a_process(folder):
    """Exit status, streams, no traceback, and a reader that goes away."""
    environment = os.environ | {"NO_COLOR": "1"}
    command = [sys.executable, "-m", "p4c"]
    good = subprocess.run([*command, "check", "small.onnx"], capture_output=True, text=True, env=environment)
    assert (good.returncode, good.stdout, good.stderr) == (0, "small.onnx: compiles, 3 layers\n", "")
    bad = subprocess.run([*command, "none.onnx"], capture_output=True, text=True, env=environment)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("p4c: error: none.onnx: ")
    assert "Traceback" not in bad.stderr
