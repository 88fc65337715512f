"""The package as it is installed: its list, its wheel, its public names, and a command that starts at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import p4c

ROOT = Path(p4c.__file__).parent
PROJECT = ROOT / "pyproject.toml"
# Folders of the repository that are not part of the package.
OUTSIDE = {"benchmarks", "build", "dist", "docs", "examples", "tests"}
HEAVY = {"numpy", "onnx", "onnxruntime", "onnx_ir", "networkx", "lark", "rich", "capstone", "elftools", "serial"}

pytestmark = pytest.mark.skipif(not PROJECT.exists(), reason="the package is not installed from a checkout")


def project():
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))


def real_packages():
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in OUTSIDE]
    found = [path.parent for folder in folders if folder.name[0] not in "._" for path in folder.rglob("__init__.py")]
    return {"p4c", *(".".join(("p4c", *folder.relative_to(ROOT).parts)) for folder in found)}


def data_files():
    """Every file of the package that is no Python."""
    folders = [ROOT.joinpath(*name.split(".")[1:]) for name in real_packages() - {"p4c"}]
    return {path for folder in folders for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}


def test_the_list_of_packages_is_complete():
    assert set(project()["tool"]["setuptools"]["packages"]) == real_packages()


def test_the_versions_agree():
    assert project()["project"]["version"] == p4c.__version__


def test_public_names():
    assert p4c.__all__ == [
        "Board",
        "CompiledModel",
        "DeviceError",
        "InputError",
        "ModelError",
        "Options",
        "P4CError",
        "ToolchainError",
        "Verdict",
        "compile",
        "connect",
    ]
    for name in p4c.__all__:
        assert getattr(p4c, name).__doc__, f"p4c.{name} is not explained"
    with pytest.raises(AttributeError, match="no attribute 'compiel'"):
        p4c.compiel  # noqa: B018


def imports_of(*arguments):
    """The modules that a Python process imports, by its own account."""
    command = [sys.executable, "-X", "importtime", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines}


@pytest.mark.parametrize(
    "arguments", [("-m", "p4c", "--help"), ("-m", "p4c", "verify", "--help"), ("-c", "import p4c")]
)
def test_the_front_door_is_light(arguments):
    """Under 0.3 s; counting what is imported says the same on every machine."""
    modules = imports_of(*arguments)
    assert "p4c" in modules
    assert not {module.split(".")[0] for module in modules} & HEAVY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The members of a wheel built from a copy, so that no folder `build` is left or looked at."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "*.p4c", "tests")
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    result = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(folder / "source")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_a_wheel_takes_one_name(wheel):
    top = {name.split("/")[0] for name in wheel}
    assert top == {"p4c", f"p4c-{p4c.__version__}.dist-info"}
    assert not [name for name in wheel if name.startswith(tuple(f"p4c/{folder}/" for folder in OUTSIDE))]
    assert f"p4c-{p4c.__version__}.dist-info/licenses/LICENSE" in wheel


def test_a_wheel_has_every_file_of_the_package(wheel):
    assert "p4c/py.typed" in wheel
    missing = {f"p4c/{path.relative_to(ROOT).as_posix()}" for path in data_files()} - wheel
    assert not missing, "add them to package-data in pyproject.toml"
    suffixes = {Path(name).suffix for name in wheel if name.startswith("p4c/")}
    assert {".c", ".h", ".ld", ".lark", ".tsv", ".md", ".py"} <= suffixes
