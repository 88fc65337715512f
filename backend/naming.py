"""Every name and prefix of generated C, in one place."""

from __future__ import annotations

import re

from ..compiler.ir import TensorType

C_TYPES = {"i8": "int8_t", "u8": "uint8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t", "f32": "float"}
SHORT_TYPES = {"i8": "s8", "u8": "u8", "i16": "s16", "i32": "s32", "i64": "s64", "f32": "f32"}

# What no identifier may be in a header that C and C++ read.
KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
        co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype
        default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
        int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
        reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch
        template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
        virtual void volatile wchar_t while xor xor_eq""",
    )
)


def c_name(text: str) -> str:
    """`text` as an identifier of C and C++: lower case, other characters become underscores."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII).strip("_").lower() or "model"
    return f"m{name}" if name[0].isdigit() or name in KEYWORDS else name


def prefix(model: str) -> str:
    """The prefix of a model's C symbols; `model` is a C name."""
    return f"p4c_{model}"


def macro(model: str, name: str) -> str:
    """A macro of a model's header."""
    return f"P4C_{model.upper()}_{name.upper()}"


def unique_names(texts: list[str]) -> list[str]:
    """C names for several texts, made different by a counter where they collide."""
    names: list[str] = []
    for text in texts:
        name, count = c_name(text), 1
        while name in names:
            name, count = f"{c_name(text)}_{count}", count + 1
        names.append(name)
    return names


def describe(type_: TensorType) -> str:
    """A type as a comment shows it: `s8[1,16,14,14] nhwc scale 2^-4`."""
    shape = ",".join(str(size) for size in type_.shape)
    text = f"{SHORT_TYPES[type_.dtype]}[{shape}]"
    if type_.layout != "row":
        text += f" {type_.layout}"
    if type_.params is None:
        return text
    exponents = type_.params.exponents
    if exponents is None:
        scale = f"{type_.params.scale[0]!r}" + (" ..." if type_.params.axis is not None else "")
    elif len(set(exponents)) == 1:
        scale = f"2^{-exponents[0]}"
    else:
        scale = f"2^{-max(exponents)}..2^{-min(exponents)} per channel"
    return f"{text} scale {scale}" + ("" if type_.params.symmetric else f" zero point {type_.params.zero_point[0]}")


def comment(text: str) -> str:
    """`text` made safe for a C comment: it neither ends nor begins one; a question mark for what cannot be seen."""
    visible = "".join(char if char.isprintable() else "?" for char in text)
    return re.sub(r"(?<=\*)/|(?<=/)\*", r" \g<0>", visible)
