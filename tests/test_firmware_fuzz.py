"""The fuzzer's harness over its seeds and fixed mutations of them, with the sanitizers that there are."""

from __future__ import annotations

import random
import runpy
import shutil
import sys

import pytest

from p4c.backend.cache import run_tool

from .firmware_host import FIRMWARE, INCLUDES, SOURCES

MUTATIONS = 400

# In the order of preference: zig brings no address sanitizer.
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMPILERS = {"clang": SANITIZE, "gcc": SANITIZE, "zig": ("-fsanitize=undefined", "-fsanitize-trap=undefined")}


def mutated(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """A few bytes set, cut out, doubled, or spliced with another conversation."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        length = chance.randint(1, 40)
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 1:
            del data[at : min(at + length, len(data) - 1)]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        else:
            data[at:] = chance.choice(others)[at:] or data[at:]
    return bytes(data)


@pytest.mark.slow
def test_the_corpus_is_survived(tmp_path):
    seeds = list(runpy.run_path(str(FIRMWARE / "fuzz" / "seeds.py"))["conversations"]())
    chance = random.Random(5)
    inputs = [*seeds, *(mutated(seed, chance, seeds) for seed in seeds for _ in range(MUTATIONS))]
    for number, content in enumerate(inputs):
        (tmp_path / f"{number:05}").write_bytes(content)
    name = next((name for name in COMPILERS if shutil.which(name)), "zig")
    first = [name] if name != "zig" else [sys.executable, "-m", "ziglang", "cc"]
    harness = [str(FIRMWARE / "fuzz" / file) for file in ("fuzz_core.c", "replay.c")]
    command = [*first, "-g", "-O1", "-std=c11", *COMPILERS[name], *INCLUDES, *SOURCES, *harness]
    run_tool([*command, "-o", tmp_path / "replay"], timeout=300, what="building the replay")
    output = run_tool([tmp_path / "replay", *sorted(tmp_path.glob("0*"))], timeout=300, what="the replay")
    assert output == f"{len(inputs)} inputs\n"
