"""How the words of IR text are written: names, numbers, types. The printer and the ops' messages share them."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Sequence

import numpy as np

from .ir import Array, Constant, QuantParams, TensorType

# Names of this form stand bare; all others are quoted. No bare name holds `//`, which starts a comment.
BARE_NAME = r"/?[A-Za-z0-9_.]+(?:(?:/|::|-|:(?=[0-9]))[A-Za-z0-9_.]+)*"

# Constants of more elements go into the archive, unless one integer says them all.
INLINE_ELEMENTS = 16


def name_text(name: str) -> str:
    """A name as IR text: bare where that is unambiguous, else in quotes with JSON's escapes."""
    if re.fullmatch(BARE_NAME, name):
        return name
    return f'"{"".join(_escaped(char) for char in name)}"'


def _escaped(char: str) -> str:
    return char if char.isprintable() and char not in '"\\' else json.dumps(char)[1:-1]


def value_text(name: str) -> str:
    """A use or definition of a value: its name behind a `%`."""
    return f"%{name_text(name)}"


def float_text(value: float) -> str:
    """A float in hexadecimal, exact, without the mantissa's trailing zeros."""
    return re.sub(r"\.?0+p", "p", float.hex(value)) if np.isfinite(value) else str(float(value))


def attr_text(value: object) -> str:
    """An attribute's value, or anything else that stands in its place in a faulty graph."""
    if isinstance(value, (tuple, list)):
        return list_text(value)
    if isinstance(value, float):
        return float_text(value)
    return json.dumps(value) if isinstance(value, str) else str(value)


def list_text(values: Sequence[object]) -> str:
    """Several values in brackets."""
    return f"[{','.join(attr_text(value) for value in values)}]"


def params_text(params: QuantParams) -> str:
    """Quantization parameters: `q(e=7)` where every scale is 2^-e, else scales; zero points unless all are 0."""
    exponents = params.exponents
    single = params.axis is None and len(params.scale) == len(params.zero_point) == 1
    parts = [("e", exponents) if exponents is not None else ("scale", params.scale)]
    if params.zero_point != (0,) * len(params.scale):
        parts.append(("zp", params.zero_point))
    words = [f"{key}={attr_text(values[0]) if single else list_text(values)}" for key, values in parts]
    if params.axis is not None:
        words.append(f"axis={params.axis}")
    return f"q({', '.join(words)})"


def type_text(type_: TensorType) -> str:
    """A type: `i8[1,16,28,28] q(e=4) nhwc`; the layout only where it is not row."""
    words = [f"{type_.dtype}{list_text(type_.shape)}"]
    if type_.params is not None:
        words.append(params_text(type_.params))
    if type_.layout != "row":
        words.append(type_.layout)
    return " ".join(words)


def elements_text(constant: Constant) -> str | None:
    """The elements as text: one integer for all, or a list in row-major order; None where they are too many."""
    array = constant.array
    if array.size > 1 and array.dtype.kind in "iu" and bool((array == array.flat[0]).all()):
        return str(array.flat[0])
    return list_text(array.ravel().tolist()) if array.size <= INLINE_ELEMENTS else None


def archive_key(name: str) -> str:
    """The key of a constant in the archive: its name, quoted where NumPy could take it for another member's."""
    text = name_text(name)
    return f'"{text}"' if text.endswith(".npy") else text


def array_hash(array: Array) -> str:
    """16 hexadecimal digits over dtype, shape and elements."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    header = f"{little.dtype.str}{list(array.shape)}".encode()
    return hashlib.sha256(header + little.tobytes()).hexdigest()[:16]


def suggestion(word: str, known: Collection[str]) -> str:
    """What to say behind an unknown word: the known word that is near, or all of them."""
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"
