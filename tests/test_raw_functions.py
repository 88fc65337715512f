"""Raw functions on boards: anybody's C, C++ and assembly, called with NumPy; and everything that can go wrong."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import p4c
from p4c.backend.c_signature import parse_signature
from p4c.backend.elf import read_symbols
from p4c.backend.raw import Record
from p4c.backend.source_lines import source_line
from p4c.backend.toolchain import find_toolchain
from p4c.compiler.errors import DeviceError, DeviceFault, InputError, ToolchainError
from p4c.runtime.simulator.firmware import firmware_path

from .foreign_firmware import ForeignFirmware

EXAMPLE = Path(__file__).parent.parent / "examples" / "raw" / "vector.c"


def source(folder, text, name="code.c"):
    path = folder / name
    path.write_text(text)
    return path


def test_numbers_and_arrays(board):
    add, dot, axpy, count = (board.jit(EXAMPLE, name) for name in ("add", "dot", "axpy", "count"))
    assert [add(2, 3), add(np.int8(-7), -(2**31) + 7)] == [5, -(2**31)]
    x, y = (np.random.default_rng(seed).integers(-128, 128, 1000).astype(np.int8) for seed in (1, 2))
    assert dot(x, y, 1000) == np.dot(x.astype(np.int64), y)
    assert isinstance(dot(x, y, 1000), np.int64)
    out = np.ones((5, 7), np.float32)
    assert axpy(0.5, np.arange(35, dtype=np.float32), out, 35) is None
    np.testing.assert_array_equal(out.ravel(), 1 + np.arange(35, dtype=np.float32) / 2)
    assert [count(), count(), count()] == [1, 2, 3]


@pytest.mark.parametrize("kind", ["1.0", "older"])
def test_boards_with_other_firmware(kind):
    with ForeignFirmware(kind) as firmware:
        with p4c.connect(firmware.url, chip_rev="v3") as board:
            dot = board.jit(EXAMPLE, "dot")
            assert dot(np.arange(9, dtype=np.int8), np.full(9, -3, np.int8), 9) == -108
        assert firmware.used == 0


SCALARS = {"int8_t": -128, "uint8_t": 255, "int16_t": -9, "uint16_t": 65535, "int32_t": -5, "uint32_t": 2**32 - 1}
SCALARS |= {"int64_t": -(2**63), "uint64_t": 2**64 - 1, "float": 1.5, "bool": True, "char": 200, "unsigned long": 7}


def test_every_type_goes_there_and_back(board, tmp_path):
    """In one record with holes between its fields."""
    names = list(SCALARS)
    parameters = ", ".join(f"{name} a{index}, {name} *p{index}" for index, name in enumerate(names))
    body = " ".join(f"*p{index} = a{index};" for index in range(len(names)))
    text = f"#include <stdint.h>\n#include <stdbool.h>\nuint16_t all({parameters}) {{ {body} return 77; }}"
    function = board.jit(source(tmp_path, text), "all")
    pointers = function.signature.parameters[1::2]
    arrays = [np.zeros(1, pointer.dtype) for pointer in pointers]
    values = list(SCALARS.values())
    assert function(*(item for pair in zip(values, arrays, strict=True) for item in pair)) == 77
    assert [array[0] for array in arrays] == values


def test_several_sources_cplusplus_and_assembly(board, tmp_path):
    files = [
        source(
            tmp_path, "int twice(int); int plus(int, int);\nint all(int x) { return plus(twice(x), 1); }", "all.c"
        ),
        source(
            tmp_path,
            'template<class T> T dbl(T x) { return x + x; }\nextern "C" int twice(int x) { return dbl(x); }',
            "t.cpp",
        ),
        source(
            tmp_path,
            ".globl plus\n.type plus, @function\nplus:\n add a0, a0, a1\n ret\n.size plus, . - plus\n",
            "plus.S",
        ),
    ]
    function = board.jit(files, "all")
    assert function(20) == 41
    text = function.inspect()
    assert "int32 all(int32 x)" in text
    assert " <plus>:" in text
    assert f"{function.address:#010x}" in text


def test_objects_of_cplusplus(board, tmp_path):
    """Constructed once, before the first call, also those in functions; with virtual functions."""
    text = """
    static volatile int seed = 3;
    struct Table { int v[4]; Table() { for (int i = 0; i < 4; i++) v[i] = i * seed; } ~Table() { seed = 0; } };
    static Table table;
    static Table &late() { static Table other; return other; }
    struct Base { virtual int get() const = 0; };
    struct Derived : Base { int get() const override { return 500; } };
    static const Derived derived;
    static const Base *volatile base = &derived;
    extern "C" int f(int i) { return table.v[i]++ + 100 * late().v[1]++ + base->get(); }
    """
    function = board.jit(source(tmp_path, text, "objects.cpp"), "f")
    assert [function(2), function(2), function(3)] == [806, 907, 1009]


def test_structs_and_anything(board, tmp_path):
    """Behind pointers: arrays of the struct's dtype, and any arrays for void."""
    text = """
    #include <stddef.h>
    #include <stdint.h>
    typedef struct { int16_t x; double stamp; uint8_t tags[3]; } point;
    void move(point *points, int n, int16_t by)
    {
        for (int i = 0; i < n; i++) points[i].x += by, points[i].tags[2] = (uint8_t)i;
    }
    uint32_t bytes(const void *data, size_t size)
    {
        uint32_t sum = 0;
        for (size_t i = 0; i < size; i++) sum += ((const uint8_t *)data)[i];
        return sum;
    }
    """
    path = source(tmp_path, text)
    move, add_bytes = board.jit(path, "move"), board.jit(path, "bytes")
    points = np.zeros(3, move.signature.parameters[0].dtype)
    points["stamp"] = [1.5, 2.5, 3.5]
    move(points, 3, -7)
    assert points["x"].tolist() == [-7] * 3
    assert points["tags"].tolist() == [[0, 0, i] for i in range(3)]
    assert points["stamp"].tolist() == [1.5, 2.5, 3.5]
    words = np.array([0x01020304, 0x10], np.uint32)
    assert add_bytes(words, words.nbytes) == 26
    with pytest.raises(InputError, match=r"expected point\n.*Make one with np.zeros\(n, function"):
        move(np.zeros(3, np.float32), 3, 1)
    with pytest.raises(InputError, match="is an array of Python's objects"):
        add_bytes(np.array([None]), 4)


