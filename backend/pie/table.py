"""The instruction table: every PIE and hardware-loop instruction in both encodings, loaded from two tsv files.

`instructions.tsv` holds one row per mnemonic and `fields.tsv` the operand fields it places; the assembler,
the disassembler, the generated C headers and the NumPy model all read the records made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

# Chip revisions: v1 is everything below v3.0, v3 is v3.0 and later. Their words are incompatible.
REVISIONS = ("v1", "v3")

# PIE's general registers, in the order of their 4-bit field; x0-x7 and x16-x23 cannot be encoded.
PIE_REGISTERS: tuple[int, ...] = (*range(8, 16), *range(24, 32))

# What an omitted trailing `sat` or `rm` operand means: saturate; round by CFG.vxrm.
DEFAULTS = {"sat": 1, "rm": 7}

Operands = dict[str, int]


@dataclass(frozen=True)
class Field:
    """An operand and the bits of the word that hold it, as (high, low) pieces from the most significant one."""

    name: str
    kind: str
    width: int
    unit: int
    pieces: tuple[tuple[int, int], ...]

    @property
    def mask(self) -> int:
        """The bits of the word that belong to this field."""
        return sum(((1 << (high - low + 1)) - 1) << low for high, low in self.pieces)

    @property
    def values(self) -> Sequence[int]:
        """The operand values that can be encoded: register numbers, or immediates in bytes or counts."""
        if self.kind == "p":
            return PIE_REGISTERS
        first = -(1 << (self.width - 1)) if self.kind == "s" else 0
        return range(first * self.unit, (first + (1 << self.width)) * self.unit, self.unit)

    def shifts(self) -> Iterator[tuple[int, int, int]]:
        """(bits, place in the field, place in the word) of each piece."""
        place = self.width
        for high, low in self.pieces:
            place -= high - low + 1
            yield high - low + 1, place, low

    def insert(self, value: int) -> int:
        """The word bits that hold an operand value, which must be one of `values`."""
        raw = PIE_REGISTERS.index(value) if self.kind == "p" else value // self.unit
        return sum(((raw >> place) & ((1 << bits) - 1)) << low for bits, place, low in self.shifts())

    def extract(self, word: int) -> int:
        """The operand value held in a word."""
        raw = sum(((word >> low) & ((1 << bits) - 1)) << place for bits, place, low in self.shifts())
        if self.kind == "p":
            return PIE_REGISTERS[raw]
        if self.kind == "s" and raw >> (self.width - 1):
            raw -= 1 << self.width
        return raw * self.unit


@dataclass(frozen=True)
class Encoding:
    """How one chip revision encodes an instruction.

    `shown` counts the leading operands that text always spells out: those that v1 has too. `alias_of` names
    the row that owns the word, where two mnemonics share one.
    """

    match: int
    mask: int
    fields: tuple[Field, ...]
    shown: int
    alias_of: str = ""

    @property
    def required(self) -> int:
        """How many operands text must give: all on v1; on v3 trailing `sat` and `rm` may be left out."""
        if self.shown == len(self.fields):
            return self.shown
        return sum(field.name not in DEFAULTS for field in self.fields)


@dataclass(frozen=True)
class Instruction:
    """One mnemonic: what it does (family), on which lanes, with which memory form, and its encodings."""

    mnemonic: str
    family: str
    lanes: str
    memory: str
    encodings: Mapping[str, Encoding]


@cache
def fields() -> Mapping[str, Field]:
    """The operand fields by token, each at its usual place (no pieces where it has none)."""
    table = {}
    for token, name, kind, width, unit, bits, _meaning in _rows("fields.tsv"):
        table[token] = Field(name, kind, int(width), int(unit), _pieces(bits))
    return table


@cache
def instructions() -> Mapping[str, Instruction]:
    """Every instruction by mnemonic, in the order of the file."""
    rows = {row[0]: row for row in _rows("instructions.tsv")}
    table = {}
    for mnemonic, family, lanes, memory, *_ in rows.values():
        found = {rev: _encoding(rows, mnemonic, rev) for rev in REVISIONS}
        encodings = {rev: encoding for rev, encoding in found.items() if encoding}
        table[mnemonic] = Instruction(mnemonic, _dash(family), _dash(lanes), _dash(memory), encodings)
    return table


def decode(word: int, rev: str) -> tuple[Instruction, Operands] | None:
    """The instruction of a 32-bit word on a chip revision and its operand values; None if it is not PIE's."""
    for mask, rows in _by_mask(rev).items():
        found = rows.get(word & mask)
        if found:
            return found, {field.name: field.extract(word) for field in found.encodings[rev].fields}
    return None


def encode(instruction: Instruction, operands: Mapping[str, int], rev: str) -> int:
    """The word of an instruction; operand values must be valid, omitted `sat` and `rm` take their default."""
    encoding = instruction.encodings[rev]
    word = encoding.match
    for field in encoding.fields:
        value = operands[field.name] if field.name in operands else DEFAULTS[field.name]
        word |= field.insert(value)
    return word


@cache
def _by_mask(rev: str) -> dict[int, dict[int, Instruction]]:
    table: dict[int, dict[int, Instruction]] = {}
    for instruction in instructions().values():
        encoding = instruction.encodings.get(rev)
        if encoding and not encoding.alias_of:
            table.setdefault(encoding.mask, {})[encoding.match] = instruction
    return table


def _encoding(rows: Mapping[str, list[str]], mnemonic: str, rev: str) -> Encoding | None:
    columns = rows[mnemonic]
    match, mask, operands = columns[4:7] if rev == "v1" else columns[7:10]
    if match.startswith("="):
        target = _encoding(rows, match[1:], rev)
        return replace(target, alias_of=match[1:]) if target else None
    if match == "-":
        return None
    tokens = _dash(columns[6] if operands == "=" else operands).split()
    placed = tuple(map(_placed, tokens))
    plain = sum(field.name not in DEFAULTS for field in placed)
    shown = plain if columns[4] == "-" else len(_dash(columns[6]).split())
    return Encoding(int(match, 16), int(mask, 16), placed, shown)


def _placed(token: str) -> Field:
    name, _, bits = token.partition("@")
    field = fields()[name]
    return replace(field, pieces=_pieces(bits)) if bits else field


def _pieces(bits: str) -> tuple[tuple[int, int], ...]:
    ranges = [piece.partition("-") for piece in _dash(bits).split(",") if piece]
    return tuple((int(high), int(low or high)) for high, _, low in ranges)


def _dash(text: str) -> str:
    return "" if text == "-" else text


def _rows(name: str) -> Iterator[list[str]]:
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    body = [line.split("\t") for line in lines if not line.startswith("#")]
    yield from body[1:]
