"""What C and C++ files declare, cut out of everything else: one function, and the types that its declaration needs.

A C parser cannot read what compilers can: statements of assembly, attributes, the headers of a toolchain. So the
text is cut into declarations, and only the few that matter are kept, without what is no C.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_WORDS = {
    r"__extension__|__inline(__)?|_Noreturn|__signed__|constexpr|noexcept": " ",
    r"__const(__)?": "const",
    r"__volatile(__)?": "volatile",
    r"__restrict(__)?": "restrict",
}
_NOTHING = r"/\*.*?\*/|//[^\n]*|^[ \t]*#(?:\\\n|[^\n])*|\"(?:\\.|[^\"\\])*\"|(?<![0-9a-fA-F])'(?:\\.|[^'\\])*'"
_ATTRIBUTE = r"\b(?:__attribute__|alignas|_Alignas|__asm__|__asm|asm)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_BRACED = r"\b(struct|union|enum)\s+(?:struct\s+)?(\w*)\s*\{"
# Stands for an attribute that changes how a struct is laid out.
_ODD = "__p4c_odd__"


@dataclass(frozen=True)
class Source:
    """The text of a source as its compiler reads it; `cplusplus` when that is C++."""

    text: str
    cplusplus: bool = False


@dataclass(frozen=True)
class Declaration:
    """A function's declaration, those of the types that it needs, and what hides it from other files, or ""."""

    text: str
    types: str
    hidden: str = ""


@dataclass(frozen=True)
class _Piece:
    """One declaration of a file; with C's `linkage`; `odd` when its structs are not laid out as C's usually are."""

    text: str
    linkage: bool
    odd: bool


def find_declaration(source: Source, function: str) -> Declaration | None:
    """Where the source defines or declares a function; None when it does not. A definition goes first."""
    pieces = list(_pieces(source))
    found = [(piece, text) for piece in pieces if (text := _declared(piece.text, function))]
    if not found:
        return None
    found.sort(key=lambda one: not one[0].text.endswith("}"))
    text = " ".join(re.sub(r"\b(extern|__C__|static(?!\s+[\w*]+\])|inline)\b", " ", found[0][1]).split())
    return Declaration(text, _types(text, pieces, source.cplusplus), _hidden([piece for piece, _ in found]))


def split_parameters(declaration: str) -> list[str]:
    """The texts of the parameters of a declaration."""
    depth, parameters = 0, [""]
    for letter in declaration[declaration.index("(") + 1 : declaration.rindex(")")]:
        depth += (letter in "([<") - (letter in ")]>")
        if letter == "," and depth == 0:
            parameters.append("")
        else:
            parameters[-1] += letter
    return [parameter.strip() for parameter in parameters]


def _hidden(pieces: Sequence[_Piece]) -> str:
    heads = [re.split(r"[{(]", piece.text)[0].split() for piece in pieces]
    if any("static" in head for head in heads):
        return "static"
    if any("inline" in head for head in heads) and not any("extern" in head for head in heads):
        return "inline"
    return "" if any(piece.linkage for piece in pieces) else "C++"


def _pieces(source: Source) -> Iterator[_Piece]:
    """The declarations at the top of a file, without comments, literals and attributes."""
    packed = re.search(r"^\s*#\s*pragma\s+pack", source.text, re.MULTILINE) is not None
    inside, depth, current = not source.cplusplus, 0, ""
    for token in re.findall(r"[{}();]|[^{}();]+", _plain(source)):
        if depth == 0 and token == "{" and current.split()[-2:] == ["extern", "__C__"]:
            inside, current = True, ""
        elif depth == 0 and token == "}":
            inside, current = not source.cplusplus, ""
        else:
            current += token
            depth += (token in "({") - (token in ")}")
            if depth == 0 and (token == ";" or (token == "}" and _ends_with_body(current))):
                text = current.replace(_ODD, " ").strip()
                yield _Piece(text, inside or "__C__" in text.split("(")[0], packed or _ODD in current)
                current = ""


