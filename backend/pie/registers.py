"""Names of registers in assembly text: PIE's q registers and the RISC-V integer registers under both names."""

from __future__ import annotations

ABI_NAMES = (
    "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"
).split()

# Every spelling of an integer register that assemblers take.
REGISTER_NUMBERS = {
    **{name: number for number, name in enumerate(ABI_NAMES)},
    **{f"x{number}": number for number in range(32)},
    "fp": 8,
}

VECTOR_NUMBERS = {f"q{number}": number for number in range(8)}
