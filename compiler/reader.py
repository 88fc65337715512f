"""The parser's second half: the syntax tree of IR text becomes a graph, its words looked up in the op table."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from lark import Token, Tree

from .errors import IRError, Problem
from .ir import NUMPY_DTYPES, Array, Attr, Constant, Graph, Node, QuantParams, TensorType
from .numerics import dtype_range
from .ops import OPS, AttrDef
from .text import archive_key, array_hash, attr_text, list_text, suggestion, value_text

Syntax = Tree[Token]
Number = int | float

PARAMS_KEYS = ("e", "scale", "zp", "axis")


class TextError(Exception):
    """A fault at a token: what was found and expected, and what helps."""

    def __init__(self, token: Token, what: str, advice: str = "correct the text there") -> None:
        super().__init__(f"line {token.line}, column {token.column}: {what}")
        self.advice = advice


def read_graph(tree: Syntax, archive: Mapping[str, Array]) -> tuple[Graph, str]:
    """Graph and pass name of a tree of ir.lark's `start`; raises IRError with the first fault of each statement."""
    header, graph_name, *statements = _parts(tree)
    problems: list[Problem] = []
    graph = Graph("")
    pass_name = ""
    try:
        pass_name, graph.name = _name(_parts(header)[1]), _name(_parts(graph_name)[0])
    except TextError as error:
        problems.append(Problem(str(error), error.advice))
    for statement in statements:
        try:
            _read_statement(graph, statement, archive)
        except TextError as error:
            problems.append(Problem(str(error), error.advice))
    if problems:
        raise IRError(problems)
    return graph, pass_name


def _parts(tree: Syntax) -> list[Any]:
    """The tokens and trees below a tree, those that ir.lark says."""
    return list(tree.children)


def _read_statement(graph: Graph, statement: Syntax, archive: Mapping[str, Array]) -> None:
    value: Token = _parts(statement)[0]
    name = _unquoted(value, value[1:])
    if statement.data == "output":
        graph.outputs.append(name)
        return
    if name in graph:
        raise TextError(value, f"{value} is defined twice, expected a new name")
    if statement.data == "input":
        graph.inputs[name] = _type(_parts(statement)[1])
    elif statement.data == "const":
        graph.constants[name] = _constant(name, statement, archive)
    else:
        graph.nodes[name] = _node(name, statement)


def _node(name: str, statement: Syntax) -> Node:
    _, op, *operands, attrs, type_, loc = _parts(statement)
    if op not in OPS:
        raise TextError(op, f"there is no op {op}{suggestion(op, OPS)}")
    names = tuple(_unquoted(operand, operand[1:]) for operand in operands)
    return Node(name, str(op), names, _type(type_), _attrs(op, attrs), "".join(map(_name, _parts(loc))))


def _attrs(op: Token, tree: Syntax) -> dict[str, Attr]:
    """The attributes as written and, for the others, their defaults; one without a default is left out."""
    declared = OPS[op].attrs
    written = {str(key): _attr(key, value, declared[key]) for key, value in _pairs(tree, declared, str(op))}
    complete = {key: written.get(key, attr.default) for key, attr in declared.items()}
    return {key: value for key, value in complete.items() if value is not None}


def _attr(key: Token, value: Syntax | Token, attr: AttrDef) -> Attr:
    found: Attr | tuple[Number, ...] = _numbers(value) if isinstance(value, Tree) else _scalar(value)
    if attr.kind == "float" and isinstance(found, int):
        return float(found)
    if isinstance(found, tuple):
        return _ints(key, f"the attribute {key}", found)
    return found


def _constant(name: str, statement: Syntax, archive: Mapping[str, Array]) -> Constant:
    value, type_tree, elements = _parts(statement)
    type_ = _type(type_tree)
    if elements.data == "archived":
        return Constant(type_, _archived(name, type_, _parts(elements)[0], archive))
    numbers = _numbers(elements)
    if elements.data == "splat":
        numbers *= type_.elements
    if len(numbers) != type_.elements:
        raise TextError(value, f"{value} has {len(numbers)} elements, expected {type_.elements} for its shape")
    if type_.dtype == "f32":
        return Constant(type_, np.array([_float32(number) for number in numbers], np.float32).reshape(type_.shape))
    low, high = dtype_range(type_.dtype)
    for number in _ints(value, f"{value}", numbers):
        if not low <= number <= high:
            raise TextError(value, f"{value} holds {number}, expected {type_.dtype} elements, {low}..{high}")
    return Constant(type_, np.array(numbers, type_.numpy).reshape(type_.shape))


