"""Raw functions on boards: anybody's C, C++ and assembly, called with NumPy; and everything that can go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import p4c
from p4c.backend.c_signature import parse_signature, read_signature
from p4c.backend.raw import Record
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


def test_functions_of_the_firmware(board, tmp_path):
    """Linked against its symbols, as p4c's own CRC of a message shows."""
    text = """
    #include <stdint.h>
    uint32_t p4c_crc32(uint32_t crc, const uint8_t *data, uint32_t size);
    uint32_t crc(const uint8_t *data, uint32_t size) { return p4c_crc32(0, data, size); }
    """
    path = source(tmp_path, text)
    function = board.jit(path, "crc", firmware=firmware_path())
    data = np.frombuffer(b"123456789", np.uint8)
    assert function(data, 9) == 0xCBF43926
    with pytest.raises(ToolchainError, match="p4c_crc32") as caught:
        board.jit(path, "crc")
    assert "or give the firmware's ELF with firmware=" in str(caught.value)


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
    assert good(1) == 2
    forever = board.jit(path, "forever")
    with pytest.raises(DeviceError):
        forever(timeout=1.0)
    assert good(2) == 3


def test_closed_functions_and_resets(board):
    add = board.jit(EXAMPLE, "add")
    with add:
        assert add(1, 2) == 3
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
        (
            "a.c",
            "struct s { int x; }; int f(struct s *p) { return p->x; }",
            "f",
            "p of f is no number and no pointer",
        ),
        ("a.c", "struct s { int x; }; struct s f(int x) { struct s t = {x}; return t; }", "f", "f returns no number"),
        ("a.rs", "int f(int x) { return x; }", "f", "is no source that can be compiled"),
    ],
)
def test_sources_that_are_wrong(board, tmp_path, name, text, function, error):
    with pytest.raises((InputError, ToolchainError), match=error):
        board.jit(source(tmp_path, text, name), function)


def test_missing_files(board, tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*none\.c"):
        board.jit(tmp_path / "none.c", "f")
    with pytest.raises(InputError, match="there is no file"):
        board.jit(EXAMPLE, "add", firmware=tmp_path / "none.elf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("static inline int32_t f(const int8_t *restrict x, unsigned n) {", "int32 f(const int8 *x, uint32 n)"),
        ('extern "C" void f(void);', "void f()"),
        (
            "/* int f(int a); */ __attribute__((noinline)) float f(float w[], /* n */ uint64_t n) {",
            "float32 f(float32 *w, uint64 n)",
        ),
        ("#define M(x) \\\n  f(x)\nlong long f(signed char c)\n{", "int64 f(int8 c)"),
        ("int g(int x) { return f(x); }\nint f(int y) { return y; }", "int32 f(int32 y)"),
    ],
)
def test_signatures(text, expected):
    assert str(read_signature([text], "f")) == expected


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


@pytest.mark.parametrize("text", ["", "int f", "f(int x)", "int f(int x"])
def test_declarations_that_are_none(text):
    with pytest.raises(InputError, match="is no declaration of a C function"):
        parse_signature(text)
