"""From one line of assembly text to its word; the inverse of disassembler.py."""

from __future__ import annotations

import difflib

from ...compiler.errors import InputError
from .registers import ABI_NAMES, REGISTER_NUMBERS, VECTOR_NUMBERS
from .table import REVISIONS, Encoding, Field, Instruction, Operands, encode, instructions

# Names that v3 assemblers take for the last operands.
SATURATION = {"trunc": 0, "sat": 1}
ROUNDING = {"rdn": 0, "rup": 1, "raz": 2, "rtz": 3, "rhaz": 4, "rhtz": 5, "rne": 6, "dyn": 7}


def assemble(text: str, rev: str) -> int:
    """The 32-bit word of one instruction such as `esp.vld.128.ip q0, a0, 16` on chip revision v1 or v3.

    Hardware-loop labels are byte distances from the esp.lp instruction. On v3 the trailing `sat` and `rm`
    operands may be left out.
    """
    mnemonic, _, rest = text.strip().partition(" ")
    instruction = _instruction(mnemonic.lower(), rev)
    encoding = instruction.encodings[rev]
    texts = [operand.strip().lower() for operand in rest.split(",")] if rest.strip() else []
    if not encoding.required <= len(texts) <= len(encoding.fields):
        raise InputError(
            f"`{text.strip()}` has {len(texts)} operands, {mnemonic} takes {_counts(encoding)} on {rev}",
            f"write `{_form(instruction, encoding)}`",
        )
    operands: Operands = {}
    for field, operand in zip(encoding.fields, texts, strict=False):
        operands[field.name] = _value(field, operand, text.strip())
    return encode(instruction, operands, rev)


def _instruction(mnemonic: str, rev: str) -> Instruction:
    if rev not in REVISIONS:
        raise InputError(f"no chip revision is called {rev!r}", f"use one of {', '.join(REVISIONS)}")
    table = instructions()
    if mnemonic not in table:
        near = difflib.get_close_matches(mnemonic, table, 1)
        advice = f"did you mean {near[0]}?" if near else "PIE mnemonics start with esp."
        raise InputError(f"no PIE instruction is called {mnemonic!r}", advice)
    if rev not in table[mnemonic].encodings:
        others = ", ".join(table[mnemonic].encodings)
        raise InputError(f"{mnemonic} does not exist on chip revision {rev}", f"it is encodable on {others} only")
    return table[mnemonic]


def _value(field: Field, operand: str, text: str) -> int:
    """The value of one operand, checked against what its field can hold."""
    value = _parse(field, operand)
    if value is None:
        expected = {"q": "a vector register", "p": "a general register", "g": "a general register"}
        what = expected.get(field.kind, "an integer")
        raise InputError(f"`{text}`: operand {field.name} is `{operand}`, not {what}", _advice(field))
    if value not in field.values:
        raise InputError(f"`{text}`: operand {field.name} cannot be `{operand}`", _advice(field))
    return value


def _parse(field: Field, operand: str) -> int | None:
    names = {"q": VECTOR_NUMBERS, "p": REGISTER_NUMBERS, "g": REGISTER_NUMBERS}
    if field.kind in names:
        return names[field.kind].get(operand)
    words = {"sat": SATURATION, "rm": ROUNDING}.get(field.kind, {})
    if operand in words:
        return words[operand]
    try:
        return int(operand, 0)
    except ValueError:
        return None


def _advice(field: Field) -> str:
    if field.kind == "q":
        return "use one of q0 to q7"
    if field.kind == "p":
        return "use one of " + " ".join(ABI_NAMES[number] for number in field.values)
    if field.kind == "g":
        return "use one of x0 to x31"
    step = f" in steps of {field.unit}" if field.unit > 1 else ""
    return f"use an integer from {field.values[0]} to {field.values[-1]}{step}"


def _counts(encoding: Encoding) -> str:
    most = len(encoding.fields)
    return str(most) if encoding.required == most else f"{encoding.required} to {most}"


def _form(instruction: Instruction, encoding: Encoding) -> str:
    names = [field.name for field in encoding.fields]
    needed, extra = names[: encoding.required], names[encoding.required :]
    optional = f" [, {', '.join(extra)}]" if extra else ""
    return f"{instruction.mnemonic} {', '.join(needed)}".rstrip() + optional
