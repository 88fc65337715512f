"""The C header through which kernels use PIE: one macro per instruction that expands to a `.word` line of asm text.

The words are built by the assembler from plain integer expressions, so every RISC-V toolchain can build them
and immediates may be literals as well as "i" operands of the asm block.
"""

from __future__ import annotations

from collections.abc import Iterator

from .assembler import ROUNDING
from .registers import REGISTER_NUMBERS, VECTOR_NUMBERS
from .table import DEFAULTS, PIE_REGISTERS, Encoding, Field, Instruction, instructions

MANUAL = """\
/* PIE instructions for chip revision {rev}, generated from the instruction table: do not edit.
 *
 * Each macro is one line of asm text that holds the instruction as a word and its mnemonic as a comment. Its
 * arguments are the assembly operands in assembly order:
 *
 *     register const int8_t *x asm("a0") = input;
 *     asm volatile(
 *         PIE_VLD_128_IP(q0, a0, 16)
 *         PIE_VSMULAS_S8_QACC_LD_INCP(q1, a1, q1, q0, 0)
 *         PIE_VLD_128_IP(q2, a0, %[step])
 *         : "+r"(x), ... : [step] "i"(STEP) : "memory");
 *
 * Registers are plain tokens: q0-q7, and s0 s1 a0-a5 s8-s11 t3-t6 (the only ones PIE can reach), under these
 * or their x names. They cannot be asm operands: pin C variables to them as above. Immediates are integer
 * expressions or "i" operands; one that does not fit makes the word overflow, which clang refuses and GNU as
 * warns of (-Wa,--fatal-warnings makes that an error). A register that does not exist shows up as an
 * undefined symbol PIE_P_..., PIE_Q_... or PIE_X_....
 *
 * Where an instruction has operands only on v3, they saturate and round by CFG here. The exception is the
 * read-out: the _RNE (half to even) and _RDN (floor) forms of srcmb and srs carry their rounding on v3; on v1 they
 * are the plain instruction and the kernel must have written the same mode to CFG at its entry.
 */
"""


def header_text(rev: str) -> str:
    """The text of the C header for chip revision v1 or v3."""
    body = [*_constants(), *_registers(), *_fields(rev)]
    for instruction in instructions().values():
        if rev in instruction.encodings:
            body += _macros(instruction, rev)
    opening = ["#ifndef P4C_PIE_H", "#define P4C_PIE_H", "", f"#define PIE_CHIP_REV {rev[1:]}", ""]
    return "\n".join([MANUAL.format(rev=rev) + "\n".join(opening), *body, "", "#endif", ""])


def macro_name(mnemonic: str) -> str:
    """PIE_VLD_128_IP for esp.vld.128.ip."""
    return "PIE_" + mnemonic.removeprefix("esp.").replace(".", "_").upper()


def _constants() -> Iterator[str]:
    yield "/* CFG: the rounding modes in their place, and hardware-split unaligned loads and stores. */"
    yield from (f"#define PIE_CFG_{name.upper()} {code << 4:#04x}" for name, code in ROUNDING.items() if code < 7)
    yield "#define PIE_CFG_UNALIGNED 0x03"
    yield ""
    yield "/* What follows is the machinery: an argument's text, a field's place in the word, a comment. */"
    yield "#define PIE_TEXT(argument) PIE_TEXT_(argument)"
    yield "#define PIE_TEXT_(argument) #argument"
    yield '#define PIE_NOTE(mnemonic, ...) " # " mnemonic " " #__VA_ARGS__ "\\n"'
    yield ""


def _registers() -> Iterator[str]:
    yield from (f"#define PIE_Q_{name} {number}" for name, number in VECTOR_NUMBERS.items())
    for name, number in REGISTER_NUMBERS.items():
        if number in PIE_REGISTERS:
            yield f"#define PIE_P_{name} {PIE_REGISTERS.index(number)}"
    yield from (f"#define PIE_X_{name} {number}" for name, number in REGISTER_NUMBERS.items())
    yield ""


def _fields(rev: str) -> Iterator[str]:
    """One macro per placed field: the asm text that adds an operand to the word."""
    encodings = (row.encodings[rev] for row in instructions().values() if rev in row.encodings)
    placed = {field: None for encoding in encodings for field in encoding.fields[: encoding.shown]}
    for field in sorted(placed, key=_field_name):
        yield f"#define {_field_name(field)}(value) {_field_text(field)}"
    yield ""


def _field_name(field: Field) -> str:
    unit = str(field.unit) if field.unit > 1 else ""
    bits = "_".join(f"{high}_{low}" if high > low else f"{high}" for high, low in field.pieces)
    return f"PIE_AT_{field.name.upper()}{unit}_{bits}"


def _field_text(field: Field) -> str:
    """C string pieces such as "+(" value "<<10)"; fully bracketed, as assemblers rank operators differently."""
    classes = {"q": "PIE_TEXT(PIE_Q_##value)", "p": "PIE_TEXT(PIE_P_##value)", "g": "PIE_TEXT(PIE_X_##value)"}
    if field.kind in classes and len(field.pieces) == 1:
        return f'"+(" {classes[field.kind]} "<<{field.pieces[0][1]})"'
    value = classes.get(field.kind, "#value")
    scale = field.unit.bit_length() - 1
    terms = []
    for bits, place, low in field.shifts():
        terms.append(f'"+((((" {value} ")>>{place + scale})&{(1 << bits) - 1})<<{low})"')
    if field.kind not in classes:
        # What does not fit leaves bits above the word, which assemblers refuse or warn of.
        bias, fits = -field.values[0], ((1 << field.width) - 1) * field.unit
        terms.append(f'"+((((" {value} ")+{bias})&~{fits:#x})<<32)"')
    return " ".join(terms)


def _macros(instruction: Instruction, rev: str) -> Iterator[str]:
    encoding = instruction.encodings[rev]
    names = [field.name for field in encoding.fields[: encoding.shown]]
    base = _base(encoding, encoding.shown, {})
    yield _macro(macro_name(instruction.mnemonic), instruction, encoding, names, base, "")
    if instruction.family in ("srcmb", "srcmb.q", "srs"):
        given = [name for name in names if name != "sat"]
        for mode in ("rne", "rdn"):
            fixed = {"sat": 1, "rm": ROUNDING[mode]}
            note = ", 1" * (len(given) < len(names)) if rev == "v1" else f", 1, {mode}"
            name = f"{macro_name(instruction.mnemonic)}_{mode.upper()}"
            yield _macro(name, instruction, encoding, given, _base(encoding, len(given), fixed), note)


def _base(encoding: Encoding, count: int, fixed: dict[str, int]) -> int:
    """The word with the fields after the first `count` filled in."""
    values = DEFAULTS | fixed
    return encoding.match | sum(field.insert(values[field.name]) for field in encoding.fields[count:])


def _macro(name: str, row: Instruction, encoding: Encoding, names: list[str], base: int, note: str) -> str:
    adds = [f"{_field_name(field)}({field.name})" for field in encoding.fields[: len(names)]]
    arguments = ", ".join(names)
    comment = f'PIE_NOTE("{row.mnemonic}", {arguments}{note})' if names else f'" # {row.mnemonic}\\n"'
    return f"#define {name}({arguments}) " + " ".join([f'".word {base:#010x}"', *adds, comment])
