"""Options and fixtures that tests of several rooms share."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np
import pytest

from .models import many_net, rows, small_net


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """golden(path, text) compares text with a file, or writes the file with --update-golden."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text)
            return
        if not path.exists():
            pytest.fail(f"there is no {path}; make it with --update-golden and read it")
        expected = path.read_text()
        if text != expected:
            diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(path), "now", lineterm="")
            pytest.fail("\n".join([*diff, "(--update-golden accepts this)"]), pytrace=False)

    return compare


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with small.onnx, many.onnx and data for both."""
    monkeypatch.chdir(tmp_path)
    small_net().save("small.onnx")
    many_net().save("many.onnx")
    np.savez("data.npz", input=rows(5), y=np.arange(5) % 4)
    np.savez("many.npz", a=rows(3, (6,)), b=rows(3, (2, 3, 3)))
    return tmp_path
