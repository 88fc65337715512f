"""What is compiled: the same bytes anywhere, sound code, a stack bound that holds; and what is refused."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import ziglang

from p4c.backend import build as build_module
from p4c.backend.build import replace_folder
from p4c.backend.elf import function_sizes
from p4c.backend.image import read_image
from p4c.compiler.errors import ToolchainError
from p4c.runtime.borders import input_block, stored_inputs
from p4c.runtime.simulated import SimulatorSession

from .graphs import Net, compile_graph, random_inputs


def network(seed=0):
    """A convolution with a pool, a transpose, a fully connected layer and accumulators as output."""
    net = Net(seed)
    x = net.quantize(net.same("relu", net.conv(net.input(3, 8, 8), 17, pads=(1, 1, 1, 1), bias="off", spread=24)), 3)
    x = net.same("max_pool", x, kernel=(2, 2), strides=(2, 2))
    flat = net.same("reshape", net.same("transpose", x, perm=(0, 2, 3, 1)), shape=(1, 17 * 16))
    net.output(net.dense(flat, 10))
    return net.graph


@pytest.fixture(scope="module")
def models():
    """The network with SIMD kernels and without."""
    return {pie: compile_graph(network(), pie=pie) for pie in (True, False)}


ELSEWHERE = """
import hashlib, sys, types
tests = types.ModuleType("tests")
tests.__path__ = [sys.argv[1]]
sys.modules["tests"] = tests
from tests.graphs import compile_graph
from tests.test_build import network
print(hashlib.sha256(compile_graph(network()).build.image_bytes).hexdigest())
"""


def test_same_network_same_bytes_in_another_process_and_folder(models, tmp_path):
    """Another hash seed, another folder for temporary files, another working folder."""
    environment = os.environ | {"PYTHONHASHSEED": "7", "TMPDIR": str(tmp_path)}
    folder = os.path.dirname(__file__)
    command = [sys.executable, "-c", ELSEWHERE, folder]
    run = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(models[True].build.image_bytes).hexdigest()


def test_nothing_tells_where_it_was_built(models):
    for model in models.values():
        for data in (model.build.elf_bytes, model.build.image_bytes, *model.build.sources.values()):
            for place in (tempfile.gettempdir(), os.getcwd(), sys.prefix, os.path.dirname(ziglang.__file__)):
                assert place.encode() not in data, place


def test_code_has_no_memory_of_its_own(models):
    for model in models.values():
        elf = model.build.elf
        assert {section.name for section in elf.sections if "A" in section.flags} == {".image"}
        names = {symbol.name for symbol in elf.symbols}
        assert "p4c_net_run" in names
        assert not {"malloc", "calloc", "realloc", "free", "sbrk"} & names
        # All but the control block is instructions and constants, and every function is named.
        assert elf.flat[:8] == struct.pack("<4sI", b"P4BC", 2)
        covered = sum(function.size for function in function_sizes(elf))
        assert covered > 0.8 * (len(elf.flat) - 64)


def planted(monkeypatch, code, call=""):
    """Compile with C text behind the entry's, and a call in the entry."""
    emit = build_module.emit_entry

    def emit_entry(plan, model):
        head, brace, body = emit(plan, model).partition("int p4c_entry(void)\n{\n")
        return head + code + "\n" + brace + f"    {call}\n" + body

    monkeypatch.setattr(build_module, "emit_entry", emit_entry)
    net = Net()
    net.output(net.quantize(net.dense(net.input(3), 2), 1))
    with pytest.raises(ToolchainError) as caught:
        compile_graph(net.graph)
    [problem] = caught.value.problems
    assert problem.advice
    return problem.what


