"""What a compiler calls behind its back, in raw functions: double, 64 bits, conversions; and mathematics."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from p4c.backend.cache import CACHE_VARIABLE
from p4c.compiler.errors import ToolchainError

GNU = "riscv64-unknown-elf-gcc"

ARITHMETIC = """
#include <stdint.h>
void reals(const double *a, const double *b, int n, double *sums, double *products, double *quotients, uint8_t *less)
{
    for (int i = 0; i < n; i++) {
        sums[i] = a[i] - b[i];
        products[i] = a[i] * b[i];
        quotients[i] = a[i] / b[i];
        less[i] = a[i] < b[i];
    }
}
void integers(const int64_t *a, const int64_t *b, int n, int64_t *quotients, int64_t *rests, uint64_t *naturals)
{
    for (int i = 0; i < n; i++) {
        quotients[i] = a[i] / b[i];
        rests[i] = a[i] % b[i];
        naturals[i] = (uint64_t)a[i] / (uint64_t)b[i];
    }
}
void convert(const int64_t *a, const double *b, int n, float *f, double *d, int64_t *i, float *narrow, uint32_t *u)
{
    for (int k = 0; k < n; k++) {
        f[k] = (float)a[k];
        d[k] = (double)a[k];
        i[k] = (int64_t)b[k];
        narrow[k] = (float)b[k];
        u[k] = (uint32_t)(b[k] < 0 ? -b[k] : b[k]);
    }
}
void bits(const uint64_t *a, int n, uint8_t *ones, uint8_t *zeros)
{
    for (int i = 0; i < n; i++) ones[i] = __builtin_popcountll(a[i]), zeros[i] = __builtin_clzll(a[i]);
}
double mean(float a, int64_t b) { return (a + (double)b) / 2; }
"""


@pytest.fixture(params=["zig", GNU])
def toolchain(request):
    if request.param != "zig" and shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture
def jit(board, tmp_path, toolchain):
    def make(name, text=ARITHMETIC):
        (tmp_path / "code.c").write_text(text)
        return board.jit(tmp_path / "code.c", name, toolchain=toolchain)

    return make


def reals(n=300):
    """Doubles of all sizes, with those at the edges."""
    random = np.random.default_rng(1)
    any_bits = random.integers(0, 2**64, n, dtype=np.uint64).view(np.float64)
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -2.2e-308, 1.7e308, 1.0, 3.0])
    return np.concatenate([any_bits, random.normal(size=n), np.repeat(edges, len(edges))])


def integers(n=300):
    random = np.random.default_rng(2)
    some = random.integers(-(2**63), 2**63, n) >> random.integers(0, 63, n)
    return np.concatenate([some, [2**63 - 1, -(2**63), 1, -1, 2**53 + 1, 2**24 + 1, -(2**31)]])


def test_double(jit, toolchain):
    """Bit for bit; but for quotients under 2^-1022, where zig's library may be one unit off."""
    a = reals()
    b = np.concatenate([np.random.default_rng(3).permutation(a[:-100]), np.tile(a[-100::10], 10)])
    outputs = [np.zeros(len(a)) for _ in range(3)]
    less = np.zeros(len(a), np.uint8)
    jit("reals")(a, b, len(a), *outputs, less)
    with np.errstate(all="ignore"):
        if toolchain == "zig":
            subnormal = (np.abs(a / b) < 2.0**-1022) & (a / b != 0)
            assert np.all(np.abs(outputs[2] - a / b)[subnormal] <= 2.0**-1074)
            outputs[2][subnormal] = (a / b)[subnormal]
        for found, expected in zip(outputs, (a - b, a * b, a / b), strict=True):
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(expected[expected == 0]))
        np.testing.assert_array_equal(less, a < b)


