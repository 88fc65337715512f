"""The chip's vector instructions and hardware loops in raw functions: by their names, and by the header's macros."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import p4c
from p4c.compiler.errors import DeviceFault, InputError
from p4c.runtime.board.virtual import VirtualBoard

from .foreign_firmware import ForeignFirmware


def source(folder, text, name="code.c"):
    path = folder / name
    path.write_text(text)
    return path


def test_vector_instructions_through_the_header(board, tmp_path):
    """p4c_pie.h has each instruction of the board's own revision as a macro."""
    text = """
    #include <stdint.h>
    #include "p4c_pie.h"
    void top(const int8_t *a, const int8_t *b, int8_t *y)
    {
        register const int8_t *x0 __asm__("a0") = a;
        register const int8_t *x1 __asm__("a1") = b;
        register int8_t *out __asm__("a2") = y;
        __asm__ volatile(PIE_VLD_128_IP(q0, a0, 16) PIE_VLD_128_IP(q1, a1, 16) PIE_VMAX_S8(q2, q0, q1)
                         PIE_VST_128_IP(q2, a2, 16) : "+r"(x0), "+r"(x1), "+r"(out) : : "memory");
    }
    """
    a, b = (np.random.default_rng(seed).integers(-128, 128, 16).astype(np.int8) for seed in (3, 4))
    y = np.zeros(16, np.int8)
    board.jit(source(tmp_path, text), "top")(a, b, y)
    np.testing.assert_array_equal(y, np.maximum(a, b))


LOOP = r"""
#include <stdint.h>
#include "sizes.h"
int32_t dot(const int8_t *x, const int8_t *y, int blocks)
{
    register const int8_t *a __asm__("a0") = x;
    register const int8_t *b __asm__("a1") = y;
    register int32_t sum __asm__("a2");
    register int count __asm__("a3") = blocks;
    register int shift __asm__("a4") = 0;
    __asm__ volatile("esp.zero.xacc\n\t"
                     "esp.lp.setup 0, %[count], 1f\n\t"
                     "esp.vld.128.ip q0, %[a], 16; esp.vld.128.ip q1, %[b], BLOCK # both\n"
                     "1: esp.vmulas.s8.xacc q0, q1\n\t"
                     "esp.srs.s.xacc %[sum], %[shift]"
                     : [sum] "=r"(sum), [a] "+r"(a), [b] "+r"(b) : [count] "r"(count), [shift] "r"(shift) : "memory");
    return sum;
}
""".replace("BLOCK", '" SIZE "')


def data(*seeds, size=64):
    return [np.random.default_rng(seed).integers(-128, 128, size).astype(np.int8) for seed in seeds]


@pytest.mark.parametrize("toolchain", ["zig", "riscv64-unknown-elf-gcc"])
@pytest.mark.parametrize("chip_rev", ["v1", "v3"])
def test_vector_instructions_by_their_names(tmp_path, chip_rev, toolchain):
    """In inline assembly, with a hardware loop to a label; and the rule of the chip that this loop breaks."""
    if toolchain != "zig" and shutil.which(toolchain) is None:
        pytest.skip(f"{toolchain} is not installed")
    source(tmp_path, '#define SIZE "16"', "sizes.h")
    path = source(tmp_path, LOOP)
    x, y = data(1, 2)
    with VirtualBoard(chip_rev, with_pty=False, strict=False) as virtual, p4c.connect(virtual.url) as board:
        dot = board.jit(path, "dot", toolchain=toolchain)
        assert dot(x, y, 4) == np.dot(x.astype(int), y)
        assert [line.split()[2] for line in dot.inspect().splitlines() if "esp.lp" in line] == ["esp.lp.setup"]


def test_rules_of_the_chip(board, tmp_path):
    if not board.firmware.simulated:
        pytest.skip("a real chip does not check them")
    source(tmp_path, '#define SIZE "16"', "sizes.h")
    dot = board.jit(source(tmp_path, LOOP), "dot")
    with pytest.raises(DeviceFault, match=r"dot has a hardware loop (of fewer than 8|whose set-up)") as caught:
        dot(*data(1, 2), 4)
    assert "p4c board --lenient" in str(caught.value)


def test_rules_that_a_lenient_board_does_not_check(tmp_path):
    """`p4c board --lenient` runs what the other one refuses."""
    source(tmp_path, '#define SIZE "16"', "sizes.h")
    path = source(tmp_path, LOOP)
    x, y = data(1, 2)
    command = [sys.executable, "-m", "p4c", "board", "--lenient"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("lenient virtual board, chip revision v3")
            with p4c.connect(process.stdout.readline().strip()) as board:
                assert board.jit(path, "dot")(x, y, 4) == np.dot(x.astype(int), y)
        finally:
            process.send_signal(signal.SIGINT)


def test_boards_that_do_not_say_their_revision(tmp_path):
    """Then it has to be said, for code with such instructions."""
    source(tmp_path, '#define SIZE "16"', "sizes.h")
    path = source(tmp_path, LOOP)
    plain = source(tmp_path, '#include "p4c_pie.h"\nint f(int x) { return x + 1; }', "plain.c")
    with ForeignFirmware() as firmware:
        with p4c.connect(firmware.url) as board:
            assert board.jit(plain, "f")(1) == 2
            assert "c.addi" in board.jit(plain, "f").inspect()
            with pytest.raises(InputError, match="does not say its chip revision"):
                board.jit(path, "dot")
        with p4c.connect(firmware.url, chip_rev="v3") as board:
            assert " esp.lp.setup " in board.jit(path, "dot").inspect()


def test_vector_instructions_in_assembly(board, tmp_path):
    text = """
    #include "bytes.h"
    .globl largest      # void largest(const int8_t *a, const int8_t *b, int8_t *y)
    .type largest, @function
largest: esp.vld.128.ip q0, a0, BYTES
    esp.vld.128.ip q1, a1, BYTES
    esp.vmax.s8 q2, q0, q1
    esp.vst.128.ip q2, a2, 16
    ret
    .size largest, . - largest
    """
    source(tmp_path, "#define BYTES 16", "bytes.h")
    declaration = "void largest(const int8_t *a, const int8_t *b, int8_t *y)"
    largest = board.jit(source(tmp_path, text, "largest.S"), "largest", signature=declaration)
    a, b, y = data(3, 4, 5, size=16)
    largest(a, b, y)
    np.testing.assert_array_equal(y, np.maximum(a, b))
