"""The cache folder, external tools with a time limit, and building the simulator's library on first use."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from p4c.backend import cache
from p4c.compiler.errors import ToolchainError
from p4c.runtime.simulator import build

PYTHON = sys.executable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("P4C_CACHE_DIR", str(tmp_path / "some" / "cache"))
    return tmp_path / "some" / "cache"


def test_cache_folder_is_made(folder):
    assert cache.cache_dir() == folder
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_zig_keeps_its_caches_in_ours(folder):
    environment = cache.zig_environment()
    assert environment["ZIG_LOCAL_CACHE_DIR"] == environment["ZIG_GLOBAL_CACHE_DIR"] == str(folder / "zig")
    assert (folder / "zig").is_dir()
    assert "PATH" in environment


def test_unwritable_cache(tmp_path, monkeypatch):
    """A file stands in the way: the same for root, whom permissions do not stop."""
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "cache"
    monkeypatch.setenv("P4C_CACHE_DIR", str(place))
    with pytest.raises(ToolchainError) as caught:
        build.library_path()
    (problem,) = caught.value.problems
    assert problem.what.startswith(f"the cache folder {place} cannot be written: ")
    assert problem.advice == "set the environment variable P4C_CACHE_DIR to a folder that you can write to"


def test_tool_output_is_returned(folder, tmp_path):
    argv = [PYTHON, "-c", "import os; print(os.getcwd(), os.environ['ZIG_LOCAL_CACHE_DIR'])"]
    printed = cache.run_tool(argv, timeout=30, what="printing", cwd=tmp_path)
    assert printed.split() == [str(tmp_path), str(folder / "zig")]


@pytest.mark.usefixtures("folder")
def test_tool_that_fails():
    """The first error line is the sentence; all of its output is a note."""
    script = "import sys; print('note: x\\nfoo.c:1: error: no such thing\\nmore', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ToolchainError, match=r"compiling foo failed: foo\.c:1: error: no such thing") as caught:
        cache.run_tool([PYTHON, "-c", script], timeout=30, what="compiling foo")
    assert "more" in caught.value.__notes__[0]
    with pytest.raises(ToolchainError, match="waiting failed: exit status 4"):
        cache.run_tool([PYTHON, "-c", "raise SystemExit(4)"], timeout=30, what="waiting")


@pytest.mark.usefixtures("folder")
def test_tool_that_is_missing():
    with pytest.raises(ToolchainError, match="linking failed: no-such-tool cannot be started"):
        cache.run_tool(["no-such-tool"], timeout=30, what="linking")


@pytest.mark.skipif(sys.platform == "win32", reason="only a POSIX session is ended with its children")
@pytest.mark.usefixtures("folder")
def test_tool_that_hangs(tmp_path):
    """It is ended together with what it started."""
    sign = tmp_path / "sign"
    child = f"import time; time.sleep(1); open({str(sign)!r}, 'w')"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    start = time.monotonic()
    with pytest.raises(ToolchainError, match=r"did not finish within 0\.3 s"):
        cache.run_tool([PYTHON, "-c", script], timeout=0.3, what="waiting")
    time.sleep(start + 1.5 - time.monotonic())
    assert not sign.exists()


def count_builds(monkeypatch):
    """Replace the compiler by one that writes its output file slowly; returns the list of its calls."""
    calls = []

    def run_tool(argv, *, timeout, what):
        calls.append(what)
        time.sleep(0.05)
        Path(argv[-1]).write_bytes(b"library")
        return ""

    monkeypatch.setattr(build, "run_tool", run_tool)
    return calls


def test_library_is_built_once(folder, monkeypatch):
    calls = count_builds(monkeypatch)
    path = build.library_path()
    assert build.library_path() == path
    assert calls == ["building the simulator"]
    assert list((folder / "simulator").iterdir()) == [path]


@pytest.mark.parametrize("change", ["FLAGS", "version", "sources"])
def test_library_is_built_anew_after_a_change(folder, monkeypatch, change, tmp_path):
    calls = count_builds(monkeypatch)
    path = build.library_path()
    if change == "FLAGS":
        monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-g"))
    elif change == "version":
        monkeypatch.setattr(build, "version", lambda _: "0.0.1")
    else:
        (tmp_path / "new.c").write_text("int x;")
        monkeypatch.setattr(build, "PROGRAMS", (*build.PROGRAMS, str(tmp_path / "new.c")))
    assert build.library_path() != path
    assert len(calls) == 2


def test_building_at_the_same_time(folder, monkeypatch):
    """Whoever is last replaces the file by an equal one; nobody sees half a file or leaves one behind."""
    calls = count_builds(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: build.library_path(), range(4)))
    assert len(calls) > 1
    (path,) = paths
    assert path.read_bytes() == b"library"
    assert list((folder / "simulator").iterdir()) == [path]


def test_broken_compiler_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-no-such-flag",))
    with pytest.raises(ToolchainError, match=r"building the simulator failed: .*no-such-flag"):
        build.library_path()
    assert not list((folder / "simulator").iterdir())


@pytest.mark.slow
def test_real_build_in_an_empty_cache(folder):
    path = build.library_path()
    assert path.stat().st_size > 10_000
    assert path.parent == folder / "simulator"
