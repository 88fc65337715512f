"""Disassembly of whole blobs, and that PIE words and base instructions never pass for each other."""

import random
from pathlib import Path

import capstone
import pytest

from p4c.backend.pie.assembler import assemble
from p4c.backend.pie.listing import listing
from p4c.backend.pie.table import REVISIONS, encode, instructions

BASE = Path(__file__).parent / "data" / "pie" / "rv32imafc.tsv"
LOAD = "esp.vld.128.ip q0, a0, 16"


def blob(rev):
    """Two-byte, base and PIE instructions at all alignments, then what nothing decodes."""
    parts = [(0x4501, 2), (assemble(LOAD, rev), 4), (0x02B50533, 4), (assemble("esp.lp.setup 0, a1, 8", rev), 4)]
    parts += [(0xFE058EE3, 4), (0xBFE5, 2), (0x0080006F, 4), (0x00008067, 4), (0x0000001F | 1 << 7, 4), (0, 2)]
    return b"".join(word.to_bytes(size, "little") for word, size in parts) + b"\x01"


def test_listing_of_v1():
    lines = list(listing(blob("v1"), 0x4FF00000, "v1", {0x4FF00000: "start", 0x4FF0000E: "last"}))
    assert lines == [
        "4ff00000 <start>:",
        "4ff00000  4501      c.li a0, 0",
        "4ff00002  0201223b  esp.vld.128.ip q0, a0, 16",
        "4ff00006  02b50533  mul a0, a0, a1",
        "4ff0000a  0045c02b  esp.lp.setup 0, a1, 8  # 4ff00012 <last+0x4>",
        "4ff0000e <last>:",
        "4ff0000e  fe058ee3  beqz a1, -4  # 4ff0000a <start+0xa>",
        "4ff00012  bfe5      c.j -8  # 4ff0000a <start+0xa>",
        "4ff00014  0080006f  j 8  # 4ff0001c <last+0xe>",
        "4ff00018  00008067  ret",
        "4ff0001c  0000009f  .word 0x9f",
        "4ff00020  0000      c.unimp",
        "4ff00022  01        .byte 0x1",
    ]


def test_the_other_revision_does_not_read_our_load():
    text = "\n".join(listing(blob("v3"), 0, "v1", {}))
    assert "esp.vld.128.ip" not in text
    assert "esp.vld.128.ip q0, a0, 16" in "\n".join(listing(blob("v3"), 0, "v3", {}))


@pytest.mark.parametrize("rev", REVISIONS)
def test_every_pie_word_is_four_bytes_and_not_compressed(rev):
    assert all(row.encodings[rev].match & 3 == 3 for row in instructions().values() if rev in row.encodings)
    assert all(row.encodings[rev].mask & 3 == 3 for row in instructions().values() if rev in row.encodings)


@pytest.mark.parametrize("rev", REVISIONS)
def test_no_base_instruction_is_taken_for_pie(rev):
    rows = [line.split("\t") for line in BASE.read_text().splitlines() if line[0] != "#"]
    assert len(rows) == 94
    for name, match, mask in rows:
        for row in instructions().values():
            if rev in row.encodings:
                encoding = row.encodings[rev]
                both = int(mask, 16) & encoding.mask
                assert (int(match, 16) ^ encoding.match) & both, (name, row.mnemonic)


@pytest.mark.parametrize("rev", REVISIONS)
def test_capstone_reads_no_pie_word(rev):
    machine = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    rng = random.Random(rev)
    for row in instructions().values():
        if rev in row.encodings:
            operands = {field.name: rng.choice(field.values) for field in row.encodings[rev].fields}
            word = encode(row, operands, rev)
            assert not list(machine.disasm(word.to_bytes(4, "little"), 0, 1)), row.mnemonic
