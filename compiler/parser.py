"""The parser: IR text to a graph, the inverse of `printer`. The grammar is in ir.lark, the form is shown in IR.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr

from .errors import IRError
from .ir import Array, Graph
from .printer import IR_VERSION
from .reader import read_graph

# What to call the terminals that are no fixed words.
WORDS = {
    "_NEWLINE": "the end of the line",
    "$END": "the end of the text",
    "VALUE": "a value such as %x",
    "NAME": "a name",
    "STRING": "a quoted string",
    "DTYPE": "a dtype",
    "LAYOUT": "a layout",
    "OP": "an op",
    "KEY": "a key",
    "HASH": "a hash of 16 digits",
    "FLOAT": "a real number",
    "INT": "an integer",
}
HELP = "compiler/IR.md shows the form of every statement"


def parse_graph(text: str, archive: Mapping[str, Array]) -> tuple[Graph, str]:
    """The graph that IR text describes, and the name of the pass it stands after.

    `archive` holds the large constants under the keys of `text.archive_key`. Raises IRError with line, column and
    what was expected; whether the graph keeps the rules of the IR is the verifier's business.
    """
    _check_version(text)
    return read_graph(_syntax_tree(text), archive)


def _check_version(text: str) -> None:
    """Look at the version first: the grammar of another version may be another one."""
    match = re.match(r"p4ir +(\d+)\b", text)
    if match is None:
        first = text.split("\n", 1)[0][:40]
        what = f"line 1, column 1: found {_quoted(first)}, expected p4ir {IR_VERSION} after PASS"
        raise IRError(what, "give a file that --dump-ir wrote")
    if match[1] != str(IR_VERSION):
        what = f"line 1, column 6: the text has IR version {match[1]}, expected {IR_VERSION}"
        raise IRError(what, "dump the graph again with this version of p4c")


class _EveryNewline:
    """Makes the lexer give a line's end even where no statement may end, so that a fault is found on its own line."""

    always_accept = ("_NEWLINE",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def _lark() -> Lark:
    grammar = Path(__file__).with_name("ir.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False, postlex=_EveryNewline())


def _syntax_tree(text: str) -> Tree[Token]:
    try:
        return _lark().parse(text)
    except UnexpectedInput as error:
        raise IRError(_found_and_expected(error), HELP) from None


def _found_and_expected(error: UnexpectedInput) -> str:
    line, column = error.line, error.column
    names = error.interactive_parser.accepts()  # type: ignore[no-untyped-call]
    if isinstance(error, UnexpectedCharacters):
        found = _quoted(error.char)
    else:
        assert isinstance(error, UnexpectedToken)
        token = error.token
        found = WORDS[token.type] if token.type in ("_NEWLINE", "$END") else _quoted(token)
        if token.type == "$END":
            # lark places it at the start of the last token.
            line, column = token.end_line, token.end_column
    return f"line {line}, column {column}: found {found}, expected {' or '.join(sorted(map(_word, names)))}"


def _quoted(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=False)


def _word(terminal: str) -> str:
    if terminal in WORDS:
        return WORDS[terminal]
    pattern = _lark().get_terminal(terminal).pattern
    assert isinstance(pattern, PatternStr)
    return pattern.value