def _archived(name: str, type_: TensorType, written: Token, archive: Mapping[str, Array]) -> Array:
    key = archive_key(name)
    if key not in archive:
        what = f"{value_text(name)} is not in the .npz beside the text (key {key})"
        raise TextError(written, what, "keep the .npz that was dumped with the text, under the same stem")
    array = archive[key]
    if array.dtype != type_.numpy or array.shape != type_.shape:
        found, expected = f"{array.dtype}{list_text(array.shape)}", f"{np.dtype(type_.numpy)}{list_text(type_.shape)}"
        raise TextError(written, f"{value_text(name)} is {found} in the .npz, expected {expected}")
    found = array_hash(array)
    if found != written:
        what = f"{value_text(name)} has hash {found} in the .npz, expected {written}"
        raise TextError(written, what, f"write npz({found}) here if the change is meant, else restore the .npz")
    return array


def _type(tree: Syntax) -> TensorType:
    dtype, shape, *rest = _parts(tree)
    if dtype not in NUMPY_DTYPES:
        raise TextError(dtype, f"there is no dtype {dtype}{suggestion(dtype, NUMPY_DTYPES)}")
    sizes = _ints(dtype, "the shape", _numbers(shape))
    if any(size < 1 for size in sizes):
        raise TextError(dtype, f"the shape is {list_text(sizes)}, expected integers of 1 or more")
    type_ = TensorType(str(dtype), sizes)
    for part in rest:
        change = {"params": _params(part)} if isinstance(part, Tree) else {"layout": str(part)}
        type_ = type_.with_(**change)
    return type_


def _params(tree: Syntax) -> QuantParams:
    keys: dict[str, Token] = {}
    values: dict[str, tuple[Number, ...]] = {}
    for key, value in _pairs(tree, PARAMS_KEYS, "q"):
        keys[key] = key
        values[key] = _numbers(value) if isinstance(value, Tree) else (_number(value),)
    if ("e" in keys) == ("scale" in keys):
        raise TextError(_parts(tree)[0].children[0], "q has both e and scale or neither, expected one of them")
    ints = {key: _ints(keys[key], key, numbers) for key, numbers in values.items() if key != "scale"}
    scale = _scales(keys["e"], ints["e"]) if "e" in ints else tuple(map(_float32, values["scale"]))
    axis = ints.get("axis", (None,))
    if len(axis) != 1:
        raise TextError(keys["axis"], f"axis is {list_text(axis)}, expected one integer")
    return QuantParams(scale, ints.get("zp", (0,) * len(scale)), axis[0])


def _scales(key: Token, exponents: Sequence[int]) -> tuple[float, ...]:
    # 2^-e of these is a float64; whether it is a float32 too the verifier says.
    if any(not -1023 <= exponent <= 1074 for exponent in exponents):
        raise TextError(key, f"e is {list_text(exponents)}, expected exponents in -1023..1074")
    return tuple(math.ldexp(1.0, -exponent) for exponent in exponents)


def _pairs(tree: Syntax, known: Collection[str], owner: str) -> Iterator[tuple[Token, Any]]:
    """The key=value pairs below `tree`: key token, and value token or list."""
    seen: set[str] = set()
    for pair in _parts(tree):
        key, value = _parts(pair)
        if key not in known:
            raise TextError(key, f"{owner} has no {key}{suggestion(key, known)}")
        if key in seen:
            raise TextError(key, f"{key} is given twice")
        seen.add(str(key))
        yield key, value


def _scalar(token: Token) -> Number | str:
    return _unquoted(token, token) if token.type == "STRING" else _number(token)


def _number(token: Token) -> Number:
    if token.type == "STRING":
        raise TextError(token, f"found {token}, expected a number")
    try:
        if token.type == "INT":
            return int(token)
        return float.fromhex(token) if "x" in token else float(token)
    except (OverflowError, ValueError):
        raise TextError(token, f"{token[:20]} is too large a number") from None


def _numbers(tree: Syntax) -> tuple[Number, ...]:
    return tuple(_number(token) for token in _parts(tree))


def _float32(value: Number) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def _ints(token: Token, what: str, values: Sequence[object]) -> tuple[int, ...]:
    ints = tuple(value for value in values if isinstance(value, int))
    if len(ints) != len(values):
        other = next(value for value in values if not isinstance(value, int))
        raise TextError(token, f"{what} holds {attr_text(other)}, expected integers")
    return ints


def _name(tree: Syntax) -> str:
    return _unquoted(_parts(tree)[0], _parts(tree)[0])


def _unquoted(token: Token, text: str) -> str:
    """The name that a bare or quoted word stands for."""
    if not text.startswith('"'):
        return str(text)
    try:
        return str(json.loads(text, strict=False))
    except json.JSONDecodeError as error:
        raise TextError(token, f"{text}: {error.msg.lower()}, expected the escapes of JSON") from None
