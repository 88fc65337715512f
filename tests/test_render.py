"""Tables for people: every name on one line, with its end, in any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from p4c.runtime.render import Name, plain_table


@pytest.mark.parametrize("width", [40, 60, 100])
def test_long_names_keep_one_line_and_their_end(width):
    names = ["/encoder/layers.11/self_attn/out_proj/MatMul_quantizer", "a", "model/[bold]conv[0]/Conv2D1"]
    out = Console(file=io.StringIO(), width=width, highlight=False)
    out.print(plain_table(("layer", "kernel", ">cycles"), [[Name(name), "conv2d_s8", "1,234,567"] for name in names]))
    lines = out.file.getvalue().splitlines()
    assert len(lines) == 1 + len(names)
    for line, name in zip(lines[1:], names, strict=True):
        shown, kernel, cycles = line.split()
        assert (kernel, cycles) == ("conv2d_s8", "1,234,567")
        assert name.endswith(shown.removeprefix("…"))
        assert shown == name or len(shown) >= 10
    assert lines[2].startswith("a ")
