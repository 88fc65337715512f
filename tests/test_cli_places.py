"""Folders, tools and caches that the command line cannot use: named with advice, and left as they were."""

from __future__ import annotations

import json
import os

import pytest

import p4c
from p4c import driver
from p4c.backend import toolchain
from p4c.backend.cache import CACHE_VARIABLE
from p4c.cli import main
from p4c.compiler.errors import InputError

from .test_cli_errors import error, snapshot


def test_outputs_that_cannot_be_saved(folder, capsys):
    for name, text in {
        "y.txt": "1 output cannot be written to y.txt",
        "y.npy": "2 outputs cannot be written to y.npy",
        "none/y.npz": "none/y.npz cannot be written: No such file or directory",
    }.items():
        assert error(capsys, "run", "many.onnx", "--input", "many.npz", "-o", name) == text
        assert not (folder / name).exists()


def test_output_folders_that_are_not_ours(folder, capsys):
    """A file, a folder with other things, and one whose manifest is another program's stay as they are."""
    (folder / "file.p4c").write_text("mine")
    (folder / "photos").mkdir()
    (folder / "photos" / "one.jpg").write_bytes(b"1")
    (folder / "web").mkdir()
    (folder / "web" / "manifest.json").write_text('{"name": "My web app"}')
    before = snapshot(folder)
    for name in ("file.p4c", "photos", "web", "."):
        text = f"the output folder {name} exists and is not one that p4c wrote"
        assert error(capsys, "small.onnx", "-o", name) == text
    assert snapshot(folder) == before


def test_output_folder_that_cannot_be_written(folder, capsys, monkeypatch):
    (folder / "file").write_text("")
    before = snapshot(folder)
    assert error(capsys, "small.onnx", "-o", "file/out").startswith("the output folder file/out cannot be written: ")
    assert snapshot(folder) == before
    # An older output stays whole when the disk is full half way through the new one.
    assert main(["small.onnx"]) == 0
    capsys.readouterr()
    before, write = snapshot(folder), type(folder).write_bytes

    def full(path, data):
        if path.name == "model.img":
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(type(folder), "write_bytes", full)
    text = "the output folder small.p4c cannot be written: No space left on device"
    assert error(capsys, "small.onnx", "--name", "other") == text
    monkeypatch.undo()
    os.chdir(folder)
    assert snapshot(folder) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="another user can be tried by root only")
def test_output_folder_of_another_user(folder, capsys):
    """Permissions as the operating system keeps them, for a process without root's powers."""
    (folder / "locked").mkdir(mode=0o555)
    made = dict(p4c.compile("small.onnx").files)
    child = os.fork()
    if child == 0:
        status = 98
        try:
            os.setuid(65534)
            driver._write(folder / "locked" / "out", made)
        except InputError as error:
            status = 7 if "locked/out cannot be written: Permission denied" in str(error) else 99
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert list((folder / "locked").iterdir()) == []


def test_toolchain_that_is_missing_or_hangs(folder, capsys, monkeypatch, tmp_path_factory):
    bin_folder = tmp_path_factory.mktemp("bin")
    before = snapshot(folder)
    monkeypatch.setenv("PATH", str(bin_folder))
    name = "riscv64-unknown-elf-gcc"
    text = f"the compiler {name} was not found"
    assert error(capsys, "small.onnx", "--toolchain", name) == text
    program = bin_folder / name
    program.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(toolchain, "COMPILE_TIMEOUT", 0.3)
    text = f"compiling the model failed: {program} did not finish within 0.3 s"
    assert error(capsys, "small.onnx", "--toolchain", name) == text
    assert snapshot(folder) == before
    assert main(["doctor", "--toolchain", name, "--json"]) == 2
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert not findings["toolchain"]["good"]
    assert "did not finish" in findings["toolchain"]["text"]
    assert findings["toolchain"]["advice"]


def test_cache_that_cannot_be_written(folder, capsys, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "file" / "cache"))
    before = snapshot(folder)
    text = error(capsys, "small.onnx")
    assert text.startswith(f"the cache folder {folder}/file/cache cannot be written: ")
    assert snapshot(folder) == before
    assert main(["doctor"]) == 2
    assert CACHE_VARIABLE in capsys.readouterr().out


def test_files_that_cannot_be_inspected(folder, capsys):
    (folder / "text").write_text("no ELF")
    (folder / "elf").write_bytes(b"\x7fELF and no more")
    (folder / "image").write_bytes(b"P4CI and no more")
    (folder / "empty").mkdir()
    for name, text in {
        "none": "none cannot be read: No such file or directory",
        "text": "text is neither an ELF file nor a p4c image",
        "elf": "not a readable ELF file: ",
        "image": "not a p4c image: it does not begin with P4CI",
        "empty": "empty has no model.elf and model.img",
    }.items():
        assert text in error(capsys, "inspect", name)
