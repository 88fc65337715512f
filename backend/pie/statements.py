"""PIE instructions in assembly text, replaced by their words: then any RISC-V assembler takes the text."""

from __future__ import annotations

import re

from .assembler import assemble
from .table import Field, instructions

# A PIE instruction with its operands, and the labels in front of it on its line.
_STATEMENT = re.compile(r"(?P<labels>^[ \t]*(?:[\w.$]+:[ \t]*)*|;[ \t]*)(?P<text>esp\.[\w.]+[^;#\n/]*)", re.MULTILINE)


def mentions_pie(text: str) -> bool:
    """True when a source may hold PIE instructions by name."""
    return re.search(r"\besp\.[a-z]", text) is not None


def with_words(text: str, rev: str) -> str:
    """Assembly text with each PIE instruction as a `.word`.

    InputError for one that does not exist on the chip revision, or has other operands.
    """
    changed = _STATEMENT.sub(lambda match: f"{match['labels']}{_word(match['text'].strip(), rev)}", text)
    # The distance to a label in a hardware loop is a constant only where the linker does not move code.
    return f".option norelax\n{changed}"


def _word(text: str, rev: str) -> str:
    """`.word` for one instruction; where it names a label, an expression that the assembler computes."""
    mnemonic, _, rest = text.partition(" ")
    operands = [operand.strip() for operand in rest.split(",")]
    row = instructions().get(mnemonic.lower())
    fields = row.encodings[rev].fields if row and rev in row.encodings else ()
    label = ""
    if fields and fields[-1].name == "target" and len(operands) == len(fields) and not operands[-1][-1:].isdigit():
        label, operands[-1] = operands[-1], "0"
    number = assemble(f"{mnemonic} {', '.join(operands)}".strip(), rev)
    return f".word {number:#010x}{_distance(fields[-1], label) if label else ''}"


def _distance(field: Field, label: str) -> str:
    """The term that adds how far a label is, in the bits of its field."""
    scale = field.unit.bit_length() - 1
    pieces = (
        f"+((((({label})-.)>>{place + scale})&{(1 << bits) - 1})<<{low})" for bits, place, low in field.shifts()
    )
    return "".join(pieces)
