"""What a C function takes and returns, read off its declaration: numbers, and pointers to numbers or structs."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycparser import c_ast, c_parser

from ..compiler.errors import InputError
from .c_declarations import Declaration, Source, find_declaration, split_parameters

# C's types on RV32 ilp32f -> NumPy's; what pycparser gives as the words of a type, sorted.
TYPES: Mapping[str, str] = {
    **{"char": "uint8", "char signed": "int8", "char unsigned": "uint8", "_Bool": "bool"},
    **{"short": "int16", "int short": "int16", "short unsigned": "uint16", "int short unsigned": "uint16"},
    **{"short signed": "int16", "int short signed": "int16", "int long signed": "int32", "long signed": "int32"},
    **{"int": "int32", "signed": "int32", "int signed": "int32", "unsigned": "uint32", "int unsigned": "uint32"},
    **{"long": "int32", "int long": "int32", "long unsigned": "uint32", "int long unsigned": "uint32"},
    **{"long long": "int64", "int long long": "int64", "long long signed": "int64", "int long long signed": "int64"},
    **{"long long unsigned": "uint64", "int long long unsigned": "uint64"},
    **{"float": "float32", "double": "float64"},
}
POINTER = np.dtype("uint32")
# What a pointer to void or to a struct of unknown members points to: any array.
ANYTHING = np.dtype("V")
ADVICE = "Give its declaration with signature=, of numbers and pointers to them: int32_t f(const int8_t *x, int n)"
_FUNCTIONS = "let the code choose among functions of its own by a number"
_OPERATORS: Mapping[str, Callable[[int, int], int]] = {
    **{"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv, "<<": operator.lshift}
}
# The names of types that a declaration may use without any header.
_STANDARD = """
typedef signed char int8_t; typedef short int16_t; typedef int int32_t; typedef long long int64_t;
typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;
typedef unsigned long long uint64_t; typedef unsigned int size_t; typedef unsigned int uintptr_t;
typedef int intptr_t; typedef int ptrdiff_t; typedef _Bool bool;
"""


@dataclass(frozen=True)
class Parameter:
    """One parameter: the type of a number, or of what a pointer points to; `written` for pointers without const.

    `of` is the name of that type where the dtype does not say it, "" elsewhere.
    """

    name: str
    dtype: np.dtype[np.generic]
    pointer: bool = False
    written: bool = False
    of: str = ""

    def __str__(self) -> str:
        const = "const " if self.pointer and not self.written else ""
        return f"{const}{self.of or self.dtype} {'*' if self.pointer else ''}{self.name}"


@dataclass(frozen=True)
class Signature:
    """A function's name, its parameters, and the type of what it returns, None for void."""

    name: str
    parameters: tuple[Parameter, ...]
    result: np.dtype[np.generic] | None

    def __str__(self) -> str:
        return f"{self.result or 'void'} {self.name}({', '.join(map(str, self.parameters))})"


class _LaidOutElsewhereError(Exception):
    """Members that no NumPy type describes."""


def read_signature(sources: Sequence[Source], function: str) -> Signature:
    """The signature of a function that one of the sources defines or declares; InputError when none does."""
    found = [one for source in sources if (one := find_declaration(source, function))]
    if not found:
        raise InputError(f"the sources declare no function {function}", ADVICE)
    declaration = next((one for one in found if not one.hidden), found[0])
    if declaration.hidden == "C++":
        what = f"{function} is a C++ function, whose name in the binary is another one"
        raise InputError(what, f'declare it extern "C": extern "C" {declaration.text}')
    if declaration.hidden:
        what = f"{function} is {declaration.hidden}, so that no other file can call it"
        raise InputError(
            what, f"leave out {declaration.hidden}, or write a function without it that calls {function}"
        )
    return _signature(declaration, function)


def parse_signature(declaration: str) -> Signature:
    """The signature of a declaration such as `int32_t f(const int8_t *x, int n)`; InputError when it is none."""
    text = declaration.strip().rstrip(";")
    match = re.match(r"[\w\s*]*?(\w+)\s*\(.*\)$", text, re.DOTALL)
    if match is None or match[1] == text.split("(")[0].strip():
        raise InputError(f"{declaration.strip()!r} is no declaration of a C function", ADVICE)
    found = find_declaration(Source(f"{text};"), match[1])
    return _signature(found or Declaration(text, ""), match[1])


def _signature(declaration: Declaration, function: str) -> Signature:
    tree = _parsed(f"{declaration.types} {declaration.text};")
    if tree is None:
        for text in split_parameters(declaration.text):
            if _parsed(f"{declaration.types} void f({text});") is None:
                what = f"the parameter `{text}` of {function} is no C, or the sources do not define its type"
                raise InputError(what, ADVICE)
        raise InputError(f"{declaration.text!r} is no declaration of a C function", ADVICE)
    declared = tree.ext[-1]
    if not isinstance(declared, c_ast.Decl) or not isinstance(declared.type, c_ast.FuncDecl):
        raise InputError(f"{declaration.text!r} is no declaration of a C function", ADVICE)
    types = _Types(tree, function)
    listed = declared.type.args.params if declared.type.args else []
    if len(listed) == 1 and types.words(getattr(listed[0], "type", None)) == "void":
        listed = []
    parameters = tuple(types.parameter(index, one) for index, one in enumerate(listed))
    return Signature(function, parameters, types.result(declared.type.type))


def _parsed(text: str) -> c_ast.FileAST | None:
    try:
        return c_parser.CParser().parse(f"{_STANDARD} {text}")
    except Exception:  # pycparser's exception has moved between its releases
        return None