def test_headers_and_flags(board, tmp_path, monkeypatch):
    """Declarations of C's library, a header in another folder, macros; a definition of one's own replaces ours."""
    (tmp_path / "include").mkdir()
    source(tmp_path, "#define OFFSET 100", "include/offset.h")
    text = """
    #include <math.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include "offset.h"
    int printf(const char *format, ...) { return format[0] + COUNT + OFFSET; }
    void *memset(void *to, int value, size_t count) { *(char *)to = 7; return to; }
    int f(char *x) { memset(x, 1, 2); return printf("A"); }
    """
    monkeypatch.chdir(tmp_path)
    flags = ["-O3", "-DCOUNT=3", "-I", "include"]
    out = np.zeros(2, np.uint8)
    assert board.jit(source(tmp_path, text), "f", flags=flags)(out) == 65 + 103
    assert out.tolist() == [7, 0]


def test_functions_of_the_firmware(board, tmp_path):
    """Linked against its symbols, as p4c's own CRC of a message shows."""
    text = """
    #include <stdint.h>
    uint32_t p4c_crc32(uint32_t crc, const uint8_t *data, uint32_t size);
    uint32_t crc(const uint8_t *data, uint32_t size) { return p4c_crc32(0, data, size); }
    """
    if not board.firmware.simulated:
        pytest.skip("the ELF file of the firmware on this board is not at hand")
    path = source(tmp_path, text)
    function = board.jit(path, "crc", firmware=firmware_path())
    data = np.frombuffer(b"123456789", np.uint8)
    assert function(data, 9) == 0xCBF43926
    with pytest.raises(ToolchainError, match="p4c_crc32") as caught:
        board.jit(path, "crc")
    assert "or give the ELF of a firmware that has it with firmware=" in str(caught.value)


