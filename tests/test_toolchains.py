"""Compilers: GNU beside zig with equal outputs, and compilers that are missing, refuse, or hang."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from p4c.backend import toolchain as toolchain_module
from p4c.backend.toolchain import TOOLCHAINS, find_toolchain
from p4c.compiler.errors import InputError, ToolchainError

from .graphs import Net, assert_device_identical, compile_graph, random_inputs
from .test_build import measured_stack, network

GNU = "riscv64-unknown-elf-gcc"


@pytest.fixture
def gnu():
    if shutil.which(GNU) is None:
        pytest.skip(f"{GNU} is not installed (apt-get install gcc-riscv64-unknown-elf)")


@pytest.mark.parametrize(("pie", "chip_rev"), [(True, "v3"), (True, "v1"), (False, "v3")])
@pytest.mark.usefixtures("gnu")
def test_gnu_compiler_gives_the_same_outputs(pie, chip_rev):
    """Every kernel family once: per-channel shifts, mixed roundings, groups, pools, moves, clamps, accumulators."""
    net = Net(9)
    x = net.input(3, 9, 8)
    y = net.quantize(net.conv(x, 17, pads=(1, 1, 1, 1), bias="off", e=[6, 7, 8] * 5 + [7, 7], spread=24), 2)
    y = net.same("max_pool", y, kernel=(2, 2), strides=(2, 2))
    y = net.quantize(net.conv(y, 17, groups=17, pads=(1, 1, 1, 1), bias="int32"), 1)
    flat = net.same("reshape", net.same("transpose", y, perm=(0, 3, 1, 2)), shape=(1, net.graph.type_of(y).elements))
    net.output(net.dense(flat, 20, spread=24))
    net.output(net.same("max_pool", net.same("relu", y), kernel=(3, 3), pads=(1, 1, 1, 1)))
    net.output(net.quantize(net.conv(x, 16, (1, 1), bias="grid"), 3))
    model = assert_device_identical(net.graph, toolchain=GNU, pie=pie, chip_rev=chip_rev)
    assert measured_stack(model) <= model.build.image.stack_bytes


@pytest.mark.usefixtures("gnu")
def test_gnu_compiler_proves_the_same():
    """Position independence and a bound on the stack hold for its code too; twice gives the same bytes."""
    first, second = (compile_graph(network(), toolchain=GNU) for _ in range(2))
    assert first.build.image_bytes == second.build.image_bytes
    assert first.build.elf_bytes == second.build.elf_bytes
    inputs = random_inputs(first.plan.graph)
    np.testing.assert_array_equal(first.run(inputs), compile_graph(network()).run(inputs))


def compile_small(name):
    net = Net()
    net.output(net.quantize(net.dense(net.input(3), 2), 1))
    with pytest.raises(ToolchainError) as caught:
        compile_graph(net.graph, toolchain=name)
    [problem] = caught.value.problems
    return problem


def fake(monkeypatch, folder, script):
    """Put a program under the GNU compiler's name first on PATH."""
    program = folder / GNU
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in (GNU, "riscv32-esp-elf-gcc"):
        problem = compile_small(name)
        assert problem.what == f"the compiler {name} was not found"
        assert "or leave out --toolchain" in problem.advice


def test_compiler_that_hangs_is_ended_with_its_children(monkeypatch, tmp_path):
    fake(monkeypatch, tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait")
    monkeypatch.setattr(toolchain_module, "COMPILE_TIMEOUT", 0.5)
    start = time.monotonic()
    problem = compile_small(GNU)
    assert problem.what == f"compiling the model failed: {tmp_path / GNU} did not finish within 0.5 s"
    assert time.monotonic() - start < 10
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the compiler's child still runs")


def test_compiler_that_refuses(monkeypatch, tmp_path):
    fake(monkeypatch, tmp_path, "echo 'entry.c:1: fatal error: no such thing' >&2; echo more >&2; exit 1")
    problem = compile_small(GNU)
    assert problem.what == "compiling the model failed: entry.c:1: fatal error: no such thing"
    assert problem.advice


def test_unknown_compiler():
    with pytest.raises(InputError, match="there is no toolchain 'tcc'") as caught:
        find_toolchain("tcc")
    assert all(name in caught.value.problems[0].advice for name in TOOLCHAINS)


def test_temporary_folder_that_cannot_be_used(monkeypatch, tmp_path):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    problem = compile_small("zig")
    assert problem.what == "the folder for temporary files cannot be used: No space left on device"
    assert "TMPDIR" in problem.advice
