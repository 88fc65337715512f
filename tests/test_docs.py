"""The documents say what is true: commands and flags exist, links and paths resolve, quoted errors are p4c's."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from pathlib import Path

import pytest

import p4c
from p4c.backend.kernels import KERNELS
from p4c.cli import COMMANDS, build_parser
from p4c.compiler.passes import PASS_NAMES

ROOT = Path(p4c.__file__).parent
FOLDERS = ("backend", "benchmarks", "compiler", "docs", "examples", "firmware", "frontend", "runtime", "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
# Flags in the documents that are other programs'.
FOREIGN_FLAGS = {"--serial-faults", "--update-golden", "--board-report", "--no-deps", "--target"}

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="not run from a checkout")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def flags_of_commands():
    """Command -> its option strings."""
    subparsers = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {name: set(parser._option_string_actions) for name, parser in subparsers.choices.items()}


def command_lines(text):
    """The words of every `p4c ...` in code, whatever folder the program is in."""
    blocks = re.findall(r"^ {4}(?:\$ )?(?:\.venv/bin/)?p4c (.*)$", text, re.MULTILINE)
    return [shlex.split(line.split("#")[0]) for line in (*blocks, *re.findall(r"`p4c ([^`]+)`", text))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_flags_exist(path):
    text = path.read_text(encoding="utf-8")
    flags = flags_of_commands()
    for words in command_lines(text):
        command = words[0] if words[0] in COMMANDS else "compile"
        used = {word.split("=")[0] for word in words if word.startswith("-")}
        assert used <= flags[command] | {"--help", "--version"}, " ".join(words)
    everything = set().union(*flags.values()) | {"--help", "--version"} | FOREIGN_FLAGS
    named = re.findall(r"(?<![\w-])--[a-z][a-z-]+[a-z]", text)
    assert set(named) <= everything


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_resolve(path):
    text = path.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if link and not (path.parent / link).exists()]
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+|\w+\.(?:py|md|toml))`", text)
    assert not [name for name in named if not (ROOT / name).exists() and not (path.parent / name).exists()]


def test_readme_commands_are_those_of_the_gate():
    """What the README tells people to type is what .ci/run does."""
    typed = re.findall(r"^ {4}\.venv/bin/(.*)$", read("README.md"), re.MULTILINE)
    assert [words.split()[0] for words in typed] == ["pip", "p4c", "pytest"]
    gate = read(".ci/run")
    for command in typed:
        program, space, arguments = command.partition(" ")
        assert f'"$venv/bin/{program}"{space}{arguments};' in gate


def test_readme_names_every_command_and_flag():
    text = read("README.md")
    flags = set().union(*flags_of_commands().values()) - {"-h", "--help", "-v", "--verbose", "--output"}
    assert not [command for command in COMMANDS if command != "compile" and f"`p4c {command}" not in text]
    assert not [flag for flag in sorted(flags) if flag not in text]


def test_architecture_lists_every_pass_and_kernels_every_row():
    rows = re.findall(r"^\| ([a-z-]+) \| ", read("ARCHITECTURE.md").split("| pass |")[1], re.MULTILINE)
    assert rows == list(PASS_NAMES[1:])
    table = read("docs/kernels.md")
    assert not [kernel.name for kernel in KERNELS if f"`{kernel.name}`" not in table]


def literals(path):
    """The texts in a file, what is filled in at run time as `…`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{[^{}]*(\{[^{}]*\})?\}", "…", node.value)


def test_quoted_errors_are_ones_that_p4c_gives():
    rooms = [ROOT / room for room in ("backend", "commands", "compiler", "frontend", "runtime")]
    files = [ROOT / "cli.py", ROOT / "driver.py", *(path for room in rooms for path in room.rglob("*.py"))]
    corpus = "\n".join(text for path in files for text in literals(path))
    quoted = re.findall(r"^\| `(.+?)` \|", read("docs/errors.md"), re.MULTILINE)
    assert len(quoted) > 80
    pieces = {piece for text in quoted for piece in text.split("…") if len(piece.strip()) > 3}
    assert not sorted(piece for piece in pieces if piece not in corpus)


# Whose texts are for people that use p4c; the assembler's are for those that write kernels.
ERRORS = ("Problem", "InputError", "ModelError", "ToolchainError", "DeviceError", "DeviceFault", "IRError", "_fail")
# Methods and functions whose second argument is the fact.
NOTERS = ("fail", "problem")


def template(node):
    """A text with `…` for what is filled in; "" for what is no literal."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def facts(path):
    """The texts that a file says as facts: what it calls `what`, and the first text of errors and problems."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "what" for target in node.targets):
            yield template(node.value)
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            # The methods of a node take the fact first, functions the node.
            method = name == "problem" and isinstance(node.func, ast.Attribute)
            at = 0 if name in ERRORS or method else 1 if name in NOTERS else len(node.args)
            yield from map(template, node.args[at : at + 1])


def covers(quoted, fact):
    """True when the fixed parts of a quoted text stand in the fact, in their order."""
    parts = [part.strip() for part in quoted.split("…") if len(part.strip()) > 2]
    return bool(parts) and re.search(".*".join(map(re.escape, parts)), fact, re.DOTALL) is not None


def test_every_error_is_listed():
    """Each fact in the source has its line; one that begins with another fact, `…, expected`, has that one's."""
    quoted = re.findall(r"^\| `(.+?)` \|", read("docs/errors.md") + read("docs/accuracy.md"), re.MULTILINE)
    rooms = [ROOT / room for room in ("backend", "commands", "compiler", "frontend", "runtime")]
    files = [path for room in rooms for path in room.rglob("*.py") if path.parent.name != "pie"]
    missing = {
        fact: str(path.relative_to(ROOT))
        for path in (ROOT / "cli.py", ROOT / "driver.py", *files)
        for fact in facts(path)
        if len(fact.strip("… ,.:")) > 8
        and not fact.startswith("…, ")
        and not any(covers(text, fact) for text in quoted)
    }
    assert not missing