def test_a_firmware_with_sections_far_apart(board, tmp_path):
    """As of ESP-IDF: code in flash, and in internal memory 256 MB behind it."""
    if not board.firmware.simulated:
        pytest.skip("the ELF file of the firmware on this board is not at hand")
    where = next(
        symbol.address for symbol in read_symbols(firmware_path().read_bytes()) if symbol.name == "p4c_crc32"
    )
    text = f'.globl checksum\n.set checksum, {where:#x}\n.section .flash, "ax"\n nop\n.section .ram, "aw"\n nop\n'
    source(tmp_path, text, "app.s")
    source(tmp_path, "SECTIONS { .flash 0x40000000 : { *(.flash) } .ram 0x4ff00000 : { *(.ram) } }", "app.ld")
    zig = find_toolchain("zig")
    zig.compile_object(tmp_path, "app.s", "app.o", ["-Wno-unused-command-line-argument"])
    zig.link_image(tmp_path, ["app.o"], "app.ld", 0, "app.elf")
    text = """
    #include <stdint.h>
    uint32_t checksum(uint32_t crc, const uint8_t *data, uint32_t size);
    uint32_t crc(const uint8_t *data, uint32_t size) { return checksum(0, data, size); }
    """
    function = board.jit(source(tmp_path, text), "crc", firmware=tmp_path / "app.elf")
    assert function(np.frombuffer(b"123456789", np.uint8), 9) == 0xCBF43926


def test_declarations_are_those_that_the_compiler_sees(board, tmp_path):
    """What an #if leaves out declares nothing, and macros are types too."""
    text = """
    #if 0
    int f(float x) { return 1; }
    #else
    #define T int
    T f(T x) { return x; }
    #endif
    """
    assert board.jit(source(tmp_path, text), "f")(7) == 7


def test_crashes_and_loops(board, tmp_path):
    """Each gives its error; memory and functions on the board are as before, and go on working."""
    text = """
    int peek(unsigned address) { return *(volatile int *)address; }
    int forever(void) { for (;;) ; }
    int good(int x) { return x + 1; }
    """
    path = source(tmp_path, text)
    peek, good = board.jit(path, "peek"), board.jit(path, "good")
    with pytest.raises(
        DeviceFault, match=r"peek loaded from 0x00000010, where there is no memory \(pc 0x\w+ in peek"
    ):
        peek(16)
    if not good.address:  # a fault restarts this board
        good = board.jit(path, "good")
    assert good(1) == 2
    forever = board.jit(path, "forever")
    with pytest.raises(DeviceError):
        forever(timeout=1.0)
    assert good(2) == 3


