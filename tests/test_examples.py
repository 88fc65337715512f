"""The examples run as their READMEs say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="not run from a checkout")


def run(script, *arguments):
    process = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_digits_by_hand():
    """C by hand gives the logits of p4c, in more instructions than its scalar code, which takes more than SIMD."""
    lines = run("raw/digits.py", "--images", "12")
    assert "12 of 12 images give the logits of p4c, bit for bit" in lines
    by_hand, scalar, simd = (int(line.split("  ")[-1].split()[0].replace(",", "")) for line in lines[-3:])
    assert by_hand > scalar > simd > 0


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
