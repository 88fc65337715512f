"""The instruction table as a C header, for an interpreter written per family: rows, operand fields, enums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from .table import REVISIONS, Encoding, Field, Instruction, instructions

_T = TypeVar("_T")

MANUAL = """\
/* The PIE and hardware-loop instructions as decode tables, generated from the instruction table: do not edit.
 *
 * A word w of chip revision v1 is row r of pie_rows_v1 when (w & r.mask) == r.match; no two rows overlap. What
 * the instruction does is r.family on element type r.lanes; r.memory is its load or store and addressing.
 * Operand i of the row is pie_fields[r.fields[i]]; pie_operand_value() extracts its value, which belongs into
 * the slot .operand: a register number (x8-x15 and x24-x31 for PIE's pointers), an immediate in bytes, a
 * count or a selector. An instruction without PIE_OP_SAT saturates, except that the shifts of v1 (PIE_F_VSL,
 * PIE_F_VSLD, PIE_F_VSRD) keep the low bits; one without PIE_OP_RM, or with 7 in it, rounds by CFG.
 */
"""

TYPES = """\
struct pie_field {
    uint8_t operand;       /* enum pie_operand: the slot this value belongs to */
    uint8_t kind;          /* 0 number, 1 signed number, 2 general register of PIE */
    uint8_t width, scale;  /* field bits; the value is shifted left by scale */
    uint8_t count;         /* pieces, from the most significant one */
    struct { uint8_t low, bits; } piece[PIE_MAX_PIECES];
};

struct pie_row {
    uint32_t match, mask;
    uint8_t family, lanes, memory, count;
    uint8_t fields[PIE_MAX_OPERANDS];
    const char *name;
};
"""

EXTRACT = """\
static inline int32_t pie_operand_value(const struct pie_field *field, uint32_t word)
{
    uint32_t raw = 0;
    for (int i = 0; i < field->count; i++)
        raw = raw << field->piece[i].bits | (word >> field->piece[i].low & ((1u << field->piece[i].bits) - 1));
    if (field->kind == 2)
        return (int32_t)(8 + raw + (raw & 8));
    if (field->kind == 1 && raw >> (field->width - 1))
        raw -= 1u << field->width;
    return (int32_t)(raw << field->scale);
}
"""


def decode_table_text() -> str:
    """The text of the C header: enums, the field table and one row table per chip revision."""
    rows = list(instructions().values())
    fields = _distinct(field for row in rows for encoding in row.encodings.values() for field in encoding.fields)
    encodings = [encoding for row in rows for encoding in row.encodings.values()]
    parts = [
        MANUAL,
        "#ifndef P4C_PIE_DECODE_H\n#define P4C_PIE_DECODE_H\n\n#include <stdint.h>\n",
        f"#define PIE_MAX_OPERANDS {max(len(encoding.fields) for encoding in encodings)}",
        f"#define PIE_MAX_PIECES {max(len(field.pieces) for field in fields)}\n",
        _enum("pie_family", "PIE_F_", "PIE_FAMILIES", _distinct(row.family for row in rows)),
        _enum("pie_lanes", "PIE_L_", "PIE_LANE_TYPES", ["none", *_distinct(row.lanes for row in rows if row.lanes)]),
        _enum(
            "pie_memory", "PIE_M_", "PIE_MEMORY_FORMS", ["none", *_distinct(row.memory for row in rows if row.memory)]
        ),
        _enum("pie_operand", "PIE_OP_", "PIE_OPERANDS", _distinct(field.name for field in fields)),
        TYPES,
        "static const struct pie_field pie_fields[] = {",
        *(_field(field) for field in fields),
        "};\n",
    ]
    for rev in REVISIONS:
        parts += [f"static const struct pie_row pie_rows_{rev}[] = {{", *_rows(rows, fields, rev), "};\n"]
    return "\n".join([*parts, EXTRACT, "#endif", ""])


def c_name(prefix: str, name: str) -> str:
    """PIE_F_VMULAS_QACC for ("PIE_F_", "vmulas.qacc")."""
    return prefix + name.replace(".", "_").upper()


def _rows(rows: Iterable[Instruction], fields: list[Field], rev: str) -> Iterator[str]:
    for row in rows:
        encoding = row.encodings.get(rev)
        if encoding and not encoding.alias_of:
            yield _row(row, encoding, fields)


def _row(row: Instruction, encoding: Encoding, fields: list[Field]) -> str:
    kinds = [c_name("PIE_F_", row.family), c_name("PIE_L_", row.lanes or "none")]
    kinds.append(c_name("PIE_M_", row.memory or "none"))
    numbers = ", ".join(str(fields.index(field)) for field in encoding.fields) or "0"
    words = f"{encoding.match:#010x}, {encoding.mask:#010x}, {', '.join(kinds)}"
    return f'    {{{words}, {len(encoding.fields)}, {{{numbers}}}, "{row.mnemonic}"}},'


def _field(field: Field) -> str:
    kind = {"s": 1, "p": 2}.get(field.kind, 0)
    pieces = ", ".join(f"{{{low}, {high - low + 1}}}" for high, low in field.pieces)
    scale = field.unit.bit_length() - 1
    start = f"{c_name('PIE_OP_', field.name)}, {kind}, {field.width}, {scale}, {len(field.pieces)}"
    return f"    {{{start}, {{{pieces}}}}},"


def _enum(name: str, prefix: str, count: str, values: Iterable[str]) -> str:
    """An enum that ends with the number of its values, under the name `count`."""
    names = [c_name(prefix, value) for value in values]
    return f"enum {name} {{\n    " + ",\n    ".join([*names, count]) + "\n};\n"


def _distinct(values: Iterable[_T]) -> list[_T]:
    """The values in order, each once."""
    return list(dict.fromkeys(values))
