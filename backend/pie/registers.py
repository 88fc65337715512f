"""Names of registers in assembly text: PIE's q registers and the RISC-V integer registers under both names."""

from __future__ import annotations


def _series(prefix: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in range(first, last + 1))


# x0 to x31 as the calling convention names them.
ABI_NAMES = (
    *("zero", "ra", "sp", "gp", "tp"),
    *_series("t", 0, 2),
    *_series("s", 0, 1),
    *_series("a", 0, 7),
    *_series("s", 2, 11),
    *_series("t", 3, 6),
)

# Every spelling of an integer register that assemblers take.
REGISTER_NUMBERS = {
    **{name: number for number, name in enumerate(ABI_NAMES)},
    **{f"x{number}": number for number in range(32)},
    "fp": 8,
}

VECTOR_NUMBERS = {f"q{number}": number for number in range(8)}