# What must not get into an image: C text, a call of it, and what is said.
UNSOUND = {
    "static": ("static volatile int planted;", "planted++;", "generated code has writable statics"),
    "data": ("volatile int planted = 3;", "planted++;", "generated code has writable statics"),
    "constant address": (
        "static const int here = 3;\nconst int *const volatile planted[] = {&here};",
        "(void)planted[0];",
        "the code depends on its address at planted",
    ),
    "recursion": (
        "__attribute__((noinline)) static int planted(int n) { return n > 1 ? planted(n - 1) * planted(n - 2) : n; }",
        "p4c_control.status = planted((int)p4c_control.steps);",
        "the stack of the code has no bound: the code is recursive",
    ),
    "stack array of any length": (
        "__attribute__((noinline)) static void planted(int n) { volatile char a[n]; a[0] = 1; (void)a[0]; }",
        "planted(*(volatile int *)&p4c_control.steps);",
        "the stack of the code has no bound: planted moves its stack pointer by a register",
    ),
    "function pointer": (
        "__attribute__((noinline)) static void planted(void (*volatile *f)(void)) { (*f)(); }",
        "void (*volatile f)(void) = 0; planted(&f);",
        "the stack of the code has no bound: planted calls through a register",
    ),
    "missing function": ("void *malloc(unsigned);", "malloc(3);", "malloc"),
    "warning": ("", "int planted = 0;", "unused variable 'planted'"),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_unsound_code_is_refused(monkeypatch, kind):
    code, call, text = UNSOUND[kind]
    assert text in planted(monkeypatch, code, call)


def measured_stack(model):
    """Bytes of stack that a run writes to, by painting it first."""
    session = SimulatorSession(model.chip_rev, model.build.image, None)
    top, size = 0x4FF0_0000 + 768 * 1024, 8192
    session.simulator.write(top - size, b"\xa5" * size)
    plan = model.plan
    arrays = random_inputs(plan.graph, rows=1)
    session.run(input_block(plan, stored_inputs(plan, arrays), 0))
    painted = session.simulator.read(top - size, size)
    session.close()
    return size - (len(painted) - len(painted.lstrip(b"\xa5")))


def test_stack_bound_holds_and_is_near(models):
    for model in models.values():
        used, bound = measured_stack(model), model.build.image.stack_bytes
        assert 0 < used <= bound <= used + 256, (used, bound)


def test_image_holds_what_the_plan_says(models):
    for model in models.values():
        image, plan = read_image(model.build.image_bytes), model.plan
        (weights,) = plan.weights
        assert image.segment("weights").data == weights.data == model.build.sources["weights.bin"]
        assert image.segment("code").data == model.build.elf.flat
        arena = image.segment("arena")
        assert image.input_offset >= plan.arena_bytes
        assert image.output_offset >= image.input_offset + plan.input_bytes
        assert arena.size >= image.output_offset + plan.output_bytes
        assert not any(offset % 128 for offset in (image.input_offset, image.output_offset, arena.size))
        assert image.steps == len(plan.steps)


def test_weights_too_large_for_internal_memory_go_to_psram():
    net = Net()
    net.output(net.quantize(net.dense(net.input(1200), 400, bias="none", spread=4), 4))
    model = compile_graph(net.graph)
    assert model.build.image.segment("weights").region == "psram"
    inputs = random_inputs(net.graph, rows=1)
    assert np.asarray(model.run(inputs)).shape == (1, 400)


def test_folder_is_replaced_whole_or_not_at_all(monkeypatch, tmp_path):
    folder = tmp_path / "model.p4c"
    replace_folder(folder, {"a": b"1", "ir/b": b"2"})
    replace_folder(folder, {"a": b"3"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"3"}

    rename, failures = type(folder).rename, [OSError(28, "No space left on device")]

    def fails_once(path, target):
        if target == folder and failures:
            raise failures.pop()
        return rename(path, target)

    monkeypatch.setattr(type(folder), "rename", fails_once)
    with pytest.raises(OSError, match="No space left"):
        replace_folder(folder, {"a": b"4"})
    monkeypatch.undo()
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"model.p4c", "model.p4c/a"}
    assert (folder / "a").read_bytes() == b"3"