def test_an_interrupt_ends_the_call(board, tmp_path):
    """Ctrl-C: the board goes on, with its memory as before."""
    text = "int forever(int *x) { for (;;) ++*(volatile int *)x; }\nint good(int x) { return x + 1; }"
    path = source(tmp_path, text)
    forever, good = board.jit(path, "forever"), board.jit(path, "good")
    before = board.heap()
    timer = threading.Timer(0.5, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        forever(np.zeros(1, np.int32), timeout=60)
    assert good(1) == 2
    assert board.heap() == before
    assert time.monotonic() - started < 10


def test_closed_functions_and_resets(board):
    add = board.jit(EXAMPLE, "add")
    with add:
        assert add(1, 2) == 3
        assert repr(add) == f"<int32 add(int32 a, int32 b), at {add.address:#010x}>"
    assert repr(add).endswith(", closed>")
    other = board.jit(EXAMPLE, "add")
    board.reset()
    for function in (add, other):
        with pytest.raises(DeviceError, match="add is not on the board any more"):
            function(1, 2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1,), "axpy takes 4 arguments, 1 were given"),
        ((1.0, [1.0], np.ones(1, np.float32), 1), r"argument 2 \(const float32 \*x\) is a list, expected an array"),
        ((1.0, np.ones(1), np.ones(1, np.float32), 1), "is an array of float64, expected float32"),
        ((1.0, np.ones(2, np.float32), np.ones((2, 2), np.float32)[:, 0], 2), "is not contiguous and writable"),
        ((1.0, np.ones(1, np.float32), np.ones(1, np.float32), -1), "is -1, which is no uint32"),
        (("x", np.ones(1, np.float32), np.ones(1, np.float32), 1), "is 'x', which is no float32"),
        ((1e39, np.ones(1, np.float32), np.ones(1, np.float32), 1), r"is 1e\+39, which is no float32"),
        ((1j, np.ones(1, np.float32), np.ones(1, np.float32), 1), "is 1j, which is no float32"),
        (([1], np.ones(1, np.float32), np.ones(1, np.float32), 1), r"is \[1\], which is no float32"),
        ((1.0, np.ones(1, np.float32), np.ones(1, np.float32), 2**70), "which is no uint32"),
        ((1.0, np.ones(1, np.float32), np.ones(1, np.float32), 1.5), "is 1.5, which is no uint32"),
    ],
)
def test_arguments_that_do_not_fit(board, arguments, text):
    with pytest.raises(InputError, match=text):
        board.jit(EXAMPLE, "axpy")(*arguments)


def test_memory_that_does_not_suffice(board, tmp_path):
    function = board.jit(source(tmp_path, "int first(const char *x) { return x[0]; }"), "first")
    with pytest.raises(DeviceError, match="the array x needs 1,000,000 bytes of internal memory"):
        function(np.zeros(1_000_000, np.uint8))
    with pytest.raises(DeviceError, match="the code needs"):
        board.jit(source(tmp_path, "volatile char big[900000]; int f(int i) { return big[i]; }", "big.c"), "f")


@pytest.mark.parametrize(
    ("name", "text", "function", "error"),
    [
        ("a.c", "int f(int x) { return y; }", "f", "compiling a.c failed"),
        ("a.c", "int f(int x) { return x; }", "h", "the sources declare no function h"),
        ("a.c", "struct s { int x; }; int f(struct s p) { return p.x; }", "f", "p of f is a struct by value"),
        ("a.cpp", "int f(int x) { return x; }", "f", r"f is a C\+\+ function"),
        (
            "a.c",
            '__asm__("esp.vadd.s9 q0, q1, q2"); int f(int x) { return x; }',
            "f",
            "a.c: no PIE instruction is called 'esp.vadd.s9'",
        ),
        ("a.rs", "int f(int x) { return x; }", "f", "is no source that can be compiled"),
    ],
)
def test_sources_that_are_wrong(board, tmp_path, name, text, function, error):
    with pytest.raises((InputError, ToolchainError), match=error):
        board.jit(source(tmp_path, text, name), function)


def test_what_nobody_defines_in_cplusplus(board, tmp_path):
    text = 'int other(int x);\nextern "C" int *made(int);\nextern "C" int f(int x) { return other(x) + *new int; }'
    with pytest.raises(ToolchainError) as caught:
        board.jit(source(tmp_path, text, "code.cpp"), "f")
    what = caught.value.problems[0].what
    assert "other(int)" in what
    assert "operator new(unsigned int)" in what
    assert 'in C++ as extern "C"' in caught.value.problems[0].advice


