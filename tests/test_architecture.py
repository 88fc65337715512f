"""ARCHITECTURE.md's invariants, read off the source: who imports whom and what, one pass one file, short files."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import p4c
from p4c.compiler.passes import PIPELINE, pass_name

ROOT = Path(p4c.__file__).parent

# Room -> the rooms that it may import; `driver` and `cli` are files.
MAY_IMPORT = {
    "compiler": {"compiler"},
    "frontend": {"frontend", "compiler"},
    "backend": {"backend", "compiler"},
    "runtime": {"runtime", "backend", "compiler"},
    "driver": {"runtime", "backend", "frontend", "compiler"},
    "commands": {"commands", "driver", "runtime", "backend", "frontend", "compiler"},
    "cli": {"", "commands", "compiler"},
    "__main__": {"cli"},
    "__init__": {"driver", "runtime", "backend", "frontend", "compiler"},
}
# Room -> the installed packages that it may import. Only numpy is everywhere.
LIBRARIES = {
    "compiler": {"lark", "networkx"},
    "frontend": {"google", "onnx", "onnxruntime"},
    "backend": {"capstone", "elftools", "networkx", "platformdirs", "pycparser"},
    "runtime": {"onnx", "onnxruntime", "rich", "serial"},
    "commands": set(),
}
MAX_LINES = 500


def package_files() -> list[Path]:
    rooms = [room for room in LIBRARIES if (ROOT / room).is_dir()]
    return sorted([*ROOT.glob("*.py"), *(path for room in rooms for path in (ROOT / room).rglob("*.py"))])


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_modules(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports anywhere in it, `p4c` in front for our own."""
    package = ["p4c", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from . import x` imports the module x where there is one.
            yield from (f"{module}.{alias.name}" for alias in node.names) if not node.module else [module]


def parts(path: Path) -> list[list[str]]:
    return [module.split(".") for module in imported_modules(path)]


def offenders(files: Iterable[Path], fault: Callable[[Path], object]) -> dict[str, object]:
    """The faults of the files that have any, by path."""
    found = {str(path.relative_to(ROOT)): fault(path) for path in files}
    return {path: value for path, value in found.items() if value}


def test_imports_run_one_way():
    def forbidden(path):
        ours = {(module[1] if len(module) > 1 else "") for module in parts(path) if module[0] == "p4c"}
        # `from . import __version__` is the package itself.
        rooms = {name if (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists() else "" for name in ours}
        return rooms - MAY_IMPORT[room_of(path)]

    assert not offenders(package_files(), forbidden)


def test_rooms_know_only_their_libraries():
    def forbidden(path):
        others = {module[0] for module in parts(path)} - {"p4c", "numpy"} - sys.stdlib_module_names
        return others - LIBRARIES.get(room_of(path), set())

    assert not offenders(package_files(), forbidden)


def test_the_walk_finds_the_package():
    names = {str(path.relative_to(ROOT)) for path in package_files()}
    assert {"driver.py", "compiler/ir.py", "compiler/passes/fold_clamps.py", "runtime/simulator/native.py"} <= names
    assert "p4c.compiler.ir" in set(imported_modules(ROOT / "frontend" / "quantizer.py"))


def test_the_root_holds_the_front_door_alone():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "driver.py", "cli.py"}


def test_one_pass_one_file_one_name():
    for transform in PIPELINE:
        assert transform.__module__ == f"p4c.compiler.passes.{transform.__name__}"
        assert pass_name(transform).replace("-", "_") == transform.__name__
    files = {path.stem for path in (ROOT / "compiler" / "passes").glob("*.py")}
    assert {transform.__name__ for transform in PIPELINE} | {"__init__"} <= files


def test_files_fit_in_the_head():
    def too_long(path):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        return lines if lines > MAX_LINES else None

    others = (path for folder in ("tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py"))
    assert not offenders([*package_files(), *others], too_long)


def test_every_public_name_is_explained():
    def unexplained(path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
        without = [node.name for node in public if not ast.get_docstring(node)]
        return without if ast.get_docstring(tree) else ["the file itself", *without]

    assert not offenders(package_files(), unexplained)
