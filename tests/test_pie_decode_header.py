"""The decode tables in C, compiled for this machine, against the decoder in Python."""

import ctypes
import random
import re
import subprocess
import sys

import pytest

from p4c.backend.pie.decode_header import c_name, decode_table_text
from p4c.backend.pie.table import REVISIONS, decode, encode, instructions

SOURCE = """
#include "decode.h"
#define COUNT(rows) (int)(sizeof rows / sizeof rows[0])
int family, lanes, memory, operands, slots[PIE_MAX_OPERANDS], values[PIE_MAX_OPERANDS];
int matches(int old, unsigned word) {
    const struct pie_row *rows = old ? pie_rows_v1 : pie_rows_v3;
    int count = old ? COUNT(pie_rows_v1) : COUNT(pie_rows_v3), found = 0;
    for (const struct pie_row *row = rows; row < rows + count; row++)
        if ((word & row->mask) == row->match) {
            found++;
            family = row->family, lanes = row->lanes, memory = row->memory, operands = row->count;
            for (int i = 0; i < row->count; i++) {
                slots[i] = pie_fields[row->fields[i]].operand;
                values[i] = pie_operand_value(&pie_fields[row->fields[i]], word);
            }
        }
    return found;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decode")
    (folder / "decode.h").write_text(decode_table_text())
    (folder / "a.c").write_text(SOURCE)
    command = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-Wall", "-Wextra", "-Werror", "-O1"]
    command += ["-shared", "-fPIC", "-nostdlib", "-fno-sanitize=undefined", "a.c", "-o", "a.so"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return ctypes.CDLL(str(folder / "a.so"))


def enum_values(name):
    body = re.search(rf"enum {name} {{(.*?)}};", decode_table_text(), re.S).group(1)
    return {value.strip(): number for number, value in enumerate(body.split(","))}


def read(library, name):
    return ctypes.c_int.in_dll(library, name).value


@pytest.mark.parametrize("rev", REVISIONS)
def test_c_decodes_like_python(rev, library):
    enums = {name: enum_values(f"pie_{name}") for name in ("family", "lanes", "memory", "operand")}
    rng = random.Random(rev)
    array = ctypes.c_int * int(re.search(r"PIE_MAX_OPERANDS (\d+)", decode_table_text()).group(1))
    for row in instructions().values():
        if rev not in row.encodings:
            continue
        for pick in (rng.choice, lambda values: values[0], lambda values: values[-1]):
            word = encode(row, {f.name: pick(f.values) for f in row.encodings[rev].fields}, rev)
            found, operands = decode(word, rev)
            assert library.matches(int(rev == "v1"), word) == 1
            assert read(library, "family") == enums["family"][c_name("PIE_F_", found.family)]
            assert read(library, "lanes") == enums["lanes"][c_name("PIE_L_", found.lanes or "none")]
            assert read(library, "memory") == enums["memory"][c_name("PIE_M_", found.memory or "none")]
            slots, values = (list(array.in_dll(library, name)) for name in ("slots", "values"))
            expected = {enums["operand"][c_name("PIE_OP_", name)]: value for name, value in operands.items()}
            count = read(library, "operands")
            assert dict(zip(slots[:count], values[:count], strict=True)) == expected
    assert library.matches(int(rev == "v1"), 0x00000013) == 0