@pytest.mark.parametrize("toolchain", ["zig", "riscv64-unknown-elf-gcc"])
def test_what_compilers_say(board, tmp_path, toolchain):
    """Advice is for the source, not for the package of the compiler."""
    if toolchain != "zig" and shutil.which(toolchain) is None:
        pytest.skip(f"{toolchain} is not installed")
    for text, what, advice in (
        ("#include <unistd.h>\nint f(void);", "reading code.c failed", "There is no C library for bare code"),
        ('#include "mine.h"\nint f(void);', "mine.h", "put mine.h beside the source"),
        ("int f(int x) { return y; }", "code.c:1:23: error: ", "correct the source"),
    ):
        with pytest.raises(ToolchainError) as caught:
            board.jit(source(tmp_path, text), "f", toolchain=toolchain)
        assert what in caught.value.problems[0].what
        assert advice in caught.value.problems[0].advice
        assert "reinstall" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"region": "spiram"}, "code cannot lie in 'spiram'\n.*any, l2mem, psram"),
        ({"function": "dot(x)"}, r"'dot\(x\)' is no name of a C function"),
        ({"signature": "int add(int x)"}, "signature= declares add, expected dot"),
        ({"sources": []}, "no source was given"),
        ({"firmware": EXAMPLE}, "vector.c is no ELF file of a RISC-V chip"),
        ({"flags": "-O3 --bogus"}, "(?s)bogus.*correct the source, or what flags= says"),
    ],
)
def test_options_that_are_wrong(board, options, error):
    with pytest.raises((InputError, ToolchainError), match=f"(?i){error}"):
        board.jit(**{"sources": EXAMPLE, "function": "dot"} | options)


def test_missing_files(board, tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*none\.c"):
        board.jit(tmp_path / "none.c", "f")
    with pytest.raises(InputError, match="there is no file"):
        board.jit(EXAMPLE, "add", firmware=tmp_path / "none.elf")


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["int8_t", "int16_t", "float", "int64_t", "const int8_t *"]), max_size=9))
def test_records_are_laid_out_as_structs(types):
    """Against NumPy's aligned structs."""
    declaration = f"int64_t f({', '.join(f'{name} a{index}' for index, name in enumerate(types)) or 'void'})"
    record = Record.of(parse_signature(declaration))
    sizes = {"int8_t": "i1", "int16_t": "i2", "float": "f4", "int64_t": "i8", "const int8_t *": "u4"}
    struct = np.dtype([(f"a{i}", sizes[name]) for i, name in enumerate(types)] + [("result", "i8")], align=True)
    assert record.offsets == tuple(struct.fields[f"a{i}"][1] for i in range(len(types)))
    assert (record.result, record.size) == (struct.fields["result"][1], struct.itemsize)


@pytest.mark.parametrize("toolchain", ["zig", "riscv64-unknown-elf-gcc"])
def test_faults_name_the_line(board, tmp_path, toolchain):
    """Of inlined code too, of assembly, of C that became assembly text on its way, and of who called nowhere."""
    if toolchain != "zig" and shutil.which(toolchain) is None:
        pytest.skip(f"{toolchain} is not installed")
    source(tmp_path, "static inline int at(unsigned a)\n{\n    return *(volatile int *)a;\n}\n", "at.h")
    inlined = source(tmp_path, '#include "at.h"\nint f(unsigned a)\n{\n    return at(a) + 1;\n}\n', "inlined.c")
    called = source(
        tmp_path, "int f(unsigned a)\n{\n    int (*to)(void) = (int (*)(void))a;\n    return 1 + to();\n}\n"
    )
    vector = '__asm__ volatile("esp.zero.xacc");'
    vector = source(tmp_path, f"int f(unsigned a)\n{{\n    {vector}\n    return *(volatile int *)a;\n}}\n", "v.c")
    written = ".globl f\n.type f, @function\nf:\n    esp.zero.xacc\n    lw a0, 0(a0)\n    ret\n.size f, . - f\n"
    written = source(tmp_path, written, "written.S")
    for path, place in (
        (inlined, r"\(pc 0x\w{8} in f(\+0x\w+)?, at\.h:3\)"),
        (called, r"\(pc 0x00000010, called from f\+0x\w+, code\.c:4\)"),
        (vector, r"in f(\+0x\w+)?, v\.c:4\)"),
        (written, r"in f\+0x4, written\.S:5\)"),
    ):
        with pytest.raises(DeviceFault, match=place):
            board.jit(path, "f", toolchain=toolchain, signature="int f(unsigned a)")(16)


def test_lines_that_nobody_knows():
    assert source_line(b"no ELF", 0) == ""
    assert source_line(firmware_path().read_bytes(), 4) == ""
