"""The instruction table, assembler and disassembler against the encoding vectors of both revisions."""

from itertools import combinations
from pathlib import Path

import pytest

from p4c.backend.pie.assembler import assemble
from p4c.backend.pie.disassembler import disassemble
from p4c.backend.pie.table import DEFAULTS, PIE_REGISTERS, REVISIONS, decode, encode, instructions
from p4c.compiler.errors import InputError

DATA = Path(__file__).parent / "data" / "pie"
SHARED = Path(__file__).parents[1].parent / "shared" / "pie"
VECTORS = {"v1": 517, "v3": 376}
ROWS = {"v1": 360, "v3": 356}


def vectors(rev):
    """(text, word) of every vector of a revision."""
    for line in (DATA / f"vectors_{rev}.tsv").read_text().splitlines():
        mnemonic, operands, word = line.split("\t")
        yield f"{mnemonic} {operands}".rstrip(), int(word, 16)


def in_full(text, rev):
    """The text with numeric register names replaced and every defaulted operand written out."""
    mnemonic, _, rest = text.replace("x8", "s0").replace("x9", "s1").partition(" ")
    encoding = instructions()[mnemonic].encodings[rev]
    operands = [part.strip() for part in rest.split(",") if part]
    operands += [str(DEFAULTS[field.name]) for field in encoding.fields[len(operands) :]]
    return encoding.alias_of or mnemonic, operands


@pytest.mark.parametrize("rev", REVISIONS)
def test_every_vector_both_ways(rev):
    count = 0
    for text, word in vectors(rev):
        assert f"{assemble(text, rev):08x}" == f"{word:08x}", text
        assert in_full(disassemble(word, rev), rev) == in_full(text, rev)
        count += 1
    assert count == VECTORS[rev]


@pytest.mark.parametrize("rev", REVISIONS)
def test_vectors_cover_every_mnemonic(rev):
    covered = {text.partition(" ")[0] for text, _ in vectors(rev)}
    assert covered == {name for name, row in instructions().items() if rev in row.encodings}
    assert len(covered) == ROWS[rev]


@pytest.mark.parametrize("rev", REVISIONS)
def test_every_bit_is_covered_once(rev):
    for instruction in instructions().values():
        encoding = instruction.encodings.get(rev)
        if encoding is None:
            continue
        covered = encoding.mask
        assert encoding.match & ~encoding.mask == 0
        for field in encoding.fields:
            assert covered & field.mask == 0, (instruction.mnemonic, field.name)
            assert sum(high - low + 1 for high, low in field.pieces) == field.width
            covered |= field.mask
        assert covered == 0xFFFFFFFF, instruction.mnemonic
        assert len({field.name for field in encoding.fields}) == len(encoding.fields)


@pytest.mark.parametrize("rev", REVISIONS)
def test_no_two_rows_collide(rev):
    rows = [(name, row.encodings[rev]) for name, row in instructions().items() if rev in row.encodings]
    for (a, x), (b, y) in combinations(((n, e) for n, e in rows if not e.alias_of), 2):
        assert (x.match ^ y.match) & x.mask & y.mask, (a, b)


def test_operands_of_v3_start_with_those_of_v1():
    for instruction in instructions().values():
        if {"v1", "v3"} <= set(instruction.encodings):
            old, new = (instruction.encodings[rev] for rev in ("v1", "v3"))
            assert [f.name for f in new.fields[: new.shown]] == [f.name for f in old.fields]
            assert {f.name for f in new.fields[new.shown :]} <= set(DEFAULTS)


@pytest.mark.parametrize("rev", REVISIONS)
def test_extreme_operands_survive_both_ways(rev):
    for instruction in instructions().values():
        encoding = instruction.encodings.get(rev)
        if encoding is None or encoding.alias_of:
            continue
        for pick in (0, -1):
            operands = {field.name: field.values[pick] for field in encoding.fields}
            word = encode(instruction, operands, rev)
            assert decode(word, rev) == (instruction, operands)
            assert assemble(disassemble(word, rev), rev) == word


