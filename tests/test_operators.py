"""`p4c ops` and docs/ops.md: every importer and kernel is in it, it fits the screen, and its JSON agrees."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import p4c
from p4c.backend.kernels import KERNELS
from p4c.cli import main
from p4c.compiler.ops import OPS
from p4c.driver import plan_model
from p4c.frontend.importers import IMPORTERS

ROOT = Path(p4c.__file__).parent


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="not run from a checkout")
def test_the_page_is_what_the_command_prints(capsys, golden):
    assert main(["ops"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    golden(ROOT / "docs" / "ops.md", text)


def test_json_lists_every_operator_and_kernel(capsys):
    assert main(["ops", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["schema"] == "p4c.ops/1"
    names = [name for row in table["operators"] for name in row["operators"]]
    assert len(names) == len(set(names))
    assert {name for name in IMPORTERS if "." not in name} | {"QuantizeLinear", "DequantizeLinear"} == set(names)
    assert [row["name"] for row in table["kernels"]] == [kernel.name for kernel in KERNELS]


def test_what_computes_has_a_kernel_of_its_own(capsys):
    assert {op for row in IMPORTERS.values() for op in row.makes} <= set(OPS)
    assert main(["ops", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["operators"]
    assert not [row["operators"] for row in rows if row["ops"] and not row["kernels"]]
    conv = next(row for row in rows if row["operators"] == ["Conv"])
    assert {"conv2d_s8", "depthwise2d_s8", "conv2d_s8_ref"} <= set(conv["kernels"])
    assert not set(conv["kernels"]) & {"max_pool_s8", "add_s8"}


def test_an_importer_is_held_to_the_ops_of_its_row(monkeypatch):
    row = IMPORTERS["Conv"]
    monkeypatch.setitem(IMPORTERS, "Conv", dataclasses.replace(row, makes=("fully_connected",)))
    with pytest.raises(AssertionError, match="the row of Conv does not say"):
        plan_model(ROOT / "examples" / "digits" / "digits.onnx")
