"""The examples run as their READMEs say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="not run from a checkout")


def run(script, *arguments, status=0):
    words = [sys.executable, EXAMPLES / script, *arguments]
    process = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == status, process.stderr
    return process.stdout.splitlines()


def test_digits_by_hand():
    """C by hand gives the logits of p4c, in more instructions than its scalar code, which takes more than SIMD."""
    lines = run("raw/digits.py", "--images", "12")
    assert "12 of 12 images give the logits of p4c, bit for bit" in lines
    by_hand, scalar, simd = (int(line.split("  ")[-1].split()[0].replace(",", "")) for line in lines[-3:])
    assert by_hand > scalar > simd > 0


def test_the_manner_of_p4jit(tmp_path):
    """The script for P4-JIT's program, with another one of that interface; and it notices another result."""
    with np.load(EXAMPLES / "digits" / "digits.npz") as data:
        images, labels = (255 * data["x"][:, 0]).astype(np.uint8), data["y"]
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    program = Path(__file__).parent / "data" / "floor_network.c"
    arguments = [EXAMPLES / "digits" / "digits.onnx", tmp_path / "data.npz", "--device", "sim-board", "--images", "3"]
    lines = run("raw/p4jit_mnist.py", program, *arguments)
    assert lines[-1].startswith("3 of 3 images as expected in every byte of every layer")
    (tmp_path / "other.c").write_text(program.read_text().replace("x > 127 ? 127", "x > 9 ? 9"))
    lines = run("raw/p4jit_mnist.py", tmp_path / "other.c", *arguments, status=1)
    assert "NOT as expected" in lines[0]


@pytest.mark.slow
def test_all_digits_by_hand():
    """What examples/raw/README.md quotes."""
    quoted = (EXAMPLES / "raw" / "README.md").read_text(encoding="utf-8")
    lines = run("raw/digits.py")
    assert lines[1] in quoted
    assert lines[2] in quoted


@pytest.mark.slow
def test_digits_compiled():
    lines = run("digits/run.py")
    assert "360 of 360 rows identical" in lines[-1]
