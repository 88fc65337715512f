"""From a word to one line of assembly text; the inverse of assembler.py."""

from __future__ import annotations

from .registers import ABI_NAMES
from .table import DEFAULTS, Field, decode


def disassemble(word: int, rev: str) -> str | None:
    """The text of a PIE or hardware-loop instruction on chip revision v1 or v3; None if it is neither.

    Registers carry ABI names, immediates are decimal. Trailing `sat` and `rm` operands that only v3 has are
    left out while they hold their defaults, so that one text reads the same on both revisions.
    """
    found = decode(word, rev)
    if found is None:
        return None
    instruction, operands = found
    encoding = instruction.encodings[rev]
    fields = list(encoding.fields)
    while len(fields) > encoding.shown and operands[fields[-1].name] == DEFAULTS[fields[-1].name]:
        fields.pop()
    texts = [_text(field, operands[field.name]) for field in fields]
    return f"{instruction.mnemonic} {', '.join(texts)}".rstrip()


def _text(field: Field, value: int) -> str:
    if field.kind == "q":
        return f"q{value}"
    return ABI_NAMES[value] if field.kind in ("p", "g") else str(value)
