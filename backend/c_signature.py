"""What a C function takes and returns, read off its declaration: numbers, and pointers to numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycparser import c_ast, c_parser

from ..compiler.errors import InputError

STDINT = {f"{sign}int{bits}_t": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
# C's types on RV32 ilp32f -> NumPy's; what pycparser gives as the words of a type, sorted.
TYPES: Mapping[str, str] = {
    **STDINT,
    **{"char": "uint8", "char signed": "int8", "char unsigned": "uint8", "_Bool": "bool", "bool": "bool"},
    **{"short": "int16", "int short": "int16", "short unsigned": "uint16", "int short unsigned": "uint16"},
    **{"int": "int32", "signed": "int32", "int signed": "int32", "unsigned": "uint32", "int unsigned": "uint32"},
    **{"long": "int32", "int long": "int32", "long unsigned": "uint32", "int long unsigned": "uint32"},
    **{"long long": "int64", "int long long": "int64", "long long unsigned": "uint64"},
    **{"float": "float32", "double": "float64", "size_t": "uint32", "uintptr_t": "uint32", "intptr_t": "int32"},
}
ADVICE = "Give its declaration with signature=, of numbers and pointers to them: int32_t f(const int8_t *x, int n)."
_NAMES = ("size_t", "uintptr_t", "intptr_t", "bool", *STDINT)
_PRELUDE = "".join(f"typedef int {name};" for name in _NAMES)


@dataclass(frozen=True)
class Parameter:
    """One parameter: the type of a number, or of what a pointer points to; `written` for pointers without const."""

    name: str
    dtype: np.dtype[np.generic]
    pointer: bool = False
    written: bool = False

    def __str__(self) -> str:
        const = "const " if self.pointer and not self.written else ""
        return f"{const}{self.dtype} {'*' if self.pointer else ''}{self.name}"


@dataclass(frozen=True)
class Signature:
    """A function's name, its parameters, and the type of what it returns, None for void."""

    name: str
    parameters: tuple[Parameter, ...]
    result: np.dtype[np.generic] | None

    def __str__(self) -> str:
        return f"{self.result or 'void'} {self.name}({', '.join(map(str, self.parameters))})"


def read_signature(sources: Sequence[str], function: str) -> Signature:
    """The signature of a function that one of the texts defines or declares; InputError when none does."""
    for declaration in (found for source in sources for found in _declarations(source, function)):
        return parse_signature(declaration)
    raise InputError(f"the sources declare no function {function}", ADVICE)


def parse_signature(declaration: str) -> Signature:
    """The signature of a declaration such as `int32_t f(const int8_t *x, int n)`; InputError when it is none."""
    try:
        tree = c_parser.CParser().parse(f"{_PRELUDE}{declaration.strip().rstrip(';')};")
    except Exception as error:  # pycparser's exception has moved between its releases
        raise InputError(f"{declaration.strip()!r} is no declaration of a C function", ADVICE) from error
    declared = tree.ext[-1]
    if not isinstance(declared, c_ast.Decl) or not isinstance(declared.type, c_ast.FuncDecl):
        raise InputError(f"{declaration.strip()!r} is no declaration of a C function", ADVICE)
    parameters = declared.type.args.params if declared.type.args else []
    if len(parameters) == 1 and _words(parameters[0].type) == "void":
        parameters = []
    made = tuple(_parameter(declared.name, index, one) for index, one in enumerate(parameters))
    result = _words(declared.type.type)
    if result != "void" and result not in TYPES:
        raise InputError(f"{declared.name} returns {result or 'no number'}, expected a number or void", ADVICE)
    return Signature(declared.name, made, None if result == "void" else np.dtype(TYPES[result]))


def _declarations(source: str, function: str) -> list[str]:
    """The texts from a return type to the end of the parameters, wherever the function is declared and not called."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", source, flags=re.DOTALL)
    text = re.sub(r"^\s*#(\\\n|[^\n])*", "", text, flags=re.MULTILINE)
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)|\bextern\b\s*(\"C\")?|\b(static|inline)\b", " ", text)
    text = re.sub(r"\b__?restrict(__)?\b", "restrict", text)
    pattern = rf"(?:^|[;{{}}])([^;{{}}()=]*[\w*\s]\b{re.escape(function)}\s*\([^;{{}}()]*\))\s*(?=[;{{])"
    found = (" ".join(match.split()) for match in re.findall(pattern, text))
    return [declaration for declaration in found if declaration.split()[0] not in ("return", "else", function)]


def _parameter(function: str, index: int, declared: c_ast.Node) -> Parameter:
    type_ = declared.type if isinstance(declared, c_ast.Decl | c_ast.Typename) else declared
    pointer = isinstance(type_, c_ast.PtrDecl | c_ast.ArrayDecl)
    inner = type_.type if pointer else type_
    words, name = _words(inner), getattr(declared, "name", None) or f"argument{index}"
    if words not in TYPES:
        raise InputError(f"the parameter {name} of {function} is no number and no pointer to numbers", ADVICE)
    return Parameter(name, np.dtype(TYPES[words]), pointer, pointer and "const" not in inner.quals)


def _words(type_: c_ast.Node) -> str:
    """The words of a plain type, sorted; "" for any other."""
    named = isinstance(type_, c_ast.TypeDecl) and isinstance(type_.type, c_ast.IdentifierType)
    return " ".join(sorted(type_.type.names)) if named else ""
