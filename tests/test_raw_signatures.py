"""Signatures of raw functions: what C declares as numbers and pointers is understood, the rest says what to do."""

from __future__ import annotations

import numpy as np
import pytest

from p4c.backend.c_declarations import Source
from p4c.backend.c_signature import ANYTHING, parse_signature, read_signature
from p4c.compiler.errors import InputError

C = False
CPLUSPLUS = True


def signature(text, cplusplus=C):
    return read_signature([Source(text, cplusplus)], "f")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int32_t f(const int8_t *restrict x, unsigned n) {}", "int32 f(const int8 *x, uint32 n)"),
        ("void f(void);", "void f()"),
        ("void f() {}", "void f()"),
        (
            "/* int f(int a); */ __attribute__((noinline)) float f(float w[], /* n */ uint64_t n) {}",
            "float32 f(float32 *w, uint64 n)",
        ),
        ("#define M(x) \\\n  f(x)\nlong long f(signed char c)\n{}", "int64 f(int8 c)"),
        ("int g(int x) { return f(x); }\nint f(int y) { return y; }", "int32 f(int32 y)"),
        ("int f(int);\nint f(int named) { return named; }", "int32 f(int32 named)"),
        ("extern unsigned char f(unsigned char, unsigned char *);", "uint8 f(uint8 argument0, uint8 *argument1)"),
        # Where const stands, and what it is of.
        (
            "void f(int8_t const *a, int8_t *const b, const int8_t *const c, volatile short *d) {}",
            "void f(const int8 *a, int8 *b, const int8 *c, int16 *d)",
        ),
        (
            "void f(int8_t x[16], const float y[static 4], int z[3][5], const int8_t (*w)[4]) {}",
            "void f(int8 *x, const float32 *y, int32 *z, const int8 *w)",
        ),
        # A user's own names, in chains, of pointers and of arrays.
        (
            "typedef signed char i8; typedef i8 data; typedef const data *in; void f(in x, data *y);",
            "void f(const int8 *x, int8 *y)",
        ),
        ("typedef int8_t row[16]; void f(row x, const row y, row *z);", "void f(int8 *x, const int8 *y, int8 *z)"),
        (
            "typedef long int int32_t; typedef int bool; typedef int size_t; bool f(int32_t x, size_t n) {}",
            "int32 f(int32 x, int32 n)",
        ),
        (
            "enum kind { A, B = 1 << 4 }; typedef enum { C } mode; mode f(enum kind k, mode m) {}",
            "int32 f(int32 k, int32 m)",
        ),
        ("int f(int class, int *new) { return class; }", "int32 f(int32 class, int32 *new)"),
        # What compilers read besides C.
        (
            'int g(void) { asm volatile("x{" : "=r"(a)); char c = \'{\'; }\n'
            '__extension__ typedef long long wide; _Static_assert(1, "("); void f(wide *__restrict__ x) {}',
            "void f(int64 *x)",
        ),
    ],
)
def test_signatures(text, expected):
    assert str(signature(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('extern "C" void f(void);', "void f()"),
        ('extern "C" { enum E { A }; struct P { int x; }; void f(P *p, E e) { } }', "void f(P *p, int32 e)"),
        ('namespace n { void f(int x) {} }\nextern "C" int f(bool x) { return x; }', "int32 f(bool x)"),
        ('extern "C" int f(int x);\nint f(int x) { return x; }', "int32 f(int32 x)"),
    ],
)
def test_signatures_of_cplusplus(text, expected):
    assert str(signature(text, CPLUSPLUS)) == expected


def test_structs_have_the_layout_of_c():
    text = """
    #define N 2
    enum kind { A };
    typedef struct { float x; uint8_t y; } point;
    struct all {
        char c; long long wide; point points[2]; struct all *next; enum kind kind; unsigned short s;
        int8_t taps[(1 << 2) - 1][2 * 2];
    };
    void f(const struct all *all, point *p);
    """
    found = signature(text)
    point = np.dtype([("x", "f4"), ("y", "u1")], align=True)
    members = [("c", "u1"), ("wide", "i8"), ("points", point, 2), ("next", "u4"), ("kind", "i4"), ("s", "u2")]
    members.append(("taps", "i1", (3, 4)))
    assert [p.dtype for p in found.parameters] == [np.dtype(members, align=True), point]
    assert str(found) == "void f(const struct all *all, point *p)"


@pytest.mark.parametrize(
    "text",
    [
        "void f(void *p);",
        "struct s; void f(struct s *p);",
        "struct s { int a : 3; }; void f(struct s *p);",
        "union s { int a; float b; }; void f(union s *p);",
        "typedef struct __attribute__((packed)) { char a; int b; } s; void f(s *p);",
        "#pragma pack(1)\nstruct s { char a; int b; }; void f(struct s *p);",
        "struct s { int (*call)(int); }; void f(struct s *p);",
        "struct s { int a[sizeof(int)]; }; void f(struct s *p);",
    ],
)
def test_what_only_a_compiler_can_lay_out_is_any_array(text):
    assert signature(text).parameters[0].dtype == ANYTHING


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("struct s { int x; }; void f(struct s p);", "the parameter p of f is a struct by value"),
        ("void f(int (*call)(int));", "the parameter call of f points to a function"),
        ("typedef void (*call)(int); void f(call c);", "the parameter c of f points to a function"),
        ("void f(int **rows);", "the parameter rows of f points to pointers"),
        ("int f(const char *format, ...);", "f takes any number of arguments"),
        ("void f(int n, unknown_t x);", "the parameter `unknown_t x` of f is no C, or the sources do not define"),
        ("void f(long double x);", "the parameter x of f has the type double long"),
        ("int *f(void);", "f returns a pointer, expected a number or void"),
        ("struct s { int x; }; struct s f(void);", "f returns a struct, expected a number or void"),
        ("static int f(int x) { return x; }", "f is static, so that no other file can call it"),
        ("static int f(int x); int f(int x) { return x; }", "f is static"),
        ("inline int f(int x) { return x; }", "f is inline, so that no other file can call it"),
        ("int g(int x);", "the sources declare no function f"),
    ],
)
def test_what_cannot_be_called(text, what):
    with pytest.raises(InputError) as caught:
        signature(text)
    assert caught.value.problems[0].what.startswith(what)
    assert caught.value.problems[0].advice


def test_functions_of_cplusplus_need_the_linkage_of_c():
    with pytest.raises(InputError) as caught:
        signature("int f(const float *x, int n) { return n; }", CPLUSPLUS)
    assert caught.value.problems[0].what == "f is a C++ function, whose name in the binary is another one"
    assert 'extern "C" int f(const float *x, int n)' in caught.value.problems[0].advice


def test_the_source_that_can_be_called_is_taken():
    sources = [Source("static int f(float x) { return 1; }"), Source("int f(int x) { return x; }")]
    assert str(read_signature(sources, "f")) == "int32 f(int32 x)"


@pytest.mark.parametrize("text", ["", "int f", "f(int x)", "int f(int x"])
def test_declarations_that_are_none(text):
    with pytest.raises(InputError, match="is no declaration of a C function"):
        parse_signature(text)
