"""The generated C header: every macro, assembled by clang (and by GNU as where it is installed), gives our words."""

import random
import re
import shutil
import subprocess
import sys

import pytest
from elftools.elf.elffile import ELFFile

from p4c.backend.pie.assembler import assemble
from p4c.backend.pie.header import header_text, macro_name
from p4c.backend.pie.registers import ABI_NAMES
from p4c.backend.pie.table import REVISIONS, instructions

CLANG = [sys.executable, "-m", "ziglang", "cc", "-target", "riscv32-freestanding-none", "-mabi=ilp32f"]
CLANG += ["-mcpu=generic_rv32+m+a+f+c", "-ffreestanding"]
GCC = ["riscv64-unknown-elf-gcc", "-march=rv32imafc_zicsr", "-mabi=ilp32f", "-Wa,--fatal-warnings"]

OPERANDS = """
#define SAME(x) x
enum { STEP = -48 };
int *f(int *p) {
  register int *a asm("a3") = p;
  asm volatile(
    PIE_VLD_128_IP(q5, a3, %[step])
    PIE_VST_128_IP(SAME(q6), SAME(a3), SAME(2 * 16))
    PIE_VLD_128_IP(q5, x13, -0x800)
    : "+r"(a) : [step] "i"(STEP) : "memory");
  return a;
}
"""
EXPECTED = ["esp.vld.128.ip q5, a3, -48", "esp.vst.128.ip q6, a3, 32", "esp.vld.128.ip q5, a3, -2048"]


def compile_c(compiler, source, folder):
    """The words of .text of a C source; raises CalledProcessError when the compiler refuses it."""
    (folder / "a.c").write_text(source)
    command = [*compiler, "-O1", "-c", "a.c", "-o", "a.o"]
    subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)
    with (folder / "a.o").open("rb") as file:
        code = ELFFile(file).get_section_by_name(".text").data()
    return [int.from_bytes(code[i : i + 4], "little") for i in range(0, len(code), 2)]


def spelled(field, value):
    return f"q{value}" if field.kind == "q" else ABI_NAMES[value] if field.kind in ("p", "g") else str(value)


# What has forms with a rounding of their own.
READ_OUTS = ("srcmb", "srcmb.q", "srs")


def every_macro(rev):
    """(macro call, text of the instruction it must equal): two random operand choices, then both extremes."""
    rng = random.Random(rev)
    for instruction in instructions().values():
        encoding = instruction.encodings.get(rev)
        if encoding is None:
            continue
        fields = encoding.fields[: encoding.shown]
        for pick in (rng.choice, rng.choice, lambda values: values[0], lambda values: values[-1]):
            operands = [spelled(field, pick(field.values)) for field in fields]
            text = f"{instruction.mnemonic} {', '.join(operands)}".rstrip()
            yield f"{macro_name(instruction.mnemonic)}({', '.join(operands)})", text
            if instruction.family in READ_OUTS:
                for mode in ("rne", "rdn"):
                    name = f"{macro_name(instruction.mnemonic)}_{mode.upper()}"
                    # srcmb has its saturation on both revisions, srs like the rounding on v3 only.
                    fixed = ["1", mode] if rev == "v3" else ["1"] * (instruction.family != "srs")
                    yield (
                        f"{name}({', '.join(operands[:2])})",
                        f"{instruction.mnemonic} {', '.join(operands[:2] + fixed)}",
                    )


def source_of_all(rev):
    calls = "\n".join(call for call, _ in every_macro(rev))
    return f'{header_text(rev)}\n__asm__(".text\\n"\n{calls}\n);\n{OPERANDS}'


def check_all(rev, compiler, folder):
    words = compile_c(compiler, source_of_all(rev), folder)
    expected = [(text, assemble(text, rev)) for _, text in every_macro(rev)]
    assert [f"{w:08x}" for w in words[: 2 * len(expected) : 2]] == [f"{w:08x}" for _, w in expected]
    block = [assemble(text, rev) for text in EXPECTED]
    rest = words[2 * len(expected) :]
    assert any(rest[i : i + 6 : 2] == block for i in range(len(rest)))


@pytest.mark.parametrize("rev", REVISIONS)
def test_every_macro_with_clang(rev, tmp_path):
    check_all(rev, CLANG, tmp_path)


@pytest.mark.parametrize("rev", REVISIONS)
def test_every_macro_with_gcc(rev, tmp_path):
    if shutil.which(GCC[0]) is None:
        pytest.skip(f"{GCC[0]} is not installed: only clang builds the header here")
    check_all(rev, GCC, tmp_path)


@pytest.mark.parametrize("rev", REVISIONS)
def test_every_instruction_of_the_revision_has_a_macro(rev):
    text = header_text(rev)
    names = set(re.findall(r"#define (PIE_\w+)\(.*\.word", text))
    rows = [row for row in instructions().values() if rev in row.encodings]
    assert names == {macro_name(r.mnemonic) for r in rows} | {
        f"{macro_name(r.mnemonic)}_{mode}" for r in rows if r.family in READ_OUTS for mode in ("RNE", "RDN")
    }
    assert f"#define PIE_CHIP_REV {rev[1:]}" in text


@pytest.mark.parametrize(
    "call",
    [
        "PIE_VLD_128_IP(q0, a0, 8)",
        "PIE_VLD_128_IP(q0, a0, 2048)",
        "PIE_VLD_128_IP(q0, a0, -2064)",
        "PIE_VSMULAS_S8_QACC(q0, q1, 16)",
        "PIE_VSMULAS_S8_QACC(q0, q1, -1)",
        "PIE_VLD_128_IP(q8, a0, 16)",
        "PIE_VLD_128_IP(q0, a6, 16)",
    ],
)
def test_clang_refuses_what_does_not_fit(call, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        compile_c(CLANG, f"{header_text('v3')}\n__asm__({call});\n", tmp_path)
    assert b"error" in caught.value.stderr