def _plain(source: Source) -> str:
    """The text without comments, directives, literals and the compilers' own words."""
    text = re.sub(r'\bextern\s+"C"', "extern __C__", source.text)
    text = re.sub(_NOTHING, " ", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(_ATTRIBUTE, lambda match: f" {_ODD} " if re.search("pack|align", match[0]) else " ", text)
    text = re.sub(r"\[\[.*?\]\]", " ", text)
    for pattern, word in _WORDS.items():
        text = re.sub(rf"\b({pattern})\b", word, text)
    return re.sub(r"\bclass\b", "struct", text) if source.cplusplus else text


def _ends_with_body(text: str) -> bool:
    """True for a function, whose braces end it; what else has braces ends with a semicolon."""
    head = text.replace(_ODD, " ").split("{")[0].split()
    return not head or head[-1][-1] == ")" or head[-1] == "const" or head[0] in ("namespace", "template")


def _declared(text: str, function: str) -> str:
    """The text from the return type to the end of the parameters when this declares the function; else ""."""
    match = re.match(rf"[^{{}}()=]*[\w*\s]\b{re.escape(function)}\s*\(", text)
    if match is None or text.split()[0] in ("typedef", function):
        return ""
    depth = 1
    for end in range(match.end(), len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            return text[: end + 1]
    return ""


def _types(text: str, pieces: Iterable[_Piece], cplusplus: bool) -> str:
    """The declarations of the types that are named in a text, and of those that these name, in their order."""
    places: dict[str, int] = {}
    kept: list[str] = []
    for piece in pieces:
        for names, declaration in _definitions(piece, cplusplus):
            places |= dict.fromkeys(names, len(kept))
            kept.append(declaration)
    needed: set[int] = set()
    words = re.findall(r"\w+", text)
    while words:
        place = places.get(words.pop())
        if place is not None and place not in needed:
            needed.add(place)
            words += re.findall(r"\w+", kept[place])
    return " ".join(kept[place] for place in sorted(needed))


def _definitions(piece: _Piece, cplusplus: bool) -> Iterator[tuple[list[str], str]]:
    """The names of types that a piece defines, with the text that defines them."""
    if piece.text.endswith("}"):
        return
    for match in re.finditer(_BRACED, piece.text):
        kind, tag = match[1], match[2]
        body = "" if kind == "enum" else _body(piece, match)
        named = f" typedef {'int' if kind == 'enum' else f'{kind} {tag}'} {tag};" if cplusplus else ""
        if tag and (body or named):
            yield [tag], f"{kind} {tag} {body};{named}" if body else named
    if piece.text.startswith("typedef"):
        text = _reduced(piece)
        bare = re.sub(r"\{.*\}", " ", text, flags=re.DOTALL)
        names = re.findall(r"\(\s*\*\s*(\w+)\s*\)|(\w+)\s*(?:\[[^]]*\]\s*)*(?=[,;])", bare)
        yield [one or other for one, other in names], text


def _reduced(piece: _Piece) -> str:
    """A typedef with enumerations as int, and structs with members only where anybody can lay them out."""
    match = re.search(_BRACED, piece.text)
    if match is None or (match[1] != "enum" and not match[2] and _body(piece, match)):
        return piece.text
    type_ = "int" if match[1] == "enum" else f"{match[1]} {match[2] or '__p4c_opaque__'}"
    return piece.text[: match.start()] + type_ + piece.text[_closing(piece.text, match.end() - 1) + 1 :]


def _body(piece: _Piece, match: re.Match[str]) -> str:
    """The members between the braces; "" where only the compiler knows how they lie."""
    start = match.end() - 1
    body = piece.text[start : _closing(piece.text, start) + 1]
    # Bit fields, pointers to functions, methods; in brackets there may be sums and products.
    return "" if piece.odd or re.search(r"[(:]", re.sub(r"\[[^]]*\]", "", body)) else body


def _closing(text: str, start: int) -> int:
    """The place of the brace that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    return len(text) - 1