def test_division_of_64_bits(jit):
    a = integers()
    b = np.random.default_rng(4).permutation(a)
    b[b == 0] = 7
    b[(b == -1) & (a == -(2**63))] = 2
    quotients, rests, naturals = np.zeros_like(a), np.zeros_like(a), np.zeros(len(a), np.uint64)
    jit("integers")(a, b, len(a), quotients, rests, naturals)
    np.testing.assert_array_equal(rests, np.fmod(a, b))
    np.testing.assert_array_equal(quotients, (a - np.fmod(a, b)) // b)
    np.testing.assert_array_equal(naturals, a.view(np.uint64) // b.view(np.uint64))


def test_conversions(jit):
    a = integers()
    b = np.random.default_rng(5).normal(size=len(a)) * 2.0 ** np.random.default_rng(6).integers(-3, 30, len(a))
    outputs = [np.zeros(len(a), dtype) for dtype in (np.float32, np.float64, np.int64, np.float32, np.uint32)]
    jit("convert")(a, b, len(a), *outputs)
    expected = (a.astype(np.float32), a.astype(np.float64), b.astype(np.int64), b.astype(np.float32))
    for found, wanted in zip(outputs, (*expected, np.abs(b).astype(np.uint32)), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_bits(jit):
    a = integers().astype(np.uint64)
    a[a == 0] = 1
    ones, zeros = np.zeros(len(a), np.uint8), np.zeros(len(a), np.uint8)
    jit("bits")(a, len(a), ones, zeros)
    assert ones.tolist() == [int(x).bit_count() for x in a]
    assert zeros.tolist() == [64 - int(x).bit_length() for x in a]


def test_double_as_argument_and_result(jit):
    assert jit("mean")(1.5, 2**40) == (1.5 + 2**40) / 2


MATHEMATICS = """
#include <math.h>
#include <string.h>
void roots(const double *x, int n, double *d, float *f, float *e)
{
    for (int i = 0; i < n; i++) d[i] = sqrt(x[i]), f[i] = sqrtf((float)x[i]), e[i] = expf((float)x[i]);
}
int moved(char *text) { memmove(text + 1, text, 4); return memcmp(text, "aabc", 4); }
float power(float x) { return powf(x, 2.5f); }
"""


def test_mathematics_of_zig(board, tmp_path):
    (tmp_path / "code.c").write_text(MATHEMATICS)
    x = np.random.default_rng(7).uniform(0, 80, 200)
    d, f, e = np.zeros(200), np.zeros(200, np.float32), np.zeros(200, np.float32)
    board.jit(tmp_path / "code.c", "roots")(x, 200, d, f, e)
    np.testing.assert_array_equal(d, np.sqrt(x))
    np.testing.assert_array_equal(f, np.sqrt(x.astype(np.float32)))
    # The nearest float, or its neighbour.
    exact = np.exp(x.astype(np.float32).astype(np.float64))
    assert np.all(np.abs(e - exact) <= np.spacing(exact.astype(np.float32)))


def test_memory_functions(jit):
    text = np.frombuffer(b"abcde", np.uint8).copy()
    assert jit("moved", MATHEMATICS)(text) == 0
    assert bytes(text) == b"aabcd"


@pytest.mark.parametrize(("name", "missing"), [("power", "powf"), ("f", "printf"), ("g", "somebody")])
def test_what_nobody_has(jit, name, missing):
    text = f'{MATHEMATICS}\n#include <stdio.h>\nint f(int x) {{ return printf("%d", x); }}\n'
    text += "int somebody(int); int g(int x) { return somebody(x); }"
    with pytest.raises(ToolchainError) as caught:
        jit(name, text)
    (problem,) = caught.value.problems
    assert problem.what == f"the code refers to {missing}, and nothing defines it"
    assert (f"no C library with {missing}" in problem.advice) == (missing != "somebody")
    assert "firmware=" in problem.advice


def test_only_what_is_needed_goes_to_the_board(jit):
    """One function, without its neighbours and what these call."""
    names = {symbol.name for symbol in jit("bits").elf.functions}
    assert {"bits", "p4c_raw_call"} <= names
    assert not {"reals", "integers", "__divdi3", "__adddf3", "memset"} & names


@pytest.mark.slow
def test_the_library_is_made_when_something_is_missing(board, tmp_path, monkeypatch):
    """And once: then it lies in the cache folder."""
    (tmp_path / "code.c").write_text(ARITHMETIC + "int one(int x) { return x + 1; }")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    made = tmp_path / "cache" / "compiler-rt"
    board.jit(tmp_path / "code.c", "one")
    assert not made.exists()
    board.jit(tmp_path / "code.c", "mean")
    (archive,) = made.iterdir()
    before = archive.stat().st_mtime_ns
    board.jit(tmp_path / "code.c", "reals")
    assert archive.stat().st_mtime_ns == before