def test_rows_agree_with_the_shared_formats():
    if not SHARED.is_dir():
        pytest.skip("no shared/pie folder beside this checkout: the committed vectors are the only reference")
    for rev, name in (("v1", "formats_xespv2p1.tsv"), ("v3", "formats_xespv2p2.tsv")):
        rows = [line.split("\t") for line in (SHARED / name).read_text().splitlines() if line[0] != "#"]
        assert len(rows) == ROWS[rev]
        for mnemonic, match, mask, operands in rows:
            encoding = instructions()[mnemonic].encodings[rev]
            assert (encoding.match, encoding.mask) == (int(match, 16), int(mask, 16))
            bits = [part.split(":")[2].strip() for part in operands.split(";") if part]
            places = [[f"{h}-{lo}" if h > lo else f"{h}" for h, lo in f.pieces] for f in encoding.fields]
            assert [",".join(place) for place in places] == bits
    for rev, name in (("v1", "encodings.tsv"), ("v3", "encodings_xespv2p2.tsv")):
        lines = [line.split("\t") for line in (SHARED / name).read_text().splitlines()]
        assert [(text, int(word, 16)) for text, word in lines] == list(vectors(rev))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("esp.vadd.s8 q2, q5, q0, trunc", "esp.vadd.s8 q2, q5, q0, 0"),
        ("esp.srcmb.s8.qacc q2, a0", "esp.srcmb.s8.qacc q2, x10, sat, dyn"),
        ("esp.srcmb.s8.q.qacc q2, q7, 1, rne", "esp.srcmb.s8.q.qacc q2, q7, 1, 6"),
        ("  ESP.ZERO.Q q5 ", "esp.zero.q q5"),
        ("esp.vld.128.ip q1, fp, 0x10", "esp.vld.128.ip q1, s0, 16"),
    ],
)
def test_spellings(text, word):
    assert assemble(text, "v3") == assemble(word, "v3")


def test_pie_registers():
    assert PIE_REGISTERS[:3] == (8, 9, 10)
    assert disassemble(assemble("esp.movi.32.a q7, x31, 3", "v1"), "v1") == "esp.movi.32.a q7, t6, 3"


@pytest.mark.parametrize(
    ("text", "rev", "what", "advice"),
    [
        ("esp.vld.129.ip q0, a0, 16", "v3", "no PIE instruction", "esp.vld.128.ip"),
        ("esp.vld.128.ip q0, a6, 16", "v3", "operand rs1 cannot be `a6`", "s0 s1 a0"),
        ("esp.vld.128.ip q0, a0, 8", "v3", "operand off cannot be `8`", "-2048 to 2032 in steps of 16"),
        ("esp.vld.128.ip q0, a0, 2048", "v1", "operand off cannot", "-2048 to 2032"),
        ("esp.vld.128.ip q0, a0", "v3", "has 2 operands, esp.vld.128.ip takes 3", "esp.vld.128.ip qu, rs1, off"),
        ("esp.vadd.s8 q0, q1", "v3", "has 2 operands, esp.vadd.s8 takes 3 to 4", "[, sat]"),
        ("esp.vadd.s8 q0, q1, q2, 1", "v1", "has 4 operands", "esp.vadd.s8 qv, qx, qy"),
        ("esp.vadd.s8 q0, q1, q8", "v3", "`q8`, not a vector register", "q0 to q7"),
        ("esp.vadd.s8 q0, q1, a0", "v3", "`a0`, not a vector register", "q0 to q7"),
        ("esp.vclamp.s16 q0, q1, many", "v3", "`many`, not an integer", "0 to 15"),
        ("esp.lp.setup 0, a1, 7", "v3", "operand target cannot be `7`", "0 to 8190 in steps of 2"),
        ("esp.vcmp.eq.u8 q0, q1, q2", "v3", "does not exist on chip revision v3", "v1"),
        ("esp.vsl.s32 q0, q1", "v1", "does not exist on chip revision v1", "v3"),
        ("esp.zero.q q0", "v2", "no chip revision", "v1, v3"),
    ],
)
def test_errors_say_what_and_advise(text, rev, what, advice):
    with pytest.raises(InputError) as caught:
        assemble(text, rev)
    problem = caught.value.problems[0]
    assert what in problem.what
    assert advice in problem.advice


def test_words_of_others_are_refused():
    for word in (0, 0x00000013, 0x00008067):
        assert all(disassemble(word, rev) is None for rev in REVISIONS)
    # The same load in both encodings: neither word means it on the other revision.
    old, new = (assemble("esp.vld.128.ip q0, a0, 16", rev) for rev in REVISIONS)
    assert "esp.vld.128.ip" not in (disassemble(old, "v3") or "")
    assert "esp.vld.128.ip" not in (disassemble(new, "v1") or "")