def _size(node: c_ast.Node) -> int:
    """The number of elements between brackets."""
    if isinstance(node, c_ast.Constant) and node.type.endswith("int"):
        return int(node.value.rstrip("uUlL"), 0)
    if isinstance(node, c_ast.BinaryOp) and node.op in _OPERATORS:
        return _OPERATORS[node.op](_size(node.left), _size(node.right))
    raise _LaidOutElsewhereError


class _Types:
    """The typedefs and structs of a parsed text, and what they make of the parameters of a function."""

    def __init__(self, tree: c_ast.FileAST, function: str) -> None:
        self._function = function
        self._typedefs = {node.name: node.type for node in tree.ext if isinstance(node, c_ast.Typedef)}
        structs = (node for node in tree.ext if isinstance(getattr(node, "type", None), c_ast.Struct))
        self._structs = {node.type.name: node.type for node in structs if node.type.decls}

    def parameter(self, index: int, declared: c_ast.Node) -> Parameter:
        """What a parameter is; InputError for what cannot be given from outside of the board."""
        if isinstance(declared, c_ast.EllipsisParam):
            what = f"{self._function} takes any number of arguments (..)"
            raise InputError(what, f"write a function with parameters of its own that calls {self._function}")
        name = getattr(declared, "name", None) or f"argument{index}"
        node, _ = self._expanded(declared.type)
        if isinstance(node, c_ast.FuncDecl):
            raise InputError(f"the parameter {name} of {self._function} is a function", _FUNCTIONS)
        if not isinstance(node, c_ast.PtrDecl | c_ast.ArrayDecl):
            return Parameter(name, self._number(name, node))
        const = isinstance(node, c_ast.ArrayDecl) and self._expanded(declared.type)[1]
        target, const = self._expanded(node.type, const)
        while isinstance(target, c_ast.ArrayDecl):
            target, const = self._expanded(target.type, const)
        if isinstance(target, c_ast.FuncDecl):
            raise InputError(f"the parameter {name} of {self._function} points to a function", _FUNCTIONS)
        if isinstance(target, c_ast.PtrDecl):
            raise InputError(
                f"the parameter {name} of {self._function} points to pointers",
                "give one array, and places in it as numbers",
            )
        dtype, of = self._target(name, target, node.type)
        return Parameter(name, dtype, True, not const, of)

    def result(self, node: c_ast.Node) -> np.dtype[np.generic] | None:
        """The type of a result, None for void; InputError for what is no number."""
        node, _ = self._expanded(node)
        words = self.words(node)
        if words != "void" and words not in TYPES:
            kind = "a pointer" if isinstance(node, c_ast.PtrDecl) else words or "a struct"
            advice = "return a number, and write what else there is through a pointer"
            raise InputError(f"{self._function} returns {kind}, expected a number or void", advice)
        return None if words == "void" else np.dtype(TYPES[words])

    def words(self, node: c_ast.Node | None) -> str:
        """The words of a plain type, sorted, those of int for an enumeration; "" for any other."""
        inner = node.type if isinstance(node, c_ast.TypeDecl) else None
        if isinstance(inner, c_ast.Enum):
            return "int"
        return " ".join(sorted(inner.names)) if isinstance(inner, c_ast.IdentifierType) else ""

    def _expanded(self, node: c_ast.Node, const: bool = False) -> tuple[c_ast.Node, bool]:
        """A type behind the typedefs that name it, and whether one of them, or it, is const."""
        const = const or "const" in (getattr(node, "quals", None) or ())
        defined = self._typedefs.get(self.words(node))
        return (node, const) if defined is None else self._expanded(defined, const)

    def _number(self, name: str, node: c_ast.Node) -> np.dtype[np.generic]:
        words = self.words(node)
        if words in TYPES:
            return np.dtype(TYPES[words])
        if isinstance(node.type, c_ast.Struct | c_ast.Union):
            raise InputError(
                f"the parameter {name} of {self._function} is a struct by value",
                "take a pointer to it, and give an array of one",
            )
        raise InputError(f"the parameter {name} of {self._function} has the type {words or 'of no number'}", ADVICE)

    def _target(self, name: str, node: c_ast.Node, written: c_ast.Node) -> tuple[np.dtype[np.generic], str]:
        """What the elements behind a pointer are, and their name where that is not the dtype's."""
        if self.words(node) == "void":
            return ANYTHING, "void"
        if not isinstance(node.type, c_ast.Struct | c_ast.Union):
            return self._number(name, node), ""
        kind = "struct" if isinstance(node.type, c_ast.Struct) else "union"
        of = self.words(written) or f"{kind} {node.type.name}"
        try:
            return self._struct(node.type), of
        except _LaidOutElsewhereError:
            return ANYTHING, of

    def _struct(self, struct: c_ast.Node) -> np.dtype[np.generic]:
        """The dtype of a struct, aligned as C aligns it."""
        if not isinstance(struct, c_ast.Struct):
            raise _LaidOutElsewhereError
        members = struct.decls or getattr(self._structs.get(struct.name), "decls", None)
        if not members:
            raise _LaidOutElsewhereError
        return np.dtype([(member.name, *self._member(member)) for member in members], align=True)

    def _member(self, member: c_ast.Decl) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
        node, shape = self._expanded(member.type)[0], []
        while isinstance(node, c_ast.ArrayDecl):
            shape.append(_size(node.dim))
            node = self._expanded(node.type)[0]
        if member.name is None or member.bitsize is not None:
            raise _LaidOutElsewhereError
        if isinstance(node, c_ast.PtrDecl):
            return POINTER, tuple(shape)
        words = self.words(node)
        if words in TYPES:
            return np.dtype(TYPES[words]), tuple(shape)
        return self._struct(node.type), tuple(shape)
